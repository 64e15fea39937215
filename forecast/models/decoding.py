"""The decoder of encoder-decoder networks, and what it is fed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from forecast.models.attention_layers import Attention
from forecast.models.dtypes import REGISTER, wide
from forecast.models.recurrent import recurrent_cell, states_of, stepped
from forecast.models.scaling import running_max


@REGISTER
class Newest(keras.layers.Layer):
    """Give the newest observed value on the scale that a decoder is fed on.

    Args:
        period: The value is taken relative to the one so many rows earlier, as far as that is known; 0: relative
            to the level.

    Call:
        ``values`` ``(batch, context, channels)`` raw, ``level`` and ``scale`` ``(batch, 1, channels)``, and
        optionally ``length`` ``(batch,)`` of right-padded windows.

    Returns:
        float32 ``(batch, channels)``.
    """

    def __init__(self, period: int = 0, **kwargs):
        super().__init__(dtype=wide(), autocast=False, **kwargs)
        self.period = period

    def call(self, values, level, scale, length=None):
        steps = ops.arange(values.shape[1], dtype="int32")[None, :, None]
        seen = ops.logical_not(ops.isnan(values))
        if length is not None:
            seen = ops.logical_and(seen, steps < ops.maximum(ops.cast(length, "int32"), 1)[:, None, None])
        place = running_max(ops.where(seen, steps, -ops.ones_like(steps)))[:, -1:]
        newest = _at(values, place, level)
        before = _at(values, place - self.period, level) if self.period else level
        return to_scaled(newest - before, scale)[:, 0]

    def compute_output_spec(self, values, level, scale, length=None):
        return keras.KerasTensor((values.shape[0], values.shape[2]), dtype="float32")

    def get_config(self):
        config = super().get_config() | {"period": self.period}
        config.pop("dtype")
        return config


@REGISTER
class Scaled(keras.layers.Layer):
    """Take raw values ``(batch, steps, channels)`` to the scale of their window; NaN stays NaN.

    Call:
        ``values``; ``level`` and ``scale``, whose steps may be one for all. Returns float32.
    """

    def __init__(self, **kwargs):
        super().__init__(dtype=wide(), autocast=False, **kwargs)

    def call(self, values, level, scale):
        return to_scaled(values - level, scale)

    def compute_output_spec(self, values, level, scale):
        return keras.KerasTensor((*level.shape[:1], *values.shape[1:]), dtype="float32")

    def get_config(self):
        config = super().get_config()
        config.pop("dtype")
        return config


@REGISTER
class Feeding(keras.layers.Layer):
    """Decide for each window and step whether the decoder is fed the true value before it, or its own.

    Args:
        sampling: Share of own forecasts to begin with; ``share`` is the variable.
        seed: Seed of what is drawn.

    Call:
        ``ahead`` scaled ``(batch, horizon, channels)``, NaN where missing.

    Returns:
        ``truth``, the values one step earlier, and ``told``, 1 where they are fed and 0 where the own forecast is;
        both float32, shaped as ``ahead``.

    Source:
        Bengio et al. (2015), "Scheduled sampling for sequence prediction with recurrent neural networks".
    """

    def __init__(self, sampling: float, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.sampling, self.seed = sampling, seed
        self.drawing = keras.random.SeedGenerator(seed)
        share = keras.Variable(sampling, trainable=False, dtype="float32", name="sampling")
        # Past Keras's tracking: a share is no weight, and is saved with none.
        object.__setattr__(self, "share", share)

    @property
    def variables(self):
        # JAX has to be told of every variable that changes between steps, weight or not.
        return [*super().variables, self.share]

    def call(self, ahead):
        before = ops.pad(ahead[:, :-1], ((0, 0), (1, 0), (0, 0)))
        drawn = keras.random.uniform((ops.shape(ahead)[0], ahead.shape[1], 1), seed=self.drawing)
        first = ops.arange(ahead.shape[1], dtype="int32")[None, :, None] == 0
        told = ops.logical_and(drawn >= self.share, ops.logical_not(ops.isnan(before)))
        told = ops.logical_and(told, ops.logical_not(first))
        return ops.where(told, before, ops.zeros_like(before)), ops.cast(told, "float32")

    def compute_output_spec(self, ahead):
        return tuple(keras.KerasTensor(ahead.shape, dtype="float32") for _ in range(2))

    def get_config(self):
        return super().get_config() | {"sampling": self.sampling, "seed": self.seed}


@REGISTER
class Decoder(keras.layers.Layer):
    """Go over the horizon step by step, each fed the value before it and what is known about it.

    Args:
        cell: ``"gru"``, ``"lstm"`` or ``"rnn"``.
        units: Width of each state.
        layers: Number of recurrent layers.
        horizon: Steps.
        channels: Values fed back.
        outputs: Free numbers a step and channel.
        fed: Place of the number that is fed back; -1: the mean of a mixture's locations.
        width: Columns of ``known``.
        attention: ``"none"``, ``"bahdanau"`` (before each step, into its inputs) or ``"luong"`` (after it).
        dropout: Share dropped between the layers and before the output; the same units at all steps of a window.
        seed: Seed of the first weights and of the dropout.

    Call:
        ``start`` ``(batch, channels)``: the value before the first step. ``states``: of the encoder, a list.
        ``known`` ``(batch, horizon, width)``. ``truth`` and ``told`` from ``Feeding``; without them every step is
        fed the forecast of the step before. ``skip`` ``(batch, horizon, channels)`` is added to what is fed back,
        which is at least ``floor``, of the same shape. ``memory`` ``(batch, context, units)`` and ``real``
        ``(batch, context)``: states to attend to.

    Returns:
        Free numbers ``(batch, horizon, channels * outputs)``; with attention its weights ``(batch, horizon, context)``
        too.

    Source:
        Sutskever, Vinyals and Le (2014), "Sequence to sequence learning with neural networks"; Gal and Ghahramani
        (2016), "A theoretically grounded application of dropout in recurrent neural networks".
    """

    def __init__(
        self,
        cell: str,
        units: int,
        *,
        layers: int,
        horizon: int,
        channels: int,
        outputs: int,
        fed: int,
        width: int,
        attention: str = "none",
        dropout: float = 0.0,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.cell, self.units, self.layers, self.horizon = cell, units, layers, horizon
        self.channels, self.outputs, self.fed, self.width = channels, outputs, fed, width
        self.attention, self.dropout, self.seed = attention, dropout, seed
        self.cells = [
            recurrent_cell(cell, units, seed=seed + 10 * i, name=f"{cell}_{i + 1}") for i in range(layers)
        ]
        start = keras.initializers.GlorotUniform(seed=seed + 1_000)
        self.output_layer = keras.layers.Dense(channels * outputs, kernel_initializer=start, name="output")
        self.attending = None if attention == "none" else Attention(attention, units, seed=seed + 1_001)
        if attention == "luong":
            start = keras.initializers.GlorotUniform(seed=seed + 1_004)
            self.joined = keras.layers.Dense(
                units, activation="tanh", kernel_initializer=start, name="joined"
            )
        self.dropping = keras.random.SeedGenerator(seed + 1_005)

    def build(self, start_shape):
        width = self.channels + self.width + (self.units if self.attention == "bahdanau" else 0)
        for cell in self.cells:
            cell.build((None, width))
            width = self.units
        self.output_layer.build((None, self.units))
        if self.attending is not None:
            self.attending.build((None, self.units))
        if self.attention == "luong":
            self.joined.build((None, 2 * self.units))

    def compute_mask(self, *args, **kwargs):
        return None

    def call(
        self,
        start,
        states,
        known=None,
        truth=None,
        told=None,
        skip=None,
        floor=None,
        memory=None,
        real=None,
        training=False,
    ):
        given = {"known": known, "truth": truth, "told": told, "skip": skip, "floor": floor}
        rows, places = _beside(given, start, self.horizon)
        kept = self._kept(start) if training and self.dropout else None
        look = self._looking(memory, real)

        def step(row, states):
            now = {name: row[:, begin:end] for name, (begin, end) in places.items()}
            *states, value = states
            if truth is not None:
                value = ops.where(now["told"] > 0, now["truth"], value)
            inputs, seen, weights = [value, *([now["known"]] if known is not None else [])], None, None
            if self.attention == "bahdanau":
                seen, weights = look(states[-states_of(self.cell)])
                inputs.append(seen)
            state, after = self._advance(ops.concatenate(inputs, axis=-1), states, kept)
            if self.attention == "luong":
                seen, weights = look(state)
                state = self.joined(ops.concatenate([seen, state], axis=-1))
            free = self.output_layer(state)
            value = self._fed_back(free, now)
            output = free if weights is None else ops.concatenate([free, weights], axis=-1)
            return output, [*after, value]

        found = stepped(step, rows, [*states, start])
        numbers = self.channels * self.outputs
        if memory is None:
            return ops.reshape(found, (-1, self.horizon, numbers))
        context = memory.shape[1]
        found = ops.reshape(found, (-1, self.horizon, numbers + context))
        return found[..., :numbers], found[..., numbers:]

    def _looking(self, memory: Any, real: Any) -> Callable[[Any], tuple[Any, Any]]:
        """Return the function that looks at the memory with a state."""
        attending = self.attending
        if attending is None:
            return lambda state: (None, None)
        keys = attending.keys(memory)
        return lambda state: attending(state, memory, keys, real)

    def _advance(self, inputs: Any, states: list[Any], kept: Any) -> tuple[Any, list[Any]]:
        """Run the stack of cells one step on."""
        count, after = states_of(self.cell), []
        for i, cell in enumerate(self.cells):
            inputs, own = cell(inputs, states[i * count : (i + 1) * count])
            after.extend(own)
            inputs = inputs if kept is None else inputs * kept[i]
        return inputs, after

    def _fed_back(self, free: Any, now: dict[str, Any]) -> Any:
        free = ops.reshape(free, (-1, self.channels, self.outputs))
        value = free[..., self.fed] if self.fed >= 0 else _mixture_mean(free)
        if "skip" in now:
            value = value + now["skip"]
        return ops.maximum(value, now["floor"]) if "floor" in now else value

    def _kept(self, start: Any) -> list[Any]:
        """Draw what is kept of each layer's output, once for all steps: a loop may draw nothing itself."""
        ones = ops.ones((ops.shape(start)[0], self.units), dtype="float32")
        return [keras.random.dropout(ones, self.dropout, seed=self.dropping) for _ in self.cells]

    def compute_output_spec(self, start, states, known=None, memory=None, **given):
        free = keras.KerasTensor((start.shape[0], self.horizon, self.channels * self.outputs), "float32")
        if memory is None:
            return free
        return free, keras.KerasTensor((start.shape[0], self.horizon, memory.shape[1]), "float32")

    def get_config(self):
        names = ("cell", "units", "layers", "horizon", "channels", "outputs", "fed", "width", "attention")
        return super().get_config() | {name: getattr(self, name) for name in (*names, "dropout", "seed")}


def to_scaled(away: Any, scale: Any) -> Any:
    """Divide what is away from a level by the scale of its window; 0 where the window is constant. float32."""
    divisor = ops.where(scale > 0, scale, ops.ones_like(scale))
    scaled = ops.where(scale > 0, away / divisor, ops.zeros_like(away))
    return ops.cast(scaled, "float32")


def _at(values: Any, place: Any, level: Any) -> Any:
    """Take the rows at ``place`` ``(batch, 1, channels)``; the level where there is none."""
    taken = ops.take_along_axis(values, ops.maximum(place, 0), axis=1)
    return ops.where(ops.logical_and(place >= 0, ops.logical_not(ops.isnan(taken))), taken, level)


def _beside(given: dict[str, Any], start: Any, horizon: int) -> tuple[Any, dict[str, tuple[int, int]]]:
    """Lay what there is for each step beside each other; tell the columns of each."""
    parts, places, begin = [], {}, 0
    for name, part in given.items():
        if part is not None:
            places[name] = (begin, begin + part.shape[2])
            begin = places[name][1]
            parts.append(ops.cast(part, "float32"))
    if not parts:
        parts.append(ops.zeros((ops.shape(start)[0], horizon, 1), dtype="float32"))
    return ops.concatenate(parts, axis=-1), places


def _mixture_mean(free: Any) -> Any:
    from forecast.models.distributions import DISTRIBUTIONS

    parameters = DISTRIBUTIONS["mixture"].free_to_scaled(free)
    count = free.shape[-1] // 3
    return ops.sum(parameters[..., :count] * parameters[..., count : 2 * count], axis=-1)
