"""Streams made for choosing and testing detectors: noise in which nothing happens, and series with events put in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.signal import lfilter

import forecast

KINDS = ("normal", "laplace", "t3", "lognormal", "ar", "garch")


def null_stream(kind: str, rows: int, seed: int) -> np.ndarray:
    """Return noise of one kind, float64 ``(rows,)``."""
    rng = np.random.default_rng((seed, KINDS.index(kind)))
    noise = rng.normal(size=rows)
    if kind == "ar":
        return lfilter([1.0], [1.0, -0.8], noise)
    if kind != "garch":
        draws: dict[str, Callable[[], np.ndarray]] = {
            "normal": lambda: noise,
            "laplace": lambda: rng.laplace(size=rows),
            "t3": lambda: rng.standard_t(3, size=rows),
            "lognormal": lambda: rng.lognormal(size=rows),
        }
        return draws[kind]()
    values, variance = np.empty(rows), 1.0
    for row in range(rows):
        values[row] = np.sqrt(variance) * noise[row]
        variance = 0.05 + 0.1 * values[row] ** 2 + 0.85 * variance
    return values


@dataclass(frozen=True)
class Labelled:
    """A series with known events.

    Args:
        name: Where it comes from.
        times: Of its rows.
        values: float64 ``(rows,)``.
        events: First row of each event, and row behind its last.
    """

    name: str
    times: pd.DatetimeIndex
    values: np.ndarray
    events: list[tuple[int, int]]


def development_series(seed: int = 0) -> list[Labelled]:
    """Put events into real and generated series: M4 Hourly, ETTh1, machines, counts.

    There is one event in 2,000 rows, behind the first quarter of a series, of a kind, size and length drawn at random.
    """
    rng = np.random.default_rng(seed)
    found = []
    for name, times, values in [*_m4(rng), *_ett(), *_made(rng)]:
        changed, events = values.copy(), []
        # About one in 2,000 rows, as where alarms are worth having.
        count = rng.poisson(len(values) / 2_000)
        edges = np.linspace(0.27 * len(values), 0.97 * len(values), count + 1).astype(int)
        for first, stop in pairwise(edges):
            kind = EVENTS[rng.choice(list(EVENTS))]
            rows = 1 if kind is _spike else int(rng.integers(8, max(min(90, (stop - first) // 3), 9)))
            begin = int(rng.integers(first, max(stop - rows - 1, first + 1)))
            changed[begin : begin + rows] = kind(values, begin, rows, rng)
            events.append((begin, begin + rows))
        found.append(Labelled(name, times, changed, events))
    return found


def _size(values: np.ndarray, begin: int, rows: int, rng: np.random.Generator) -> float:
    """Draw how far an event moves values: 3 to 10 of the spread that a day of rows before it has."""
    spread = np.std(values[max(begin - 200, 0) : begin])
    return float(rng.choice([-1, 1]) * rng.uniform(3, 10) * max(spread, 1e-6 * abs(values).max()))


def _spike(values: np.ndarray, begin: int, rows: int, rng: np.random.Generator) -> np.ndarray:
    return values[begin : begin + rows] + _size(values, begin, rows, rng)


def _shift(values: np.ndarray, begin: int, rows: int, rng: np.random.Generator) -> np.ndarray:
    return values[begin : begin + rows] + 0.6 * _size(values, begin, rows, rng)


def _ramp(values: np.ndarray, begin: int, rows: int, rng: np.random.Generator) -> np.ndarray:
    return values[begin : begin + rows] + np.linspace(0, 0.8 * _size(values, begin, rows, rng), rows)


def _flat(values: np.ndarray, begin: int, rows: int, rng: np.random.Generator) -> np.ndarray:
    return np.full(rows, values[begin - 1])


def _noise(values: np.ndarray, begin: int, rows: int, rng: np.random.Generator) -> np.ndarray:
    return values[begin : begin + rows] + 0.6 * _size(values, begin, rows, rng) * rng.normal(size=rows)


def _out_of_phase(values: np.ndarray, begin: int, rows: int, rng: np.random.Generator) -> np.ndarray:
    back = int(rng.integers(8, 17))
    return values[begin - back : begin - back + rows]


def _outage(values: np.ndarray, begin: int, rows: int, rng: np.random.Generator) -> np.ndarray:
    low, high = np.quantile(values[:begin], [0.01, 0.5])
    return np.full(rows, low - 0.1 * (high - low)) + 0.01 * (high - low) * rng.normal(size=rows)


EVENTS = {
    "spike": _spike,
    "shift": _shift,
    "ramp": _ramp,
    "flat": _flat,
    "noise": _noise,
    "out of phase": _out_of_phase,
    "outage": _outage,
}
"""What happens in an event, by name: the rows that take the place of those that were there."""


def _m4(rng: np.random.Generator) -> list[tuple[str, pd.DatetimeIndex, np.ndarray]]:
    table = forecast.load_dataset("m4_hourly")
    groups = [(str(name), part["value"].to_numpy(float)) for name, part in table.groupby("id", sort=True)]
    return [
        (groups[i][0], _times(len(groups[i][1]), "h"), groups[i][1])
        for i in np.sort(rng.choice(len(groups), 16, replace=False))
    ]


def _ett() -> list[tuple[str, pd.DatetimeIndex, np.ndarray]]:
    table, found = forecast.load_dataset("ETTh1"), []
    for number, column in enumerate(("HUFL", "MUFL", "LUFL", "OT", "HULL", "MULL", "LULL", "OT")):
        values = table[column].to_numpy(float)[1_700 * number :][:4_000]
        found.append((f"ETTh1 {column} from {1_700 * number}", _times(len(values), "h"), values))
    return found


def _made(rng: np.random.Generator) -> list[tuple[str, pd.DatetimeIndex, np.ndarray]]:
    """Machines, counts, temperatures, prices, traffic: 4,000 rows of five minutes each.

    Half of them burst of their own accord, as counts, prices and loads do: such a burst is no event.
    """
    t, found = np.arange(4_000), []
    for number in range(20):
        kind = list(MADE)[number % len(MADE)]
        day = np.sin(2 * np.pi * t / 288 + rng.uniform(0, 6))
        drift = lfilter([1.0], [1.0, -0.95], rng.normal(size=len(t)))
        found.append((f"{kind} {number}", _times(len(t), "5min"), MADE[kind](t, day, drift, rng)))
    return found


def _bursts(rows: int, rng: np.random.Generator, every: float, size: float) -> np.ndarray:
    """Bursts that come at random, have lognormal sizes, and fade within a few rows."""
    begins = rng.random(rows) < 1 / every
    return lfilter([1.0], [1.0, -rng.uniform(0.3, 0.9)], begins * size * rng.lognormal(0, 0.8, rows))


def _load(t: np.ndarray, day: np.ndarray, drift: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(30 + 15 * day + 2 * drift + rng.standard_t(3, size=len(t)), 0, 100)


def _count(t: np.ndarray, day: np.ndarray, drift: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.poisson(np.exp(2 + day + 0.05 * drift)).astype(float)


def _steps(t: np.ndarray, day: np.ndarray, drift: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.repeat(rng.choice([20.0, 45.0, 60.0], size=40), 100) + rng.normal(size=len(t))


def _walk(t: np.ndarray, day: np.ndarray, drift: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return 50 + 0.05 * np.cumsum(rng.normal(size=len(t))) + 0.3 * rng.normal(size=len(t))


def _messages(t: np.ndarray, day: np.ndarray, drift: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Overdispersed counts of which one draws the next."""
    rate = np.exp(2.5 + 0.6 * day + 0.05 * drift) + _bursts(len(t), rng, 120, 25)
    return rng.poisson(rate * rng.gamma(4, 1 / 4, len(t))).astype(float)


def _jobs(t: np.ndarray, day: np.ndarray, drift: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An idle machine with jobs at nearly regular times, of a few rows each, and others at any time."""
    every, long = int(rng.integers(30, 300)), int(rng.integers(1, 6))
    regular = ((t + rng.integers(0, 3, len(t))) % every) < long
    return (
        2
        + 0.1 * rng.lognormal(0, 1, len(t))
        + 20 * regular * rng.gamma(9, 1 / 9, len(t))
        + _bursts(len(t), rng, 400, 6)
    )


def _prices(t: np.ndarray, day: np.ndarray, drift: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.exp(0.2 * day + 0.1 * drift + 0.3 * rng.standard_t(4, len(t)).clip(-6, 6)) + _bursts(
        len(t), rng, 250, 2
    )


def _speed(t: np.ndarray, day: np.ndarray, drift: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Free flow up to a limit, with a jam of another depth every day."""
    depth = np.repeat(rng.gamma(4, 6, len(t) // 250 + 1), 250)[: len(t)]
    return np.minimum(68 - depth * np.maximum(day - 0.5, 0) * 2 + drift, 70) + 2 * rng.normal(size=len(t))


def _latency(t: np.ndarray, day: np.ndarray, drift: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    base = np.repeat(rng.choice([40.0, 44.0, 50.0], size=8), 500)
    return base + rng.gamma(2, 1.5, len(t)) + _bursts(len(t), rng, 150, 12)


def _bytes(t: np.ndarray, day: np.ndarray, drift: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Nearly nothing, and now and then very much."""
    return 1e5 * rng.lognormal(0, 0.3, len(t)) * np.exp(0.3 * day) + _bursts(len(t), rng, 80, 2e6)


MADE = {
    "load": _load,
    "messages": _messages,
    "count": _count,
    "jobs": _jobs,
    "steps": _steps,
    "prices": _prices,
    "walk": _walk,
    "speed": _speed,
    "latency": _latency,
    "bytes": _bytes,
}
"""Series that are generated, by name: values from row numbers, a daily wave, a slow drift and a source of chance."""


def _times(rows: int, step: str) -> pd.DatetimeIndex:
    return pd.date_range("2024-01-01", periods=rows, freq=step)
