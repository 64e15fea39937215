"""Holt-Winters exponential smoothing with a damped trend and an additive or multiplicative season.

Per step, with level l, slope b and seasonal figure s, for an observed value y and the error e = y - forecast:

    additive         forecast = l + phi b + s      l' = l + phi b + alpha e       b' = phi b + beta e
                                                   s' = s + gamma e
    multiplicative   forecast = (l + phi b) s      l' = l + phi b + alpha e / s   b' = phi b + beta e / s
                                                   s' = s + gamma e / (l + phi b)

A missing value updates nothing: e counts as 0 and the slope runs on, damped. Starting values come from the
first seasons of the fitted stretch; the four weights are the best of a fixed grid by squared one-step errors,
refined once around the best point.

Source: Hyndman et al. (2008), "Forecasting with Exponential Smoothing", models ETS(A,Ad,A), ETS(A,Ad,M),
    ETS(A,Ad,N).
Differs: starting values are not optimised with the weights; only the newest rows are fitted (``LONGEST``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.evaluation.smoothing import SHORTEST, decompose, line

Floats = NDArray[np.float64]

ROWS, SEASONS, LONGEST = 1000, 10, 4000
"""The fit uses the newest max(ROWS, SEASONS seasons) rows, at most LONGEST."""

FLOOR = 0.05
"""Smallest level (relative to the first one) and factor by which a multiplicative model divides.

Dividing by less turns noise into jumps of the level; a season with such factors is additive from the start.
"""

ALPHA = (0.02, 0.06, 0.12, 0.25, 0.4, 0.6, 0.8, 0.95)
SLOPE_SHARE = (0.0, 0.03, 0.1, 0.3)
SEASON_SHARE = (0.0, 0.02, 0.08, 0.2, 0.5)
DAMPING = (0.8, 0.9, 0.98)
"""The coarse grid: alpha, beta / alpha, gamma / (1 - alpha), phi."""


@dataclass(frozen=True)
class HoltWinters:
    """A fitted model: weights, and the state before row ``first``.

    Args:
        first: Row of the history at which the state starts.
        alpha: Weight of the level.
        beta: Weight of the slope.
        gamma: Weight of the season.
        phi: Damping of the slope per step.
        level: Starting level, in the unit of the data.
        slope: Starting slope, in the unit of the data per step.
        figure: Starting seasonal figure, the first number belonging to row ``first``; one 0 for no season.
        multiplicative: Whether the figure holds factors.
    """

    first: int
    alpha: float
    beta: float
    gamma: float
    phi: float
    level: float
    slope: float
    figure: tuple[float, ...]
    multiplicative: bool

    def states(self, values: Floats, stops: list[int]) -> Iterator[tuple[float, float, Floats]]:
        """Yield level, slope and figure as they stand before each row of ``stops``, which must ascend.

        Plain floats: one parameter set at a time is several times faster without arrays.
        """
        alpha, beta, gamma, phi, floor = self.alpha, self.beta, self.gamma, self.phi, self.floor
        level, slope, figure = self.level, self.slope, list(self.figure)
        season, phase, row = len(figure), 0, self.first
        for stop in stops:
            for value in values[row:stop].tolist():
                slope *= phi
                level += slope
                level = max(level, floor)
                if value == value:  # not missing
                    s = figure[phase]
                    if self.multiplicative:
                        error = value - level * s
                        figure[phase] = max(s + gamma * error / level, FLOOR)
                        error /= s
                    else:
                        error = value - level - s
                        figure[phase] = s + gamma * error
                    level += alpha * error
                    slope += beta * error
                phase = (phase + 1) % season
            row = max(stop, row)
            yield level, slope, np.array(figure)

    def forecast(self, state: tuple[float, float, Floats], origin: int, horizon: int) -> Floats:
        """Return ``horizon`` forecasts from row ``origin`` on, given the state before it."""
        level, slope, figure = state
        base = np.maximum(level + slope * np.cumsum(self.phi ** np.arange(1, horizon + 1)), self.floor)
        season = figure[(origin - self.first + np.arange(horizon)) % len(figure)]
        return base * season if self.multiplicative else base + season

    @property
    def floor(self) -> float:
        """Smallest level a multiplicative model may reach; additive ones have none."""
        return FLOOR * self.level if self.multiplicative else -np.inf


def fit_holt_winters(span: Floats, season: int) -> HoltWinters:
    """Fit the damped trend with no season, or the better of an additive and a multiplicative one.

    Args:
        span: History from its first to its last observed value.
        season: Steps per season, 1 for none. Fewer than two seasons of observed values, or a season longer
            than half of ``LONGEST``, count as none. Factors are tried where every fitted value is positive
            and no starting factor falls below ``FLOOR``.

    Returns:
        The model of least squared one-step errors, its weights refined once around the best grid point.
    """
    first = _first_row(span, season)
    values = span[first:]
    seasonal = 1 < season <= LONGEST // 2 and np.count_nonzero(~np.isnan(values)) >= 2 * season
    starts = [_start(values, season if seasonal else 1, multiplicative=False)]
    if seasonal and np.nanmin(values) > 0:
        factors = _start(values, season, multiplicative=True)
        starts += [factors] if factors[2].min() >= FLOOR else []
    axes = (ALPHA, SLOPE_SHARE, SEASON_SHARE if seasonal else (0.0,), DAMPING)
    found = [_best(values, start, axes) for start in starts]
    winner = int(np.argmin([error for error, _ in found]))
    index = found[winner][1]
    closer = tuple(_around(axis, k) for axis, k in zip(axes, index, strict=True))
    _, index = _best(values, starts[winner], closer)
    alpha, beta, gamma, phi = _weights(closer)[:, int(np.ravel_multi_index(index, _shape(closer)))].tolist()
    level, slope, figure, multiplicative = starts[winner]
    return HoltWinters(first, alpha, beta, gamma, phi, level, slope, tuple(figure.tolist()), multiplicative)


Axes = tuple[tuple[float, ...], ...]
Start = tuple[float, float, Floats, bool]


def _first_row(span: Floats, season: int) -> int:
    """Return the first row of the stretch that is fitted: an observed one, with enough values after it."""
    length = min(max(ROWS, SEASONS * season), LONGEST)
    seen = np.flatnonzero(~np.isnan(span))
    recent = seen[seen >= len(span) - length]
    return int(recent[0]) if len(recent) >= SHORTEST else 0


def _start(values: Floats, season: int, multiplicative: bool) -> Start:
    """Estimate the state before row 0: figure from three seasons, level and slope from a line through two."""
    head = values[: season * min(len(values) // season, 3)]
    rows = np.arange(len(values), dtype=np.float64)
    if season > 1:
        adjustment = decompose(head, season, multiplicative)
        figure, level = adjustment.figure, adjustment.remove(values)
    else:
        figure, level = np.zeros(1), values
    seen = np.flatnonzero(~np.isnan(values))
    seen = seen[: max(SHORTEST, int(np.searchsorted(seen, max(10, 2 * season))))]
    intercept, slope = line(rows[seen], level[seen])
    if multiplicative and intercept - slope <= 0:
        intercept, slope = float(level[seen].mean()), 0.0
    return intercept - slope, slope, figure, multiplicative


def _best(values: Floats, start: Start, axes: Axes) -> tuple[float, tuple[int, ...]]:
    """Return the least sum of squared errors on a grid of weights, and its index on each axis."""
    season = len(start[2])
    skip = season if season > 1 and len(values) >= 3 * season else 0
    run = _multiplicative_errors if start[3] else _additive_errors
    with np.errstate(all="ignore"):  # an unstable grid point may overflow; it then loses
        total = np.nan_to_num(run(values.tolist(), start, _weights(axes), skip), nan=np.inf)
    best = int(np.argmin(total))
    return float(total[best]), tuple(int(k) for k in np.unravel_index(best, _shape(axes)))


def _additive_errors(values: list[float], start: Start, weights: Floats, skip: int) -> Floats:
    """Return the sum of squared one-step errors per grid point, from row ``skip`` on; one pass over time."""
    alpha, beta, gamma, phi = weights
    level, slope = np.full(len(alpha), start[0]), np.full(len(alpha), start[1])
    figure = np.repeat(start[2][:, None], len(alpha), axis=1)
    total = np.zeros(len(alpha))
    for row, value in enumerate(values):
        slope *= phi
        level += slope
        if value != value:  # missing
            continue
        season = figure[row % len(figure)]
        error = value - level
        error -= season
        if row >= skip:
            total += error * error
        level += alpha * error
        slope += beta * error
        season += gamma * error
    return total


def _multiplicative_errors(values: list[float], start: Start, weights: Floats, skip: int) -> Floats:
    """The same for a season of factors; level and factors never fall below their floors."""
    alpha, beta, gamma, phi = weights
    level, slope = np.full(len(alpha), start[0]), np.full(len(alpha), start[1])
    figure = np.repeat(start[2][:, None], len(alpha), axis=1)
    total = np.zeros(len(alpha))
    for row, value in enumerate(values):
        slope *= phi
        level += slope
        np.maximum(level, FLOOR * start[0], out=level)
        if value != value:  # missing
            continue
        season = figure[row % len(figure)]
        error = value - level * season
        if row >= skip:
            total += error * error
        deseasoned = error / season
        season += gamma * error / level
        np.maximum(season, FLOOR, out=season)
        level += alpha * deseasoned
        slope += beta * deseasoned
    return total


def _weights(axes: Axes) -> Floats:
    """Return every grid point as alpha, beta, gamma and phi; axes: weights, points."""
    alpha, slope_share, season_share, phi = (a.ravel() for a in np.meshgrid(*axes, indexing="ij"))
    return np.stack([alpha, slope_share * alpha, season_share * (1 - alpha), phi])


def _shape(axes: Axes) -> tuple[int, ...]:
    return tuple(len(axis) for axis in axes)


def _around(axis: tuple[float, ...], index: int) -> tuple[float, ...]:
    """Return a grid value with the midpoints towards its neighbours."""
    near = [(axis[k] + axis[index]) / 2 for k in (index - 1, index + 1) if 0 <= k < len(axis)]
    return tuple(sorted({axis[index], *near}))
