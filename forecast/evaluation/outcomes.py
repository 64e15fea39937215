"""What methods forecast and what came, out of sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.evaluation import metrics
from forecast.evaluation.significance import LossGrid

Floats = NDArray[np.float64]

CRITERION = "MASE"


@dataclass(frozen=True, eq=False)
class Run:
    """Forecasts of one method with one seed.

    Args:
        method: Name of the method; runs of one name differ by their seed.
        forecast: Point forecasts; axes: cases, horizon, targets.
        quantiles: By level, forecasts in that shape; empty for a point forecast.
        fit_seconds: Wall time of all fits.
        predict_seconds: Wall time of all predictions.
        seed: Seed of a network, None for a method without one.
        trained: Whether it learns by training: others are the baselines that it must beat.
    """

    method: str
    forecast: Floats
    quantiles: Mapping[float, Floats]
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    seed: int | None = None
    trained: bool = True


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Out-of-sample forecasts of several methods for the same cases: one series in one window.

    Args:
        actual: What came, NaN where nothing was observed; axes: cases, horizon, targets.
        series: Number of the series of each case.
        window: Number of the window of each case, from 0, in time order.
        yardsticks: MASE scale from the history before each case's cutoff; axes: cases, targets; NaN where that
            history is constant.
        runs: Forecasts.
        season: Rows of a season in the yardsticks.
        lags: Windows after a window whose forecasts share rows with it, for the Diebold-Mariano test.
    """

    actual: Floats
    series: NDArray[np.int64]
    window: NDArray[np.int64]
    yardsticks: Floats
    runs: tuple[Run, ...]
    season: int = 1
    lags: int = 0

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods, in their order."""
        return tuple(dict.fromkeys(run.method for run in self.runs))

    @property
    def criterion(self) -> str:
        """What decides: MASE, or MAE where no history gives a yardstick."""
        return CRITERION if np.isfinite(self.yardsticks).any() else "MAE"

    def runs_of(self, method: str) -> tuple[Run, ...]:
        """Runs of a method, one a seed."""
        return tuple(run for run in self.runs if run.method == method)

    def grid(self, method: str) -> LossGrid:
        """Losses of the criterion by seed, series and window."""
        by = self.yardsticks[:, None, :] if self.criterion == CRITERION else np.ones_like(self.actual)
        seen = ~np.isnan(self.actual) & np.isfinite(by)
        shape = (int(self.series.max()) + 1, int(self.window.max()) + 1)
        counts, sums = np.zeros(shape, dtype=np.int64), []
        np.add.at(counts, (self.series, self.window), seen.sum(axis=(1, 2)))
        for run in self.runs_of(method):
            loss = np.where(seen, np.abs(run.forecast - self.actual) / by, 0.0)
            total = np.zeros(shape)
            np.add.at(total, (self.series, self.window), loss.sum(axis=(1, 2)))
            sums.append(total)
        return LossGrid(np.stack(sums), counts)

    def errors(self, run: Run, cases: Any = slice(None), steps: Any = slice(None)) -> dict[str, float]:
        """Score some cases and steps of a run: MAE, RMSE, MASE, and coverage of the widest interval."""
        which = (cases, steps)
        actual, point = self.actual[which], run.forecast[which]
        by = np.broadcast_to(self.yardsticks[:, None, :], self.actual.shape)[which]
        scaled = np.where(np.isnan(by), np.nan, actual)
        scores = {"MAE": metrics.mae(actual, point), "RMSE": metrics.rmse(actual, point)}
        scores["MASE"] = metrics.mase(scaled, point, np.where(np.isnan(by), 1.0, by))
        pairs = central_pairs(run.quantiles)
        ends = [run.quantiles[q][which] for q in pairs[0]] if pairs else []
        scores["coverage"] = metrics.coverage(actual, *ends) if pairs else np.nan
        return scores


def central_pairs(quantiles: Iterable[float]) -> list[tuple[float, float]]:
    """Return the levels that bound a central interval, the widest first.

    Example:
        >>> central_pairs([0.05, 0.1, 0.5, 0.9])
        [(0.1, 0.9)]
    """
    levels = sorted(quantiles)
    return [(q, p) for q in levels for p in levels if q < 0.5 and abs(q + p - 1) < 1e-9]
