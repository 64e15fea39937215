"""The recurrent benchmark of the M4 organisers, re-created: one tiny SimpleRNN for each series, trained side by side.

As published: seasonal indices by moving averages where a test finds a season, a straight line taken away, three values
in, one out; SimpleRNN of six linear units without bias, dense output, mean squared error, RMSprop at 0.001, 100 epochs
of single examples in random order; forecasts fed back. Source: ML_benchmarks.py in Mcompetitions/M4-methods.
The script keeps the last 48 values of what it is given to test on, and puts its forecasts behind all of them, the line
one step further. It is taken as it stands: given the train rows, it does not learn from their last 48 and starts
before them. Which rows the submitted forecasts were made from is not published.
Differs: the gradients of so small a network are written out, so that all series take a step at once; first weights and
the order of examples are drawn by NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

LAGS, UNITS, EPOCHS = 3, 6, 100
RATE, DECAY, TINY = 1e-3, 0.9, 1e-7


def published_benchmark(
    histories: list[np.ndarray], horizon: int = 48, season: int = 24, seed: int = 0
) -> np.ndarray:
    """Forecast every series: float64 ``(series, horizon)``.

    Args:
        histories: Values of each series, without gaps.
        horizon: Values ahead.
        season: Values of a season.
        seed: Seed of weights and order.
    """
    indices = [_seasonal_indices(values, season) for values in histories]
    plain = [v / index[np.arange(len(v)) % season] for v, index in zip(histories, indices, strict=True)]
    lines = [np.polyfit(np.arange(len(values)), values, 1) for values in plain]
    rest = [v - np.polyval(line, np.arange(len(v))) for v, line in zip(plain, lines, strict=True)]
    seen = [values[:-horizon] for values in rest]
    ahead = _train(seen, np.random.default_rng(seed)).forecast(np.stack([v[-LAGS:] for v in seen]), horizon)
    forecasts = []
    for values, index, line, own in zip(histories, indices, lines, ahead, strict=True):
        place = len(values) + np.arange(horizon)
        back = np.maximum((own + np.polyval(line, place + 1)) * index[place % season], 0.0)
        forecasts.append(np.where(back > 1_000 * values.max(), values.max(), back))
    return np.stack(forecasts)


@dataclass
class _Networks:
    """Weights of one network a series, and their running squares."""

    inner: np.ndarray
    recurrent: np.ndarray
    outer: np.ndarray
    bias: np.ndarray

    def forecast(self, newest: np.ndarray, horizon: int) -> np.ndarray:
        seen, found = newest.copy(), []
        for _ in range(horizon):
            value = self.output(self.states(seen)[-1])
            found.append(value)
            seen = np.concatenate([seen[:, 1:], value[:, None]], axis=1)
        return np.stack(found, axis=1)

    def states(self, seen: np.ndarray) -> list[np.ndarray]:
        state = seen[:, :1] * self.inner
        states = [state]
        for lag in range(1, LAGS):
            state = seen[:, lag : lag + 1] * self.inner + np.einsum("si,sij->sj", state, self.recurrent)
            states.append(state)
        return states

    def output(self, state: np.ndarray) -> np.ndarray:
        return (state * self.outer).sum(axis=1) + self.bias


def _train(rest: list[np.ndarray], rng: np.random.Generator) -> _Networks:
    """Train on examples one by one; series with fewer of them rest at the end of an epoch."""
    series, counts = len(rest), np.array([len(values) - LAGS for values in rest])
    longest = counts.max()
    padded = np.stack([np.pad(values, (0, longest + LAGS - len(values))) for values in rest])
    limit = np.sqrt(6 / (1 + UNITS)), np.sqrt(6 / (UNITS + 1))
    squares = np.linalg.qr(rng.normal(size=(series, UNITS, UNITS)))[0]
    networks = _Networks(
        rng.uniform(-limit[0], limit[0], (series, UNITS)),
        squares,
        rng.uniform(-limit[1], limit[1], (series, UNITS)),
        np.zeros(series),
    )
    weights = [networks.inner, networks.recurrent, networks.outer, networks.bias]
    running = [np.zeros_like(one) for one in weights]
    rows = np.arange(series)
    for _ in range(EPOCHS):
        order = np.argsort(
            np.where(np.arange(longest) < counts[:, None], rng.random((series, longest)), 2.0), axis=1
        )
        for step in range(longest):
            place = order[:, step]
            active = (step < counts).astype(float)
            seen = padded[rows[:, None], place[:, None] + np.arange(LAGS)]
            gradients = _gradients(networks, seen, padded[rows, place + LAGS], active)
            for weight, square, gradient in zip(weights, running, gradients, strict=True):
                on = active.reshape(-1, *([1] * (weight.ndim - 1)))
                square += on * (1 - DECAY) * (gradient**2 - square)
                weight -= on * RATE * gradient / (np.sqrt(square) + TINY)
    return networks


def _gradients(
    networks: _Networks, seen: np.ndarray, actual: np.ndarray, active: np.ndarray
) -> list[np.ndarray]:
    """Gradients of the squared error of one example a series."""
    states = networks.states(seen)
    error = 2 * (networks.output(states[-1]) - actual) * active
    pull = error[:, None] * networks.outer
    inner, recurrent = np.zeros_like(networks.inner), np.zeros_like(networks.recurrent)
    for lag in range(LAGS - 1, -1, -1):
        inner += pull * seen[:, lag : lag + 1]
        if lag:
            recurrent += states[lag - 1][:, :, None] * pull[:, None, :]
            pull = np.einsum("sj,sij->si", pull, networks.recurrent)
    return [inner, recurrent, error[:, None] * states[-1], error]


def _seasonal_indices(values: np.ndarray, season: int) -> np.ndarray:
    """Return multiplicative seasonal indices with mean 1; ones where the test finds no season."""
    if not _seasonal(values, season):
        return np.ones(season)
    level = pd.Series(values).rolling(season, center=True).mean()
    if len(values) % 2 == 0:
        level = pd.Series(np.roll(level.rolling(2, center=True).mean().to_numpy(), -1))
    ratio = values / level.to_numpy()
    table = np.append(ratio, np.full(season - len(ratio) % season, np.nan)).reshape(-1, season)
    index = np.nanmean(table, axis=0)
    return index / index.mean()


def _seasonal(values: np.ndarray, season: int) -> bool:
    """Ask the organisers' test whether the autocorrelation at a season is beyond chance at 90 %."""
    away = values - values.mean()
    acf = [float((away[lag:] * away[: len(away) - lag]).sum() / (away**2).sum()) for lag in range(season + 1)]
    spread = acf[1] + sum(one**2 for one in acf[2:season])
    return abs(acf[season]) > 1.645 * np.sqrt((1 + 2 * spread) / len(values))
