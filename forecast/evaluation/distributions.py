"""Quantiles and means of forecast distributions, from their raw parameters.

The last axis of ``parameters`` holds the numbers of one distribution, in the order that ``PARAMETERS`` names.
A NaN among them makes every result NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from forecast.errors import ParameterError, closest
from forecast.evaluation.averaging import Floats, check_level

__all__ = ["PARAMETERS", "mean_of", "quantiles_of"]

_THREE = (1, 2, 3)

PARAMETERS: dict[str, tuple[str, ...]] = {
    "normal": ("loc", "scale"),
    "student": ("loc", "scale", "df"),
    "negative_binomial": ("mean", "dispersion"),
    "lognormal": ("loc", "scale"),
    "mixture": tuple(f"{name}_{i}" for name in ("weight", "loc", "scale") for i in _THREE),
}
"""Distribution to its parameters: of a count the variance is mean + dispersion * mean^2; location and scale of a
log-normal are those of the logarithm."""

# Halvings after which an interval between two normals' quantiles has no further digit in float64.
_HALVINGS = 60


def quantiles_of(name: str, parameters: ArrayLike, levels: Sequence[float]) -> Floats:
    """Return quantiles of forecast distributions.

    Args:
        name: A key of ``PARAMETERS``.
        parameters: Raw parameters ``(..., P)``.
        levels: Levels inside (0, 1), in any order.

    Returns:
        ``(..., levels)`` in the order of the levels; they never cross. Of counts, whole numbers.

    Raises:
        ParameterError: The name, the number of parameters or a level is wrong.

    Example:
        >>> quantiles_of("normal", [[10.0, 2.0]], (0.1, 0.5, 0.9)).round(2)
        array([[ 7.44, 10.  , 12.56]])
    """
    numbers = _checked(name, parameters)
    q = np.array([check_level(level, "quantile") for level in levels], np.float64)
    wide = tuple(part[..., None] for part in numbers)
    with np.errstate(all="ignore"):
        found = _mixture_quantiles(numbers, q) if name == "mixture" else _frozen(name, wide).ppf(q)
    return np.where(_broken(numbers)[..., None], np.nan, found)


def mean_of(name: str, parameters: ArrayLike) -> Floats:
    """Return the expectation of forecast distributions, ``(...)``.

    Args:
        name: A key of ``PARAMETERS``.
        parameters: Raw parameters ``(..., P)``.

    Example:
        >>> mean_of("lognormal", [[0.0, 1.0]]).round(3)
        array([1.649])
    """
    numbers = _checked(name, parameters)
    with np.errstate(all="ignore"):
        if name == "mixture":
            found = sum(numbers[i] * numbers[i + 3] for i in range(3))
        else:
            found = np.exp(numbers[0] + numbers[1] ** 2 / 2) if name == "lognormal" else numbers[0]
    return np.where(_broken(numbers), np.nan, found)


def _checked(name: str, parameters: ArrayLike) -> tuple[Floats, ...]:
    if name not in PARAMETERS:
        known = tuple(PARAMETERS)
        raise ParameterError(
            f"distribution must be one of {', '.join(known)}; got {name!r}.{closest(name, known)}"
        )
    found, names = np.asarray(parameters, np.float64), PARAMETERS[name]
    if found.ndim == 0 or found.shape[-1] != len(names):
        raise ParameterError(
            f"parameters of {name} have shape {found.shape}; the last axis must hold {len(names)} numbers: "
            f"{', '.join(names)}."
        )
    return tuple(found[..., i] for i in range(len(names)))


def _broken(numbers: tuple[Floats, ...]) -> Any:
    return np.isnan(np.stack(numbers, axis=-1)).any(axis=-1)


def _frozen(name: str, numbers: tuple[Floats, ...]) -> Any:
    if name == "negative_binomial":
        mean, dispersion = numbers
        return stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean))
    if name == "student":
        return stats.t(numbers[2], numbers[0], numbers[1])
    loc, scale = numbers
    return stats.norm(loc, scale) if name == "normal" else stats.lognorm(scale, scale=np.exp(loc))


def _thirds(numbers: tuple[Floats, ...]) -> tuple[Floats, Floats, Floats]:
    """Weights, locations and scales, each ``(..., 3)``."""
    return tuple(np.stack(numbers[i : i + 3], axis=-1) for i in (0, 3, 6))  # type: ignore[return-value]


def _mixture_cdf(numbers: tuple[Floats, ...], x: Floats) -> Floats:
    weights, locs, scales = _thirds(numbers)
    return (weights * stats.norm.cdf(x[..., None], locs, scales)).sum(axis=-1) / weights.sum(axis=-1)


def _mixture_quantiles(numbers: tuple[Floats, ...], levels: Floats) -> Floats:
    """Halve the interval between the components' own quantiles, which the mixture's lies in."""
    _, locs, scales = _thirds(numbers)
    single = locs[..., None, :] + scales[..., None, :] * stats.norm.ppf(levels)[:, None]
    low, high = single.min(axis=-1), single.max(axis=-1)
    wide = tuple(part[..., None] for part in numbers)
    for _ in range(_HALVINGS):
        middle = low + (high - low) / 2
        below = _mixture_cdf(wide, middle) < levels
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    # Where two levels are neighbours, rounding must not make their quantiles cross.
    rank = np.argsort(np.argsort(levels))
    return np.sort(high, axis=-1)[..., rank]
