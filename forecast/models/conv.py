"""Temporal convolutional networks, to compare recurrent ones with."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from forecast.errors import ParameterError
from forecast.models.aligned import newest_last
from forecast.models.frame import (
    LONGEST_SKIP,
    HorizonHead,
    dropped,
    finish,
    layer_seed,
    linear_skip,
    prepare,
)
from forecast.models.rnn import check_shares, check_sizes
from forecast.models.spec import Spec


def build_conv(
    spec: Spec, *, units: int = 64, layers: int | None = None, kernel: int = 3, dropout: float = 0.1
) -> keras.Model:
    """Build a temporal convolutional forecaster (TCN): raw values in, raw values out.

    Residual blocks of two causal convolutions, dilated by 1, 2, 4 … rows, read the context, and the horizon is
    forecast from what the last block knows at the newest row. Rows before the first one count as 0 in every
    block, so a padded window is forecast like the same window without padding.

    Args:
        spec: Sizes of inputs and outputs, and scales.
        units: Number of filters.
        layers: Number of blocks; None takes as many as it needs for the newest row to see the whole context.
        kernel: Rows that a convolution joins, from 2 on.
        dropout: Share dropped behind each convolution.

    Returns:
        A ``keras.Model`` as ``build_rnn`` returns it.

    Raises:
        ParameterError: An argument is out of range.

    Example:
        >>> build_conv(Spec(context=24, horizon=6), units=8).output_shape
        (None, 6, 1)

    Source:
        Bai, Kolter and Koltun (2018), "An empirical evaluation of generic convolutional and recurrent networks
        for sequence modeling", arXiv 1803.01271.
    Differs:
        No weight normalisation. Only rows that reach the newest one are computed: a block dilated by d is read
        every 2d rows, so each block passes on half of its rows; the forecasts are those of the full network.
    """
    depth = enough_blocks(spec.context, kernel) if layers is None else layers
    check_sizes(units=units, layers=depth)
    check_shares(dropout=dropout)
    prepared = prepare(spec)
    states, real = newest_last(prepared)
    for i in range(depth):
        states, real = _block(states, real, units, kernel, dropout, i, spec.seed)
    free = HorizonHead(spec, units)(states[:, -1], prepared.future, prepared.static)
    skip = linear_skip(prepared, usual=spec.context <= LONGEST_SKIP)
    return finish(prepared, free, skip=skip, name="conv")


def enough_blocks(context: int, kernel: int) -> int:
    """Count the blocks that the newest row needs to see the whole context.

    Raises:
        ParameterError: ``kernel`` is below 2.

    Example:
        >>> enough_blocks(5, 3), enough_blocks(6, 3), enough_blocks(336, 3)
        (1, 2, 7)
    """
    check_sizes(kernel=kernel)
    if kernel < 2:
        raise ParameterError(f"kernel must be at least 2, or no row would see another; got {kernel!r}.")
    blocks = 1
    # Two convolutions a block, each (kernel - 1) dilated rows back; the dilations 1, 2, 4 … sum up to 2^blocks - 1.
    while 1 + 2 * (kernel - 1) * (2**blocks - 1) < context:
        blocks += 1
    return blocks


def _block(
    states: Any, real: Any, units: int, kernel: int, dropout: float, i: int, seed: int
) -> tuple[Any, Any]:
    """Read rows with two convolutions and a way around them; keep every second row, the newest among them."""
    skipped = (states.shape[1] - 1) % 2

    def joined(rows: Any, step: int, place: int) -> Any:
        name, first = f"{i + 1}_{place}", skipped if step == 2 else 0
        padded = ops.pad(rows, ((0, 0), (kernel - 1, 0), (0, 0)))[:, first:]
        start = keras.initializers.HeNormal(seed=layer_seed(seed, 10 * i + place))
        layer = keras.layers.Conv1D(
            units,
            kernel,
            strides=step,
            activation="relu",
            kernel_initializer=start,
            data_format="channels_last",
            name=f"conv_{name}",
        )
        return dropped(layer(padded), dropout, layer_seed(seed, 500 + 10 * i + place), f"dropout_{name}")

    inner = joined(states, 1, 1)
    # Padding is 0 to the next convolution too, as rows before the first one are.
    inner = joined(inner if real is None else inner * real, 2, 2)
    around, real = states[:, skipped::2], None if real is None else real[:, skipped::2]
    if around.shape[2] != units:
        start = keras.initializers.GlorotUniform(seed=layer_seed(seed, 10 * i + 3))
        around = keras.layers.Dense(units, kernel_initializer=start, name=f"around_{i + 1}")(around)
    states = ops.relu(inner + around)
    return (states if real is None else states * real), real
