"""SimpleRNN, LSTM and GRU, one step at a time: one product of matrices a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Weights = Mapping[str, Sequence[np.ndarray]]
Activation = Callable[[Floats, Floats], object]


class Cell:
    """One recurrent layer and the states in it.

    What it reads lies in one array, ``read``: inputs, a one for the bias, and the state that the last step left there.
    Sigmoids are reckoned as hyperbolic tangents of half the argument; the halves are in the weights.

    Args:
        kind: ``"rnn"``, ``"gru"`` or ``"lstm"``.
        weights: Kernel, recurrent kernel and bias, as the layer's ``get_weights()`` returns them.
        activation: Of state and candidate: a function of values and the array to write to.
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
        # Views, made once: taking a part of an array costs as much as reckoning with it.
        self.state, self.state_and_one = self.read[..., self.inputs + 1 :], self.read[..., self.inputs :]
        self._work = self._gates(lead)

    @property
    def states(self) -> list[Floats]:
        """All states ``(…, units)``, not copies, in Keras's order."""
        return [self.state] if self.carry is None else [self.state, self.carry]

    def advance(self, rows: Any, parts: Sequence[Any]) -> None:
        """Step on.

        Args:
            rows: Which rows; a slice stands for all.
            parts: Inputs, side by side: arrays ``(…, width)``, or of a single row lists of numbers.
        """
        if isinstance(rows, slice):
            self._fill(self.read, parts)
            np.dot(self.read, self.kernel, self._work[0])
            self.step(self._work, self.state, self.carry, self.activation)
            return
        read, carry = self.read[rows], None if self.carry is None else self.carry[rows]
        self._fill(read, parts)
        work = self._gates((len(read),))
        np.dot(read, self.kernel, work[0])
        self.step(work, read[..., self.inputs + 1 :], carry, self.activation)
        self.read[rows] = read
        if self.carry is not None:
            self.carry[rows] = carry

    def _fill(self, read: Floats, parts: Sequence[Any]) -> None:
        place = 0
        for part in parts:
            if isinstance(part, list):
                for number in part:
                    read[place] = number
                    place += 1
            else:
                end = place + part.shape[-1]
                read[..., place:end] = part
                place = end

    def _gates(self, lead: tuple[int, ...]) -> tuple[Floats, ...]:
        """Make room for the gates of a step: all of them, all but the last, and each by itself."""
        gates, units = np.empty((*lead, self.kernel.shape[1]), np.float32), self.units
        each = [gates[..., begin : begin + units] for begin in range(0, gates.shape[-1], units)]
        return gates, gates[..., :-units], *each


def make_cells(options: Mapping[str, Any], weights: Weights, lead: tuple[int, ...]) -> list[Cell]:
    """Make the recurrent layers of a stateful network from the options of ``build_stateful``."""
    kind, activation = str(options.get("cell", "gru")), ACTIVATIONS[str(options.get("activation", "tanh"))]
    return [
        Cell(kind, weights[f"{kind}_{i + 1}"], activation, lead) for i in range(int(options.get("layers", 1)))
    ]


def _simple(work: tuple[Floats, ...], state: Floats, carry: Floats | None, activation: Activation) -> None:
    activation(work[0], state)


def _gru(work: tuple[Floats, ...], state: Floats, carry: Floats | None, activation: Activation) -> None:
    """Gates: update, reset, candidate from the inputs, candidate from the state (which the reset gate acts on)."""
    _, _, update, reset, given, held = work
    for gate in (update, reset):
        np.tanh(gate, gate)
        gate *= 0.5
        gate += 0.5
    held *= reset
    held += given
    activation(held, held)
    state -= held
    state *= update
    state += held


def _lstm(work: tuple[Floats, ...], state: Floats, carry: Floats | None, activation: Activation) -> None:
    """Gates: input, forget, output, candidate."""
    assert carry is not None
    _, opened, enter, forget, leave, candidate = work
    np.tanh(opened, opened)
    opened *= 0.5
    opened += 0.5
    activation(candidate, candidate)
    carry *= forget
    candidate *= enter
    carry += candidate
    activation(carry, candidate)
    np.multiply(leave, candidate, state)


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
ACTIVATIONS: dict[str, Activation] = {
    "tanh": np.tanh,
    "relu": lambda values, out: np.maximum(values, 0, out=out),
    "leaky_relu": lambda values, out: np.maximum(values, 0.2 * values, out=out),
}
