"""What alarms and scores of a detector are worth on each series, as sums that any series can be drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.evaluation.affiliation import affiliation_scores
from forecast.evaluation.events import SECONDS_A_DAY, Spans, event_scores
from forecast.evaluation.nab import PROFILES, nab_sums
from forecast.evaluation.ranges import range_scores
from forecast.evaluation.vus import vus_scores

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

LESS = ("false alarms per 1,000 rows", "false alarms per day", "delay")
"""Measures of which less is better."""

_NAB = dict(zip(("NAB", "NAB low FP", "NAB low FN"), PROFILES, strict=True))
_ADJUSTED = "point-adjusted F1"


@dataclass(frozen=True, eq=False)
class Detections:
    """What a method says about some series.

    Args:
        method: Its name.
        scores: Of each series, one number a row, larger is more anomalous, NaN where there is none.
        alarms: Of each series, in order and apart: row at which an alarm was raised, and row behind its last.
        threshold: One of ``THRESHOLDS``.
    """

    method: str
    scores: Sequence[Floats]
    alarms: Sequence[Spans]
    threshold: str = "fixed"


@dataclass(frozen=True, eq=False)
class Labels:
    """Events of each series, in rows that count: counted from the first of them."""

    events: list[Spans]
    windows: list[Spans]
    rows: list[int]


class Sums(NamedTuple):
    """What a method's measures are made of: by measure, sums and counts of each series; and delays.

    Args:
        of: By measure, two arrays ``(series,)`` whose totals' ratio it is.
        owner: Series of each delay.
        delays: Rows from the start of each found event to its first alarm.
        times: How often alarms were thrown, 1 for those of a method.
    """

    of: dict[str, tuple[Floats, Counts]]
    owner: Counts
    delays: Floats
    times: int = 1


def added(parts: list[Sums]) -> Sums:
    """Add up what was thrown several times."""
    of = {name: tuple(np.sum([part.of[name] for part in parts], axis=0)) for name in parts[0].of}
    return Sums(
        {name: (sums, counts.astype(np.int64)) for name, (sums, counts) in of.items()},
        np.concatenate([part.owner for part in parts]),
        np.concatenate([part.delays for part in parts]),
        len(parts),
    )


@dataclass(frozen=True, eq=False)
class Measured:
    """How alarms and scores are measured.

    Args:
        labels: Events of the rows that count.
        tolerance: Rows around events.
        window: Of VUS.
        step_seconds: Seconds between rows.
        legacy: Whether point-adjusted F1 is among the measures.
    """

    labels: Labels
    tolerance: int
    window: int
    step_seconds: float | None
    legacy: bool

    @property
    def settings(self) -> dict[str, str]:
        """What each measure stands on, by name, in the order of the table."""
        near, stretch = f"± {_rows(self.tolerance)}", "flat, no reward for existence"
        settings = {"alarms": "", "precision": near, "recall": near, "F1": near}
        settings |= dict.fromkeys(LESS[:2], near) | {"delay": f"median rows, {near}"}
        settings |= dict.fromkeys(_NAB, f"windows: events {near}")
        settings |= dict.fromkeys(("VUS-PR", "VUS-ROC"), f"window {_rows(self.window)}")
        settings |= dict.fromkeys(("affiliation precision", "affiliation recall"), "zones of events")
        settings |= dict.fromkeys(("range precision", "range recall"), stretch)
        return settings | ({_ADJUSTED: "legacy"} if self.legacy else {})

    def sums(self, one: Detections) -> Sums:
        """Measure every series by itself, as parts of what is measured of all of them."""
        series = range(len(self.labels.rows))
        events, rows = self.labels.events, self.labels.rows
        found = [
            event_scores([one.alarms[i]], [events[i]], [rows[i]], tolerance=self.tolerance) for i in series
        ]
        alarms, false = (
            np.array([getattr(f, name) for f in found], np.float64) for name in ("alarms", "false_alarms")
        )
        watched, labelled = np.array(rows), np.array([len(spans) for spans in events])
        parts = {
            "precision": (alarms - false, alarms),
            "recall": (np.array([f.found for f in found], np.float64), labelled),
            "false alarms per 1,000 rows": (1_000 * false, watched),
        }
        if self.step_seconds is not None:
            parts["false alarms per day"] = (false * SECONDS_A_DAY / self.step_seconds, watched)
        parts |= self._nab(one, labelled) | self._ranks(one) | self._stretches(one, labelled)
        if self.legacy:
            parts[_ADJUSTED] = self._adjusted(one)
        return Sums(
            {
                name: (np.asarray(sums, np.float64), np.asarray(counts, np.int64))
                for name, (sums, counts) in parts.items()
            },
            np.repeat(np.arange(len(rows)), [len(f.delays) for f in found]),
            np.concatenate([f.delays for f in found]).astype(np.float64),
        )

    def _nab(self, one: Detections, labelled: Counts) -> dict:
        raised = [np.array([start for start, _ in spans], np.int64) for spans in one.alarms]
        # Rows before the first that counts are laid in front again, where an event began there.
        lead = [max([0, *(-start for start, _ in spans)]) for spans in self.labels.windows]
        rows = [count + more for count, more in zip(self.labels.rows, lead, strict=True)]
        windows = [
            _widened([(a + more, b + more) for a, b in spans], self.tolerance, count)
            for spans, more, count in zip(self.labels.windows, lead, rows, strict=True)
        ]
        flags = [flag + more for flag, more in zip(raised, lead, strict=True)]
        return {name: (nab_sums(flags, windows, rows, profile), labelled) for name, profile in _NAB.items()}

    def _ranks(self, one: Detections) -> dict:
        series = len(self.labels.rows)
        areas, known = np.zeros((2, series)), np.zeros(series, np.int64)
        for i, (scores, spans) in enumerate(zip(one.scores, self.labels.events, strict=True)):
            if len(spans):
                volumes = vus_scores([scores], [spans], buffer=self.window)
                areas[:, i], known[i] = (volumes.pr, volumes.roc), 1
        return {"VUS-PR": (areas[0], known), "VUS-ROC": (areas[1], known)}

    def _stretches(self, one: Detections, labelled: Counts) -> dict:
        series = len(self.labels.rows)
        near, zones = np.zeros((2, series)), np.zeros(series, np.int64)
        covered = np.zeros((2, series))
        for i, (alarms, spans, rows) in enumerate(
            zip(one.alarms, self.labels.events, self.labels.rows, strict=True)
        ):
            ranged = range_scores([alarms], [spans], [rows])
            covered[:, i] = np.nan_to_num([ranged.precision * len(alarms), ranged.recall * len(spans)])
            if len(spans):
                affiliated = affiliation_scores([alarms], [spans], [rows])
                zones[i] = affiliated.flagged
                near[:, i] = np.nan_to_num(affiliated.precision * zones[i]), affiliated.recall * len(spans)
        raised = np.array([len(alarms) for alarms in one.alarms])
        return {
            "affiliation precision": (near[0], zones),
            "affiliation recall": (near[1], labelled),
            "range precision": (covered[0], raised),
            "range recall": (covered[1], labelled),
        }

    def _adjusted(self, one: Detections) -> tuple[Floats, Floats]:
        """Count rows: all of an event are found if one is flagged."""
        series = len(self.labels.rows)
        hits, rows = np.zeros(series), np.zeros(series)
        for i, (alarms, spans) in enumerate(zip(one.alarms, self.labels.events, strict=True)):
            flagged = sum(stop - start for start, stop in alarms)
            for first, stop in spans:
                inside = sum(max(min(b, stop) - max(a, first), 0) for a, b in alarms)
                flagged -= inside
                hits[i] += stop - first if inside else 0
                rows[i] += stop - first
            # Twice the hits, by what is flagged after the adjustment and what is labelled.
            rows[i] += hits[i] + flagged
        return 2 * hits, rows


def _widened(spans: Spans, tolerance: int, rows: int) -> list[tuple[int, int]]:
    """Widen events by the tolerance; a row in reach of two belongs to the nearer one, to the earlier of equals."""
    starts, stops = np.array(spans, np.int64).reshape(-1, 2).T
    borders = (stops[:-1] + starts[1:] + 1) // 2
    lows = np.maximum(starts - tolerance, np.append(0, borders)[: len(starts)])
    highs = np.minimum(stops + tolerance, np.append(borders, rows)[: len(starts)])
    return [(int(low), int(high)) for low, high in zip(lows, highs, strict=True)]


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
