"""Whether a difference between methods is more than chance: bootstrap intervals and the Diebold-Mariano test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from forecast.errors import ParameterError

Floats = NDArray[np.float64]

REPLICATES = 2_000
LEVEL = 0.95
# Numbers of one block of replicates: keeps the memory of a bootstrap over many series small.
_BLOCK = 4_000_000


class DieboldMariano(NamedTuple):
    """Result of the test of equal accuracy.

    Args:
        statistic: Negative where the first method had the smaller losses.
        p_value: Two-sided; NaN where nothing can be said.
        n: Loss differences that were tested.
        lags: Autocovariances in the variance.
    """

    statistic: float
    p_value: float
    n: int
    lags: int


def diebold_mariano(first: ArrayLike, second: ArrayLike, *, lags: int = 0) -> DieboldMariano:
    """Test whether two methods have equal expected loss, with the correction for small samples.

    Args:
        first: Losses of a method at successive origins, in time order; NaN pairs are left out.
        second: Losses of the other at the same origins.
        lags: Autocovariances of the differences that are not zero: h - 1 for h-step forecasts from
            neighbouring origins, 0 where the forecast windows do not overlap.

    Returns:
        The test; fewer than three differences, or as many lags as differences, give NaN. Where the
        estimated variance is not positive, the one without autocovariances is used. Differences that are
        all equal give p = 1 if they are zero and 0 otherwise.

    Raises:
        ParameterError: The losses differ in shape, or ``lags`` is negative.

    Source: Diebold and Mariano (1995), "Comparing predictive accuracy", JBES 13(3); Harvey, Leybourne and Newbold
        (1997), "Testing the equality of prediction mean squared errors", IJF 13(2), for the correction and
        Student's t.

    Example:
        >>> found = diebold_mariano([1.0, 2.0, 1.5, 1.2, 1.9], [2.0, 2.5, 2.6, 2.0, 2.4])
        >>> round(found.statistic, 3), round(found.p_value, 4)
        (-6.285, 0.0033)
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ParameterError(f"Losses have shapes {a.shape} and {b.shape}; pass two lists of one length.")
    if lags < 0:
        raise ParameterError(f"lags is {lags}; it must be at least 0.")
    difference = (a - b)[~np.isnan(a - b)]
    n = len(difference)
    if n < 3 or lags >= n:
        return DieboldMariano(np.nan, np.nan, n, lags)
    mean, away = difference.mean(), difference - difference.mean()
    covariances = [float(away[k:] @ away[: n - k]) / n for k in range(lags + 1)]
    variance = covariances[0] + 2 * sum(covariances[1:])
    variance = variance if variance > 0 else covariances[0]
    if variance <= (8 * np.finfo(float).eps * max(abs(mean), 1e-300)) ** 2:
        return DieboldMariano(
            0.0 if mean == 0 else np.copysign(np.inf, mean), 1.0 if mean == 0 else 0.0, n, lags
        )
    ahead = lags + 1
    correction = np.sqrt((n + 1 - 2 * ahead + ahead * (ahead - 1) / n) / n)
    statistic = float(correction * mean / np.sqrt(variance / n))
    return DieboldMariano(statistic, float(2 * stats.t.sf(abs(statistic), n - 1)), n, lags)


@dataclass(frozen=True, eq=False)
class LossGrid:
    """Losses of one method, summed over the steps and targets of each window of each series.

    Args:
        sums: Sum of losses; axes: seeds, series, windows. NaN where a forecast is missing.
        counts: Number of losses behind each sum; axes: series, windows; 0 where nothing was observed.
    """

    sums: Floats
    counts: NDArray[np.int64]

    def mean(self) -> float:
        """Mean loss over all seeds, series, windows, steps and targets."""
        return float(np.mean(self.by_seed()))

    def by_seed(self) -> Floats:
        """Mean loss of each seed."""
        total = int(self.counts.sum())
        return self.sums.sum(axis=(1, 2)) / total if total else np.full(len(self.sums), np.nan)

    def by_window(self) -> Floats:
        """Mean loss of each window over seeds and series; NaN where nothing was observed."""
        return _ratio(self.sums.mean(axis=0).sum(axis=0), self.counts.sum(axis=0))

    def by_series(self) -> Floats:
        """Mean loss of each series over seeds and windows; NaN where nothing was observed."""
        return _ratio(self.sums.mean(axis=0).sum(axis=1), self.counts.sum(axis=1))


def bootstrap_means(
    grids: Mapping[str, LossGrid], *, replicates: int = REPLICATES, seed: int = 0
) -> dict[str, Floats]:
    """Draw series, windows and seeds anew, with replacement, and average the losses each time.

    All methods see the same draws of series and windows, so that their differences can be looked at. Series and
    windows are drawn independently of each other (a crossed bootstrap); an axis of length one is kept.

    Args:
        grids: By method, grids of the same series and windows.
        replicates: Number of draws.
        seed: Of the draws.

    Returns:
        By method, mean losses; axes: replicates. NaN where a draw holds no loss.

    Source: Owen (2007), "The pigeonhole bootstrap", Annals of Applied Statistics 1(2): with both axes drawn the
        variance is not underestimated.

    Example:
        >>> grid = LossGrid(np.array([[[1.0, 3.0]]]), np.array([[1, 1]]))
        >>> sorted({float(m) for m in bootstrap_means({"a": grid}, replicates=50)["a"]})
        [1.0, 2.0, 3.0]
    """
    series, windows = next(iter(grids.values())).counts.shape
    rng = np.random.default_rng(seed)
    means: dict[str, list[Floats]] = {name: [] for name in grids}
    block = max(_BLOCK // max(series, 1), 1)
    for begin in range(0, replicates, block):
        size = min(block, replicates - begin)
        by_series, by_window = _draws(rng, size, series), _draws(rng, size, windows)
        for name, grid in grids.items():
            counts = np.sum((by_series @ grid.counts) * by_window, axis=1)
            sums = np.stack([np.sum((by_series @ one) * by_window, axis=1) for one in grid.sums], axis=1)
            of_seeds = _draws(rng, size, len(grid.sums)) if len(grid.sums) > 1 else np.ones((size, 1))
            means[name].append(_ratio(np.sum(sums * of_seeds, axis=1) / len(grid.sums), counts))
    return {name: np.concatenate(parts) for name, parts in means.items()}


def interval(draws: ArrayLike, level: float = LEVEL) -> tuple[float, float]:
    """Return the central interval that holds a share ``level`` of the draws; NaN if they are all alike.

    Example:
        >>> interval(np.arange(101.0), 0.9)
        (5.0, 95.0)
        >>> interval([2.0, 2.0])
        (nan, nan)
    """
    drawn = np.asarray(draws, np.float64)
    drawn = drawn[~np.isnan(drawn)]
    if len(drawn) == 0 or drawn.min() == drawn.max():
        return np.nan, np.nan
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return round(float(low), 12), round(float(high), 12)


def _draws(rng: np.random.Generator, replicates: int, size: int) -> Floats:
    """How often each of ``size`` things is drawn in each replicate; axes: replicates, things."""
    if size == 1:
        return np.ones((replicates, 1))
    return rng.multinomial(size, np.full(size, 1.0 / size), replicates).astype(np.float64)


def _ratio(sums: Floats, counts: ArrayLike) -> Floats:
    n = np.asarray(counts, np.float64)
    return np.where(n > 0, sums / np.where(n > 0, n, 1.0), np.nan)
