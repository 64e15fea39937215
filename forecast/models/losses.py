"""Losses that average over windows, steps, targets and quantiles alike."""

from __future__ import annotations

import keras
from keras import ops

from forecast.errors import ParameterError
from forecast.models.layers import wide

POINT_LOSSES = ("mae", "mse", "mixed")


@keras.saving.register_keras_serializable(package="forecast")
class PinballLoss(keras.losses.Loss):
    """Pinball (quantile) loss, twice its usual value so that the median alone gives the absolute error.

    Args:
        quantiles: Levels in (0, 1), in the order of the prediction's last axis.

    Call:
        ``actual`` ``(batch, horizon, targets)``, ``forecast`` ``(batch, horizon, targets, quantiles)``.
        Sample weights ``(batch, horizon, targets)`` are 1 / scale, or 0 where the actual is missing.

    Source:
        Koenker and Bassett (1978), "Regression quantiles".

    Example:
        >>> import numpy as np
        >>> loss = PinballLoss((0.1, 0.5))
        >>> round(float(loss(np.full((1, 1, 1), 2.0), np.full((1, 1, 1, 2), 1.0))), 6)
        0.6
    """

    def __init__(self, quantiles, name: str = "pinball", **kwargs):
        super().__init__(name=name, dtype=kwargs.pop("dtype", wide()), **kwargs)
        self.quantiles = tuple(float(q) for q in quantiles)

    def call(self, actual, forecast):
        levels = ops.convert_to_tensor(self.quantiles, dtype=forecast.dtype)
        error = actual[..., None] - forecast
        return 2 * ops.mean(ops.maximum(levels * error, (levels - 1) * error), axis=-1)

    def get_config(self):
        return super().get_config() | {"quantiles": self.quantiles}


@keras.saving.register_keras_serializable(package="forecast")
class PointLoss(keras.losses.Loss):
    """Absolute error, squared error, or their mix for one forecast a step.

    Args:
        kind: ``"mae"``, ``"mse"``, or ``"mixed"`` = absolute error + half the squared error.

    Call:
        ``actual`` and ``forecast`` ``(batch, horizon, targets)``. Errors are divided by the scale of
        the series before they are squared, so the sample weights 1 / scale are taken in here.
    """

    def __init__(self, kind: str = "mae", name: str = "point", **kwargs):
        super().__init__(name=name, dtype=kwargs.pop("dtype", wide()), **kwargs)
        if kind not in POINT_LOSSES:
            raise ParameterError(f"loss must be one of {', '.join(POINT_LOSSES)}; got {kind!r}.")
        self.kind = kind

    def __call__(self, actual, forecast, sample_weight=None):
        weight = 1.0 if sample_weight is None else ops.cast(sample_weight, self.dtype)
        error = (ops.cast(actual, self.dtype) - ops.cast(forecast, self.dtype)) * weight
        return ops.mean(self.call(error, 0.0))

    def call(self, error, _):
        if self.kind == "mae":
            return ops.abs(error)
        return ops.square(error) if self.kind == "mse" else ops.abs(error) + ops.square(error) / 2

    def get_config(self):
        return super().get_config() | {"kind": self.kind}
