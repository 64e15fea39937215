"""Stacked recurrent networks that give a label to every row of a sequence."""

from __future__ import annotations

import keras

from forecast.models.frame import dropped
from forecast.models.inputs import layer_seed
from forecast.models.many_to_one import recurrent_stack
from forecast.models.sequence_spec import SequenceSpec, class_scores, open_rows


def build_many_to_many(
    spec: SequenceSpec,
    *,
    cell: str = "gru",
    units: int = 32,
    layers: int = 1,
    causal: bool = False,
    dropout: float = 0.2,
) -> keras.Model:
    """Build a SimpleRNN, LSTM or GRU labeler: the state at every row decides about that row.

    Args:
        spec: Sizes of inputs and outputs.
        cell: ``"rnn"`` (SimpleRNN), ``"lstm"`` or ``"gru"``.
        units: Width of each recurrent layer and direction.
        layers: Number of recurrent layers.
        causal: Read forwards only, so that a row's label knows nothing of later rows; otherwise in both directions.
        dropout: Share dropped between the layers and before the decision.

    Returns:
        A ``keras.Model``, not compiled: ``rows (batch, time, width)`` and ``length (batch,)`` to scores
        ``(batch, time, classes)``, logits; those of padded rows mean nothing.

    Raises:
        ParameterError: An argument is unknown or out of range.

    Example:
        >>> build_many_to_many(SequenceSpec(width=2, classes=3, rows=20), units=4).output_shape
        (None, None, 3)

    Source:
        Graves, Fernandez and Schmidhuber (2005), bidirectional networks for labelling every frame.
    """
    opened = open_rows(spec)
    sizes = {"units": units, "layers": layers}
    states = recurrent_stack(opened, spec, cell, sizes, bidirectional=not causal, dropout=dropout, last=True)
    states = dropped(states, dropout, layer_seed(spec.seed, 99), "dropout")
    return keras.Model(opened.inputs, class_scores(spec, states), name=f"{cell}_rows")
