"""Special functions that keras.ops lacks, with gradients on every backend."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from keras import ops

# Rows added before Stirling's series, which is good to 1e-12 from 7 on.
_SHIFT = 7
# Gauss and Legendre's rule, from 0 to 1.
_NODES, _WEIGHTS = (rule / 2 for rule in np.polynomial.legendre.leggauss(16))
_NODES = _NODES + 0.5


def at_least(x: Any, floor: Any) -> Any:
    """Return the larger of a tensor and a number or tensor, in the dtype of ``x``; NaN stays NaN.

    ``ops.maximum`` of Keras 3.15 makes float64 float32 on torch, where 1e-80 is 0.

    Example:
        >>> import numpy as np
        >>> [float(value) for value in at_least(np.array([0.0, 2.0]), 1e-80)]
        [1e-80, 2.0]
    """
    floor = ops.full_like(x, floor) if isinstance(floor, (int, float)) else floor
    return ops.where(x < floor, floor, x)


def at_most(x: Any, ceiling: Any) -> Any:
    """Return the smaller of a tensor and a number or tensor, in the dtype of ``x``; NaN stays NaN.

    Example:
        >>> import numpy as np
        >>> [float(value) for value in at_most(np.array([0.0, 2.0]), 0.5)]
        [0.0, 0.5]
    """
    ceiling = ops.full_like(x, ceiling) if isinstance(ceiling, (int, float)) else ceiling
    return ops.where(x > ceiling, ceiling, x)


def log_gamma(x: Any) -> Any:
    """Return the logarithm of the gamma function of positive numbers.

    Differs: Stirling's series at ``x + 7``, led back by the recurrence; error below 1e-11 in float64.

    Source: Abramowitz and Stegun (1964), 6.1.15 and 6.1.41.

    Example:
        >>> import keras
        >>> round(float(log_gamma(keras.ops.convert_to_tensor(5.0, dtype="float64"))), 10)  # log 24
        3.1780538303
    """
    far = x + _SHIFT
    # Two products: one of all seven factors would overflow float32.
    first, second = x * (x + 1) * (x + 2), (x + 3) * (x + 4) * (x + 5) * (x + 6)
    half = 0.5 * math.log(2 * math.pi)
    return (far - 0.5) * ops.log(far) - far + half + _series(far) - ops.log(first) - ops.log(second)


def log_rising(x: Any, by: Any) -> Any:
    """Return ``log(Gamma(x + by) / (Gamma(x) x^by))`` for positive ``x`` and ``by`` from 0 on.

    Nothing cancels for large ``x``, where two log-gammas would, and where it goes to 0.

    Example:
        >>> import keras
        >>> x = keras.ops.convert_to_tensor(1e9, dtype="float64")
        >>> round(float(log_rising(x, 2.0)), 12)  # log((x + 1) / x)
        1e-09
    """
    far = x + _SHIFT
    first = (1 + by / x) * (1 + by / (x + 1)) * (1 + by / (x + 2))
    second = (1 + by / (x + 3)) * (1 + by / (x + 4)) * (1 + by / (x + 5)) * (1 + by / (x + 6))
    missed = ops.log(first) + ops.log(second) - by * ops.log1p(_SHIFT / x)
    return (far + by - 0.5) * ops.log1p(by / far) - by + _series(far + by) - _series(far) - missed


def normal_cdf(z: Any) -> Any:
    """Return the standard normal distribution function, with all digits in the lower tail.

    Example:
        >>> import keras
        >>> round(float(normal_cdf(keras.ops.convert_to_tensor(0.0))), 6)
        0.5
    """
    return 0.5 * ops.erfc(z * -math.sqrt(0.5))


def normal_density(z: Any) -> Any:
    """Return the standard normal density.

    Example:
        >>> import keras
        >>> round(float(normal_density(keras.ops.convert_to_tensor(0.0))), 6)
        0.398942
    """
    return ops.exp(-0.5 * ops.square(z)) / math.sqrt(2 * math.pi)


def student_log_density(z: Any, df: Any) -> Any:
    """Return the log density of Student's t with ``df`` degrees of freedom.

    Example:
        >>> import keras
        >>> z, df = (keras.ops.convert_to_tensor(x, dtype="float64") for x in (0.0, 1.0))
        >>> round(float(student_log_density(z, df)), 6)  # log(1 / pi)
        -1.14473
    """
    ratio = log_rising(df / 2, 0.5) - 0.5 * math.log(2 * math.pi)
    return ratio - (df + 1) / 2 * ops.log1p(ops.square(z) / df)


def student_cdf(z: Any, df: Any) -> Any:
    """Return the distribution function of Student's t for ``df`` of at least 2, with both gradients.

    With ``z = sqrt(df) sinh(s)`` the density becomes ``cosh(s)^-df``, which sixteen Gauss-Legendre nodes
    integrate from 0 to ``s``; the error is below 1e-6.

    Example:
        >>> import keras
        >>> z, df = (keras.ops.convert_to_tensor(x, dtype="float64") for x in (1.0, 2.0))
        >>> round(float(student_cdf(z, df)), 6)  # 1/2 + 1 / (2 sqrt 3)
        0.788675
    """
    # Beyond the reach the density is below exp(-25) of its top: nodes out there would be wasted.
    reach = ops.stop_gradient(ops.arccosh(ops.exp(25 / df)))
    s = at_most(at_least(ops.arcsinh(z / ops.sqrt(df)), -reach), reach)
    nodes, weights = (ops.convert_to_tensor(part, dtype=s.dtype) for part in (_NODES, _WEIGHTS))
    heights = ops.exp(-df[..., None] * ops.log(ops.cosh(s[..., None] * nodes)))
    total = ops.sum(weights * heights, axis=-1)
    top = ops.exp(log_rising(df / 2, 0.5)) * ops.sqrt(df / (2 * math.pi))
    return 0.5 + top * s * total


def _series(x: Any) -> Any:
    """Stirling's correction, the part of log Gamma that goes to 0 with growing x."""
    square = 1 / ops.square(x)
    return (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680))) / x
