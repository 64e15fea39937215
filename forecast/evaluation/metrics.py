"""Accuracy measures: pure functions of two or three arrays.

One contract for all of them:

- ``actual`` and ``forecast`` have equal shapes, any shape. Everything is averaged by default; ``axis``
  (NumPy's meaning: the axes averaged over) keeps the others. With arrays named (series, horizon), ``axis=0``
  gives one number per step and ``axis=1`` one per series.
- A missing (NaN) actual is left out, and ``missing`` tells how many there were: report it beside the score.
- A NaN forecast of an actual that exists makes the result NaN. It is never left out.
- No actual left to average over: NaN.
- An undefined term is never dropped: a zero actual makes ``mape`` inf, a zero scale makes ``mase`` NaN.
- No NumPy warning escapes; the reasons for inf and NaN are those above and in each docstring.
- Whatever has "percentage" in its name (``mape``, ``smape``, ``wape``) is in per cent, everything else in the
  unit of the data or without a unit, as each docstring says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from forecast.errors import ParameterError
from forecast.evaluation.averaging import (
    Axis,
    Floats,
    Score,
    average,
    check_level,
    counted,
    divisor,
    missing,
    pair,
    plain,
    quiet,
    ratio,
    seasonal_scale,
    seasonal_scale_squared,
    triple,
)

__all__ = [
    "POINT_METRICS",
    "bias",
    "counted",
    "coverage",
    "mae",
    "mape",
    "mase",
    "missing",
    "mse",
    "msis",
    "pinball",
    "rmse",
    "rmsse",
    "seasonal_scale",
    "seasonal_scale_squared",
    "smape",
    "smape_100",
    "wape",
    "weighted_quantile_loss",
    "width",
    "winkler",
]


@quiet
def mae(actual: ArrayLike, forecast: ArrayLike, *, axis: Axis = None) -> Score:
    """Return the mean absolute error, ``mean |y - f|``, in the unit of the data.

    Differs: scikit-learn refuses NaN; utilsforecast drops a NaN forecast together with its actual.

    Example:
        >>> mae([1.0, 2.0, float("nan")], [2.0, 2.0, 9.0])
        0.5
    """
    y, f = pair(actual, forecast)
    return average(np.abs(y - f), y, axis)


@quiet
def mse(actual: ArrayLike, forecast: ArrayLike, *, axis: Axis = None) -> Score:
    """Return the mean squared error, ``mean (y - f)^2``, in the squared unit of the data.

    Example:
        >>> mse([1.0, 2.0], [2.0, 4.0])
        2.5
    """
    y, f = pair(actual, forecast)
    return average((y - f) ** 2, y, axis)


@quiet
def rmse(actual: ArrayLike, forecast: ArrayLike, *, axis: Axis = None) -> Score:
    """Return the root of the mean squared error, in the unit of the data.

    The root is taken last, after averaging over ``axis``; a mean of per-series values is another number.

    Example:
        >>> rmse([0.0, 0.0], [3.0, 3.0])
        3.0
    """
    return plain(np.sqrt(mse(actual, forecast, axis=axis)))


@quiet
def bias(actual: ArrayLike, forecast: ArrayLike, *, axis: Axis = None) -> Score:
    """Return the mean of forecast minus actual, in the unit of the data; positive means too high.

    Example:
        >>> bias([1.0, 2.0], [2.0, 4.0])
        1.5
    """
    y, f = pair(actual, forecast)
    return average(f - y, y, axis)


@quiet
def mape(actual: ArrayLike, forecast: ArrayLike, *, axis: Axis = None) -> Score:
    """Return the mean absolute percentage error, ``mean 100 |y - f| / |y|``, in per cent.

    A zero actual makes it inf, whatever the forecast: the measure is not defined there.

    Differs: utilsforecast and scikit-learn return a fraction (1, not 100); utilsforecast drops zero actuals
    and scikit-learn divides by a tiny number instead.

    Example:
        >>> mape([2.0, 4.0], [1.0, 4.0])
        25.0
        >>> mape([0.0, 4.0], [0.0, 4.0])
        inf
    """
    y, f = pair(actual, forecast)
    return average(100.0 * ratio(np.abs(y - f), np.abs(y)), y, axis)


@quiet
def smape(actual: ArrayLike, forecast: ArrayLike, *, axis: Axis = None) -> Score:
    """Return M4's symmetric percentage error, ``mean 200 |y - f| / (|y| + |f|)``, from 0 to 200.

    A term in which both actual and forecast are zero counts as 0: the forecast is exact.

    Source: Makridakis, Spiliotis and Assimakopoulos (2020), "The M4 Competition", International Journal of
    Forecasting 36(1), section 3.3.
    Differs: utilsforecast's ``smape`` is a fraction on half the scale (0 to 1); see ``smape_100``.

    Example:
        >>> smape([1.0, 0.0], [3.0, 0.0])
        50.0
    """
    y, f = pair(actual, forecast)
    error, size = np.abs(y - f), np.abs(y) + np.abs(f)
    # NaN compares unequal to 0 and so stays NaN.
    safe = np.where(size == 0, 1.0, size)
    return average(200.0 * error / safe, y, axis)


@quiet
def smape_100(actual: ArrayLike, forecast: ArrayLike, *, axis: Axis = None) -> Score:
    """Return the symmetric percentage error on the scale from 0 to 100: half of ``smape``.

    Differs: utilsforecast's ``smape`` is this divided by 100.

    Example:
        >>> smape_100([1.0, 0.0], [3.0, 0.0])
        25.0
    """
    return plain(np.multiply(smape(actual, forecast, axis=axis), 0.5))


@quiet
def wape(actual: ArrayLike, forecast: ArrayLike, *, axis: Axis = None) -> Score:
    """Return the weighted absolute percentage error, ``100 sum |y - f| / sum |y|``, in per cent.

    Sums run over ``axis``. Actuals that are all zero make it inf, as in ``mape``.

    Differs: utilsforecast's ``wape`` is a fraction.

    Example:
        >>> wape([1.0, 3.0], [2.0, 4.0])
        50.0
    """
    y, f = pair(actual, forecast)
    error, size = average(np.abs(y - f), y, axis), average(np.abs(y), y, axis)
    return plain(100.0 * ratio(np.asarray(error), np.asarray(size)))


@quiet
def mase(actual: ArrayLike, forecast: ArrayLike, scale: ArrayLike, *, axis: Axis = None) -> Score:
    """Return the mean absolute scaled error, ``mean |y - f| / scale``, without a unit.

    Args:
        actual: Observed values.
        forecast: Their forecasts, in the same shape.
        scale: ``seasonal_scale`` of each series' history: one number, or an array with as many axes as
            ``actual`` (length 1 where it repeats, so (series, 1) for (series, horizon)).
        axis: Axes averaged over.

    Returns:
        1 means as good as the seasonal naive method inside the history. A scale of zero (constant history)
        makes the result NaN: there is no yardstick.

    Source: Hyndman and Koehler (2006), "Another look at measures of forecast accuracy", IJF 22(4).
    Differs: utilsforecast returns inf for a constant history.

    Example:
        >>> mase([3.0, 5.0], [4.0, 5.0], seasonal_scale([1.0, 3.0, 5.0]))
        0.25
    """
    y, f = pair(actual, forecast)
    return average(np.abs(y - f) / divisor(scale, y), y, axis)


@quiet
def rmsse(actual: ArrayLike, forecast: ArrayLike, scale_squared: ArrayLike, *, axis: Axis = None) -> Score:
    """Return the root mean squared scaled error, ``sqrt(mean (y - f)^2 / scale_squared)``, without a unit.

    Args:
        actual: Observed values.
        forecast: Their forecasts, in the same shape.
        scale_squared: ``seasonal_scale_squared`` of each series' history, shaped as in ``mase``. Zero makes
            the result NaN.
        axis: Axes averaged over, before the root.

    Source: Makridakis, Spiliotis and Assimakopoulos (2022), "M5 accuracy competition", IJF 38(4); the season
    is 1 there.

    Example:
        >>> rmsse([3.0, 5.0], [5.0, 5.0], seasonal_scale_squared([1.0, 2.0, 3.0]))
        1.4142135623730951
    """
    y, f = pair(actual, forecast)
    return plain(np.sqrt(average((y - f) ** 2 / divisor(scale_squared, y), y, axis)))


@quiet
def pinball(actual: ArrayLike, forecast: ArrayLike, quantile: float, *, axis: Axis = None) -> Score:
    """Return the quantile loss, ``mean max(q (y - f), (q - 1) (y - f))``, in the unit of the data.

    At ``quantile=0.5`` it is half the mean absolute error.

    Source: Koenker and Bassett (1978), "Regression quantiles", Econometrica 46(1).

    Example:
        >>> pinball([10.0, 10.0], [8.0, 11.0], 0.9)
        0.95
    """
    y, f = pair(actual, forecast)
    q = check_level(quantile, "quantile")
    return average(np.maximum(q * (y - f), (q - 1) * (y - f)), y, axis)


@quiet
def weighted_quantile_loss(
    actual: ArrayLike, forecasts: ArrayLike, quantiles: Sequence[float], *, axis: Axis = None
) -> Score:
    """Return the pinball loss of several quantiles relative to the size of the data, without a unit.

    ``mean over q of 2 sum pinball(y, f_q) / sum |y|``; with the median alone it is ``wape / 100``.

    Args:
        actual: Observed values.
        forecasts: Quantile forecasts in the shape of ``actual`` plus a last axis of quantiles.
        quantiles: The levels of that last axis, each inside (0, 1).
        axis: Axes of ``actual`` averaged over.

    Returns:
        Actuals that are all zero make it inf.

    Source: the mean weighted sum quantile loss of Salinas et al. (2020), "DeepAR", IJF 36(3).
    Differs: published tables build their quantiles differently; never compare this number across sources.

    Example:
        >>> weighted_quantile_loss([2.0, 2.0], [[1.0, 3.0], [2.0, 2.0]], (0.25, 0.75))
        0.125
    """
    y, f = np.asarray(actual, np.float64), np.asarray(forecasts, np.float64)
    if f.shape != (*y.shape, len(quantiles)):
        raise ParameterError(
            f"forecasts have shape {f.shape}; actual {y.shape} and {len(quantiles)} quantiles need "
            f"{(*y.shape, len(quantiles))}. Put the quantiles on the last axis."
        )
    if len(quantiles) == 0:
        raise ParameterError("quantiles is empty; name at least one level, such as --quantiles 0.5.")
    losses = [pinball(y, f[..., k], q, axis=axis) for k, q in enumerate(quantiles)]
    size = average(np.abs(y), y, axis)
    return plain(2.0 * ratio(np.mean(np.stack(losses), axis=0), np.asarray(size)))


@quiet
def coverage(actual: ArrayLike, lower: ArrayLike, upper: ArrayLike, *, axis: Axis = None) -> Score:
    """Return the share of actuals inside ``[lower, upper]``, from 0 to 1; both ends belong to the interval.

    A NaN bound of an actual that exists makes the result NaN.

    Example:
        >>> coverage([1.0, 2.0, 3.0, float("nan")], [0.0, 2.0, 4.0, 0.0], [2.0, 2.0, 5.0, 0.0])
        0.6666666666666666
    """
    y, low, high = triple(actual, lower, upper)
    inside = ((low <= y) & (y <= high)).astype(np.float64)
    return average(np.where(np.isnan(low) | np.isnan(high), np.nan, inside), y, axis)


@quiet
def width(lower: ArrayLike, upper: ArrayLike, *, axis: Axis = None) -> Score:
    """Return the mean width of intervals, ``mean (upper - lower)``, in the unit of the data.

    No actual is involved, so nothing is left out: one NaN bound makes the result NaN.

    Example:
        >>> width([0.0, 1.0], [2.0, 5.0])
        3.0
    """
    low, high = pair(lower, upper, "lower", "upper")
    return average(high - low, np.zeros_like(low), axis)


@quiet
def winkler(
    actual: ArrayLike, lower: ArrayLike, upper: ArrayLike, level: float, *, axis: Axis = None
) -> Score:
    """Return the interval score: width plus ``2 / (1 - level)`` times the distance of actuals left outside.

    Args:
        actual: Observed values.
        lower: Lower ends, in the same shape.
        upper: Upper ends, in the same shape.
        level: Nominal coverage of the central interval, inside (0, 1), such as 0.95.
        axis: Axes averaged over.

    Returns:
        In the unit of the data; smaller is better.

    Source: Winkler (1972); Gneiting and Raftery (2007), "Strictly proper scoring rules", JASA 102, eq. 43.

    Example:
        >>> winkler([1.0, 6.0], [0.0, 0.0], [4.0, 4.0], 0.5)
        8.0
    """
    y, low, high = triple(actual, lower, upper)
    return average(_interval_score(y, low, high, level), y, axis)


@quiet
def msis(
    actual: ArrayLike,
    lower: ArrayLike,
    upper: ArrayLike,
    level: float,
    scale: ArrayLike,
    *,
    axis: Axis = None,
) -> Score:
    """Return the mean scaled interval score of M4: ``winkler`` over the seasonal scale, without a unit.

    ``scale`` is shaped as in ``mase``; zero makes the result NaN. M4 reports it at ``level=0.95``.

    Source: Makridakis, Spiliotis and Assimakopoulos (2020), "The M4 Competition", IJF 36(1), section 3.3.

    Example:
        >>> msis([1.0, 6.0], [0.0, 0.0], [4.0, 4.0], 0.5, 2.0)
        4.0
    """
    y, low, high = triple(actual, lower, upper)
    return average(_interval_score(y, low, high, level) / divisor(scale, y), y, axis)


POINT_METRICS: dict[str, Callable[..., Score]] = {
    "mae": mae,
    "mse": mse,
    "rmse": rmse,
    "bias": bias,
    "mape": mape,
    "smape": smape,
    "smape_100": smape_100,
    "wape": wape,
}
"""The metrics that need nothing but actual and forecast, by name."""


def _interval_score(y: Floats, low: Floats, high: Floats, level: float) -> Floats:
    outside = np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0)
    return (high - low) + 2.0 / (1.0 - check_level(level, "level")) * outside
