"""Out-of-sample forecasts of several methods from several cutoffs, each fitted on what lies before its cutoff."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed
from sklearn.base import clone

from forecast.backtesting.folds import Fold, Refit, check_unseen, make_folds, make_plans
from forecast.backtesting.methods import (
    Estimator,
    Estimators,
    check_columns,
    is_network,
    make_methods,
    with_sizes,
)
from forecast.backtesting.result import Backtest, collect
from forecast.backtesting.running import Piece, Task, fingerprint, run_task
from forecast.data.panel import Panel
from forecast.data.season import find_season
from forecast.data.windows import check_positive
from forecast.errors import ForecastWarning, InputError, ParameterError
from forecast.estimators.baseline import Baseline
from forecast.estimators.contract import as_table, first_panel
from forecast.estimators.forecaster import Forecaster
from forecast.estimators.setting import Wishes, choose_setting

COLUMN_ARGUMENTS = ("time", "id", "target", "known_future", "past_only", "static")
READING_ARGUMENTS = ("duplicates", "timezone", "date_format")


@dataclass(frozen=True)
class Progress:
    """How far a backtest is, handed to ``progress`` after every fit."""

    done: int
    tasks: int
    name: str
    seconds: float
    seconds_left: float


@dataclass(frozen=True)
class RunPlan:
    """One run: a method with a seed.

    Args:
        method: Its name.
        estimator: What is cloned and fitted, or used as it is.
        seed: Of a network; None for others.
        fitted: Whether the estimator is used as it is.
    """

    method: str
    estimator: Estimator
    seed: int | None
    fitted: bool


def backtest(
    estimators: Estimators,
    table: Any,
    horizon: int | None = None,
    windows: int = 5,
    step: int | None = None,
    *,
    gap: int = 0,
    refit: Refit = "always",
    sliding: int | None = None,
    align: str | None = None,
    season: int | None = None,
    seeds: int = 1,
    n_jobs: int | None = None,
    folder: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    **columns: Any,
) -> Backtest:
    """Forecast the end of a table from several cutoffs, every time as if the rest were not known yet.

    For each window the estimator is cloned and fitted on the rows before the cutoff alone: weights, scalers,
    season, calibration and all choices are made anew. The forecast of a window equals
    ``fit(panel.before(cutoff)).predict()`` bit for bit. Naive and seasonal naive are always among the methods.

    Args:
        estimators: One or several of: a ``Forecaster``, a ``Baseline``, a name such as ``"gru"``, ``"auto"`` or
            ``"theta"``; or a mapping from names of your own to these. A fitted one is fitted anew, unless
            ``refit="never"``.
        table: Anything ``read_table`` reads, or a ``Panel``.
        horizon: Rows of a window; None takes that of the first estimator that has one, else chooses.
        windows: Number of windows; the last one ends with the last observed target.
        step: Rows from one window to the next; None: the horizon, so that they do not overlap.
        gap: Unseen rows between a cutoff and its window.
        refit: ``"always"``; ``"never"``: one fit before the first window, or none if the estimator is fitted; k:
            before every k-th window; or a function of window number and cutoff.
        sliding: Rows of each series that a fit sees at most; None: all before the cutoff (expanding).
        align: ``"time"`` cuts all series at one time, ``"end"`` each before its own end; None: by time, unless
            several series count their rows by numbers.
        season: Rows of a season for estimators that leave it open, and in MASE; None: every fit finds its own,
            and MASE takes that of an estimator, else the one found before the first cutoff.
        seeds: Fits of each network, with seeds counting up from its own.
        n_jobs: Fits at a time, as in ``joblib.Parallel``; the backend is chosen by ``joblib.parallel_config``.
        folder: Where finished fits are kept, so that an interrupted backtest goes on; None keeps nothing.
        progress: Called with a ``Progress`` after every fit.
        **columns: ``time, id, target, known_future, past_only, static, freq, snap, duplicates, timezone,
            date_format`` as in ``Forecaster`` (``freq`` being its ``step``); not given: those of the first
            estimator, else guessed.

    Returns:
        A ``Backtest``: ``forecasts`` (the long table), ``summary``, ``verdict``, and tables by step, series and
        level.

    Raises:
        InputError: Too few rows, a column is wrong, or a fitted estimator has seen the windows.
        ParameterError: An argument is out of range.

    Example:
        >>> import forecast
        >>> found = forecast.backtest(["theta", "drift"], forecast.load_dataset("nile"), horizon=5, windows=3)
        >>> found.forecasts.columns[:6].tolist()
        ['window', 'cutoff', 'year', 'step', 'actual', 'theta']
        >>> found.summary["method"].tolist()
        ['theta', 'naive', 'seasonal-naive', 'drift']
    """
    check_positive(seeds=seeds)
    if sliding is not None:
        check_positive(sliding=sliding)
    named = make_methods(estimators)
    panel = read_panel(table, list(named.values()), columns)
    horizon = _horizon(panel, named, horizon)
    stride = horizon if step is None else step
    folds = make_folds(panel, horizon, windows, stride, gap=gap, align=align or _align(panel))
    runs = _runs(named, horizon + gap, refit, seeds, season)
    season = _season(panel, named, season, folds[0])
    check_columns(panel, named)
    kept = make_folder(folder)
    tasks = _tasks(runs, panel, folds, (refit, horizon, gap, sliding))
    if kept is not None:
        told = fingerprint(panel)
        tasks = [replace(task, fingerprint=told) for task in tasks]
    pieces = _run_all(tasks, n_jobs, kept, progress)
    lags = -(-(horizon + gap) // stride) - 1
    return collect(panel, folds, runs, tasks, pieces, season=season, lags=lags)


def read_panel(table: Any, estimators: Sequence[Estimator], columns: dict[str, Any]) -> Panel:
    """Read a table with the columns given, else with those of the first estimator that names any.

    Raises:
        ParameterError: A keyword is none of a table's.
    """
    known = (*COLUMN_ARGUMENTS, *READING_ARGUMENTS, "freq", "snap")
    unknown = [name for name in columns if name not in known]
    if unknown:
        raise ParameterError(f"There is no argument {unknown[0]!r}; columns are named by {', '.join(known)}.")
    told = dict(columns)
    for estimator in estimators:
        own = {
            name: getattr(estimator, name, None) for name in (*COLUMN_ARGUMENTS, *READING_ARGUMENTS, "snap")
        }
        own["freq"] = estimator.step
        for name, value in own.items():
            if value not in (None, (), [], False, "error"):
                told.setdefault(name, value)
    roles = {name: told[name] for name in COLUMN_ARGUMENTS if name in told}
    for name in COLUMN_ARGUMENTS[2:]:
        value = roles.get(name, ())
        roles[name] = (value,) if isinstance(value, str) else tuple(value)
    reading = {name: told[name] for name in READING_ARGUMENTS if name in told}
    panel, _, _ = first_panel(
        as_table(table), step=told.get("freq"), snapped=bool(told.get("snap")), reading=reading, roles=roles
    )
    return panel


def _horizon(panel: Panel, named: dict[str, Estimator], wish: int | None) -> int:
    own = [e.horizon for e in named.values() if e.horizon is not None]
    if wish is not None or own:
        return int(own[0] if wish is None else wish)
    return choose_setting(panel.cut(panel.ends), Wishes())[0].horizon


def _align(panel: Panel) -> str:
    return "end" if panel.step.kind == "integer" and len(panel) > 1 else "time"


def _season(panel: Panel, named: dict[str, Estimator], wish: int | None, first: Fold) -> int:
    own = [e.season for e in named.values() if e.season is not None]
    if wish is not None or own:
        season = int(own[0] if wish is None else wish)
        check_positive(season=season)
        return season
    return find_season(panel.cut(first.cuts))


def _runs(
    named: dict[str, Estimator], horizon: int, refit: Refit, seeds: int, season: int | None
) -> tuple[RunPlan, ...]:
    levels = next(
        (e.quantiles for e in named.values() if isinstance(e, Forecaster) and len(e.quantiles)), None
    )
    runs = []
    for name, estimator in named.items():
        if refit == "never" and hasattr(estimator, "fitted_"):
            runs.append(RunPlan(name, estimator, getattr(estimator, "seed", None), True))
            continue
        copy = with_sizes(estimator, horizon, season)
        if not isinstance(copy, Forecaster):
            # Intervals that stand beside each other are of the same levels, unless others were asked for.
            if levels is not None and tuple(copy.quantiles) == Baseline().quantiles:
                copy.set_params(quantiles=levels)
            runs.append(RunPlan(name, copy, None, False))
            continue
        for k in range(seeds if is_network(copy) else 1):
            seed = int(copy.seed) + k
            runs.append(RunPlan(name, clone(copy).set_params(seed=seed), seed, False))
    return tuple(runs)


def _tasks(
    runs: Sequence[RunPlan], panel: Panel, folds: tuple[Fold, ...], how: tuple[Refit, int, int, int | None]
) -> list[Task]:
    refit, horizon, gap, sliding = how
    tasks = []
    for number, run in enumerate(runs):
        if run.fitted:
            _check_fitted(run, panel, folds[0])
        for plan in make_plans(refit, folds, fitted=run.fitted):
            fit = None if plan.fit is None else folds[plan.fit]
            predict = tuple(folds[k] for k in plan.predict)
            tasks.append(Task(number, run.method, run.estimator, panel, fit, predict, horizon, gap, sliding))
    return tasks


def _check_fitted(run: RunPlan, panel: Panel, first: Fold) -> None:
    fitted = run.estimator.fitted_
    if fitted.contract.columns != panel.columns or fitted.contract.step != panel.step:
        raise InputError(
            f"The fitted {run.method!r} was trained on other columns or another step than the table has."
        )
    check_unseen(first, panel, fitted.history, run.method)


def make_folder(folder: str | Path | None) -> Path | None:
    """Return a folder after making it; None for none.

    Raises:
        InputError: It cannot be made.
    """
    if folder is None:
        return None
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be made ({error.strerror}).") from error
    return path


def _run_all(
    tasks: list[Task], n_jobs: int | None, folder: Path | None, progress: Callable[[Progress], None] | None
) -> list[Piece]:
    """Run tasks as joblib is told to, and tell how far they are; each note is passed on once."""
    began = time.monotonic()
    pieces: list[Piece | None] = [None] * len(tasks)
    # The long fits first, so that the last worker does not wait for one of them.
    order = sorted(range(len(tasks)), key=lambda k: -_cost(tasks[k]))
    found = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
        delayed(_numbered)(k, tasks[k], folder) for k in order
    )
    weights, finished = [_cost(task) for task in tasks], 0.0
    for done, (k, piece) in enumerate(found, 1):
        pieces[k], finished = piece, finished + weights[k]
        if progress is not None:
            gone = time.monotonic() - began
            left = gone * max(sum(weights) / finished - 1, 0.0) if done < len(tasks) else 0.0
            progress(Progress(done, len(tasks), tasks[k].name, gone, left))
    for note in dict.fromkeys(note for piece in pieces if piece is not None for note in piece.notes):
        warnings.warn(note, ForecastWarning, stacklevel=4)
    return [piece for piece in pieces if piece is not None]


def _cost(task: Task) -> float:
    """Guess how long a task takes, as a share of the training of a network."""
    return 1.0 if is_network(task.estimator) and task.fit is not None else 0.01


def _numbered(number: int, task: Task, folder: Path | None) -> tuple[int, Piece]:
    return number, run_task(task, folder)
