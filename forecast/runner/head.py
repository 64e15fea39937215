"""From states to the quantiles of a horizon, as ``models.frame`` and ``models.transforms`` have it, in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.runner.cells import Weights

if TYPE_CHECKING:
    from forecast.models.spec import Spec

Floats = NDArray[np.floating[Any]]
# Exponential and hyperbolic sine stay finite up to here.
_LARGEST = 700.0


class Head:
    """Forecast the horizon from a state.

    Args:
        spec: Of the network; its head is quantiles or points.
        weights: Of each layer by its name.
        units: Width of the state.
    """

    def __init__(self, spec: Spec, weights: Weights, units: int):
        self.spec, self.reads_ahead = spec, bool(spec.known_future + spec.calendar)
        kernel, self.bias = weights["steps" if self.reads_ahead else "horizon"]
        self.kernel, self.static = np.ascontiguousarray(kernel[:units]), kernel[units:]
        if self.reads_ahead:
            self.decoder, self.output = weights["decoder"], weights["step_output"]
        # Quantiles above the middle are it and positive numbers, those below are it less positive numbers.
        row, column = np.indices((spec.outputs, spec.outputs))
        above, below = (row > spec.middle) & (row <= column), (row < spec.middle) & (row >= column)
        self.order = 1.0 * above - below + (row == spec.middle)

    def told(self, static: Floats) -> Floats:
        """Return what ``static`` features ``(rows, width)`` add to the first layer: its bias ``(rows, outputs)``."""
        return self.bias + static @ self.static

    def __call__(self, state: Floats, bias: Floats, ahead: Floats | None) -> Floats:
        """Forecast in units of the scale.

        Args:
            state: ``(…, units)``.
            bias: Of the first layer: its own, or what ``told`` made of it.
            ahead: Scaled known-ahead columns and calendar features ``(…, horizon, columns)``.

        Returns:
            ``(…, horizon, channels[, quantiles])``, float64 with quantiles.
        """
        spec, lead = self.spec, state.shape[:-1]
        free = state @ self.kernel
        free += bias
        if self.reads_ahead:
            assert ahead is not None
            steps = free.reshape(*lead, spec.horizon, -1)
            both = np.concatenate([steps, ahead.astype(np.float32)], axis=-1)
            both = both.reshape(-1, both.shape[-1]) @ self.decoder[0] + self.decoder[1]
            free = np.maximum(both, 0) @ self.output[0] + self.output[1]
        if not spec.quantiles:
            return free.reshape(*lead, spec.horizon, spec.channels)
        free = free.reshape(-1, spec.outputs)
        parts = np.logaddexp(0.0, free, dtype=np.float64)
        parts[:, spec.middle] = free[:, spec.middle]
        return (parts @ self.order).reshape(*lead, spec.horizon, spec.channels, spec.outputs)


def transformed(spec: Spec, values: Floats) -> Floats:
    """Take raw targets ``(…, targets)`` to the axis on which the network scales them."""
    if spec.transform == "none":
        return values
    by = np.asarray(spec.transform_by)
    if spec.transform == "asinh":
        return np.arcsinh(values / by)
    if spec.transform == "log":
        return np.log(np.maximum(values, by))
    return np.power(np.maximum(values, 0.0), by)


def raw(spec: Spec, values: Floats) -> Floats:
    """Take forecasts ``(…, targets[, quantiles])`` back to raw values; cut them off at zero where nothing is below."""
    if spec.transform != "none":
        by = np.asarray(spec.transform_by)
        by = by[:, None] if spec.quantiles else by
        if spec.transform == "power":
            values = np.power(np.maximum(values, 0.0), 1 / by)
        else:
            values = np.clip(values, -_LARGEST, _LARGEST)
            values = np.exp(values) if spec.transform == "log" else by * np.sinh(values)
        values = np.sort(values, axis=-1) if spec.quantiles else values
    return np.maximum(values, 0.0) if spec.positive else values
