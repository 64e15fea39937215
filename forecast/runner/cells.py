"""SimpleRNN, LSTM and GRU, one step at a time: one product of matrices a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Weights = Mapping[str, Sequence[np.ndarray]]
Activation = Callable[[Floats], Floats]


class Cell:
    """One recurrent layer and the states in it.

    What it reads lies in one array, ``read``: inputs, a one for the bias, and the state that the last step left there.
    Sigmoids are reckoned as hyperbolic tangents of half the argument; the halves are in the weights.

    Args:
        kind: ``"rnn"``, ``"gru"`` or ``"lstm"``.
        weights: Kernel, recurrent kernel and bias, as the layer's ``get_weights()`` returns them.
        activation: Of state and candidate.
        lead: Axes before the last one: ``(rows,)``, or none for a single row.
    """

    def __init__(
        self, kind: str, weights: Sequence[np.ndarray], activation: Activation, lead: tuple[int, ...]
    ):
        self.step, arranged = _KINDS[kind]
        self.kernel, self.activation = np.ascontiguousarray(arranged(*weights), np.float32), activation
        self.units, self.inputs = weights[1].shape[0], weights[0].shape[0]
        self.read = np.zeros((*lead, self.inputs + 1 + self.units), np.float32)
        self.read[..., self.inputs] = 1.0
        self.carry = np.zeros((*lead, self.units), np.float32) if kind == "lstm" else None

    @property
    def state(self) -> Floats:
        """The hidden state ``(…, units)``, not a copy."""
        return self.read[..., self.inputs + 1 :]

    @property
    def states(self) -> list[Floats]:
        """All states ``(…, units)``, not copies, in Keras's order."""
        return [self.state] if self.carry is None else [self.state, self.carry]

    def advance(self, rows: Any, parts: Sequence[Any]) -> None:
        """Step on.

        Args:
            rows: Which rows; a slice stands for all.
            parts: Inputs, side by side: arrays ``(…, width)``.
        """
        every = isinstance(rows, slice)
        read = self.read if every else self.read[rows]
        place = 0
        for part in parts:
            width = len(part) if isinstance(part, list) else part.shape[-1]
            read[..., place : place + width] = part
            place += width
        carry = self.carry if every or self.carry is None else self.carry[rows]
        self.step(read @ self.kernel, read[..., self.inputs + 1 :], carry, self.activation)
        if not every:
            self.read[rows] = read
            if self.carry is not None:
                self.carry[rows] = carry


def make_cells(options: Mapping[str, Any], weights: Weights, lead: tuple[int, ...]) -> list[Cell]:
    """Make the recurrent layers of a stateful network from the options of ``build_stateful``."""
    kind, activation = str(options.get("cell", "gru")), _ACTIVATIONS[str(options.get("activation", "tanh"))]
    return [
        Cell(kind, weights[f"{kind}_{i + 1}"], activation, lead) for i in range(int(options.get("layers", 1)))
    ]


def _simple(gates: Floats, state: Floats, carry: Floats | None, activation: Activation) -> None:
    state[...] = activation(gates)


def _gru(gates: Floats, state: Floats, carry: Floats | None, activation: Activation) -> None:
    """Gates: update, reset, candidate from the inputs, candidate from the state (which the reset gate acts on)."""
    units = state.shape[-1]
    opened = np.tanh(gates[..., : 2 * units])
    opened *= 0.5
    opened += 0.5
    candidate = opened[..., units:] * gates[..., 3 * units :]
    candidate += gates[..., 2 * units : 3 * units]
    candidate = activation(candidate)
    state -= candidate
    state *= opened[..., :units]
    state += candidate


def _lstm(gates: Floats, state: Floats, carry: Floats | None, activation: Activation) -> None:
    """Gates: input, forget, output, candidate."""
    assert carry is not None
    units = state.shape[-1]
    opened = np.tanh(gates[..., : 3 * units])
    opened *= 0.5
    opened += 0.5
    carry *= opened[..., units : 2 * units]
    carry += opened[..., :units] * activation(gates[..., 3 * units :])
    np.multiply(opened[..., 2 * units :], activation(carry), out=state)


def _of_simple(kernel: Floats, recurrent: Floats, bias: Floats) -> Floats:
    return np.concatenate([kernel, bias[None], recurrent])


def _of_gru(kernel: Floats, recurrent: Floats, bias: Floats) -> Floats:
    """From Keras's update, reset, candidate; ``bias`` holds that of the inputs and that of the state."""
    gates = 2 * recurrent.shape[0]
    whole = np.concatenate([kernel, bias.sum(axis=0, keepdims=True), recurrent])
    nothing = np.zeros_like
    given = np.concatenate([kernel[:, gates:], bias[:1, gates:], nothing(recurrent[:, gates:])])
    held = np.concatenate([nothing(kernel[:, gates:]), bias[1:, gates:], recurrent[:, gates:]])
    return np.concatenate([0.5 * whole[:, :gates], given, held], axis=1)


def _of_lstm(kernel: Floats, recurrent: Floats, bias: Floats) -> Floats:
    """From Keras's input, forget, candidate, output."""
    first, forget, candidate, output = np.split(np.concatenate([kernel, bias[None], recurrent]), 4, axis=1)
    return np.concatenate([0.5 * first, 0.5 * forget, 0.5 * output, candidate], axis=1)


_KINDS = {"rnn": (_simple, _of_simple), "gru": (_gru, _of_gru), "lstm": (_lstm, _of_lstm)}
_ACTIVATIONS: dict[str, Activation] = {
    "tanh": np.tanh,
    "relu": lambda values: np.maximum(values, 0),
    "leaky_relu": lambda values: np.where(values < 0, 0.2 * values, values),
}
