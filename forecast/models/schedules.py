"""How the share of own forecasts that a decoder is fed grows while it is trained (scheduled sampling)."""

from __future__ import annotations

import math
from collections.abc import Callable

# What is left of the true values at the end of the exponential decay, before it is stretched to end at none.
_LEFT = 0.01
# The sigmoid runs from minus to plus this many units of the logistic function.
_REACH = 5.0


def linear(done: float) -> float:
    """Grow evenly.

    Example:
        >>> linear(0.25)
        0.25
    """
    return done


def exponential(done: float) -> float:
    """Grow fast first, then slower: the share of true values decays exponentially.

    Example:
        >>> [round(exponential(done), 3) for done in (0.0, 0.5, 1.0)]
        [0.0, 0.909, 1.0]
    """
    return (1 - _LEFT**done) / (1 - _LEFT)


def sigmoid(done: float) -> float:
    """Grow slowly first and last, fast in the middle: the inverse sigmoid decay of true values.

    Example:
        >>> [round(sigmoid(done), 3) for done in (0.0, 0.25, 0.5, 1.0)]
        [0.0, 0.07, 0.5, 1.0]
    """
    low = _logistic(-_REACH)
    return (_logistic(_REACH * (2 * done - 1)) - low) / (1 - 2 * low)


SCHEDULES: dict[str, Callable[[float], float]] = {
    "linear": linear,
    "exponential": exponential,
    "sigmoid": sigmoid,
}
"""Share of training done (0 to 1) to share of the largest share (0 to 1), by name.

Source:
    Bengio et al. (2015), "Scheduled sampling for sequence prediction with recurrent neural networks", section 2.4.
Differs:
    Each is stretched to run from exactly 0 to exactly 1 over the training.
"""


def scheduled(name: str, largest: float) -> Callable[[float], float] | None:
    """Return the share of own forecasts as a function of the share of training done; None if it is constant.

    Example:
        >>> scheduled("linear", 0.5)(0.5)
        0.25
    """
    if name == "none":
        return None
    curve = SCHEDULES[name]
    return lambda done: largest * curve(min(max(done, 0.0), 1.0))


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))
