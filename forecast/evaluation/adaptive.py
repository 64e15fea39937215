"""Online conformal adaptation: intervals that go on to hold when the errors change after the calibration.

Each quantile's shift is tracked: whenever a score becomes known, the shift of its step and level moves by

    rate * unit * (q - [score <= shift that was used])

a little up when the actual lay above the quantile, much down when it lay below (for q = 0.9), so that it
comes to rest only where the share below is q. Summed up, the moves say how far the share realised may be from
q after T windows, whatever the errors do: the distance the shift has gone, divided by ``rate * unit * T``.

The delay is respected: step h of a window is known h rows after its origin, and the shift used for a window is
the one known at its origin. Windows of several series that share a time move the shift once, by their mean.

Source: Gibbs and Candès (2021), "Adaptive conformal inference under distribution shift", NeurIPS; Angelopoulos,
    Candès and Tibshirani (2023), "Conformal PID control for time series prediction", NeurIPS (quantile
    tracking, its P part).
Differs: adaptive conformal inference moves the level at which past scores are read, so that the level may leave
    (0, 1) and the interval become empty or infinite; here the shift itself moves and no past scores are kept.
    Conformal PID control adds an integrator and a forecaster of scores and scales its rate by the largest recent
    score; here the unit is fixed, and the rate is bounded by the delay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forecast.errors import ParameterError
from forecast.evaluation.averaging import Floats
from forecast.evaluation.intervals import MEDIAN, ConformalShift

__all__ = ["RATE", "Adaptation", "adapted", "typical_score"]

RATE = 0.05
"""Moves in units of a typical score: noise of twice the size is followed within some hundred windows."""

NORMAL_QUARTILES = 1.3489795003921634
"""Distance of the quartiles of a normal distribution, in standard deviations."""


@dataclass(frozen=True, eq=False)
class Adaptation:
    """What ``adapted`` did.

    Args:
        shift: After all scores: for forecasts that are made now.
        times: Distinct times of the windows, ascending; axes: times.
        used: The shift known at each of them, which the realised shares are measured with; axes: times,
            horizon[, targets], quantiles.
        below: Share of scores at or below the shift used, to be set beside the levels; NaN where there is
            none; axes: horizon[, targets], quantiles.
        counts: Scores behind each share; axes as ``below``.
    """

    shift: ConformalShift
    times: NDArray[np.int64]
    used: Floats
    below: Floats
    counts: NDArray[np.int64]

    def coverage(self, lower: float, upper: float) -> Floats:
        """Return the share that lay between two levels while adapting; axes: horizon[, targets].

        Raises:
            ParameterError: If a level is not among those of the shift.
        """
        for level in (lower, upper):
            if level not in self.shift.quantiles:
                raise ParameterError(
                    f"there is no quantile {level}; the shift has {', '.join(map(str, self.shift.quantiles))}."
                )
        places = [self.shift.quantiles.index(level) for level in (lower, upper)]
        return self.below[..., places[1]] - self.below[..., places[0]]


def adapted(
    shift: ConformalShift,
    scores: ArrayLike,
    *,
    times: ArrayLike | None = None,
    rate: float = RATE,
    unit: ArrayLike = 1.0,
) -> Adaptation:
    """Go through new scores in the order in which they became known, and let the shift follow.

    The median never moves, and a missing score moves nothing. A level that the calibration could not reach
    (NaN) stays out of reach: a start for it would be made up; calibrate anew on more windows instead.

    Args:
        shift: The calibration to start from.
        scores: ``conformal_scores`` of the base forecasts (not of calibrated ones) for windows after the
            calibration; axes: windows, horizon[, targets], quantiles, or without the last for a point
            forecast. A score that is not known yet, or that an earlier call has used, is NaN.
        times: Origin of each window: the row its step 1 stands in, counted on one clock for all series; whole
            numbers. Default: consecutive windows of one series, 0, 1, 2 …
        rate: Size of a move in units, inside (0, 1). Step h moves by no more than 1 / h: it sees what a move
            has done only h rows later, and larger ones make it swing.
        unit: A typical score: a number, or one for each step and target (axes: horizon[, targets]); see
            ``typical_score``. Scores are errors in units of the series' scale, so 1 is a typical error one
            season ahead.

    Raises:
        ParameterError: If the axes do not fit, times are not whole numbers, or rate or unit are out of range.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> static = ConformalShift.fit(rng.normal(size=(999, 1)), (0.1, 0.9))
        >>> later = 2 * rng.normal(size=(4000, 1))  # the errors have doubled
        >>> found = adapted(static, later)
        >>> bool(np.mean(np.abs(later) < static.shift[0, 1]) < 0.5), found.coverage(0.1, 0.9).round(2).tolist()
        (True, [0.79])
    """
    s, when = _checked(shift, scores, times)
    if not 0.0 < rate < 1.0:
        raise ParameterError(f"rate is {rate}; it must lie between 0 and 1, such as {RATE}.")
    steps = np.arange(s.shape[1])
    speed = _like_steps(np.minimum(rate, 1.0 / (steps + 1)), shift.shift.ndim) * _checked_unit(unit, shift)
    slots, which = np.unique(when, return_inverse=True)
    order = np.argsort(which, kind="stable")
    bounds = np.searchsorted(which[order], np.arange(len(slots) + 1))
    # How many slots had their step h known at each slot: those of h rows before and earlier.
    known = np.searchsorted(slots, slots[:, None] - steps - 1, side="right")
    pulls, used = np.zeros((len(slots) + 1, *shift.shift.shape)), np.empty((len(slots), *shift.shift.shape))
    hits, counts = np.zeros(shift.shift.shape), np.zeros(shift.shift.shape, np.int64)
    for i in range(len(slots)):
        used[i] = shift.shift + speed * pulls[known[i], steps]
        group = s[order[bounds[i] : bounds[i + 1]]]
        seen, inside = np.sum(~np.isnan(group), axis=0), np.sum(group <= used[i], axis=0)
        pulls[i + 1] = pulls[i] + _pull(seen, inside, shift.quantiles)
        hits, counts = hits + inside, counts + seen
    moved = replace(shift, shift=shift.shift + speed * pulls[-1], counts=shift.counts + counts)
    below = np.where((counts > 0) & ~np.isnan(shift.shift), hits / np.maximum(counts, 1), np.nan)
    return Adaptation(moved, slots, used, below, counts)


def typical_score(scores: ArrayLike) -> Floats:
    """Return the spread of calibration scores at each step: what ``adapted`` takes as its unit.

    The distance of the quartiles, as standard deviations of a normal distribution, so that a few wild scores
    do not matter; 1 where it is zero or there are no scores.

    Args:
        scores: Of the point or median forecast, such as the template of ``paths``; axes: windows,
            horizon[, targets]. NaN is not counted.

    Example:
        >>> typical_score(np.arange(-50.0, 51.0)[:, None] * [1.0, 3.0]).round(1).tolist()
        [37.1, 111.2]
    """
    ordered = np.sort(np.asarray(scores, np.float64), axis=0)  # NaN last
    if len(ordered) == 0:
        return np.ones(ordered.shape[1:])
    last = np.sum(~np.isnan(ordered), axis=0) - 1
    quartiles = [
        np.take_along_axis(ordered, np.maximum(np.rint(last * share), 0).astype(np.int64)[None], axis=0)[0]
        for share in (0.25, 0.75)
    ]
    spread = (quartiles[1] - quartiles[0]) / NORMAL_QUARTILES
    return np.where(np.isfinite(spread) & (spread > 0), spread, 1.0)


def _pull(seen: NDArray, inside: NDArray, quantiles: tuple[float, ...]) -> Floats:
    """Mean of q - [score <= shift] over the windows of one time; 0 without a score, and for the median."""
    levels = np.array(quantiles)
    moves = (levels != MEDIAN) & (seen > 0)
    return np.where(moves, levels - inside / np.maximum(seen, 1), 0.0)


def _checked(shift: ConformalShift, scores: ArrayLike, times: ArrayLike | None) -> tuple[Floats, NDArray]:
    """Return scores with an axis of quantiles, and the time of each window."""
    s, shape = np.asarray(scores, np.float64), shift.shift.shape
    if s.shape[1:] == shape[:-1]:
        s = np.repeat(s[..., None], shape[-1], axis=-1)
    if s.shape[1:] != shape:
        raise ParameterError(
            f"scores have shape {s.shape}; they must be windows, then {shape}, the steps and quantiles of the "
            "calibration; a point forecast has no quantiles."
        )
    when = np.arange(len(s)) if times is None else np.asarray(times)
    if when.shape != (len(s),) or when.dtype.kind not in "iu":
        raise ParameterError(
            f"times have shape {when.shape} and type {when.dtype}; expected {len(s)} whole numbers, one a window."
        )
    return s, when.astype(np.int64)


def _checked_unit(unit: ArrayLike, shift: ConformalShift) -> Floats:
    """Return the unit with an axis of quantiles behind those it has."""
    u = np.asarray(unit, np.float64)
    if u.ndim and u.shape != shift.shift.shape[:-1]:
        raise ParameterError(
            f"unit has shape {u.shape}; pass one number, or {shift.shift.shape[:-1]} for each step."
        )
    if not (np.isfinite(u) & (u > 0)).all():
        raise ParameterError("unit is not above 0 everywhere; typical_score gives one that is.")
    return u[..., None]


def _like_steps(values: Floats, axes: int) -> Floats:
    return values.reshape(-1, *[1] * (axes - 1))
