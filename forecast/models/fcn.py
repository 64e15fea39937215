"""A recurrent branch beside a fully convolutional one: one label for a whole sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from forecast.models.inputs import layer_seed
from forecast.models.recurrent import recurrent
from forecast.models.rnn import check_shares, check_sizes
from forecast.models.sequence_layers import MeanOfReal, OnlyReal, SegmentRows, SideBySide
from forecast.models.sequence_spec import Opened, SequenceSpec, class_scores, open_rows

# The recurrence takes about so many steps at most; longer sequences are read in segments.
MOST_STEPS = 32
KERNELS = (8, 5, 3)


def build_fcn(
    spec: SequenceSpec,
    *,
    cell: str = "gru",
    units: int = 32,
    bidirectional: bool = False,
    filters: Sequence[int] = (64, 128, 64),
    dropout: float = 0.5,
) -> keras.Model:
    """Build a classifier that reads a sequence twice: by a recurrent network and by a convolutional one.

    Three convolutions of 8, 5 and 3 rows, each with batch normalisation, are averaged over the rows; beside them the
    final state of a recurrence over time. Rows behind the end of a sequence count as zero in every convolution and
    not at all in statistics, mean and recurrence, so a padded sequence gets the scores of the same one without padding.

    Args:
        spec: Sizes of inputs and outputs.
        cell: ``"rnn"`` (SimpleRNN), ``"lstm"`` or ``"gru"`` of the recurrent branch.
        units: Width of its state.
        bidirectional: Let it read in both directions.
        filters: Numbers of filters of the three convolutions.
        dropout: Share of the final state dropped in training.

    Returns:
        A ``keras.Model``, not compiled: ``rows (batch, time, width)`` and ``length (batch,)`` to scores
        ``(batch, classes)``, logits.

    Raises:
        ParameterError: An argument is unknown or out of range.

    Example:
        >>> model = build_fcn(SequenceSpec(width=2, classes=3, rows=20), units=4, filters=(4, 8, 4))
        >>> model.output_shape
        (None, 3)

    Source:
        Karim et al. (2018), "LSTM Fully Convolutional Networks for Time Series Classification", IEEE Access 6; the
        convolutions are those of Wang, Yan and Oates (2017), arXiv 1611.06455.
    Differs:
        The recurrence runs over time, in steps of ``ceil(rows / 32)`` rows; there, it is given the whole sequence
        as a single step.
    """
    check_sizes(units=units, **{f"filters[{i}]": width for i, width in enumerate(filters)})
    check_shares(dropout=dropout)
    check_sizes(convolutions=len(filters), most=len(KERNELS))
    opened = open_rows(spec)
    steps, real = _steps(opened, -(-spec.rows // MOST_STEPS))
    read = recurrent(cell, units, bidirectional=bidirectional, seed=layer_seed(spec.seed, 0), name=cell)
    drop = keras.layers.Dropout(dropout, seed=layer_seed(spec.seed, 1), name="dropout")
    state = drop(read(steps, mask=real))
    rows = opened.rows
    for place, width in enumerate(filters):
        rows = _convolved(rows, opened.real, width, place, spec.seed)
    both = keras.ops.concatenate([MeanOfReal(name="mean")(rows, opened.real), state], axis=-1)
    return keras.Model(opened.inputs, class_scores(spec, both), name="fcn")


def _steps(opened: Opened, size: int) -> tuple[Any, Any]:
    """Return what the recurrence takes in turn: rows, or segments of them, and which are real."""
    if size == 1:
        return opened.rows, opened.real
    return SideBySide(size, name="segments")(opened.rows), SegmentRows(size, name="real_segments")(
        opened.real
    )


def _convolved(rows: Any, real: Any, width: int, place: int, seed: int) -> Any:
    """Convolve real rows, normalise by the statistics of real rows, and set the padding to zero again."""
    layer = keras.layers.Conv1D(
        width,
        KERNELS[place],
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.HeUniform(seed=layer_seed(seed, 10 + place)),
        data_format="channels_last",
        name=f"conv_{place + 1}",
    )
    # A fit takes hundreds of steps, not ten thousands: the usual 0.99 would remember the first weights.
    normal = keras.layers.BatchNormalization(momentum=0.9, name=f"normal_{place + 1}")
    return OnlyReal(name=f"only_real_{place + 1}")(keras.ops.relu(normal(layer(rows), mask=real)), real)
