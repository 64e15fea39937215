"""From scores to evidence, and from evidence to alarms.

Each stream's p-value beyond a floor counts in decades, max(-log10 p - floor, 0), and the sum over streams is the
evidence of a row: the parts add up to it, so they say what carried an alarm. How rare such a sum is says ``Rarity``. An
alarm is raised where it is as rare as was asked for, unless one was raised in the last ``hold`` rows whose evidence it
does not exceed by a decade: a rate asked for is one of alarms, not of alarmed rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from forecast.detection.engines import TAILED, Engine, Past
from forecast.detection.limits import Limits
from forecast.detection.rarity import Rarity, held, learn_rarity
from forecast.detection.simple import RANGE_MARGIN
from forecast.detection.streams import Scores, Stream

Floats = NDArray[np.float64]

LEVELS = ("above", "below", "range", "gap")
"""Kinds of streams that are no errors of an expectation."""

# The first of so many parts of a series settles its ranks.
_UNSETTLED = 3

OUTSIDE = 3.0
"""Decades that a value counts which is outside of everything seen before, beside its rank."""

_NO_ROWS = np.empty(0)


@dataclass(frozen=True, eq=False)
class Memory:
    """What is remembered of a series between calls.

    Args:
        pasts: Of each stream.
        raised: Evidence of the newest rows where an alarm was raised, else 0; as many rows as alarms are held back for.
        rows: Rows seen.
        limits: Of each stream, as of the newest row.
    """

    pasts: tuple[Past, ...] = ()
    raised: Floats = field(default_factory=lambda: _NO_ROWS)
    rows: int = 0
    limits: Floats = field(default_factory=lambda: _NO_ROWS)


@dataclass(frozen=True, eq=False)
class Evidence:
    """Of the rows of one series.

    Args:
        scores: What it was made from.
        parts: Decades of each stream, float64 ``(rows, streams)``, NaN at rows without any score.
        total: Their sum, ``(rows,)``.
        limits: Scores that would be as rare as the rate asks for.
        p: How rare such a sum is, ``(rows,)``; NaN at rows without any score, and everywhere before it was judged.
        alarms: Whether an alarm is raised, bool ``(rows,)``.
    """

    scores: Scores
    parts: Floats
    total: Floats
    limits: Limits
    p: Floats
    alarms: NDArray[np.bool_]

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Names of the streams."""
        return self.scores.streams

    def above(self, other: Evidence) -> Evidence:
        """Return these rows and those of another behind them."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("parts", "total", "p", "alarms"))
        parts, total, p, alarms = (np.concatenate(pair) for pair in pairs)
        return Evidence(
            self.scores.above(other.scores), parts, total, self.limits.above(other.limits), p, alarms
        )


@dataclass(frozen=True)
class Chain:
    """The way from scores to evidence and alarms.

    Args:
        engine: P-values of each stream.
        rate: Alarms asked for, as a share of rows.
        hold: Rows for which an alarm keeps back those that do not exceed it by a decade.
        rarity: What sums of decades mean, None before it was learned.
    """

    engine: Engine
    rate: float
    hold: int = 30
    rarity: Rarity | None = None

    @property
    def floor(self) -> float:
        """Decades that do not count: those of the commonest one in a hundred, or ten times what is asked for."""
        return float(np.clip(-np.log10(self.rate) - 1, 0.5, 2.0))

    def weigh(self, memory: Memory, scores: Scores) -> tuple[Evidence, Memory]:
        """Find the evidence of new rows of a series.

        Args:
            memory: Of the rows before.
            scores: Of the new rows.
        """
        parts, pasts = self._parts(memory, scores)
        parts = scores.over_members(parts)
        total = parts.sum(axis=1)
        engines, before = self._engines(scores), memory.pasts or (Past(),) * len(scores.streams)
        limits = Limits(engines, before, scores, self.rate, memory.rows, memory.limits)
        nothing = np.zeros(len(total), bool)
        evidence = Evidence(scores.mean(), parts, total, limits, np.full(len(total), np.nan), nothing)
        rows = memory.rows + len(total)
        return evidence, replace(memory, pasts=pasts, rows=rows, limits=limits.newest())

    def learn(self, seen: Sequence[tuple[Scores, Evidence, Memory]]) -> Chain:
        """Return the chain that knows what evidence means.

        The rows of training are weighed once more as if they came again: now ranks are as fine as they will be, tails
        are fitted, and no value is outside of all before, as many are in the first rows of a series. But levels may
        wander on as they did: if their evidence as it came, behind the first third of each series, would have raised
        alarms too often, more is asked for.

        Args:
            seen: Scores of each series from its first row, their evidence, and what is remembered behind its last.
        """
        first, again = [], []
        for scores, evidence, memory in seen:
            wandering = np.array([stream.kind in ("above", "below") for stream in evidence.streams])
            came = evidence.parts[:, wandering].sum(axis=1)
            first.append(came[len(came) // _UNSETTLED :])
            inside = replace(
                scores, values=np.where(_outside(scores), np.minimum(scores.values, 0.0), scores.values)
            )
            again.append(scores.over_members(self._parts(memory, inside)[0]).sum(axis=1))
        found = (learn_rarity(totals, self.floor, self.hold, self.rate) for totals in (first, again))
        return replace(self, rarity=max(found, key=lambda rarity: rarity.evidence(self.rate)))

    def judge(self, memory: Memory, evidence: Evidence) -> tuple[Evidence, Memory]:
        """Say how rare the evidence of new rows is and where alarms are raised.

        Args:
            memory: Of the rows before; of it, only what was raised is looked at.
            evidence: Of the new rows.
        """
        assert self.rarity is not None
        p = self.rarity.p(evidence.total)
        raised = held(evidence.total, p <= self.rate, self.hold, memory.raised)
        every = np.concatenate([memory.raised, raised])
        kept = every[-self.hold :] if self.hold else _NO_ROWS
        return replace(evidence, p=p, alarms=raised > 0), replace(memory, raised=kept)

    def _engines(self, scores: Scores) -> list[Engine]:
        """Levels wander: how far they may go is not written in the tail of where they were, so they are ranked."""
        ranks = replace(self.engine, name="conformal")
        tailed = self.engine.name in TAILED
        return [ranks if tailed and stream.kind in LEVELS else self.engine for stream in scores.streams]

    def _parts(self, memory: Memory, scores: Scores) -> tuple[Floats, tuple[Past, ...]]:
        """Return the decades of each column, NaN at rows without any score, and what is remembered of its scores."""
        pasts = memory.pasts or (Past(),) * len(scores.streams)
        moved = [
            engine.advance(past, column)
            for engine, past, column in zip(self._engines(scores), pasts, scores.values.T, strict=True)
        ]
        found = np.stack([p for p, _ in moved], axis=1)
        known = ~np.all(np.isnan(found), axis=1)
        decades = np.maximum(-np.log10(found) - self._floors(memory, scores), 0.0)
        outside = _outside(scores)
        decades[:, outside] = np.where(
            scores.values[:, outside] > RANGE_MARGIN, decades[:, outside] + OUTSIDE, 0.0
        )
        return np.where(known[:, None], np.nan_to_num(decades), np.nan), tuple(past for _, past in moved)

    def _floors(self, memory: Memory, scores: Scores) -> Floats:
        """The floor, lower as long as a stream has too few scores to go beyond it by half a decade."""
        pasts = memory.pasts or (Past(),) * len(scores.streams)
        before = np.cumsum(~np.isnan(scores.values), axis=0) - 1 + np.array([past.seen for past in pasts])
        return np.minimum(self.floor, np.maximum(np.log10(np.maximum(before, 0) + 1) - 0.5, 0.0))


def _outside(scores: Scores) -> NDArray[np.bool_]:
    """Say which columns tell how far values are outside of all before."""
    return np.array([stream.kind == "range" for stream in scores.streams])


def bounds(evidence: Evidence, row: int, stream: int) -> tuple[float, float]:
    """Return the interval outside of which the stream's evidence is as rare as the rate asked for."""
    scores = evidence.scores
    limit, expected = evidence.limits.at(row, stream), scores.expected[row, stream]
    kind, rows = evidence.streams[stream].kind, evidence.streams[stream].rows
    if kind in ("above", "below"):
        other = "below" if kind == "above" else "above"
        channel = evidence.streams[stream].channel
        partner = next(
            j for j, s in enumerate(evidence.streams) if (s.kind, s.rows, s.channel) == (other, rows, channel)
        )
        ends = {kind: limit, other: evidence.limits.at(row, partner)}
        return -float(ends["below"]), float(ends["above"])
    if kind in ("range", "likelihood"):
        return np.nan, np.nan  # their scores have another unit than the values
    centre = np.nan if scores.centre is None else scores.centre[row, stream]
    if scores.unit is not None and not np.isnan(centre):
        unit = scores.unit[row, stream]
        with np.errstate(over="ignore", invalid="ignore"):
            bent = np.arcsinh((expected - centre) / unit)
            return float(centre + unit * np.sinh(bent - limit)), float(centre + unit * np.sinh(bent + limit))
    return float(expected - limit), float(expected + limit)
