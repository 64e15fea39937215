"""Accuracy of quantiles, intervals and samples, under the contract of ``metrics``, which has all of these names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from forecast.errors import ParameterError
from forecast.evaluation.averaging import (
    Axis,
    Floats,
    Score,
    average,
    check_level,
    divisor,
    leveled,
    pair,
    plain,
    quiet,
    ratio,
    triple,
)

__all__ = [
    "coverage",
    "crps_quantile",
    "crps_sample",
    "msis",
    "pinball",
    "weighted_quantile_loss",
    "width",
    "winkler",
]


@quiet
def pinball(actual: ArrayLike, forecast: ArrayLike, quantile: float, *, axis: Axis = None) -> Score:
    """Return the quantile loss, ``mean max(q (y - f), (q - 1) (y - f))``.

    At ``quantile=0.5`` it is half the mean absolute error.

    Unit: that of the data.
    Range: 0 to inf; lower is better.
    Agrees: sklearn.metrics.mean_pinball_loss, scoringrules.quantile_score,
        utilsforecast.losses.quantile_loss.
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
    """Return several quantiles' loss relative to the size of the data, ``mean over q of 2 sum pinball / sum |y|``.

    With the median alone it is ``wape / 100``.

    Unit: none.
    Range: 0 to inf; lower is better.
    Zeros: actuals that are all zero make it inf.
    Agrees: utilsforecast.losses.scaled_crps, on complete data that are not all zero.
    Differs: utilsforecast divides zeros by a tiny number instead. Published tables build their quantiles
        differently: never compare this number across sources.
    Source: the mean weighted sum quantile loss of Salinas et al. (2020), "DeepAR", IJF 36(3).

    Args:
        actual: Observed values.
        forecasts: Quantile forecasts in the shape of ``actual`` plus a last axis of quantiles.
        quantiles: The levels of that last axis, each inside (0, 1).
        axis: Axes of ``actual`` averaged over.

    Example:
        >>> weighted_quantile_loss([2.0, 2.0], [[1.0, 3.0], [2.0, 2.0]], (0.25, 0.75))
        0.125
    """
    y = np.asarray(actual, np.float64)
    loss = crps_quantile(y, forecasts, quantiles, axis=axis)
    return plain(ratio(np.asarray(loss), np.asarray(average(np.abs(y), y, axis))))


@quiet
def crps_quantile(
    actual: ArrayLike, forecasts: ArrayLike, quantiles: Sequence[float], *, axis: Axis = None
) -> Score:
    """Return the continuous ranked probability score by quantiles, ``2 mean over q of pinball(y, f_q)``.

    The score proper is twice the integral of the pinball loss over all levels from 0 to 1. Here the levels
    at hand stand for it with equal weights, which is the midpoint rule for levels ``(k - 0.5) / K`` (and
    then equals ``crps_sample`` of the K quantiles). Levels spaced otherwise give another number: compare
    only what was computed from the same levels.

    Unit: that of the data.
    Range: 0 to inf; lower is better.
    Agrees: scoringrules.crps_quantile; half of it is utilsforecast.losses.mqloss.
    Source: Gneiting and Ranjan (2011), "Comparing density forecasts using threshold- and quantile-weighted
        scoring rules", JBES 29(3), for the integral over levels.

    Args:
        actual: Observed values.
        forecasts: Quantile forecasts in the shape of ``actual`` plus a last axis of quantiles.
        quantiles: The levels of that last axis, each inside (0, 1).
        axis: Axes of ``actual`` averaged over.

    Example:
        >>> crps_quantile([2.0, 2.0], [[1.0, 3.0], [2.0, 2.0]], (0.25, 0.75))
        0.25
    """
    y, f, levels = leveled(actual, forecasts, quantiles)
    losses = [pinball(y, f[..., k], q, axis=axis) for k, q in enumerate(levels)]
    return plain(2.0 * np.mean(np.stack(losses), axis=0))


@quiet
def crps_sample(actual: ArrayLike, samples: ArrayLike, *, fair: bool = False, axis: Axis = None) -> Score:
    """Return the continuous ranked probability score of samples, ``mean (E|X - y| - E|X - X'| / 2)``.

    X and X' are drawn from the n samples. ``fair=True`` takes two different ones for X and X', which scores
    the distribution behind the samples instead of the samples themselves: its mean does not depend on n.

    Unit: that of the data.
    Range: 0 to inf, the fair form also below 0; lower is better.
    Agrees: scoringrules.crps_ensemble, with ``estimator="nrg"`` or ``"fair"``.
    Source: Gneiting and Raftery (2007), "Strictly proper scoring rules", JASA 102, eq. 21; Ferro (2014),
        "Fair scores for ensemble forecasts", QJRMS 140, for the fair form.

    Args:
        actual: Observed values.
        samples: Draws of each forecast in the shape of ``actual`` plus a last axis of samples, in any order.
        fair: Whether X and X' are never the same sample; needs at least two.
        axis: Axes of ``actual`` averaged over.

    Raises:
        ParameterError: If the shapes do not fit or there are too few samples.

    Example:
        >>> crps_sample([1.0], [[0.0, 2.0]]), crps_sample([1.0], [[0.0, 2.0]], fair=True)
        (0.5, 0.0)
    """
    y, x = _sorted_samples(actual, samples, 2 if fair else 1)
    n = x.shape[-1]
    rank = np.arange(1, n + 1)
    # As a sum of terms that are not negative nothing cancels; sorting spares the n * n differences.
    weights = np.where(x <= y[..., None], rank - 0.5, n - rank + 0.5)
    terms = 2.0 * np.sum(weights * np.abs(x - y[..., None]), axis=-1) / n**2
    if fair:
        between = (rank * (n - rank))[:-1]
        terms = terms - np.sum(between * np.diff(x, axis=-1), axis=-1) / (n**2 * (n - 1))
    return average(terms, y, axis)


@quiet
def coverage(actual: ArrayLike, lower: ArrayLike, upper: ArrayLike, *, axis: Axis = None) -> Score:
    """Return the share of actuals inside their intervals, ``mean [lower <= y <= upper]``; both ends belong.

    Unit: none, a share.
    Range: 0 to 1; best at the nominal level.
    Agrees: utilsforecast.losses.coverage, on complete data.
    Differs: utilsforecast counts a missing actual as one outside.
    Source: Christoffersen (1998), "Evaluating interval forecasts", International Economic Review 39(4).

    Example:
        >>> coverage([1.0, 2.0, 3.0, float("nan")], [0.0, 2.0, 4.0, 0.0], [2.0, 2.0, 5.0, 0.0])
        0.6666666666666666
    """
    y, low, high = triple(actual, lower, upper)
    inside = ((low <= y) & (y <= high)).astype(np.float64)
    return average(np.where(np.isnan(low) | np.isnan(high), np.nan, inside), y, axis)


@quiet
def width(lower: ArrayLike, upper: ArrayLike, *, axis: Axis = None) -> Score:
    """Return the mean width of intervals, ``mean (upper - lower)``.

    Unit: that of the data.
    Range: 0 to inf; lower is better, among intervals that cover what they claim.
    Missing: no actual is involved, so nothing is left out: one NaN bound makes the result NaN.
    Zeros: no actual is involved.
    Differs: no function of scikit-learn, utilsforecast or scoringrules measures it alone.
    Source: Gneiting, Balabdaoui and Raftery (2007), "Probabilistic forecasts, calibration and sharpness",
        JRSS B 69(2).

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
    """Return the interval score, ``mean (upper - lower + 2 / (1 - level) * distance)``.

    The distance is that of an actual outside its interval to the nearer end; inside it is 0.

    Unit: that of the data.
    Range: 0 to inf; lower is better.
    Agrees: scoringrules.interval_score, utilsforecast.losses.winkler_score, on complete data.
    Differs: utilsforecast counts a missing actual as one inside.
    Source: Winkler (1972), "A decision-theoretic approach to interval estimation", JASA 67; Gneiting and
        Raftery (2007), "Strictly proper scoring rules", JASA 102, eq. 43.

    Args:
        actual: Observed values.
        lower: Lower ends, in the same shape.
        upper: Upper ends, in the same shape.
        level: Nominal coverage of the central interval, inside (0, 1), such as 0.95.
        axis: Axes averaged over.

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
    """Return the mean scaled interval score of M4: ``winkler / scale``, the scale being that of ``mase``.

    M4 reports it at ``level=0.95``; ``scale`` is shaped as in ``mase``.

    Unit: none.
    Range: 0 to inf; lower is better.
    Constant: a scale of zero makes it NaN: there is no yardstick.
    Agrees: scoringrules.interval_score divided by the scale.
    Differs: utilsforecast's ``spis`` is another measure: periods in stock over the mean of the history.
    Source: Makridakis, Spiliotis and Assimakopoulos (2020), "The M4 Competition", IJF 36(1), section 3.3.

    Example:
        >>> msis([1.0, 6.0], [0.0, 0.0], [4.0, 4.0], 0.5, 2.0)
        4.0
    """
    y, low, high = triple(actual, lower, upper)
    return average(_interval_score(y, low, high, level) / divisor(scale, y), y, axis)


def _interval_score(y: Floats, low: Floats, high: Floats, level: float) -> Floats:
    outside = np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0)
    return (high - low) + 2.0 / (1.0 - check_level(level, "level")) * outside


def _sorted_samples(actual: ArrayLike, samples: ArrayLike, least: int) -> tuple[Floats, Floats]:
    y, x = np.asarray(actual, np.float64), np.asarray(samples, np.float64)
    if x.ndim == 0 or x.shape[:-1] != y.shape:
        raise ParameterError(
            f"samples have shape {x.shape}, actual {y.shape}; they must be equal, except for one more axis of "
            "samples at the end."
        )
    if x.shape[-1] < least:
        raise ParameterError(f"there are {x.shape[-1]} samples; the score needs at least {least}. Draw more.")
    return y, np.sort(x, axis=-1)
