"""Errors of forecasts at several horizons, each made by networks that had not learned from the row: see ``blocks``."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecast.data.panel import Panel
from forecast.data.windows import Windows
from forecast.detection.streams import Scores, Stream, ensemble
from forecast.estimators.blocks import Block, judges, left_out
from forecast.estimators.network import Network, fit_network
from forecast.estimators.recipe import Options
from forecast.estimators.setting import Setting
from forecast.training.fit import Listeners

Floats = NDArray[np.float64]

_BLOCK = 16_384


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
        shape = (len(self.blocks[0].networks), panel.rows, horizon, len(panel.columns.target))
        forecast = np.full(shape, np.nan)
        place = every.origins - panel.offsets[every.series] + begins[every.series]
        for mine, who in judges(self.blocks, panel, every.series, place):
            for member, networks in enumerate(who):
                made = _mean_forecast(networks, every.subset(mine), horizon)
                forecast[member, every.origins[mine]] = made
        return [ensemble([self._of(panel, i, made) for made in forecast]) for i in range(len(panel))]

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
    members: int,
    listeners: Listeners,
) -> ForecastErrors:
    """Train a network for each block of rows, on the rows of the other blocks.

    Args:
        panel: Rows to learn from.
        setting: Sizes; its horizon is the largest of ``horizons``.
        options: Of network and training.
        horizons: Rows whose mean is forecast.
        folds: Blocks.
        members: Networks of each, by seed.
        listeners: Progress and interruption.
    """
    blocks = []
    for k, (rest, stop) in enumerate(left_out(panel, folds, after=max(horizons))):
        networks = [
            fit_network(
                rest,
                setting,
                replace(options, seed=options.seed + k * members + member),
                rest.ends,
                listeners=listeners,
            )[0]
            for member in range(members)
        ]
        blocks.append(Block(tuple(networks), stop))
    return ForecastErrors(tuple(blocks), horizons)


def _mean_forecast(networks: list[Network], windows: Windows, horizon: int) -> Floats:
    found = np.empty((len(windows), horizon, len(windows.panel.columns.target)))
    for first in range(0, len(windows), _BLOCK):
        part = windows.subset(np.arange(first, min(first + _BLOCK, len(windows))))
        made = [network.forecasts(part)[..., network.spec.middle] for network in networks]
        found[first : first + _BLOCK] = np.mean(made, axis=0)[:, :horizon]
    return found
