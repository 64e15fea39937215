"""Overlapping patches of a window, and where they stand."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from forecast.models.dtypes import REGISTER


@REGISTER
class Patches(keras.layers.Layer):
    """Cut rows into overlapping patches, the last of which ends at the newest row; 0 fills up the oldest.

    Args:
        width: Rows of a patch.
        stride: Rows from one patch to the next.

    Call:
        ``values`` ``(batch, rows, columns)``, newest row last.

    Returns:
        ``(batch, patches, width * columns)``.

    Example:
        >>> patches = Patches(width=4, stride=2)(np.arange(1.0, 8.0).reshape(1, 7, 1))
        >>> ops.convert_to_numpy(patches)[0].astype(int).tolist()
        [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7]]
    """

    def __init__(self, width: int, stride: int, **kwargs):
        super().__init__(**kwargs)
        self.width, self.stride = width, stride

    def call(self, values):
        rows, columns = values.shape[1:]
        count = self._count(rows)
        filled = (count - 1) * self.stride + self.width - rows
        longer = ops.pad(values, ((0, 0), (filled, 0), (0, 0)))
        place = np.arange(count, dtype="int32")[:, None] * self.stride + np.arange(self.width, dtype="int32")
        taken = ops.take(longer, place, axis=1)  # (batch, patches, width, columns)
        return ops.reshape(taken, (-1, count, self.width * columns))

    def compute_output_spec(self, values):
        shape = (values.shape[0], self._count(values.shape[1]), self.width * values.shape[2])
        return keras.KerasTensor(shape, dtype=values.dtype)

    def get_config(self):
        return super().get_config() | {"width": self.width, "stride": self.stride}

    def _count(self, rows: int) -> int:
        return 1 + max(0, -(-(rows - self.width) // self.stride))


@REGISTER
class Positions(keras.layers.Layer):
    """Add a learned vector for its place to each token: input and output ``(batch, tokens, units)``.

    Args:
        seed: Seed of the first vectors.
    """

    def __init__(self, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed

    def build(self, shape):
        start = keras.initializers.RandomUniform(-0.02, 0.02, seed=self.seed)
        self.place = self.add_weight(shape[1:], initializer=start, name="place")

    def call(self, tokens):
        return tokens + self.place

    def compute_output_spec(self, tokens):
        return keras.KerasTensor(tokens.shape, dtype=tokens.dtype)

    def get_config(self):
        return super().get_config() | {"seed": self.seed}
