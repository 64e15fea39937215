"""What a fitted estimator expects of a table, and how its forecasts become a table again."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import validate_data

from forecast.data.columns import Columns
from forecast.data.frequency import Step, parse_step
from forecast.data.gridding import step_choice, to_panel
from forecast.data.panel import Panel, grid_times
from forecast.data.table import Choice, Table, column_names, read_table
from forecast.errors import ForecastWarning, InputError, ParameterError, TableError


@dataclass(frozen=True)
class Contract:
    """Columns by role and the step between rows: what training saw and prediction demands.

    Args:
        columns: Names by role.
        step: Distance between rows.
        reading: Arguments of ``read_table`` that belong to the data (duplicates, timezone …).
        snapped: Whether times are rounded to the step.
    """

    columns: Columns
    step: Step
    reading: tuple[tuple[str, Any], ...] = ()
    snapped: bool = False

    def read(self, source: Any, *, targets_needed: bool = True) -> Panel:
        """Read a table that must hold the columns of training.

        Args:
            source: Anything ``read_table`` reads, or a panel of these columns and this step.
            targets_needed: False lets the target columns be absent (a table of future covariates).

        Raises:
            InputError: A column is missing; the message names it.
        """
        if isinstance(source, Panel):
            return self._same(source)
        if isinstance(source, Table):
            return self.panel(source) if source.columns == self.columns else self.read(source.frame)
        roles = self._roles()
        try:
            return self.panel(read_table(source, **roles, **dict(self.reading)))
        except TableError:
            # Rows to come hold neither targets nor past-only columns, and make sense only with what is known ahead.
            if targets_needed or not self.columns.known_future:
                raise
            absent = self.columns.target + self.columns.past_only
            if set(absent) & set(column_names(source)):
                raise
        nothing = {"target": "none", "past_only": "none"}
        ahead = read_table(source, **(roles | nothing), **dict(self.reading))
        frame = ahead.frame.assign(**dict.fromkeys(absent, np.nan))
        return self.panel(Table(frame, self.columns, (), ahead.source, ahead.lines))

    def _same(self, panel: Panel) -> Panel:
        """Return a panel that has the columns and the step of training."""
        if panel.columns != self.columns or panel.step != self.step:
            raise InputError(
                "The panel has other columns or another step than the training table; pass its table instead."
            )
        return panel

    def _roles(self) -> dict[str, Any]:
        """Every role by name, ``"none"`` where training had none, so that nothing is guessed."""
        columns = self.columns
        roles: dict[str, Any] = {"time": columns.time or "none", "id": columns.id or "none"}
        return roles | {
            "target": columns.target,
            "known_future": columns.known_future or ("none",),
            "past_only": columns.past_only or ("none",),
            "static": columns.static or ("none",),
        }

    def panel(self, table: Table) -> Panel:
        """Lay a table on this contract's step."""
        return to_panel(table, step=self.step, snapped=self.snapped)


def first_panel(
    source: Any, *, step: str | int | None, snapped: bool, reading: dict[str, Any], roles: dict[str, Any]
) -> tuple[Panel, Contract, tuple[Choice, ...]]:
    """Read the training table: guess what the user left open, and remember it as a contract.

    A panel has its columns and step already; what was said about them is not needed.
    """
    if isinstance(source, Panel):
        return source, Contract(source.columns, source.step), ()
    table = source if isinstance(source, Table) else read_table(source, **roles, **reading)
    choices = table.choices
    panel = to_panel(table, step=step, snapped=snapped)
    if step is None and table.columns.time is not None:
        choices = (*choices, step_choice(panel.step))
    kept = {k: v for k, v in reading.items() if k in ("duplicates", "timezone", "date_format", "decimal")}
    return panel, Contract(table.columns, panel.step, tuple(sorted(kept.items())), snapped), choices


def training_panel(estimator: Any, X: Any, y: Any) -> tuple[Panel, Contract, tuple[Choice, ...]]:
    """Read what an estimator is fitted to, by its own arguments: a table, or arrays if ``y`` is given.

    Columns of ``X`` beside ``y`` are known ahead; an estimator that has no such argument takes none.
    """
    roles = ("known_future", "past_only", "static")
    if y is not None:
        X, y = validate_data(estimator, X, y, multi_output=True, y_numeric=True, dtype=np.float64)
        X = X if hasattr(estimator, "known_future") else X[:, :0]
        names = getattr(estimator, "feature_names_in_", [f"x{j}" for j in range(X.shape[1])])
        known = tuple(str(name) for name in names[: X.shape[1]])
        return *array_panel(X, np.asarray(y, np.float64), known), ()
    target = (estimator.target,) if isinstance(estimator.target, str) else tuple(estimator.target)
    named = {"time": estimator.time, "id": estimator.id, "target": target}
    named |= {role: tuple(getattr(estimator, role, ("none",))) for role in roles}
    reading = {name: getattr(estimator, name) for name in ("duplicates", "timezone", "date_format")}
    return first_panel(as_table(X), step=estimator.step, snapped=estimator.snap, reading=reading, roles=named)


def array_panel(x: np.ndarray, y: np.ndarray, names: tuple[str, ...]) -> tuple[Panel, Contract]:
    """Make a panel of one series from arrays: rows are steps, ``x`` is known ahead, ``y`` the targets."""
    if len(y) < 2:
        raise InputError(f"Arrays must have more than one row to learn from; got n_samples = {len(y)}.")
    targets = ("y",) if y.ndim == 1 else tuple(f"y{j}" for j in range(y.shape[1]))
    columns = Columns(time=None, id=None, target=targets, known_future=names)
    values = np.column_stack([y.reshape(len(y), -1), x]).astype(np.float64)
    return _plain_panel(values, columns), Contract(columns, Step("integer", 1))


def _plain_panel(values: np.ndarray, columns: Columns) -> Panel:
    rows = len(values)
    start, none = pd.Index([0]), pd.DataFrame(index=[0])
    return Panel(
        values, np.array([0, rows]), (None,), start, parse_step(1), columns, none, np.ones(rows, bool)
    )


def with_future(history: Panel, x: np.ndarray) -> Panel:
    """Put rows of known-future values behind a panel of one series whose targets are not known yet."""
    columns = history.columns
    empty = np.full((len(x), history.values.shape[1]), np.nan)
    empty[:, len(columns.target) : len(columns.target) + x.shape[1]] = x
    past = history.values[: int(history.ends[0])]
    return _plain_panel(np.concatenate([past, empty]), columns)


def newer_panel(estimator: Any, X: Any, y: Any) -> Panel:
    """Read newer rows for a fitted estimator: a table, or arrays that follow those it was fitted on.

    Raises:
        InputError: A column is missing, or arrays are given for a table or the other way round.
    """
    history: Panel = estimator.fitted_.history
    if not estimator.from_arrays_:
        if y is not None:
            raise InputError(
                "This model was fitted on a table: its targets are columns of X, so leave out y."
            )
        return estimator.fitted_.contract.read(as_table(X))
    if y is None:
        raise InputError(
            "This model was fitted on arrays: pass the next rows' covariates and targets, update(X, y)."
        )
    X, y = validate_data(estimator, X, y, reset=False, multi_output=True, y_numeric=True, dtype=np.float64)
    known, targets = len(history.columns.known_future), len(history.columns.target)
    y = np.asarray(y, np.float64).reshape(len(X), -1)
    if y.shape[1] != targets:
        raise InputError(f"y has {y.shape[1]} columns; this model was fitted on {targets}.")
    values = np.column_stack([y, X[:, :known]])
    return replace(_plain_panel(values, history.columns), starts=history.times_at(history.ends))


def join(stored: Panel, given: Panel, context: int) -> Panel:
    """Complete a given table by stored history: put before each series the stored rows that precede it.

    Only series that are known by id and shorter than the context are completed; stored series that the
    table lacks are left out. A table that begins where the stored history ended thus continues it.
    """
    lengths = given.ends - given.offsets[:-1]
    if (lengths >= context).all():
        return given
    old, new = stored.to_table(), given.to_table()
    time = stored.columns.time
    if time is None:
        raise InputError(
            f"The table has no time column, so its {lengths.min()} rows cannot be told from stored ones; give at "
            f"least {context} rows of history."
        )
    begins = pd.Series(given.starts, index=pd.Index(given.ids, dtype=object))
    key = (
        old[stored.columns.id]
        if stored.columns.id is not None
        else pd.Series([None] * len(old), dtype=object)
    )
    short = {i for i, n in zip(given.ids, lengths, strict=True) if n < context}
    first = key.map(begins.to_dict())
    before = key.isin(short) & (old[time] < first)
    frame = pd.concat([old[before], new], ignore_index=True)
    by = [stored.columns.id, time] if stored.columns.id is not None else [time]
    frame = frame.sort_values(by, kind="stable", ignore_index=True)
    return to_panel(Table(frame, stored.columns, (), "the joined table", None), step=given.step)


def check_future(panel: Panel, horizon: int) -> None:
    """Demand the known-future columns over the whole horizon, by name.

    Raises:
        InputError: A cell is missing; the message names column, series and time.
    """
    columns = panel.columns
    first = len(columns.target)
    for j, name in enumerate(columns.known_future):
        for i, end in enumerate(panel.ends):
            ahead = panel.values[end : min(end + horizon, panel.offsets[i + 1]), first + j]
            known = int(np.argmax(np.isnan(ahead))) if np.isnan(ahead).any() else len(ahead)
            if known < horizon:
                who = f" of series {panel.ids[i]!r}" if columns.id is not None else ""
                raise InputError(
                    f"Column {name!r} must be known {horizon} rows ahead{who}; it is missing at "
                    f"{panel.time_at(i, int(end) + known)}. `forecast template MODEL` writes the CSV to fill."
                )


def forecast_table(panel: Panel, values: np.ndarray, levels: tuple[float, ...], middle: int) -> pd.DataFrame:
    """Lay forecasts out as a long table under the user's own column names.

    Args:
        panel: The history they continue.
        values: ``(series, horizon, targets, levels)``.
        levels: Quantile levels, empty for a point forecast.
        middle: Place of the point forecast in the last axis.

    Returns:
        id, time, ``target`` (the column's name, if there are several), ``forecast``, ``q0.1`` … ordered by
        id, target, time. The time column is called ``step`` if the table had none.
    """
    series, horizon, targets, _ = values.shape
    columns = panel.columns
    starts = panel.times_at(panel.ends)
    times = grid_times(panel.step, starts, np.full(series, horizon))
    place = np.arange(series * horizon).reshape(series, 1, horizon)
    place = np.broadcast_to(place, (series, targets, horizon)).reshape(-1)
    frame: dict[str, Any] = {}
    if columns.id is not None:
        frame[columns.id] = np.repeat(np.array(panel.ids, dtype=object), horizon * targets)
    frame[columns.time if columns.time is not None else "step"] = times[place]
    if targets > 1:
        frame["target"] = np.tile(np.repeat(np.array(columns.target, dtype=object), horizon), series)
    flat = values.swapaxes(1, 2).reshape(series * targets * horizon, values.shape[-1])
    frame["forecast"] = flat[:, middle]
    for k, level in enumerate(levels):
        frame[quantile_name(level)] = flat[:, k]
    table = pd.DataFrame(frame)
    return table.infer_objects()


def tell_gaps(values: np.ndarray, have: tuple, levels: tuple, trained: int) -> None:
    """Warn about quantiles that could not be calibrated, and about those beyond the trained horizon."""
    lost = [level for level in levels if np.isnan(values[..., have.index(level)]).all()]
    if lost:
        named = ", ".join(f"{q:g}" for q in lost)
        warnings.warn(
            f"Quantiles {named} are empty: too few calibration windows reach them. Ask for inner ones, such as "
            "0.2 and 0.8, or give more rows.",
            ForecastWarning,
            stacklevel=4,
        )
    elif values.shape[1] > trained and levels:
        warnings.warn(
            f"Intervals beyond the trained horizon of {trained} rows are widened by rule, not calibrated.",
            ForecastWarning,
            stacklevel=4,
        )


def quantile_name(level: float) -> str:
    """Column name of a quantile.

    Example:
        >>> quantile_name(0.1), quantile_name(0.975)
        ('q0.1', 'q0.975')
    """
    return f"q{level:g}"


def check_levels(wanted: tuple[float, ...], known: tuple[float, ...]) -> None:
    """Refuse quantiles that were not trained.

    Raises:
        ParameterError: A level is not among the trained ones.
    """
    for level in wanted:
        if level not in known:
            listed = ", ".join(f"{q:g}" for q in known) or "none"
            raise ParameterError(
                f"Quantile {level:g} was not trained; this model has {listed}. Fit again with --quantiles."
            )


def as_table(source: Any) -> Any:
    """Turn a bare array of values into a table: one target a column, rows one step apart."""
    if not isinstance(source, np.ndarray | list | tuple):
        return source
    values = np.asarray(source)
    if values.ndim == 1:
        return pd.DataFrame({"y": values})
    if values.ndim != 2:
        raise InputError(f"An array must have one or two axes (rows, targets); got shape {values.shape}.")
    return pd.DataFrame(values, columns=[f"y{j}" for j in range(values.shape[1])])
