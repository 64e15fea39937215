"""Split conformal calibration: move quantile forecasts until they are right as often as they claim.

A model forecasts quantiles (or one point) for windows it was not trained on. How far the actuals then lay
above each base quantile, in units of the series' scale, are *scores*. The calibrated quantile q of a later
forecast is the base quantile plus the scale times the score of rank (n + 1) q among the n scores of that
step. If scores and the later error are exchangeable, an actual lies below the calibrated quantile with
probability q or a little more (q > 0.5), q or a little less (q < 0.5), whatever the model and the errors.

Each step ahead is calibrated on its own, and the scores of many series are pooled. A level that n scores
cannot reach (rank 0 or n + 1) is NaN: no width is made up. ``ConformalShift.needed`` tells how many would do.

Source: Vovk, Gammerman and Shafer (2005), "Algorithmic Learning in a Random World"; Romano, Patterson and
    Candes (2019), "Conformalized quantile regression", NeurIPS, for base quantiles.
Differs: one-sided for each quantile instead of one symmetric width for each interval, so skewed errors give
    skewed intervals; the median is never moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forecast.errors import ParameterError
from forecast.evaluation.averaging import average, check_level, divisor, leveled, scale_like
from forecast.evaluation.metrics import counted, coverage, width

Floats = NDArray[np.float64]

__all__ = [
    "ConformalShift",
    "CoverageTable",
    "Reliability",
    "check_quantiles",
    "conformal_rank",
    "conformal_scores",
    "coverage_table",
    "reliability",
    "smallest_n",
    "sorted_around_gaps",
]

MEDIAN = 0.5

ROUNDING = 1e-9
"""Slack for (n + 1) q: 20 * 0.55 is 11.000000000000002 in binary, and its ceiling must be 11."""


def check_quantiles(quantiles: Sequence[float]) -> tuple[float, ...]:
    """Return the levels as a tuple of floats if they ascend and lie inside (0, 1).

    Raises:
        ParameterError: If there is none, one lies outside (0, 1), or they do not ascend strictly.

    Example:
        >>> check_quantiles([0.1, 0.5, 0.9])
        (0.1, 0.5, 0.9)
    """
    levels = tuple(float(q) for q in quantiles)
    inside = all(0.0 < q < 1.0 for q in levels)
    if not levels or not inside or any(a >= b for a, b in pairwise(levels)):
        raise ParameterError(
            f"quantiles are {levels}; they must ascend between 0 and 1. Pass --quantiles 0.1,0.5,0.9."
        )
    return levels


def conformal_rank(n: ArrayLike, quantile: float) -> Any:
    """Return which of n scores in ascending order, counted from 1, is the calibrated quantile.

    ``ceil((n + 1) q)`` for q of 0.5 and above, ``floor((n + 1) q)`` below: both err on the wide side. A rank
    of 0 or n + 1 means that n scores cannot reach the level.

    Args:
        n: Number of scores, one or an array of them.
        quantile: Level inside (0, 1).

    Example:
        >>> conformal_rank(19, 0.95), conformal_rank(19, 0.05), conformal_rank(18, 0.95)
        (19, 1, 19)
    """
    (q,) = check_quantiles([quantile])
    position = (np.asarray(n) + 1) * q
    rank = np.ceil(position - ROUNDING) if q >= MEDIAN else np.floor(position + ROUNDING)
    rank = np.asarray(rank).astype(np.int64)
    return int(rank) if rank.ndim == 0 else rank


def smallest_n(quantile: float) -> int:
    """Return the smallest number of scores that reach a level; the median needs none.

    Example:
        >>> smallest_n(0.9), smallest_n(0.025), smallest_n(0.5)
        (9, 39, 0)
    """
    (q,) = check_quantiles([quantile])
    tail = min(q, 1.0 - q)
    return 0 if q == MEDIAN else int(np.ceil((1.0 - tail) / tail - ROUNDING))


def conformal_scores(actual: ArrayLike, forecast: ArrayLike, scale: ArrayLike = 1.0) -> Floats:
    """Return ``(actual - forecast) / scale``: errors of past forecasts in units of their series' scale.

    Args:
        actual: Observed values, NaN where missing; axes: windows, horizon[, targets].
        forecast: Point forecasts of that shape, or quantile forecasts with quantiles as one more, last axis.
        scale: One number, or an array with the axes of ``actual``, of length 1 where it repeats, such as
            (windows, 1). Where it is zero (constant history) the scores are NaN: nothing to learn from.

    Returns:
        Scores in the shape of ``forecast``; NaN scores are not counted in the calibration.

    Raises:
        ParameterError: If the shapes do not fit.

    Example:
        >>> conformal_scores([[3.0, 5.0]], [[1.0, 6.0]], scale=2.0).tolist()
        [[1.0, -0.5]]
    """
    y, f = np.asarray(actual, np.float64), np.asarray(forecast, np.float64)
    if f.shape[: y.ndim] != y.shape or f.ndim > y.ndim + 1:
        raise ParameterError(
            f"forecast has shape {f.shape}, actual {y.shape}; they must be equal, except for one more axis "
            "of quantiles at the end of forecast."
        )
    by = np.broadcast_to(divisor(scale, y), y.shape)
    if f.ndim > y.ndim:
        y, by = y[..., None], by[..., None]
    return (y - f) / by


@dataclass(frozen=True, eq=False)
class ConformalShift:
    """How far to move each base quantile, in units of the series' scale; learned by ``fit``.

    Args:
        quantiles: Levels, ascending.
        shift: NaN where the level cannot be reached; axes: horizon[, targets], quantiles.
        counts: Scores behind each shift; axes as ``shift``.

    Example:
        >>> scores = np.arange(-9.0, 10.0)[:, None]  # 19 windows, horizon 1
        >>> learned = ConformalShift.fit(scores, (0.05, 0.5, 0.95))
        >>> learned.shift.tolist()
        [[-9.0, 0.0, 9.0]]
        >>> learned.apply_point([[100.0]], scale=2.0).tolist()
        [[[82.0, 100.0, 118.0]]]
    """

    quantiles: tuple[float, ...]
    shift: Floats
    counts: NDArray[np.int64]

    @classmethod
    def fit(
        cls, scores: ArrayLike, quantiles: Sequence[float], *, per_quantile: bool = False
    ) -> ConformalShift:
        """Learn the shifts from calibration scores.

        Args:
            scores: Output of ``conformal_scores``, windows of all series stacked on the first axis; NaN is
                not counted. Axes: windows, horizon[, targets][, quantiles].
            quantiles: Levels, ascending.
            per_quantile: Whether the last axis holds one score per quantile (the base forecast had
                quantiles); False means a point forecast, whose scores serve every level.

        Raises:
            ParameterError: If the axes do not fit or the levels are not ascending inside (0, 1).
        """
        levels = check_quantiles(quantiles)
        s = np.asarray(scores, np.float64)
        wrong_axes = s.ndim not in ((3, 4) if per_quantile else (2, 3))
        if wrong_axes or (per_quantile and s.shape[-1] != len(levels)):
            raise ParameterError(
                f"scores have shape {s.shape}; expected windows, horizon and optionally targets"
                + (
                    f", then {len(levels)} quantiles."
                    if per_quantile
                    else "; pass per_quantile=True for more."
                )
            )
        if not per_quantile:
            s = np.repeat(s[..., None], len(levels), axis=-1)
        counts = np.sum(~np.isnan(s), axis=0)
        ordered = np.sort(s, axis=0)  # NaN last
        shift = [_ranked(ordered[..., k], counts[..., k], q) for k, q in enumerate(levels)]
        return cls(levels, np.stack(shift, axis=-1), counts)

    @property
    def unreachable(self) -> tuple[float, ...]:
        """Levels that cannot be reached at one step or more, for want of scores."""
        lost = np.isnan(self.shift)
        return tuple(q for k, q in enumerate(self.quantiles) if lost[..., k].any())

    @property
    def needed(self) -> int:
        """Smallest number of scores per step that reaches every level."""
        return max(smallest_n(q) for q in self.quantiles)

    def apply(self, quantile_forecasts: ArrayLike, scale: ArrayLike = 1.0) -> Floats:
        """Calibrate quantile forecasts.

        Args:
            quantile_forecasts: Base quantiles; axes: ..., horizon[, targets], quantiles.
            scale: One number, or an array with the axes of ``quantile_forecasts`` less the last, of length 1
                where it repeats, such as (series, 1). Zero (constant history) moves nothing.

        Returns:
            Calibrated quantiles in the same shape. They never cross: where the median is among them it stays
            at its base value, lower levels are at most and upper ones at least the median, and all are
            sorted. Levels out of reach are NaN. A median outside the calibrated interval (a strongly biased
            forecast) widens it, so that more actuals lie inside than claimed, not fewer.

        Raises:
            ParameterError: If the shapes do not fit.
        """
        base = np.asarray(quantile_forecasts, np.float64)
        if base.shape[-self.shift.ndim :] != self.shift.shape:
            raise ParameterError(
                f"quantile forecasts have shape {base.shape}; they must end in {self.shift.shape}, the steps "
                "and quantiles of the calibration."
            )
        moved = base + self.shift * scale_like(scale, base.shape[:-1])[..., None]
        if MEDIAN in self.quantiles:
            k = self.quantiles.index(MEDIAN)
            median = moved[..., k : k + 1]
            moved[..., :k] = np.minimum(moved[..., :k], median)
            moved[..., k + 1 :] = np.maximum(moved[..., k + 1 :], median)
        return sorted_around_gaps(moved)

    def apply_point(self, forecast: ArrayLike, scale: ArrayLike = 1.0) -> Floats:
        """Turn point forecasts (axes: ..., horizon[, targets]) into calibrated quantiles, a new last axis."""
        point = np.asarray(forecast, np.float64)
        return self.apply(np.repeat(point[..., None], len(self.quantiles), axis=-1), scale)


@dataclass(frozen=True, eq=False)
class CoverageTable:
    """What intervals reached, for each step ahead and overall.

    Args:
        step: 1, 2 and so on; axes: horizon.
        coverage: Share of actuals inside, 0 to 1; axes: horizon.
        width: Mean width in the unit of the data; axes: horizon.
        counted: Actuals that count (not NaN); axes: horizon.
        overall: Share inside over all steps together.
    """

    step: NDArray[np.int64]
    coverage: Floats
    width: Floats
    counted: NDArray[np.int64]
    overall: float


def coverage_table(actual: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> CoverageTable:
    """Measure how often intervals held, for each step ahead and overall; see ``metrics.coverage``.

    Args:
        actual: Observed values, NaN where missing; axes: windows, horizon[, targets].
        lower: Lower ends, in the same shape.
        upper: Upper ends, in the same shape.

    Raises:
        ParameterError: If the shapes differ or have no horizon axis.

    Example:
        >>> table = coverage_table([[1.0, 2.0], [3.0, 9.0]], np.zeros((2, 2)), np.full((2, 2), 4.0))
        >>> table.coverage.tolist(), table.overall
        ([1.0, 0.5], 0.75)
    """
    y = np.asarray(actual, np.float64)
    if y.ndim < 2:
        raise ParameterError(f"actual has shape {y.shape}; expected windows, horizon and optionally targets.")
    others = tuple(k for k in range(y.ndim) if k != 1)
    return CoverageTable(
        step=np.arange(1, y.shape[1] + 1),
        coverage=coverage(y, lower, upper, axis=others),
        width=width(lower, upper, axis=others),
        counted=counted(y, axis=others),
        overall=coverage(y, lower, upper),
    )


@dataclass(frozen=True, eq=False)
class Reliability:
    """How often actuals lay at or below each quantile, beside how often they should.

    Args:
        quantile: Levels: the share there should be; axes: quantiles.
        observed: Share of actuals at or below the forecast, NaN where one is missing; axes: quantiles.
        band: Half-width of the band around ``quantile`` that chance alone explains; axes: quantiles.
        counted: Actuals that count (not NaN).
        confidence: Of the band.
    """

    quantile: Floats
    observed: Floats
    band: Floats
    counted: int
    confidence: float


def reliability(
    actual: ArrayLike,
    forecasts: ArrayLike,
    quantiles: Sequence[float],
    *,
    confidence: float = 0.95,
    effective: float | None = None,
) -> Reliability:
    """Measure how often actuals lay at or below each quantile forecast: the points of a reliability plot.

    A forecast that is right about level q has ``observed`` within ``q ± band`` with the given confidence, each
    level taken alone: ``z sqrt(q (1 - q) / effective)``, the normal approximation of the binomial band.

    Args:
        actual: Observed values, NaN where missing; any shape.
        forecasts: Quantile forecasts in that shape plus a last axis of quantiles. A missing forecast of an
            actual that exists makes its level NaN, as in ``metrics``.
        quantiles: The levels of that last axis, each inside (0, 1).
        confidence: Of the band, inside (0, 1).
        effective: Number of independent cases. By default every counted actual is one, which makes the band
            too narrow for overlapping windows and for the steps of one window, whose errors go together;
            the number of windows that do not overlap is a safe choice.

    Raises:
        ParameterError: If the shapes do not fit, or a level, ``confidence`` or ``effective`` is out of range.

    Example:
        >>> found = reliability([1.0, 2.0, 3.0, 4.0], [[0.0, 5.0]] * 3 + [[4.0, 5.0]], (0.25, 0.9))
        >>> found.observed.tolist(), found.counted, found.band.round(3).tolist()
        ([0.25, 1.0], 4, [0.424, 0.294])
    """
    y, f, levels = leveled(actual, forecasts, quantiles)
    if effective is not None and not effective > 0:
        raise ParameterError(f"effective is {effective}; it must be a number of cases above 0.")
    z = NormalDist().inv_cdf((1.0 + check_level(confidence, "confidence")) / 2.0)
    hits = np.where(np.isnan(f), np.nan, y[..., None] <= f)
    observed = [average(hits[..., k], y, None) for k in range(len(levels))]
    seen, q = counted(y), np.array(levels)
    cases = seen if effective is None else effective
    band = z * np.sqrt(q * (1.0 - q) / cases) if cases else np.full(len(q), np.nan)
    return Reliability(q, np.array(observed), band, seen, confidence)


def sorted_around_gaps(values: Floats) -> Floats:
    """Sort the last axis, every NaN staying where it is.

    Example:
        >>> sorted_around_gaps(np.array([3.0, np.nan, 1.0])).tolist()
        [1.0, nan, 3.0]
    """
    gap = np.isnan(values)
    ordered = np.sort(values, axis=-1)  # NaN last
    place = np.maximum(np.cumsum(~gap, axis=-1) - 1, 0)
    return np.where(gap, np.nan, np.take_along_axis(ordered, place, axis=-1))


def _ranked(ordered: Floats, counts: NDArray[np.int64], quantile: float) -> Floats:
    """Return the score of the conformal rank; 0 for the median, NaN where there is no such rank."""
    if quantile == MEDIAN:
        return np.zeros(ordered.shape[1:])
    if len(ordered) == 0:
        return np.full(ordered.shape[1:], np.nan)
    rank = conformal_rank(counts, quantile)
    picked = np.take_along_axis(ordered, np.clip(rank - 1, 0, len(ordered) - 1)[None], axis=0)[0]
    return np.where((rank >= 1) & (rank <= counts), picked, np.nan)
