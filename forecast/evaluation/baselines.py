"""Naive and statistical forecasts of one series: the methods every network has to beat.

A baseline is a pure function ``(history, horizon, season) -> forecasts``: float64 in, float64 of length
``horizon`` out, deterministic, the input untouched. ``season`` is the number of steps per season, 1 for none.
A NaN in the history is a missing observation; missing rows at the end still count as time passed. None of
them raises on short, constant or missing data:

- no observed value: all forecasts are NaN;
- a constant history: the constant, exactly;
- too short for a method (``ses``, ``theta`` and ``holt_winters``: fewer than 4 observed values;
  ``seasonal_naive``: fewer rows than one season): the naive forecast.

``rolling`` makes the same forecasts from many origins of one series at once and never looks at or behind an
origin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forecast.errors import ParameterError, closest
from forecast.evaluation.damped_trend import fit_holt_winters
from forecast.evaluation.smoothing import SHORTEST, adjust, fit_simple, theta_forecast

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

__all__ = [
    "BASELINES",
    "COMPARISON",
    "drift",
    "holt_winters",
    "mean",
    "naive",
    "naive2",
    "rolling",
    "seasonal_naive",
    "ses",
    "theta",
]


def naive(history: ArrayLike, horizon: int, season: int = 1) -> Floats:
    """Repeat the last observed value.

    Example:
        >>> naive([1.0, 4.0, float("nan")], 2).tolist()
        [4.0, 4.0]
    """
    return _from_end("naive", history, horizon, season)


def seasonal_naive(history: ArrayLike, horizon: int, season: int = 1) -> Floats:
    """Repeat the last observed season: each step takes the last observed value of its own phase.

    Where that value is missing, the one a season earlier counts, and so on; a phase never observed takes the
    last observed value of any phase.

    Example:
        >>> seasonal_naive([1.0, 2.0, 3.0, 4.0, float("nan"), 6.0], 4, season=3).tolist()
        [4.0, 2.0, 6.0, 4.0]
    """
    return _from_end("seasonal-naive", history, horizon, season)


def drift(history: ArrayLike, horizon: int, season: int = 1) -> Floats:
    """Extend the straight line from the first to the last observed value.

    Example:
        >>> drift([1.0, 5.0, 3.0], 2).tolist()
        [4.0, 5.0]
    """
    return _from_end("drift", history, horizon, season)


def mean(history: ArrayLike, horizon: int, season: int = 1) -> Floats:
    """Repeat the mean of all observed values.

    Example:
        >>> mean([1.0, 2.0, float("nan"), 6.0], 2).tolist()
        [3.0, 3.0]
    """
    return _from_end("mean", history, horizon, season)


def naive2(history: ArrayLike, horizon: int, season: int = 1) -> Floats:
    """Repeat the last observed value of the seasonally adjusted history, season put back: M4's reference.

    Seasonal only if the history spans three seasons and its autocorrelation at lag ``season`` passes a 90 %
    test; factors for positive data, differences for any other.

    Source: Makridakis, Spiliotis and Assimakopoulos (2020), "The M4 Competition", IJF 36(1), and its
    published code. Reproduces the Hourly figures (sMAPE 18.383, MASE 2.395).
    Differs: M4 uses factors for every series.

    Example:
        >>> naive2([1.0, 2.0] * 20, 3, season=2).tolist()
        [1.0, 2.0, 1.0]
    """
    return _from_end("naive2", history, horizon, season)


def ses(history: ArrayLike, horizon: int, season: int = 1) -> Floats:
    """Repeat the level of simple exponential smoothing, weight and starting level by least squared errors.

    A missing value updates nothing.

    Source: Hyndman et al. (2008), "Forecasting with Exponential Smoothing", section 2.2; ``ses`` in R's
        forecast.
    Differs: the weight is searched on multiples of 1e-4 and is the global optimum among them.

    Example:
        >>> ses([3.0, 5.0, 4.0, 4.0, 5.0, 3.0], 2).round(3).tolist()
        [4.0, 4.0]
    """
    return _from_end("ses", history, horizon, season)


def theta(history: ArrayLike, horizon: int, season: int = 1) -> Floats:
    """Average a straight line and a smoothed line of double curvature, seasonally adjusted as in ``naive2``.

    Missing values are left out of the line and the smoothing. Never negative where the history never is.

    Source: Assimakopoulos and Nikolopoulos (2000), "The theta model", IJF 16(4), as coded for the M4
    benchmarks. Reproduces the Hourly figures (sMAPE 18.138, MASE 2.455).
    Differs: M4 adjusts with factors and forbids negative forecasts for every series.

    Example:
        >>> theta([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2).round(3).tolist()
        [6.5, 7.0]
    """
    return _from_end("theta", history, horizon, season)


def holt_winters(history: ArrayLike, horizon: int, season: int = 1) -> Floats:
    """Smooth level, damped trend and season, additive or multiplicative: the better one step ahead.

    Only the newest rows are fitted: ten seasons or 1,000 rows, whichever is more, and at most 4,000. Fewer
    than two seasons, or a season of more than 2,000 steps, count as no season. A missing value updates
    nothing. Never negative where the history never is. The equations are in ``damped_trend.py``.

    Example:
        >>> holt_winters([1.0, 2.0, 3.0] * 8, 3, season=3).round(3).tolist()
        [1.0, 2.0, 3.0]
    """
    return _from_end("holt-winters", history, horizon, season)


BASELINES: dict[str, Callable[[ArrayLike, int, int], Floats]] = {
    "naive": naive,
    "seasonal-naive": seasonal_naive,
    "drift": drift,
    "mean": mean,
    "ses": ses,
    "theta": theta,
    "holt-winters": holt_winters,
    "naive2": naive2,
}
"""Every baseline by its name on the command line."""

COMPARISON: tuple[str, ...] = ("naive", "seasonal-naive", "drift", "mean", "ses", "theta", "holt-winters")
"""The baselines of a default comparison; ``naive2`` is there for M4's figures only."""


def rolling(
    name: str, values: ArrayLike, origins: Sequence[int] | Rows, horizon: int, season: int = 1
) -> Floats:
    """Forecast from many origins of one series: row k is method ``name`` applied to ``values[:origins[k]]``.

    Nothing at or behind an origin enters its forecasts. ``naive``, ``seasonal-naive``, ``drift``, ``mean``
    and ``naive2`` equal the single forecasts bit for bit. ``ses``, ``theta`` and ``holt-winters`` choose
    their smoothing weights (and starting states) once, at the earliest origin with enough data, and keep
    them; states run up to date at each origin, and ``theta`` renews its line and season there. So the row of
    that earliest origin equals the single forecast, later ones differ slightly from a new fit. A Holt-Winters
    season of factors is fitted anew at the first origin whose history stops being positive.

    Args:
        name: A key of ``BASELINES``.
        values: The whole series, NaN where missing; axes: time.
        origins: Number of rows seen before each forecast, from 0 to ``len(values)``, in any order.
        horizon: Steps ahead.
        season: Steps per season, 1 for none.

    Returns:
        Forecasts; axes: origins, horizon.

    Raises:
        ParameterError: If ``name`` is unknown, ``values`` has more than one axis, ``horizon`` or ``season``
            is below 1, or an origin lies outside the series.

    Example:
        >>> rolling("naive", [1.0, 2.0, 3.0], [1, 3], horizon=2).tolist()
        [[1.0, 1.0], [3.0, 3.0]]
    """
    series, rows = np.asarray(values, np.float64), np.asarray(origins, np.int64)
    _check(name, series, horizon, season)
    if rows.ndim != 1 or np.any(rows < 0) or np.any(rows > len(series)):
        raise ParameterError(
            f"origins must be a list of row counts from 0 to {len(series)}, the length of the series; "
            f"got {rows.tolist()!r:.60}."
        )
    order = np.argsort(rows, kind="stable")
    result = np.empty((len(rows), horizon))
    result[order] = ROLLING[name](series, rows[order], horizon, season)
    return result


def _check(name: str, series: Floats, horizon: int, season: int) -> None:
    if name not in BASELINES:
        raise ParameterError(
            f"There is no baseline {name!r}.{closest(name, list(BASELINES))} Known: {', '.join(BASELINES)}."
        )
    if series.ndim != 1:
        raise ParameterError(f"The history has shape {series.shape}; pass one series at a time, as one axis.")
    if horizon < 1:
        raise ParameterError(f"horizon is {horizon}; it must be at least 1. Pass --horizon 1 or more.")
    if season < 1:
        raise ParameterError(f"season is {season}; it must be at least 1. Pass --season 1 for no season.")


def _from_end(name: str, history: ArrayLike, horizon: int, season: int) -> Floats:
    """Forecast once, from the end: the same code as ``rolling``, so the two cannot drift apart."""
    series = np.asarray(history, np.float64)
    _check(name, series, horizon, season)
    return ROLLING[name](series, np.array([len(series)]), horizon, season)[0]


def _last_seen(series: Floats) -> Rows:
    """Return for each origin 0..n the last observed row before it, -1 for none; axes: origins."""
    seen = np.where(np.isnan(series), -1, np.arange(len(series)))
    return np.concatenate([[-1], np.maximum.accumulate(seen)])


def _take(series: Floats, rows: Rows) -> Floats:
    """Return the values of rows, NaN for row -1."""
    return np.concatenate([series, [np.nan]])[rows]


def _naive_rows(series: Floats, origins: Rows, horizon: int, season: int) -> Floats:
    last = _take(series, _last_seen(series)[origins])
    return np.repeat(last[:, None], horizon, axis=1)


def _seasonal_rows(series: Floats, origins: Rows, horizon: int, season: int) -> Floats:
    plain = _naive_rows(series, origins, horizon, season)
    padding = -len(series) % season
    table = np.concatenate([series, np.full(padding, np.nan)]).reshape(-1, season)
    # Row r of ``filled`` and its column hold the last observed value of that phase up to season r.
    rows = np.where(np.isnan(table), -1, np.arange(len(table))[:, None])
    rows = np.maximum.accumulate(rows, axis=0)
    steps = np.arange(horizon)
    target = origins[:, None] + steps
    back = season * (steps // season + 1)
    source = target - back
    found = np.full(target.shape, np.nan)
    usable = (source >= 0) & (origins[:, None] >= season)
    period, phase = source[usable] // season, source[usable] % season
    last = rows[period, phase]
    found[usable] = np.where(last >= 0, table[np.maximum(last, 0), phase], np.nan)
    return np.where(np.isnan(found), plain, found)


def _drift_rows(series: Floats, origins: Rows, horizon: int, season: int) -> Floats:
    last = _last_seen(series)[origins]
    seen = np.flatnonzero(~np.isnan(series))
    first = np.where(last >= 0, seen[0] if len(seen) else -1, -1)
    run = np.maximum(last - first, 1)
    slope = (_take(series, last) - _take(series, first)) / run
    ahead = origins[:, None] + np.arange(horizon) - last[:, None]
    return _take(series, last)[:, None] + slope[:, None] * ahead


def _mean_rows(series: Floats, origins: Rows, horizon: int, season: int) -> Floats:
    def one(span: Floats, steps: Rows) -> Floats:
        seen = span[~np.isnan(span)]
        # Around the first value, so that a constant comes back exactly.
        return np.full(horizon, span[0] + (seen - span[0]).mean())

    return _each(one, series, origins, horizon)


def _naive2_rows(series: Floats, origins: Rows, horizon: int, season: int) -> Floats:
    def one(span: Floats, steps: Rows) -> Floats:
        adjustment = adjust(span, season)
        return adjustment.restore(np.full(horizon, adjustment.remove(span)[-1]), steps)

    return _each(one, series, origins, horizon)


def _ses_rows(series: Floats, origins: Rows, horizon: int, season: int) -> Floats:
    result = _naive_rows(series, origins, horizon, season)
    start = _first_ready(series, origins)
    if start is None:
        return result
    observed = series[~np.isnan(series)]
    count = np.concatenate([[0], np.cumsum(~np.isnan(series))])[origins]
    levels = fit_simple(observed[: count[start]]).levels(observed[: count[-1]])
    result[start:] = levels[count[start:] - 1][:, None]
    return result


def _theta_rows(series: Floats, origins: Rows, horizon: int, season: int) -> Floats:
    weight: float | None = None

    def one(span: Floats, steps: Rows) -> Floats:
        nonlocal weight
        forecast, weight = theta_forecast(span, steps, season, weight)
        return forecast

    result = _naive_rows(series, origins, horizon, season)
    start = _first_ready(series, origins)
    if start is not None:
        result[start:] = _each(one, series, origins[start:], horizon)
    return result


def _holt_winters_rows(series: Floats, origins: Rows, horizon: int, season: int) -> Floats:
    result = _naive_rows(series, origins, horizon, season)
    start = _first_ready(series, origins)
    if start is None:
        return result
    first, span = _span(series, int(origins[start]))
    model = fit_holt_winters(span, season)
    stops, seen = (origins[start:] - first).tolist(), series[first:]
    for k, (stop, state) in enumerate(zip(stops, model.states(seen, stops), strict=True), start):
        if model.multiplicative and np.nanmin(seen[model.first : stop]) <= 0:
            # Factors mean nothing any more: fit anew from here on.
            result[k:] = _holt_winters_rows(series, origins[k:], horizon, season)
            break
        forecast = model.forecast(state, stop, horizon)
        result[k] = np.maximum(forecast, 0.0) if np.nanmin(seen[:stop]) >= 0 else forecast
    return result


ROLLING: dict[str, Callable[[Floats, Rows, int, int], Floats]] = {
    "naive": _naive_rows,
    "seasonal-naive": _seasonal_rows,
    "drift": _drift_rows,
    "mean": _mean_rows,
    "naive2": _naive2_rows,
    "ses": _ses_rows,
    "theta": _theta_rows,
    "holt-winters": _holt_winters_rows,
}


def _span(series: Floats, origin: int) -> tuple[int, Floats]:
    """Return the first observed row and the values from it to the last observed one before ``origin``."""
    seen = np.flatnonzero(~np.isnan(series[:origin]))
    if len(seen) == 0:
        return 0, series[:0]
    return int(seen[0]), series[seen[0] : seen[-1] + 1]


def _each(one: Callable[[Floats, Rows], Floats], series: Floats, origins: Rows, horizon: int) -> Floats:
    """Apply a method to the observed span before every origin; ``steps`` count from the span's first row."""
    result = np.full((len(origins), horizon), np.nan)
    for k, origin in enumerate(origins.tolist()):
        first, span = _span(series, origin)
        if len(span) > 0:
            result[k] = one(span, origin - first + np.arange(horizon))
    return result


def _first_ready(series: Floats, origins: Rows) -> int | None:
    """Return the index of the first origin whose history can be smoothed: long enough and not constant."""
    seen = np.flatnonzero(~np.isnan(series))
    different = np.flatnonzero(series[seen] != series[seen[:1]]) if len(seen) else seen
    if len(seen) < SHORTEST or len(different) == 0:
        return None
    needed = seen[max(SHORTEST - 1, int(different[0]))] + 1
    start = int(np.searchsorted(origins, needed))
    return start if start < len(origins) else None
