"""Run a model over windows, batch by batch."""

from __future__ import annotations

import keras
import numpy as np

from forecast.data.windows import Windows


def predict_windows(model: keras.Model, windows: Windows, batch_size: int = 512) -> np.ndarray:
    """Forecast every window.

    A target whose context holds no observed value has no level to start from: its forecast is NaN.

    Args:
        model: Takes ``windows.inputs``.
        windows: At least one.
        batch_size: Windows at once; the last batch is filled up so that one compiled program serves all.

    Returns:
        float64, shape ``(windows, horizon, targets[, quantiles])``.
    """
    size = min(batch_size, max(len(windows), 1))
    parts = []
    for begin in range(0, len(windows), size):
        which = np.arange(begin, min(begin + size, len(windows)))
        filled = np.pad(which, (0, size - len(which)), mode="edge")
        inputs = windows.inputs(filled)
        forecast = np.array(model.predict_on_batch(inputs), dtype=np.float64)
        unknown = np.isnan(inputs["target"]).all(axis=1)
        forecast.swapaxes(1, 2)[unknown] = np.nan
        parts.append(forecast[: len(which)])
    return np.concatenate(parts)
