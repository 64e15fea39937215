"""Seasonal adjustment, simple exponential smoothing and the Theta method, on plain arrays.

Everything here works on a *span*: a history cut to run from its first to its last observed value, so neither
end is NaN, with at least ``SHORTEST`` observed values that are not all equal. ``baselines`` cuts and checks
it.

Every optimum is searched on a fixed lattice, not to machine precision. The forecasts of ``a * y + b`` are
then ``a * f + b`` up to rounding, which a continuous optimiser cannot promise where the criterion is flat.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LATTICE = 10_000
"""Smoothing weights are multiples of 1 / LATTICE inside (0, 1): the range of R's ``forecast::ses``."""

SHORTEST = 4
"""Observed values below which nothing is fitted."""

CRITICAL_90 = 1.645
"""Normal quantile of the 90 % seasonality test."""


@dataclass(frozen=True, eq=False)
class Adjustment:
    """A fixed seasonal figure: one number per phase, divided out or subtracted.

    Args:
        figure: Seasonal numbers, the first belonging to row 0; axes: phase.
        multiplicative: Whether they are factors with mean 1, rather than differences with mean 0.
    """

    figure: Floats
    multiplicative: bool

    def remove(self, values: Floats) -> Floats:
        """Return ``values`` (from row 0 on) without the season."""
        season = self._at(np.arange(len(values)))
        return values / season if self.multiplicative else values - season

    def restore(self, values: Floats, rows: NDArray[np.int64]) -> Floats:
        """Return ``values`` of those rows with the season put back."""
        return values * self._at(rows) if self.multiplicative else values + self._at(rows)

    def _at(self, rows: NDArray[np.int64]) -> Floats:
        return self.figure[rows % len(self.figure)]


NO_SEASON = Adjustment(np.zeros(1), multiplicative=False)


@dataclass(frozen=True)
class SimpleSmoothing:
    """A fitted simple exponential smoothing.

    Args:
        weight: Share of the newest value in the level, inside (0, 1).
        start: Level before row 0, in the unit of the data.
    """

    weight: float
    start: float

    def levels(self, observed: Floats) -> Floats:
        """Return the level after each observed value; each depends on that value and earlier ones only."""
        from scipy.signal import lfilter

        base = observed[0]
        level = lfilter([self.weight], [1.0, self.weight - 1.0], observed - base)
        memory = _powers(1.0 - self.weight, len(observed)) * (1.0 - self.weight)
        return base + np.asarray(level) + (self.start - base) * memory


def fit_simple(observed: Floats, weight: float | None = None) -> SimpleSmoothing:
    """Choose the starting level and, unless it is given, the weight by least squared one-step errors.

    Args:
        observed: Values without gaps, at least two; a missing step updates nothing, so leave gaps out.
        weight: A weight chosen before; None searches the lattice.

    Source: Hyndman et al. (2008), "Forecasting with Exponential Smoothing", sections 2.2 and 5.1;
        ``forecast::ses(initial="optimal")`` in R.
    Differs: the starting level is solved for in closed form (it enters the errors linearly) and the weight
        found on a lattice, coarse to fine, which reaches the global optimum up to 1e-4.
    """
    centred = observed - observed[0]
    if weight is None:
        weight = _search(lambda k: _start_and_error(centred, k / LATTICE)[1]) / LATTICE
    return SimpleSmoothing(weight, float(_start_and_error(centred, weight)[0] + observed[0]))


def adjust(span: Floats, season: int) -> Adjustment:
    """Return the seasonal figure if the span passes the 90 % seasonality test, else ``NO_SEASON``.

    Factors for a positive span, differences for any other. Fewer than three seasons count as no season.
    """
    if season < 2 or len(span) < 3 * season or not is_seasonal(span, season):
        return NO_SEASON
    return decompose(span, season, multiplicative=bool(np.nanmin(span) > 0))


def is_seasonal(span: Floats, season: int) -> bool:
    """Tell whether the autocorrelation at lag ``season`` differs from zero at 90 % (Bartlett's formula).

    Missing values count as the mean, which makes the test cautious.

    Source: the M4 benchmarks; Fiorucci et al. (2016), IJF 32(4), section 3.
    Differs: tests every season; R's ``acf`` stops at lag ``10 log10(n)``, and the M4 code then finds no
        season.
    """
    centred = np.nan_to_num(span - np.nanmean(span))
    size = 1 << (len(span) + season).bit_length()
    power = np.abs(np.fft.rfft(centred, size)) ** 2
    correlation = np.fft.irfft(power, size)[: season + 1]
    if correlation[0] <= 0:
        return False
    r = correlation[1:] / correlation[0]
    limit = CRITICAL_90 * np.sqrt((1 + 2 * np.sum(r[:-1] ** 2)) / np.count_nonzero(~np.isnan(span)))
    return bool(abs(r[-1]) > limit)


def decompose(span: Floats, season: int, multiplicative: bool) -> Adjustment:
    """Estimate the seasonal figure by classical decomposition: mean deviation from a centred moving average.

    The moving average runs over a linearly interpolated copy; only observed values enter the figure. A phase
    that was never observed is neutral.

    Args:
        span: At least two seasons, neither end missing.
        season: Steps per season, at least 2.
        multiplicative: Factors instead of differences; needs positive values.
    """
    rows = np.arange(len(span))
    seen = ~np.isnan(span)
    trend = _centred_average(np.interp(rows, rows[seen], span[seen]), season)
    around = span / trend if multiplicative else span - trend
    used = ~np.isnan(around)
    phases = rows[used] % season
    total = np.bincount(phases, weights=around[used], minlength=season)
    count = np.bincount(phases, minlength=season)
    figure = np.where(count > 0, total / np.maximum(count, 1), 1.0 if multiplicative else 0.0)
    figure = figure / figure.mean() if multiplicative else figure - figure.mean()
    return Adjustment(figure, multiplicative)


def theta_forecast(
    span: Floats, steps: NDArray[np.int64], season: int, weight: float | None
) -> tuple[Floats, float]:
    """Return the classical Theta forecast of some rows, and the smoothing weight used.

    Args:
        span: History from its first to its last observed value, at least ``SHORTEST`` of them.
        steps: Rows to forecast, counted as the rows of ``span`` and all after its end.
        season: Steps per season, 1 for none.
        weight: Smoothing weight chosen before; None searches it.
    """
    adjustment = adjust(span, season)
    level = adjustment.remove(span)
    rows = np.arange(len(span), dtype=np.float64)
    seen = ~np.isnan(span)
    intercept, slope = line(rows[seen], level[seen])
    curved = 2.0 * level[seen] - (intercept + slope * rows[seen])
    smooth = fit_simple(curved, weight)
    straight = intercept + slope * steps
    forecast = adjustment.restore(0.5 * straight + 0.5 * smooth.levels(curved)[-1], steps)
    # M4's rule "negative forecasts become zero", kept to data that are never negative themselves.
    return np.maximum(forecast, 0.0) if np.nanmin(span) >= 0 else forecast, smooth.weight


def line(x: Floats, y: Floats) -> tuple[float, float]:
    """Return intercept and slope by least squares; centring first keeps large offsets exact."""
    mean_x, base = x.mean(), y[0]
    mean_y = (y - base).mean()
    dx = x - mean_x
    slope = _dot(dx, y - base - mean_y) / _dot(dx, dx)
    return float(base + mean_y - slope * mean_x), float(slope)


def _centred_average(values: Floats, season: int) -> Floats:
    """Return the moving average over one season (2 x season for an even one), NaN near both ends."""
    sums = np.concatenate([[0.0], np.cumsum(values - values[0])])
    average = values[0] + (sums[season:] - sums[:-season]) / season
    if season % 2 == 0:
        average = (average[1:] + average[:-1]) / 2
    centred = np.full(len(values), np.nan)
    centred[season // 2 : season // 2 + len(average)] = average
    return centred


def _start_and_error(centred: Floats, weight: float) -> tuple[float, float]:
    """Return the best starting level for a weight and the sum of squared one-step errors it leaves."""
    from scipy.signal import lfilter

    level = np.asarray(lfilter([weight], [1.0, weight - 1.0], centred))
    error = centred.copy()
    error[1:] -= level[:-1]
    memory = _powers(1.0 - weight, len(centred))
    start = _dot(error, memory) / _dot(memory, memory)
    error -= start * memory
    return start, _dot(error, error)


def _dot(a: Floats, b: Floats) -> float:
    """Return the sum of products in NumPy's own order: BLAS would pick one by its number of threads."""
    return float(np.sum(a * b))


def _powers(base: float, count: int) -> Floats:
    return np.exp(np.log(base) * np.arange(count))


COARSE = (1, 2, 5, 10, 20, 50, 100, 200, 400, 700, *range(1000, LATTICE, 500), LATTICE - 1)


def _search(error) -> int:
    """Return the lattice point of least error: the best of ``COARSE``, then finer and finer around it."""
    points = np.array(COARSE)
    while True:
        best = int(np.argmin([error(int(k)) for k in points]))
        low, high = points[max(best - 1, 0)], points[min(best + 1, len(points) - 1)]
        if np.diff(points[max(best - 1, 0) : best + 2]).max() <= 1:
            return int(points[best])
        points = np.unique(np.linspace(low, high, 9).round().astype(np.int64))
