"""Batches of windows of any kind, in an order that is a function of seed and epoch alone."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
from numpy.typing import NDArray

from forecast.data.local_windows import LocalWindows
from forecast.data.windows import order
from forecast.training.sequence import Passes

Examples = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]
"""Inputs, what is to be said of them, and its weights."""


class WindowBatches(keras.utils.PyDataset):
    """Batches of windows to learn from.

    Args:
        windows: Of a panel.
        ends: Rows of those to learn from.
        batch_size: Windows a batch.
        steps: Batches an epoch.
        seed: Of the order.
        examples: Makes a batch of the rows of its windows, the epoch and the number of the batch.
    """

    def __init__(
        self,
        windows: LocalWindows,
        ends: NDArray[np.int64],
        batch_size: int,
        steps: int,
        seed: int,
        examples: Callable[[NDArray[np.int64], int, int], Examples],
    ):
        super().__init__(workers=1, use_multiprocessing=False)
        self.windows, self.ends, self.steps, self.examples = windows, ends, steps, examples
        self.passes = Passes(len(ends), batch_size, steps, lambda number: order(len(ends), seed, number))
        self.epoch = 0

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> Examples:
        ends = self.ends[self.passes.members(self.epoch, index)]
        return self.examples(ends, self.epoch, index)

    def on_epoch_end(self) -> None:
        self.epoch += 1

    def culprit(self, epoch: int, index: int) -> str:
        """Say which value is the largest of a batch whose loss is not finite."""
        ends = self.ends[self.passes.members(epoch, index)]
        sizes = np.abs(np.nan_to_num(self.windows.raw(ends))).max(axis=(1, 2))
        return f"Largest value in that batch: {sizes.max():g}. Check that value."
