"""Stacked recurrent networks that forecast the whole horizon from their final state."""

from __future__ import annotations

import keras
import numpy as np

from forecast.errors import ParameterError
from forecast.models.frame import LONGEST_SKIP, Shapes, finish, horizon_head, linear_skip, prepare
from forecast.models.recurrent import recurrent


def build_rnn(
    shapes: Shapes,
    *,
    cell: str = "gru",
    units: int = 64,
    layers: int = 1,
    bidirectional: bool = False,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    activation: str = "tanh",
    start: str = "orthogonal",
    anchor: str = "last",
    independent: bool = True,
    skip: bool | None = None,
    seed: int = 0,
) -> keras.Model:
    """Build an SimpleRNN, LSTM or GRU forecaster: raw values in, raw values out.

    The context is scaled per window, read by the recurrent layers, and the horizon is forecast from
    the final state alone, so that **every forecast step sees the newest observation**.

    Args:
        shapes: Sizes of inputs and outputs.
        cell: ``"rnn"`` (SimpleRNN), ``"lstm"`` or ``"gru"``.
        units: Width of each recurrent layer.
        layers: Number of recurrent layers.
        bidirectional: Read the context in both directions (never the horizon).
        dropout: Share of inputs dropped between the layers and before the head.
        recurrent_dropout: Share of the state dropped between steps; takes cuDNN's place on a GPU.
        activation: ``"tanh"``, ``"relu"`` or ``"leaky_relu"``; only tanh runs on cuDNN.
        start: ``"orthogonal"`` or, for ``cell="rnn"``, ``"identity"`` recurrent kernels.
        anchor: Level subtracted from each window: ``"last"``, ``"mean"``, ``"season"`` or ``"none"``.
        independent: Forecast each target from its own past with shared weights; False joins them.
        skip: Add a linear path from context to horizon that starts at zero; None uses it for contexts
            up to 170 rows, beyond which it overfits.
        seed: Seed of the first weights and of dropout.

    Returns:
        A ``keras.Model``, not compiled. Inputs by name as in ``Windows.inputs``; output float64
        ``(batch, horizon, targets)``, or ``(batch, horizon, targets, quantiles)`` that never cross.

    Raises:
        ParameterError: An argument is unknown or out of range.

    Example:
        >>> model = build_rnn(Shapes(context=24, horizon=6), cell="lstm", units=8)
        >>> model.predict({"target": np.zeros((2, 24, 1))}, verbose=0).shape
        (2, 6, 1)

    Source:
        Cho et al. (2014) for the GRU, Hochreiter and Schmidhuber (1997) for the LSTM, Elman (1990) for the RNN.
    """
    _check_range(units=units, layers=layers, dropout=dropout, recurrent_dropout=recurrent_dropout)
    prepared = prepare(shapes, anchor=anchor, independent=independent)
    state = prepared.features
    for i in range(layers):
        if i and dropout:
            state = keras.layers.Dropout(dropout, seed=layer_seed(seed, 100 + i), name=f"dropout_{i}")(state)
        layer = recurrent(
            cell,
            units,
            sequences=i + 1 < layers,
            bidirectional=bidirectional,
            activation=activation,
            start=start,
            recurrent_dropout=recurrent_dropout,
            seed=layer_seed(seed, 10 * i),
            name=f"{cell}_{i + 1}",
        )
        state = layer(state, mask=prepared.mask)
    if dropout:
        state = keras.layers.Dropout(dropout, seed=layer_seed(seed, 99), name="dropout")(state)
    free = horizon_head(prepared, state, units, layer_seed(seed, 200))
    wanted = shapes.context <= LONGEST_SKIP if skip is None else skip
    return finish(prepared, free, skip=linear_skip(prepared) if wanted else None, name=cell)


def layer_seed(seed: int, place: int) -> int:
    """Derive a layer's own seed, so that no two layers begin alike."""
    return int(np.random.SeedSequence((seed, place)).generate_state(1)[0] // 4)


def _check_range(*, units: int, layers: int, dropout: float, recurrent_dropout: float) -> None:
    for name, value, most in (("units", units, 4096), ("layers", layers, 16)):
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or not 1 <= value <= most:
            raise ParameterError(f"{name} must be a whole number from 1 to {most}; got {value!r}.")
    for name, share in (("dropout", dropout), ("recurrent_dropout", recurrent_dropout)):
        if not 0 <= share < 1:
            raise ParameterError(f"{name} must be at least 0 and below 1; got {share!r}.")
