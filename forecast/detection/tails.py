"""Generalised Pareto tail of scores, fitted so that the largest of them count but are not looked at.

What lies beyond a high quantile of the past may be the anomalies one looks for. Of these scores only their number
enters the likelihood (they are censored there): a history of which two in a hundred are wrong keeps its tail, where a
fit to all of it, or a rank among it, calls only the worse than worst an anomaly.

Source: Pickands (1975), "Statistical inference using extreme order statistics"; Grimshaw (1993), "Computing maximum
likelihood estimates for the generalized Pareto distribution" (the profile in one parameter), extended to censored
scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST_EXCESSES = 10
# Shapes looked at: light tails with an end, exponential ones, and as heavy as those without a mean.
_GRID = np.concatenate([-np.geomspace(0.95, 0.01, 20), [1e-6], np.geomspace(0.01, 100.0, 44)])
_ROUNDS = 3


@dataclass(frozen=True)
class Tail:
    """Survival function of scores beyond a quantile.

    Args:
        start: Score where the tail begins.
        share: Share of scores beyond it.
        shape: Of the generalised Pareto distribution; above 0 for heavy tails.
        scale: Of it, above 0; 0 where scores beyond the start are all equal to it.
    """

    start: float
    share: float
    shape: float
    scale: float

    def survival(self, scores: Floats) -> Floats:
        """Return the probability of a score as large, for scores beyond the start; ``share`` for others."""
        excess = np.maximum(scores - self.start, 0.0)
        if self.scale == 0:
            return np.where(excess > 0, 0.0, self.share)
        if abs(self.shape) < 1e-9:
            return self.share * np.exp(-excess / self.scale)
        inner = np.maximum(1 + self.shape * excess / self.scale, 0.0)
        with np.errstate(divide="ignore"):
            return self.share * np.exp(-np.log(inner) / self.shape)

    def quantile(self, p: float) -> float:
        """Return the score that is exceeded with this probability, for at most ``share``."""
        reach = np.log(self.share / p)
        return float(
            self.start
            + self.scale * (reach if abs(self.shape) < 1e-9 else np.expm1(self.shape * reach) / self.shape)
        )


def fit_tail(
    scores: Floats, start: float = 0.8, censor: float | None = 0.97, prior: float | None = 0.15
) -> Tail | None:
    """Fit the tail by penalised maximum likelihood.

    Args:
        scores: Of the past, without NaN.
        start: Quantile of the scores where the tail begins.
        censor: Quantile beyond which scores only count; None looks at all of them.
        prior: Deviation of a normal prior of the shape around 0, which a few hundred scores leave wide open; None for
            none.

    Returns:
        None for fewer than 10 scores in the part of the tail that is looked at.

    Example:
        >>> scores = np.abs(np.random.default_rng(0).normal(size=5000))
        >>> clean = fit_tail(scores).survival(np.array([6.0]))[0]
        >>> scores[::50] *= 8
        >>> spoilt = fit_tail(scores).survival(np.array([6.0]))[0]
        >>> bool(clean < 1e-4), bool(spoilt < 1e-3), float((scores >= 6).mean()) > 5e-3
        (True, True, True)
    """
    low, high = np.quantile(scores, [start, 1.0 if censor is None else censor]) if len(scores) else (0.0, 0.0)
    above = scores[scores > low] - low
    seen = above if censor is None else above[above <= high - low]
    if len(seen) < FEWEST_EXCESSES:
        return None
    share = len(above) / len(scores)
    limit, hidden = high - low, len(above) - len(seen)
    shape, scale = _most_likely(seen, limit, hidden, prior)
    return Tail(float(low), share, shape, scale)


def _most_likely(seen: Floats, limit: float, hidden: int, prior: float | None) -> tuple[float, float]:
    """Maximise the likelihood over theta = shape / scale: for each, the best shape is known.

    With k scores seen and m beyond the limit c, the log-likelihood is
    -k log(scale) - sum log(1 + theta x) - (sum log(1 + theta x) + m log(1 + theta c)) / shape, whose maximum over the
    shape at fixed theta is (sum log(1 + theta x) + m log(1 + theta c)) / k.
    """
    unit = max(limit, float(seen.max()))
    grid = _GRID
    for _ in range(_ROUNDS):
        theta = grid / unit
        logs = np.log1p(theta[:, None] * seen).sum(axis=1)
        shape = (logs + hidden * np.log1p(theta * limit)) / len(seen)
        likelihood = (
            -len(seen) * np.log(shape / theta) - logs - (0 if prior is None else 0.5 * (shape / prior) ** 2)
        )
        best = int(np.argmax(likelihood))
        found = float(shape[best]), float(shape[best] / theta[best])
        grid = np.linspace(grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)], 15)
        grid = grid[grid != 0]
    return found
