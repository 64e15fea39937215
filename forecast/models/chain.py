"""The network that forecasts one row at a time: over rows that are known, or over its own draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from forecast.models.draws import NOISE, common_noise, draw
from forecast.models.dtypes import REGISTER, wide
from forecast.models.recurrent import recurrent, states_of, stepped
from forecast.models.rows import STANDING


@REGISTER
class Chain(keras.layers.Layer):
    """Read rows with recurrent layers and forecast the distribution of the row after each, or draw sample paths.

    Both ways are one layer, so that they have the same weights, saved once.

    Args:
        cell: ``"lstm"``, ``"gru"`` or ``"rnn"``.
        units: Width of each recurrent layer.
        layers: Number of recurrent layers.
        head: Name of the distribution.
        outputs: Number of its parameters.
        channels: Channels of a sequence.
        targets: Targets laid along the batch; 1 if they are joined. Each is drawn with noise of its own.
        width: Columns of a row.
        anchor: What a row starts from, see ``Rows``.
        lags: Rows that each lag goes back; they are the last of what is known of a row.
        missing: Whether rows hold marks of missing values.
        past: Number of past-only columns, 0 over the horizon.
        paths: Number of sample paths.
        from_static: Let the first states be made of the static features.
        dropout: Share dropped between the layers and before the head.
        seed: Seed of the first weights, of the dropout, and of the noise of the paths.

    Call:
        ``rows`` ``(batch, R, width)`` and ``static`` ``(batch, columns)``. For sample paths also ``bases``
        ``(batch, horizon, channels)``: scaled, what each step starts from; ``value`` ``(batch, channels)``, the newest
        one; ``first`` and ``scale`` of the window; ``known`` ``(batch, horizon, columns)``; and the ``mask`` of rows.

    Returns:
        Free numbers ``(batch, R, channels * outputs)``, or with ``bases`` scaled paths
        ``(batch, paths * horizon, channels)``.
    """

    def __init__(
        self,
        cell: str,
        units: int,
        *,
        layers: int,
        head: str,
        outputs: int,
        channels: int,
        targets: int,
        width: int,
        anchor: str,
        lags: tuple[int, ...] = (),
        missing: bool = False,
        past: int = 0,
        paths: int = 100,
        from_static: bool = False,
        dropout: float = 0.0,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.supports_masking = True
        self.cell, self.units, self.layers, self.head, self.outputs = cell, units, layers, head, outputs
        self.channels, self.targets, self.width, self.anchor = channels, targets, width, anchor
        self.lags, self.missing, self.past, self.paths = tuple(lags), missing, past, paths
        self.from_static, self.dropout, self.seed = from_static, dropout, seed
        self.stack = [
            recurrent(cell, units, sequences=True, states=True, seed=seed + 10 * i, name=f"{cell}_{i + 1}")
            for i in range(layers)
        ]
        self.drops = [
            keras.layers.Dropout(dropout, seed=seed + 500 + i, name=f"dropout_{i + 1}") for i in range(layers)
        ]
        self.output_layer = _dense(channels * outputs, seed + 600, "output")
        count = layers * states_of(cell) if from_static else 0
        self.starts = [_dense(units, seed + 700 + i, f"start_{i + 1}", "tanh") for i in range(count)]

    def build(self, rows_shape, static_shape=None):
        width = self.width
        for layer in self.stack:
            layer.build((None, None, width))
            width = self.units
        self.output_layer.build((None, self.units))
        for start in self.starts:
            start.build(static_shape)

    def compute_mask(self, *args, **kwargs):
        return None

    def call(
        self,
        rows,
        static=None,
        known=None,
        bases=None,
        value=None,
        first=None,
        scale=None,
        mask=None,
        training=False,
    ):
        states, count, top, after = [start(static) for start in self.starts], states_of(self.cell), rows, []
        for i, (layer, drop) in enumerate(zip(self.stack, self.drops, strict=True)):
            begin = states[i * count : (i + 1) * count] or None
            top, *final = layer(top, mask=mask, initial_state=begin, training=training)
            top = drop(top, training=training)
            after.extend(final[:count])
        if bases is None:
            return self.output_layer(top)
        drawn = self._drawing(static, bases.shape[1], (first, scale))
        after = [self._each_path(state) for state in (*after, value)]
        if self._reach(bases.shape[1]):
            shape = (ops.shape(after[0])[0], self._reach(bases.shape[1]), self.channels)
            after.append(ops.zeros(shape, dtype="float32"))
        paths = stepped(drawn, self._ahead(known, bases), after)
        return ops.reshape(paths, (-1, self.paths * bases.shape[1], self.channels))

    def _ahead(self, known: Any, bases: Any) -> Any:
        """Lay beside each other, for each step: its number, its base, the next one, and what is known of the next."""
        number = ops.arange(bases.shape[1], dtype="float32")[None, :, None] + ops.zeros_like(bases[..., :1])
        parts = [number, bases, _later(bases)] + ([] if known is None else [_later(known)])
        return ops.concatenate(parts, axis=-1)

    def _drawing(self, static: Any, horizon: int, window: tuple[Any, Any]) -> Callable[..., Any]:
        """Return the function that draws the value of a step and goes on with it."""
        noise, channels, reach = self._noise(horizon), self.channels, self._reach(horizon)
        fixed = None if static is None else self._each_path(ops.cast(static, "float32"))
        # Counts have a unit of their own: they are drawn raw.
        counts = self.head == "negative_binomial"
        scales = tuple(self._each_path(part[:, 0]) for part in window) if counts else ()

        def step(row, states):
            row = self._each_path(row)
            number = ops.cast(row[0, 0], "int32")
            past = states.pop() if reach else None
            *states, before = states
            base = before if self.anchor == "last" else row[:, 1 : 1 + channels]
            top = states[(self.layers - 1) * states_of(self.cell)]
            value = self._value(top, base, ops.take(noise, number, axis=0), scales)
            parts = [value] + ([value - base] if self.anchor != "none" else [])
            if self.anchor in STANDING:
                parts.append(row[:, 1 + channels : 1 + 2 * channels])
            parts.extend(self._unmarked(value))
            if row.shape[1] > 1 + 2 * channels:
                kept = [] if past is None else [ops.concatenate([past[:, 1:], value[:, None]], axis=1)]
                parts.append(self._lagged(row[:, 1 + 2 * channels :], number, kept))
            else:
                kept = []
            parts.extend([] if fixed is None else [fixed])
            return value, [*self._advance(ops.concatenate(parts, axis=-1), states), value, *kept]

        return step

    def _value(self, top: Any, base: Any, noise: Any, scales: tuple[Any, ...]) -> Any:
        """Draw one value for each path, on the scale of its window."""
        from forecast.models.distributions import DISTRIBUTIONS

        family, shape = DISTRIBUTIONS[self.head], (-1, self.targets * self.paths, self.channels)
        parameters = ops.reshape(self.output_layer(top), (-1, self.channels, self.outputs))
        if not scales:
            parameters = ops.reshape(family.free_to_scaled(parameters), (*shape, self.outputs))
            return base + ops.reshape(draw(self.head, parameters, noise), (-1, self.channels))
        first, scale = scales
        level = (first + scale * ops.cast(base, wide()))[..., None]
        raw = family.restore(family.free_to_scaled(ops.cast(parameters, wide())), level, scale[..., None])
        count = ops.reshape(
            draw(self.head, ops.reshape(raw, (*shape, self.outputs)), noise), (-1, self.channels)
        )
        some = scale > 0
        return ops.cast((count - first) / ops.where(some, scale, ops.ones_like(scale)), "float32")

    def _unmarked(self, value: Any) -> list[Any]:
        """Return the marks of a row that is drawn: nothing is missing, nothing past-only is known."""
        parts = [ops.ones_like(value), ops.zeros_like(value)] if self.missing else []
        if self.past:
            parts.append(ops.zeros_like(ops.repeat(value[:, :1], self.past + 1, axis=1)))
        return parts

    def _lagged(self, known: Any, number: Any, kept: list[Any]) -> Any:
        """Replace lags that reach into the horizon by what was drawn there."""
        begin, parts = known.shape[1] - len(self.lags) * self.channels, []
        for i, lag in enumerate(self.lags):
            given = known[:, begin + i * self.channels : begin + (i + 1) * self.channels]
            if kept and lag <= kept[0].shape[1]:
                given = ops.where(number + 1 >= lag, kept[0][:, -lag], given)
            parts.append(given)
        return ops.concatenate([known[:, :begin], *parts], axis=-1)

    def _advance(self, inputs: Any, states: list[Any]) -> list[Any]:
        """Run the cells of the stack one step on."""
        count, after = states_of(self.cell), []
        for i, layer in enumerate(self.stack):
            inputs, own = layer.cell(inputs, states[i * count : (i + 1) * count])
            after.extend(own)
        return after

    def _noise(self, horizon: int) -> Any:
        """Return the noise of all steps ``(horizon, targets * paths, channels, numbers)``, that of every window."""
        numbers = NOISE[self.head]
        noise = common_noise(self.seed, horizon, self.paths, max(self.channels, self.targets), numbers)
        if self.targets > 1:
            noise = noise.transpose(0, 2, 1, 3).reshape(horizon, -1, 1, numbers)
        dtype = wide() if self.head == "negative_binomial" else "float32"
        return ops.convert_to_tensor(noise, dtype=dtype)

    def _reach(self, horizon: int) -> int:
        """Return how far back drawn values are looked at through lags."""
        return max((lag for lag in self.lags if lag < horizon), default=0)

    def _each_path(self, tensor: Any) -> Any:
        return ops.repeat(tensor, self.paths, axis=0)

    def compute_output_spec(self, rows, static=None, known=None, bases=None, **given):
        if bases is None:
            return keras.KerasTensor((*rows.shape[:2], self.channels * self.outputs), dtype="float32")
        return keras.KerasTensor((rows.shape[0], self.paths * bases.shape[1], self.channels), dtype="float32")

    def get_config(self):
        names = (
            "cell",
            "units",
            "layers",
            "head",
            "outputs",
            "channels",
            "targets",
            "width",
            "anchor",
            "lags",
        )
        names += ("missing", "past", "paths", "from_static", "dropout", "seed")
        return super().get_config() | {name: getattr(self, name) for name in names}


@REGISTER
class PathQuantiles(keras.layers.Layer):
    """Take quantiles over sample paths: from ``(batch, paths * horizon, targets)``.

    The sorted paths stand for the levels ``(i - 1/2) / paths``, between which is interpolated (Hazen).

    Args:
        paths: Number of paths.
        levels: Quantiles asked for; none: the median, without a last axis.

    Returns:
        ``(batch, horizon, targets, quantiles)``.
    """

    def __init__(self, paths: int, levels: tuple[float, ...] = (), **kwargs):
        super().__init__(dtype=wide(), autocast=False, **kwargs)
        self.paths, self.levels = paths, tuple(levels)

    def call(self, values):
        ordered = ops.sort(by_path(values, self.paths), axis=1)
        found = []
        for level in self.levels or (0.5,):
            place = min(max(level * self.paths - 0.5, 0.0), self.paths - 1.0)
            low, high = ordered[:, int(place)], ordered[:, min(int(place) + 1, self.paths - 1)]
            found.append(low + (high - low) * (place - int(place)))
        # Rounding may put one of two equal quantiles below the other.
        return ops.sort(ops.stack(found, axis=-1), axis=-1) if self.levels else found[0]

    def compute_output_spec(self, values):
        shape = (values.shape[0], values.shape[1] // self.paths, values.shape[2])
        return keras.KerasTensor((*shape, len(self.levels)) if self.levels else shape, dtype=values.dtype)

    def get_config(self):
        config = super().get_config() | {"paths": self.paths, "levels": self.levels}
        config.pop("dtype")
        return config


def by_path(values: Any, paths: int) -> Any:
    """Lay paths along an axis of their own: ``(batch, paths, horizon, targets)``."""
    return ops.reshape(values, (-1, paths, values.shape[1] // paths, values.shape[2]))


def _later(values: Any) -> Any:
    """Move each step's row to the step before; behind the last stands 0."""
    return ops.pad(values[:, 1:], ((0, 0), (0, 1), (0, 0)))


def _dense(units: int, seed: int, name: str, activation: str | None = None) -> keras.layers.Layer:
    start = keras.initializers.GlorotUniform(seed=seed)
    return keras.layers.Dense(units, activation=activation, kernel_initializer=start, name=name)
