"""How rare evidence is: an exponential tail, learned from the rows in which nothing is supposed to have happened.

Streams depend on each other, so decades summed over them are no decades of improbability. What such sums mean is read
off the rows that were learned from. A level is looked for at which these would have raised as many alarms as were asked
for, but no fewer than ten; above it, in decades, peaks have nearly exponential heights, and how fast these fall off
says how rare higher ones are.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_NO_ROWS = np.empty(0)
# Decades by which an alarm must exceed one that holds it back.
_MORE = 1.0

# Of one stream whose p-values are uniform: decades beyond any floor are exponential with this mean.
_NATURAL = 1 / math.log(10)
# Peaks that are thought to have been seen already, of such a stream: they count where there are few others.
_THOUGHT = 5
# Alarms at the level above which a tail is learned, if no more were asked for.
_ALARMS = 10
# Peaks above this quantile of those that reach the level only count: they may be what one looks for.
_CENSOR = 0.5


@dataclass(frozen=True)
class Rarity:
    """How often evidence raises alarms at a level, and how fast that falls off above it.

    Args:
        level: Decades of evidence.
        share: Share of rows that raise an alarm if all do whose evidence reaches the level.
        mean: Of the decades of peaks beyond it.
    """

    level: float
    share: float
    mean: float

    def p(self, total: Floats) -> Floats:
        """Return the share of rows that raise an alarm at such evidence; 1 for none, NaN where it is NaN.

        Example:
            >>> Rarity(level=1.0, share=0.01, mean=0.5).p(np.array([0.0, 1e-9, 1.0, 2.0, np.nan])).round(4)
            array([1.    , 0.0739, 0.01  , 0.0014,    nan])
        """
        beyond = np.minimum((self.level - total) / self.mean, -np.log(self.share))  # a p-value is at most 1
        return np.where(total == 0, 1.0, self.share * np.exp(beyond))

    def evidence(self, rate: float) -> float:
        """Return the decades of evidence that are as rare as that share of rows.

        Example:
            >>> round(Rarity(level=1.0, share=0.01, mean=0.5).evidence(0.001), 4)
            2.1513
        """
        return self.level + self.mean * math.log(self.share / rate)


def learn_rarity(totals: Sequence[Floats], floor: float, hold: int, rate: float) -> Rarity:
    """Learn from the evidence in the rows of some series.

    Args:
        totals: Decades of evidence in rows of each series, NaN where missing.
        floor: Decades that do not count as evidence.
        hold: As of ``held``.
        rate: Alarms that are asked for, as a share of rows.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> total = np.where(rng.random(90_000) < 0.1, rng.exponential(0.8, 90_000), 0.0)
        >>> found = learn_rarity([total], floor=1, hold=0, rate=0.02)
        >>> round(found.level, 1), round(found.share, 3), round(found.mean, 1)
        (1.3, 0.02, 0.8)
    """
    known = [np.nan_to_num(series) for series in totals]
    rows = sum(map(len, known))
    peaks = [series[_peaks(series, hold)] for series in known]
    levels = np.sort(np.concatenate([_NO_ROWS, *peaks]))[::-1]

    def alarms(level: float) -> int:
        return sum(int(np.count_nonzero(held(series, series >= level, hold))) for series in known)

    level, wanted = 0.0, max(_ALARMS, int(rate * rows))
    if len(levels):
        # Fewer alarms are raised than there are peaks, for some follow higher ones.
        place = bisect_left(range(len(levels) - 1), wanted, key=lambda i: alarms(levels[i]))
        level = float(levels[place])
    beyond = levels[levels >= level] - level
    most = float(np.quantile(beyond, _CENSOR)) if len(beyond) else 0.0
    raised = _THOUGHT * 10.0**-level + (alarms(level) if level else 0)
    heights = float(np.minimum(beyond, most).sum()) + _THOUGHT * _NATURAL
    # The level is a peak itself: the one that it was taken from says nothing about those beyond.
    told = int(np.count_nonzero(beyond <= most)) - (len(beyond) > 0) + _THOUGHT
    return Rarity(level, float(raised / (rows + _THOUGHT * 10**floor)), heights / told)


def held(total: Floats, rare: NDArray[np.bool_], hold: int, before: Floats = _NO_ROWS) -> Floats:
    """Return the evidence of rows that raise an alarm, 0 for the others.

    Args:
        total: Evidence of rows, ``(rows,)``.
        rare: Whether it is rare enough.
        hold: Rows for which an alarm keeps back those that do not exceed it by a decade.
        before: Return value of the rows before these.

    Example:
        >>> held(np.array([3.0, 3.5, 4.5, 0.0, 3.0]), np.array([True, True, True, False, True]), hold=2)
        array([3. , 0. , 4.5, 0. , 0. ])
    """
    lead = min(len(before), hold)
    raised = np.concatenate([before[len(before) - lead :], np.zeros(len(total))])
    for row in np.flatnonzero(rare):
        past = raised[max(lead + row - hold, 0) : lead + row]
        highest = past.max(initial=0.0)
        if highest == 0 or total[row] > highest + _MORE:
            raised[lead + row] = total[row]
    return raised[lead:]


def _peaks(total: Floats, hold: int) -> NDArray[np.bool_]:
    """Say which rows' evidence exceeds that of the ``hold`` rows before."""
    before = pd.Series(total).rolling(hold, min_periods=1).max().shift(1, fill_value=0.0) if hold else 0.0
    return np.asarray(total > before)
