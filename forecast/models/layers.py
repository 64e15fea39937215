"""Layers that turn raw values into scaled ones and back, inside the model.

Raw values go in and raw values come out, so an exported model is complete. Levels and scales are
computed in float64 (float32 has no digit left for 1e9 ± 1); only scaled values are float32.
"""

from __future__ import annotations

import keras
from keras import ops

ANCHORS = ("last", "mean", "season", "none")
_REGISTER = keras.saving.register_keras_serializable(package="forecast")


def wide() -> str:
    """Return the dtype of raw values: float64, or float32 on JAX, which has no float64 by default."""
    return "float32" if keras.config.backend() == "jax" else "float64"


@_REGISTER
class LengthMask(keras.layers.Layer):
    """Turn lengths ``(batch,)`` into a right-padded mask ``(batch, context)``; no row is empty."""

    def __init__(self, context: int, **kwargs):
        super().__init__(**kwargs)
        self.context = context

    def call(self, length):
        steps = ops.arange(self.context, dtype="int32")
        return steps[None, :] < ops.maximum(ops.cast(length, "int32"), 1)[:, None]

    def compute_output_spec(self, length):
        return keras.KerasTensor((length.shape[0], self.context), dtype="bool")

    def get_config(self):
        return super().get_config() | {"context": self.context}


@_REGISTER
class WindowScale(keras.layers.Layer):
    """Subtract each window's level and divide by its spread, per channel, looking at the context only.

    Missing values (NaN) and padding count for nothing and become 0, the level itself. A window that
    is constant has scale 0, so that its forecast is that constant.

    Args:
        anchor: The level: ``"last"`` observed value, ``"mean"`` of the window, mean of its last
            ``season`` rows (``"season"``), or ``"none"`` (level 0, scale 1: no normalisation).
        season: Rows of a season, for ``anchor="season"``.

    Call:
        ``values`` ``(batch, context, channels)`` raw, and optionally ``mask`` ``(batch, context)``.

    Returns:
        ``scaled`` float32 and ``observed`` float32, both ``(batch, context, channels)``; ``level`` and
        ``scale`` ``(batch, 1, channels)``, float64.

    Source:
        Kim et al. (2022), "Reversible instance normalization"; Li et al. (2023), SegRNN, for the last value.
    """

    def __init__(self, anchor: str = "last", season: int = 1, **kwargs):
        super().__init__(dtype=wide(), **kwargs)
        self.anchor, self.season = anchor, season

    def call(self, values, mask=None):
        observed = ops.logical_not(ops.isnan(values))
        if mask is not None:
            observed = ops.logical_and(observed, mask[:, :, None])
        known = ops.where(observed, values, ops.zeros_like(values))
        if self.anchor == "none":
            level = ops.zeros_like(values[:, :1, :])
            return ops.cast(known, "float32"), ops.cast(observed, "float32"), level, level + 1
        mean = _mean(known, observed)
        level = mean if self.anchor == "mean" else self._recent(known, observed)
        deviation = ops.where(observed, values - mean, ops.zeros_like(values))
        scale = ops.sqrt(_mean(ops.square(deviation), observed))
        # Rounding leaves a spread of about 1e-16 of the level on a constant window: that is none.
        scale = ops.where(scale > 1e-13 * ops.abs(mean), scale, ops.zeros_like(scale))
        divisor = ops.where(scale > 0, scale, ops.ones_like(scale))
        scaled = ops.where(observed, (values - level) / divisor, ops.zeros_like(values))
        return ops.cast(scaled, "float32"), ops.cast(observed, "float32"), level, scale

    def _recent(self, known, observed):
        """Mean of the newest ``season`` rows up to the last observed one, or that one alone."""
        rows = known.shape[1]
        steps = ops.arange(rows, dtype="int32")[None, :, None]
        last = ops.max(ops.where(observed, steps, -ops.ones_like(steps)), axis=1, keepdims=True)
        reach = self.season if self.anchor == "season" else 1
        recent = ops.logical_and(observed, ops.logical_and(steps <= last, steps > last - reach))
        return _mean(ops.where(recent, known, ops.zeros_like(known)), recent)

    def compute_output_spec(self, values, mask=None):
        one = (values.shape[0], 1, values.shape[2])
        narrow = keras.KerasTensor(values.shape, dtype="float32")
        raw = keras.KerasTensor(one, dtype=wide())
        return (
            narrow,
            keras.KerasTensor(values.shape, dtype="float32"),
            raw,
            keras.KerasTensor(one, dtype=wide()),
        )

    def get_config(self):
        config = super().get_config() | {"anchor": self.anchor, "season": self.season}
        config.pop("dtype")
        return config


@_REGISTER
class Restore(keras.layers.Layer):
    """Undo ``WindowScale``: scaled ``(batch, horizon, channels[, quantiles])`` to raw values."""

    def __init__(self, **kwargs):
        super().__init__(dtype=wide(), autocast=False, **kwargs)

    def call(self, scaled, level, scale):
        if len(scaled.shape) == 4:
            level, scale = level[..., None], scale[..., None]
        return level + scale * ops.cast(scaled, wide())

    def compute_output_spec(self, scaled, level, scale):
        return keras.KerasTensor(scaled.shape, dtype=wide())

    def get_config(self):
        config = super().get_config()
        config.pop("dtype")
        return config


@_REGISTER
class Standardise(keras.layers.Layer):
    """Scale covariates by the mean and spread of the training rows; missing values become 0, the mean.

    The two statistics are weights that no optimiser touches, set with ``learn``. Input and output
    ``(batch, steps, columns)``; the output is float32.
    """

    def __init__(self, **kwargs):
        super().__init__(dtype=wide(), **kwargs)

    def build(self, shape):
        columns = (shape[-1],)
        self.mean = self.add_weight(name="mean", shape=columns, initializer="zeros", trainable=False)
        self.scale = self.add_weight(name="scale", shape=columns, initializer="ones", trainable=False)

    def learn(self, mean, scale) -> None:
        """Set the statistics, each of shape ``(columns,)``."""
        self.mean.assign(mean)
        self.scale.assign(scale)

    def call(self, values):
        scaled = (values - self.mean) / self.scale
        return ops.cast(ops.where(ops.isnan(scaled), ops.zeros_like(scaled), scaled), "float32")

    def compute_output_spec(self, values):
        return keras.KerasTensor(values.shape, dtype="float32")

    def get_config(self):
        config = super().get_config()
        config.pop("dtype")
        return config


@_REGISTER
class Fold(keras.layers.Layer):
    """Lay channels along the batch: ``(batch, steps, channels)`` to ``(batch * channels, steps, 1)``.

    With ``channels`` given, a tensor without channels is repeated for each of them instead.
    """

    def __init__(self, channels: int, repeat: bool = False, **kwargs):
        super().__init__(dtype=wide(), autocast=False, **kwargs)
        self.channels, self.repeat = channels, repeat

    def call(self, values):
        if self.repeat:
            return ops.repeat(values, self.channels, axis=0)
        moved = ops.transpose(values, (0, 2, 1))
        return ops.reshape(moved, (-1, values.shape[1], 1))

    def compute_output_spec(self, values):
        shape = (None, *values.shape[1:]) if self.repeat else (None, values.shape[1], 1)
        return keras.KerasTensor(shape, dtype=values.dtype)

    def get_config(self):
        config = super().get_config() | {"channels": self.channels, "repeat": self.repeat}
        config.pop("dtype")
        return config


@_REGISTER
class Unfold(keras.layers.Layer):
    """Undo ``Fold``: ``(batch * channels, horizon, 1[, quantiles])`` to ``(batch, horizon, channels[, …])``."""

    def __init__(self, channels: int, **kwargs):
        super().__init__(dtype=wide(), autocast=False, **kwargs)
        self.channels = channels

    def call(self, values):
        # len, not truthiness: TensorFlow counts an empty shape as true.
        quantiles = values.shape[3:]
        apart = ops.reshape(values, (-1, self.channels, values.shape[1], *quantiles))
        return ops.transpose(apart, (0, 2, 1, 3) if len(quantiles) else (0, 2, 1))

    def compute_output_spec(self, values):
        shape = (None, values.shape[1], self.channels, *values.shape[3:])
        return keras.KerasTensor(shape, dtype=values.dtype)

    def get_config(self):
        config = super().get_config() | {"channels": self.channels}
        config.pop("dtype")
        return config


@_REGISTER
class AlignRight(keras.layers.Layer):
    """Move right-padded rows to the right end: the newest row comes last, padding (0) first.

    Call:
        ``values`` ``(batch, context, channels)`` and ``length`` ``(batch,)``.
    """

    def call(self, values, length):
        context = values.shape[1]
        steps = ops.arange(context, dtype="int32")[None, :] - (context - ops.cast(length, "int32")[:, None])
        taken = ops.take_along_axis(values, ops.maximum(steps, 0)[:, :, None], axis=1)
        return ops.where((steps >= 0)[:, :, None], taken, ops.zeros_like(taken))

    def compute_output_spec(self, values, length):
        return keras.KerasTensor(values.shape, dtype=values.dtype)


@_REGISTER
class MonotoneQuantiles(keras.layers.Layer):
    """Turn free numbers into quantiles that cannot cross, by construction.

    The number at ``middle`` is taken as it is; each quantile above adds a positive amount to its
    lower neighbour and each below subtracts one (softplus, accumulated).

    Args:
        middle: Index of the quantile that is free, usually the median.

    Input and output ``(..., quantiles)``.
    """

    def __init__(self, middle: int, **kwargs):
        super().__init__(**kwargs)
        self.middle = middle

    def call(self, values):
        middle = values[..., self.middle : self.middle + 1]
        parts = [middle]
        if self.middle > 0:
            down = ops.cumsum(ops.flip(ops.softplus(values[..., : self.middle]), axis=-1), axis=-1)
            parts.insert(0, middle - ops.flip(down, axis=-1))
        if self.middle + 1 < values.shape[-1]:
            parts.append(middle + ops.cumsum(ops.softplus(values[..., self.middle + 1 :]), axis=-1))
        return ops.concatenate(parts, axis=-1)

    def compute_output_spec(self, values):
        return keras.KerasTensor(values.shape, dtype=values.dtype)

    def get_config(self):
        return super().get_config() | {"middle": self.middle}


def _mean(values, observed):
    """Mean over axis 1 of values that are 0 where not observed; 0 where nothing is."""
    count = ops.cast(ops.sum(ops.cast(observed, "int32"), axis=1, keepdims=True), values.dtype)
    return ops.sum(values, axis=1, keepdims=True) / ops.maximum(count, ops.ones_like(count))
