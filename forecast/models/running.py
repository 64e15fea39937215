"""A recurrent network that says at every row of a window what the mean of the next rows will be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from forecast.models.dtypes import REGISTER
from forecast.models.families.student import STUDENT
from forecast.models.inputs import layer_seed
from forecast.models.recurrent import recurrent
from forecast.models.rnn import check_sizes

MOST_ROWS = 100_000
PAST = (6, 24)
"""Rows whose means stand beside the last value and the mean of all rows, as what a forecast is mixed of."""


@dataclass(frozen=True)
class RunningSpec:
    """What a running network reads and says.

    Args:
        rows: Of a window, at most.
        horizons: Rows whose mean is forecast.
        seed: Seed of the first weights.
    """

    rows: int
    horizons: tuple[int, ...]
    seed: int = 0


@REGISTER
class RunningMeans(keras.layers.Layer):
    """Append the last value of each row and the means of the known values of some rows up to it.

    Args:
        spans: Rows of each mean; None: of all.

    Call:
        ``rows`` and ``known`` ``(batch, rows, 1)``: values, 0 where missing, and 1 where they are not.

    Returns:
        ``(batch, rows, 1 + len(spans))``.

    Example:
        >>> import numpy as np
        >>> layer = RunningMeans(spans=(2, None))
        >>> rows = np.array([[[1.0], [3.0], [0.0], [8.0]]], np.float32)
        >>> known = np.array([[[1.0], [1.0], [0.0], [1.0]]], np.float32)
        >>> keras.ops.convert_to_numpy(layer(rows, known))[0].tolist()
        [[1.0, 1.0, 1.0], [3.0, 2.0, 2.0], [0.0, 3.0, 2.0], [8.0, 8.0, 4.0]]
    """

    def __init__(self, spans, **kwargs):
        super().__init__(**kwargs)
        self.spans = tuple(spans)

    def call(self, rows, known):
        length = rows.shape[1]
        found = [rows]
        sums, counts = (ops.cumsum(values, axis=1) for values in (rows, known))
        for span in self.spans:
            total, count = sums, counts
            if span is not None and span < length:
                total, count = (
                    values - ops.pad(values, [[0, 0], [span, 0], [0, 0]])[:, :length]
                    for values in (sums, counts)
                )
            found.append(total / ops.maximum(count, 1))
        return ops.concatenate(found, axis=-1)

    def compute_output_spec(self, rows, known):
        return keras.KerasTensor((*rows.shape[:-1], 1 + len(self.spans)), dtype=self.compute_dtype)

    def get_config(self):
        return super().get_config() | {"spans": self.spans}


@REGISTER
class MixedStudent(keras.layers.Layer):
    """Turn free numbers into Student distributions whose locations are mixtures of means, moved a little.

    Args:
        horizons: Number of distributions of a row.

    Call:
        ``free (batch, rows, horizons * (means + 3))`` and ``means (batch, rows, means)``.

    Returns:
        Location, scale and degrees of freedom ``(batch, rows, horizons, 3)``.
    """

    def __init__(self, horizons: int, **kwargs):
        super().__init__(**kwargs)
        self.horizons = horizons

    def call(self, free, means):
        free = ops.reshape(free, (-1, free.shape[1], self.horizons, means.shape[-1] + 3))
        mixed = ops.sum(ops.softmax(free[..., 3:], axis=-1) * means[:, :, None], axis=-1, keepdims=True)
        made = STUDENT.free_to_scaled(free[..., :3])
        return ops.concatenate([made[..., :1] + mixed, made[..., 1:]], axis=-1)

    def compute_output_spec(self, free, means):
        return keras.KerasTensor((*free.shape[:-1], self.horizons, 3), dtype=self.compute_dtype)

    def get_config(self):
        return super().get_config() | {"horizons": self.horizons}


def build_running(spec: RunningSpec, *, cell: str = "gru", units: int = 32) -> keras.Model:
    """Build a network that forecasts at every row, so that one window of rows is as many examples.

    A forecast is a mixture of the last value and of the means of 6, 24 and all rows, which the network weighs and
    moves: before it has learned anything it is as good as these.

    Args:
        spec: Sizes.
        cell: ``"rnn"`` (SimpleRNN), ``"lstm"`` or ``"gru"``.
        units: Width.

    Returns:
        A ``keras.Model``: ``rows`` and ``known`` ``(batch, rows, 1)``, scaled values, 0 where missing, and 1 where they
        are not, to location, scale and degrees of freedom of the mean of the next rows, for each row and horizon:
        ``(batch, rows, horizons, 3)``.

    Raises:
        ParameterError: An argument is unknown or out of range.

    Example:
        >>> build_running(RunningSpec(rows=48, horizons=(1, 24)), units=8).output_shape
        (None, 48, 2, 3)
    """
    check_sizes(units=units)
    check_sizes(rows=spec.rows, most=MOST_ROWS)
    inputs = {name: keras.Input((spec.rows, 1), dtype="float32", name=name) for name in ("rows", "known")}
    means = RunningMeans((*PAST, None), name="means")(inputs["rows"], inputs["known"])
    seen = keras.layers.Concatenate(name="seen")([means, inputs["known"]])
    state = recurrent(cell, units, sequences=True, seed=layer_seed(spec.seed, 0), name="recurrent")(seen)
    count = len(spec.horizons)
    free = keras.layers.Dense(count * (len(PAST) + 5), kernel_initializer="zeros", name="free")(state)
    return keras.Model(inputs, MixedStudent(count, name="student")(free, means), name="running")


def least_weights(spec: RunningSpec, *, units: int, **_: Any) -> int:
    """Return how many weights a network has at least, told without building it.

    Example:
        >>> spec = RunningSpec(rows=5, horizons=(1,))
        >>> least_weights(spec, units=4) <= build_running(spec, units=4).count_params()
        True
    """
    return units * units + units * len(spec.horizons)
