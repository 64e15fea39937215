"""The normal distribution: location and scale."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from forecast.models.families.family import Distribution, positive, split, spread, standardised
from forecast.models.special import at_least, normal_cdf, normal_density


def two_scaled(free: Any) -> Any:
    """Leave the first number free and make the second positive: a location and its scale."""
    return ops.concatenate([free[..., :1], positive(free[..., 1:])], axis=-1)


def affine(scaled: Any, level: Any, scale: Any) -> Any:
    """Lead a location and its scale back to raw values."""
    loc = scaled[..., :1] * scale + level
    return ops.concatenate([loc, spread(scaled[..., 1:2], level, scale)], axis=-1)


def log_density(actual: Any, loc: Any, scale: Any) -> Any:
    """Return the log density of a normal distribution."""
    z = standardised(actual, loc, scale)
    return -0.5 * ops.square(z) - ops.log(scale) - 0.5 * math.log(2 * math.pi)


def distance(away: Any, scale: Any) -> Any:
    """Return the mean of ``|X|`` for X normal around ``away``."""
    z = standardised(away, 0.0, scale)
    return scale * (z * (normal_cdf(z) - normal_cdf(-z)) + 2 * normal_density(z))


def broaden_second(parameters: Any, least: Any) -> Any:
    """Keep the second parameter at or above ``least``."""
    broad = at_least(parameters[..., 1:2], least[..., None])
    return ops.concatenate([parameters[..., :1], broad, parameters[..., 2:]], axis=-1)


def _log_prob(actual: Any, parameters: Any) -> Any:
    return log_density(actual, *split(parameters))


def _crps(actual: Any, parameters: Any) -> Any:
    # Gneiting et al. (2005), "Calibrated probabilistic forecasting using ensemble model output statistics".
    loc, scale = split(parameters)
    return distance(actual - loc, scale) - scale / math.sqrt(math.pi)


NORMAL = Distribution(
    name="normal",
    parameters=("loc", "scale"),
    located=(0,),
    support="real",
    free_to_scaled=two_scaled,
    restore=affine,
    log_prob=_log_prob,
    crps=_crps,
    broaden=broaden_second,
)
