"""What a backtest found: the long table of forecasts, and everything that can be read from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.backtesting.folds import Fold
from forecast.backtesting.methods import is_network
from forecast.backtesting.running import Piece, Task, actual_of
from forecast.data.panel import Panel, grid_times
from forecast.errors import InputError
from forecast.estimators.contract import quantile_name
from forecast.evaluation import breakdown
from forecast.evaluation.comparison import mase_scales
from forecast.evaluation.outcomes import Outcomes, Run
from forecast.evaluation.summary import summarise, verdict

if TYPE_CHECKING:
    from forecast.backtesting.backtest import RunPlan


@dataclass(frozen=True, eq=False)
class Backtest:
    """Out-of-sample forecasts and their scores.

    Args:
        forecasts: One row for each series, cutoff, target and step: id, ``window`` (from 1), ``cutoff`` (the first
            time that was unseen), time, ``step`` (rows ahead of the last seen one), ``target`` (if there are
            several), ``actual``, and for each method a column of its name (the median) and one a quantile
            (``gru-q0.1``). Methods with several seeds have a column a seed (``gru#0``).
        outcomes: The same as arrays, for the functions of ``forecast.evaluation``.
        ids: Ids by series number.
        columns: Names of the columns by role: ``id, time``.
        left_out: Windows of series left out because nothing was known before the cutoff, and observed values left
            out of all scores because a method had no forecast: ``new_series, unforecast``.
    """

    forecasts: pd.DataFrame
    outcomes: Outcomes
    ids: tuple
    columns: dict[str, Any]
    left_out: dict[str, int]

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Methods beside each other, best first; see ``evaluation.summary.summarise``."""
        table = summarise(self.outcomes)
        table.attrs |= self.left_out
        return table

    @cached_property
    def verdict(self) -> str:
        """Whether the best network is better or worse than the best baseline, or not distinguishable; who won."""
        return verdict(self.outcomes, self.summary)

    @cached_property
    def by_step(self) -> pd.DataFrame:
        """Scores of each method by step ahead."""
        return breakdown.by_step(self.outcomes)

    @cached_property
    def by_series(self) -> pd.DataFrame:
        """Scores of each method by series, under the table's own id column."""
        table = breakdown.by_series(self.outcomes)
        names = np.array(self.ids, dtype=object)[table["series"].to_numpy()]
        return table.assign(series=names).rename(columns={"series": self.columns["id"] or "series"})

    @cached_property
    def coverage(self) -> pd.DataFrame:
        """Realised coverage of every interval of every method, beside what was asked."""
        return breakdown.coverage(self.outcomes)

    @cached_property
    def reliability(self) -> pd.DataFrame:
        """How often actuals lay at or below each quantile, beside its level."""
        return breakdown.reliability(self.outcomes)

    def plot(self, **options: Any) -> Any:
        """Draw actuals and forecasts of every window; return the Matplotlib figure."""
        from forecast.report.diagrams import plot_backtest

        return plot_backtest(self.forecasts, time=self.columns["time"], id=self.columns["id"], **options)

    def plot_reliability(self, **options: Any) -> Any:
        """Draw observed shares against quantile levels; return the Matplotlib figure."""
        from forecast.report.diagrams import plot_reliability

        return plot_reliability(self.reliability, **options)

    def _repr_html_(self) -> str:
        shown = self.summary.drop(columns=["fit_seconds", "predict_seconds"]).round(4)
        return f"{shown.to_html(index=False)}<p>{self.verdict}</p>"

    def __str__(self) -> str:
        return f"{self.summary.round(4).to_string(index=False)}\n{self.verdict}"


def collect(
    panel: Panel,
    folds: tuple[Fold, ...],
    runs: Sequence[RunPlan],
    tasks: Sequence[Task],
    pieces: Sequence[Piece],
    *,
    season: int,
    lags: int,
) -> Backtest:
    """Put the pieces of all tasks together.

    Raises:
        InputError: No window holds an observed target.
    """
    horizon, gap = tasks[0].horizon, tasks[0].gap
    actual = np.stack([actual_of(panel, fold, gap, horizon) for fold in folds])
    seen = np.stack([_any_observed(panel, fold) for fold in folds])
    judged = ~np.isnan(actual).all(axis=(2, 3))
    window, series = np.nonzero(judged & seen)
    if not len(window):
        raise InputError("No window of the backtest holds an observed target with a history before it.")
    which = (window, series)
    found = [_run(run, number, tasks, pieces, which) for number, run in enumerate(runs)]
    unknown = np.any([np.isnan(run.forecast) for run in found], axis=0) & ~np.isnan(actual[which])
    yardsticks = np.stack([mase_scales(panel, season, fold.cuts) for fold in folds])[which]
    outcomes = Outcomes(
        actual=np.where(unknown, np.nan, actual[which]),
        series=series,
        window=window,
        yardsticks=yardsticks,
        runs=tuple(found),
        season=season,
        lags=lags,
    )
    table = _table(panel, folds, outcomes, actual[which], gap)
    left_out = {"new_series": int((judged & ~seen).sum()), "unforecast": int(unknown.sum())}
    names = {"id": panel.columns.id, "time": panel.columns.time or "row"}
    return Backtest(table, outcomes, panel.ids, names, left_out)


def _any_observed(panel: Panel, fold: Fold) -> np.ndarray:
    """Say which series have an observed target before a fold's cutoff."""
    known = np.concatenate([[0], np.cumsum(~np.isnan(panel.targets).all(axis=1))])
    return known[fold.cuts] > known[panel.offsets[:-1]]


def _run(
    run: RunPlan, number: int, tasks: Sequence[Task], pieces: Sequence[Piece], which: tuple[Any, Any]
) -> Run:
    mine = [piece for task, piece in zip(tasks, pieces, strict=True) if task.run == number]
    points, quantiles = ({}, {})
    for piece in mine:
        points |= piece.forecast
        quantiles |= piece.quantiles
    forecast = np.stack([points[k] for k in sorted(points)])[which]
    by_level = np.stack([quantiles[k] for k in sorted(quantiles)])[which]
    return Run(
        method=run.method,
        forecast=forecast,
        quantiles={level: by_level[..., k] for k, level in enumerate(mine[0].levels)},
        fit_seconds=sum(piece.fit_seconds for piece in mine),
        predict_seconds=sum(piece.predict_seconds for piece in mine),
        seed=run.seed,
        trained=is_network(run.estimator),
    )


def _table(
    panel: Panel, folds: tuple[Fold, ...], outcomes: Outcomes, actual: np.ndarray, gap: int
) -> pd.DataFrame:
    """Lay forecasts out long: by id, window, target and step."""
    cases, horizon, targets = actual.shape
    order = np.lexsort((outcomes.window, outcomes.series))
    series, window = outcomes.series[order], outcomes.window[order]
    cuts = np.stack([fold.cuts for fold in folds])[window, series]
    cutoffs = panel.step.advance(panel.starts[series], cuts - panel.offsets[series])
    times = grid_times(panel.step, panel.step.advance(cutoffs, np.full(cases, gap)), np.full(cases, horizon))
    place = np.broadcast_to(np.arange(cases * horizon).reshape(cases, 1, horizon), (cases, targets, horizon))
    rows = targets * horizon
    frame: dict[str, Any] = {}
    if panel.columns.id is not None:
        frame[panel.columns.id] = np.repeat(np.array(panel.ids, dtype=object)[series], rows)
    frame |= {"window": np.repeat(window + 1, rows), "cutoff": cutoffs.repeat(rows)}
    frame[panel.columns.time or "row"] = times[place.reshape(-1)]
    frame["step"] = np.tile(np.arange(horizon) + 1 + gap, cases * targets)
    if targets > 1:
        frame["target"] = np.tile(np.repeat(np.array(panel.columns.target, dtype=object), horizon), cases)
    frame["actual"] = _flat(actual[order])
    for run in outcomes.runs:
        several = len(outcomes.runs_of(run.method)) > 1
        name = f"{run.method}#{run.seed}" if several else run.method
        frame[name] = _flat(run.forecast[order])
        for level, values in run.quantiles.items():
            frame[f"{name}-{quantile_name(level)}"] = _flat(values[order])
    return pd.DataFrame(frame).infer_objects()


def _flat(values: np.ndarray) -> np.ndarray:
    return values.swapaxes(1, 2).reshape(-1)
