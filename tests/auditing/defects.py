"""Defects of forecasting tools built again in Keras, each beside a sound counterpart.

The heads and the cross-validations have the structure of public tools; the code is new. What they stand for:

- ``blind_head``: one decoder per encoder state (neuralforecast 3.3, ``LSTM``/``GRU``/``RNN`` with ``recurrent=False``);
- ``block``: the last outputs of a stack of recurrent layers, one a step (darts 0.48, ``BlockRNNModel``);
- ``CrossValidated(warm="in place")``: folds go on from the fitted weights (neuralforecast 3.3);
- ``CrossValidated(warm="copied")``: folds begin with a copy of the fitted weights (skforecast 0.26, ``ForecasterRnn``);
- ``CrossValidated(scaler="everything")``: one scaler for the whole frame (neuralforecast 3.3, ``local_scaler_type``).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import keras
import numpy as np
import pandas as pd

CONTEXT, HORIZON = 24, 6


def blind_head(context: int = CONTEXT, horizon: int = HORIZON) -> keras.Model:
    """Decode each of the last states of a recurrent layer on its own: step k sees the rows up to its state only."""
    inputs = keras.Input((context, 1))
    states = _lstm(8, 1, sequences=True)(inputs)[:, -horizon:]
    return keras.Model(inputs, _dense(1, 2)(_dense(8, 3, "relu")(states)))


def last_state(context: int | None = CONTEXT, horizon: int = HORIZON) -> keras.Model:
    """Decode the whole horizon from the last state."""
    inputs = keras.Input((context, 1))
    return keras.Model(inputs, _dense(horizon, 2)(_dense(8, 3, "relu")(_lstm(8, 1)(inputs))))


def block(layers: int, *, sound: bool = False, context: int = CONTEXT, horizon: int = HORIZON) -> keras.Model:
    """Stack recurrent layers and take the last outputs as the horizon, or, soundly, the last output for all of it."""
    inputs = keras.Input((context, 1))
    outputs: Any = inputs
    for k in range(layers):
        outputs = keras.layers.GRU(6, return_sequences=True, kernel_initializer=_start(k), seed=k)(outputs)
    if sound:
        outputs = keras.layers.RepeatVector(horizon)(outputs[:, -1])
        steps = keras.layers.Embedding(horizon, 3, embeddings_initializer=_start(70))(_numbers(outputs))
        outputs = keras.layers.Concatenate()([outputs, steps])
    return keras.Model(inputs, _dense(1, 80)(outputs[:, -horizon:]))


def clone_of_the_input(context: int = CONTEXT, horizon: int = HORIZON) -> keras.Model:
    """Repeat the newest value, nudged by a few per cent of the last change, as a trained clone does."""
    inputs = keras.Input((context, 1))
    layer = keras.layers.Dense(horizon, use_bias=False)
    model = keras.Model(inputs, layer(keras.layers.Flatten()(inputs)))
    kernel = np.zeros((context, horizon))
    kernel[-1], kernel[-2] = 0.97, 0.03
    layer.set_weights([kernel])
    return model


def constant(value: float, context: int = CONTEXT, horizon: int = HORIZON) -> keras.Model:
    """Forecast near one value whatever comes: worse than naive where the level moves."""
    inputs = keras.Input((context, 1))
    layer = keras.layers.Dense(horizon)
    model = keras.Model(inputs, layer(keras.layers.Flatten()(inputs)))
    layer.set_weights([np.full((context, horizon), 1e-3 / context), np.full(horizon, value)])
    return model


def any_length(*, mask: bool) -> keras.Model:
    """Take any number of rows, padded at the left by zeros, with or without a mask over them."""
    inputs = keras.Input((None, 1))
    rows = keras.layers.Masking(0.0)(inputs) if mask else inputs
    return keras.Model(inputs, _dense(HORIZON, 2)(_lstm(8, 1)(rows)))


def padded_by_length(*, mask: bool) -> keras.Model:
    """Take right-padded rows and their number; without the mask, padded rows reach the forecast."""
    inputs = {
        "target": keras.Input((CONTEXT, 1), name="target"),
        "length": keras.Input((), dtype="int32", name="length"),
    }
    rows = FilledRows(name="filled")(inputs["target"])
    real = RealRows(CONTEXT, name="real")(inputs["length"]) if mask else None
    state = _lstm(8, 1)(rows, mask=real)
    return keras.Model(inputs, _dense(HORIZON, 2)(state))


def batch_statistics(*, frozen: bool) -> keras.Model:
    """Normalise by the batch at prediction too, or, soundly, by what was learned."""
    inputs = keras.Input((CONTEXT, 1))
    layer = keras.layers.BatchNormalization() if frozen else ByTheBatch()
    normal = layer(inputs)
    return keras.Model(inputs, _dense(HORIZON, 2)(_lstm(8, 1)(normal)))


def trained(model: keras.Model, values: np.ndarray, *, epochs: int = 40) -> keras.Model:
    """Train a model on the windows of one series."""
    rows = np.lib.stride_tricks.sliding_window_view(values, CONTEXT + HORIZON)
    outputs = rows[:, CONTEXT:].reshape(-1, *model.output_shape[1:])
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mae")
    model.fit(rows[:, :CONTEXT, None], outputs, epochs=epochs, batch_size=64, shuffle=False, verbose=0)
    return model


class CrossValidated:
    """A small network with ``fit`` and ``cross_validation`` over a frame of ``at, load``.

    Args:
        warm: ``"never"`` (sound), ``"in place"`` or ``"copied"``: where a fold's weights begin.
        scaler: ``"fold"`` (sound) or ``"everything"``: which rows mean and spread come from.
        steps: Gradient steps of a fit and of a fold.
    """

    CONTEXT, HORIZON = 6, 4

    def __init__(self, warm: str = "never", scaler: str = "fold", steps: int = 80):
        self.warm, self.scaler, self.steps = warm, scaler, steps
        self.weights: list[np.ndarray] | None = None

    def fit(self, frame: pd.DataFrame) -> CrossValidated:
        """Learn from every row."""
        values = frame["load"].to_numpy()
        self.weights = self._learned((values - values.mean()) / values.std(), self.weights)
        return self

    def cross_validation(self, frame: pd.DataFrame, windows: int = 2) -> pd.DataFrame:
        """Forecast the last rows of each fold from the rows before."""
        values, parts, weights = frame["load"].to_numpy(), [], self.weights
        for fold in range(windows, 0, -1):
            stop = len(values) - fold * self.HORIZON
            seen = values if self.scaler == "everything" else values[:stop]
            mean, spread = seen.mean(), seen.std()
            start = None if self.warm == "never" else weights
            found = self._learned((values[:stop] - mean) / spread, start)
            weights = found if self.warm == "in place" else weights
            model, _ = small_network()
            model.set_weights(found)
            last = ((values[stop - self.CONTEXT : stop] - mean) / spread)[None]
            ahead = frame.iloc[stop : stop + self.HORIZON]
            part = ahead[["at"]].assign(cutoff=frame["at"].iloc[stop - 1])
            parts.append(part.assign(guess=np.asarray(model.predict_on_batch(last))[0] * spread + mean))
        return pd.concat(parts, ignore_index=True)

    def _learned(self, values: np.ndarray, start: list[np.ndarray] | None) -> list[np.ndarray]:
        model, fresh = small_network()
        for variable, value in zip(model.optimizer.variables, fresh[1], strict=True):
            variable.assign(value)
        model.set_weights(fresh[0] if start is None else start)
        rows = np.lib.stride_tricks.sliding_window_view(values, self.CONTEXT + self.HORIZON)
        # Folds differ in length: one shape of batch keeps the compiled step, and none repeats the order.
        for step in range(self.steps):
            which = (np.arange(32) + 32 * step) % len(rows)
            model.train_on_batch(rows[which, : self.CONTEXT], rows[which, self.CONTEXT :])
        return model.get_weights()


@cache
def small_network() -> tuple[keras.Model, tuple[list[np.ndarray], list[np.ndarray]]]:
    """Return one compiled network and its first weights and optimiser state; building it once saves its compilation."""
    inputs = keras.Input((CrossValidated.CONTEXT,))
    hidden = _dense(96, 5, "relu")(_dense(96, 4, "relu")(inputs))
    model = keras.Model(inputs, _dense(CrossValidated.HORIZON, 6)(hidden))
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
    model.optimizer.build(model.trainable_variables)
    return model, (model.get_weights(), [np.array(v) for v in model.optimizer.variables])


class ByTheBatch(keras.layers.Layer):
    """Subtract the mean of the batch, whatever it is called for."""

    def call(self, rows: Any) -> Any:
        return rows - keras.ops.mean(rows, axis=(0, 1), keepdims=True)


class FilledRows(keras.layers.Layer):
    """Put zeros where rows are missing."""

    def call(self, rows: Any) -> Any:
        return keras.ops.where(keras.ops.isnan(rows), keras.ops.zeros_like(rows), rows)


class RealRows(keras.layers.Layer):
    """Mask of the rows before ``length``."""

    def __init__(self, context: int, **keywords: Any):
        super().__init__(**keywords)
        self.context = context

    def call(self, length: Any) -> Any:
        return keras.ops.arange(self.context)[None] < keras.ops.cast(length, "int32")[:, None]


def _numbers(outputs: Any) -> Any:
    return keras.layers.Lambda(
        lambda steps: keras.ops.cumsum(keras.ops.ones_like(steps[..., 0], dtype="int32"), axis=1) - 1,
        output_shape=(outputs.shape[1],),
    )(outputs)


def _start(seed: int) -> keras.initializers.Initializer:
    return keras.initializers.GlorotUniform(seed=seed)


def _dense(units: int, seed: int, activation: str | None = None) -> keras.layers.Layer:
    return keras.layers.Dense(units, activation=activation, kernel_initializer=_start(seed))


def _lstm(units: int, seed: int, *, sequences: bool = False) -> keras.layers.Layer:
    return keras.layers.LSTM(
        units,
        return_sequences=sequences,
        kernel_initializer=_start(seed),
        recurrent_initializer=keras.initializers.Orthogonal(seed=seed),
        # Fresh zero biases would hide what padded zeros do to a trained network.
        bias_initializer=keras.initializers.RandomNormal(stddev=0.3, seed=seed),
    )
