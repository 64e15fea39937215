"""Errors of forecasts at several horizons, each made by networks that had not learned from the row.

The rows to learn from are cut into blocks in time, and for each block a network learns from the others: its errors
there are those of rows it has not seen, as all later errors will be. Later rows are forecast by the mean of all. Errors
of rows that a network learned from are smaller than those to come: alarms ranked among them are too many.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecast.data.panel import Panel, frozen
from forecast.data.windows import Windows
from forecast.detection.streams import Scores, Stream
from forecast.estimators.network import Network, fit_network
from forecast.estimators.recipe import Options
from forecast.estimators.setting import Setting
from forecast.training.fit import Listeners

Floats = NDArray[np.float64]

_BLOCK = 16_384


@dataclass(frozen=True, eq=False)
class Block:
    """Networks that have not learned from the rows of a block.

    Args:
        networks: They forecast from origins in the block; rows behind the last are forecast by those of all blocks.
        stop: Row behind the block in each series, counted from its first; by id of the series.
    """

    networks: tuple[Network, ...]
    stop: dict


@dataclass(frozen=True, eq=False)
class ForecastErrors:
    """Networks, and the horizons that are looked at.

    Args:
        blocks: In order of time.
        horizons: Rows whose mean is forecast, ascending.
    """

    blocks: tuple[Block, ...]
    horizons: tuple[int, ...]

    @property
    def lookback(self) -> int:
        """Rows before a row that its scores look at."""
        return self.blocks[0].networks[0].spec.context + max(self.horizons)

    def scores(self, panel: Panel, begins: NDArray[np.int64]) -> list[Scores]:
        """Score the rows of each series.

        Args:
            panel: Series with their history.
            begins: Rows of training before the first of each series; many for rows that are all behind the training.

        Returns:
            Of every series all of its rows; NaN where no forecast was possible.
        """
        horizon = max(self.horizons)
        every = self.blocks[0].networks[0].windows(panel, partial=1)
        forecast = np.full((panel.rows, horizon, len(panel.columns.target)), np.nan)
        place = every.origins - panel.offsets[every.series] + begins[every.series]
        block = sum(
            (place >= np.array([one.stop.get(name, 0) for name in panel.ids])[every.series]).astype(int)
            for one in self.blocks
        )
        for number in np.unique(block):
            mine = np.flatnonzero(block == number)
            who = [n for one in self.blocks for n in one.networks]
            if number < len(self.blocks):
                who = list(self.blocks[number].networks)
            forecast[every.origins[mine]] = _mean_forecast(who, panel, every.subset(mine), horizon)
        return [self._of(panel, i, forecast) for i in range(len(panel))]

    def _of(self, panel: Panel, i: int, forecast: Floats) -> Scores:
        """Bring the forecasts of a series to the rows at which they are judged."""
        span = slice(panel.offsets[i], panel.offsets[i + 1])
        actual, made = panel.targets[span], forecast[span]
        rows, channels = actual.shape
        names, parts = [], []
        for h in self.horizons:
            expected, seen = np.full((rows, channels), np.nan), np.full((rows, channels), np.nan)
            if rows >= h:
                # Row t + h - 1 is judged by the forecast whose first row is t.
                truth = np.lib.stride_tricks.sliding_window_view(actual, h, axis=0).swapaxes(1, 2)
                known = ~np.isnan(truth) & ~np.isnan(made[: rows - h + 1, :h])
                count = known.sum(axis=1)
                enough = (2 * count >= h) & known[:, -1]
                count = np.maximum(count, 1)
                expected[h - 1 :] = np.where(
                    enough, np.where(known, made[: rows - h + 1, :h], 0).sum(1) / count, np.nan
                )
                seen[h - 1 :] = np.where(enough, np.where(known, truth, 0).sum(axis=1) / count, np.nan)
            names += [Stream(channel, "forecast", h) for channel in panel.columns.target]
            parts.append((np.abs(seen - expected), expected, seen))
        values, expected, seen = (np.concatenate([part[k] for part in parts], axis=1) for k in range(3))
        return Scores(tuple(names), values, expected, seen)


def learn_errors(
    panel: Panel,
    setting: Setting,
    options: Options,
    horizons: tuple[int, ...],
    *,
    folds: int,
    listeners: Listeners,
) -> ForecastErrors:
    """Train a network for each block of rows, on the rows of the other blocks.

    Args:
        panel: Rows to learn from.
        setting: Sizes; its horizon is the largest of ``horizons``.
        options: Of network and training.
        horizons: Rows whose mean is forecast.
        folds: Blocks.
        listeners: Progress and interruption.
    """
    blocks = []
    edges = np.linspace(0, 1, folds + 1)
    lengths = panel.ends - panel.offsets[:-1]
    for k in range(folds):
        low, high = (edges[[k, k + 1]][:, None] * lengths).astype(np.int64)
        rest = _without(panel, low, high + (0 if k + 1 == folds else max(horizons)))
        network, _ = fit_network(
            rest, setting, replace(options, seed=options.seed + k), rest.ends, listeners=listeners
        )
        stop = dict(zip(panel.ids, high.tolist(), strict=True))
        blocks.append(Block((network,), stop))
    return ForecastErrors(tuple(blocks), horizons)


def _without(panel: Panel, low: NDArray[np.int64], high: NDArray[np.int64]) -> Panel:
    """Take the targets of some rows of each series away."""
    place = np.arange(panel.rows) - np.repeat(panel.offsets[:-1], panel.lengths)
    hidden = (place >= np.repeat(low, panel.lengths)) & (place < np.repeat(high, panel.lengths))
    values = panel.values.copy()
    values[hidden, : len(panel.columns.target)] = np.nan
    return replace(panel, values=frozen(values))


def _mean_forecast(networks: list[Network], panel: Panel, windows: Windows, horizon: int) -> Floats:
    found = np.empty((len(windows), horizon, len(panel.columns.target)))
    for first in range(0, len(windows), _BLOCK):
        part = windows.subset(np.arange(first, min(first + _BLOCK, len(windows))))
        made = [network.forecasts(part)[..., network.spec.middle] for network in networks]
        found[first : first + _BLOCK] = np.mean(made, axis=0)[:, :horizon]
    return found
