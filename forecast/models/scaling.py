"""Layers that turn raw values into scaled ones and back, inside the model.

Raw values go in and raw values come out, so an exported model is complete. Levels and scales are
computed in float64 (float32 has no digit left for 1e9 ± 1); only scaled values are float32.
"""

from __future__ import annotations

import keras
from keras import ops

from forecast.models.dtypes import REGISTER, wide


@REGISTER
class WindowScale(keras.layers.Layer):
    """Subtract each window's level and divide by its spread, or a given one, per channel; only the context is read.

    Missing values (NaN) and padding count for nothing and become 0, the level itself. A window that
    is constant has scale 0, so that its forecast is that constant, unless another scale is given.

    Args:
        anchor: The level: ``"last"`` observed value, ``"mean"`` of the window, mean of its last
            ``season`` rows (``"season"``), or ``"none"`` (level 0, scale 1: no normalisation). With ``"first"``
            it is the first observed value, which no row has before it in time. With
            ``"period"`` it is the mean; with ``"difference"`` each row less the one ``period`` rows earlier
            is scaled, by its spread about zero, or by that of the values in a window without such a pair. What
            forecasts of those two start from is ``LastPeriod``'s.
        season: Rows of a season, for ``anchor="season"``.
        period: Rows between what is subtracted from each other, for ``anchor="difference"``.

    Call:
        ``values`` ``(batch, context, channels)`` raw, and optionally ``mask`` ``(batch, context)`` and ``scale``
        ``(batch, 1, channels)``, which takes the place of each window's spread (see ``FixedScale``).

    Returns:
        ``scaled`` float32 and ``observed`` float32, both ``(batch, context, channels)``; ``level`` and
        ``scale`` ``(batch, 1, channels)``, float64.

    Source:
        Kim et al. (2022), "Reversible instance normalization"; Li et al. (2023), SegRNN, for the last value.
    """

    def __init__(self, anchor: str = "last", season: int = 1, period: int = 1, **kwargs):
        super().__init__(dtype=wide(), **kwargs)
        self.anchor, self.season, self.period = anchor, season, period

    def call(self, values, mask=None, scale=None):
        observed = ops.logical_not(ops.isnan(values))
        if mask is not None:
            observed = ops.logical_and(observed, mask[:, :, None])
        if self.anchor == "difference":
            return self._differences(values, observed, scale)
        known = ops.where(observed, values, ops.zeros_like(values))
        if self.anchor == "none":
            level = ops.zeros_like(values[:, :1, :])
            return ops.cast(known, "float32"), ops.cast(observed, "float32"), level, level + 1
        mean = _mean(known, observed)
        level = mean if self.anchor in ("mean", "period") else self._recent(known, observed)
        if scale is None:
            deviation = ops.where(observed, values - mean, ops.zeros_like(values))
            scale = _spread(deviation, observed, mean)
        return *_scaled(values - level, observed, scale), level, scale

    def _differences(self, values, observed, scale):
        """Scale what each row differs by from the row a period earlier; the level is the window's mean."""
        mean = _mean(ops.where(observed, values, ops.zeros_like(values)), observed)
        period = min(self.period, values.shape[1] - 1)
        both = ops.logical_and(observed[:, period:], observed[:, : values.shape[1] - period])
        change = values[:, period:] - values[:, : values.shape[1] - period]
        before = ((0, 0), (period, 0), (0, 0))
        both, change = ops.pad(both, before), ops.pad(change, before)
        known = ops.where(both, change, ops.zeros_like(change))
        if scale is None:
            deviation = ops.where(observed, values - mean, ops.zeros_like(values))
            # Without two rows a period apart there is no difference, and a scale of 0 would silence the network.
            paired = ops.any(both, axis=1, keepdims=True)
            scale = ops.where(paired, _spread(known, both, mean), _spread(deviation, observed, mean))
        return *_scaled(known, both, scale), mean, scale

    def _recent(self, known, observed):
        """Mean of the newest ``season`` rows up to the last observed one, or that one (or the first) alone."""
        rows = known.shape[1]
        steps = ops.arange(rows, dtype="int32")[None, :, None]
        if self.anchor == "first":
            first = ops.min(ops.where(observed, steps, ops.full_like(steps, rows)), axis=1, keepdims=True)
            chosen = ops.logical_and(observed, steps == first)
            return _mean(ops.where(chosen, known, ops.zeros_like(known)), chosen)
        last = ops.max(ops.where(observed, steps, -ops.ones_like(steps)), axis=1, keepdims=True)
        reach = self.season if self.anchor == "season" else 1
        recent = ops.logical_and(observed, ops.logical_and(steps <= last, steps > last - reach))
        return _mean(ops.where(recent, known, ops.zeros_like(known)), recent)

    def compute_output_spec(self, values, mask=None, scale=None):
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
        config = super().get_config()
        config |= {"anchor": self.anchor, "season": self.season, "period": self.period}
        config.pop("dtype")
        return config


@REGISTER
class FixedScale(keras.layers.Layer):
    """Give every window the same spread for each target, whatever its values.

    Args:
        by: Spread of each target.

    Call:
        ``values`` ``(batch, context, targets)``.

    Returns:
        ``(batch, 1, targets)``.
    """

    def __init__(self, by: tuple[float, ...], **kwargs):
        super().__init__(dtype=wide(), **kwargs)
        self.by = tuple(by)

    def call(self, values):
        return ops.ones_like(values[:, :1, :]) * ops.convert_to_tensor(self.by, dtype=values.dtype)

    def compute_output_spec(self, values):
        return keras.KerasTensor((values.shape[0], 1, values.shape[2]), dtype=wide())

    def get_config(self):
        config = super().get_config() | {"by": self.by}
        config.pop("dtype")
        return config


@REGISTER
class LastPeriod(keras.layers.Layer):
    """Repeat the newest ``period`` rows over the horizon; a row that is missing is the level.

    Call:
        ``values`` ``(batch, context, channels)`` raw, ``level`` ``(batch, 1, channels)``, and optionally
        ``length`` ``(batch,)`` of right-padded windows.

    Returns:
        ``(batch, horizon, channels)`` raw: the value a whole number of periods before each step.
    """

    def __init__(self, period: int, horizon: int, **kwargs):
        super().__init__(dtype=wide(), autocast=False, **kwargs)
        self.period, self.horizon = period, horizon

    def call(self, values, level, length=None):
        ahead = ops.arange(self.horizon, dtype="int32") % self.period - self.period
        if length is None:
            length = ops.full((ops.shape(values)[0],), values.shape[1], dtype="int32")
        place = ops.cast(length, "int32")[:, None] + ahead[None, :]
        taken = ops.take_along_axis(values, ops.maximum(place, 0)[:, :, None], axis=1)
        known = ops.logical_and((place >= 0)[:, :, None], ops.logical_not(ops.isnan(taken)))
        return ops.where(known, taken, level)

    def compute_output_spec(self, values, level, length=None):
        return keras.KerasTensor((values.shape[0], self.horizon, values.shape[2]), dtype=wide())

    def get_config(self):
        config = super().get_config() | {"period": self.period, "horizon": self.horizon}
        config.pop("dtype")
        return config


@REGISTER
class RowLevels(keras.layers.Layer):
    """Give every row the newest observed value up to it; before the first, the first.

    Call:
        ``values`` ``(batch, context, channels)`` raw, and ``level`` ``(batch, 1, channels)`` of the first value.

    Returns:
        As ``values``, without NaN.
    """

    def __init__(self, **kwargs):
        super().__init__(dtype=wide(), autocast=False, **kwargs)

    def call(self, values, level):
        steps = ops.arange(values.shape[1], dtype="int32")[None, :, None]
        seen = ops.where(ops.isnan(values), -ops.ones_like(steps), steps)
        newest = running_max(seen)
        taken = ops.take_along_axis(values, ops.maximum(newest, 0), axis=1)
        return ops.where(newest >= 0, taken, level)

    def compute_output_spec(self, values, level):
        return keras.KerasTensor(values.shape, dtype=wide())

    def get_config(self):
        config = super().get_config()
        config.pop("dtype")
        return config


@REGISTER
class LagScale(keras.layers.Layer):
    """Scale lagged targets like the window they stand beside; what is missing or not yet known becomes 0.

    Args:
        targets: Number of targets.
        apart: Whether each target is a sequence of its own.

    Call:
        ``lagged`` ``(batch, rows, lags * targets)``, all targets of the first lag first; ``level`` and
        ``scale`` ``(batch, 1, channels)``, where ``batch`` is multiplied by the targets if they are apart.

    Returns:
        float32 ``(batch, rows, lags * channels)``.
    """

    def __init__(self, targets: int, apart: bool, **kwargs):
        super().__init__(dtype=wide(), autocast=False, **kwargs)
        self.targets, self.apart = targets, apart

    def call(self, lagged, level, scale):
        rows, lags = lagged.shape[1], lagged.shape[2] // self.targets
        values = ops.reshape(lagged, (-1, rows, lags, self.targets))
        if self.apart:
            values = ops.reshape(ops.transpose(values, (0, 3, 1, 2)), (-1, rows, lags, 1))
        divisor = ops.where(scale > 0, scale, ops.ones_like(scale))
        away = (values - level[:, :, None, :]) / divisor[:, :, None, :]
        known = ops.logical_not(ops.isnan(away))
        known = ops.logical_and(known, (scale > 0)[:, :, None, :])
        away = ops.where(known, away, ops.zeros_like(away))
        return ops.cast(ops.reshape(away, (-1, rows, lags * values.shape[3])), "float32")

    def compute_output_spec(self, lagged, level, scale):
        lags = lagged.shape[2] // self.targets
        width = lags * (1 if self.apart else self.targets)
        return keras.KerasTensor((level.shape[0], lagged.shape[1], width), dtype="float32")

    def get_config(self):
        config = super().get_config() | {"targets": self.targets, "apart": self.apart}
        config.pop("dtype")
        return config


@REGISTER
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


@REGISTER
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


def running_max(values):
    """Largest value of each row and all before it, ``(batch, rows, channels)``: by rows 1, 2, 4 … apart."""
    apart = 1
    while apart < values.shape[1]:
        later = ops.maximum(values[:, apart:], values[:, :-apart])
        values = ops.concatenate([values[:, :apart], later], axis=1)
        apart *= 2
    return values


def _spread(deviation, observed, mean):
    """Root mean square of deviations; what rounding leaves of the level on a constant window is none."""
    scale = ops.sqrt(_mean(ops.square(deviation), observed))
    rounding = 1e-13 if wide() == "float64" else 1e-6
    return ops.where(scale > rounding * ops.abs(mean), scale, ops.zeros_like(scale))


def _scaled(away, observed, scale):
    """Return ``away / scale`` and the mask, both float32; 0 where nothing is observed."""
    divisor = ops.where(scale > 0, scale, ops.ones_like(scale))
    scaled = ops.where(observed, away / divisor, ops.zeros_like(away))
    return ops.cast(scaled, "float32"), ops.cast(observed, "float32")


def _mean(values, observed):
    """Mean over axis 1 of values that are 0 where not observed; 0 where nothing is."""
    count = ops.cast(ops.sum(ops.cast(observed, "int32"), axis=1, keepdims=True), values.dtype)
    return ops.sum(values, axis=1, keepdims=True) / ops.maximum(count, ops.ones_like(count))
