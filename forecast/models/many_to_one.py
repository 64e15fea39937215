"""Stacked recurrent networks that give one label to a whole sequence."""

from __future__ import annotations

from typing import Any

import keras

from forecast.models.frame import dropped
from forecast.models.inputs import layer_seed
from forecast.models.recurrent import recurrent
from forecast.models.rnn import check_shares, check_sizes
from forecast.models.sequence_spec import Opened, SequenceSpec, class_scores, open_rows


def build_many_to_one(
    spec: SequenceSpec,
    *,
    cell: str = "gru",
    units: int = 64,
    layers: int = 1,
    bidirectional: bool = False,
    dropout: float = 0.2,
) -> keras.Model:
    """Build a SimpleRNN, LSTM or GRU classifier that decides by its state behind the last real row.

    Args:
        spec: Sizes of inputs and outputs.
        cell: ``"rnn"`` (SimpleRNN), ``"lstm"`` or ``"gru"``.
        units: Width of each recurrent layer.
        layers: Number of recurrent layers.
        bidirectional: Read the sequence in both directions.
        dropout: Share dropped between the layers and before the decision.

    Returns:
        A ``keras.Model`` as ``build_fcn`` returns it.

    Raises:
        ParameterError: An argument is unknown or out of range.

    Example:
        >>> build_many_to_one(SequenceSpec(width=2, classes=3, rows=20), cell="lstm", units=4).output_shape
        (None, 3)

    Source:
        Hochreiter and Schmidhuber (1997) for the LSTM, Cho et al. (2014) for the GRU, Schuster and Paliwal (1997) for
        reading in both directions.
    """
    opened = open_rows(spec)
    sizes = {"units": units, "layers": layers}
    state = recurrent_stack(
        opened, spec, cell, sizes, bidirectional=bidirectional, dropout=dropout, last=False
    )
    state = dropped(state, dropout, layer_seed(spec.seed, 99), "dropout")
    return keras.Model(opened.inputs, class_scores(spec, state), name=cell)


def recurrent_stack(
    opened: Opened,
    spec: SequenceSpec,
    cell: str,
    sizes: dict[str, int],
    *,
    bidirectional: bool,
    dropout: float,
    last: bool,
) -> Any:
    """Read rows with recurrent layers on top of each other.

    Args:
        opened: The rows.
        spec: For the seed.
        cell: ``"rnn"``, ``"lstm"`` or ``"gru"``.
        sizes: ``units`` and ``layers``.
        bidirectional: Read in both directions.
        dropout: Share dropped between layers.
        last: Whether the last layer, too, returns the state of every row.

    Returns:
        ``(batch, units)``, or ``(batch, time, units)``; twice as wide if bidirectional.
    """
    check_sizes(**sizes)
    check_shares(dropout=dropout)
    states = opened.rows
    for i in range(sizes["layers"]):
        layer = recurrent(
            cell,
            sizes["units"],
            sequences=last or i + 1 < sizes["layers"],
            bidirectional=bidirectional,
            seed=layer_seed(spec.seed, 10 * i),
            name=f"{cell}_{i + 1}",
        )
        before = dropped(states, dropout if i else 0.0, layer_seed(spec.seed, 100 + i), f"dropout_{i}")
        states = layer(before, mask=opened.real)
    return states
