"""What every distribution describes, and the floors they share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from forecast.models.special import at_least, at_most

# softplus(0 + _ONE) is 1; a spread below _SHARPEST of the window's is a claim no window can support.
_ONE = math.log(math.e - 1)
_SHARPEST = 1e-4


@dataclass(frozen=True)
class Distribution:
    """What a network and a loss have to know of a distribution.

    Args:
        name: Its key in ``DISTRIBUTIONS``.
        parameters: Names of the parameters, in the order of the last axis.
        located: Places of the parameters that say where the distribution lies. ``free_to_scaled`` only
            shifts them by constants, so that a linear path may be added to the free numbers there.
        support: Values it can give: ``"real"``, ``"positive"`` (above 0) or ``"counts"`` (0, 1, 2 …).
        free_to_scaled: Free numbers ``(..., P)`` to valid parameters on the scaled axis, on which a window
            has level 0 and spread 1.
        restore: ``(scaled, level, scale)`` to raw parameters; level and scale broadcast against ``(..., P)``.
        log_prob: ``(actual, parameters)`` to log density or log probability, ``(...,)``.
        crps: ``(actual, parameters)`` to the continuous ranked probability score, ``(...,)``.
        broaden: ``(parameters, least)`` to parameters whose spread is at least ``least`` ``(...,)``, in raw
            units; as they are where the family cannot be too narrow.

    Example:
        >>> import numpy as np
        >>> from forecast.models.families.normal import NORMAL
        >>> round(float(NORMAL.log_prob(np.array([1.0]), np.array([[1.0, 2.0]]))[0]), 6)
        -1.612086
    """

    name: str
    parameters: tuple[str, ...]
    located: tuple[int, ...]
    support: str
    free_to_scaled: Callable[[Any], Any]
    restore: Callable[[Any, Any, Any], Any]
    log_prob: Callable[[Any, Any], Any]
    crps: Callable[[Any, Any], Any]
    broaden: Callable[[Any, Any], Any]


def positive(free: Any) -> Any:
    """Make free numbers positive: 1 at zero, never below 0.0001.

    Example:
        >>> round(float(positive(keras.ops.convert_to_tensor(0.0))), 3)
        1.0
    """
    return ops.softplus(free + _ONE) + _SHARPEST


def split(parameters: Any) -> tuple[Any, ...]:
    """Take the last axis apart.

    Example:
        >>> import numpy as np
        >>> [part.shape for part in split(np.zeros((4, 2)))]
        [(4,), (4,)]
    """
    return tuple(parameters[..., i] for i in range(parameters.shape[-1]))


def spread(scaled: Any, level: Any, scale: Any, *, relative: bool = False) -> Any:
    """Lead a spread back to raw units, at least what the last digit of the level can tell.

    A constant window (scale 0) has no spread of its own and gets that one.

    Args:
        scaled: Spread on the scaled axis.
        level: Level of the window.
        scale: What the window was divided by.
        relative: Whether the axis is one of logarithms, where that digit is the same at level 0.

    Example:
        >>> import numpy as np
        >>> [float(spread(np.array(2.0), np.array(5.0), np.array(s))) for s in (0.0, 3.0)]
        [5e-13, 6.0]
    """
    digit, least = (1e-7, 1e-15) if _narrow(scaled) else (1e-13, 1e-80)
    size = 1 + ops.abs(level) if relative else ops.abs(level)
    return at_least(scale * scaled, at_least(digit * size, least))


def standardised(actual: Any, loc: Any, scale: Any) -> Any:
    """Return the distance in spreads, bounded where its square or a gradient would overflow.

    Example:
        >>> import numpy as np
        >>> float(standardised(np.array(7.0), np.array(1.0), np.array(2.0)))
        3.0
    """
    bound = 1e10 if _narrow(scale) else 1e80
    return at_most(at_least((actual - loc) / scale, -bound), bound)


def dtype_of(tensor: Any) -> str:
    """Return the name of a tensor's dtype.

    Example:
        >>> import numpy as np
        >>> dtype_of(np.zeros(2))
        'float64'
    """
    return keras.backend.standardize_dtype(tensor.dtype)


def _narrow(tensor: Any) -> bool:
    return dtype_of(tensor) != "float64"
