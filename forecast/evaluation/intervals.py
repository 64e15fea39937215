"""Split conformal calibration: move quantile forecasts until they are right as often as they claim.

A model forecasts quantiles (or one point) for windows it was not trained on. How far the actuals then lay
above each base quantile, in units of the series' scale, are *scores*. The calibrated quantile q of a later
forecast is the base quantile plus the scale times the score of rank (n + 1) q among the n scores of that
step. If scores and the later error are exchangeable, an actual lies below the calibrated quantile with
probability q or a little more (q > 0.5), q or a little less (q < 0.5), whatever the model and the errors.

Each step ahead is calibrated on its own, and the scores of many series are pooled. Where it is told which windows
belong to which series, each series' intervals are then widened or narrowed as far as its own scores tell; see
``widths``. A level that n scores
cannot reach (rank 0 or n + 1) is NaN: no width is made up. ``ConformalShift.needed`` tells how many would do.

Source: Vovk, Gammerman and Shafer (2005), "Algorithmic Learning in a Random World"; Romano, Patterson and
    Candes (2019), "Conformalized quantile regression", NeurIPS, for base quantiles.
Differs: one-sided for each quantile instead of one symmetric width for each interval, so skewed errors give
    skewed intervals; the median is never moved.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forecast.errors import ParameterError
from forecast.evaluation.averaging import average, check_level, divisor, leveled, scale_like
from forecast.evaluation.metrics import counted, coverage, width
from forecast.evaluation.moves import Moves, sorted_around_gaps
from forecast.evaluation.ranks import MEDIAN, check_quantiles, conformal_rank, smallest_n
from forecast.evaluation.widths import Cases, Widths, fit_widths

Floats = NDArray[np.float64]

__all__ = [
    "MEDIAN",
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
        widths: Factors of each series; None for the pool alone.

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
    widths: Widths | None = None

    @classmethod
    def fit(
        cls,
        scores: ArrayLike,
        quantiles: Sequence[float],
        *,
        per_quantile: bool = False,
        cases: Cases | None = None,
    ) -> ConformalShift:
        """Learn the shifts from calibration scores.

        Args:
            scores: Output of ``conformal_scores``, windows of all series stacked on the first axis; NaN is
                not counted. Axes: windows, horizon[, targets][, quantiles].
            quantiles: Levels, ascending.
            per_quantile: Whether the last axis holds one score per quantile (the base forecast had
                quantiles); False means a point forecast, whose scores serve every level.
            cases: Whose windows they are, for widths of each series; None pools them.

        Raises:
            ParameterError: If the axes do not fit or the levels are not ascending inside (0, 1); with ``cases``
                also if these are of another length or the median is not among the levels.
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
        pooled = np.stack(shift, axis=-1)
        return cls(levels, pooled, counts, None if cases is None else fit_widths(s, pooled, levels, cases))

    def extended(self, horizon: int) -> ConformalShift:
        """Return the calibration of another number of steps; what was learned for the last step goes on."""
        steps = np.minimum(np.arange(horizon), len(self.shift) - 1)
        return replace(self, shift=self.shift[steps], counts=self.counts[steps])

    @property
    def unreachable(self) -> tuple[float, ...]:
        """Levels that cannot be reached at one step or more, for want of scores."""
        lost = np.isnan(self.shift)
        return tuple(q for k, q in enumerate(self.quantiles) if lost[..., k].any())

    @property
    def needed(self) -> int:
        """Smallest number of scores per step that reaches every level."""
        return max(smallest_n(q) for q in self.quantiles)

    def apply(
        self,
        quantile_forecasts: ArrayLike,
        scale: ArrayLike = 1.0,
        series: Sequence[Hashable] | None = None,
    ) -> Floats:
        """Calibrate quantile forecasts.

        Args:
            quantile_forecasts: Base quantiles; axes: ..., horizon[, targets], quantiles.
            scale: One number, or an array with the axes of ``quantile_forecasts`` less the last, of length 1
                where it repeats, such as (series, 1). Zero (constant history) moves nothing.
            series: Id of the series of each entry of the first axis, for its own widths; one that the calibration
                did not know, and None, get those of the pool.

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
        return self.ready(base.shape, scale, series)(base)

    def ready(
        self, shape: tuple[int, ...], scale: ArrayLike = 1.0, series: Sequence[Hashable] | None = None
    ) -> Moves:
        """Return the calibration of some series, to be applied to many forecasts of theirs.

        Args:
            shape: Of base quantiles; scale and series as in ``apply``.
            scale: As there.
            series: As there.
        """
        middle = self.quantiles.index(MEDIAN) if MEDIAN in self.quantiles else None
        wider = None
        if self.widths is not None and series is not None and middle is not None:
            wider = self._factors(series, shape) - 1.0
        return Moves(self.shift * scale_like(scale, shape[:-1])[..., None], wider, middle)

    def apply_point(
        self, forecast: ArrayLike, scale: ArrayLike = 1.0, series: Sequence[Hashable] | None = None
    ) -> Floats:
        """Turn point forecasts (axes: ..., horizon[, targets]) into calibrated quantiles, a new last axis."""
        point = np.asarray(forecast, np.float64)
        return self.apply(np.repeat(point[..., None], len(self.quantiles), axis=-1), scale, series)

    def relative(self, scores: ArrayLike, series: Sequence[Hashable]) -> Floats:
        """Return scores as they would be if the series had the pool's widths.

        Such a score is at most ``shift`` where the actual is at most the quantile that ``apply`` gives the series
        (before sorting), so that pool and series are judged, and adapted, on one scale.

        Args:
            scores: ``conformal_scores``; axes: windows, horizon[, targets], quantiles, or without the last for a
                point forecast, in which case it is added.
            series: Id of each window's series.
        """
        s = np.asarray(scores, np.float64)
        s = np.repeat(s[..., None], len(self.quantiles), axis=-1) if s.ndim == self.shift.ndim else s
        if self.widths is None:
            return s
        k = self.quantiles.index(MEDIAN)
        return s + s[..., k : k + 1] * (1.0 / self._factors(series, s.shape) - 1.0)

    def _factors(self, series: Sequence[Hashable], shape: tuple[int, ...]) -> Floats:
        """Return the factors of each entry of the first axis, with an axis for the horizon."""
        factors = np.ones((1,) * (len(shape) - 1)) if self.widths is None else self.widths.of(series)
        if len(series) != shape[0] or len(shape) != factors.ndim + 1:
            raise ParameterError(
                f"series names {len(series)} series for values of shape {shape}; expected one for each entry "
                "of the first axis, then the steps and quantiles of the calibration."
            )
        return factors[:, None]


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


def _ranked(ordered: Floats, counts: NDArray[np.int64], quantile: float) -> Floats:
    """Return the score of the conformal rank; 0 for the median, NaN where there is no such rank."""
    if quantile == MEDIAN:
        return np.zeros(ordered.shape[1:])
    if len(ordered) == 0:
        return np.full(ordered.shape[1:], np.nan)
    rank = conformal_rank(counts, quantile)
    picked = np.take_along_axis(ordered, np.clip(rank - 1, 0, len(ordered) - 1)[None], axis=0)[0]
    return np.where((rank >= 1) & (rank <= counts), picked, np.nan)
