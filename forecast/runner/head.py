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
        spec: Of the network.
        weights: Of each layer by its name.
        units: Width of the state.
    """

    def __init__(self, spec: Spec, weights: Weights, units: int):
        self.reads_ahead, self.middle = bool(spec.known_future + spec.calendar), spec.middle
        self.ordered = spec.head == "quantiles" and bool(spec.quantiles)
        self.single = spec.head == "quantiles" and not spec.quantiles
        self.horizon, self.channels, self.outputs = spec.horizon, spec.channels, spec.outputs
        kernel, bias = weights["steps" if self.reads_ahead else "horizon"]
        kernel, self.static = np.concatenate([bias[None], kernel[:units]]), kernel[units:]
        self.decoder, self.output = (
            (weights["decoder"], weights["step_output"]) if self.reads_ahead else (None, None)
        )
        if not self.reads_ahead:
            kernel, self.static = self._outputs_first(kernel), self._outputs_first(self.static)
        self.kernel = np.ascontiguousarray(kernel)

    def told(self, static: Floats) -> Floats:
        """Return what ``static`` features ``(rows, width)`` add to the first layer: ``(rows, width of the layer)``."""
        return static @ self.static

    def __call__(self, state: Floats, told: Floats | None, ahead: Floats | None) -> Floats:
        """Forecast in units of the scale.

        Args:
            state: A one, and the state: ``(…, 1 + units)``.
            told: What ``told`` made of static features, or None.
            ahead: Scaled known-ahead columns and calendar features ``(…, horizon, columns)``.

        Returns:
            ``(…, horizon, channels[, outputs])``; parameters of a distribution as free numbers.
        """
        lead = state.shape[:-1]
        free = np.dot(state, self.kernel)
        if told is not None:
            free += told
        if ahead is not None:
            free = self._ahead(free.reshape(*lead, self.horizon, -1), ahead)
        free = free.reshape(*lead, self.outputs, self.horizon, self.channels)
        if self.single:
            return free[..., 0, :, :]
        if self.ordered:
            self._order(free.swapaxes(0, 1) if lead else free)
        return free.transpose((0, 2, 3, 1) if lead else (1, 2, 0))

    def _order(self, free: Floats) -> None:
        """Make numbers by quantile rise, in place: each adds a positive number to its neighbour, from the middle on."""
        apart, middle = np.logaddexp(0, free), self.middle
        for k in range(middle + 1, self.outputs):
            np.add(free[k - 1], apart[k], free[k])
        for k in range(middle - 1, -1, -1):
            np.subtract(free[k + 1], apart[k], free[k])

    def _ahead(self, steps: Floats, ahead: Floats) -> Floats:
        """Read what is known of each step beside the reading of the state ``(…, horizon, depth)``."""
        assert self.decoder is not None and self.output is not None
        both = np.concatenate([steps, ahead.astype(np.float32)], axis=-1)
        both = both.reshape(-1, both.shape[-1]) @ self.decoder[0] + self.decoder[1]
        found = np.maximum(both, 0) @ self.output[0] + self.output[1]
        found = found.reshape(-1, self.horizon, self.channels, self.outputs)
        return np.ascontiguousarray(np.moveaxis(found, -1, 1))

    def _outputs_first(self, kernel: Floats) -> Floats:
        """Sort columns, which go by step, channel and output, by output first."""
        parts = kernel.reshape(len(kernel), self.horizon, self.channels, self.outputs)
        return np.moveaxis(parts, -1, 1).reshape(kernel.shape)


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
