"""The one place that makes recurrent layers.

Nothing else in the package names a Keras recurrent layer. ``native.loops`` puts a faster loop behind them, with
interchangeable weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras

from forecast.errors import ParameterError
from forecast.models.dtypes import REGISTER
from forecast.models.native.loops import NativeLoop
from forecast.models.spec import check_word
from forecast.models.state_dropout import StateDropout


@REGISTER
class SimpleRNN(NativeLoop, keras.layers.SimpleRNN):
    """A SimpleRNN that the native kernel runs where it can."""

    native_cell = "rnn"


@REGISTER
class LSTM(NativeLoop, keras.layers.LSTM):
    """An LSTM that the native kernel runs where it can."""

    native_cell = "lstm"


@REGISTER
class GRU(NativeLoop, keras.layers.GRU):
    """A GRU that the native kernel runs where it can."""

    native_cell = "gru"


@REGISTER
class DroppedSimpleRNN(StateDropout, SimpleRNN):
    """A SimpleRNN that drops parts of its state."""


@REGISTER
class DroppedLSTM(StateDropout, LSTM):
    """An LSTM that drops parts of its state."""


@REGISTER
class DroppedGRU(StateDropout, GRU):
    """A GRU that drops parts of its state."""


# As Keras knows them: a layer of one's own network is one of these too.
KERAS = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
CELLS = {"rnn": SimpleRNN, "lstm": LSTM, "gru": GRU}
DROPPED = {"rnn": DroppedSimpleRNN, "lstm": DroppedLSTM, "gru": DroppedGRU}
STEP_CELLS = {"rnn": keras.layers.SimpleRNNCell, "lstm": keras.layers.LSTMCell, "gru": keras.layers.GRUCell}
ACTIVATIONS = ("tanh", "relu", "leaky_relu")
STARTS = ("orthogonal", "identity")


def recurrent(
    cell: str,
    units: int,
    *,
    sequences: bool = False,
    states: bool = False,
    bidirectional: bool = False,
    activation: str = "tanh",
    start: str = "orthogonal",
    recurrent_dropout: float = 0.0,
    seed: int = 0,
    name: str | None = None,
) -> keras.layers.Layer:
    """Make one recurrent layer, cuDNN-ready on a GPU wherever Keras can use it.

    cuDNN runs LSTM and GRU with ``activation="tanh"``. A mask passed when
    calling the layer must be right-padded without an empty row (``layers.LengthMask`` makes such masks).

    Args:
        cell: ``"rnn"`` (SimpleRNN), ``"lstm"`` or ``"gru"``.
        units: Width of the state, of each direction if bidirectional.
        sequences: Return the state of every step ``(batch, context, units)`` rather than the last one.
        states: Return the final state too, as further tensors (two for an LSTM).
        bidirectional: Read the context in both directions and join the states: width ``2 * units``.
        activation: ``"tanh"``, ``"relu"`` or ``"leaky_relu"`` of the candidate state.
        start: How the recurrent kernel begins: ``"orthogonal"``, or ``"identity"`` (for ReLU, so that a
            fresh network remembers; Le, Jaitly and Hinton 2015, arXiv 1504.00941).
        recurrent_dropout: Share of the state that is dropped between steps; see ``state_dropout``.
        seed: Seed of the initial weights and of the dropout.

    Raises:
        ParameterError: An unknown cell, activation or start.

    Example:
        >>> recurrent("gru", 8, bidirectional=True, name="encoder").name
        'encoder'
    """
    check_word("cell", cell, tuple(CELLS))
    check_word("activation", activation, ACTIVATIONS)
    check_word("start", start, STARTS)
    kind = partial(DROPPED[cell], state_dropout=recurrent_dropout) if recurrent_dropout else CELLS[cell]
    layer = kind(
        units,
        activation=activation,
        return_sequences=sequences,
        return_state=states,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        recurrent_initializer=_start(start, cell, seed + 1),
        seed=seed + 2,
        name=f"{name}_forward" if bidirectional and name else name,
    )
    if not bidirectional:
        return layer
    backward = type(layer).from_config(
        layer.get_config()
        | {
            "go_backwards": True,
            "name": f"{name}_backward" if name else None,
            "kernel_initializer": keras.initializers.GlorotUniform(seed=seed + 3),
            "recurrent_initializer": _start(start, cell, seed + 4),
            "seed": seed + 5,
        }
    )
    return keras.layers.Bidirectional(layer, backward_layer=backward, name=name)


def recurrent_cell(cell: str, units: int, *, seed: int = 0, name: str | None = None) -> keras.layers.Layer:
    """Make the cell of a recurrent layer, to be run by ``stepped``: one step from inputs and states.

    Args:
        cell: ``"rnn"``, ``"lstm"`` (two states) or ``"gru"``.
        units: Width of the state.
        seed: Seed of the initial weights.

    Example:
        >>> recurrent_cell("lstm", 8).state_size
        [8, 8]
    """
    check_word("cell", cell, tuple(STEP_CELLS))
    return STEP_CELLS[cell](
        units,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        recurrent_initializer=keras.initializers.Orthogonal(seed=seed + 1),
        name=name,
    )


def states_of(cell: str) -> int:
    """Return the number of state tensors of a cell.

    Example:
        >>> states_of("gru"), states_of("lstm")
        (1, 2)
    """
    return 2 if cell == "lstm" else 1


def stepped(step: Callable[[Any, list[Any]], tuple[Any, list[Any]]], rows: Any, states: Sequence[Any]) -> Any:
    """Run a function over rows, its states going on from one to the next, without unrolling.

    Args:
        step: ``(inputs (batch, columns), states)`` to ``(output (n, width), states)``, all float32. What else it
            needs it may close over; the rows of its output and states need not be those of ``rows``.
        rows: ``(batch, steps, columns)``, float32.
        states: First states, each ``(n, ...)``.

    Returns:
        The outputs ``(n, steps, width)``.

    Example:
        >>> def add(row, states):
        ...     return states[0] + row, [states[0] + row]
        >>> totals = stepped(add, keras.ops.ones((1, 3, 1)), [keras.ops.zeros((1, 1))])
        >>> keras.ops.convert_to_numpy(totals)[0, :, 0].tolist()
        [1.0, 2.0, 3.0]
    """
    run = keras.layers.RNN(_Step(step, len(states)), return_sequences=True, dtype="float32", name="stepped")
    return run(rows, initial_state=list(states))


def cell_of(layer: Any) -> str | None:
    """Return the cell of a recurrent layer that runs through one loop from given states; None of any other layer.

    Example:
        >>> cell_of(recurrent("lstm", 4)), cell_of(keras.layers.Dense(1))
        ('lstm', None)
    """
    found = next((name for name, kind in KERAS.items() if isinstance(layer, kind)), None)
    return None if found is None or layer.stateful or layer.unroll else found


def directions_of(layer: Any) -> list[tuple[str, Any]]:
    """Return the recurrent layers that a layer consists of, one for each direction, by name.

    Returns:
        None of a layer that is not recurrent, or whose directions are joined in another way than side by side.

    Example:
        >>> [name for name, _ in directions_of(recurrent("gru", 4, bidirectional=True, name="both"))]
        ['both_forward', 'both_backward']
    """
    if isinstance(layer, keras.layers.Bidirectional) and layer.merge_mode == "concat":
        parts = [
            (f"{layer.name}_forward", layer.forward_layer),
            (f"{layer.name}_backward", layer.backward_layer),
        ]
        return parts if all(cell_of(part) for _, part in parts) else []
    return [(layer.name, layer)] if cell_of(layer) else []


def looped(
    cell: Any, rows: Any, states: Sequence[Any] | None, *, mask: Any = None, backwards: bool = False
) -> tuple[Any, ...]:
    """Run a cell, a Keras layer, over rows: the outputs of all steps, and the states behind the last one.

    Args:
        cell: With ``state_size``, ``output_size`` and ``get_initial_state``.
        rows: ``(batch, steps, columns)``.
        states: First states; None: those that the cell begins with.
        mask: Which rows are real ``(batch, steps)``; None: all.
        backwards: Begin with the last row; the outputs are in the order of the reading.
    """
    loop = keras.layers.RNN(cell, return_sequences=True, return_state=True, go_backwards=backwards)
    given = {} if states is None else {"initial_state": list(states)}
    return tuple(loop(rows, mask=mask, **given))


class _Step:
    """A function in the clothes of a cell; it has no weights of its own."""

    compute_dtype = "float32"
    output_size = 1

    def __init__(self, step: Callable[[Any, list[Any]], tuple[Any, list[Any]]], states: int):
        self.step, self.state_size = step, [1] * states

    def call(self, inputs: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        output, after = self.step(inputs, list(states))
        return output, [_like(state, before) for state, before in zip(after, states, strict=True)]

    __call__ = call


def _like(state: Any, before: Any) -> Any:
    """Give a state the dtype and shape it had: TensorFlow's loop refuses one that knows less of its shape."""
    state = keras.ops.cast(state, "float32")
    return state if state.shape == before.shape else keras.ops.reshape(state, keras.ops.shape(before))


def _start(start: str, cell: str, seed: int) -> keras.Initializer:
    if start == "orthogonal":
        return keras.initializers.Orthogonal(seed=seed)
    if cell != "rnn":
        raise ParameterError(f"start='identity' is for cell='rnn'; a {cell} kernel holds several gates.")
    return keras.initializers.Identity()
