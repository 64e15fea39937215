"""How rare evidence is: an exponential tail, learned from the rows in which nothing is supposed to have happened.

Streams depend on each other, so decades summed over them are no decades of improbability. What such sums mean is read
off the rows that were learned from: how often evidence peaks at all, and how high its peaks are. In decades, peaks have
nearly exponential heights, and how fast these fall off says how much the streams agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Of one stream whose p-values are uniform: decades beyond any floor are exponential with this mean.
_NATURAL = 1 / np.log(10)
# Peaks that are thought to have been seen already, of such a stream: they count where there are few others.
_THOUGHT = 5
# Peaks above this quantile only count: they may be what one looks for.
_CENSOR = 0.9
# First rows of a series whose p-values are not settled, at most a third of its rows.
_UNSETTLED = 100


@dataclass(frozen=True)
class Rarity:
    """How often evidence peaks, and how high.

    Args:
        share: Share of rows in which evidence peaks.
        mean: Of the decades of peaks.
    """

    share: float
    mean: float

    def p(self, total: Floats) -> Floats:
        """Return the share of rows in which evidence peaks as high; 1 for no evidence, NaN where it is NaN.

        Example:
            >>> Rarity(share=0.01, mean=0.5).p(np.array([0.0, 1e-9, 1.0, np.nan])).round(4)
            array([1.    , 0.01  , 0.0014,    nan])
        """
        return np.where(total == 0, 1.0, np.minimum(self.share * np.exp(-total / self.mean), 1.0))


def learn_rarity(peaks: Sequence[Floats], floor: float) -> Rarity:
    """Learn from the peaks of evidence in the rows of some series.

    Args:
        peaks: Of each series: decades of evidence in rows where it peaks, 0 in the others.
        floor: Decades that do not count as evidence.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> peaks = np.where(rng.random(20_000) < 0.02, rng.exponential(0.8, 20_000), 0.0)
        >>> found = learn_rarity([peaks], floor=2)
        >>> round(found.share, 3), round(found.mean, 1)
        (0.02, 0.8)
    """
    settled = [series[min(_UNSETTLED, len(series) // 3) :] for series in peaks]
    every = np.concatenate([np.empty(0), *settled])
    heights = every[every > 0]
    most = float(np.quantile(heights, _CENSOR)) if len(heights) else 0.0
    told = _THOUGHT + np.count_nonzero(heights <= most)
    return Rarity(
        (len(heights) + _THOUGHT) / (len(every) + _THOUGHT * 10**floor),
        (float(np.minimum(heights, most).sum()) + _THOUGHT * _NATURAL) / told,
    )
