"""Recurrent layers that drop parts of their state in training without leaving the fast path.

A state with some units left out, times the recurrent kernel, is the whole state times a kernel with rows left out. So
the mask goes onto the kernel, one for all sequences of a batch and all of their steps, drawn anew for each batch, and
what runs is the layer as it is without dropout: cuDNN on a GPU. Keras's own ``recurrent_dropout`` draws a mask for each
sequence, which no kernel can hold, and goes step by step.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class StateDropout:
    """What a recurrent layer of Keras needs to drop parts of its state.

    Args:
        units: Width of the state.
        state_dropout: Share of the state's units that each gate does not see in training.
        seed: Seed of the masks.
        **options: Of the layer.

    Source:
        Gal and Ghahramani (2016), "A theoretically grounded application of dropout in recurrent neural networks", for
        one mask at all steps; Merity, Keskar and Socher (2018), "Regularizing and optimizing LSTM language models", for
        masks on the recurrent kernel.
    """

    def __init__(self, units: int, *, state_dropout: float = 0.0, seed: int | None = None, **options: Any):
        super().__init__(units, seed=seed, **options)  # pyright: ignore[reportCallIssue]
        self.state_dropout = state_dropout
        self.state_seed = keras.random.SeedGenerator(seed)

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        """Run the rows, with the kernel that is left of the recurrent one."""
        run = super().inner_loop  # pyright: ignore[reportAttributeAccessIssue]
        if not training or not self.state_dropout:
            return run(sequences, initial_state, mask, training=training)
        cell: Any = self.cell  # pyright: ignore[reportAttributeAccessIssue]
        kernel = cell.recurrent_kernel
        units, width = kernel.shape
        kept = keras.random.dropout(
            ops.ones((units, width // units), kernel.dtype), self.state_dropout, seed=self.state_seed
        )
        values = {id(variable): (variable, variable.value) for variable in cell.variables}
        values[id(kernel)] = (kernel, kernel.value * ops.repeat(kept, units, axis=1))
        # All of them: on JAX what is read in here would otherwise not be what is learned.
        with keras.StatelessScope(state_mapping=list(values.values())):
            return run(sequences, initial_state, mask, training=training)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()  # pyright: ignore[reportAttributeAccessIssue]
        return config | {"state_dropout": self.state_dropout}
