"""How many of the scores before each one are as large: exact, for all rows of a stream at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

# Rows between two sorts of the window: what enters and leaves in between is compared one by one.
_BLOCK = 256
_EARLIER = np.tri(_BLOCK, _BLOCK, -1, dtype=bool)


def rolling_counts(past: Floats, scores: Floats, window: int) -> tuple[Counts, Counts]:
    """Count the scores in the window before each row, and those of them that are at least as large as its own.

    Args:
        past: Scores before the first row, in order of time, without NaN.
        scores: Scores of the rows, without NaN, shape ``(rows,)``.
        window: Most scores to look back at.

    Returns:
        ``larger`` and ``seen``, both of shape ``(rows,)``: each row looks at ``seen`` scores before it, ``larger`` of
        which are not smaller.

    Example:
        >>> larger, seen = rolling_counts(np.array([5.0, 1.0]), np.array([3.0, 3.0, 9.0]), window=3)
        >>> larger, seen
        (array([1, 2, 0]), array([2, 3, 3]))
    """
    every = np.concatenate([past[-window:], scores])
    begin = len(every) - len(scores)
    larger = np.empty(len(scores), np.int64)
    for first in range(0, len(scores), _BLOCK):
        now = begin + first
        mine = every[now : now + _BLOCK]
        base = np.sort(every[max(now - window, 0) : now])
        counts = len(base) - np.searchsorted(base, mine, side="left")
        counts += _before(mine, mine)
        # The k-th row behind the one that first sees a full window has lost the k oldest scores.
        whole = min(max(window - now, 0), len(mine))
        oldest = every[max(now - window, 0) :][: len(mine) - whole]
        counts[whole:] -= _before(oldest, mine[whole:])
        larger[first : first + _BLOCK] = counts
    return larger, np.minimum(np.arange(begin, len(every)), window)


def _before(others: Floats, mine: Floats) -> Counts:
    """Count, for row k of ``mine``, those of the first k others that are at least as large."""
    return np.count_nonzero((others[None, :] >= mine[:, None]) & _EARLIER[: len(mine), : len(others)], axis=1)
