"""Small layers of networks that read whole sequences of unequal length, right-padded."""

from __future__ import annotations

import keras
from keras import ops

from forecast.models.dtypes import REGISTER


@REGISTER
class RealRows(keras.layers.Layer):
    """Tell the rows of a sequence from its padding.

    Call:
        rows ``(batch, time, width)`` and length ``(batch,)``.

    Returns:
        A right-padded mask ``(batch, time)``, bool; the first row of a sequence counts as real.
    """

    def call(self, rows, length):
        steps = ops.arange(ops.shape(rows)[1], dtype="int32")
        return steps[None, :] < ops.maximum(ops.cast(length, "int32"), 1)[:, None]

    def compute_output_spec(self, rows, length):
        return keras.KerasTensor(rows.shape[:2], dtype="bool")


@REGISTER
class OnlyReal(keras.layers.Layer):
    """Set what stands in padded rows to zero: rows ``(batch, time, width)``, mask ``(batch, time)``."""

    def call(self, rows, real):
        return ops.where(real[..., None], rows, ops.zeros_like(rows))

    def compute_output_spec(self, rows, real):
        return keras.KerasTensor(rows.shape, dtype=self.compute_dtype)


@REGISTER
class MeanOfReal(keras.layers.Layer):
    """Average over the real rows: rows ``(batch, time, width)``, mask ``(batch, time)`` to ``(batch, width)``."""

    def call(self, rows, real):
        weights = ops.cast(real, rows.dtype)
        return ops.einsum("btw,bt->bw", rows, weights) / ops.sum(weights, axis=1)[:, None]

    def compute_output_spec(self, rows, real):
        return keras.KerasTensor((rows.shape[0], rows.shape[2]), dtype=self.compute_dtype)


@REGISTER
class SideBySide(keras.layers.Layer):
    """Lay ``size`` rows side by side as one, so that a recurrence takes fewer and longer steps.

    Args:
        size: Rows of a segment; a last one that is not full is filled with zeros.

    Call:
        rows ``(batch, time, width)``, zero where padded, to ``(batch, ceil(time / size), size * width)``.
    """

    def __init__(self, size: int, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, rows):
        count = -(-ops.shape(rows)[1] // self.size)
        filler = ops.repeat(ops.zeros_like(rows[:, :1]), self.size - 1, axis=1)
        filled = ops.concatenate([rows, filler], axis=1)[:, : count * self.size]
        return ops.reshape(filled, (-1, count, self.size * rows.shape[2]))

    def compute_output_spec(self, rows):
        count = None if rows.shape[1] is None else -(-rows.shape[1] // self.size)
        return keras.KerasTensor((rows.shape[0], count, self.size * rows.shape[2]), dtype=self.compute_dtype)

    def get_config(self):
        return super().get_config() | {"size": self.size}


@REGISTER
class SegmentRows(keras.layers.Layer):
    """Tell which segments hold a real row: mask ``(batch, time)`` to ``(batch, ceil(time / size))``.

    Args:
        size: Rows of a segment. Masks are right-padded: a segment is as real as its first row.
    """

    def __init__(self, size: int, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, real):
        return real[:, :: self.size]

    def compute_output_spec(self, real):
        count = None if real.shape[1] is None else -(-real.shape[1] // self.size)
        return keras.KerasTensor((real.shape[0], count), dtype="bool")

    def get_config(self):
        return super().get_config() | {"size": self.size}
