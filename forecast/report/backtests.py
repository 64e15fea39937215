"""The picture of a backtest: what came, and what every method had forecast from each cutoff."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.errors import ParameterError, TableError, closest
from forecast.report.methods import add_legend, choose_methods, legend_label, method_style, titled
from forecast.report.panels import check_columns, floats
from forecast.report.plots import (
    FAINT,
    HEIGHT,
    INK,
    TINTS,
    TITLE,
    format_values,
    grid_columns,
    line_style,
    new_figure,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PANELS, MOST_WINDOWS = 6, 8
# More rows than these in the width of the figure make a black band of a line.
MOST_ROWS = 420
_QUANTILE = re.compile(r"(.+)-q(0?\.\d+)")


@dataclass(frozen=True)
class _View:
    """What every panel shows: columns by role, methods, how many windows, rows and ticks at most."""

    time: str
    cutoff: str
    actual: str
    methods: tuple[str, ...]
    windows: int
    rows: int
    ticks: int


def plot_backtest(
    forecasts: pd.DataFrame,
    *,
    time: str,
    id: str | None = None,
    cutoff: str = "cutoff",
    step: str = "step",
    target: str = "target",
    actual: str = "actual",
    window: str = "window",
    methods: Sequence[str] | None = None,
    series: Sequence[Hashable] | None = None,
    max_panels: int = MOST_PANELS,
    max_windows: int = MOST_WINDOWS,
    title: str | None = None,
) -> Figure:
    """Draw actuals, and what every method forecast from each cutoff; one panel a series and target.

    Upright lines mark the cutoffs. Of many, the last ones are drawn whose rows do not overlap; the title says
    how many. The widest interval of the first method is shaded.

    Args:
        forecasts: Long table: one row a series, cutoff, target and step; one column a method, and columns such
            as ``gru-q0.1`` for its quantiles.
        time: Column of the time that is forecast.
        id: Column that tells series apart; None means one series.
        cutoff: Column of the time from which on nothing was seen.
        step: Column of the steps ahead, if there is one.
        target: Column with the name of the target, if there are several.
        actual: Column of what came, NaN where unknown.
        window: Column that numbers the cutoffs, if there is one.
        methods: Columns to draw, in this order; None means the first five.
        series: Ids to draw, in this order; None means the first ones.
        max_panels: How many panels at most; the title says so if there would be more.
        max_windows: How many cutoffs at most in a panel; fewer if their rows would run into each other.
        title: Text above the figure; None means what was left out, if anything.

    Returns:
        The figure.

    Raises:
        ParameterError: A column or an id is unknown, or no column is left for a method.
        TableError: There are no rows.

    Example:
        >>> days = pd.to_datetime(["2024-01-01", "2024-01-02"])
        >>> rows = {"day": days, "cutoff": days[[0, 0]], "step": [1, 2], "actual": [5.0, 6.0], "gru": [4.0, 7.0]}
        >>> figure = plot_backtest(pd.DataFrame(rows), time="day")
        >>> [line.get_label() for line in figure.axes[0].get_lines() if line.get_label()[0] != "_"]
        ['actual', 'gru']
    """
    check_columns(forecasts, "backtest", (time, id, cutoff, actual, *(methods or ())))
    if forecasts.empty:
        raise TableError("The backtest has no rows; there is nothing to draw.")
    roles = {time, id, cutoff, step, target, actual, window}
    others = [str(c) for c in forecasts.columns if c not in roles and not _QUANTILE.fullmatch(str(c))]
    shown, note = choose_methods(others, methods)
    groups = _groups(forecasts, id, target if target in forecasts.columns else None, series)
    kept = groups[: max(1, max_panels)]
    left_out = f"{len(kept)} of {len(groups)} panels" if len(kept) < len(groups) else ""
    columns = min(grid_columns(len(kept)), 3)
    rows = -(-len(kept) // columns)
    figure = new_figure(HEIGHT if rows == 1 else 2.7 * rows + 0.6)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in grid[len(kept) :]:
        spare.remove()
    view = _View(
        time, cutoff, actual, tuple(shown), max_windows, MOST_ROWS // columns, 12 if columns == 1 else 6
    )
    drawn = [_last_windows(part, view) for _, part in kept]
    for ax, (name, part), last in zip(grid, kept, drawn, strict=False):
        _draw_panel(ax, part.loc[part[cutoff].isin(last)], view)
        style(ax, 10 if columns < 3 else 9)
        ax.set_title(name, loc="left", fontsize=10, color=INK, parse_math=False)
    windows = max(part[cutoff].nunique() for _, part in kept)
    few = f"the last windows, {max(map(len, drawn))} of {windows}" if max(map(len, drawn)) < windows else ""
    heading = titled(note, left_out, few) if title is None else title
    if heading:
        figure.suptitle(heading, x=0.01, ha="left", parse_math=False, **TITLE)
    add_legend(figure, list(grid[: len(kept)]))
    return figure


def _groups(
    table: pd.DataFrame, id: str | None, target: str | None, series: Sequence[Hashable] | None
) -> list[tuple[str, pd.DataFrame]]:
    """Return the rows of every panel under its name, in the order asked for."""
    keys = pd.DataFrame(index=table.index)
    for number, column in enumerate((id, target)):
        keys[number] = "" if column is None else table[column].astype(str)
    found = {key: table.loc[rows.index] for key, rows in keys.groupby([0, 1], sort=False)}
    if series is not None:
        known = list(dict.fromkeys(key[0] for key in found))
        for name in map(str, series):
            if name not in known:
                raise ParameterError(f"The backtest has no series {name!r}.{closest(name, known)}")
        order = {str(name): place for place, name in enumerate(series)}
        found = {
            key: found[key] for key in sorted(found, key=lambda k: order.get(k[0], -1)) if key[0] in order
        }
    return [(titled(*key), rows) for key, rows in found.items()]


def _draw_panel(ax: Axes, part: pd.DataFrame, view: _View) -> None:
    part = part.sort_values([view.cutoff, view.time], kind="stable")
    zone = part[view.time].dtype.tz if isinstance(part[view.time].dtype, pd.DatetimeTZDtype) else None
    x, y = _actuals(part, view)
    # Above the forecasts, which are thicker.
    (line,) = ax.plot(x, y, color=INK, label="actual", **line_style(y, 1.4))
    line.set_zorder(2.8)
    for number, (_, rows) in enumerate(part.groupby(view.cutoff)):
        ax.axvline(_axis_times(rows[view.cutoff])[0], color=FAINT, linewidth=0.6, zorder=1.2)
        _draw_window(ax, rows, view, labelled=number == 0)
    _format_times(ax, _axis_times(part[view.time]), zone, view.ticks)
    format_values(ax)


def _last_windows(part: pd.DataFrame, view: _View) -> list[Any]:
    """Return the last cutoffs whose rows do not overlap: as many as are wanted and can be told apart."""
    spans = part.groupby(view.cutoff)[view.time].agg(["min", "max", "size"]).iloc[::-1]
    found, rows, begin = [], 0, None
    for cutoff, first, last, size in spans.itertuples():
        if begin is not None and last >= begin:
            continue
        if found and (len(found) >= view.windows or rows + size > view.rows):
            break
        found.append(cutoff)
        rows, begin = rows + size, first
    return found


def _draw_window(ax: Axes, rows: pd.DataFrame, view: _View, *, labelled: bool) -> None:
    """Draw what was forecast from one cutoff; only one window of a panel enters the legend."""
    x = _axis_times(rows[view.time])
    ends = _widest(rows.columns, view.methods[0])
    if ends is not None:
        label = f"{_span(*ends)} interval of {view.methods[0]}" if labelled else "_"
        low, high = floats(rows[ends[0]]), floats(rows[ends[1]])
        if len(x) == 1:
            # A single step has no width to fill.
            ax.vlines(x, low, high, color=TINTS[0], linewidth=9, label=label, zorder=1.5)
        else:
            ax.fill_between(x, low, high, color=TINTS[0], linewidth=0, label=label, zorder=1.5)
    for number, name in enumerate(view.methods):
        y = floats(rows[name])
        ax.plot(x, y, label=legend_label(name) if labelled else "_", **method_style(number, y))


def _actuals(part: pd.DataFrame, view: _View) -> tuple[np.ndarray, np.ndarray]:
    """Return every actual once, with a NaN between windows that do not meet."""
    inside = part.groupby(view.cutoff, sort=False)[view.time].diff().dropna()
    truth = part.drop_duplicates(view.time).sort_values(view.time, kind="stable")
    x, y = _axis_times(truth[view.time]), floats(truth[view.actual])
    if not len(inside):
        return x, y
    gap = np.flatnonzero((truth[view.time].diff() > inside.max()).to_numpy())
    middle = x[gap - 1] + (x[gap] - x[gap - 1]) // 2
    return np.insert(x, gap, middle), np.insert(y, gap, np.nan)


def _widest(columns: Iterable[Any], method: str) -> tuple[str, str] | None:
    """Return the outermost quantile columns of a method if one lies below and one above the median."""
    matches = [_QUANTILE.fullmatch(str(column)) for column in columns]
    own = sorted((float(match[2]), match[0]) for match in matches if match is not None and match[1] == method)
    return (own[0][1], own[-1][1]) if own and own[0][0] < 0.5 < own[-1][0] else None


def _span(low: str, high: str) -> str:
    a, b = (100 * float(name.rsplit("-q", 1)[1]) for name in (low, high))
    return f"{b - a:.6g} %" if abs(a + b - 100) < 1e-6 else f"{a:.6g} to {b:.6g} %"


def _axis_times(column: pd.Series) -> np.ndarray:
    """Return times that matplotlib draws: numbers, or timestamps without a zone (UTC if they had one)."""
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    return column.to_numpy()


def _format_times(ax: Axes, x: np.ndarray, zone: Any, most_ticks: int) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    if x.dtype.kind == "M":
        locator = AutoDateLocator(minticks=3, maxticks=most_ticks, tz=zone)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))
        return
    ax.xaxis.set_major_locator(MaxNLocator(nbins=most_ticks, integer=x.dtype.kind in "iu"))
    # Years and positions are read without thousands separators.
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.10g}"))
