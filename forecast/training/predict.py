"""Run a model over windows, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np

from forecast.data.windows import Windows
from forecast.models.forms import forms_of
from forecast.training.carrying import Standpoint, forecast_carried
from forecast.training.quiet import quiet_tracing

# Every call has this many windows, the last one filled up: one compiled program serves all, so a
# forecast does not depend, to the last bit, on how many others were asked for with it.
BATCH = 64


def predict_windows(model: keras.Model, windows: Windows, standing: Standpoint | None = None) -> np.ndarray:
    """Forecast every window.

    A target whose context holds no observed value has no level to start from: its forecast is NaN. A model that
    carries its state goes through the series of the windows from their first row on.

    Args:
        model: Takes ``windows.inputs``.
        windows: At least one.
        standing: States for a model that carries them to begin with.

    Returns:
        float64, shape ``(windows, horizon, targets[, quantiles])``.
    """
    carried = forms_of(model).carried
    if carried is not None:
        return forecast_carried(carried, windows, standing)
    parts = []
    for which, filled in full_batches(len(windows)):
        inputs = windows.inputs(filled)
        forecast = forecast_batch(model, inputs)
        unknown = np.isnan(inputs["target"]).all(axis=1)
        forecast.swapaxes(1, 2)[unknown] = np.nan
        parts.append(forecast[: len(which)])
    return np.concatenate(parts)


def in_batches(model: keras.Model, inputs: dict[str, np.ndarray], windows: int) -> np.ndarray:
    """Run a model over inputs that are gathered already: float64, its outputs end to end."""
    parts = []
    for which, filled in full_batches(windows):
        output = forecast_batch(model, {name: values[filled] for name, values in inputs.items()})
        parts.append(output[: len(which)])
    return np.concatenate(parts)


def forecast_batch(model: keras.Model, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Run a model over one batch: float64, writable."""
    with quiet_tracing():
        return np.array(model.predict_on_batch(inputs), dtype=np.float64)


def full_batches(windows: int, size: int = BATCH) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """List the windows of each batch, and the same filled up with the last one."""
    for begin in range(0, windows, size):
        which = np.arange(begin, min(begin + size, windows))
        yield which, np.pad(which, (0, size - len(which)), mode="edge")
