"""Where windows and networks that make them again meet: batches to learn from, and what was made."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from forecast.data.local_windows import LARGEST, LocalWindows
from forecast.training.predict import forecast_batch, full_batches
from forecast.training.window_batches import Examples

# Windows of every call, the last one filled up; few calls cost less than many, and one new row costs a full one.
CALL = 256


def window_examples(
    windows: LocalWindows, ends: NDArray[np.int64], draw: np.random.Generator, code: int = 0
) -> Examples:
    """Return inputs of windows that are to be made again, the rows to be made, and their weights: 0 where missing.

    Args:
        windows: Of a panel.
        ends: Their last rows.
        draw: Source of noise.
        code: Normal numbers that go with each window; 0 for a network that takes none.
    """
    inputs, made = inputs_of(windows, ends)
    if code:
        inputs["noise"] = draw.standard_normal((len(ends), 1, code)).astype(np.float32)
    known = ~np.isnan(made)
    return inputs, np.where(known, made, 0.0), known * row_weights(windows)[:, None]


def row_weights(windows: LocalWindows) -> np.ndarray:
    """Return the weights of the rows to be made: rows beyond a window count as much as all of its own.

    Source:
        Wong et al. (2022), AER, equation of the loss with the share of regression at one half.
    """
    own = np.ones(windows.rows)
    return np.pad(own, windows.beyond, constant_values=windows.rows / 2)


def inputs_of(
    windows: LocalWindows, ends: NDArray[np.int64]
) -> tuple[dict[str, np.ndarray], NDArray[np.float32]]:
    """Return what a network reads of windows, and what it is to make: scaled, cut off, NaN where missing."""
    made = np.clip(windows.scaled(ends), -LARGEST, LARGEST).astype(np.float32)
    seen = made[:, windows.beyond : windows.beyond + windows.rows]
    known = ~np.isnan(seen)
    return {"rows": np.where(known, seen, np.float32(0)), "known": known.astype(np.float32)}, made


def make_windows_again(
    model: keras.Model, windows: LocalWindows, ends: NDArray[np.int64], noise: np.ndarray | None = None
) -> np.ndarray:
    """Let a network make windows again.

    Every call has the same number of windows, so that what is made of one does not depend on which others were asked
    for.

    Args:
        model: From ``build_autoencoder`` or ``build_variational``.
        windows: Of a panel.
        ends: Last rows of those to be made.
        noise: Normal numbers ``(draws, code)`` of a variational network, the same for every window.

    Returns:
        float64 ``(windows, draws, made, channels[, 2])``, scaled; one draw without noise.
    """
    parts, draws = [], 1 if noise is None else len(noise)
    for which, filled in full_batches(len(ends), CALL):
        inputs, _ = inputs_of(windows, ends[filled])
        if noise is not None:
            inputs["noise"] = np.broadcast_to(noise.astype(np.float32), (len(filled), *noise.shape))
        made = forecast_batch(model, inputs)
        parts.append(made.reshape(len(filled), draws, *made.shape[1:])[: len(which)])
    return np.concatenate(parts)
