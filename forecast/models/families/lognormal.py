"""The log-normal distribution: location and scale of the logarithm, so windows are scaled on that axis."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from forecast.models.families.family import Distribution, split, spread, standardised
from forecast.models.families.normal import broaden_second, log_density, two_scaled
from forecast.models.special import at_most, normal_cdf

# Beyond e^60 an expectation is no number of this world, and its square would overflow float32.
_LARGEST = 60.0


def _restore(scaled: Any, level: Any, scale: Any) -> Any:
    loc = scaled[..., :1] * scale + level
    return ops.concatenate([loc, spread(scaled[..., 1:], level, scale, relative=True)], axis=-1)


def _log(actual: Any) -> tuple[Any, Any]:
    valid = actual > 0
    return valid, ops.log(ops.where(valid, actual, ops.ones_like(actual)))


def _log_prob(actual: Any, parameters: Any) -> Any:
    valid, log = _log(actual)
    found = log_density(log, *split(parameters)) - log
    return ops.where(valid, found, ops.full_like(found, -float("inf")))


def _crps(actual: Any, parameters: Any) -> Any:
    # Baran and Lerch (2015), "Log-normal distribution based ensemble model output statistics models", QJRMS 141.
    loc, scale = split(parameters)
    valid, log = _log(actual)
    z = ops.where(valid, standardised(log, loc, scale), ops.full_like(loc, -1e6))
    mean = ops.exp(at_most(loc + ops.square(scale) / 2, _LARGEST))
    below = normal_cdf(z - scale) - normal_cdf(-scale / math.sqrt(2))
    return actual * (normal_cdf(z) - normal_cdf(-z)) - 2 * mean * below


def _broaden(parameters: Any, least: Any) -> Any:
    # A spread on the axis of logarithms is relative already and has no unit.
    return broaden_second(parameters, ops.full_like(parameters[..., 0], 1e-3))


LOGNORMAL = Distribution(
    name="lognormal",
    parameters=("loc", "scale"),
    located=(0,),
    support="positive",
    free_to_scaled=two_scaled,
    restore=_restore,
    log_prob=_log_prob,
    crps=_crps,
    broaden=_broaden,
)
