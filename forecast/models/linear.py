"""Linear maps from context to horizon, plain or with the trend apart: what every network should beat."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from forecast.errors import ParameterError
from forecast.models.aligned import marked, newest_last
from forecast.models.dtypes import REGISTER
from forecast.models.frame import finish, layer_seed, linear_skip, prepare
from forecast.models.inputs import Prepared
from forecast.models.rnn import check_sizes
from forecast.models.spec import Spec


def build_linear(spec: Spec, *, kernel: int = 25) -> keras.Model:
    """Build a linear forecaster (DLinear): raw values in, raw values out.

    A moving average takes the trend from the scaled context; trend and remainder each have one linear map to
    the horizon. What else is known (covariates, marks of missing values and of padding) enters linearly too: a
    row's as one number for each target, mapped like the target itself; a future row's at its own step.

    Args:
        spec: Sizes of inputs and outputs, and scales.
        kernel: Rows of the moving average; 0 for one map of the context as it is.

    Returns:
        A ``keras.Model`` as ``build_rnn`` returns it.

    Raises:
        ParameterError: ``kernel`` is neither 0 nor a whole number from 2 on.

    Example:
        >>> build_linear(Spec(context=24, horizon=6), kernel=5).output_shape
        (None, 6, 1)

    Source:
        Zeng et al. (2023), "Are transformers effective for time series forecasting?", arXiv 2205.13504.
    Differs:
        Scaling, quantiles and covariates are those of all networks here. Joined targets are mapped together.
        First weights are uniform within 1 / inputs, so that a fresh model is close to its anchor.
    """
    check_kernel(kernel)
    prepared = prepare(spec)
    parts = _parts(prepared, kernel)
    free: Any = 0.0
    for place, (name, part) in enumerate(parts.items()):
        free = free + _ahead(spec, ops.reshape(part, (-1, part.shape[1] * part.shape[2])), place, name)
    if prepared.static is not None:
        free = free + _ahead(spec, prepared.static, 10, "static")
    if prepared.future is not None:
        # One map for all steps: a column known ahead means the same at each of them.
        step = _mapped(
            prepared.future, spec.channels * spec.outputs, layer_seed(spec.seed, 11), "future_ahead"
        )
        free = free + ops.reshape(step, (-1, spec.horizon, spec.channels, spec.outputs))
    return finish(prepared, free, skip=linear_skip(prepared, usual=False), name="linear")


def check_kernel(kernel: int) -> None:
    """Refuse moving averages that leave no remainder."""
    if kernel == 1:
        raise ParameterError("kernel=1 averages nothing; pass 0 for a plain linear map, or 2 and more rows.")
    if kernel != 0 or isinstance(kernel, bool):
        check_sizes(kernel=kernel)


@REGISTER
class MovingMean(keras.layers.Layer):
    """Mean of the ``kernel`` rows around each row; beyond the ends, the rows there are repeated.

    Input and output ``(batch, rows, channels)``.

    Source:
        Zeng et al. (2023), series decomposition.
    """

    def __init__(self, kernel: int, **kwargs):
        super().__init__(**kwargs)
        self.kernel = kernel

    def call(self, values):
        before, after = self.kernel // 2, (self.kernel - 1) // 2
        first, last = ops.repeat(values[:, :1], before, axis=1), ops.repeat(values[:, -1:], after, axis=1)
        longer = ops.concatenate([first, values, last], axis=1)
        return ops.average_pool(longer, self.kernel, strides=1, padding="valid", data_format="channels_last")

    def compute_output_spec(self, values):
        return keras.KerasTensor(values.shape, dtype=values.dtype)

    def get_config(self):
        return super().get_config() | {"kernel": self.kernel}


def _parts(prepared: Prepared, kernel: int) -> dict[str, Any]:
    """Return what is mapped from context to horizon, by name, each ``(batch, context, channels)``."""
    spec = prepared.spec
    rows = marked(*newest_last(prepared))
    target, others = rows[:, :, : spec.channels], rows[:, :, spec.channels :]
    parts = {"target": target}
    if kernel:
        trend = MovingMean(kernel, name="moving_mean")(target)
        parts = {"trend": trend, "remainder": target - trend}
    if others.shape[2]:
        parts["others"] = _mapped(others, spec.channels, layer_seed(spec.seed, 12), "reading", flat=False)
    return parts


def _ahead(spec: Spec, flat: Any, place: int, name: str) -> Any:
    """Map a vector to the horizon: ``(batch, horizon, channels, outputs)``."""
    width = spec.horizon * spec.channels * spec.outputs
    mapped = _mapped(flat, width, layer_seed(spec.seed, place), f"{name}_ahead")
    return ops.reshape(mapped, (-1, spec.horizon, spec.channels, spec.outputs))


def _mapped(tensor: Any, units: int, seed: int, name: str, *, flat: bool = True) -> Any:
    """Map the last axis linearly; ``flat`` starts close to zero, else as wide as the columns read."""
    reach = 1 / tensor.shape[-1] if flat else tensor.shape[-1] ** -0.5
    start = keras.initializers.RandomUniform(-reach, reach, seed=seed)
    return keras.layers.Dense(units, kernel_initializer=start, name=name)(tensor)
