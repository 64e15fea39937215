"""When evidence becomes an alarm, and how long an event lasts: rows in, events out, from left to right."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.detection.evidence import Evidence, bounds
from forecast.errors import ParameterError

Floats = NDArray[np.float64]

_SPAN = re.compile(
    r"(?:(mon|tue|wed|thu|fri|sat|sun) ?)?(?:([01]?\d|2[0-4])(?::([0-5]\d))?-([01]?\d|2[0-4])(?::([0-5]\d))?)?"
)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Policy:
    """Rules between evidence and alarms.

    Args:
        release: An event lasts while the evidence is at least this share of what raised it.
        min_rows: Rows that the evidence must last before an alarm is raised.
        merge: Rows behind an event within which a new alarm belongs to it.
        quiet: Times at which none is raised: ``"22:00-06:00"``, ``"sun"``, ``"sat 00:00-24:00"``.
        floor: Least distance between what was expected and what happened, in units of the channel; evidence without
            an expectation is not held back.

    Raises:
        ParameterError: A rule makes no sense.
    """

    release: float = 0.5
    min_rows: int = 1
    merge: int = 0
    quiet: tuple[str, ...] = ()
    floor: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.release <= 1:
            raise ParameterError(f"release must be above 0 and at most 1; got {self.release!r}.")
        if self.min_rows < 1 or self.merge < 0 or self.floor < 0:
            raise ParameterError(
                "min_rows must be at least 1, merge and floor at least 0; got "
                f"{self.min_rows}, {self.merge}, {self.floor}."
            )
        for span in self.quiet:
            _read_span(span)

    def may_alarm(self, evidence: Evidence, times: pd.Index) -> NDArray[np.bool_]:
        """Say for every row whether an alarm may be raised there."""
        rare = evidence.alarms.copy()
        if self.floor:
            far = np.abs(evidence.scores.actual - evidence.scores.expected)
            held = np.where(evidence.parts > 0, np.isnan(far) | (far >= self.floor), False)
            rare &= held.any(axis=1)
        if self.quiet:
            rare &= ~quiet_rows(self.quiet, times)
        return rare


@dataclass(frozen=True)
class Event:
    """Rows are counted from the series' first.

    Args:
        start: First row of the evidence.
        raised: Row at which the alarm was raised; -1 while it is not.
        end: Last row so far.
        peak: Row of the most evidence.
        severity: Evidence there, in decades.
        level: Evidence at the start.
        p: Smallest p-value so far.
        open: Whether it may go on.
        carrier: Number of the stream with the largest part of the evidence at the peak.
        actual: Mean of the rows that this stream is about, there; None without one.
        expected: What was expected of it; None without an expectation.
        lower: End of the interval outside of which it would be as rare as the rate asked for; None without one.
        upper: The other end.
    """

    start: int
    raised: int
    end: int
    peak: int
    severity: float
    level: float
    p: float
    open: bool = True
    carrier: int = 0
    actual: float | None = None
    expected: float | None = None
    lower: float | None = None
    upper: float | None = None


def watch(
    policy: Policy, evidence: Evidence, times: pd.Index, first: int, ongoing: Event | None
) -> list[Event]:
    """Find the events of new rows.

    Args:
        policy: The rules.
        evidence: Of the new rows.
        times: Of the new rows.
        first: Number of the first of them.
        ongoing: The event that was open before them, None for none.

    Returns:
        Events in order, the ongoing one first if it was raised; the last may be open. One that is not raised yet
        (``raised`` -1) is only ever the last.
    """
    allowed = policy.may_alarm(evidence, times)
    starts, observed = np.flatnonzero(allowed), ~np.isnan(evidence.total)
    found: list[Event] = []
    now, row = ongoing, 0
    while row < len(allowed):
        if now is None:
            row = _next(starts, row)
            if row < 0:
                break
            now = Event(first + row, -1, first + row, first + row, 0.0, float(evidence.total[row]), 1.0)
        if observed[row]:
            now = _moved(policy, now, first + row, evidence, row, bool(allowed[row]))
            if not now.open:
                found += [now] if now.raised >= 0 else []
                now = None
        row += 1
    return found if now is None else [*found, now]


def _moved(policy: Policy, event: Event, at: int, evidence: Evidence, row: int, alarm: bool) -> Event:
    """Take an observed row into an event, or close it."""
    total = float(evidence.total[row])
    if not alarm and total < policy.release * event.level:
        over = event.raised < 0 or at - event.end > policy.merge
        return replace(event, open=not over)
    if total > event.severity:
        event = replace(event, peak=at, severity=total, **_carried(evidence, row))
    p = min(event.p, float(evidence.p[row]))
    raised = at if event.raised < 0 and at - event.start + 1 >= policy.min_rows else event.raised
    return replace(event, end=at, p=p, raised=raised)


def _carried(evidence: Evidence, row: int) -> dict[str, Any]:
    """Say what carries the evidence of a row."""
    carrier = int(np.argmax(evidence.parts[row]))
    lower, upper = bounds(evidence, row, carrier)
    told = {
        "actual": evidence.scores.actual[row, carrier],
        "expected": evidence.scores.expected[row, carrier],
    }
    told |= {"lower": lower, "upper": upper}
    return {"carrier": carrier} | {
        name: float(value) if np.isfinite(value) else None for name, value in told.items()
    }


def _next(starts: NDArray[np.int64], row: int) -> int:
    """Return the first row from this one on at which an event may start, -1 for none."""
    place = int(np.searchsorted(starts, row))
    return int(starts[place]) if place < len(starts) else -1


def quiet_rows(spans: tuple[str, ...], times: pd.Index) -> NDArray[np.bool_]:
    """Say which rows lie in quiet times.

    Raises:
        ParameterError: Rows have no time of day.

    Example:
        >>> quiet_rows(("22-6", "sun"), pd.DatetimeIndex(["2024-01-06 23:00", "2024-01-06 12:00", "2024-01-07 12:00"]))
        array([ True, False,  True])
    """
    if not isinstance(times, pd.DatetimeIndex):
        raise ParameterError("Quiet times need rows with times; these are only counted.")
    minute, day = np.asarray(times.hour * 60 + times.minute), np.asarray(times.day_of_week)
    found = np.zeros(len(times), bool)
    for span in spans:
        weekday, begin, end = _read_span(span)
        inside = (minute >= begin) & (minute < end) if begin < end else (minute >= begin) | (minute < end)
        found |= inside & ((day == weekday) | (weekday < 0))
    return found


def _read_span(text: str) -> tuple[int, int, int]:
    """Return day of the week (-1 for all), first minute, and minute behind the last."""
    form = _SPAN.fullmatch(text.strip().lower())
    if form is None or not text.strip():
        raise ParameterError(
            f"quiet={text!r} cannot be read; say for example '22:00-06:00', 'sun' or 'sat 12-24'."
        )
    day = -1 if form[1] is None else _DAYS.index(form[1])
    if form[2] is None:
        return day, 0, 1_440
    begin, end = (int(form[i]) * 60 + int(form[i + 1] or 0) for i in (2, 4))
    if max(begin, end) > 1_440 or begin == end:
        raise ParameterError(f"quiet={text!r} must run from one time of day to another, at most to 24:00.")
    return day, begin, end
