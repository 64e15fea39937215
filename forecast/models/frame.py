"""The back of every architecture: from states to steps, from scaled numbers to raw values."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from forecast.models.inputs import Prepared, layer_seed, prepare
from forecast.models.layers import MonotoneQuantiles
from forecast.models.layout import AlignRight, Unfold
from forecast.models.scaling import Restore
from forecast.models.spec import Spec
from forecast.models.transforms import AtLeastZero, Untransform

__all__ = [
    "LONGEST_SKIP",
    "HorizonHead",
    "dense",
    "dropped",
    "finish",
    "layer_seed",
    "linear_skip",
    "prepare",
    "restored",
]

# Longest context for which a linear path from context to horizon helps more than it overfits.
LONGEST_SKIP = 170


class HorizonHead:
    """Forecast the whole horizon from one state, so that every step sees the newest observation.

    Args:
        spec: Sizes.
        units: Width of the reading of a step, where something is known about it.

    Call:
        ``state`` ``(batch, units)``, ``future`` ``(batch, horizon, columns)`` or None, ``static``
        ``(batch, width)`` or None.

    Returns:
        ``(batch, horizon, channels, outputs)``, free numbers, not yet ordered as quantiles.
    """

    def __init__(self, spec: Spec, units: int):
        self.spec, seed, width = spec, layer_seed(spec.seed, 200), spec.channels * spec.outputs
        self.depth = max(units // 4, 8)
        self.whole = dense(spec.horizon * width, seed, "horizon")
        self.steps = dense(spec.horizon * self.depth, seed, "steps")
        self.decoder = dense(units, seed + 1, "decoder", activation="relu")
        self.step_output = dense(width, seed + 2, "step_output")

    def __call__(self, state: Any, future: Any = None, static: Any = None) -> Any:
        spec = self.spec
        if static is not None:
            state = keras.ops.concatenate([state, static], axis=-1)
        if future is None:
            flat = self.whole(state)
        else:
            # Each step gets its own reading of the state, joined with what is known about that step.
            steps = keras.ops.reshape(self.steps(state), (-1, spec.horizon, self.depth))
            flat = self.step_output(self.decoder(keras.ops.concatenate([steps, future], axis=-1)))
        return keras.ops.reshape(flat, (-1, spec.horizon, spec.channels, spec.outputs))


def linear_skip(prepared: Prepared, *, usual: bool) -> Any:
    """Linear path from the scaled context to the horizon that starts at zero, shared by the channels.

    Args:
        prepared: From ``prepare``.
        usual: Whether there is one if the spec leaves it open.

    Returns:
        ``(batch, horizon, channels, 1)``, or None without a skip.
    """
    spec, scaled = prepared.spec, prepared.scaled
    if not (usual if spec.skip is None else spec.skip):
        return None
    if prepared.length is not None:
        scaled = AlignRight(name="align_right")(scaled, prepared.length)
    by_channel = keras.layers.Permute((2, 1), name="by_channel")(scaled)
    ahead = keras.layers.Dense(spec.horizon, use_bias=False, kernel_initializer="zeros", name="linear_skip")(
        by_channel
    )
    ahead = keras.layers.Permute((2, 1), name="skip_by_step")(ahead)
    return keras.layers.Reshape((spec.horizon, spec.channels, 1), name="skip")(ahead)


def finish(prepared: Prepared, free: Any, *, skip: Any = None, name: str = "forecast") -> keras.Model:
    """Order the quantiles, add the skip, restore raw values and close the model.

    Args:
        prepared: From ``prepare``.
        free: ``(batch, horizon, channels, outputs)``.
        skip: Added to every quantile or to the location of the distribution, ``(batch, horizon, channels, 1)``.
    """
    return keras.Model(prepared.inputs, restored(prepared, free, skip), name=name)


def restored(prepared: Prepared, free: Any, skip: Any = None) -> Any:
    """Turn free numbers into raw quantiles, points or parameters: ``(windows, horizon, targets[, outputs])``."""
    spec = prepared.spec
    if spec.head != "quantiles":
        return _distribution(prepared, free, skip)
    output = MonotoneQuantiles(spec.middle, name="quantiles")(free) if spec.quantiles else free
    if skip is not None:
        # The skip first: Keras takes a last summand of one row for a bias if its one axis is as long as the last axis.
        output = keras.layers.Add(name="with_skip")([skip, output])
    if not spec.quantiles:
        output = keras.layers.Reshape((spec.horizon, spec.channels), name="one_a_step")(output)
    output = Restore(name="restore")(output, prepared.level, prepared.scale)
    if spec.apart:
        output = Unfold(spec.targets, name="unfold")(output)
    if spec.transform != "none":
        output = Untransform(spec.transform, spec.transform_by, name="untransform")(output)
    return AtLeastZero(name="at_least_zero")(output) if spec.positive else output


def dense(units: int, seed: int, name: str, activation: str | None = None) -> keras.layers.Layer:
    """Make a dense layer whose first weights depend on ``seed`` alone."""
    start = keras.initializers.GlorotUniform(seed=seed)
    return keras.layers.Dense(units, activation=activation, kernel_initializer=start, name=name)


def dropped(tensor: Any, share: float, seed: int, name: str) -> Any:
    """Drop a share of a tensor in training, if any."""
    return keras.layers.Dropout(share, seed=seed, name=name)(tensor) if share else tensor


def _distribution(prepared: Prepared, free: Any, skip: Any) -> Any:
    """Restore the parameters of a distribution; the skip moves its location."""
    from forecast.models.distributions import DISTRIBUTIONS, DistributionHead

    spec = prepared.spec
    if skip is not None:
        located = DISTRIBUTIONS[spec.head].located
        moves = [1.0 if place in located else 0.0 for place in range(spec.outputs)]
        moved = skip * np.array(moves, np.float32)
        free = keras.layers.Add(name="with_skip")([moved, free])
    output = DistributionHead(spec.head, name="distribution")(free, prepared.level, prepared.scale)
    return Unfold(spec.targets, name="unfold")(output) if spec.apart else output
