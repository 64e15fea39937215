"""From scores to evidence: decades of improbability, summed over channels and horizons, and how rare the sum is.

Each stream's p-value beyond a floor counts in decades, max(-log10 p - floor, 0), and the sum over streams is the
evidence of a row: the parts add up to it, so they say what carried an alarm. Streams depend on each other, so the sum
is no p-value; it becomes one by its rank among the evidence of earlier rows. Only a row above all of the last ``hold``
rows can alarm, and only such rows are ranked: a rate asked for is then a rate of alarms, not of alarmed rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from forecast.detection.engines import Engine, Past
from forecast.detection.ranks import rolling_counts
from forecast.detection.streams import Scores, Stream

Floats = NDArray[np.float64]

TAILED = ("gpd", "hybrid")
"""Engines whose p-values mean something below one in the scores seen."""

LEVELS = ("above", "below", "range", "gap")
"""Kinds of streams that are no errors of an expectation."""

_BLOCK = 64
_NO_ROWS = np.empty(0)


@dataclass(frozen=True, eq=False)
class Memory:
    """What is remembered of a series between calls.

    Args:
        pasts: Of each stream.
        recent: Evidence of the newest rows, as many as alarms are held back for.
        peaks: Of the rows that could have alarmed, 0 for the others, at most a window.
        rows: Rows seen.
        limits: Of each stream, as of the newest row.
    """

    pasts: tuple[Past, ...] = ()
    recent: Floats = field(default_factory=lambda: _NO_ROWS)
    peaks: Floats = field(default_factory=lambda: _NO_ROWS)
    rows: int = 0
    limits: Floats = field(default_factory=lambda: _NO_ROWS)


@dataclass(frozen=True, eq=False)
class Evidence:
    """Of the rows of one series.

    Args:
        scores: What it was made from.
        parts: Decades of each stream, float64 ``(rows, streams)``, NaN at rows without any score.
        total: Their sum, ``(rows,)``.
        p: How rare such a sum is, ``(rows,)``; 1 for rows that cannot alarm; NaN at rows without any score.
        limits: Score that would be as rare as the rate asks for, by the scores before; axes as ``parts``.
    """

    scores: Scores
    parts: Floats
    total: Floats
    p: Floats
    limits: Floats

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Names of the streams."""
        return self.scores.streams

    @property
    def peaks(self) -> Floats:
        """Evidence where a row could alarm, else 0."""
        return np.where(self.p < 1, self.total, 0.0)


@dataclass(frozen=True)
class Chain:
    """The way from scores to evidence.

    Args:
        engine: P-values of each stream.
        rate: Alarms asked for, as a share of rows.
        hold: Rows for which an alarm keeps back those that do not exceed it.
    """

    engine: Engine
    rate: float
    hold: int = 30

    @property
    def floor(self) -> float:
        """Decades that do not count: those of the commonest one in a hundred, or ten times what is asked for."""
        return float(np.clip(-np.log10(self.rate) - 1, 0.5, 2.0))

    def advance(self, memory: Memory, scores: Scores, pool: Floats) -> tuple[Evidence, Memory]:
        """Weigh new rows of a series.

        Args:
            memory: Of the rows before.
            scores: Of the new rows.
            pool: Peaks of other series, in ascending order; they count like as many rows as the rate needs to be
                seen at all, 1 / rate, at most.
        """
        found, pasts = self._p_values(memory, scores)
        known = ~np.all(np.isnan(found), axis=1)
        decades = np.maximum(-np.log10(found) - self._floors(memory, scores), 0.0)
        parts = np.where(known[:, None], np.nan_to_num(decades), np.nan)
        total = parts.sum(axis=1)
        every = np.concatenate([memory.recent, np.nan_to_num(total)])
        peaks = _records(every, len(total), self.hold)
        p = np.full(len(total), np.nan)
        p[known] = self._rarity(memory.peaks, peaks[known], pool)
        if self.engine.name in TAILED:
            # Good for any dependence of the streams (Bonferroni).
            least = np.fmin.reduce(np.where(known[:, None], found, 1.0), axis=1, initial=1.0) * found.shape[1]
            p = np.where(peaks > 0, np.minimum(p, least), p)
        limits = self._limits(memory, scores)
        evidence = Evidence(scores, parts, total, p, limits)
        kept = np.concatenate([memory.peaks, peaks[known]])[-self.engine.window :]
        recent = every[-self.hold :] if self.hold else _NO_ROWS
        newest = limits[-1] if len(limits) else memory.limits
        return evidence, Memory(pasts, recent, kept, memory.rows + len(total), newest)

    def _engine(self, stream: Stream) -> Engine:
        """Levels wander: how far they may go is not written in the tail of where they were, so they are ranked."""
        tailed = self.engine.name in TAILED and stream.kind in LEVELS
        return replace(self.engine, name="conformal") if tailed else self.engine

    def _p_values(self, memory: Memory, scores: Scores) -> tuple[Floats, tuple[Past, ...]]:
        pasts = memory.pasts or (Past(),) * len(scores.streams)
        engines = [self._engine(stream) for stream in scores.streams]
        moved = [
            engine.advance(past, column)
            for engine, past, column in zip(engines, pasts, scores.values.T, strict=True)
        ]
        return np.stack([p for p, _ in moved], axis=1), tuple(past for _, past in moved)

    def _floors(self, memory: Memory, scores: Scores) -> Floats:
        """The floor, lower as long as a stream has too few scores to go beyond it by half a decade."""
        pasts = memory.pasts or (Past(),) * len(scores.streams)
        before = np.cumsum(~np.isnan(scores.values), axis=0) - 1 + np.array([past.seen for past in pasts])
        return np.minimum(self.floor, np.maximum(np.log10(np.maximum(before, 0) + 1) - 0.5, 0.0))

    def _rarity(self, before: Floats, peaks: Floats, pool: Floats) -> Floats:
        """Rank each peak among those before it, and among those of other series as far as these may count."""
        larger, seen = rolling_counts(before, peaks, self.engine.window)
        weight = min(1.0, 1 / (self.rate * len(pool))) if len(pool) else 0.0
        others = len(pool) - np.searchsorted(pool, peaks, side="left")
        p = (1 + larger + weight * others) / (1 + seen + weight * len(pool))
        return np.where(peaks > 0, p, 1.0)

    def _limits(self, memory: Memory, scores: Scores) -> Floats:
        """Score of each stream that is as rare as the rate, infinite before there are any.

        It is renewed at every 64th row of the series, however rows are handed over.
        """
        rows = len(scores.values)
        limits = np.full(scores.values.shape, np.inf)
        pasts = memory.pasts or (Past(),) * len(scores.streams)
        for j, past in enumerate(pasts):
            engine, observed = self._engine(scores.streams[j]), ~np.isnan(scores.values[:, j])
            every = np.concatenate([past.scores, scores.values[observed, j]])
            before = len(past.scores) + np.concatenate([[0], np.cumsum(observed)])
            for first in range(-(memory.rows % _BLOCK), rows, _BLOCK):
                if first < 0:
                    limits[: first + _BLOCK, j] = memory.limits[j]
                    continue
                window = every[max(before[first] - self.engine.window, 0) : before[first]]
                limits[first : first + _BLOCK, j] = engine.limit(window, self.rate)
        return limits


def _records(every: Floats, rows: int, hold: int) -> Floats:
    """Keep the evidence of the last rows where it is above all of the ``hold`` rows before, else 0."""
    if not hold or not rows:
        return every[len(every) - rows :].copy()
    padded = np.concatenate([np.zeros(max(hold + rows - len(every), 0)), every])[-(hold + rows) :]
    before = np.lib.stride_tricks.sliding_window_view(padded, hold)[:rows].max(axis=1)
    own = padded[hold:]
    return np.where(own > before, own, 0.0)
