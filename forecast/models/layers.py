"""Small layers that architectures share."""

from __future__ import annotations

import keras
from keras import ops

from forecast.models.dtypes import REGISTER, wide
from forecast.models.scaling import running_max

__all__ = ["MonotoneQuantiles", "Places", "SinceLast", "wide"]


@REGISTER
class SinceLast(keras.layers.Layer):
    """Count the rows since the last observed one, on a log scale: 0 where observed, 1 after a whole context.

    Input and output ``(batch, context, channels)``, float32.

    Source:
        Che et al. (2018), "Recurrent neural networks for multivariate time series with missing values".
    """

    def call(self, observed):
        rows = observed.shape[1]
        steps = ops.arange(1, rows + 1, dtype="float32")[None, :, None]
        last = running_max(steps * observed)
        return ops.log1p(steps - last) / ops.log1p(float(rows))

    def compute_output_spec(self, observed):
        return keras.KerasTensor(observed.shape, dtype="float32")


@REGISTER
class Places(keras.layers.Layer):
    """Learned vectors of output segments: half of each tells the place ahead, half the target.

    Args:
        count: Number of output segments.
        targets: Number of targets laid along the batch; 1 if they are joined.
        units: Width of a vector.
        seed: Seed of the first vectors.

    Call:
        Anything ``(batch * targets, …)``.

    Returns:
        ``(batch * targets, count, units)``.
    """

    def __init__(self, count: int, targets: int, units: int, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.count, self.targets, self.units, self.seed = count, targets, units, seed

    def build(self, shape):
        half = self.units // 2 if self.targets > 1 else 0
        start = keras.initializers.RandomNormal(stddev=1.0, seed=self.seed)
        self.place = self.add_weight((self.count, self.units - half), initializer=start, name="place")
        if half:
            start = keras.initializers.RandomNormal(stddev=1.0, seed=self.seed + 1)
            self.target = self.add_weight((self.targets, half), initializer=start, name="target")

    def call(self, like):
        batch = ops.shape(like)[0]
        places = ops.repeat(self.place[None], batch, axis=0)
        if self.targets == 1 or self.units < 2:
            return places
        which = ops.arange(batch, dtype="int32") % self.targets
        targets = ops.repeat(ops.take(self.target, which, axis=0)[:, None], self.count, axis=1)
        return ops.concatenate([places, targets], axis=-1)

    def compute_output_spec(self, like):
        return keras.KerasTensor((like.shape[0], self.count, self.units), dtype=self.compute_dtype)

    def get_config(self):
        config = {"count": self.count, "targets": self.targets, "units": self.units, "seed": self.seed}
        return super().get_config() | config


@REGISTER
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
