"""Which of n scores is a calibrated quantile, and how many scores reach a level."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from forecast.errors import ParameterError

MEDIAN = 0.5

ROUNDING = 1e-9
"""Slack for (n + 1) q: 20 * 0.55 is 11.000000000000002 in binary, and its ceiling must be 11."""


def check_quantiles(quantiles: Sequence[float]) -> tuple[float, ...]:
    """Return the levels as a tuple of floats if they ascend and lie inside (0, 1).

    Raises:
        ParameterError: If there is none, one lies outside (0, 1), or they do not ascend strictly.

    Example:
        >>> check_quantiles([0.1, 0.5, 0.9])
        (0.1, 0.5, 0.9)
    """
    levels = tuple(float(q) for q in quantiles)
    inside = all(0.0 < q < 1.0 for q in levels)
    if not levels or not inside or any(a >= b for a, b in pairwise(levels)):
        raise ParameterError(
            f"quantiles are {levels}; they must ascend between 0 and 1. Pass --quantiles 0.1,0.5,0.9."
        )
    return levels


def conformal_rank(n: ArrayLike, quantile: float) -> Any:
    """Return which of n scores in ascending order, counted from 1, is the calibrated quantile.

    ``ceil((n + 1) q)`` for q of 0.5 and above, ``floor((n + 1) q)`` below: both err on the wide side. A rank
    of 0 or n + 1 means that n scores cannot reach the level.

    Args:
        n: Number of scores, one or an array of them.
        quantile: Level inside (0, 1).

    Example:
        >>> conformal_rank(19, 0.95), conformal_rank(19, 0.05), conformal_rank(18, 0.95)
        (19, 1, 19)
    """
    (q,) = check_quantiles([quantile])
    position = (np.asarray(n) + 1) * q
    rank = np.ceil(position - ROUNDING) if q >= MEDIAN else np.floor(position + ROUNDING)
    rank = np.asarray(rank).astype(np.int64)
    return int(rank) if rank.ndim == 0 else rank


def smallest_n(quantile: float) -> int:
    """Return the smallest number of scores that reach a level; the median needs none.

    Example:
        >>> smallest_n(0.9), smallest_n(0.025), smallest_n(0.5)
        (9, 39, 0)
    """
    (q,) = check_quantiles([quantile])
    tail = min(q, 1.0 - q)
    return 0 if q == MEDIAN else int(np.ceil((1.0 - tail) / tail - ROUNDING))
