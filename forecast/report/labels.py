"""Pictures of labels: which class is taken for which, how early it is known, and events along a sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.data.labelled import Labelled
from forecast.evaluation.segments import runs_of
from forecast.report.plots import (
    BASELINE_COLOURS,
    BLUE,
    FAINT,
    GRID,
    HEIGHT,
    INK,
    TITLE,
    VERMILION,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (BLUE, VERMILION, *BASELINE_COLOURS)
MOST_CHANNELS, MOST_SERIES, MOST_ROWS, MOST_NUMBERS = 4, 3, 2_000, 15


def plot_labelling(
    table: Labelled,
    confusion: pd.DataFrame | None,
    *,
    early: pd.DataFrame | None = None,
    events: pd.DataFrame | None = None,
) -> Figure:
    """Draw what a classifier or a labeler did.

    Args:
        table: The sequences, for their shapes.
        confusion: From the estimator; None leaves it out.
        early: Accuracy by the share seen, of a classifier.
        events: Found events, of a labeler.

    Returns:
        The figure.

    Example:
        >>> from forecast.data.labelled import Wanted, read_labelled
        >>> columns = {"id": [1, 1, 2, 2], "x": [1.0, 2.0, 2.0, 1.0], "label": ["a", "a", "b", "b"]}
        >>> table = read_labelled(columns, Wanted())
        >>> len(plot_labelling(table, None).axes)
        1
    """
    panels = 1 + (confusion is not None) + (early is not None)
    figure = new_figure(HEIGHT)
    widths = [
        3 if events is not None else 2,
        *([1.4] if confusion is not None else []),
        *([1.4] if early is not None else []),
    ]
    axes = figure.subplots(1, panels, width_ratios=widths, squeeze=False)[0]
    if events is not None:
        plot_events(table, events, ax=axes[0])
    else:
        _draw_classes(axes[0], table)
    if confusion is not None:
        _draw_confusion(axes[1], confusion)
    if early is not None:
        _draw_early(axes[-1], early)
    return figure


def plot_events(table: Labelled, events: pd.DataFrame, *, ax: Axes, sequence: int = 0) -> None:
    """Draw the channels of a sequence, with its labels and the found events as two strips below.

    Args:
        table: The sequences with their labels.
        events: From ``EventLabeler.events`` of the same table.
        ax: Axes to draw into.
        sequence: Number of the sequence.
    """
    offsets = table.sequences.offsets
    first, stop = int(offsets[sequence]), min(int(offsets[sequence + 1]), int(offsets[sequence]) + MOST_ROWS)
    values = table.sequences.values[first:stop]
    for j in range(min(values.shape[1], MOST_CHANNELS)):
        ax.plot(_scaled(values[:, j]) + 0.15, color=FAINT, linewidth=0.8)
    names: tuple = () if table.classes is None else table.classes.names
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    for begin, end, code in runs_of(table.labels[first:stop]):
        if code >= 0:
            ax.axvspan(begin - 0.5, end - 0.5, 0.06, 0.10, color=colours[names[code]], linewidth=0)
    mine = events if table.columns.id is None else events[events[table.columns.id] == table.ids[sequence]]
    if table.columns.id is None and "sequence" in events:
        mine = events[events["sequence"] == sequence]
    places = _places(table, first, stop)
    for event in mine.to_dict("records"):
        begin, end = places.get(event["start"]), places.get(event["end"])
        if begin is not None:
            colour = colours.get(event["label"], INK)
            ax.axvspan(
                begin - 0.5,
                (stop - first if end is None else end) + 0.5,
                0.01,
                0.05,
                color=colour,
                linewidth=0,
            )
    for name, colour in colours.items():
        ax.plot([], [], color=colour, linewidth=6, label=str(name))
    ax.set_ylim(0, 1.2)
    ax.set_yticks([])
    ax.set_xlabel("row; strips: labels above, found events below", color=INK)
    ax.legend(frameon=False, loc="upper right", fontsize=8)
    who = "" if table.columns.id is None else f" {table.ids[sequence]}"
    _head(ax, f"Labels and events{who}")


def _places(table: Labelled, first: int, stop: int) -> dict[Any, int]:
    """Return the place of each time, or of each number of a row, in a sequence."""
    if table.columns.time is None:
        return {row: row for row in range(stop - first)}
    return {time: place for place, time in enumerate(table.frame[table.columns.time].iloc[first:stop])}


def _scaled(channel: np.ndarray) -> np.ndarray:
    seen = channel[~np.isnan(channel)]
    if not len(seen) or seen.max() == seen.min():
        return np.zeros(len(channel)) + 0.5
    return (channel - seen.min()) / (seen.max() - seen.min())


def _draw_classes(ax: Axes, table: Labelled) -> None:
    """Draw the first channel of some sequences of each class."""
    codes = table.of_sequences()
    offsets, names = table.sequences.offsets, () if table.classes is None else table.classes.names
    for number, name in enumerate(names[: len(COLOURS)]):
        for place, i in enumerate(np.flatnonzero(codes == number)[:MOST_SERIES]):
            values = table.sequences.values[offsets[i] : offsets[i + 1], 0]
            label = str(name) if place == 0 else None
            ax.plot(values, color=COLOURS[number], linewidth=1.0, alpha=0.8, label=label)
    ax.set_xlabel("row", color=INK)
    ax.legend(frameon=False, fontsize=8)
    _head(ax, f"{table.columns.features[0]}: up to {MOST_SERIES} sequences of a class")


def _draw_confusion(ax: Axes, confusion: pd.DataFrame) -> None:
    counts = confusion.to_numpy()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    names = [str(name) for name in confusion.index]
    if len(names) <= MOST_NUMBERS:
        for (i, j), count in np.ndenumerate(counts):
            if count:
                ax.text(j, i, f"{count:,}", ha="center", va="center", fontsize=8,
                        color="white" if shares[i, j] > 0.5 else INK)  # fmt: skip
        ax.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8)
        ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.set_xlabel("predicted", color=INK)
    ax.set_ylabel("label", color=INK)
    _head(ax, "Held out")


def _draw_early(ax: Axes, early: pd.DataFrame) -> None:
    ax.plot(100 * early["share"], 100 * early["accuracy"], color=BLUE, marker="o", markersize=3)
    ax.set_xlabel("% of each sequence seen", color=INK)
    ax.set_ylim(0, 102)
    ax.grid(color=GRID)
    _head(ax, "Accuracy, %")


def _head(ax: Axes, title: str) -> None:
    ax.set_title(title, loc="left", **TITLE)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
