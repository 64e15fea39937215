"""Pictures of events: what was expected, what happened, and what carried the alarms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.data.columns import Columns
from forecast.detection.evidence import Evidence, bounds
from forecast.detection.streams import Stream
from forecast.detection.tables import Found
from forecast.errors import InputError
from forecast.report.plots import (
    BASELINE_COLOURS,
    BLUE,
    FAINT,
    INK,
    TINTS,
    TITLE,
    VERMILION,
    format_values,
    legend_entries,
    line_style,
    new_figure,
    plain,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_SERIES, MOST_CHANNELS = 4, 4
# More points than pixels: what is drawn is the largest and smallest of each group of rows.
MOST_POINTS = 4_000
_KINDS = {"above": "level", "below": "level", "range": "range", "gap": "gap"}


def plot_events(
    found: Sequence[Found],
    columns: Columns,
    *,
    series: Sequence[object] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw each series' channels with the band expected of them, and the evidence by what it comes from.

    Args:
        found: From a detector.
        columns: Of the table.
        series: Ids to draw; None: those with the most severe events, four at most.
        title: Text above the figure.

    Returns:
        The figure; a red mark is an alarm, a red ground an event.

    Raises:
        InputError: There is nothing to draw.
    """
    newest = _newest(found)
    drawn = _chosen(newest, series)
    channels = columns.target[:MOST_CHANNELS]
    rows = len(drawn) * (len(channels) + 1)
    figure = new_figure(1.2 + 1.9 * rows)
    heights = ([2.0] * len(channels) + [1.1]) * len(drawn)
    axes = figure.subplots(
        rows, 1, squeeze=False, sharex=len(drawn) == 1, gridspec_kw={"height_ratios": heights}
    )
    place = iter(axes[:, 0])
    for one in drawn:
        for j, channel in enumerate(channels):
            ax = next(place)
            name = channel if columns.id is None else f"{one.series} · {channel}"
            _draw_channel(ax, one, j, channel)
            ax.set_title(name, loc="left", fontsize=10, color=INK, parse_math=False)
        _draw_evidence(next(place), one)
    events = sum(len(one.events) for one in newest.values())
    heading = f"{events:,} event{'s' if events != 1 else ''}" if title is None else title
    figure.suptitle(heading, x=0.01, ha="left", parse_math=False, **TITLE)
    handles, labels = legend_entries(list(axes[:, 0]))
    look: dict[str, Any] = {"frameon": False, "fontsize": 10, "labelcolor": INK}
    plain(figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 6), **look))
    return figure


def plot_calibration(table: pd.DataFrame, rate: float) -> Figure:
    """Draw realised against asked rates with their intervals; on the line, alarms come as often as asked.

    Args:
        table: From ``forecast.detection.calibration.calibration_table``.
        rate: The rate that was asked for, marked.
    """
    figure = new_figure(4.5)
    ax = figure.subplots(1, 1)
    asked, realised = table["rate"].to_numpy(), table["realised"].to_numpy()
    shown = realised > 0
    ends = np.array([asked.min(), asked.max()])
    ax.plot(ends, ends, color=FAINT, linewidth=1.0, label="as asked", zorder=1.5)
    ax.fill_between(
        asked,
        np.maximum(table["low"], asked.min() / 10),
        table["high"],
        color=TINTS[0],
        linewidth=0,
        label="90 % interval",
    )
    ax.plot(
        asked[shown],
        realised[shown],
        "o-",
        color=BLUE,
        linewidth=1.6,
        markersize=5,
        label="realised",
        zorder=2.5,
    )
    ax.axvline(rate, color=VERMILION, linewidth=0.8, label="rate asked for", zorder=1.8)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("alarms asked for, as a share of rows")
    ax.set_title("alarms that came, as a share of rows", loc="left", parse_math=False, **TITLE)
    style(ax, 10)
    handles, labels = legend_entries([ax])
    look: dict[str, Any] = {"frameon": False, "fontsize": 10, "labelcolor": INK}
    plain(figure.legend(handles, labels, loc="outside lower center", ncols=4, **look))
    return figure


def _newest(found: Sequence[Found]) -> dict[object, Found]:
    """Return what was found last of each series: behind the rows seen before, if there are any."""
    return {one.series: one for one in found if len(one.times)}


def _chosen(newest: dict[object, Found], series: Sequence[object] | None) -> list[Found]:
    if series is not None:
        missing = [name for name in series if name not in newest]
        if missing:
            raise InputError(f"There is no series {missing[0]!r} to draw.")
        return [newest[name] for name in series]
    if not newest:
        raise InputError("There are no rows to draw.")
    worst = sorted(newest.values(), key=lambda one: -max((e.severity for e in one.events), default=0.0))
    return worst[:MOST_SERIES]


def _draw_channel(ax: Axes, one: Found, channel: int, name: str) -> None:
    evidence = one.evidence
    stream = _shown_stream(evidence, name)
    expected, actual = evidence.scores.expected[:, stream], evidence.scores.actual[:, stream]
    keep = _thinned(actual)
    x = one.times[keep]
    ends = np.array([bounds(evidence, row, stream) for row in keep.tolist()])
    finite = np.all(np.isfinite(ends), axis=1)
    if finite.any():
        ax.fill_between(
            x,
            ends[:, 0],
            ends[:, 1],
            where=finite,
            color=TINTS[0],
            linewidth=0,
            label="expected",
            zorder=1.5,
        )
    if np.isfinite(expected).any():
        ax.plot(x, expected[keep], color=BLUE, linewidth=1.0, zorder=2, label=_name(evidence.streams[stream]))
    ax.plot(x, actual[keep], color=INK, label="actual", **line_style(actual[keep], 1.1))
    for event in one.events:
        first, last = (
            int(np.clip(row - one.first, 0, len(one.times) - 1)) for row in (event.start, event.end)
        )
        ax.axvspan(one.times[first], one.times[last], color=VERMILION, alpha=0.15, linewidth=0, zorder=1)
        if evidence.streams[event.carrier].channel == name:
            at = max(event.raised - one.first, 0)
            ax.plot(
                [one.times[at]],
                [actual[at]],
                "o",
                color=VERMILION,
                markersize=6,
                linestyle="",
                label="alarm",
                zorder=3,
            )
    _look_at(ax, np.concatenate([actual[keep], expected[keep]]))
    format_values(ax)
    _finish(ax, one.times)


def _look_at(ax: Axes, values: np.ndarray) -> None:
    """Cut the axis off where only the band goes: a wide one must not press what happened into a line."""
    seen = values[np.isfinite(values)]
    if not len(seen) or seen.max() == seen.min():
        return
    low, high = ax.get_ylim()
    room = (seen.max() - seen.min()) / 2
    ax.set_ylim(max(low, seen.min() - room), min(high, seen.max() + room))


def _name(stream: Stream) -> str:
    """Say what a line of expected values is."""
    return "reconstruction" if stream.kind in ("reconstruction", "likelihood") else "forecast"


def _shown_stream(evidence: Evidence, channel: str) -> int:
    """Return the stream that tells most directly what was expected of one row of the channel."""
    of = [
        j for j, s in enumerate(evidence.streams) if s.channel == channel and s.rows == 1 and s.kind != "gap"
    ]
    return min(of, key=lambda j: evidence.streams[j].kind in _KINDS)


def _draw_evidence(ax: Axes, one: Found) -> None:
    evidence = one.evidence
    sums: dict[str, NDArray[np.float64]] = {}
    for j, stream in enumerate(evidence.streams):
        kind = _KINDS.get(stream.kind, str(stream))
        sums[kind] = sums.get(kind, 0.0) + np.nan_to_num(evidence.parts[:, j])
    keep = _thinned(evidence.total)
    x, colours = one.times[keep], (*TINTS[1:], *BASELINE_COLOURS)
    base = np.zeros(len(x))
    for (kind, values), colour in zip(sums.items(), colours, strict=False):
        top = base + values[keep]
        ax.fill_between(x, base, top, color=colour, linewidth=0, label=kind, zorder=2, step="mid")
        base = top
    for event in one.events:
        ax.axvline(one.times[max(event.raised - one.first, 0)], color=VERMILION, linewidth=0.8, zorder=1.8)
    ax.set_ylabel("evidence", fontsize=9, color=FAINT)
    _finish(ax, one.times)


def _thinned(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return rows to draw: all of them, or the smallest and largest of each group."""
    if len(values) <= MOST_POINTS:
        return np.arange(len(values))
    groups = np.array_split(np.arange(len(values)), MOST_POINTS // 2)
    filled = np.nan_to_num(values)
    picked = [{int(g[np.argmin(filled[g])]), int(g[np.argmax(filled[g])])} for g in groups]
    return np.array(sorted(set().union(*picked)))


def _finish(ax: Axes, times: pd.Index) -> None:
    style(ax, 9)
    if isinstance(times, pd.DatetimeIndex):
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(minticks=3, maxticks=12, tz=times.tz)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=times.tz))
