"""Stacked recurrent networks that forecast the whole horizon from their final state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np

from forecast.errors import ParameterError
from forecast.models.forms import Forms, with_forms
from forecast.models.frame import (
    LONGEST_SKIP,
    HorizonHead,
    dropped,
    finish,
    layer_seed,
    linear_skip,
    prepare,
    restored,
)
from forecast.models.inputs import Prepared
from forecast.models.layout import RowsAhead, RowsToBatch
from forecast.models.recurrent import recurrent
from forecast.models.scaling import RowLevels
from forecast.models.spec import Spec


def build_rnn(
    spec: Spec,
    *,
    cell: str = "gru",
    units: int = 64,
    layers: int = 1,
    bidirectional: bool = False,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    activation: str = "tanh",
    start: str = "orthogonal",
    residual: bool = False,
    normalised: bool = False,
    every_step: bool = False,
) -> keras.Model:
    """Build a SimpleRNN, LSTM or GRU forecaster: raw values in, raw values out.

    The context is scaled per window, read by the recurrent layers, and the horizon is forecast from
    the final state alone, so that **every forecast step sees the newest observation**.

    Args:
        spec: Sizes of inputs and outputs, and scales.
        cell: ``"rnn"`` (SimpleRNN), ``"lstm"`` or ``"gru"``.
        units: Width of each recurrent layer.
        layers: Number of recurrent layers.
        bidirectional: Read the context in both directions (never the horizon).
        dropout: Share of inputs dropped between the layers and before the head.
        recurrent_dropout: Share of the state that is dropped between steps, one mask a batch.
        activation: ``"tanh"``, ``"relu"`` or ``"leaky_relu"``; only tanh runs on cuDNN.
        start: ``"orthogonal"`` or, for ``cell="rnn"``, ``"identity"`` recurrent kernels.
        residual: Add each layer's input to its output, from the second layer on.
        normalised: Normalise each layer's output over its width (layer normalisation).
        every_step: Many-to-many: in training, the horizon behind every row of the context is forecast from the
            state at that row, and the loss is taken on all of them. One-way networks only. Forecasts are made as
            without it, from the final state.

    Returns:
        A ``keras.Model``, not compiled. Inputs by name as in ``Windows.inputs``; output float64
        ``(batch, horizon, targets)``, or ``(batch, horizon, targets, quantiles)`` that never cross.

    Raises:
        ParameterError: An argument is unknown or out of range.

    Example:
        >>> model = build_rnn(Spec(context=24, horizon=6), cell="lstm", units=8)
        >>> model.predict({"target": np.zeros((2, 24, 1))}, verbose=0).shape
        (2, 6, 1)

    Source:
        Cho et al. (2014) for the GRU, Hochreiter and Schmidhuber (1997) for the LSTM, Elman (1990) for the RNN;
        Wu et al. (2016) for residual stacks; Ba, Kiros and Hinton (2016) for layer normalisation.
    """
    check_sizes(units=units, layers=layers)
    check_shares(dropout=dropout, recurrent_dropout=recurrent_dropout)
    if every_step:
        _check_every_step(spec, bidirectional)
    prepared = prepare(spec, causal=every_step)
    states = prepared.features
    for i in range(layers):
        layer = recurrent(
            cell,
            units,
            sequences=every_step or i + 1 < layers,
            bidirectional=bidirectional,
            activation=activation,
            start=start,
            recurrent_dropout=recurrent_dropout,
            seed=layer_seed(spec.seed, 10 * i),
            name=f"{cell}_{i + 1}",
        )
        before = dropped(states, dropout if i else 0.0, layer_seed(spec.seed, 100 + i), f"dropout_{i}")
        states = layer(before, mask=prepared.mask)
        if residual and i:
            states = states + (before if len(states.shape) == 3 else last_row(prepared, before))
        if normalised:
            states = keras.layers.LayerNormalization(name=f"normalised_{i + 1}")(states)
    head = HorizonHead(spec, units)
    skip = linear_skip(prepared, usual=spec.context <= LONGEST_SKIP and not every_step)
    drop = keras.layers.Dropout(dropout, seed=layer_seed(spec.seed, 99), name="dropout")
    final = last_row(prepared, states) if every_step else states
    free = head(drop(final), prepared.future, prepared.static)
    model = finish(prepared, free, skip=skip, name=cell)
    if not every_step:
        return model
    return with_forms(model, Forms(training=_every_step(prepared, states, head, drop), rows="every"))


def last_row(prepared: Prepared, states: Any) -> Any:
    """Take the state of the newest real row: ``(batch, context, units)`` to ``(batch, units)``."""
    if prepared.length is None:
        return states[:, -1]
    last = keras.ops.maximum(keras.ops.cast(prepared.length, "int32"), 1) - 1
    return keras.ops.take_along_axis(states, last[:, None, None], axis=1)[:, 0]


def check_sizes(*, most: int = 4096, **sizes: Any) -> None:
    """Refuse sizes that are not whole numbers from 1 on; numbers of layers end at 16, widths at ``most``."""
    for name, value in sizes.items():
        limit = 16 if name == "layers" else most
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or not 1 <= value <= limit:
            raise ParameterError(f"{name} must be a whole number from 1 to {limit}; got {value!r}.")


def check_shares(**shares: float) -> None:
    """Refuse shares outside [0, 1)."""
    for name, share in shares.items():
        if not 0 <= share < 1:
            raise ParameterError(f"{name} must be at least 0 and below 1; got {share!r}.")


def _check_every_step(spec: Spec, bidirectional: bool) -> None:
    if bidirectional:
        raise ParameterError(
            "every_step needs a one-way network: read backwards, a row has seen those it forecasts."
        )
    if spec.anchor not in ("last", "none"):
        raise ParameterError(f"every_step goes with the anchors last and none; got {spec.anchor!r}.")
    if spec.skip:
        raise ParameterError("every_step has no skip: it would see rows behind the one it forecasts from.")
    if spec.lags:
        raise ParameterError(
            "every_step has no lags: beside a row's horizon they would show it the targets it forecasts."
        )


def _every_step(prepared: Prepared, states: Any, head: HorizonHead, drop: Any) -> keras.Model:
    """Forecast the horizon behind every row of the context, each row a window of its own."""
    spec = prepared.spec
    flat = RowsToBatch(spec.targets if spec.apart else 1, name="rows")
    level = keras.ops.repeat(prepared.level, spec.context, axis=1)
    if spec.anchor == "last":
        level = RowLevels(name="row_levels")(prepared.raw, prepared.first)

    def each(tensor: Any) -> Any:
        return flat(keras.ops.repeat(tensor[:, None], spec.context, axis=1))

    ahead = keras.Input((spec.horizon, spec.targets), dtype=prepared.raw.dtype, name="ahead")
    future = None
    if prepared.both is not None:
        lengths = () if prepared.length is None else (prepared.length,)
        future = flat(RowsAhead(spec.horizon, name="rows_ahead")(prepared.both, *lengths))
    static = None if prepared.static is None else each(prepared.static)
    windows = replace(
        prepared, level=flat(level[:, :, None, :]), scale=each(prepared.scale), future=future, static=static
    )
    output = restored(windows, head(drop(flat(states)), future, static))
    return keras.Model(prepared.inputs | {"ahead": ahead}, output, name="every_step")
