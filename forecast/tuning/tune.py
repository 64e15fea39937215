"""Search the settings of a network by backtests, the end of the table set aside for one last look."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from forecast.backtesting.backtest import RunPlan, backtest, make_folder, read_panel
from forecast.backtesting.folds import Fold, make_folds
from forecast.backtesting.result import Backtest, collect
from forecast.backtesting.running import Piece, Task, fingerprint, run_task
from forecast.data.panel import Panel
from forecast.data.windows import check_positive
from forecast.errors import ForecastError, ForecastWarning, InputError, ParameterError
from forecast.estimators.forecaster import Forecaster
from forecast.estimators.setting import Wishes, choose_setting
from forecast.tuning.halving import Halving
from forecast.tuning.sampling import SAMPLERS, make_sampler
from forecast.tuning.space import Space, check_space, command, usual_space

METRICS = ("MASE", "MAE", "RMSE")
# Trials of a search without a time budget.
TRIALS = 20


@dataclass(frozen=True)
class Progress:
    """How far a search is, handed to ``progress`` after every trial of a rung."""

    trial: int
    windows: int
    score: float
    best: float
    seconds: float
    seconds_left: float


@dataclass(frozen=True, eq=False)
class Tuning:
    """What a search found.

    Args:
        leaderboard: One row a trial, best first: ``trial`` (0 is the default), ``windows`` it was judged by, the
            metric, ``fit_seconds`` and ``predict_seconds`` a window, ``error`` of a trial that failed, and its
            settings.
        settings: Of the best trial: arguments for ``Forecaster``.
        metric: What the leaderboard is ordered by.
        tail: Backtest of the best and the default settings on the rows that the search never saw.
    """

    leaderboard: pd.DataFrame
    settings: dict[str, Any]
    metric: str
    tail: Backtest

    def forecaster(self, **more: Any) -> Forecaster:
        """Return an unfitted forecaster with the best settings."""
        return Forecaster(**(self.settings | more))

    def command(self, table: str) -> str:
        """Return the command line that fits a table with the best settings."""
        return command(table, self.settings)


@dataclass(frozen=True, eq=False)
class _Search:
    """What stays the same over a search."""

    panel: Panel
    folds: tuple[Fold, ...]
    horizon: int
    fixed: dict[str, Any]
    metric: str
    season: int
    folder: Path | None
    fingerprint: str


def tune(
    table: Any,
    horizon: int | None = None,
    *,
    space: Space | None = None,
    trials: int | None = None,
    budget: float | None = None,
    windows: int = 4,
    tail: int | None = None,
    metric: str = "MASE",
    sampler: str = "random",
    options: Mapping[str, Any] | None = None,
    n_jobs: int = 1,
    folder: str | Path | None = None,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
    **columns: Any,
) -> Tuning:
    """Search settings of a network: many trials on one window, the better ones on more, by successive halving.

    Every window is forecast by a fresh fit on what lies before it. The last ``tail`` rows are cut off before the
    search begins; at the end, the best and the default settings are compared on them once.

    Args:
        table: Anything ``read_table`` reads, or a ``Panel``.
        horizon: Rows ahead; None chooses.
        space: Choices by argument of ``Forecaster``: a list or a ``Range``; None: architecture, cell, width, dropout,
            rate, context, anchor, target_transform and skip.
        trials: Trials at most, the default settings being the first; None: as many as the budget allows, or 20.
        budget: Seconds for the search; the trial that runs when they are over is finished.
        windows: Windows that the best trials are judged by; the others by half of them, and so on down to one.
        tail: Rows at the end kept for the last look; None: a tenth, in whole horizons.
        metric: ``"MASE"``, ``"MAE"`` or ``"RMSE"``.
        sampler: ``"random"``, or ``"optuna"`` (the extra ``tune``) for its tree-structured Parzen estimator.
        options: Arguments of ``Forecaster`` that stay fixed.
        n_jobs: Trials at a time, as in joblib.
        folder: Where finished fits are kept: the same search goes on from there.
        seed: Of the choices; with the same number of trials and jobs the result is the same.
        progress: Called with a ``Progress`` after every trial of a rung.
        **columns: Names of columns, as in ``backtest``.

    Raises:
        InputError: Too few rows, or a column is wrong.
        ParameterError: An argument is unknown or out of range.
        ForecastError: Every trial failed; the message is that of the first.

    Example:
        >>> import forecast
        >>> found = forecast.tune(forecast.load_dataset("nile"), 4, trials=2, windows=1,
        ...                       space={"units": [2, 3]}, options={"epochs": 1, "preset": "fast"})
        >>> sorted(found.leaderboard["trial"]), found.leaderboard["windows"].tolist()
        ([0, 1], [1, 1])
    """
    _check(trials, budget, windows, metric, sampler)
    fixed = dict(options or {})
    panel = read_panel(table, [Forecaster(**fixed)], columns)
    setting, _ = choose_setting(panel.cut(panel.ends), Wishes(horizon=horizon or fixed.get("horizon")))
    rows = _tail_rows(panel, setting.horizon) if tail is None else tail
    check_positive(tail=rows)
    kept = panel.cut(make_folds(panel, rows, 1, rows)[0].cuts)
    own, _ = choose_setting(
        kept, Wishes(horizon=setting.horizon, season=fixed.get("season"), context=fixed.get("context"))
    )
    usual = usual_space(own.context, own.season, len(panel.columns.target))
    chosen = check_space({k: v for k, v in usual.items() if k not in fixed} if space is None else space)
    rungs = tuple(sorted({max(windows // 2**k, 1) for k in range(windows.bit_length())}))
    folds = make_folds(kept, own.horizon, windows, own.horizon)
    kept_in = make_folder(folder)
    told = "" if kept_in is None else fingerprint(kept)
    search = _Search(kept, folds, own.horizon, fixed, metric, own.season, kept_in, told)
    most = TRIALS if trials is None and budget is None else trials
    halving = Halving(rungs, most)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ForecastWarning)
        board = _run(search, halving, make_sampler(sampler, chosen, seed), n_jobs, budget, progress)
        settings = _best(halving, board) | {"horizon": own.horizon}
        last = _last_look(panel, fixed, settings, own.horizon, rows)
    return Tuning(_leaderboard(halving, board, metric, fixed), fixed | settings, metric, last)


def _check(trials: int | None, budget: float | None, windows: int, metric: str, sampler: str) -> None:
    check_positive(windows=windows, **({} if trials is None else {"trials": trials}))
    if budget is not None and not 0 < budget < np.inf:
        raise ParameterError(f"budget must be a positive number of seconds; got {budget!r}.")
    if metric not in METRICS:
        raise ParameterError(f"metric must be one of {', '.join(METRICS)}; got {metric!r}.")
    if sampler not in SAMPLERS:
        raise ParameterError(f"sampler must be one of {', '.join(SAMPLERS)}; got {sampler!r}.")


def _tail_rows(panel: Panel, horizon: int) -> int:
    rows = int(np.quantile(panel.ends - panel.offsets[:-1], 0.5))
    return horizon * int(np.clip(rows // 10 // horizon, 1, 10))


@dataclass
class _Trial:
    settings: dict[str, Any]
    pieces: dict[int, Piece]
    error: str = ""


def _run(
    search: _Search,
    halving: Halving,
    sampler: Any,
    n_jobs: int,
    budget: float | None,
    progress: Callable[[Progress], None] | None,
) -> dict[int, _Trial]:
    """Run trials until the number or the time is up; return them by number."""
    began, board = time.monotonic(), {}
    while budget is None or time.monotonic() - began < budget or not halving.scores:
        jobs = [job for job in (halving.next() for _ in range(max(n_jobs, 1))) if job is not None]
        if not jobs:
            break
        for trial, _ in jobs:
            if trial not in board:
                board[trial] = _Trial({} if trial == 0 else sampler.ask(trial), {})
        found = Parallel(n_jobs=n_jobs)(
            delayed(_look)(search, board[trial], trial, halving.rungs[rung]) for trial, rung in jobs
        )
        for (trial, rung), (pieces, error) in zip(jobs, found, strict=True):
            board[trial].pieces |= pieces
            board[trial].error = error
            score = np.nan if error else _score(search, board[trial], halving.rungs[rung])
            halving.tell(trial, rung, score)
            if rung == 0 and trial:
                sampler.tell(trial, score)
            if progress is not None:
                progress(_progress(halving, (trial, rung), began, budget))
    return board


def _look(search: _Search, trial: _Trial, number: int, windows: int) -> tuple[dict[int, Piece], str]:
    """Fit and forecast the windows that a trial has not been judged by yet, the newest first."""
    pieces: dict[int, Piece] = {}
    try:
        for fold in search.folds[-windows:]:
            if fold.number not in trial.pieces:
                pieces[fold.number] = run_task(_task(search, trial, number, fold), search.folder)
    except (InputError, ForecastError) as error:
        return pieces, str(error)
    return pieces, ""


def _task(search: _Search, trial: _Trial, number: int, fold: Fold) -> Task:
    estimator = Forecaster(**(search.fixed | _fitting(search) | trial.settings))
    return Task(
        0,
        f"trial {number}",
        estimator,
        search.panel,
        fold,
        (fold,),
        search.horizon,
        0,
        None,
        search.fingerprint,
    )


def _fitting(search: _Search) -> dict[str, Any]:
    """Arguments of every trial: no comparison of its own, so one training instead of two."""
    return {"horizon": search.horizon, "holdout": 0, "refit": False}


def _score(search: _Search, trial: _Trial, windows: int) -> float:
    folds = search.folds[-windows:]
    tasks = [_task(search, trial, 0, fold) for fold in folds]
    run = RunPlan("trial", tasks[0].estimator, None, False)
    pieces = [trial.pieces[fold.number] for fold in folds]
    outcomes = collect(search.panel, folds, (run,), tasks, pieces, season=search.season, lags=0).outcomes
    return outcomes.errors(outcomes.runs[0])[search.metric]


def _progress(halving: Halving, job: tuple[int, int], began: float, budget: float | None) -> Progress:
    trial, rung = job
    gone = time.monotonic() - began
    left = np.nan if budget is None else max(budget - gone, 0.0)
    if budget is None and halving.most is not None:
        left = gone / max(halving.started, 1) * (halving.most - halving.started)
    best = halving.ranking()[0][2]
    return Progress(trial, halving.rungs[rung], halving.scores[rung][trial], best, gone, left)


def _best(halving: Halving, board: dict[int, _Trial]) -> dict[str, Any]:
    trial, _, score = halving.ranking()[0]
    if np.isnan(score):
        raise ForecastError(f"Every trial failed. The first: {board[min(board)].error}")
    return board[trial].settings


def _last_look(
    panel: Panel, fixed: dict[str, Any], settings: dict[str, Any], horizon: int, rows: int
) -> Backtest:
    """Compare the best and the default settings on the rows set aside, each fitted once before them."""
    default = Forecaster(**fixed).set_params(horizon=horizon)
    named = {"best": Forecaster(**(fixed | settings)), "default": default}
    return backtest(named, panel, horizon, max(rows // horizon, 1), refit="never")


def _leaderboard(
    halving: Halving, board: dict[int, _Trial], metric: str, fixed: dict[str, Any]
) -> pd.DataFrame:
    lines = []
    default = Forecaster(**fixed).get_params(deep=False)
    names = sorted({name for trial in board.values() for name in trial.settings})
    for trial, rung, score in halving.ranking():
        pieces = board[trial].pieces.values()
        seconds = {
            "fit_seconds": float(np.mean([p.fit_seconds for p in pieces])) if pieces else np.nan,
            "predict_seconds": float(np.mean([p.predict_seconds for p in pieces])) if pieces else np.nan,
        }
        settings = {name: board[trial].settings.get(name, default[name]) for name in names}
        place = {"trial": trial, "windows": halving.rungs[rung], metric: score}
        lines.append(place | seconds | {"error": board[trial].error} | settings)
    table = pd.DataFrame(lines)
    for name in names:
        # Beside what is left open (None), pandas would turn whole numbers into floats.
        values = [line[name] for line in lines]
        table[name] = pd.Series(values, dtype=object if None in values else None)
    return table
