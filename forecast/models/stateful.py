"""A recurrent network that goes through a series row by row and carries its state from each to the next."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import keras
import numpy as np
from keras import ops

from forecast.errors import ParameterError
from forecast.models.causal import Carry, CausalScale, known
from forecast.models.dtypes import REGISTER
from forecast.models.forms import Carried, Forms, with_forms
from forecast.models.frame import HorizonHead, dropped, layer_seed, restored
from forecast.models.inputs import Covariates, Prepared, each, joined, make_inputs
from forecast.models.layout import LengthMask, RowsAhead, RowsToBatch
from forecast.models.recurrent import recurrent, states_of
from forecast.models.rnn import check_shares, check_sizes
from forecast.models.spec import Spec
from forecast.models.transforms import Transform

ANCHORS = ("last", "period", "none")
MEMORY = "memory"
LONGEST = 100_000


def build_stateful(
    spec: Spec,
    *,
    cell: str = "gru",
    units: int = 64,
    layers: int = 1,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    activation: str = "tanh",
    start: str = "orthogonal",
    chunk: int = 256,
    lanes: int = 1,
    memory: int = 512,
    smoothing: float = 0.7,
) -> keras.Model:
    """Build a SimpleRNN, LSTM or GRU whose state is carried through the whole of a series.

    One new row updates the state once, in constant time, and the horizon behind it is forecast from the state. Scales
    are those of the rows so far (see ``CausalScale``), so that nothing of a series has to be read twice. It is trained
    by truncated backpropagation through time: batches hold stretches of ``chunk`` rows of some series, each lane
    going on where the batch before ended, and every row of a stretch is an example.

    Args:
        spec: Sizes of inputs and outputs, and scales. ``context`` rows are what the forecasting model itself reads,
            from a fresh state; behind a gap of so many rows a state begins anew.
        cell: ``"rnn"`` (SimpleRNN), ``"lstm"`` or ``"gru"``.
        units: Width of each recurrent layer.
        layers: Number of recurrent layers.
        dropout: Share of inputs dropped between the layers and before the head.
        recurrent_dropout: Share of the state that is dropped between steps, one mask a batch.
        activation: ``"tanh"``, ``"relu"`` or ``"leaky_relu"``; only tanh runs on cuDNN.
        start: ``"orthogonal"`` or, for ``cell="rnn"``, ``"identity"`` recurrent kernels.
        chunk: Rows of a stretch: so far back do gradients reach.
        lanes: Stretches of a batch.
        memory: Rows after which a row counts 1 / e as much in level and unit.
        smoothing: With ``anchor="period"`` forecasts start from the mean of the values a whole number of periods
            before, in which one counts so many times as much as the next; 0 takes the last one alone.

    Returns:
        A ``keras.Model``, not compiled: inputs by name as in ``Windows.inputs`` to float64 ``(batch, horizon,
        targets[, quantiles])``. ``forms_of`` tells its training form and the form that carries states.

    Raises:
        ParameterError: An argument is unknown or out of range.

    Example:
        >>> model = build_stateful(Spec(context=24, horizon=6), cell="lstm", units=8)
        >>> model.predict({"target": np.zeros((2, 24, 1))}, verbose=0).shape
        (2, 6, 1)

    Source:
        Williams and Peng (1990) for truncated backpropagation through time.
    """
    check_sizes(units=units, layers=layers)
    check_sizes(chunk=chunk, lanes=lanes, memory=memory, most=LONGEST)
    check_shares(dropout=dropout, recurrent_dropout=recurrent_dropout, smoothing=smoothing)
    if spec.anchor not in ANCHORS:
        raise ParameterError(f"A stateful network has the anchors {', '.join(ANCHORS)}; got {spec.anchor!r}.")
    for name in ("lags", "scale_by", "skip"):
        if getattr(spec, name):
            raise ParameterError(f"A stateful network has no {name}: it reads each row once.")
    named: dict[str, Any] = {"activation": activation, "start": start, "recurrent_dropout": recurrent_dropout}
    named |= {"dropout": dropout, "memory": memory, "smoothing": smoothing}
    core = _Core(spec, cell, units, layers, **named)
    carried = Carried(core.starts, chunk, lanes, spec.context, cache(core.stretch))
    training = core.training(chunk, lanes)
    return with_forms(core.forecasting(), Forms(training=training, rows="carried", carried=carried))


class _Core:
    """The layers of a stateful network, and the models made of them."""

    def __init__(
        self,
        spec: Spec,
        cell: str,
        units: int,
        layers: int,
        *,
        dropout: float,
        memory: int,
        smoothing: float,
        **named: Any,
    ):
        self.spec, self.cell, self.units, self.dropout = spec, cell, units, dropout
        self.layers = [
            recurrent(
                cell,
                units,
                sequences=True,
                states=True,
                seed=layer_seed(spec.seed, 10 * i),
                name=f"{cell}_{i + 1}",
                **named,
            )
            for i in range(layers)
        ]
        self.scale = CausalScale(
            spec.anchor,
            spec.horizon,
            period=spec.period,
            memory=memory,
            smoothing=smoothing,
            name="causal_scale",
        )
        self.known = Covariates(spec)
        self.head = HorizonHead(spec, units)
        self.drop = keras.layers.Dropout(dropout, seed=layer_seed(spec.seed, 99), name="dropout")

    @property
    def sequences(self) -> int:
        """Sequences of a window: its targets, if they are apart."""
        return self.spec.targets if self.spec.apart else 1

    @property
    def starts(self) -> dict[str, np.ndarray]:
        """First states by name, without the axis of the batch: ``(sequences, …)``."""
        spec = self.spec
        found = {MEMORY: np.repeat(self.scale.start(spec.channels)[None], self.sequences, axis=0)}
        found[MEMORY] = found[MEMORY].astype(self.scale.compute_dtype)
        for i in range(len(self.layers)):
            for j in range(states_of(self.cell)):
                found[f"state_{i + 1}_{j + 1}"] = np.zeros((self.sequences, self.units), np.float32)
        return found

    def forecasting(self) -> keras.Model:
        """Forecast from a context, read from a fresh state."""
        inputs = make_inputs(self.spec)
        states = {
            name: Fresh(start, str(start.dtype), name=f"fresh_{name}")(inputs["target"])
            for name, start in self.starts.items()
        }
        prepared, hidden, _ = self._read(inputs, states, self.spec)
        return keras.Model(inputs, self._last(prepared, hidden), name="stateful")

    def stretch(self, rows: int) -> keras.Model:
        """Forecast behind every one of some rows, from states to states."""
        spec = replace(self.spec, context=rows, padded=True)
        inputs = make_inputs(spec)
        states = {
            name: keras.Input(start.shape, dtype=str(start.dtype), name=name)
            for name, start in self.starts.items()
        }
        prepared, hidden, after = self._read(inputs, states, spec)
        return keras.Model(
            inputs | states, {"forecast": self._every(prepared, hidden), **after}, name="stretch"
        )

    def training(self, rows: int, lanes: int) -> keras.Model:
        """Forecast behind every row of a stretch of each lane, from where the lane ended before."""
        spec = replace(self.spec, context=rows, padded=False)
        inputs = make_inputs(spec)
        inputs["fresh"] = keras.Input((), dtype="int32", name="fresh")
        carry = Carry(lanes, self.starts, name="carry")
        prepared, hidden, after = self._read(inputs, carry(inputs["fresh"]), spec)
        # Before the first value there is no level: such rows weigh nothing, but NaN times nothing is NaN.
        prepared = replace(prepared, level=known(prepared.level))
        return keras.Model(inputs, carry.into(self._every(prepared, hidden), after), name="carried")

    def _read(
        self, inputs: dict[str, Any], states: dict[str, Any], spec: Spec
    ) -> tuple[Prepared, Any, dict[str, Any]]:
        """Read rows from states: what is prepared, the hidden states of all rows, and the states behind them."""
        target = inputs["target"]
        if spec.transform != "none":
            target = Transform(spec.transform, spec.transform_by, name="transform")(target)
        raw = each(spec, target, "target", repeat=False)
        length = each(spec, inputs["length"], "length") if spec.padded else None
        mask = None if length is None else LengthMask(spec.context, name="mask")(length)
        lengths = () if length is None else (length,)
        features, levels, units, memory = self.scale(raw, _flat(states[MEMORY]), *lengths)
        both = joined(self.known.ahead(inputs), "known")
        parts = [features, *self.known.past(inputs)]
        hidden = joined(parts if both is None else [*parts, both[:, : spec.context]], "features")
        prepared = Prepared(
            spec=spec,
            inputs=inputs,
            raw=raw,
            scaled=features,
            observed=None,
            features=hidden,
            mask=mask,
            length=length,
            both=both,
            future=None if both is None else both[:, spec.context :],
            static=self.known.static(inputs),
            first=None,
            level=levels,
            scale=units[:, :, None],
        )
        after = {MEMORY: self._apart(memory)}
        for i, layer in enumerate(self.layers):
            share = self.dropout if i else 0.0
            hidden = dropped(hidden, share, layer_seed(spec.seed, 100 + i), f"dropout_{i}")
            names = [f"state_{i + 1}_{j + 1}" for j in range(states_of(self.cell))]
            hidden, *ended = layer(hidden, mask=mask, initial_state=[_flat(states[name]) for name in names])
            after |= {name: self._apart(state) for name, state in zip(names, ended, strict=True)}
        return prepared, hidden, after

    def _every(self, prepared: Prepared, hidden: Any) -> Any:
        """Forecast behind every row, each a window of its own: ``(batch * rows, horizon, targets[, outputs])``."""
        spec, static, future = prepared.spec, prepared.static, prepared.future
        flat = RowsToBatch(self.sequences, name="rows")
        if static is not None:
            static = flat(ops.repeat(static[:, None], spec.context, axis=1))
        if future is not None:
            # Stretches lie in one piece: what is known ahead of a padded row follows on it.
            future = flat(RowsAhead(spec.horizon, name="rows_ahead")(prepared.both))
        level, scale = flat(prepared.level), flat(prepared.scale)
        windows = replace(prepared, level=level, scale=scale, future=future, static=static)
        return restored(windows, self.head(self.drop(flat(hidden)), future, static))

    def _last(self, prepared: Prepared, hidden: Any) -> Any:
        """Forecast behind the newest row."""
        newest = NewestRow(name="newest")
        lengths = () if prepared.length is None else (prepared.length,)
        level, scale, state = (newest(x, *lengths) for x in (prepared.level, prepared.scale, hidden))
        windows = replace(prepared, level=level, scale=scale)
        return restored(windows, self.head(self.drop(state), prepared.future, prepared.static))

    def _apart(self, state: Any) -> Any:
        return ops.reshape(state, (-1, self.sequences, *state.shape[1:]))


def _flat(state: Any) -> Any:
    """Lay the sequences of a window along the batch: ``(batch, sequences, …)`` to ``(batch * sequences, …)``."""
    return ops.reshape(state, (-1, *state.shape[2:]))


@REGISTER
class Fresh(keras.layers.Layer):
    """Give every window of a batch the same first state ``(batch, …)``, whatever it holds."""

    def __init__(self, start, kind="float64", **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.start = np.asarray(start, dtype=kind)

    def call(self, like):
        start = ops.convert_to_tensor(self.start, dtype=str(self.start.dtype))[None]
        return ops.repeat(start, ops.shape(like)[0], axis=0)

    def compute_output_spec(self, like):
        return keras.KerasTensor((like.shape[0], *self.start.shape), dtype=str(self.start.dtype))

    def get_config(self):
        return super().get_config() | {"start": self.start.tolist(), "kind": str(self.start.dtype)}


@REGISTER
class NewestRow(keras.layers.Layer):
    """Take the newest real row: ``(batch, rows, …)`` to ``(batch, …)``, with ``length`` of right-padded rows."""

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.supports_masking = True

    def compute_mask(self, values, length=None, mask=None):
        # A mask of rows says nothing about one of them.
        return None

    def call(self, values, length=None):
        if length is None:
            return values[:, -1]
        last = ops.maximum(ops.cast(length, "int32"), 1) - 1
        last = ops.reshape(last, (-1, 1, *(1,) * (len(values.shape) - 2)))
        return ops.take_along_axis(values, last, axis=1)[:, 0]

    def compute_output_spec(self, values, length=None):
        return keras.KerasTensor((values.shape[0], *values.shape[2:]), dtype=values.dtype)
