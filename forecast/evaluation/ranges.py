"""Range-based precision and recall: how much of each stretch is covered, where, and by how many pieces.

Recall looks at every labelled event: it earns ``existence`` for being met at all, and for the rest the share of it that
is flagged, weighted by where it is flagged, and divided by the number of pieces that meet it. Precision does the same
for every flagged stretch against the events, without the reward for existence. Both are means over stretches, so that
long ones count no more than short ones.

Source: Tatbul et al. (2018), "Precision and recall for time series", NeurIPS, arXiv 1803.03639.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.errors import ParameterError
from forecast.evaluation.events import Spans, each_series, harmonic_mean

Floats = NDArray[np.float64]

# Weight of each row of a stretch by its place in it, counted from 0, and the stretch's rows.
BIASES: dict[str, Callable[[Floats, int], Floats]] = {
    "flat": lambda place, rows: np.ones_like(place),
    "front": lambda place, rows: rows - place,
    "back": lambda place, rows: place + 1,
    "middle": lambda place, rows: np.minimum(place + 1, rows - place),
}


@dataclass(frozen=True)
class RangeScores:
    """Means over stretches, NaN without any."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Harmonic mean of both: 0 where nothing was met, NaN without an event."""
        return harmonic_mean(self.precision, self.recall)


def range_scores(
    alarms: Sequence[Spans],
    events: Sequence[Spans],
    rows: Sequence[int],
    *,
    existence: float = 0.0,
    bias: str = "flat",
    pieces: bool = True,
) -> RangeScores:
    """Measure how much of the flagged stretches and of the labelled events lies in each other.

    Args:
        alarms: Of each series, in order and apart: first flagged row, and row behind the last.
        events: Of each series: the same of the labelled events.
        rows: Rows of each series.
        existence: Share of an event's recall that being met at all earns (alpha in the paper), from 0 to 1.
        bias: Which rows of an event count more: ``"flat"``, ``"front"``, ``"middle"`` or ``"back"``. Flagged stretches
            are always flat.
        pieces: Divide by the number of pieces that meet a stretch.

    Raises:
        InputError: They are not of as many series, or stretches overlap or lie outside.
        ParameterError: ``existence`` or ``bias`` is not one of those.

    Example:
        >>> found = range_scores([[(42, 46), (48, 52)]], [[(40, 50)]], [100])
        >>> round(found.precision, 3), round(found.recall, 3)
        (0.75, 0.3)
    """
    if not 0 <= existence <= 1:
        raise ParameterError(f"existence must lie between 0 and 1; got {existence}.")
    if bias not in BIASES:
        raise ParameterError(f"bias must be one of {', '.join(BIASES)}; got {bias!r}.")
    precision, recall = [], []
    for flagged, spans, _ in each_series(alarms, events, rows):
        precision += [_covered(span, spans, "flat", pieces) for span in flagged]
        for span in spans:
            share = _covered(span, flagged, bias, pieces)
            recall.append(existence * (share > 0) + (1 - existence) * share)
    return RangeScores(_mean(precision), _mean(recall))


def _covered(span: NDArray[np.int64], others: NDArray[np.int64], bias: str, pieces: bool) -> float:
    """Return the weighted share of a stretch that others cover, divided by how many of them do."""
    rows = int(span[1] - span[0])
    weights = BIASES[bias](np.arange(rows, dtype=np.float64), rows)
    inside = np.clip(others, *span) - span[0]
    inside = inside[inside[:, 0] < inside[:, 1]]
    share = sum(float(weights[first:stop].sum()) for first, stop in inside) / float(weights.sum())
    return share / len(inside) if pieces and len(inside) else share


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
