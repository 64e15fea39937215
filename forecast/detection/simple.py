"""Methods without a network: novelty of the level, and the baselines that every detector is set beside.

Each looks at one series from left to right and remembers a few numbers, so that rows may come one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecast.detection.moments import rolling_moments
from forecast.detection.streams import Scores, Stream, rolling_mean

Floats = NDArray[np.float64]

RANGE_MARGIN = 0.05
"""A value is outside of all seen before by this share of their range."""

_FEWEST = 30
_EWMA_SPAN = 24
_LONGEST_GAP = 1_000
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Memory:
    """What is remembered of a series.

    Args:
        tail: Its last rows, float64 ``(rows, channels)``.
        numbers: Further numbers, float64 ``(numbers, channels)``; empty at the start.
    """

    tail: Floats
    numbers: Floats


@dataclass(frozen=True)
class Simple:
    """A method without a network.

    Args:
        name: One of ``SIMPLE``.
        season: Rows of a season; of the long level, and of the seasonal naive forecast.
        window: Rows that ``gaussian`` looks back at.
        gaps: Let a missing row be evidence: the longer the gap, the more.
    """

    name: str
    season: int = 1
    window: int = 6_400
    gaps: bool = False

    def start(self, channels: int) -> Memory:
        """Return the memory of a series of which nothing was seen."""
        return Memory(np.empty((0, channels)), np.empty((0, channels)))

    def advance(self, memory: Memory, values: Floats, channels: tuple[str, ...]) -> tuple[Scores, Memory]:
        """Score new rows.

        Args:
            memory: Of the rows before.
            values: float64 ``(rows, channels)``, NaN where missing.
            channels: Names of the channels.
        """
        score, lookback = SIMPLE[self.name]
        every = np.concatenate([memory.tail, values])
        found, numbers = score(self, memory, values)
        if self.gaps:
            found.append(_gap(every, len(memory.tail)))
        keep = max(lookback(self), _LONGEST_GAP if self.gaps else 0)
        return _named(found, channels), replace(
            memory, tail=every[len(every) - min(keep, len(every)) :], numbers=numbers
        )


Part = tuple[str, int, Floats, Floats, Floats]
"""Kind, rows, scores, expected and actual values, the last three ``(rows, channels)``."""


def _named(parts: list[Part], channels: tuple[str, ...]) -> Scores:
    streams = tuple(Stream(channel, kind, rows) for kind, rows, *_ in parts for channel in channels)
    arrays = [np.concatenate([part[i] for part in parts], axis=1) for i in (2, 3, 4)]
    return Scores(streams, *arrays)


def _ranges(simple: Simple, memory: Memory, values: Floats) -> tuple[list[Part], Floats]:
    """How far outside of everything seen before, in units of its range; 0 for the first rows."""
    first = np.array([[np.inf], [-np.inf], [0.0]]) * np.ones((1, values.shape[1]))
    low, high, seen = memory.numbers if len(memory.numbers) else first
    lows = np.fmin.accumulate(np.concatenate([low[None], values]))
    highs = np.fmax.accumulate(np.concatenate([high[None], values]))
    counts = seen + np.cumsum(np.concatenate([np.zeros((1, len(seen))), ~np.isnan(values)]), axis=0)
    tiny = _ROUNDING * np.maximum(np.abs(highs[:-1]), 1e-300)
    with np.errstate(invalid="ignore", over="ignore"):
        spread = np.maximum(highs[:-1] - lows[:-1], tiny)
        outside = np.maximum(values - highs[:-1], lows[:-1] - values) / spread
    known = counts[:-1] >= _FEWEST
    scores = np.where(np.isnan(values), np.nan, np.where(known, np.maximum(outside, 0.0), 0.0))
    nearest = np.where(known, np.clip(values, lows[:-1], highs[:-1]), np.nan)
    return [("range", 1, scores, nearest, values)], np.stack([lows[-1], highs[-1], counts[-1]])


def outside(values: Floats) -> Floats:
    """Return how far each row lies outside of everything before, by the channel that does so most.

    It is the check that every detector is set beside: one that is not better than it is not worth its time.

    Args:
        values: float64 ``(rows, channels)``, NaN where missing.

    Returns:
        float64 ``(rows,)``, in units of the range so far; NaN for missing rows. An alarm is above ``RANGE_MARGIN``.

    Example:
        >>> outside(np.append(np.tile([0.0, 10.0], 20), [10.4, 12.0])[:, None])[-2:].round(3).tolist()
        [0.04, 0.154]
    """
    simple = Simple("range")
    parts, _ = _ranges(simple, simple.start(values.shape[1]), values)
    return np.fmax.reduce(parts[0][2], axis=1)


def _levels(simple: Simple, memory: Memory, values: Floats) -> tuple[list[Part], Floats]:
    """The level itself, of one row and of a season, above and below: ranks say how unusual it is."""
    every = np.concatenate([memory.tail, values])
    parts: list[Part] = []
    for rows in sorted({1, _long(simple)}):
        mean = rolling_mean(every, rows)[len(memory.tail) :]
        nothing = np.full(mean.shape, np.nan)
        parts += [("above", rows, mean, nothing, mean), ("below", rows, -mean, nothing, mean)]
    return parts, memory.numbers


def _novelty(simple: Simple, memory: Memory, values: Floats) -> tuple[list[Part], Floats]:
    levels, _ = _levels(simple, memory, values)
    outside, numbers = _ranges(simple, memory, values)
    return levels + outside, numbers


def _ewma(simple: Simple, memory: Memory, values: Floats) -> tuple[list[Part], Floats]:
    """Distance from the exponentially weighted mean of the rows before."""
    share = 2 / (_EWMA_SPAN + 1)
    level = memory.numbers[0].copy() if len(memory.numbers) else np.full(values.shape[1], np.nan)
    expected = np.empty_like(values)
    for j in range(values.shape[1]):
        # Python's numbers, one after the other, are a hundred times faster here than arrays of one.
        now = float(level[j])
        before = []
        for value in values[:, j].tolist():
            before.append(now)
            if value == value:
                now = now + share * (value - now) if now == now else value
        expected[:, j], level[j] = before, now
    return [("ewma", 1, _distance(values, expected), expected, values)], level[None]


def _seasonal(simple: Simple, memory: Memory, values: Floats) -> tuple[list[Part], Floats]:
    """Distance from the value one season before."""
    every = np.concatenate([np.full((simple.season, values.shape[1]), np.nan), memory.tail, values])
    expected = every[len(memory.tail) : len(memory.tail) + len(values)]
    return [("seasonal-naive", 1, _distance(values, expected), expected, values)], memory.numbers


def _gaussian(simple: Simple, memory: Memory, values: Floats) -> tuple[list[Part], Floats]:
    """Distance from the mean of a long window, in its deviations."""
    every = np.concatenate([memory.tail, values])
    row = int(memory.numbers[0, 0]) if len(memory.numbers) else len(memory.tail)
    mean, deviation = rolling_moments(every, len(memory.tail), row, simple.window)
    enough = (np.minimum(row + np.arange(len(values)), simple.window) >= _FEWEST)[:, None]
    expected, spread = np.where(enough, mean, np.nan), np.where(enough, deviation, 1.0)
    # What rounding leaves of a constant series is nothing.
    least = _ROUNDING * np.maximum(np.abs(np.nan_to_num(expected)), 1e-300)
    distance = _distance(values, expected)
    with np.errstate(over="ignore"):
        scores = np.where(distance < least, 0 * distance, distance / np.maximum(spread, least))
    rows = np.full((1, values.shape[1]), float(row + len(values)))
    return [("gaussian", 1, scores, expected, values)], rows


def _gap(every: Floats, lead: int) -> Part:
    """Rows missing up to each, at most a thousand; 0 where the row is there."""
    missing = np.isnan(every)
    place = np.arange(1, len(every) + 1)[:, None]
    last = np.maximum.accumulate(np.where(missing, 0, place), axis=0)
    run = np.minimum(place - last, _LONGEST_GAP)[lead:].astype(np.float64)
    return ("gap", 1, run, np.zeros(run.shape), run)


def _distance(values: Floats, expected: Floats) -> Floats:
    """Absolute difference; 0 where nothing was expected yet, NaN where the value is missing."""
    return np.where(np.isnan(values), np.nan, np.nan_to_num(np.abs(values - expected)))


def _long(simple: Simple) -> int:
    return simple.season if simple.season > 1 else _EWMA_SPAN


SIMPLE: dict[str, tuple[Callable[..., tuple[list[Part], Floats]], Callable[[Simple], int]]] = {
    "novelty": (_novelty, lambda simple: _long(simple) - 1),
    "range": (_ranges, lambda simple: 0),
    "ewma": (_ewma, lambda simple: 0),
    "seasonal-naive": (_seasonal, lambda simple: simple.season),
    "gaussian": (_gaussian, lambda simple: simple.window),
}
"""How rows are scored, and how many rows are remembered for it, by name."""
