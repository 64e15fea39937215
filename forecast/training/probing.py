"""Gradients of a loss by every state of every recurrent layer: ``dL/dh`` at each step of each window.

A probe adds zeros to the states of a recurrent layer behind each step. They are variables of a
copy of the network that shares its weights, so the gradients by them come out of an ordinary training step, on any
backend; the optimiser of that step only writes gradients down. Nothing of the network itself changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from forecast.errors import ParameterError
from forecast.models.recurrent import cell_of, directions_of, looped
from forecast.training.quiet import quiet_tracing


@dataclass(frozen=True, eq=False)
class Probed:
    """What one direction of a recurrent layer did with a batch.

    Args:
        name: Of the layer; of a bidirectional one with ``_forward`` or ``_backward``.
        cell: ``"rnn"``, ``"lstm"`` or ``"gru"``.
        layer: The layer of this direction.
        rows: What it read, in the order in which it did ``(batch, steps, columns)``.
        states: Its output at each step ``(batch, steps, units)``.
        gradients: By each state at each step ``(batch, steps, states, units)``, of the sum of the losses of all
            windows; an LSTM has two states, the output and the cell.
        real: Which steps are none of padding ``(batch, steps)``.
        weights: Norm of the gradient by its weights.
    """

    name: str
    cell: str
    layer: Any
    rows: np.ndarray
    states: np.ndarray
    gradients: np.ndarray
    real: np.ndarray
    weights: float


class Probe:
    """Differentiates the loss of a batch by the states of every recurrent layer; nothing is dropped out.

    A layer that is called several times is looked at in its first call.

    Args:
        model: Made with Keras's functional API.
        loss: A Keras loss, its mean over the batch.
        batch: Inputs, targets and their weights, or None for those.

    Raises:
        ParameterError: The network is of another kind, so that its layers cannot be looked into.
    """

    def __init__(self, model: keras.Model, loss: Any, batch: tuple[Any, Any, Any]):
        if not isinstance(model, keras.Model) or not hasattr(model, "operations"):
            raise ParameterError(
                "Gradients are looked at layer by layer in networks of Keras's functional API "
                f"(keras.Model(inputs, outputs)); got {type(model).__name__}."
            )
        self.batch = batch
        self.calls: list[_Call] = []
        counts = self._counts(model)
        if not counts:
            return
        copy = _copied(model, lambda call: self._keep(call).run(counts[len(self.calls) - 1]))
        seen = [part for call in self.calls for part in (call.rows, *call.outputs, call.real)]
        self.seen, self.model = keras.Model(copy.input, seen), _Still(copy)
        self.model.compile(optimizer=_Recorder(), loss=loss, jit_compile=False)
        self.model.optimizer.build(self.model.trainable_variables)

    def measure(self) -> list[Probed]:
        """Return one for each recurrent layer and direction, in the order of the network; empty if it has none."""
        if not self.calls:
            return []
        with quiet_tracing(), np.errstate(all="ignore"):
            self.model.train_on_batch(*self.batch)
            values = iter(_listed(self.seen.predict_on_batch(self.batch[0])))
        recorded = self.model.optimizer.recorded(self.model.trainable_variables)
        return [probed for call in self.calls for probed in call.results(values, recorded)]

    def _counts(self, model: keras.Model) -> list[int]:
        """Run the network once: a layer may read several rows for each of the batch, or several targets."""
        found: list[_Call] = []
        plain = _copied(model, lambda call: found.append(call) or call.run())
        if not found:
            return []
        read = keras.Model(plain.input, [call.rows for call in found])
        with quiet_tracing():
            return [len(rows) for rows in _listed(read.predict_on_batch(self.batch[0]))]

    def _keep(self, call: _Call) -> _Call:
        self.calls.append(call)
        return call


def _copied(model: keras.Model, recurrent: Callable[[_Call], Any]) -> keras.Model:
    """Lay the layers of a model out once more, each first recurrent call as ``recurrent`` makes it."""
    known: set[int] = set()

    def call(layer: Any, *args: Any, **named: Any) -> Any:
        if directions_of(layer) and id(layer) not in known:
            known.add(id(layer))
            return recurrent(_Call(layer, *args, **named))
        return layer(*args, **named)

    # A model of its own, as a compiled one would be compiled again.
    bare = keras.Model(model.input, model.outputs)
    return keras.models.clone_model(bare, clone_function=lambda layer: layer, call_function=call)


def _listed(values: Any) -> list[np.ndarray]:
    """Return the outputs of a model as arrays; Keras unpacks a list of one."""
    return [np.asarray(value) for value in (values if isinstance(values, list) else [values])]


class _Call:
    """One call of a recurrent layer while a model is laid out once more."""

    def __init__(
        self, layer: Any, rows: Any, initial_state: Any = None, mask: Any = None, training: Any = None
    ):
        self.layer, self.rows, self.initial, self.mask = layer, rows, initial_state, mask
        self.directions = directions_of(layer)
        self.probes: list[_Probe] = []
        self.outputs: list[Any] = []
        self.real: Any = None

    def run(self, count: int | None = None) -> Any:
        """Run it, with probes for so many rows of a batch if any."""
        if count is None:
            given = {"initial_state": self.initial} if self.initial is not None else {}
            return self.layer(self.rows, mask=self.mask, **given)
        steps = self.rows.shape[1]
        self.real = ops.ones_like(self.rows[:, :, 0]) if self.mask is None else ops.cast(self.mask, "float32")
        each = len(self.initial) // len(self.directions) if self.initial is not None else 0
        states: list[Any] = []
        for i, (name, part) in enumerate(self.directions):
            cell = _ProbedCell(part.cell)
            probe = _Probe(count, steps, sum(cell.widths), name=f"{name}_probe")
            self.probes.append(probe)
            start = self.initial[i * each : (i + 1) * each] if self.initial is not None else None
            joined = ops.concatenate([self.rows, probe(self.rows)], axis=-1)
            output, *ended = looped(cell, joined, start, mask=self.mask, backwards=part.go_backwards)
            self.outputs.append(output)
            states += ended
        return self._returned(states)

    def results(self, values: Iterator[np.ndarray], recorded: Mapping[int, np.ndarray]) -> Iterator[Probed]:
        """Put together what each direction did, from the values of its tensors and the recorded gradients."""
        rows, outputs = next(values), [next(values) for _ in self.directions]
        real = next(values) > 0
        for (name, part), probe, states in zip(self.directions, self.probes, outputs, strict=True):
            # The loss is a mean over the batch; a window's own share of it is wanted.
            moves = recorded[id(probe.moves)] * len(real)
            turned = slice(None, None, -1 if part.go_backwards else 1)
            yield Probed(
                name=name,
                cell=cell_of(part) or "",
                layer=part,
                rows=rows[:, turned],
                states=states,
                gradients=moves.reshape(*moves.shape[:2], -1, part.units)[:, turned],
                real=real[:, turned],
                weights=float(np.sqrt(sum(np.square(recorded[id(w)]).sum() for w in part.trainable_weights))),
            )

    def _returned(self, states: list[Any]) -> Any:
        """Put together what the layer returns."""
        if self.layer.return_sequences:
            outputs = [
                ops.flip(output, axis=1) if part.go_backwards and len(self.directions) > 1 else output
                for output, (_, part) in zip(self.outputs, self.directions, strict=True)
            ]
        else:
            each = len(states) // len(self.directions)
            outputs = states[::each]
        output = outputs[0] if len(outputs) == 1 else ops.concatenate(outputs, axis=-1)
        return (output, *states) if self.layer.return_state else output


class _Still(keras.Model):
    """A network that is run as it forecasts even in a training step: nothing is dropped, no running mean moves."""

    def __init__(self, network):
        super().__init__(name="still")
        self.network, self.built = network, True

    def call(self, inputs, training=None):
        return self.network(inputs, training=False)


class _Probe(keras.layers.Layer):
    """Zeros that belong to the rows of one batch, as a variable."""

    def __init__(self, count, steps, width, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.moves = self.add_weight(shape=(count, steps, width), initializer="zeros", name="moves")

    def call(self, rows):
        return ops.convert_to_tensor(self.moves)

    def compute_mask(self, rows, mask=None):
        return None

    def compute_output_spec(self, rows):
        return keras.KerasTensor((rows.shape[0], *self.moves.shape[1:]), dtype="float32")


class _ProbedCell(keras.layers.Layer):
    """A cell that takes what is to be added to its states beside each row, and drops nothing out."""

    def __init__(self, cell, **kwargs):
        super().__init__(**kwargs)
        self.cell, self.state_size, self.output_size = cell, cell.state_size, cell.output_size
        self.widths = [cell.state_size] if isinstance(cell.state_size, int) else list(cell.state_size)
        self.built = True

    def call(self, inputs, states, training=False):
        rows, moves = inputs[:, : -sum(self.widths)], inputs[:, -sum(self.widths) :]
        moved, begin = [], 0
        _, after = self.cell.call(rows, states, training=False)
        for state, width in zip(after, self.widths, strict=True):
            moved.append(state + moves[:, begin : begin + width])
            begin += width
        # The output of each of these cells is its first state.
        return moved[0], moved

    def get_initial_state(self, batch_size=None):
        return self.cell.get_initial_state(batch_size)


class _Recorder(keras.optimizers.Optimizer):
    """Writes gradients down and moves nothing."""

    def __init__(self):
        super().__init__(learning_rate=1.0, name="recorder")

    def build(self, variables):
        super().build(variables)
        if not hasattr(self, "written"):
            self.written = [
                self.add_variable_from_reference(variable, name="written") for variable in variables
            ]

    def apply(self, grads, trainable_variables=None):
        for written, gradient in zip(self.written, grads, strict=True):
            if gradient is not None:
                written.assign(ops.cast(ops.convert_to_tensor(gradient), written.dtype))

    def recorded(self, variables) -> Mapping[int, np.ndarray]:
        """Return gradients by the ``id`` of their variable."""
        return {
            id(variable): ops.convert_to_numpy(written)
            for variable, written in zip(variables, self.written, strict=True)
        }
