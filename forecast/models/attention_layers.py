"""Attention of a decoder over the states of its encoder, one step at a time."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from forecast.models.dtypes import REGISTER

KINDS = ("bahdanau", "luong")
_NEVER = -1e9


@REGISTER
class Attention(keras.layers.Layer):
    """Weigh the encoder's states by how well they match a state of the decoder.

    Args:
        kind: ``"bahdanau"``: ``v tanh(W query + U memory)`` (additive); ``"luong"``: ``query W memory``
            (multiplicative, "general").
        units: Width of query and memory.
        seed: Seed of the first weights.

    Call:
        ``query`` ``(batch, units)``, ``memory`` ``(batch, context, units)``, ``keys`` from ``keys(memory)``, and
        ``real`` ``(batch, context)``: False where padded, or None.

    Returns:
        What was looked at ``(batch, units)``, and the weights ``(batch, context)``, which sum to 1.

    Source:
        Bahdanau, Cho and Bengio (2015), "Neural machine translation by jointly learning to align and translate";
        Luong, Pham and Manning (2015), "Effective approaches to attention-based neural machine translation".
    """

    def __init__(self, kind: str, units: int, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.kind, self.units, self.seed = kind, units, seed
        starts = [keras.initializers.GlorotUniform(seed=seed + i) for i in range(3)]
        self.of_memory = keras.layers.Dense(
            units, use_bias=False, kernel_initializer=starts[0], name="of_memory"
        )
        if kind == "bahdanau":
            self.of_query = keras.layers.Dense(units, kernel_initializer=starts[1], name="of_query")
            self.score = keras.layers.Dense(1, use_bias=False, kernel_initializer=starts[2], name="score")

    def build(self, query_shape):
        self.of_memory.build((None, None, self.units))
        if self.kind == "bahdanau":
            self.of_query.build((None, self.units))
            self.score.build((None, None, self.units))

    def keys(self, memory: Any) -> Any:
        """Return what queries are matched with, made once for all steps: ``(batch, context, units)``."""
        return self.of_memory(memory)

    def call(self, query, memory, keys, real=None):
        if self.kind == "bahdanau":
            scores = self.score(ops.tanh(self.of_query(query)[:, None] + keys))[..., 0]
        else:
            scores = ops.sum(query[:, None] * keys, axis=-1)
        if real is not None:
            scores = ops.where(real, scores, ops.full_like(scores, _NEVER))
        weights = ops.softmax(scores, axis=-1)
        return ops.sum(weights[..., None] * memory, axis=1), weights

    def get_config(self):
        return super().get_config() | {"kind": self.kind, "units": self.units, "seed": self.seed}
