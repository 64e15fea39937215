"""Widths of each series, shrunk towards the pool: wide intervals where a series errs more than others.

The scores of a calibration are pooled over series. A series whose errors are larger in units of its scale is then
covered too seldom, one whose errors are smaller too often. So each side of each interval, the distance of a
calibrated quantile from the median, is multiplied by a factor of the series. Its own factor is the conformal
quantile of ``(actual - median) / distance`` over its calibration windows, all steps together, since one series has
few windows. The factor used is

    1 + n / (n + 20) * (own - 1)

with n its number of independent scores. Steps of one window and overlapping windows go together, so n counts
stretches, not scores: the distinct rows behind the scores, divided by the rows of a season (of the horizon, where
that is shorter or there is no season). Over weights that were fixed beforehand, a mixture of two thresholds covers
at least the mixture of their coverages wherever the errors' density falls outwards, so that shrinking loses no
coverage; ``tests/evaluation/test_intervals.py`` measures it.

Source: The weight n / (n + 20) is that of an empirical Bayes mean whose prior is worth 20 scores.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.data.windows import Windows
from forecast.errors import ParameterError
from forecast.evaluation.ranks import MEDIAN, conformal_rank

Floats = NDArray[np.float64]

PRIOR = 20
"""Scores that the pool is worth against those of a series."""

LARGEST = 1e6
"""No factor exceeds it: a pooled distance of almost zero would give one that overflows."""


@dataclass(frozen=True, eq=False)
class Cases:
    """Whose windows the scores are, and where they stand.

    Args:
        series: Id of the series of each window; length: windows.
        origins: Row of each window's first step, counted alike within a series; axes: windows.
        stretch: Rows that count as one independent score.
    """

    series: Sequence[Hashable]
    origins: NDArray[np.int64]
    stretch: int = 1


@dataclass(frozen=True, eq=False)
class Widths:
    """Factors of the distances between calibrated quantiles and the median.

    Args:
        ids: Of the series.
        factors: float32, above zero, 1 for the median; axes: series[, targets], quantiles.

    Example:
        >>> widths = Widths(("quiet", "loud"), np.array([[0.5, 1, 0.5], [2, 1, 2]], np.float32))
        >>> widths.of(["loud", "new"]).tolist()
        [[2.0, 1.0, 2.0], [1.0, 1.0, 1.0]]
    """

    ids: tuple[Hashable, ...]
    factors: NDArray[np.float32]

    def of(self, series: Sequence[Hashable]) -> Floats:
        """Return the factors of these series, 1 for one that is not known; axes: series[, targets], quantiles."""
        place = {name: k for k, name in enumerate(self.ids)}
        padded = np.concatenate([self.factors, np.ones((1, *self.factors.shape[1:]))]).astype(np.float64)
        return padded[[place.get(name, len(self.ids)) for name in series]]


def series_of(windows: Windows) -> list[Hashable]:
    """Return the id of every window's series."""
    return [windows.panel.ids[i] for i in windows.series]


def cases_of(parts: Sequence[Windows], season: int) -> Cases:
    """Return whose windows these are, one part behind the other, and which rows count once.

    Args:
        parts: Windows of one horizon over one panel.
        season: Rows of a season, 1 for none.
    """
    series = [name for windows in parts for name in series_of(windows)]
    horizon = parts[0].horizon if parts else 1
    stretch = season if 1 < season < horizon else horizon
    return Cases(series, np.concatenate([windows.origins for windows in parts]), stretch)


def weight_of(n: NDArray | float) -> Floats:
    """Return how much a series' own factor counts: ``n / (n + 20)``.

    Example:
        >>> weight_of(np.array([0, 20, 180])).tolist()
        [0.0, 0.5, 0.9]
    """
    return np.asarray(n, np.float64) / (np.asarray(n, np.float64) + PRIOR)


def fit_widths(scores: Floats, shift: Floats, quantiles: tuple[float, ...], cases: Cases) -> Widths | None:
    """Learn the factors from the scores that the pooled shift was learnt from.

    A level that the scores of a series cannot reach takes their largest ratio where that is above 1, and else the
    pool's width: few scores can show that a series errs more than others, not that it errs less.

    Args:
        scores: Of every quantile; axes: windows, horizon[, targets], quantiles. NaN is not counted.
        shift: Pooled; axes: horizon[, targets], quantiles.
        quantiles: Levels of the last axis, the median among them.
        cases: Whose windows they are.

    Returns:
        The factors; None where there are fewer than two series, whose pool is their own, or only the median.

    Raises:
        ParameterError: The median is not among the levels, or ``cases`` is of another length than ``scores``.
    """
    if len(cases.series) != len(scores) or len(cases.origins) != len(scores):
        raise ParameterError(
            f"cases name the series of {len(cases.series)} windows and the origins of {len(cases.origins)}; there are "
            f"scores of {len(scores)} windows."
        )
    if MEDIAN not in quantiles:
        raise ParameterError("Widths are distances from the median: put 0.5 among the quantiles.")
    ids = tuple(dict.fromkeys(cases.series))
    if len(ids) < 2 or len(quantiles) < 2:
        return None
    place = {name: k for k, name in enumerate(ids)}
    label = np.array([place[name] for name in cases.series])
    middle = quantiles.index(MEDIAN)
    flat = scores.reshape(*scores.shape[:2], -1, len(quantiles))
    moves = shift.reshape(len(shift), -1, len(quantiles))
    factors = np.ones((len(ids), flat.shape[2], len(quantiles)))
    for j in range(flat.shape[2]):
        error = flat[:, :, j, middle]
        weight = weight_of(_stretches(error, label, len(ids), cases))
        for k, q in enumerate(quantiles):
            if k != middle:
                ratio = _ratios(error, flat[:, :, j, k], moves[:, j, k], q)
                own = _own(ratio, label, len(ids), max(q, 1.0 - q))
                factors[:, j, k] = 1.0 + weight * (own - 1.0)
    return Widths(ids, factors.reshape(len(ids), *scores.shape[2:]).astype(np.float32))


def _ratios(error: Floats, score: Floats, move: Floats, quantile: float) -> Floats:
    """Return errors in units of the calibrated distance, above 1 where it was passed; axes: windows, horizon.

    A distance of zero, or on the wrong side of the median, is no unit: NaN.
    """
    distance = error - score + move
    usable = distance * (quantile - MEDIAN) > 0
    with np.errstate(over="ignore"):
        return np.where(usable, error / np.where(usable, distance, 1.0), np.nan)


def _own(ratio: Floats, label: NDArray, series: int, level: float) -> Floats:
    """Return the conformal quantile of each series' ratios, 1 for a series without any; axes: series."""
    names = np.repeat(label, ratio.shape[1])
    seen = ~np.isnan(ratio.ravel())
    names, values = names[seen], np.clip(ratio.ravel()[seen], 0.0, LARGEST)
    ordered = np.append(values[np.lexsort((values, names))], 1.0)
    counts = np.bincount(names, minlength=series)
    rank = conformal_rank(counts, level)
    # Where there are no ratios the place is that of a neighbour, or of the 1 at the end; it is not used.
    found = ordered[np.cumsum(counts) - counts + np.maximum(np.minimum(rank, counts) - 1, 0)]
    found = np.where(rank > counts, np.maximum(found, 1.0), found)
    return np.where(counts > 0, found, 1.0)


def _stretches(error: Floats, label: NDArray, series: int, cases: Cases) -> Floats:
    """Count the distinct rows behind each series' scores, in stretches; axes: series."""
    rows = np.asarray(cases.origins)[:, None] + np.arange(error.shape[1])
    seen = ~np.isnan(error)
    span = int(rows.max(initial=0)) + 1
    distinct = np.unique((label[:, None] * span + rows)[seen])
    return np.bincount(distinct // span, minlength=series) / cases.stretch
