"""Pictures of forecasts and of training: tables in, a matplotlib figure out.

Nothing is shown, no backend is chosen and no global setting of matplotlib is touched, so the functions are
safe in servers, threads and notebooks alike. In Jupyter a figure draws itself as the last line of a cell.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from forecast.errors import InputError, ParameterError, TableError
from forecast.report.panels import STEP, Panel, Roles, check_columns, count_rows, floats, make_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which people with any colour vision can tell apart.
INK, FAINT, GRID = "#333333", "#8C8C8C", "#E5E5E5"
BLUE, VERMILION = "#0072B2", "#D55E00"
BASELINE_COLOURS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9")
# Nested intervals, the widest lightest: blue mixed with white.
TINTS = ("#D9EAF4", "#B0D3E8", "#87BDDC", "#5EA6D0")
WIDTH, HEIGHT, DPI = 12.0, 4.5, 100
TITLE: dict[str, Any] = {"fontsize": 12, "color": INK}
_UNITS = ((1e12, " tn"), (1e9, " bn"), (1e6, " M"))


def plot_forecast(
    history: pd.DataFrame,
    forecast: pd.DataFrame,
    *,
    time: str | None,
    target: str | Sequence[str],
    id: str | None = None,
    actual: pd.DataFrame | None = None,
    lower: str | None = None,
    upper: str | None = None,
    baselines: Sequence[str] = (),
    series: Sequence[object] | None = None,
    season: int | None = None,
    title: str | None = None,
    max_panels: int = 12,
    ax: Axes | None = None,
) -> Figure:
    """Draw forecasts after the end of the history, one panel a series and target.

    The history is shown in part: four horizons, two seasons or 24 rows, whichever is most. Missing rows and
    blank cells stay gaps. Columns ``q0.1``, ``q0.9`` … become nested intervals. Rows of ``history`` from the
    first forecast time on are not history: they are drawn as the actual values if ``actual`` is not given.

    Args:
        history: Table with the columns ``time``, ``target`` and, for several series, ``id``.
        forecast: Long table with ``time``, ``forecast`` and, as the case may be, ``id``, ``target`` (the name
            of the target, if there are several), quantile columns and baselines.
        time: Name of the time column of all tables; None means that ``history`` has none and the times of
            ``forecast`` are positions in a column ``step``.
        target: Column of ``history`` that was forecast, or several.
        id: Column that tells series apart; None means one series.
        actual: What came true, in the columns of ``history``; None means the later rows of ``history``.
        lower: Column of ``forecast`` with the lower end of an interval; None means the quantile columns.
        upper: Column of ``forecast`` with the upper end of that interval.
        baselines: Further columns of ``forecast``, drawn as thin dashed lines.
        series: Ids to draw, in this order; None means the first ones of ``forecast``.
        season: Rows of a season, of which at least two are shown; None means the usual one for the step.
        title: Text above the figure; None means the name of the target.
        max_panels: How many panels at most; the title says so if there would be more.
        ax: Axes to draw a single series into; None means a new figure, 1200 pixels wide.

    Returns:
        The figure; with ``ax``, the figure that it belongs to.

    Raises:
        ParameterError: A column or id is unknown, or ``ax`` was given for several series.
        TableError: The forecast is empty or holds a time twice, or times are of different kinds.

    Example:
        >>> from forecast.data.sources import load_dataset
        >>> table = load_dataset("air_passengers")
        >>> ahead = table[-12:].rename(columns={"passengers": "forecast"})
        >>> figure = plot_forecast(table[:-12], ahead, time="month", target="passengers")
        >>> figure.axes[0].get_title(loc="left")
        'passengers'
    """
    if time is None:
        history, time = count_rows(history, id), STEP
    targets = (target,) if isinstance(target, str) else tuple(target)
    roles = Roles(time, id, targets, tuple(baselines), lower, upper, season)
    most = 1 if ax is not None else max_panels
    panels, total = make_panels(
        {"history": history, "forecast": forecast, "actual": actual}, roles, series, most
    )
    if ax is not None:
        if total > 1:
            raise ParameterError(
                f"ax= holds one series, but the forecast has {total}; pick one with series=."
            )
        _draw_panel(ax, panels[0])
        _head(ax, _names(panels)[0] if title is None else title)
        return cast("Figure", ax.figure)
    heading, names = _names(panels)
    heading = heading if title is None else title
    if len(panels) < total:
        cut = f"{len(panels)} of {total} {'series' if len(targets) == 1 else 'panels'}"
        heading = f"{heading} · {cut}" if heading else cut
    return _draw_figure(panels, names, heading)


def plot_history(history: pd.DataFrame, *, title: str | None = None, ax: Axes | None = None) -> Figure:
    """Draw the training and validation loss by epoch and mark the best epoch.

    Best is the epoch of the lowest validation loss, or of the lowest training loss if there is no validation.
    The scale is logarithmic if all losses are positive and the largest is over 20 times the smallest.

    Args:
        history: Table with the columns ``epoch``, ``loss`` and, if there was a validation, ``val_loss``.
        title: Text above the figure; None means "Loss by epoch".
        ax: Axes to draw into; None means a new figure.

    Returns:
        The figure; with ``ax``, the figure that it belongs to.

    Raises:
        ParameterError: A column is missing.
        TableError: There are no rows.

    Example:
        >>> rows = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.5], "val_loss": [3.1, 2.4, 2.6]})
        >>> figure = plot_history(rows)
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['best: epoch 2, 2.4']
    """
    check_columns(history, "history", ("epoch", "loss"))
    if history.empty:
        raise TableError("The history has no epochs; there is nothing to draw.")
    axes = new_figure(HEIGHT).subplots() if ax is None else ax
    x = floats(history["epoch"])
    losses = {"training": floats(history["loss"])}
    if "val_loss" in history.columns:
        losses["validation"] = floats(history["val_loss"])
    for (label, y), colour in zip(losses.items(), (FAINT, BLUE), strict=False):
        axes.plot(x, y, color=colour, label=label, **line_style(y, 2.0))
    _format_losses(axes, x, losses)
    heading = "Loss by epoch" if title is None else title
    if ax is not None:
        _head(ax, heading)
    else:
        style(axes, 10)
        axes.set_title(heading, loc="left", parse_math=False, **TITLE)
        _add_legend(axes.figure, [axes])
    return cast("Figure", axes.figure)


def save_png(figure: Figure, path: str | os.PathLike[str], *, dpi: int = DPI) -> None:
    """Write ``figure`` to ``path`` as PNG; an existing file is replaced whole or not at all.

    Args:
        figure: What a function of this module returned, or any other figure.
        path: File to write; its name must end in ``.png``.
        dpi: Pixels an inch; the figures of this module are 12 inches wide.

    Raises:
        InputError: The name does not end in ``.png``, or the folder cannot be written to.
        ForecastError: The disk is full or failed.

    Example:
        >>> import tempfile
        >>> rows = pd.DataFrame({"epoch": [1, 2], "loss": [3.0, 2.0]})
        >>> path = Path(tempfile.mkdtemp()) / "loss.png"
        >>> save_png(plot_history(rows), path)
        >>> path.read_bytes()[1:4]
        b'PNG'
    """
    from forecast.storage import write_atomic

    if Path(path).suffix.lower() != ".png":
        raise InputError(f"{os.fspath(path)}: pictures are written as PNG; give a name that ends in .png.")
    write_atomic(path, _png(figure, dpi))


def _png(figure: Figure, dpi: float | None = None) -> bytes:
    buffer = io.BytesIO()
    # Without the name of the software the bytes depend on the picture alone.
    figure.savefig(buffer, format="png", dpi=dpi or figure.dpi, metadata={"Software": None})
    return buffer.getvalue()


def new_figure(height: float) -> Figure:
    """Return a figure outside pyplot's control, which a notebook can nevertheless show."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    # IPython asks any object for this method when pyplot has not claimed figures.
    setattr(figure, "_repr_png_", partial(_png, figure))  # noqa: B010
    return figure


def _names(panels: Sequence[Panel]) -> tuple[str, list[str]]:
    """Return what all panels have in common, and what tells each apart."""
    columns = [[panel.target for panel in panels], [panel.id for panel in panels]]
    shared = [column[0] for column in columns if len(set(column)) == 1 and column[0]]
    apart = [column for column in columns if len(set(column)) > 1]
    return " · ".join(shared), [" · ".join(parts) for parts in zip(*apart, strict=True)]


def _draw_figure(panels: Sequence[Panel], names: Sequence[str], heading: str) -> Figure:
    columns = grid_columns(len(panels))
    rows = -(-len(panels) // columns)
    figure = new_figure(HEIGHT if rows == 1 else 2.5 * rows + 0.6)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in grid[len(panels) :]:
        spare.remove()
    axes = list(grid[: len(panels)])
    for ax, panel in zip(axes, panels, strict=True):
        _draw_panel(ax, panel, most_ticks=12 if columns == 1 else 7)
        style(ax, 10 if columns < 3 else 9)
    if len(panels) == 1:
        axes[0].set_title(heading, loc="left", parse_math=False, **TITLE)
    for ax, name in zip(axes, names, strict=False):
        ax.set_title(name, loc="left", fontsize=10, color=INK, parse_math=False)
    if len(panels) > 1 and heading:
        figure.suptitle(heading, x=0.01, ha="left", parse_math=False, **TITLE)
    _add_legend(figure, axes)
    return figure


def grid_columns(panels: int) -> int:
    """Return how many panels stand beside each other."""
    if panels <= 3:
        return panels
    return {4: 2, 5: 3, 6: 3, 9: 3}.get(panels, 4)


def _draw_panel(ax: Axes, panel: Panel, most_ticks: int = 7) -> None:
    x = panel.ahead.x
    ax.axvline(x[0], color=FAINT, linewidth=0.8, zorder=1.2)
    tints = TINTS[: len(panel.bands)]
    for band, tint in zip(panel.bands, tints, strict=True):
        if len(x) == 1:
            # A single step has no width to fill.
            ax.vlines(x, band.low, band.high, color=tint, linewidth=9, label=band.label, zorder=1.5)
        else:
            ax.fill_between(x, band.low, band.high, color=tint, linewidth=0, label=band.label, zorder=1.5)
    for i, (name, line) in enumerate(panel.baselines.items()):
        colour = BASELINE_COLOURS[i % len(BASELINE_COLOURS)]
        label = name.lstrip("_") or "baseline"  # matplotlib leaves out labels that begin with an underscore
        ax.plot(line.x, line.y, color=colour, linestyle="--", label=label, **line_style(line.y, 1.3))
    ax.plot(panel.past.x, panel.past.y, color=INK, label="history", **line_style(panel.past.y, 1.4))
    ax.plot(x, panel.ahead.y, color=BLUE, label="forecast", **line_style(panel.ahead.y, 2.2))
    if np.isfinite(panel.known.y).any():
        # On top and thinner, so that both lines are seen where they agree.
        ax.plot(
            panel.known.x, panel.known.y, color=VERMILION, label="actual", **line_style(panel.known.y, 1.2)
        )
    _format_times(ax, panel, most_ticks)
    format_values(ax)


def line_style(y: np.ndarray, width: float) -> dict[str, Any]:
    """Return a line's width, with dots where a line alone would hide points."""
    finite = np.isfinite(y)
    padded = np.concatenate([[False], finite, [False]])
    alone = np.flatnonzero(finite & ~padded[:-2] & ~padded[2:])
    style: dict[str, Any] = {"linewidth": width, "solid_capstyle": "round", "zorder": 2.5}
    if finite.sum() <= 8:
        return style | {"marker": "o", "markersize": 1.5 + 1.8 * width}
    return style | {"marker": "o" if len(alone) else "", "markersize": 2 * width, "markevery": alone.tolist()}


def _format_times(ax: Axes, panel: Panel, most_ticks: int) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    if panel.ahead.x.dtype.kind == "M":
        locator = AutoDateLocator(minticks=3, maxticks=most_ticks, tz=panel.zone)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=panel.zone))
        return
    ax.xaxis.set_major_locator(
        MaxNLocator(nbins=most_ticks, steps=[1, 2, 5, 10], integer=panel.ahead.x.dtype.kind in "iu")
    )
    # Years and positions are read without thousands separators.
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.10g}"))


def format_values(ax: Axes) -> None:
    """Write the numbers of the value axis with thousands separated."""
    from matplotlib.ticker import FuncFormatter

    largest = max(abs(limit) for limit in ax.get_ylim())
    unit, suffix = next(((u, s) for u, s in _UNITS if largest >= u), (1.0, ""))

    def label(value: float, _: object) -> str:
        return f"{value / unit:,.8g}{suffix if value else ''}".replace("-", "−")

    ax.yaxis.set_major_formatter(FuncFormatter(label))


def _format_losses(ax: Axes, x: np.ndarray, losses: dict[str, np.ndarray]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

    finite = np.concatenate([y[np.isfinite(y)] for y in losses.values()])
    if len(finite) and finite.min() > 0 and finite.max() > 20 * finite.min():
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.minorticks_off()
    ax.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True))
    ax.set_xlabel("epoch")
    judged = list(losses.values())[-1]
    if not np.isfinite(judged).any():
        return
    best = int(np.nanargmin(np.where(np.isfinite(judged), judged, np.nan)))
    ax.axvline(x[best], color=FAINT, linewidth=0.8, zorder=1.2)
    ax.plot(x[best], judged[best], marker="o", color=VERMILION, markersize=7, linestyle="", zorder=3)
    ax.annotate(
        f"best: epoch {x[best]:.0f}, {judged[best]:.4g}",
        (x[best], 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-5 if best > len(x) / 2 else 5, -4),
        textcoords="offset points",
        ha="right" if best > len(x) / 2 else "left",
        va="top",
        color=INK,
    )


def style(ax: Axes, size: int) -> None:
    """Give our own figures a quiet look whatever the user's settings; axes of the user's are left alone."""
    ax.set_facecolor("white")
    ax.set_axisbelow(True)
    ax.margins(x=0.02)
    ax.grid(visible=False, axis="x")
    ax.grid(visible=True, axis="y", color=GRID, linewidth=0.8, linestyle="-")
    for side, spine in ax.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(FAINT)
    ax.tick_params(axis="both", which="both", length=0, labelsize=size, labelcolor=INK, pad=5)
    ax.tick_params(axis="x", which="major", length=3, color=FAINT)
    for text in (ax.xaxis.label, ax.xaxis.get_offset_text()):
        text.set(color=INK, fontsize=size)


def _add_legend(figure: Any, axes: Sequence[Axes]) -> None:
    """Put one legend for all axes below them."""
    handles, labels = legend_entries(axes)
    columns = min(len(labels), 6)
    look: dict[str, Any] = {"frameon": False, "fontsize": 10, "labelcolor": INK}
    plain(figure.legend(handles, labels, loc="outside lower center", ncols=columns, **look))


def _head(ax: Axes, title: str) -> None:
    """Put a title above axes of the user's and the legend between the two, clear of the data."""
    handles, labels = legend_entries([ax])
    columns = min(len(labels), 4)
    look: dict[str, Any] = {"frameon": False, "fontsize": 9, "borderaxespad": 0.1}
    plain(ax.legend(handles, labels, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=columns, **look))
    ax.set_title(title, loc="left", pad=8 + 15 * -(-len(labels) // columns), parse_math=False)


def legend_entries(axes: Sequence[Axes]) -> tuple[list[Any], list[str]]:
    """Return the handles and labels of several axes, each label once."""
    found: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    first = [label for label in ("history", "actual", "forecast") if label in found]
    order = first + [label for label in found if label not in first]
    return [found[label] for label in order], order


def plain(legend: Any) -> None:
    """Show the names in a legend as they are: a $ begins no formula."""
    for text in legend.get_texts():
        text.set_parse_math(False)
