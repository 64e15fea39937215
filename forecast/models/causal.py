"""Layers for a network that goes through a series once: scales known at each row, and states that are carried on."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from forecast.models.dtypes import REGISTER, wide
from forecast.models.scaling import running_max

SUMS = 6
"""Rows of ``CausalScale``'s memory before the season: rows since the last value, four decaying sums, newest value."""


@REGISTER
class CausalScale(keras.layers.Layer):
    """Scale each row by the rows up to it, remembering what the next rows need of them.

    The unit of a row is the mean of the absolute changes up to it: from the newest value before (``anchor="last"``), or
    from the mean of the values a whole number of periods earlier (``"period"``), in which one counts ``smoothing``
    times as much as the next. Unit and level are means that forget: a row counts ``exp(-1 / memory)`` times as much
    with every row after it. Far values are drawn in by the inverse hyperbolic sine.

    Args:
        anchor: What forecasts start from and changes are taken from: ``"last"``, ``"period"``, or ``"none"`` (level 0,
            unit 1).
        horizon: Rows forecast.
        period: Rows of a period.
        memory: Rows after which one counts 1 / e as much.
        smoothing: What a value counts in its season's mean against the one a period later.

    Call:
        ``values`` ``(batch, rows, channels)`` raw, NaN where missing; ``memory`` ``(batch, 6 + kept, channels)`` as
        ``start`` makes it or an earlier call returned it; ``length`` ``(batch,)`` of right-padded rows.

    Returns:
        ``features`` float32 ``(batch, rows, width)``: change and distance from the level in units (and for
        ``"period"`` the change from the newest value before), and how long ago the last value was; ``levels``
        ``(batch, rows, 1 or horizon, channels)`` that forecasts behind each row start from, NaN before the first value;
        ``units`` ``(batch, rows, channels)``; and the memory behind the last real row.
    """

    def __init__(
        self,
        anchor: str,
        horizon: int,
        *,
        period: int = 1,
        memory: int = 512,
        smoothing: float = 0.7,
        **kwargs,
    ):
        super().__init__(dtype=wide(), autocast=False, **kwargs)
        self.anchor, self.horizon, self.period = anchor, horizon, period
        self.memory, self.smoothing = memory, smoothing

    @property
    def kept(self) -> int:
        """Rows of the memory that hold the season: a sum and a count for each row of a period."""
        return 2 * self.period if self.anchor == "period" else 0

    def width(self, channels: int) -> int:
        """Return the number of features of a row."""
        return channels * (4 if self.anchor == "period" else 3)

    def start(self, channels: int) -> np.ndarray:
        """Return what is remembered before the first row: ``(6 + kept, channels)``."""
        found = np.zeros((SUMS + self.kept, channels))
        found[SUMS - 1] = np.nan
        return found

    def call(self, values, memory, length=None):
        steps = ops.arange(values.shape[1], dtype="int32")[None, :, None]
        if length is not None:
            real = steps < ops.cast(length, "int32")[:, None, None]
            values = ops.where(real, values, ops.full_like(values, np.nan))
        seen = ops.logical_not(ops.isnan(values))
        filled = _filled(ops.concatenate([memory[:, SUMS - 1 : SUMS], values], axis=1))
        newest, before = filled[:, 1:], filled[:, :-1]
        season, kept = self._season(values, seen, memory)
        levels, base = self._levels(newest, season), before
        if season is not None:
            base = _or(season[:, : values.shape[1]], before)
        elif self.anchor == "none":
            base = ops.zeros_like(newest)
        change = ops.where(seen, newest - base, ops.full_like(newest, np.nan))
        counts, sums = self._sums(change, seen, newest, memory)
        level, units = _over(sums[1], counts[1]), _over(sums[0], counts[0])
        units = ops.where(units > self._rounding * ops.abs(newest), units, ops.zeros_like(units))
        if self.anchor == "none":
            level, units = ops.zeros_like(newest), ops.ones_like(newest)
        since = self._since(seen, memory)
        divisor = ops.where(units > 0, units, ops.ones_like(units))
        away = [newest - base, newest - level]
        if self.anchor == "period":
            away.append(newest - before)
        features = [ops.arcsinh(known(one) / divisor) for one in away]
        features.append(ops.log1p(since) / np.log1p(self.memory))
        features = ops.cast(ops.concatenate(features, axis=-1), "float32")
        after = ops.stack([since, *counts, *sums, newest], axis=2)
        return features, levels, units, self._memory(after, kept, length)

    @property
    def _rounding(self) -> float:
        return 1e-13 if wide() == "float64" else 1e-6

    def _sums(self, change, seen, newest, memory):
        """Return the decaying counts and sums of changes and of values at every row: two and two."""
        decay = np.exp(-1.0 / self.memory)
        rows, dtype = change.shape[1], change.dtype
        ages = np.arange(rows)[:, None] - np.arange(rows)[None, :]
        rates = ops.convert_to_tensor(np.where(ages >= 0, decay ** np.maximum(ages, 0), 0.0), dtype=dtype)
        older = ops.convert_to_tensor(decay ** np.arange(1, rows + 1), dtype=dtype)[None, :, None]
        changed = ops.cast(ops.logical_not(ops.isnan(change)), dtype)
        parts = [
            changed,
            ops.cast(seen, dtype),
            ops.abs(known(change)),
            ops.where(seen, newest, 0.0 * changed),
        ]
        found = [
            ops.einsum("ti,bic->btc", rates, part) + older * memory[:, 1 + k : 2 + k]
            for k, part in enumerate(parts)
        ]
        return found[:2], found[2:]

    def _since(self, seen, memory):
        """Count the rows since the last value, at every row."""
        steps = ops.arange(seen.shape[1], dtype="int32")[None, :, None]
        last = running_max(ops.where(seen, steps, -ops.ones_like(steps)))
        here = ops.cast(steps - last, memory.dtype)
        return ops.where(last >= 0, here, here + memory[:, :1])

    def _season(self, values, seen, memory):
        """Return the season's mean at every row of the period before and of these, and its sums and counts there."""
        if self.anchor != "period":
            return None, []
        rows, dtype, period = values.shape[1], values.dtype, self.period
        apart = np.arange(rows)[:, None] - np.arange(rows)[None, :]
        rates = np.where(
            (apart >= 0) & (apart % period == 0), self.smoothing ** (np.maximum(apart, 0) / period), 0.0
        )
        rates = ops.convert_to_tensor(rates, dtype=dtype)
        older = ops.convert_to_tensor(self.smoothing ** (np.arange(rows) // period + 1.0), dtype=dtype)
        place = ops.convert_to_tensor(np.arange(rows) % period, dtype="int32")
        parts = [ops.where(seen, values, ops.zeros_like(values)), ops.cast(seen, dtype)]
        kept = []
        for k, part in enumerate(parts):
            begin = SUMS + k * period
            first = memory[:, begin : begin + period]
            here = ops.einsum("ti,bic->btc", rates, part) + older[None, :, None] * ops.take(
                first, place, axis=1
            )
            kept.append(ops.concatenate([first, here], axis=1))
        total, count = kept
        return ops.where(count > 0, _over(total, count), ops.full_like(total, np.nan)), kept

    def _levels(self, newest, season):
        """Return what forecasts behind every row start from."""
        if self.anchor == "none":
            return ops.zeros_like(newest)[:, :, None]
        if self.anchor == "last":
            return newest[:, :, None]
        rows, channels = newest.shape[1:]
        place = np.arange(1, rows + 1)[:, None] + np.arange(self.horizon)[None, :] % self.period
        taken = ops.take(season, ops.convert_to_tensor(place.reshape(-1), dtype="int32"), axis=1)
        taken = ops.reshape(taken, (-1, rows, self.horizon, channels))
        return _or(taken, newest[:, :, None] + ops.zeros_like(taken))

    def _memory(self, after, kept, length):
        """Take what is remembered behind the last real row."""
        rows, period = after.shape[1], self.period
        if length is None:
            parts = [after[:, -1], *(part[:, rows:] for part in kept)]
            return ops.concatenate(parts, axis=1)
        length = ops.cast(length, "int32")[:, None, None]
        last = ops.take_along_axis(after, ops.maximum(length - 1, 0)[..., None], axis=1)[:, 0]
        place = length + ops.arange(period, dtype="int32")[None, :, None]
        return ops.concatenate([last, *(ops.take_along_axis(part, place, axis=1) for part in kept)], axis=1)

    def compute_output_spec(self, values, memory, length=None):
        batch, rows, channels = values.shape
        return (
            keras.KerasTensor((batch, rows, self.width(channels)), dtype="float32"),
            keras.KerasTensor(
                (batch, rows, self.horizon if self.anchor == "period" else 1, channels), dtype=wide()
            ),
            keras.KerasTensor((batch, rows, channels), dtype=wide()),
            keras.KerasTensor(memory.shape, dtype=wide()),
        )

    def get_config(self):
        names = ("anchor", "horizon", "period", "memory", "smoothing")
        config = super().get_config() | {name: getattr(self, name) for name in names}
        config.pop("dtype")
        return config


@REGISTER
class Carry(keras.layers.Layer):
    """Hold the states in which the lanes of a batch ended, and give them back to the next batch as a value.

    A value has no gradient: backpropagation ends at the beginning of each stretch (truncated backpropagation through
    time). ``Carry.into`` is the layer that stores them.

    Args:
        lanes: Sequences a batch.
        starts: First states by name, without the axis of the lanes.

    Call:
        ``fresh`` ``(lanes,)``: 1 where a lane begins anew.

    Returns:
        States by name, ``(lanes, …)``.
    """

    def __init__(self, lanes: int, starts: dict[str, np.ndarray], **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.lanes, self.starts = lanes, {name: np.asarray(start) for name, start in starts.items()}

    def build(self, shape):
        self.held = {
            name: self.add_weight(
                name=name,
                shape=(self.lanes, *start.shape),
                dtype=str(start.dtype),
                initializer="zeros",
                trainable=False,
                autocast=False,
            )
            for name, start in self.starts.items()
        }

    def call(self, fresh):
        found = {}
        for name, start in self.starts.items():
            anew = ops.reshape(fresh > 0, (-1, *(1,) * start.ndim))
            first = ops.convert_to_tensor(start, dtype=str(start.dtype))[None]
            found[name] = ops.where(anew, first, self.held[name].value)
        return found

    def compute_output_spec(self, fresh):
        return {
            name: keras.KerasTensor((fresh.shape[0], *start.shape), dtype=str(start.dtype))
            for name, start in self.starts.items()
        }

    def into(self, output, states):
        """Store the states behind a stretch on the way of its output."""
        return _Store(self, name="store")(output, states)


class _Store(keras.layers.Layer):
    """Pass an output through and store the states that belong to it."""

    def __init__(self, carry: Carry, **kwargs):
        super().__init__(autocast=False, **kwargs)
        # Past Keras's attribute tracking, which would count the variables twice.
        self.__dict__["carry"] = carry

    def call(self, output, states):
        for name, value in states.items():
            self.__dict__["carry"].held[name].assign(ops.stop_gradient(value))
        return output

    def compute_output_spec(self, output, states):
        return keras.KerasTensor(output.shape, dtype=output.dtype)


def known(values):
    """Replace what is missing by 0."""
    return ops.where(ops.isnan(values), ops.zeros_like(values), values)


def _filled(values):
    """Replace what is missing by the newest value before it; before the first it stays missing."""
    steps = ops.arange(values.shape[1], dtype="int32")[None, :, None]
    place = running_max(ops.where(ops.isnan(values), -ops.ones_like(steps), steps))
    taken = ops.take_along_axis(values, ops.maximum(place, 0), axis=1)
    return ops.where(place >= 0, taken, ops.full_like(taken, np.nan))


def _or(values, others):
    return ops.where(ops.isnan(values), others, values)


def _over(total, count):
    return total / ops.where(count > 0, count, ops.ones_like(count))
