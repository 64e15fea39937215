"""Recurrent layers of Keras whose loop over the rows is run by the kernel, with the weights they have anyway."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from forecast.errors import ParameterError
from forecast.models.native import choice, operation
from forecast.models.native.library import Run


class NativeLoop:
    """What a SimpleRNN, LSTM or GRU of Keras needs to run its loop on the kernel, where that can be.

    ``native_cell`` says which cell it is. The layer is otherwise as it was: weights, configuration and results are
    the same (to 1e-5, rounding being another).
    """

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        """Run the rows: the last output, all outputs, the states."""
        cell = cell_for(self, sequences)
        if cell is None:
            run = super().inner_loop  # pyright: ignore[reportAttributeAccessIssue]
            return run(sequences, initial_state, mask, training=training)
        layer: Any = self
        # XLA cannot look into the kernel; nor would it gain by it.
        layer.supports_jit = keras.config.backend() != "tensorflow"
        if training and layer.dropout:
            sequences = sequences * layer.cell.get_dropout_mask(sequences[:, 0, :])[:, None, :]
        h0, *c0 = initial_state if isinstance(initial_state, (list, tuple)) else [initial_state]
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        weights = layer.cell
        tensors = {
            "x": sequences,
            "kernel": ops.convert_to_tensor(weights.kernel),
            "recurrent": ops.convert_to_tensor(weights.recurrent_kernel),
            "bias": ops.convert_to_tensor(weights.bias) if layer.use_bias else None,
            "h0": h0,
            "c0": c0[0] if c0 else None,
            "mask": None if mask is None else ops.cast(mask, "bool"),
        }
        how = Run(cell, layer.go_backwards, layer.return_sequences, zero_masked=layer.zero_output_for_mask)
        last, sequence, states = operation.run_layer(how, tensors)
        return last, last[:, None] if sequence is None else sequence, states


def cell_for(layer: Any, sequences: Any) -> str | None:
    """Return the kernel's name for the cell of a layer of Keras; None where Keras is to run it.

    Raises:
        ParameterError: The kernel was asked for, and cannot run the layer or is not there.
    """
    word = choice.asked()
    if word == "keras":
        return None
    why = choice.why_not() or _what_is_beyond(layer, sequences)
    if why is None and not operation.is_there():
        why = f"the backend {keras.config.backend()} does not run it on this device"
    if why is None:
        relu = layer.activation is keras.activations.relu
        return "rnn_relu" if relu else layer.native_cell
    if word == "native":
        raise ParameterError(f"The native kernel cannot run layer {layer.name!r}: {why}.")
    return None


def _what_is_beyond(layer: Any, sequences: Any) -> str | None:
    """Say what of a layer the kernel does not know; None if it knows all."""
    tanh, relu, sigmoid = keras.activations.tanh, keras.activations.relu, keras.activations.sigmoid
    simple = layer.native_cell == "rnn"
    if layer.activation not in ((tanh, relu) if simple else (tanh,)):
        return f"its activation is {getattr(layer.activation, '__name__', layer.activation)}"
    if not simple and layer.recurrent_activation is not sigmoid:
        return "its recurrent activation is not sigmoid"
    if not getattr(layer, "reset_after", True):
        return "it resets its state before the product"
    if layer.unroll or layer.recurrent_dropout:
        return "it is unrolled or has recurrent dropout"
    if layer.compute_dtype != "float32" or keras.backend.standardize_dtype(sequences.dtype) != "float32":
        return "it is not in float32"
    return None if sequences.shape[-1] else "the width of its inputs is not known"
