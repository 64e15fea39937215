"""Run a model over windows, batch by batch."""

from __future__ import annotations

import keras
import numpy as np

from forecast.data.windows import Windows

# Every call has this many windows, the last one filled up: one compiled program serves all, so a
# forecast does not depend, to the last bit, on how many others were asked for with it.
BATCH = 64


def predict_windows(model: keras.Model, windows: Windows) -> np.ndarray:
    """Forecast every window.

    A target whose context holds no observed value has no level to start from: its forecast is NaN.

    Args:
        model: Takes ``windows.inputs``.
        windows: At least one.

    Returns:
        float64, shape ``(windows, horizon, targets[, quantiles])``.
    """
    parts = []
    for begin in range(0, len(windows), BATCH):
        which = np.arange(begin, min(begin + BATCH, len(windows)))
        inputs = windows.inputs(np.pad(which, (0, BATCH - len(which)), mode="edge"))
        forecast = np.array(model.predict_on_batch(inputs), dtype=np.float64)
        unknown = np.isnan(inputs["target"]).all(axis=1)
        forecast.swapaxes(1, 2)[unknown] = np.nan
        parts.append(forecast[: len(which)])
    return np.concatenate(parts)
