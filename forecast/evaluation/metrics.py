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

The docstrings are also what ``forecast metrics`` prints, so each has these lines (see ``cards``): ``Unit``,
``Range``, ``Agrees`` or ``Differs`` (other libraries), ``Source``, and, where they matter, ``Zeros`` (what a
zero actual does) and ``Constant`` (what a constant history does). Quantiles, intervals and samples are scored in
``probabilistic``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from forecast.evaluation.averaging import (
    Axis,
    Score,
    average,
    counted,
    divisor,
    missing,
    pair,
    plain,
    quiet,
    ratio,
    seasonal_scale,
    seasonal_scale_squared,
)
from forecast.evaluation.probabilistic import (
    coverage,
    crps_quantile,
    crps_sample,
    msis,
    pinball,
    weighted_quantile_loss,
    width,
    winkler,
)

__all__ = [
    "METRICS",
    "POINT_METRICS",
    "bias",
    "counted",
    "coverage",
    "crps_quantile",
    "crps_sample",
    "mae",
    "mape",
    "mase",
    "missing",
    "mse",
    "msis",
    "owa",
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
    """Return the mean absolute error, ``mean |y - f|``.

    Unit: that of the data.
    Range: 0 to inf; lower is better.
    Agrees: sklearn.metrics.mean_absolute_error, utilsforecast.losses.mae.
    Source: Hyndman and Koehler (2006), "Another look at measures of forecast accuracy", IJF 22(4).

    Example:
        >>> mae([1.0, 2.0, float("nan")], [2.0, 2.0, 9.0])
        0.5
    """
    y, f = pair(actual, forecast)
    return average(np.abs(y - f), y, axis)


@quiet
def mse(actual: ArrayLike, forecast: ArrayLike, *, axis: Axis = None) -> Score:
    """Return the mean squared error, ``mean (y - f)^2``.

    Unit: that of the data, squared.
    Range: 0 to inf; lower is better.
    Agrees: sklearn.metrics.mean_squared_error, utilsforecast.losses.mse.
    Source: Hyndman and Koehler (2006), "Another look at measures of forecast accuracy", IJF 22(4).

    Example:
        >>> mse([1.0, 2.0], [2.0, 4.0])
        2.5
    """
    y, f = pair(actual, forecast)
    return average((y - f) ** 2, y, axis)


@quiet
def rmse(actual: ArrayLike, forecast: ArrayLike, *, axis: Axis = None) -> Score:
    """Return the root of the mean squared error, ``sqrt(mean (y - f)^2)``.

    The root is taken last, after averaging over ``axis``; a mean of per-series values is another number.

    Unit: that of the data.
    Range: 0 to inf; lower is better.
    Agrees: sklearn.metrics.root_mean_squared_error, utilsforecast.losses.rmse.
    Source: Hyndman and Koehler (2006), "Another look at measures of forecast accuracy", IJF 22(4).

    Example:
        >>> rmse([0.0, 0.0], [3.0, 3.0])
        3.0
    """
    return plain(np.sqrt(mse(actual, forecast, axis=axis)))


@quiet
def bias(actual: ArrayLike, forecast: ArrayLike, *, axis: Axis = None) -> Score:
    """Return the mean of forecast minus actual, ``mean (f - y)``; positive means too high.

    Unit: that of the data.
    Range: -inf to inf; best at 0.
    Agrees: utilsforecast.losses.bias.
    Source: the bias of statistics, the expected error; other texts take actual minus forecast.

    Example:
        >>> bias([1.0, 2.0], [2.0, 4.0])
        1.5
    """
    y, f = pair(actual, forecast)
    return average(f - y, y, axis)


@quiet
def mape(actual: ArrayLike, forecast: ArrayLike, *, axis: Axis = None) -> Score:
    """Return the mean absolute percentage error, ``mean 100 |y - f| / |y|``.

    Unit: per cent.
    Range: 0 to inf; lower is better.
    Zeros: one zero actual makes it inf, whatever the forecast: the measure is not defined there.
    Agrees: sklearn.metrics.mean_absolute_percentage_error, utilsforecast.losses.mape, times 100 and without
        zero actuals.
    Differs: both return a fraction (1, not 100); utilsforecast drops zero actuals and scikit-learn divides by
        a tiny number instead.
    Source: Hyndman and Koehler (2006), "Another look at measures of forecast accuracy", IJF 22(4).

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
    """Return M4's symmetric mean absolute percentage error, ``mean 200 |y - f| / (|y| + |f|)``.

    Unit: per cent.
    Range: 0 to 200; lower is better.
    Zeros: a zero actual gives 200, whatever the forecast, but 0 if the forecast is exact.
    Agrees: utilsforecast.losses.smape, times 200.
    Differs: utilsforecast's is a fraction on half the scale (0 to 1); see ``smape_100``.
    Source: Makridakis, Spiliotis and Assimakopoulos (2020), "The M4 Competition", IJF 36(1), section 3.3.

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
    """Return the symmetric percentage error on half the scale, ``mean 100 |y - f| / (|y| + |f|)``: half of ``smape``.

    Unit: per cent.
    Range: 0 to 100; lower is better.
    Zeros: a zero actual gives 100, whatever the forecast, but 0 if the forecast is exact.
    Agrees: utilsforecast.losses.smape, times 100.
    Differs: utilsforecast's is a fraction.
    Source: half of M4's measure, see ``smape``.

    Example:
        >>> smape_100([1.0, 0.0], [3.0, 0.0])
        25.0
    """
    return plain(np.multiply(smape(actual, forecast, axis=axis), 0.5))


@quiet
def wape(actual: ArrayLike, forecast: ArrayLike, *, axis: Axis = None) -> Score:
    """Return the weighted absolute percentage error, ``100 sum |y - f| / sum |y|``.

    Sums run over ``axis``.

    Unit: per cent.
    Range: 0 to inf; lower is better.
    Zeros: harmless, unless all actuals are zero, which makes it inf, as in ``mape``.
    Agrees: utilsforecast.losses.wape, times 100.
    Differs: utilsforecast's is a fraction, and NaN where all actuals are zero.
    Source: Kolassa and Schütz (2007), "Advantages of the MAD/Mean ratio over the MAPE", Foresight 6.

    Example:
        >>> wape([1.0, 3.0], [2.0, 4.0])
        50.0
    """
    y, f = pair(actual, forecast)
    error, size = average(np.abs(y - f), y, axis), average(np.abs(y), y, axis)
    return plain(100.0 * ratio(np.asarray(error), np.asarray(size)))


@quiet
def mase(actual: ArrayLike, forecast: ArrayLike, scale: ArrayLike, *, axis: Axis = None) -> Score:
    """Return the mean absolute scaled error, ``mean |y - f| / scale``.

    The scale is the error of the seasonal naive method inside the history, ``seasonal_scale``; 1 means as good
    as that. State the season beside the number: another season is another yardstick.

    Unit: none.
    Range: 0 to inf; lower is better.
    Constant: a scale of zero makes it NaN: there is no yardstick.
    Agrees: utilsforecast.losses.mase.
    Differs: utilsforecast returns inf for a constant history.
    Source: Hyndman and Koehler (2006), "Another look at measures of forecast accuracy", IJF 22(4).

    Args:
        actual: Observed values.
        forecast: Their forecasts, in the same shape.
        scale: ``seasonal_scale`` of each series' history: one number, or an array with as many axes as
            ``actual`` (length 1 where it repeats, so (series, 1) for (series, horizon)).
        axis: Axes averaged over.

    Example:
        >>> mase([3.0, 5.0], [4.0, 5.0], seasonal_scale([1.0, 3.0, 5.0]))
        0.25
    """
    y, f = pair(actual, forecast)
    return average(np.abs(y - f) / divisor(scale, y), y, axis)


@quiet
def rmsse(actual: ArrayLike, forecast: ArrayLike, scale_squared: ArrayLike, *, axis: Axis = None) -> Score:
    """Return the root mean squared scaled error, ``sqrt(mean (y - f)^2 / scale_squared)``.

    The scale is ``seasonal_scale_squared`` of the history. The root is taken last.

    Unit: none.
    Range: 0 to inf; lower is better.
    Constant: a scale of zero makes it NaN: there is no yardstick.
    Agrees: utilsforecast.losses.rmsse.
    Differs: utilsforecast returns inf for a constant history.
    Source: Makridakis, Spiliotis and Assimakopoulos (2022), "M5 accuracy competition", IJF 38(4); the season
        is 1 there.

    Args:
        actual: Observed values.
        forecast: Their forecasts, in the same shape.
        scale_squared: ``seasonal_scale_squared`` of each series' history, shaped as in ``mase``.
        axis: Axes averaged over, before the root.

    Example:
        >>> rmsse([3.0, 5.0], [5.0, 5.0], seasonal_scale_squared([1.0, 2.0, 3.0]))
        1.4142135623730951
    """
    y, f = pair(actual, forecast)
    return plain(np.sqrt(average((y - f) ** 2 / divisor(scale_squared, y), y, axis)))


@quiet
def owa(
    actual: ArrayLike, forecast: ArrayLike, naive2: ArrayLike, scale: ArrayLike, *, axis: Axis = None
) -> Score:
    """Return M4's overall weighted average, ``(smape / smape of Naive2 + mase / mase of Naive2) / 2``.

    Errors are averaged over ``axis`` first and then divided, as M4 does over all series, so a mean of
    per-series values is another number. 1 is as good as Naive2, less is better.

    Unit: none.
    Range: 0 to inf; lower is better.
    Zeros: as in ``smape``.
    Constant: a scale of zero makes it NaN, as in ``mase``; a Naive2 without error makes it inf.
    Differs: no function of scikit-learn, utilsforecast or scoringrules computes it; M4's published figures
        are reproduced to 0.001.
    Source: Makridakis, Spiliotis and Assimakopoulos (2020), "The M4 Competition", IJF 36(1), section 3.3.

    Args:
        actual: Observed values.
        forecast: Their forecasts, in the same shape.
        naive2: Forecasts of ``baselines.naive2`` for the same actuals, in the same shape.
        scale: As in ``mase``.
        axis: Axes averaged over before the division.

    Example:
        >>> owa([1.0, 1.0], [1.0, 3.0], [3.0, 3.0], scale=2.0)
        0.5
    """
    y, f = pair(actual, forecast)
    rival = pair(actual, naive2, second="naive2")[1]
    top, bottom = (
        np.stack([smape(y, values, axis=axis), mase(y, values, scale, axis=axis)]) for values in (f, rival)
    )
    return plain(np.mean(ratio(top, bottom), axis=0))


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


METRICS: dict[str, Callable[..., Score]] = POINT_METRICS | {
    "mase": mase,
    "rmsse": rmsse,
    "owa": owa,
    "pinball": pinball,
    "weighted_quantile_loss": weighted_quantile_loss,
    "crps_quantile": crps_quantile,
    "crps_sample": crps_sample,
    "coverage": coverage,
    "width": width,
    "winkler": winkler,
    "msis": msis,
}
"""Every metric by name."""
