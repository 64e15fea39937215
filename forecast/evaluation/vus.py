"""Volume under the surface: areas under ROC and precision-recall curves, averaged over buffers around the events.

Scores rise a little before a labelled event and fall a little behind it; curves that count row by row punish that. So
labels get soft edges: rows up to half a buffer away from an event count ``sqrt(1 - distance / buffer)``. Hits are the
labels of flagged rows, summed; positives are the mean of hard and soft labels; recall is multiplied by the share of
events that are met at all. Each buffer from 0 to the stated one gives an area under each curve; their means are the two
volumes. They grow with the buffer: without it, a figure says nothing.

Source: Paparrizos et al. (2022), "Volume under the surface: a new accuracy evaluation measure for time-series anomaly
detection", PVLDB 15 (11), equations 14 to 16.
Differs: Every distinct score is a threshold (published code takes 250 of them).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.errors import InputError, ParameterError
from forecast.evaluation.events import Spans, check_spans, spans_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Volumes:
    """Means over the series that have events.

    Args:
        roc: Under the ROC curve.
        pr: Under the precision-recall curve.
        buffer: Rows of the widest buffer.
        series: Series behind the means.
    """

    roc: float
    pr: float
    buffer: int
    series: int


def vus_scores(scores: Sequence[Floats], events: Sequence[Spans], *, buffer: int) -> Volumes:
    """Measure how well anomaly scores rank the rows of labelled events above all others.

    Args:
        scores: One array a series, larger is more anomalous; rows without a score (NaN) rank last.
        events: Of each series, in order and apart: first row of an event, and row behind the last.
        buffer: Rows of the widest buffer, half of it on each side; 0 for plain curves.

    Raises:
        InputError: They are not of as many series, events overlap or lie outside, or no series has one.
        ParameterError: The buffer is below zero.

    Example:
        >>> scores = np.zeros(100)
        >>> scores[38:58] = 1.0  # two rows early
        >>> found = vus_scores([scores], [[(40, 60)]], buffer=10)
        >>> round(found.roc, 3), round(found.pr, 3)
        (0.938, 0.936)
    """
    if len(scores) != len(events):
        raise InputError(f"There are scores of {len(scores)} series and events of {len(events)}.")
    if buffer < 0:
        raise ParameterError(f"buffer must be at least 0 rows; got {buffer}.")
    areas = []
    for number, (own, labelled) in enumerate(zip(scores, events, strict=True)):
        values = np.nan_to_num(np.asarray(own, np.float64), nan=-np.inf)
        spans = check_spans(labelled, len(values), number)
        if len(spans):
            order = np.argsort(-values, kind="stable")
            areas.append(
                np.mean([_areas(values, order, spans, width) for width in range(buffer + 1)], axis=0)
            )
    if not areas:
        raise InputError("There is no labelled event: nothing can be ranked above the rest.")
    roc, pr = np.mean(areas, axis=0)
    return Volumes(float(roc), float(pr), buffer, len(areas))


def soft_labels(rows: int, spans: NDArray[np.int64], buffer: int) -> Floats:
    """Return labels from 0 to 1: 1 in events, falling away from them within half a buffer.

    Example:
        >>> soft_labels(7, np.array([[3, 4]]), 4).round(2).tolist()
        [0.0, 0.71, 0.87, 1.0, 0.87, 0.71, 0.0]
    """
    row, labels = np.arange(rows), np.zeros(rows)
    for first, stop in spans:
        away = np.maximum(np.maximum(first - row, row - stop + 1), 0)
        labels += np.where(away <= buffer // 2, np.sqrt(np.maximum(1 - away / max(buffer, 1), 0.0)), 0.0)
    return np.minimum(labels, 1.0)


def _areas(
    scores: Floats, order: NDArray[np.int64], spans: NDArray[np.int64], buffer: int
) -> tuple[float, float]:
    """Return the areas under the ROC and the precision-recall curve for one buffer."""
    rows = len(scores)
    labels = soft_labels(rows, spans, buffer)
    ordered = scores[order]
    # All rows of a score are flagged together.
    flagged = np.append(np.flatnonzero(ordered[:-1] != ordered[1:]), rows - 1) + 1
    hits = np.cumsum(labels[order])[flagged - 1]
    most = np.sort([scores[first:stop].max() for first, stop in spans_of(labels > 0)])
    met = 1.0 - np.searchsorted(most, ordered[flagged - 1], side="left") / len(most)
    positives = ((spans[:, 1] - spans[:, 0]).sum() + labels.sum()) / 2
    recall = np.minimum(hits / positives, 1.0) * met
    others = (flagged - hits) / (rows - positives) if rows > positives else np.zeros(len(flagged))
    recall, others = np.append(0.0, recall), np.append(0.0, others)
    precision = np.append(1.0, hits / flagged)
    return _area(np.append(others, 1.0), np.append(recall, 1.0)), _area(recall, precision)


def _area(across: Floats, height: Floats) -> float:
    return float((np.diff(across) * (height[1:] + height[:-1]) / 2).sum())
