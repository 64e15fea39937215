"""One fit of a backtest and the windows that are forecast with it; every such task stands on its own."""

from __future__ import annotations

import hashlib
import io
import time
import warnings
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from forecast.backtesting.folds import Fold
from forecast.data.panel import Panel
from forecast.errors import ForecastWarning, InputError, TrainingDiverged
from forecast.estimators.contract import quantile_name
from forecast.estimators.describing import versions
from forecast.storage import write_atomic


@dataclass(frozen=True, eq=False)
class Task:
    """A fit, and the folds to forecast with it.

    Args:
        run: Number of the run (a method with a seed) this belongs to.
        name: Of the method.
        estimator: Cloned before it is fitted; never changed.
        panel: The whole table.
        fit: Fold whose seen rows are fitted; None takes the estimator as it is.
        predict: Folds to forecast.
        horizon: Rows of a window.
        gap: Rows between cutoff and window.
        sliding: Rows of each series that a fit sees at most; None for all.
        fingerprint: Of the panel, from ``fingerprint``; needed where finished tasks are kept.
    """

    run: int
    name: str
    estimator: Any
    panel: Panel
    fit: Fold | None
    predict: tuple[Fold, ...]
    horizon: int
    gap: int
    sliding: int | None
    fingerprint: str = ""


@dataclass(frozen=True, eq=False)
class Piece:
    """What a task found.

    Args:
        forecast: By fold number, points; axes: series of the panel, horizon, targets; NaN where there is no
            forecast.
        quantiles: By fold number, quantiles; axes: the same, then ``levels``.
        levels: Quantile levels.
        fit_seconds: Wall time of the fit.
        predict_seconds: Wall time of all its forecasts.
        notes: Warnings to pass on.
    """

    forecast: dict[int, np.ndarray]
    quantiles: dict[int, np.ndarray]
    levels: tuple[float, ...]
    fit_seconds: float
    predict_seconds: float
    notes: tuple[str, ...] = ()


def run_task(task: Task, folder: Path | None = None) -> Piece:
    """Fit on what lies before the cutoff and forecast, or read what an earlier run of the same task found.

    Args:
        task: What to do.
        folder: Where finished tasks are kept, or None.

    Raises:
        InputError: The estimator refused; the message names method, window and cutoff.
    """
    path = None if folder is None or not _nameable(task) else folder / f"{_key(task)}.npz"
    known = None if path is None else _read(path)
    if known is not None:
        return known
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", ForecastWarning)
        piece = _run(task)
    piece = replace(piece, notes=tuple(dict.fromkeys(str(w.message) for w in caught)))
    if path is not None:
        write_atomic(path, _packed(piece))
    return piece


def seen_by(panel: Panel, fold: Fold, sliding: int | None) -> Panel:
    """Return the rows that may be seen before a fold: nothing at or behind its cutoff."""
    before = panel.cut(fold.cuts)
    return before if sliding is None else before.tail(sliding)


def with_known_future(panel: Panel, fold: Fold, ahead: int, sliding: int | None) -> Panel:
    """Return the rows before a fold and what is known of the ``ahead`` rows behind its cutoff."""
    if not panel.columns.known_future:
        return seen_by(panel, fold, sliding)
    kept = fold.cuts > panel.offsets[:-1]
    ends = np.where(kept, np.minimum(fold.cuts + ahead, panel.offsets[1:]), panel.offsets[:-1])
    longer = panel.cut(ends)
    targets = len(panel.columns.target)
    cuts = longer.offsets[:-1] + (fold.cuts - panel.offsets[:-1])[kept]
    unseen = np.arange(longer.rows) >= np.repeat(cuts, longer.lengths)
    values = longer.values.copy()
    values[unseen, :targets] = np.nan
    values[unseen, targets + len(panel.columns.known_future) :] = np.nan
    known = replace(longer, values=values)
    return known if sliding is None else known.tail(sliding)


def _run(task: Task) -> Piece:
    began = time.perf_counter()
    estimator = task.estimator
    if task.fit is not None:
        try:
            estimator = clone(estimator).fit(seen_by(task.panel, task.fit, task.sliding))
        except (InputError, TrainingDiverged) as error:
            raise type(error)(_where(task, task.fit, error)) from error
    fitted = time.perf_counter()
    forecasts, quantiles, levels = {}, {}, ()
    for fold in task.predict:
        try:
            forecasts[fold.number], quantiles[fold.number], levels = _forecast(estimator, task, fold)
        except InputError as error:
            raise InputError(_where(task, fold, error)) from error
    done = time.perf_counter()
    return Piece(forecasts, quantiles, levels, fitted - began if task.fit is not None else 0.0, done - fitted)


def _forecast(estimator: Any, task: Task, fold: Fold) -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
    """Forecast one fold: every series that has a history, and something to be judged by.

    A series whose last rows before the cutoff are missing is forecast from its last observed row on, further ahead.
    """
    panel, ahead = task.panel, task.gap + task.horizon
    seen = with_known_future(panel, fold, ahead, task.sliding)
    place = {key: i for i, key in enumerate(panel.ids)}
    mine = np.array([place[key] for key in seen.ids])
    known = (
        np.minimum(fold.cuts + ahead, panel.offsets[1:]) - fold.cuts
        if panel.columns.known_future
        else 0 * fold.cuts
    )
    lag = seen.offsets[1:] - known[mine] - seen.ends
    levels = tuple(float(q) for q in estimator.fitted_.wanted)
    shape = (len(panel), task.horizon, len(panel.columns.target))
    points, quantiles = np.full(shape, np.nan), np.full((*shape, len(levels)), np.nan)
    useful = _judged(task, fold)[mine] & _forecastable(estimator, seen, ahead + lag)
    for behind in np.unique(lag[useful]):
        which = np.flatnonzero(useful & (lag == behind))
        some = seen if len(which) == len(seen) else seen.select(which)
        table = estimator.predict(some, horizon=ahead + int(behind))
        columns = ["forecast", *(quantile_name(q) for q in levels)]
        values = table[columns].to_numpy(np.float64).reshape(len(which), shape[2], -1, len(columns))
        values = values[:, :, -task.horizon :].swapaxes(1, 2)
        points[mine[which]], quantiles[mine[which]] = values[..., 0], values[..., 1:]
    return points, quantiles, levels


def _judged(task: Task, fold: Fold) -> np.ndarray:
    """Say which series have an observed target in the window of a fold."""
    missing = np.isnan(actual_of(task.panel, fold, task.gap, task.horizon))
    return np.logical_not(missing.all(axis=(1, 2)))


def actual_of(panel: Panel, fold: Fold, gap: int, horizon: int) -> np.ndarray:
    """Return what came in the window of a fold, NaN past a series' end; axes: series, horizon, targets."""
    rows = fold.cuts[:, None] + gap + np.arange(horizon)
    inside = rows < panel.offsets[1:, None]
    found = panel.targets[np.where(inside, rows, 0)]
    return np.where(inside[..., None], found, np.nan)


def _forecastable(estimator: Any, seen: Panel, ahead: np.ndarray) -> np.ndarray:
    """Say which series have the history, and the values known over ``ahead`` rows, that an estimator needs."""
    network = getattr(estimator.fitted_, "network", None)
    if network is None:
        return np.ones(len(seen), dtype=bool)
    least = 1 if network.spec.padded else network.spec.context
    known = len(seen.columns.known_future)
    targets = len(seen.columns.target)
    missing = np.isnan(seen.values[:, targets : targets + known]).any(axis=1)
    unknown = np.concatenate([[0], np.cumsum(missing)])
    stop = np.minimum(seen.ends + ahead, seen.offsets[1:])
    whole = (stop - seen.ends == ahead) & (unknown[stop] == unknown[seen.ends]) if known else True
    return (seen.ends - seen.offsets[:-1] >= least) & whole


def _where(task: Task, fold: Fold, error: Exception) -> str:
    return f"{task.name}, window {fold.number + 1} (cutoff {fold.label}): {error}"


def _nameable(task: Task) -> bool:
    """Say whether a task's arguments tell all about it: functions and other objects do not."""
    values = task.estimator.get_params(deep=False).values()
    flat = [v for value in values for v in (value if isinstance(value, list | tuple) else (value,))]
    return task.fit is not None and all(v is None or isinstance(v, str | int | float) for v in flat)


def _key(task: Task) -> str:
    """Name a task by everything that its result depends on."""
    assert task.fit is not None
    parts = (
        *(
            task.fingerprint,
            versions(),
            type(task.estimator).__name__,
            sorted(task.estimator.get_params().items(), key=str),
        ),
        *(task.fit.cuts.tolist(), [fold.cuts.tolist() for fold in task.predict]),
        *(task.horizon, task.gap, task.sliding),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def fingerprint(panel: Panel) -> str:
    """Return a hash of everything in a panel."""
    told = hashlib.sha256(panel.values.tobytes())
    starts = [str(time) for time in panel.starts]
    parts = (panel.offsets.tolist(), list(panel.ids), starts, panel.step, panel.columns)
    told.update(repr(parts).encode() + panel.static.to_csv().encode())
    return told.hexdigest()


def _packed(piece: Piece) -> bytes:
    arrays: dict[str, np.ndarray] = {f"forecast {k}": v for k, v in piece.forecast.items()}
    arrays |= {f"quantiles {k}": v for k, v in piece.quantiles.items()}
    arrays["levels"] = np.array(piece.levels)
    arrays["seconds"] = np.array([piece.fit_seconds, piece.predict_seconds])
    arrays["notes"] = np.array(piece.notes, dtype=np.str_)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _read(path: Path) -> Piece | None:
    """Read what was kept of a finished task; None if there is nothing, or nothing whole."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        parts = {
            kind: {int(name.split()[1]): v for name, v in found.items() if name.startswith(f"{kind} ")}
            for kind in ("forecast", "quantiles")
        }
        levels, (fit, predict) = tuple(found["levels"].tolist()), found["seconds"].tolist()
        return Piece(
            parts["forecast"], parts["quantiles"], levels, fit, predict, tuple(found["notes"].tolist())
        )
    except (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile):
        return None
