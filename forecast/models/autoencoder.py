"""Recurrent networks that press a window into a short code and make the window again from the code alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from forecast.models.dtypes import REGISTER
from forecast.models.families.normal import two_scaled
from forecast.models.inputs import layer_seed
from forecast.models.recurrent import recurrent
from forecast.models.rnn import check_sizes

MOST_ROWS = 100_000
# No row is known better than this, in spreads of its window: a claim of less would turn rounding into surprise.
LEAST_SCALE = 0.02
WAVES = 8


@dataclass(frozen=True)
class WindowSpec:
    """What an autoencoder reads and makes.

    Args:
        rows: Of a window.
        channels: Numbers of a row.
        beyond: Rows on each side of the window that are made beside its own: 0, or 1.
        seed: Seed of the first weights.
    """

    rows: int
    channels: int
    beyond: int = 0
    seed: int = 0

    @property
    def made(self) -> int:
        """Rows that are made."""
        return self.rows + 2 * self.beyond


@REGISTER
class DrawCodes(keras.layers.Layer):
    """Draw codes by given standard normal numbers, so that equal numbers give equal codes.

    The distance of the codes' distribution from a standard normal one is added to the loss, divided by the numbers
    that a window has, as the loss of its rows is a mean over them: the sum of both is the negative evidence lower
    bound of the window over the same count.

    Args:
        cells: Numbers that a window has.

    Call:
        ``mean`` and ``log_variance`` ``(batch, code)``, ``noise (batch, draws, code)``.

    Returns:
        Codes, the draws of a window after each other: ``(batch * draws, code)``.

    Source:
        Kingma and Welling (2014), "Auto-encoding variational Bayes", arXiv 1312.6114.
    """

    def __init__(self, cells: int, **kwargs):
        super().__init__(**kwargs)
        self.cells = cells

    def call(self, mean, log_variance, noise):
        self.add_loss(ops.mean(divergence(mean, log_variance)) / self.cells)
        codes = mean[:, None] + ops.exp(log_variance / 2)[:, None] * noise
        return ops.reshape(codes, (-1, mean.shape[-1]))

    def compute_output_spec(self, mean, log_variance, noise):
        return keras.KerasTensor((None, mean.shape[-1]), dtype=self.compute_dtype)

    def get_config(self):
        return super().get_config() | {"cells": self.cells}


@REGISTER
class RepeatedCode(keras.layers.Layer):
    """Repeat a code for each row to be made, as it is and times waves over the rows.

    A recurrence that is fed the same numbers at every step has to learn a clock before it can make anything else; here
    the clock is given. It says nothing of the window: all that is known of that is the code.

    Args:
        rows: To be made.
        waves: Number of them: half a wave over all rows, a whole one, one and a half …

    Call:
        ``(batch, code)``.

    Returns:
        ``(batch, rows, (1 + waves) * code)``.

    Example:
        >>> repeated = RepeatedCode(rows=2, waves=1)(np.array([[2.0, 10.0]], np.float32))
        >>> keras.ops.convert_to_numpy(repeated).astype(float).round(3).tolist()
        [[[2.0, 10.0, 1.414, 7.071], [2.0, 10.0, -1.414, -7.071]]]
    """

    def __init__(self, rows: int, waves: int, **kwargs):
        super().__init__(**kwargs)
        self.rows, self.waves = rows, waves
        place = (np.arange(rows) + 0.5) / rows
        self._clock = np.cos(np.pi * np.arange(waves + 1) * place[:, None])

    def call(self, codes):
        clock = ops.convert_to_tensor(self._clock, dtype=codes.dtype)
        each = clock[None, :, :, None] * codes[:, None, None, :]
        return ops.reshape(each, (-1, self.rows, (self.waves + 1) * codes.shape[-1]))

    def compute_output_spec(self, codes):
        width = (self.waves + 1) * codes.shape[-1]
        return keras.KerasTensor((codes.shape[0], self.rows, width), dtype=self.compute_dtype)

    def get_config(self):
        return super().get_config() | {"rows": self.rows, "waves": self.waves}


@REGISTER
class MeanAndScale(keras.layers.Layer):
    """Turn free numbers ``(..., 2 * channels)`` into mean and positive scale of each channel ``(..., channels, 2)``."""

    def call(self, free):
        made = two_scaled(ops.reshape(free, (-1, *free.shape[1:-1], free.shape[-1] // 2, 2)))
        return made + ops.convert_to_tensor([0.0, LEAST_SCALE], dtype=made.dtype)

    def compute_output_spec(self, free):
        return keras.KerasTensor((*free.shape[:-1], free.shape[-1] // 2, 2), dtype=self.compute_dtype)


def divergence(mean: Any, log_variance: Any) -> Any:
    """Return the Kullback-Leibler divergence of independent normal numbers from standard normal ones.

    Args:
        mean: ``(..., code)``.
        log_variance: ``(..., code)``.

    Returns:
        Nats, summed over the code: ``(...)``.

    Example:
        >>> import numpy as np
        >>> float(divergence(np.array([1.0, 0.0]), np.array([0.0, 0.0])))
        0.5
    """
    log_variance = ops.convert_to_tensor(log_variance)
    return ops.sum(ops.square(mean) + ops.exp(log_variance) - 1 - log_variance, axis=-1) / 2


def build_autoencoder(
    spec: WindowSpec, *, cell: str = "gru", units: int = 32, code: int = 8, bidirectional: bool = False
) -> keras.Model:
    """Build an encoder that reads a window, and a decoder that makes it again from the code.

    The code is repeated for each row to be made, and nothing else of the window is fed to the decoder: what does not
    fit in the code is lost, so windows unlike those of training come out wrong. With ``spec.beyond`` the decoder makes
    the row before the window and the row behind it as well, from the same code.

    Args:
        spec: Sizes.
        cell: ``"rnn"`` (SimpleRNN), ``"lstm"`` or ``"gru"``.
        units: Width of encoder and decoder, of each direction if bidirectional.
        code: Numbers that a window is pressed into.
        bidirectional: Read the window, and make it, in both directions.

    Returns:
        A ``keras.Model``: ``rows`` and ``known`` ``(batch, rows, channels)``, scaled values, 0 where missing, and 1
        where they are not, to ``(batch, made, channels)``.

    Raises:
        ParameterError: An argument is unknown or out of range.

    Example:
        >>> model = build_autoencoder(WindowSpec(rows=12, channels=2, beyond=1), units=4, code=3)
        >>> model.output_shape
        (None, 14, 2)

    Source:
        Malhotra et al. (2016), "LSTM-based encoder-decoder for multi-sensor anomaly detection", arXiv 1607.00148;
        Wong, Liu, Berti-Equille and Veeramachaneni (2022), "AER: Auto-encoder with regression for time series anomaly
        detection", arXiv 2212.13558, for the rows beyond the window.

    Differs: The code is narrower than the state, so that a window of few rows cannot be passed on as it is, and it
        comes with a clock (``RepeatedCode``). Malhotra et al. feed each made row back and begin with the last;
        AER repeats the whole state.
    """
    inputs, state = _encoded(spec, cell, units, code, bidirectional=bidirectional)
    made = _decoded(
        spec, _dense(spec, code, 20, "code")(state), cell, units, spec.channels, bidirectional=bidirectional
    )
    return keras.Model(inputs, made, name="autoencoder")


def build_variational(
    spec: WindowSpec, *, cell: str = "gru", units: int = 32, code: int = 8, bidirectional: bool = False
) -> keras.Model:
    """Build an encoder to a normal distribution of codes, and a decoder to one of each row.

    Its loss is the negative evidence lower bound if it is trained with ``DistributionLoss("normal")``; see
    ``DrawCodes``. The code weighs fully from the first step on: a decoder that is fed nothing but the code cannot learn
    to do without it, which is what a slower start guards against (Bowman et al. 2016).

    Args:
        spec: Sizes.
        cell: ``"rnn"`` (SimpleRNN), ``"lstm"`` or ``"gru"``.
        units: Width of encoder and decoder, of each direction if bidirectional.
        code: Numbers that a window is pressed into.
        bidirectional: Read the window, and make it, in both directions.

    Returns:
        A ``keras.Model``: inputs of ``build_autoencoder`` and ``noise (batch, draws, code)``, standard normal, to mean
        and scale of each row by each draw ``(batch * draws, made, channels, 2)``.

    Raises:
        ParameterError: An argument is unknown or out of range.

    Example:
        >>> build_variational(WindowSpec(rows=12, channels=2), units=4, code=3).output_shape
        (None, 12, 2, 2)

    Source:
        An and Cho (2015), "Variational autoencoder based anomaly detection using reconstruction probability".
    """
    inputs, state = _encoded(spec, cell, units, code, bidirectional=bidirectional)
    noise = keras.Input((None, code), dtype="float32", name="noise")
    mean, log_variance = (
        _dense(spec, code, place, name)(state) for place, name in ((20, "mean"), (21, "log_variance"))
    )
    codes = DrawCodes(spec.made * spec.channels, name="codes")(mean, log_variance, noise)
    free = _decoded(spec, codes, cell, units, 2 * spec.channels, bidirectional=bidirectional)
    made = MeanAndScale(name="mean_and_scale")(free)
    return keras.Model(inputs | {"noise": noise}, made, name="variational")


def least_weights(spec: WindowSpec, *, units: int, code: int, **_: Any) -> int:
    """Return how many weights an autoencoder has at least, told without building it.

    Example:
        >>> spec = WindowSpec(rows=5, channels=1)
        >>> least_weights(spec, units=4, code=2) <= build_autoencoder(spec, units=4, code=2).count_params()
        True
    """
    return 2 * units * units + units * (3 * spec.channels + 2 * code)


def _encoded(
    spec: WindowSpec, cell: str, units: int, code: int, *, bidirectional: bool
) -> tuple[dict[str, Any], Any]:
    """Read the window: inputs by name, and the state behind its last row."""
    check_sizes(units=units, code=code)
    check_sizes(rows=spec.rows, channels=spec.channels, most=MOST_ROWS)
    inputs = {
        name: keras.Input((spec.rows, spec.channels), dtype="float32", name=name)
        for name in ("rows", "known")
    }
    seen = keras.layers.Concatenate(name="seen")(list(inputs.values()))
    layer = recurrent(cell, units, bidirectional=bidirectional, seed=layer_seed(spec.seed, 0), name="encoder")
    return inputs, layer(seen)


def _decoded(spec: WindowSpec, codes: Any, cell: str, units: int, width: int, *, bidirectional: bool) -> Any:
    """Make ``spec.made`` rows of some width from codes alone."""
    repeated = RepeatedCode(spec.made, min(WAVES, spec.made - 1), name="repeated")(codes)
    layer = recurrent(
        cell,
        units,
        sequences=True,
        bidirectional=bidirectional,
        seed=layer_seed(spec.seed, 10),
        name="decoder",
    )
    return _dense(spec, width, 22, "made")(layer(repeated))


def _dense(spec: WindowSpec, width: int, place: int, name: str) -> keras.layers.Layer:
    start = keras.initializers.GlorotUniform(seed=layer_seed(spec.seed, place))
    return keras.layers.Dense(width, kernel_initializer=start, name=name)
