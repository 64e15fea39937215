"""What a network that reads whole sequences is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from forecast.models.inputs import layer_seed
from forecast.models.rnn import check_sizes
from forecast.models.sequence_layers import OnlyReal, RealRows

MOST_CLASSES, MOST_WIDTH = 10_000, 100_000


@dataclass(frozen=True)
class SequenceSpec:
    """What goes into a classifier or a labeler, and what comes out.

    Args:
        width: Numbers of a row: the scaled channels, and a mark for each that may be missing.
        classes: Classes to tell apart, 2 or more.
        rows: Rows of the longest sequence to learn from; shorter and longer ones are read too.
        seed: Seed of the first weights and of dropout.
    """

    width: int
    classes: int
    rows: int
    seed: int = 0


@dataclass(frozen=True)
class Opened:
    """The inputs of a network of sequences: by name, the rows with zeros behind their end, and which are real."""

    inputs: dict[str, Any]
    rows: Any
    real: Any


def open_rows(spec: SequenceSpec) -> Opened:
    """Make the inputs ``rows (batch, time, width)`` and ``length (batch,)``.

    Raises:
        ParameterError: A size is out of range.
    """
    check_sizes(width=spec.width, most=MOST_WIDTH)
    check_sizes(classes=spec.classes, most=MOST_CLASSES)
    rows = keras.Input((None, spec.width), dtype="float32", name="rows")
    length = keras.Input((), dtype="int32", name="length")
    real = RealRows(name="real")(rows, length)
    return Opened({"rows": rows, "length": length}, OnlyReal(name="only_real")(rows, real), real)


def class_scores(spec: SequenceSpec, states: Any) -> Any:
    """Turn states ``(..., width)`` into scores of the classes ``(..., classes)``, logits."""
    start = keras.initializers.GlorotUniform(seed=layer_seed(spec.seed, 200))
    return keras.layers.Dense(spec.classes, kernel_initializer=start, dtype="float32", name="scores")(states)
