"""What a stateful network remembers of the scale of its series: ``models.causal.CausalScale``, one row at a time.

The same lines reckon with plain numbers for a single series (a tenth of the time that arrays of one number take) and
with arrays for many.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Rows = slice | NDArray[np.int64]
SUMS = 6
"""Rows of a memory before those of the season, in the order of ``Held``."""


@dataclass(frozen=True)
class Scaling:
    """How rows are scaled.

    Args:
        anchor: ``"last"``, ``"period"`` or ``"none"``.
        horizon: Rows forecast.
        period: Rows of a period.
        memory: Rows after which a row counts 1 / e as much.
        smoothing: What a value counts in its season's mean against the one a period later.
    """

    anchor: str
    horizon: int
    period: int
    memory: int = 512
    smoothing: float = 0.7

    @cached_property
    def seasonal(self) -> bool:
        """Whether forecasts start from the season's mean."""
        return self.anchor == "period"

    @cached_property
    def plain(self) -> bool:
        """Whether nothing is scaled."""
        return self.anchor == "none"

    @cached_property
    def decay(self) -> float:
        """What a row counts against the one after it."""
        return math.exp(-1.0 / self.memory)

    @cached_property
    def longest(self) -> float:
        """What the logarithm of the rows since the last value is divided by."""
        return math.log1p(self.memory)


class Held(NamedTuple):
    """Numbers of one series, or arrays of many: rows since the last value, decaying counts and sums, newest value."""

    since: Any
    changes: Any
    values: Any
    changed: Any
    total: Any
    newest: Any


class _Numbers(NamedTuple):
    """The functions that plain numbers and arrays have under different names."""

    where: Callable[[Any, Any, Any], Any]
    isnan: Callable[[Any], Any]
    arcsinh: Callable[[Any], Any]
    log1p: Callable[[Any], Any]


_PLAIN = _Numbers(lambda yes, one, other: one if yes else other, math.isnan, math.asinh, math.log1p)
_ARRAYS = _Numbers(np.where, np.isnan, np.arcsinh, np.log1p)


class Memory:
    """The memory of a single sequence of one channel, in plain numbers.

    ``rows`` is there for the sake of ``Memories`` and not looked at.
    """

    def __init__(self, scaling: Scaling):
        self.scaling = scaling
        self.held = Held(0.0, 0.0, 0.0, 0.0, 0.0, math.nan)
        period = scaling.period if scaling.seasonal else 0
        self.season, self.means, self.place = np.zeros((2, period)), np.full(period, math.nan), 0
        self.ahead = np.arange(scaling.horizon)

    def observe(self, rows: Rows, value: float) -> list[float]:
        """Read a value, NaN where missing, and return the features of its row."""
        base = self.held.newest
        if self.scaling.seasonal:
            mean = float(self.means[self.place])
            base = base if math.isnan(mean) else mean
            self._keep(value)
        self.held, features = _observe(_PLAIN, self.held, value, base, self.scaling)
        return features

    def levels(self, rows: Rows) -> Any:
        """Return what forecasts start from, to be broadcast over ``(horizon, channels)``."""
        newest = self.held.newest
        if not self.scaling.seasonal:
            return newest if self.scaling.anchor == "last" else 0.0 * newest
        means = self.means[(self.ahead + self.place) % self.scaling.period]
        return np.where(np.isnan(means), newest, means)[:, None]

    def units(self, rows: Rows) -> Any:
        """Return what forecasts are multiplied by, to be broadcast over ``(horizon, channels)``."""
        return _unit(_PLAIN, self.held, self.scaling)

    def begun(self, rows: Rows) -> NDArray[np.bool_]:
        """Say whether anything was observed yet: ``(rows, channels)``."""
        return np.array([[self.held.values > 0]])

    def since(self, rows: Rows) -> Floats:
        """Return the rows since the last value: ``(rows, channels)``."""
        return np.array([[self.held.since]])

    def put(self, rows: Rows, memory: Floats) -> None:
        """Set what is remembered: ``(rows, 6 + kept, channels)`` as ``CausalScale`` lays it out."""
        numbers = memory[0, :, 0]
        self.held = Held(*map(float, numbers[:SUMS]))
        self.season, self.place = numbers[SUMS:].reshape(2, -1).astype(np.float64), 0
        self.means = _mean(*self.season)

    def get(self) -> Floats:
        """Return what is remembered: ``(rows, 6 + kept, channels)``."""
        kept = np.roll(self.season, -self.place, axis=1)
        return np.concatenate([self.held, *kept])[None, :, None]

    def _keep(self, value: float) -> None:
        """Take a value into the mean of its season."""
        season, place = self.season, self.place
        total, count = self.scaling.smoothing * season[:, place]
        if not math.isnan(value):
            total, count = total + value, count + 1.0
        season[:, place] = total, count
        self.means[place] = total / count if count > 0 else math.nan
        self.place = (place + 1) % self.scaling.period


class Memories:
    """The memories of many sequences, or of several channels: arrays ``(rows, channels)``, a sequence a row."""

    def __init__(self, scaling: Scaling, rows: int, channels: int):
        self.scaling = scaling
        self.held = Held(*(np.full((rows, channels), start) for start in (0.0, 0.0, 0.0, 0.0, 0.0, np.nan)))
        period = scaling.period if scaling.seasonal else 0
        self.season = np.zeros((2, rows, period, channels))
        self.place = np.zeros(rows, np.int64)
        self.ahead = np.arange(scaling.horizon)

    def observe(self, rows: Rows, values: Floats) -> list[Floats]:
        """Read values ``(rows, channels)``, NaN where missing, and return features of the same shape each."""
        held = self._of(rows)
        base = held.newest
        if self.scaling.seasonal:
            season, place = self.season[:, rows], self.place[rows]
            each = np.arange(len(place))
            total, count = season[:, each, place]
            mean = _mean(total, count)
            base = np.where(np.isnan(mean), base, mean)
            missing = np.isnan(values)
            season[0, each, place] = self.scaling.smoothing * total + np.where(missing, 0.0, values)
            season[1, each, place] = self.scaling.smoothing * count + ~missing
            self.season[:, rows], self.place[rows] = season, (place + 1) % self.scaling.period
        after, features = _observe(_ARRAYS, held, values, base, self.scaling)
        if isinstance(rows, slice):
            self.held = after
        else:
            for old, new in zip(self.held, after, strict=True):
                old[rows] = new
        return features

    def levels(self, rows: Rows) -> Floats:
        """Return what forecasts start from: ``(rows, 1 or horizon, channels)``."""
        newest = self.held.newest[rows][:, None]
        if not self.scaling.seasonal:
            return newest if self.scaling.anchor == "last" else 0.0 * newest
        place = (self.place[rows][:, None] + self.ahead) % self.scaling.period
        total, count = np.take_along_axis(self.season[:, rows], place[None, :, :, None], axis=2)
        mean = _mean(total, count)
        return np.where(np.isnan(mean), newest, mean)

    def units(self, rows: Rows) -> Floats:
        """Return what forecasts are multiplied by: ``(rows, 1, channels)``."""
        return _unit(_ARRAYS, self._of(rows), self.scaling)[:, None]

    def begun(self, rows: Rows) -> NDArray[np.bool_]:
        """Say whether anything was observed yet: ``(rows, channels)``."""
        return self.held.values[rows] > 0

    def since(self, rows: Rows) -> Floats:
        """Return the rows since the last value: ``(rows, channels)``."""
        return self.held.since[rows]

    def put(self, rows: Rows, memory: Floats) -> None:
        """Set what is remembered: ``(rows, 6 + kept, channels)`` as ``CausalScale`` lays it out."""
        for k, held in enumerate(self.held):
            held[rows] = memory[:, k]
        period = self.season.shape[2]
        self.season[0, rows] = memory[:, SUMS : SUMS + period]
        self.season[1, rows] = memory[:, SUMS + period :]
        self.place[rows] = 0

    def get(self) -> Floats:
        """Return what is remembered: ``(rows, 6 + kept, channels)``."""
        parts = [np.stack(self.held, axis=1)]
        if self.scaling.seasonal:
            turned = (self.place[:, None] + np.arange(self.scaling.period)) % self.scaling.period
            parts += list(np.take_along_axis(self.season, turned[None, :, :, None], axis=2))
        return np.concatenate(parts, axis=1)

    def _of(self, rows: Rows) -> Held:
        return self.held if isinstance(rows, slice) else Held(*(part[rows] for part in self.held))


def _observe(by: _Numbers, held: Held, value: Any, base: Any, scaling: Scaling) -> tuple[Held, list[Any]]:
    """Return what is held behind a row, and its features."""
    decay, plain, newest = scaling.decay, scaling.plain, held.newest
    missing = by.isnan(value)
    seen = by.where(missing, 0.0, 1.0)
    now = by.where(missing, newest, value)
    away = now if plain else now - base
    unknown = by.isnan(away)
    away = by.where(unknown, 0.0, away)
    changed = by.where(unknown, 0.0, seen)
    after = Held(
        by.where(missing, held.since + 1.0, 0.0),
        held.changes * decay + changed,
        held.values * decay + seen,
        held.changed * decay + changed * abs(away),
        held.total * decay + by.where(missing, 0.0, value),
        now,
    )
    unit = _unit(by, after, scaling)
    unit = by.where(unit > 0, unit, 1.0)
    far = now if plain else now - after.total / by.where(after.values > 0, after.values, 1.0)
    parts = [away, by.where(by.isnan(far), 0.0, far)]
    if scaling.seasonal:
        step = now - newest
        parts.append(by.where(by.isnan(step), 0.0, step))
    features = [by.arcsinh(part / unit) for part in parts]
    return after, [*features, by.log1p(after.since) / scaling.longest]


def _unit(by: _Numbers, held: Held, scaling: Scaling) -> Any:
    """Return the mean of the absolute changes; 0 where it is no more than rounding."""
    if scaling.plain:
        return 0.0 * held.changes + 1.0
    unit = held.changed / by.where(held.changes > 0, held.changes, 1.0)
    return by.where(unit > 1e-13 * abs(held.newest), unit, 0.0)


def _mean(total: Floats, count: Floats) -> Floats:
    return np.where(count > 0, total / np.where(count > 0, count, 1.0), np.nan)
