"""A mixture of three normal distributions: their weights, locations and scales."""

from __future__ import annotations

from typing import Any

from keras import ops

from forecast.models.families.family import (
    Distribution,
    dtype_of,
    positive,
    spread,
)
from forecast.models.families.normal import distance, log_density
from forecast.models.special import at_least

_COMPONENTS = 3
_LEAST_WEIGHT = 1e-6


def _thirds(parameters: Any) -> tuple[Any, Any, Any]:
    k = _COMPONENTS
    return parameters[..., :k], parameters[..., k : 2 * k], parameters[..., 2 * k :]


def _free_to_scaled(free: Any) -> Any:
    weights, locs, scales = _thirds(free)
    # A weight of exactly zero would have no logarithm.
    weights = (ops.softmax(weights, axis=-1) + _LEAST_WEIGHT) / (1 + _COMPONENTS * _LEAST_WEIGHT)
    # Components that start equal would have equal gradients and stay equal.
    apart = ops.convert_to_tensor([-0.6, 0.0, 0.6], dtype=dtype_of(free))
    return ops.concatenate([weights, locs + apart, 0.85 * positive(scales)], axis=-1)


def _restore(scaled: Any, level: Any, scale: Any) -> Any:
    weights, locs, scales = _thirds(scaled)
    return ops.concatenate([weights, locs * scale + level, spread(scales, level, scale)], axis=-1)


def _log_prob(actual: Any, parameters: Any) -> Any:
    weights, locs, scales = _thirds(parameters)
    return ops.logsumexp(ops.log(weights) + log_density(actual[..., None], locs, scales), axis=-1)


def _crps(actual: Any, parameters: Any) -> Any:
    # Grimit et al. (2006), "The continuous ranked probability score for circular variables", QJRMS 132.
    weights, locs, scales = _thirds(parameters)
    to_actual = ops.sum(weights * distance(actual[..., None] - locs, scales), axis=-1)
    joint = ops.sqrt(ops.square(scales[..., :, None]) + ops.square(scales[..., None, :]))
    between = distance(locs[..., :, None] - locs[..., None, :], joint)
    pairs = weights[..., :, None] * weights[..., None, :]
    return to_actual - ops.sum(pairs * between, axis=(-2, -1)) / 2


def _broaden(parameters: Any, least: Any) -> Any:
    weights, locs, scales = _thirds(parameters)
    return ops.concatenate([weights, locs, at_least(scales, least[..., None])], axis=-1)


MIXTURE = Distribution(
    name="mixture",
    parameters=tuple(f"{name}_{i + 1}" for name in ("weight", "loc", "scale") for i in range(_COMPONENTS)),
    located=(3, 4, 5),
    support="real",
    free_to_scaled=_free_to_scaled,
    restore=_restore,
    log_prob=_log_prob,
    crps=_crps,
    broaden=_broaden,
)
