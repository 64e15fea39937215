"""Known series and categories as learned vectors, with a vector of its own for those never seen."""

from __future__ import annotations

import keras
from keras import ops

from forecast.models.dtypes import REGISTER

# Share of windows whose series or category is hidden while training: they teach the vector of the unseen.
HIDDEN = 0.1


@REGISTER
class Embed(keras.layers.Layer):
    """Turn a code ``(batch,)`` into a vector ``(batch, width)``; code 0 stands for "never seen".

    A tenth of the windows are shown as code 0 in training, so that its vector serves the whole pool
    when a series or category turns up that training did not know.

    Args:
        size: Number of codes, that of the unseen included.
        seed: Seed of the first vectors and of what is hidden.

    Source:
        Guo and Berkhahn (2016), "Entity embeddings of categorical variables".
    """

    def __init__(self, size: int, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.size, self.seed = size, seed
        self.width = min(16, (size + 1) // 2)
        self.hiding = keras.random.SeedGenerator(seed)

    def build(self, shape):
        start = keras.initializers.RandomUniform(-0.05, 0.05, seed=self.seed)
        self.vectors = self.add_weight((self.size, self.width), initializer=start, name="vectors")

    def call(self, codes, training=False):
        codes = ops.clip(ops.cast(codes, "int32"), 0, self.size - 1)
        if training:
            shown = keras.random.uniform(ops.shape(codes), seed=self.hiding) >= HIDDEN
            codes = ops.where(shown, codes, ops.zeros_like(codes))
        return ops.take(self.vectors, codes, axis=0)

    def compute_output_spec(self, codes, training=False):
        return keras.KerasTensor((*codes.shape, self.width), dtype=self.compute_dtype)

    def get_config(self):
        return super().get_config() | {"size": self.size, "seed": self.seed}
