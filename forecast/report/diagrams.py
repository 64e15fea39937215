"""Pictures of how forecasts fared: reliability, errors by step, backtests, and what a model reacts to.

As in ``plots``, tables go in and a matplotlib figure comes out; nothing is shown and no setting is touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from forecast.errors import ParameterError
from forecast.report.backtests import plot_backtest
from forecast.report.methods import (
    COLOURS,
    add_legend,
    choose_methods,
    legend_label,
    method_style,
    methods_in,
    titled,
)
from forecast.report.panels import check_columns, floats
from forecast.report.plots import (
    BLUE,
    FAINT,
    GRID,
    HEIGHT,
    INK,
    TINTS,
    TITLE,
    format_values,
    new_figure,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_backtest", "plot_reactions", "plot_reliability", "plot_scores_by_step"]

SQUARE = 7.0
CHANCE = "#EFEFEF"
DEEP = "#003A5C"
# Distances between the names of cells; the first that leaves room is taken.
_TICKS = (1, 2, 3, 4, 6, 12, 24, 48, 72, 96, 168, 336, 672, 1_000, 5_000, 10_000, 50_000)


def plot_reliability(
    table: pd.DataFrame,
    *,
    method: str = "method",
    level: str = "level",
    observed: str = "observed",
    band: str | None = "band",
    methods: Sequence[str] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw how often actuals lay at or below each quantile against how often they should have.

    Points on the diagonal are right; above it a quantile is too high, below it too low. The grey band around
    the diagonal is what chance alone explains; where methods differ in it, the widest is drawn.

    Args:
        table: Long table with one row a method and level.
        method: Column with the names of the methods; the first five are drawn.
        level: Column with the levels of the quantiles, 0 to 1.
        observed: Column with the shares of actuals at or below them, 0 to 1; NaN is not drawn.
        band: Column with the half-width of the band around a level; None draws no band.
        methods: Names to draw, in this order; None means all.
        title: Text above the figure; None means what is drawn.

    Returns:
        The figure, a square.

    Raises:
        ParameterError: A column or a method is unknown.
        TableError: There are no rows.

    Example:
        >>> rows = {"method": ["gru", "gru"], "level": [0.1, 0.9], "observed": [0.2, 0.85], "band": [0.1, 0.1]}
        >>> figure = plot_reliability(pd.DataFrame(rows))
        >>> figure.axes[0].get_lines()[-1].get_ydata().tolist()
        [0.2, 0.85]
    """
    check_columns(table, "table", (method, level, observed, band))
    shown, note = choose_methods(methods_in(table, method), methods)
    names = table[method].astype(str)
    table = table.assign(**{method: names}).loc[names.isin(shown)].sort_values(level, kind="stable")
    figure = new_figure(SQUARE)
    figure.set_size_inches(SQUARE, SQUARE)
    ax = figure.subplots()
    ax.plot([0, 1], [0, 1], color=FAINT, linewidth=1.0, zorder=1.4)
    for name, colour in zip(shown, COLOURS, strict=False):
        rows = table.loc[table[method] == name]
        dots: dict[str, Any] = {"marker": "o", "markersize": 6, "linewidth": 1.6, "zorder": 2.5}
        ax.plot(floats(rows[level]), floats(rows[observed]), color=colour, label=legend_label(name), **dots)
    if band is not None:
        widest = table.groupby(level)[band].max()
        x, half = np.asarray(widest.index, np.float64), floats(widest)
        low, high = np.clip(x - half, 0, 1), np.clip(x + half, 0, 1)
        ax.fill_between(x, low, high, color=CHANCE, linewidth=0, label="chance (95 %)", zorder=1.3)
    style(ax, 10)
    ax.grid(visible=True, axis="x", color=GRID, linewidth=0.8)
    places = np.linspace(0, 1, 6)
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=places, yticks=places, aspect="equal")
    _name_axes(ax, "level of the quantile", "share of actuals at or below it")
    _head(ax, titled("How often actuals lay at or below a quantile", note) if title is None else title)
    add_legend(figure, [ax], most=3)
    return figure


def plot_scores_by_step(
    scores: pd.DataFrame,
    *,
    step: str = "step",
    method: str = "method",
    score: str = "score",
    methods: Sequence[str] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw a score against the number of steps ahead, one line a method, the first one prominent.

    Args:
        scores: Long table with one row a step and method.
        step: Column with the steps ahead.
        method: Column with the names of the methods; the first five are drawn.
        score: Column with the score; its name heads the figure.
        methods: Names to draw, in this order; None means all.
        title: Text above the figure; None means the score by step.

    Returns:
        The figure.

    Raises:
        ParameterError: A column or a method is unknown.
        TableError: There are no rows.

    Example:
        >>> rows = {"step": [1, 2, 1, 2], "method": ["gru", "gru", "naive", "naive"], "MAE": [1.0, 2.0, 2.0, 3.0]}
        >>> figure = plot_scores_by_step(pd.DataFrame(rows), score="MAE")
        >>> figure.axes[0].get_title(loc="left"), float(figure.axes[0].get_ylim()[0])
        ('MAE by step ahead', 0.0)
    """
    from matplotlib.ticker import MaxNLocator

    check_columns(scores, "table", (step, method, score))
    shown, note = choose_methods(methods_in(scores, method), methods)
    figure = new_figure(HEIGHT)
    ax = figure.subplots()
    for number, name in enumerate(shown):
        rows = scores.loc[scores[method].astype(str) == name].sort_values(step, kind="stable")
        y = floats(rows[score])
        ax.plot(floats(rows[step]), y, label=legend_label(name), **method_style(number, y))
    style(ax, 10)
    format_values(ax)
    drawn = floats(scores.loc[scores[method].astype(str).isin(shown), score])
    # Errors are compared with zero; a score that can be negative, such as a bias or a skill, is not.
    if np.isfinite(drawn).any() and np.nanmin(drawn) >= 0:
        ax.set_ylim(bottom=0.0)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True, min_n_ticks=1))
    if scores[step].nunique() == 1:
        ax.set_xlim(floats(scores[step]).min() - 1, floats(scores[step]).max() + 1)
    _name_axes(ax, "steps ahead", "")
    _head(ax, titled(f"{score} by step ahead", note) if title is None else title)
    add_legend(figure, [ax])
    return figure


def plot_reactions(
    matrix: ArrayLike, lags: ArrayLike, steps: ArrayLike, *, title: str | None = None
) -> Figure:
    """Draw how far each forecast step moves when one row that the model sees is moved.

    White cells do not move at all. The newest row stands at the right, the first step at the top. The colour
    follows the square root of the move, so that weak reactions are seen beside strong ones.

    Args:
        matrix: Moves, 0 or more; axes: lags, steps.
        lags: Which rows were moved, 1 for the newest.
        steps: The steps ahead.
        title: Text above the figure; None means what is drawn.

    Returns:
        The figure.

    Raises:
        ParameterError: The shapes do not fit, or there is nothing to draw.

    Example:
        >>> figure = plot_reactions([[0.9, 0.5], [0.1, 0.0]], lags=[1, 2], steps=[1, 2])
        >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
        ('lag: rows before the forecast begins', 'steps ahead')
    """
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    values, back, ahead = np.asarray(matrix, np.float64), np.asarray(lags), np.asarray(steps)
    if values.shape != (len(back), len(ahead)) or not values.size:
        raise ParameterError(
            f"The matrix has shape {values.shape}; expected {len(back)} lags by {len(ahead)} steps, at least one of "
            "each."
        )
    order = np.argsort(back)[::-1]
    cells = np.ma.masked_less_equal(values[order].T, 0.0)
    figure = new_figure(HEIGHT)
    ax = figure.subplots()
    shades = LinearSegmentedColormap.from_list("reactions", [TINTS[0], TINTS[2], BLUE, DEEP])
    top = float(values.max())
    norm = PowerNorm(0.5, vmin=0.0, vmax=top if top > 0 else 1.0)
    mesh = ax.pcolormesh(cells, cmap=shades, norm=norm, rasterized=True)
    style(ax, 10)
    ax.grid(visible=False)
    ax.margins(0)
    ax.invert_yaxis()
    _name_cells(ax.xaxis, back[order], 16)
    _name_cells(ax.yaxis, ahead, 12)
    _name_axes(ax, "lag: rows before the forecast begins", "steps ahead")
    _head(
        ax,
        "How far each step moves when one row is moved by 1; white: not at all" if title is None else title,
    )
    bar = figure.colorbar(mesh, ax=ax, pad=0.01, aspect=30)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.ax.tick_params(labelsize=9, labelcolor=INK, length=0)
    return figure


def _name_cells(axis: Any, names: np.ndarray, most: int) -> None:
    """Name the first cell and those at even distances, at most about ``most`` of them."""
    first, span = names.min(), int(names.max() - names.min()) + 1
    if span == len(names):
        distance = next((tick for tick in _TICKS if span / tick <= most), span)
        places = np.flatnonzero(
            (names == first) | ((names % distance == 0) & (names - first >= distance / 2))
        )
    else:
        places = np.unique(np.linspace(0, len(names) - 1, most).round().astype(int))
    axis.set_ticks(places + 0.5, labels=[f"{name:g}" for name in names[places]])


def _name_axes(ax: Axes, across: str, up: str) -> None:
    ax.set_xlabel(across, color=INK, fontsize=10)
    ax.set_ylabel(up, color=INK, fontsize=10)


def _head(ax: Axes, heading: str) -> None:
    ax.set_title(heading, loc="left", parse_math=False, **TITLE)
