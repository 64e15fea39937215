"""How well alarms find labelled events: counted event by event, never row by row.

An alarm is the moment it is raised, the first row of a flagged stretch: one that never ends finds nothing but the event
it began in. It is true if it is raised in an event, or no more than a stated tolerance before or behind it. An event is
found if a true alarm belongs to it. Rows are not counted: an event of a thousand rows would weigh a thousand times
one of a single row, and with point-adjusted counts chance alone finds almost all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forecast.errors import InputError, ParameterError

Spans = Sequence[tuple[int, int]]
SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class EventScores:
    """Alarms against events, over all series together.

    Args:
        events: Labelled events.
        found: Of them, those in which an alarm was raised.
        alarms: Alarms raised.
        false_alarms: Of them, those raised in no event.
        rows: Rows watched.
        delays: Rows from the start of each found event to its first alarm; below zero for one raised before, within the
            tolerance.
        tolerance: Rows before and behind an event that count as its own.
        step_seconds: Seconds between rows, None where time is only counted.
    """

    events: int
    found: int
    alarms: int
    false_alarms: int
    rows: int
    delays: tuple[int, ...]
    tolerance: int
    step_seconds: float | None = None

    @property
    def precision(self) -> float:
        """True alarms among all, NaN without an alarm."""
        return 1.0 - self.false_alarms / self.alarms if self.alarms else float("nan")

    @property
    def recall(self) -> float:
        """Found events among all, NaN without an event."""
        return self.found / self.events if self.events else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of both: 0 where nothing was found, NaN without an event."""
        return harmonic_mean(self.precision, self.recall)

    @property
    def false_alarms_per_1000_rows(self) -> float:
        """False alarms in every thousand rows watched."""
        return 1_000 * self.false_alarms / self.rows if self.rows else float("nan")

    @property
    def false_alarms_per_day(self) -> float:
        """False alarms on every day watched, NaN where time is only counted."""
        if self.step_seconds is None or not self.rows:
            return float("nan")
        return self.false_alarms * SECONDS_A_DAY / (self.rows * self.step_seconds)

    def delay(self, share: float = 0.5) -> float:
        """Return the delay within which this share of the found events had their alarm, NaN if none was found."""
        return float(np.quantile(self.delays, share)) if self.delays else float("nan")


def harmonic_mean(precision: float, recall: float) -> float:
    """Return F1 of precision and recall: 0 where nothing was found, NaN where there was nothing to find."""
    if np.isnan(recall):
        return float("nan")
    return 2 * precision * recall / (precision + recall) if recall else 0.0


def spans_of(flags: ArrayLike) -> list[tuple[int, int]]:
    """Return the stretches of flagged rows: first row, and row behind the last.

    Example:
        >>> spans_of([False, True, True, False, True])
        [(1, 3), (4, 5)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.asarray(flags, bool), [False]])))
    return [(int(first), int(stop)) for first, stop in edges.reshape(-1, 2)]


def event_scores(
    alarms: Sequence[Spans],
    events: Sequence[Spans],
    rows: Sequence[int],
    *,
    tolerance: int = 0,
    step_seconds: float | None = None,
) -> EventScores:
    """Count true and false alarms, found and missed events.

    Args:
        alarms: Of each series, in order and apart: first row of an alarm, and row behind the last.
        events: Of each series, in order and apart: the same of the labelled events.
        rows: Rows of each series that were watched.
        tolerance: Rows before and behind an event that count as its own; an alarm in reach of two belongs to the one it
            is nearer to, to the earlier one if both are as near.
        step_seconds: Seconds between rows.

    Raises:
        InputError: They are not of as many series, or stretches overlap or lie outside.
        ParameterError: The tolerance is below zero.

    Example:
        >>> found = event_scores([[(4, 5), (30, 40)]], [[(3, 9), (20, 22)]], [100])
        >>> found.precision, found.recall, found.delays, found.false_alarms_per_1000_rows
        (0.5, 0.5, (1,), 10.0)
    """
    if tolerance < 0:
        raise ParameterError(f"tolerance must be at least 0 rows; got {tolerance}.")
    false, delays = 0, []
    for raised, spans, _ in each_series(alarms, events, rows):
        starts = raised[:, 0]
        owner = _owners(starts, spans, tolerance)
        false += int((owner < 0).sum())
        delays += [int(starts[owner == k].min() - spans[k, 0]) for k in np.unique(owner[owner >= 0])]
    return EventScores(
        events=sum(len(one) for one in events),
        found=len(delays),
        alarms=sum(len(one) for one in alarms),
        false_alarms=false,
        rows=sum(rows),
        delays=tuple(delays),
        tolerance=tolerance,
        step_seconds=step_seconds,
    )


def each_series(
    alarms: Sequence[Spans], events: Sequence[Spans], rows: Sequence[int]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], int]]:
    """Yield the alarms, the events and the rows of one series after the other.

    Raises:
        InputError: They are not of as many series, or stretches make no sense; see ``check_spans``.
    """
    if not len(alarms) == len(events) == len(rows):
        raise InputError(f"Alarms of {len(alarms)} series, events of {len(events)} and rows of {len(rows)}.")
    for number, count in enumerate(rows):
        yield check_spans(alarms[number], count, number), check_spans(events[number], count, number), count


def check_spans(spans: Spans, rows: int, series: int) -> NDArray[np.int64]:
    """Return stretches of a series, labelled or flagged, as an array ``(stretches, 2)``.

    Raises:
        InputError: One is empty, lies outside, overlaps the one before or is not in order.
    """
    found = np.array(spans, np.int64).reshape(-1, 2)
    if (found[:, 0] >= found[:, 1]).any() or (found[1:, 0] < found[:-1, 1]).any():
        raise InputError(
            f"Stretches of series {series} are empty, overlap or are not in order: {list(spans)}."
        )
    if len(found) and not 0 <= found[0, 0] <= found[-1, 1] <= rows:
        raise InputError(f"A stretch of series {series} lies outside its {rows} rows: {list(spans)}.")
    return found


def _owners(starts: NDArray[np.int64], spans: NDArray[np.int64], tolerance: int) -> NDArray[np.int64]:
    """Return the event of each alarm, -1 for none."""
    if not len(spans):
        return np.full(len(starts), -1)
    early = np.maximum(spans[:, 0] - starts[:, None], 0)
    late = np.maximum(starts[:, None] - (spans[:, 1] - 1), 0)
    away = early + late
    return np.where(away.min(axis=1) <= tolerance, away.argmin(axis=1), -1)
