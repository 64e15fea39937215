"""The one place that makes recurrent layers.

Nothing else in the package names a Keras recurrent layer, so that faster ones can stand behind
the same call with interchangeable weights.
"""

from __future__ import annotations

import keras

from forecast.errors import ParameterError

CELLS = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
ACTIVATIONS = ("tanh", "relu", "leaky_relu")
STARTS = ("orthogonal", "identity")


def recurrent(
    cell: str,
    units: int,
    *,
    sequences: bool = False,
    bidirectional: bool = False,
    activation: str = "tanh",
    start: str = "orthogonal",
    recurrent_dropout: float = 0.0,
    seed: int = 0,
    name: str | None = None,
) -> keras.layers.Layer:
    """Make one recurrent layer, cuDNN-ready on a GPU wherever Keras can use it.

    cuDNN runs LSTM and GRU with ``activation="tanh"`` and ``recurrent_dropout=0``. A mask passed when
    calling the layer must be right-padded without an empty row (``layers.LengthMask`` makes such masks).

    Args:
        cell: ``"rnn"`` (SimpleRNN), ``"lstm"`` or ``"gru"``.
        units: Width of the state, of each direction if bidirectional.
        sequences: Return the state of every step ``(batch, context, units)`` rather than the last one.
        bidirectional: Read the context in both directions and join the states: width ``2 * units``.
        activation: ``"tanh"``, ``"relu"`` or ``"leaky_relu"`` of the candidate state.
        start: How the recurrent kernel begins: ``"orthogonal"``, or ``"identity"`` (for ReLU, so that a
            fresh network remembers; Le, Jaitly and Hinton 2015, arXiv 1504.00941).
        recurrent_dropout: Share of the state dropped between steps.
        seed: Seed of the initial weights and of the dropout.

    Raises:
        ParameterError: An unknown cell, activation or start.

    Example:
        >>> recurrent("gru", 8, bidirectional=True, name="encoder").name
        'encoder'
    """
    _check("cell", cell, tuple(CELLS))
    _check("activation", activation, ACTIVATIONS)
    _check("start", start, STARTS)
    layer = CELLS[cell](
        units,
        activation=activation,
        return_sequences=sequences,
        recurrent_dropout=recurrent_dropout,
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


def _start(start: str, cell: str, seed: int) -> keras.Initializer:
    if start == "orthogonal":
        return keras.initializers.Orthogonal(seed=seed)
    if cell != "rnn":
        raise ParameterError(f"start='identity' is for cell='rnn'; a {cell} kernel holds several gates.")
    return keras.initializers.Identity()


def _check(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ParameterError(f"{name} must be one of {', '.join(known)}; got {value!r}.")
