"""What a picture of a forecast shows: tables in, arrays for each panel out. No matplotlib here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from forecast.data.frequency import Step, infer_step
from forecast.errors import ForecastError, ParameterError, TableError, closest

STEP = "step"  # what forecasts call their times if the table had none
LEAST_HISTORY = 24
HORIZONS_SHOWN = 4
SEASONS_SHOWN = 2
MOST_BANDS = 4


@dataclass(frozen=True)
class Roles:
    """Which columns a picture reads; ``plot_forecast`` says what each means."""

    time: str
    id: str | None
    targets: tuple[str, ...]
    baselines: tuple[str, ...] = ()
    lower: str | None = None
    upper: str | None = None
    season: int | None = None


@dataclass(frozen=True)
class Line:
    """Times in order and their values, with a NaN where rows are missing."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Band:
    """An interval around the forecast, at the forecast's times."""

    label: str
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Panel:
    """One series and target: its last history, the forecast, and what came true.

    ``id`` is empty for a single series; ``bands`` run from the widest to the narrowest; times are UTC if
    ``zone`` is not None.
    """

    id: str
    target: str
    past: Line
    known: Line
    ahead: Line
    bands: tuple[Band, ...]
    baselines: dict[str, Line]
    zone: Any


def make_panels(
    tables: Mapping[str, pd.DataFrame | None], roles: Roles, series: Sequence[object] | None, most: int
) -> tuple[list[Panel], int]:
    """Return the first ``most`` panels and how many there would be.

    Args:
        tables: The tables ``history``, ``forecast`` and, possibly None, ``actual``.
        roles: Which columns to read.
        series: Ids to show, in this order; None means those of the forecast, in its order.
        most: How many panels to make.

    Raises:
        ParameterError: A column or an id is unknown.
        TableError: The forecast is empty or holds a time twice, or times are of different kinds.
    """
    given = {name: table for name, table in tables.items() if table is not None}
    _check_tables(given, roles)
    keys = _keys(given["forecast"], roles, series)
    shown = keys[: max(1, most)]
    ids = {key for key, _ in shown}
    _check_kinds(given, roles.time)
    small = {name: _readable(table, name, roles, ids) for name, table in given.items()}
    zone = _zone(given["forecast"][roles.time])
    return [_make_panel(small, roles, key, zone) for key in shown], len(keys)


def count_rows(history: pd.DataFrame, id: str | None) -> pd.DataFrame:
    """Add the column ``step``: 0, 1, 2 … within each series, as forecasts of a table without times count on.

    Example:
        >>> count_rows(pd.DataFrame({"shop": ["a", "a", "b"]}), "shop")[STEP].tolist()
        [0, 1, 0]
    """
    check_columns(history, "history", (id,))
    counts = np.arange(len(history)) if id is None else history.groupby(id, sort=False).cumcount()
    return history.assign(**{STEP: counts})


def check_columns(table: pd.DataFrame, name: str, columns: Sequence[str | None]) -> None:
    """Refuse a table that lacks one of ``columns``; None entries are skipped."""
    for column in columns:
        if column is not None and column not in table.columns:
            known = [str(c) for c in table.columns]
            hint = closest(column, known) or f" It has {', '.join(known[:12])}."
            raise ParameterError(f"The {name} has no column {column!r}.{hint}")


def floats(column: Any) -> np.ndarray:
    """Return a column as float64, missing values as NaN."""
    try:
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise TableError(
            f"Column {column.name!r} holds text where numbers are needed; convert it."
        ) from error


def _check_tables(tables: Mapping[str, pd.DataFrame], roles: Roles) -> None:
    if (roles.lower is None) != (roles.upper is None):
        raise ParameterError("lower= and upper= name the two ends of one interval; give both or neither.")
    for name, table in tables.items():
        own = (
            (roles.lower, roles.upper, "forecast", *roles.baselines) if name == "forecast" else roles.targets
        )
        check_columns(table, name, (roles.time, roles.id, *own))
    if len(roles.targets) > 1:
        check_columns(tables["forecast"], "forecast", ("target",))
    if tables["forecast"].empty:
        raise TableError("The forecast has no rows; there is nothing to draw.")


def _check_kinds(tables: Mapping[str, pd.DataFrame], time: str) -> None:
    kinds = {name: _kind(table[time], name) for name, table in tables.items()}
    for name, kind in kinds.items():
        if kind != kinds["forecast"]:
            raise TableError(
                f"Column {time!r} holds {kind} in the table {name} but {kinds['forecast']} in the forecast; "
                "convert one of them."
            )


def _keys(forecast: pd.DataFrame, roles: Roles, series: Sequence[object] | None) -> list[tuple[str, str]]:
    """Return (id, target) of every panel; the id of a single series is ``""``."""
    ids = [""] if roles.id is None else list(dict.fromkeys(forecast[roles.id].astype(str)))
    if series is not None:
        wanted = [str(s) for s in series]
        for key in wanted:
            if key not in ids:
                raise ParameterError(f"The forecast has no series {key!r}.{closest(key, ids)}")
        ids = wanted
    return [(key, target) for key in ids for target in roles.targets]


def _readable(table: pd.DataFrame, name: str, roles: Roles, ids: set[str]) -> pd.DataFrame:
    """Return the rows of ``ids`` with text ids and times that can be drawn, sorted by time."""
    if roles.id is not None:
        text = table[roles.id].astype(str)
        mine = text.isin(list(ids))
        table = table.loc[mine].assign(**{roles.id: text[mine]})
    times = _axis_times(table[roles.time], name)
    return table.assign(**{roles.time: times}).sort_values(roles.time, kind="stable")


def _axis_times(column: Any, name: str) -> pd.Series:
    """Return a column of times as numbers or as timestamps without a time zone (UTC if they had one)."""
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    if column.dtype.kind in "iufM":
        return column
    try:
        return pd.to_datetime(column, format="ISO8601")
    except (TypeError, ValueError) as error:
        raise TableError(
            f"{name}, column {column.name!r}: {str(column.iloc[0])!r} is not a date such as 2024-01-31; "
            "convert the column with pandas.to_datetime."
        ) from error


def _zone(column: Any) -> Any:
    return column.dtype.tz if isinstance(column.dtype, pd.DatetimeTZDtype) else None


def _kind(column: Any, name: str) -> str:
    if _zone(column) is not None:
        return "timestamps with a time zone"
    first = _axis_times(column.iloc[:1], name)
    return "timestamps without a time zone" if first.dtype.kind == "M" else "numbers"


def _make_panel(tables: Mapping[str, pd.DataFrame], roles: Roles, key: tuple[str, str], zone: Any) -> Panel:
    rows = {name: _rows_of(table, roles, key, name) for name, table in tables.items()}
    ahead, past = rows["forecast"], rows["history"]
    if ahead.empty:
        raise TableError(f"The forecast has no rows for {_words(key)}.")
    x = ahead[roles.time].to_numpy()
    if (x[1:] == x[:-1]).any():
        again = x[1:][x[1:] == x[:-1]][0]
        raise TableError(f"The forecast holds {again} twice for {_words(key)}; draw one cutoff at a time.")
    later = rows.get("actual", past)
    later = later.loc[later[roles.time].between(x[0], x[-1])]
    past = past.loc[past[roles.time] < x[0]]
    step = _step_of(past[roles.time].to_numpy(), zone)
    past = past.iloc[-_rows_shown(len(ahead), roles.season, step) :]
    return Panel(
        id=key[0],
        target=key[1],
        past=_with_gaps(_line(past, roles.time, key[1]), step, zone),
        known=_with_gaps(_line(later, roles.time, key[1]), step, zone),
        ahead=_line(ahead, roles.time, "forecast"),
        bands=_bands(ahead, roles),
        baselines={baseline: _line(ahead, roles.time, baseline) for baseline in roles.baselines},
        zone=zone,
    )


def _words(key: tuple[str, str]) -> str:
    return f"{key[1]!r} of series {key[0]!r}" if key[0] else repr(key[1])


def _rows_of(table: pd.DataFrame, roles: Roles, key: tuple[str, str], name: str) -> Any:
    if roles.id is not None:
        table = table.loc[table[roles.id] == key[0]]
    if name == "forecast" and "target" in table.columns:
        names = table["target"].astype(str)
        # A lone target may itself be called "target": then the column holds numbers, not names.
        if len(roles.targets) > 1 or key[1] in set(names):
            table = table.loc[names == key[1]]
    return table


def _line(table: Any, time: str, column: str) -> Line:
    return Line(table[time].to_numpy(), floats(table[column]))


def _rows_shown(horizon: int, season: int | None, step: Step | None) -> int:
    usual = step.seasons[:1] if step is not None else ()
    length = season if season is not None else next(iter(usual), 0)
    return max(HORIZONS_SHOWN * horizon, SEASONS_SHOWN * length, LEAST_HISTORY)


def _index(x: np.ndarray, zone: Any) -> Any:
    if x.dtype.kind != "M":
        return x
    index = pd.DatetimeIndex(x)
    return index if zone is None else index.tz_localize("UTC").tz_convert(zone)


def _step_of(x: np.ndarray, zone: Any) -> Step | None:
    """Return the step between the times, or None if there is none to tell gaps by."""
    if x.dtype.kind == "f" and (x % 1 != 0).any():
        return None
    try:
        return infer_step(_index(x, zone), np.zeros(len(x), dtype=int))
    except (ForecastError, pd.errors.OutOfBoundsDatetime):
        return None


def _with_gaps(line: Line, step: Step | None, zone: Any) -> Line:
    """Put a NaN into the middle of every gap, so that no line is drawn across it."""
    if step is None or len(line.x) < 2:
        return line
    index = _index(line.x, zone)
    position = step.positions(index, index[0])
    gap = np.flatnonzero(np.diff(position) > 1) + 1
    middle = line.x[gap - 1] + (line.x[gap] - line.x[gap - 1]) // 2
    return replace(line, x=np.insert(line.x, gap, middle), y=np.insert(line.y, gap, np.nan))


def _bands(ahead: pd.DataFrame, roles: Roles) -> tuple[Band, ...]:
    if roles.lower is not None and roles.upper is not None:
        return (Band("interval", floats(ahead[roles.lower]), floats(ahead[roles.upper])),)
    pairs = _quantile_pairs([str(column) for column in ahead.columns])
    kept = np.unique(np.linspace(0, len(pairs) - 1, min(len(pairs), MOST_BANDS)).round().astype(int))
    return tuple(_band(ahead, *pairs[i]) for i in kept)


def _quantile_pairs(columns: Sequence[str]) -> list[tuple[str, str]]:
    """Return columns that bound an interval, the widest first: q0.05 with q0.95, q0.1 with q0.9."""
    level = {c: float(c[1:]) for c in columns if re.fullmatch(r"q0?\.\d+", c)}
    low = sorted((c for c in level if level[c] < 0.5), key=level.__getitem__)
    high = sorted((c for c in level if level[c] > 0.5), key=level.__getitem__, reverse=True)
    even = [(a, b) for a in low for b in high if abs(level[a] + level[b] - 1) < 1e-9]
    return even or list(zip(low, high, strict=False))


def _band(ahead: pd.DataFrame, low: str, high: str) -> Band:
    a, b = 100 * float(low[1:]), 100 * float(high[1:])
    label = f"{b - a:.6g} % interval" if abs(a + b - 100) < 1e-6 else f"{a:.6g} to {b:.6g} % quantile"
    return Band(label, floats(ahead[low]), floats(ahead[high]))
