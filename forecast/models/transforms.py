"""Target transforms inside the model: raw values to another axis and back, exactly."""

from __future__ import annotations

import keras
from keras import ops

from forecast.models.dtypes import REGISTER, wide


class _Curve(keras.layers.Layer):
    """A transform per target: ``kind`` and one number for each, in float64."""

    def __init__(self, kind: str, by, **kwargs):
        super().__init__(dtype=wide(), autocast=False, **kwargs)
        self.kind, self.by = kind, tuple(float(number) for number in by)

    def compute_output_spec(self, values):
        return keras.KerasTensor(values.shape, dtype=wide())

    def get_config(self):
        config = super().get_config() | {"kind": self.kind, "by": self.by}
        config.pop("dtype")
        return config


@REGISTER
class Transform(_Curve):
    """Take raw targets ``(..., targets)`` to the axis that the network works on; NaN stays NaN.

    Args:
        kind: ``"log"``: log of the value, or of ``by`` where the value is smaller. ``"asinh"``: asinh(value / by),
            linear near zero and logarithmic far away, for values of both signs. ``"power"``: value ** by, the
            Box-Cox transform but for shift and factor, which scaling removes anyway; negative values count as 0.
        by: One number for each target.

    Source:
        Box and Cox (1964), "An analysis of transformations"; Burbidge, Magee and Robb (1988) for asinh.
    """

    def call(self, values):
        by = ops.convert_to_tensor(self.by, dtype=wide())
        values = ops.cast(values, wide())
        if self.kind == "asinh":
            return ops.arcsinh(values / by)
        least = by if self.kind == "log" else ops.zeros_like(by)
        # Comparing with NaN is false on every backend, so missing values pass through.
        values = ops.where(values < least, least, values)
        return ops.log(values) if self.kind == "log" else ops.power(values, by)


@REGISTER
class Untransform(_Curve):
    """Undo ``Transform``: ``(batch, horizon, targets[, quantiles])`` back to raw values.

    A power axis ends at zero: what lies below is zero. Exponents beyond float64's range are cut off.
    """

    def call(self, values):
        by = ops.convert_to_tensor(self.by, dtype=wide())
        if len(values.shape) < 4:
            return self._back(values, by)
        # Equal numbers may differ in the last bit after exp, by their place in a vector register.
        return ops.sort(self._back(values, by[:, None]), axis=-1)

    def _back(self, values, by):
        if self.kind == "power":
            return ops.power(ops.where(values > 0, values, ops.zeros_like(values)), 1 / by)
        largest = 80.0 if wide() == "float32" else 700.0
        values = ops.clip(values, -largest, largest)
        return ops.exp(values) if self.kind == "log" else by * ops.sinh(values)


@REGISTER
class AtLeastZero(keras.layers.Layer):
    """Cut forecasts off at zero, for data that are never negative."""

    def __init__(self, **kwargs):
        super().__init__(dtype=wide(), autocast=False, **kwargs)

    def call(self, values):
        # ops.maximum turns float64 into float32 on torch (Keras 3.15).
        return ops.where(values < 0, ops.zeros_like(values), values)

    def compute_output_spec(self, values):
        return keras.KerasTensor(values.shape, dtype=values.dtype)

    def get_config(self):
        config = super().get_config()
        config.pop("dtype")
        return config
