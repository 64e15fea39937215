"""Distribution functions by scipy, from the parameters that forecasts of distributions have."""

from __future__ import annotations

import numpy as np
from scipy import stats


def cdf(name: str, parameters, values) -> np.ndarray:
    """Probability of at most ``values``, which broadcast against the parameters without their last axis."""
    p, x = np.moveaxis(np.asarray(parameters, np.float64), -1, 0), np.asarray(values, np.float64)
    if name == "normal":
        return stats.norm.cdf(x, p[0], p[1])
    if name == "student":
        return stats.t.cdf(x, p[2], p[0], p[1])
    if name == "negative_binomial":
        return stats.nbinom.cdf(x, 1 / p[1], 1 / (1 + p[1] * p[0]))
    if name == "lognormal":
        return stats.lognorm.cdf(x, p[1], scale=np.exp(p[0]))
    return np.sum([p[i] * stats.norm.cdf(x, p[i + 3], p[i + 6]) for i in range(3)], axis=0)


def draw(name: str, parameters, seed: int) -> np.ndarray:
    """One value of each distribution; parameters without their last axis."""
    p, rng = np.moveaxis(np.asarray(parameters, np.float64), -1, 0), np.random.default_rng(seed)
    if name == "negative_binomial":
        return stats.nbinom.rvs(1 / p[1], 1 / (1 + p[1] * p[0]), random_state=rng).astype(float)
    if name == "student":
        return stats.t.rvs(p[2], p[0], p[1], random_state=rng)
    if name == "mixture":
        which = (rng.random(p[0].shape) > np.cumsum(p[:3], axis=0)).sum(axis=0).clip(0, 2)
        place, scale = (np.take_along_axis(part, which[None], axis=0)[0] for part in (p[3:6], p[6:9]))
        return rng.normal(place, scale)
    value = rng.normal(p[0], p[1])
    return np.exp(value) if name == "lognormal" else value
