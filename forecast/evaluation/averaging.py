"""How every metric treats shapes, missing actuals and division by zero; see ``metrics`` for the contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forecast.errors import ParameterError

Floats = NDArray[np.float64]
Axis = int | tuple[int, ...] | None
Score = Any  # a float where every axis is averaged over, an array of float64 otherwise

P = ParamSpec("P")
R = TypeVar("R")


def counted(actual: ArrayLike, *, axis: Axis = None) -> Any:
    """Count the actuals that enter a score: those that are not NaN.

    Example:
        >>> counted([1.0, float("nan"), 3.0])
        2
    """
    return plain(np.sum(~np.isnan(np.asarray(actual, np.float64)), axis=axis, dtype=np.int64))


def missing(actual: ArrayLike, *, axis: Axis = None) -> Any:
    """Count the actuals that a score leaves out: those that are NaN.

    Example:
        >>> missing([[1.0, float("nan")], [3.0, 4.0]], axis=1).tolist()
        [1, 0]
    """
    return plain(np.sum(np.isnan(np.asarray(actual, np.float64)), axis=axis, dtype=np.int64))


def quiet(metric: Callable[P, R]) -> Callable[P, R]:
    """Keep NumPy's warnings inside a metric, whose docstring states what its inf and NaN mean."""

    @wraps(metric)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with np.errstate(all="ignore"):
            return metric(*args, **kwargs)

    return inner


@quiet
def seasonal_scale(history: ArrayLike, season: int = 1, *, axis: int = -1) -> Score:
    """Return the in-sample error of the seasonal naive method, ``mean |y[t] - y[t - season]|``.

    Args:
        history: Values before the forecast, time along ``axis``, in the unit of the data.
        season: Steps per season; 1 compares neighbours.
        axis: The time axis.

    Returns:
        In the unit of the data. Pairs with a NaN are skipped; NaN where no pair is left.

    Raises:
        ParameterError: If ``season`` is below 1.

    Example:
        >>> seasonal_scale([1.0, 3.0, float("nan"), 5.0, 6.0])
        1.5
    """
    change = _changes(history, season, axis)
    return average(np.abs(change), change, axis)


@quiet
def seasonal_scale_squared(history: ArrayLike, season: int = 1, *, axis: int = -1) -> Score:
    """Return the squared counterpart of ``seasonal_scale``, ``mean (y[t] - y[t - season])^2``.

    Example:
        >>> seasonal_scale_squared([1.0, 3.0, 6.0])
        6.5
    """
    change = _changes(history, season, axis)
    return average(change**2, change, axis)


def pair(
    actual: ArrayLike, forecast: ArrayLike, first: str = "actual", second: str = "forecast"
) -> tuple[Floats, Floats]:
    """Return both as float64 arrays of one shape.

    Raises:
        ParameterError: If the shapes differ.
    """
    y, f = np.asarray(actual, np.float64), np.asarray(forecast, np.float64)
    # Broadcasting (n,) against (n, 1) silently averages n * n differences, so it is refused.
    if y.shape != f.shape:
        raise ParameterError(
            f"{first} has shape {y.shape}, {second} {f.shape}; reshape one to equal the other."
        )
    return y, f


def triple(actual: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return actuals and both ends of their intervals as float64 arrays of one shape."""
    y, low = pair(actual, lower, second="lower")
    return y, low, pair(actual, upper, second="upper")[1]


def leveled(
    actual: ArrayLike, forecasts: ArrayLike, quantiles: Sequence[float]
) -> tuple[Floats, Floats, tuple[float, ...]]:
    """Return actuals and their quantile forecasts (levels on the last axis) as float64, and the levels.

    Raises:
        ParameterError: If the shapes do not fit, there is no level, or one lies outside (0, 1).
    """
    y, f = np.asarray(actual, np.float64), np.asarray(forecasts, np.float64)
    if f.shape != (*y.shape, len(quantiles)):
        raise ParameterError(
            f"forecasts have shape {f.shape}; actual {y.shape} and {len(quantiles)} quantiles need "
            f"{(*y.shape, len(quantiles))}. Put the quantiles on the last axis."
        )
    if len(quantiles) == 0:
        raise ParameterError("quantiles is empty; name at least one level, such as --quantiles 0.5.")
    return y, f, tuple(check_level(q, "quantile") for q in quantiles)


def check_level(value: float, name: str) -> float:
    """Return ``value`` if it lies strictly between 0 and 1."""
    if not 0.0 < value < 1.0:
        raise ParameterError(f"{name} is {value}; it must lie between 0 and 1, such as 0.9.")
    return float(value)


def scale_like(scale: ArrayLike, shape: tuple[int, ...]) -> Floats:
    """Return ``scale`` as an array that repeats to ``shape``; refuse shapes that would do so by accident."""
    s = np.asarray(scale, np.float64)
    repeats = s.ndim == len(shape) and all(a in (1, b) for a, b in zip(s.shape, shape, strict=True))
    if s.ndim != 0 and not repeats:
        raise ParameterError(
            f"scale has shape {s.shape}, the values {shape}; pass one number, or {len(shape)} axes, of "
            "length 1 where it repeats, such as scale[:, None]."
        )
    return s


def divisor(scale: ArrayLike, y: Floats) -> Floats:
    """Return ``scale`` with NaN for what cannot divide: zero, for a constant history, and NaN."""
    s = scale_like(scale, y.shape)
    return np.where(s > 0, s, np.nan)


def ratio(top: Floats, bottom: Floats) -> Floats:
    """Divide; over zero the result is inf, or NaN where ``top`` is NaN."""
    over_zero = np.where(np.isnan(top), np.nan, np.inf)
    return np.where(bottom == 0, over_zero, top / np.where(bottom == 0, 1.0, bottom))


def average(terms: Floats, actual: Floats, axis: Axis) -> Score:
    """Average the terms whose actual exists; NaN where there are none."""
    seen = ~np.isnan(actual)
    count = np.sum(seen, axis=axis)
    total = np.sum(terms, axis=axis, where=seen)
    return plain(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def plain(value: Any) -> Any:
    """Return a plain Python number for a result without axes."""
    value = np.asarray(value)
    return value.item() if value.ndim == 0 else value


def _changes(history: ArrayLike, season: int, axis: int) -> Floats:
    if season < 1:
        raise ParameterError(f"season is {season}; it must be at least 1. Pass --season 1 for no season.")
    y = np.moveaxis(np.asarray(history, np.float64), axis, -1)
    return np.moveaxis(y[..., season:] - y[..., : max(y.shape[-1] - season, 0)], -1, axis)
