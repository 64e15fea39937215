"""Affiliation precision and recall: how near alarms and events lie to each other, against what chance would do.

Every labelled event owns the stretch of time that is nearer to it than to any other: its zone. In each zone, precision
is the mean over all flagged time of the probability that a moment drawn anywhere in the zone lies as far from the event
or farther; recall is the mean over the event of the probability that such a moment lies as far, or farther, than the
nearest flagged time does. Both are 1 for a perfect answer. A random one has 0.5 or more, so that only what is well
above says anything. Precision is averaged over the zones with flags, recall over all.

Source: Huet, Navarro, Rossi (2022), "Local evaluation of time series anomaly detection algorithms", arXiv 2206.13167.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.errors import InputError
from forecast.evaluation.events import Spans, each_series, harmonic_mean

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Affiliation:
    """Means over the zones of all events.

    Args:
        precision: NaN if nothing was flagged in any zone.
        recall: 0 in a zone without flags.
        events: Zones behind the recall.
        flagged: Zones behind the precision.
    """

    precision: float
    recall: float
    events: int
    flagged: int

    @property
    def f1(self) -> float:
        """Harmonic mean of both, 0 where nothing was flagged."""
        return harmonic_mean(self.precision, self.recall)


def affiliation_scores(alarms: Sequence[Spans], events: Sequence[Spans], rows: Sequence[int]) -> Affiliation:
    """Measure how near flagged stretches and labelled events lie to each other.

    Args:
        alarms: Of each series, in order and apart: first flagged row, and row behind the last.
        events: Of each series: the same of the labelled events. Series without any have no zone.
        rows: Rows of each series.

    Raises:
        InputError: They are not of as many series, stretches overlap or lie outside, or there is no event at all.

    Example:
        >>> found = affiliation_scores([[(42, 50)]], [[(40, 60)]], [100])
        >>> round(found.precision, 3), round(found.recall, 3)
        (1.0, 0.948)
    """
    precision, recall = [], []
    for flagged, spans, count in each_series(alarms, events, rows):
        for zone, event in zip(_zones(spans, count), spans.astype(np.float64), strict=True):
            inside = np.clip(flagged.astype(np.float64), *zone)
            inside = inside[inside[:, 0] < inside[:, 1]]
            recall.append(_recall(inside, event, zone) if len(inside) else 0.0)
            precision += [_precision(inside, event, zone)] if len(inside) else []
    if not recall:
        raise InputError("There is no labelled event: nothing can be near to one.")
    mean = float(np.mean(precision)) if precision else float("nan")
    return Affiliation(mean, float(np.mean(recall)), len(recall), len(precision))


def _zones(spans: NDArray[np.int64], rows: int) -> Floats:
    """Return begin and end of each event's zone; borders lie half way between events."""
    borders = (spans[:-1, 1] + spans[1:, 0]) / 2
    return np.stack([np.append(0.0, borders), np.append(borders, float(rows))], axis=1)[: len(spans)]


def _precision(flagged: Floats, event: Floats, zone: Floats) -> float:
    """Average over the flagged time how much of the zone is as far from the event, or farther."""
    (first, stop), (begin, end) = event, zone
    before, behind = first - begin, end - stop

    def farther(moment: Floats) -> Floats:
        away = np.maximum(np.maximum(first - moment, moment - stop), 0.0)
        share = (np.maximum(before - away, 0.0) + np.maximum(behind - away, 0.0)) / (end - begin)
        return np.where(away > 0, share, 1.0)

    kinks = np.array([first, stop, first - behind, stop + before])
    total = sum(_integral(farther, kinks, span) for span in flagged)
    return float(total / (flagged[:, 1] - flagged[:, 0]).sum())


def _recall(flagged: Floats, event: Floats, zone: Floats) -> float:
    """Average over the event how much of the zone is as far from a moment as the nearest flagged time is."""
    begin, end = zone
    starts, stops = flagged.T

    def farther(moment: Floats) -> Floats:
        each = np.maximum(np.maximum(starts - moment[:, None], moment[:, None] - stops), 0.0)
        away = each.min(axis=1)
        near = np.minimum(away, moment - begin) + np.minimum(away, end - moment)
        return 1.0 - near / (end - begin)

    between = (stops[:-1] + starts[1:]) / 2
    kinks = np.concatenate([starts, stops, between, (starts + begin) / 2, (stops + end) / 2])
    return float(_integral(farther, kinks, event) / (event[1] - event[0]))


def _integral(values: Callable[[Floats], Floats], kinks: Floats, span: Floats) -> float:
    """Integrate what is linear between kinks: there, the middle times the length is exact."""
    edges = np.unique(np.concatenate([span, kinks[(kinks > span[0]) & (kinks < span[1])]]))
    return float((values((edges[:-1] + edges[1:]) / 2) * np.diff(edges)).sum())
