"""Errors of forecasts at several horizons, each made by networks that had not learned from the row: see ``blocks``."""

from __future__ import annotations

from dataclasses import dataclass, replace

import keras
import numpy as np
from numpy.typing import NDArray

from forecast.data.panel import Panel
from forecast.data.windows import Windows
from forecast.detection.streams import Scores, Stream, ensemble
from forecast.estimators.blocks import Block, Tuned, Weights, judges, left_out
from forecast.estimators.network import Network, fit_network
from forecast.estimators.recipe import Options, loss_of
from forecast.estimators.setting import Setting
from forecast.training.course import Listeners
from forecast.training.fine_tuning import WINDOWS, Lesson, Lessons, examples_of

Floats = NDArray[np.float64]

LOSS = "mae"
"""What training lowers."""

_BLOCK = 16_384


@dataclass(frozen=True, eq=False)
class ForecastErrors:
    """Networks of one kind, and the horizons that are looked at.

    Args:
        network: Their kind; its model runs any of them.
        blocks: In order of time.
        horizons: Rows whose mean is forecast, ascending.
    """

    network: Network
    blocks: tuple[Block, ...]
    horizons: tuple[int, ...]

    @property
    def lookback(self) -> int:
        """Rows before a row that its scores look at."""
        return self.network.spec.context + self.horizon

    @property
    def horizon(self) -> int:
        """Rows that a forecast reaches ahead."""
        return max(self.horizons)

    @property
    def program(self) -> keras.Model:
        """What runs the weights."""
        return self.network.model

    def scores(
        self, panel: Panel, begins: NDArray[np.int64], had: NDArray[np.int64], tuned: Tuned | None = None
    ) -> list[Scores]:
        """Score the rows of each series.

        Args:
            panel: Series with their history.
            begins: Rows of training before the first of each series; many for rows that are all behind the training.
            had: First row of each series to score, those before are its history.
            tuned: Networks fine-tuned to the series, of a panel of one.

        Returns:
            NaN where no forecast was possible.
        """
        every = self.network.windows(panel, partial=1)
        asked = every.origins > (panel.offsets[:-1] + had - self.horizon)[every.series]
        every = every.subset(np.flatnonzero(asked))
        # What is known ahead is known in any case, but looked at no farther than to the row that is judged, which is
        # the newest there is when rows come one by one.
        reaches = self.horizons if panel.columns.known_future else (self.horizon,)
        shape = (
            len(self.blocks[0].networks),
            len(reaches),
            panel.rows,
            self.horizon,
            len(panel.columns.target),
        )
        forecast = np.full(shape, np.nan)
        place = every.origins - panel.offsets[every.series] + begins[every.series]
        for mine, who in judges(self.blocks, panel, every.series, place, tuned):
            for member, networks in enumerate(who):
                for j, reach in enumerate(reaches):
                    windows = replace(every.subset(mine), reach=reach)
                    forecast[member, j, every.origins[mine]] = self._mean_forecast(networks, windows)
        return [
            ensemble([self._of(panel, i, made) for made in forecast]).behind(int(had[i]))
            for i in range(len(panel))
        ]

    def lessons(self, panel: Panel, recent: int) -> Lessons | None:
        """Return what draws a step of fine-tuning from the newest rows of a series; None if there are none."""
        options, parts = Options(loss=LOSS, horizons=self.horizons), []
        for model, spec in self.network.parts:
            windows = replace(self.network, spec=spec).windows(panel, partial=min(self.horizons))
            newest = np.flatnonzero(windows.origins >= panel.rows - recent)
            parts.append((model, loss_of(options, spec), windows.subset(newest)))

        def drawn(draw: np.random.Generator) -> list[Lesson]:
            return [
                Lesson(model, loss, examples_of(model, windows, draw.choice(len(windows), WINDOWS)))
                for model, loss, windows in parts
            ]

        return drawn if all(len(windows) for *_, windows in parts) else None

    def _mean_forecast(self, who: list[Weights], windows: Windows) -> Floats:
        total = np.zeros((len(windows), self.horizon, len(windows.panel.columns.target)))
        for weights in who:
            self.network.model.set_weights(weights)
            for first in range(0, len(windows), _BLOCK):
                part = windows.subset(np.arange(first, min(first + _BLOCK, len(windows))))
                made = self.network.forecasts(part)[..., self.network.spec.middle]
                total[first : first + _BLOCK] += made[:, : total.shape[1]]
        return total / len(who)

    def _of(self, panel: Panel, i: int, forecast: Floats) -> Scores:
        """Bring the forecasts of a series, for each horizon or for all, to the rows at which they are judged."""
        span = slice(panel.offsets[i], panel.offsets[i + 1])
        actual = panel.targets[span]
        rows, channels = actual.shape
        names, parts = [], []
        for j, h in enumerate(self.horizons):
            made = forecast[min(j, len(forecast) - 1), span]
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
    # Rows may be missing later: and of the rows to learn from, some blocks have none missing.
    options = replace(options, spec=dict(options.spec) | {"missing": True})
    found, blocks = [], []
    for k, (rest, stop) in enumerate(left_out(panel, folds, after=max(horizons))):
        for member in range(members):
            own = replace(options, seed=options.seed + k * members + member)
            found.append(fit_network(rest, setting, own, rest.ends, listeners=listeners)[0])
        blocks.append(Block(tuple(network.model.get_weights() for network in found[-members:]), stop))
    return ForecastErrors(found[0], tuple(blocks), horizons)
