"""What was found, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from forecast.data.columns import Columns
from forecast.data.step import Step
from forecast.detection.evidence import Evidence
from forecast.detection.policy import Event

FIELDS = (
    *("start", "raised", "end", "peak", "rows", "severity", "p_value"),
    *("channel", "kind", "horizon", "actual", "expected", "lower", "upper", "open"),
)
"""Columns of a table of events, behind the id."""


@dataclass(frozen=True, eq=False)
class Found:
    """What a detector says about the rows of a series.

    Args:
        series: Id.
        times: Of the rows.
        step: Distance between them.
        first: Number of the first of them, counted from the series' first row.
        evidence: Of the rows.
        events: Raised before or in these rows and not over before them.
    """

    series: object
    times: pd.Index
    step: Step
    first: int
    evidence: Evidence
    events: list[Event]

    def above(self, other: Found) -> Found:
        """Return these rows and those behind them, which were weighed as their continuation."""
        events = told_once(self.events, other.events) + other.events
        evidence = self.evidence.above(other.evidence)
        return replace(self, times=self.times.append(other.times), evidence=evidence, events=events)


def told_once(before: Sequence[Event], behind: Sequence[Event]) -> list[Event]:
    """Return the events before some row without those that are told again behind it, where they went on."""
    begun = {event.start for event in behind}
    return [event for event in before if event.start not in begun]


def score_table(found: Sequence[Found], columns: Columns) -> pd.DataFrame:
    """Return evidence and p-value of every row: id, time, ``evidence``, ``p_value``, and ``alarm``, 1 where raised."""
    parts = []
    for one in found:
        part: dict[str, Any] = {} if columns.id is None else {columns.id: [one.series] * len(one.times)}
        part[columns.time or "row"] = one.times
        part |= {
            "evidence": one.evidence.total,
            "p_value": one.evidence.p,
            "alarm": one.evidence.alarms.astype(np.int64),
        }
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


def event_table(found: Sequence[Found], columns: Columns) -> pd.DataFrame:
    """Return one row an event, in order of time within each series."""
    rows = [_row(one, event, columns) for one in found for event in one.events]
    names = (*(() if columns.id is None else (columns.id,)), *FIELDS)
    table = pd.DataFrame(rows, columns=list(names))
    if found and not rows:
        # An empty table has the types of one that is not.
        times = dict.fromkeys(("start", "raised", "end", "peak"), found[0].times.dtype)
        numbers = dict.fromkeys(("severity", "p_value", "actual", "expected", "lower", "upper"), np.float64)
        table = table.astype(times | numbers | dict.fromkeys(("rows", "horizon"), np.int64) | {"open": bool})
    return table


def _row(found: Found, event: Event, columns: Columns) -> dict[str, Any]:
    """Describe an event by what carried it: the stream with the largest part of the evidence at its peak."""
    stream = found.evidence.streams[event.carrier]
    row: dict[str, Any] = {} if columns.id is None else {columns.id: found.series}
    row |= {
        # Rows before the first looked at lie in its past.
        name: found.step.shift(found.times[0], getattr(event, name) - found.first)
        for name in ("start", "raised", "end", "peak")
    }
    row |= {"rows": event.end - event.start + 1, "severity": event.severity, "p_value": event.p}
    row |= {"channel": stream.channel, "kind": stream.kind, "horizon": stream.rows}
    for name in ("actual", "expected", "lower", "upper"):
        value = getattr(event, name)
        row[name] = np.nan if value is None else value
    return row | {"open": event.open}
