"""Where windows and networks that make them again meet: batches to learn from, and what was made."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from forecast.data.local_windows import LARGEST, LocalWindows
from forecast.data.windows import order
from forecast.training.predict import forecast_batch, full_batches
from forecast.training.sequence import Passes

# Windows of every call, the last one filled up; few calls cost less than many, and one new row costs a full one.
CALL = 256


class WindowBatches(keras.utils.PyDataset):
    """Batches of windows that are to be made again, in an order that is a function of seed and epoch alone.

    Args:
        windows: Of a panel.
        ends: Last rows of those to learn from.
        batch_size: Windows a batch.
        steps: Batches an epoch.
        seed: Seed of the order and of the noise.
        code: Normal numbers that go with each window; 0 for a network that takes none.
    """

    def __init__(
        self,
        windows: LocalWindows,
        ends: NDArray[np.int64],
        batch_size: int,
        steps: int,
        seed: int,
        *,
        code: int = 0,
    ):
        super().__init__(workers=1, use_multiprocessing=False)
        self.windows, self.ends, self.steps, self.seed, self.code = windows, ends, steps, seed, code
        self.passes = Passes(len(ends), batch_size, steps, lambda number: order(len(ends), seed, number))
        self.epoch = 0

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """Return inputs, rows to be made, and their weights: 0 where missing."""
        ends = self.ends[self.passes.members(self.epoch, index)]
        inputs, made = inputs_of(self.windows, ends)
        if self.code:
            draw = np.random.default_rng((self.seed, self.epoch, index))
            inputs["noise"] = draw.standard_normal((len(ends), 1, self.code)).astype(np.float32)
        known = ~np.isnan(made)
        return inputs, np.where(known, made, 0.0), known * row_weights(self.windows)[:, None]

    def on_epoch_end(self) -> None:
        self.epoch += 1

    def culprit(self, epoch: int, index: int) -> str:
        """Say which window holds the largest value of a batch whose loss is not finite."""
        ends = self.ends[self.passes.members(epoch, index)]
        sizes = np.abs(np.nan_to_num(self.windows.raw(ends))).max(axis=(1, 2))
        return f"Largest value in that batch: {sizes.max():g}. Check that value."


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
