"""Sample paths of a fitted estimator, and the sums over the horizon that they give, as tables."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecast.data.panel import Panel
from forecast.data.windows import check_positive
from forecast.errors import ForecastWarning, InputError, ParameterError
from forecast.estimators.contract import forecast_table, quantile_name
from forecast.evaluation.intervals import check_quantiles
from forecast.evaluation.paths import FEWEST_WINDOWS, sample_paths


@dataclass(frozen=True)
class Drawing:
    """How paths are drawn; see ``paths.sample_paths``.

    Args:
        paths: Paths of each series.
        dependence: ``"schaake"`` or ``"copula"``.
        seed: Equal seeds give equal paths.
    """

    paths: int
    dependence: str
    seed: int


@dataclass(frozen=True, eq=False)
class Outlook:
    """What paths are drawn from.

    Args:
        panel: The history that is continued.
        values: Quantile forecasts; axes: series, horizon, targets, levels.
        levels: Of the last axis, ascending.
        template: Past windows of errors, of as many steps or more; None if none were kept.
        method: Who forecasts.
        own: Paths that the method itself drew, ``(series, paths, horizon, targets)``: they tell how steps go
            together then, each series by its own; None if it draws none.
        positive: Whether paths end at zero, as the quantiles do.
    """

    panel: Panel
    values: np.ndarray
    levels: tuple[float, ...]
    template: np.ndarray | None
    method: str
    own: np.ndarray | None = None
    positive: bool = False


def check_within(horizon: int, trained: int) -> None:
    """Refuse paths beyond the trained horizon: no past errors tell how those steps go together.

    Raises:
        ParameterError: For that reason.
    """
    check_positive(horizon=horizon)
    if horizon > trained:
        raise ParameterError(
            f"Paths reach {trained} rows ahead, as trained: how later errors go with them is not known. Fit again "
            f"with horizon {horizon}."
        )


def check_samples(levels: tuple[float, ...], drawing: Drawing) -> None:
    """Refuse a point forecast, and counts that are none.

    Raises:
        ParameterError: For that reason.
    """
    check_positive(paths=drawing.paths)
    if len(levels) < 2:
        raise ParameterError(
            "This model forecasts no quantiles, so its paths would have no width; fit with quantiles=(0.1, 0.9)."
        )


def draw(outlook: Outlook, drawing: Drawing) -> np.ndarray:
    """Draw paths: float64, axes: series, paths, horizon, targets.

    Raises:
        ParameterError: The dependence is unknown.
        InputError: Too few windows tell of dependence, or too few quantiles could be calibrated.
    """
    drawn = _drawn(outlook, drawing)
    return np.maximum(drawn, 0.0) if outlook.positive else drawn


def _drawn(outlook: Outlook, drawing: Drawing) -> np.ndarray:
    if outlook.own is not None:
        return _as_drawn(outlook, drawing)
    have = 0 if outlook.template is None else len(outlook.template)
    if have < FEWEST_WINDOWS:
        raise InputError(
            f"Paths learn how steps go together from {FEWEST_WINDOWS} windows of past errors of {outlook.method}, and "
            f"the fit kept {have}; fit on more rows, with more held out, or with a shorter horizon."
        )
    if (np.isfinite(outlook.values).sum(axis=-1) < 2).all():
        raise InputError(
            f"Too few calibration windows reach the quantiles of {outlook.method}, so its paths would have no width; "
            "give more rows, or inner quantiles such as 0.2 and 0.8."
        )
    assert outlook.template is not None
    template = outlook.template[:, : outlook.values.shape[1]]
    return sample_paths(
        outlook.values,
        outlook.levels,
        template,
        drawing.paths,
        method=drawing.dependence,
        seed=drawing.seed,
    )


def _as_drawn(outlook: Outlook, drawing: Drawing) -> np.ndarray:
    """Draw paths that go together as the method's own do, and spread as its calibrated quantiles say."""
    assert outlook.own is not None
    each = [
        sample_paths(
            outlook.values[i : i + 1],
            outlook.levels,
            own,
            drawing.paths,
            method=drawing.dependence,
            seed=drawing.seed + i,
        )
        for i, own in enumerate(outlook.own)
    ]
    return np.concatenate(each)


def path_table(outlook: Outlook, drawing: Drawing) -> pd.DataFrame:
    """Draw paths and lay them out under the user's own column names.

    Returns:
        id, time, ``target`` (if there are several), ``path`` (from 1), ``forecast``; ordered by id, target,
        path, time.
    """
    drawn = draw(outlook, drawing)
    series, paths, horizon, targets = drawn.shape
    rows = np.arange(series * targets * horizon).reshape(-1, 1, horizon)
    table = _rows_ahead(outlook).iloc[np.repeat(rows, paths, axis=1).ravel()].reset_index(drop=True)
    table["path"] = np.tile(np.repeat(np.arange(1, paths + 1), horizon), series * targets)
    table["forecast"] = drawn.transpose(0, 3, 1, 2).ravel()
    table.attrs = {"method": outlook.method, "horizon": horizon, "paths": paths}
    return table


def total_table(outlook: Outlook, drawing: Drawing, levels: Sequence[float]) -> pd.DataFrame:
    """Sum paths over the horizon, and read median and quantiles of the sums.

    Args:
        outlook: What paths are drawn from.
        drawing: How.
        levels: Of the quantiles, none outside the trained ones.

    Returns:
        One row a series and target: id, ``from`` and ``to`` (first and last time), ``target`` (if there are
        several), ``forecast`` (the median), ``q0.1`` … A level beyond what could be calibrated is NaN.

    Raises:
        ParameterError: A level lies outside the trained ones.
    """
    levels = _checked(levels, outlook.levels)
    sums = draw(outlook, drawing).sum(axis=2)
    found = np.quantile(sums, [0.5, *levels], axis=1).transpose(1, 2, 0)
    found[..., 1:] = np.where(_out_of_reach(outlook, levels), np.nan, found[..., 1:])
    horizon, ahead = outlook.values.shape[1], _rows_ahead(outlook)
    first = ahead.iloc[::horizon].reset_index(drop=True)
    last = ahead.iloc[horizon - 1 :: horizon].reset_index(drop=True)
    columns = outlook.panel.columns
    time = "step" if columns.time is None else columns.time
    frame = {columns.id: first[columns.id]} if columns.id is not None else {}
    frame |= {"from": first[time], "to": last[time]}
    frame |= {"target": first["target"]} if len(columns.target) > 1 else {}
    names = ["forecast", *map(quantile_name, levels)]
    frame |= {name: found[..., k].ravel() for k, name in enumerate(names)}
    table = pd.DataFrame(frame)
    table.attrs = {"method": outlook.method, "horizon": horizon, "paths": drawing.paths}
    return table


def _checked(levels: Sequence[float], trained: tuple[float, ...]) -> tuple[float, ...]:
    """Return the levels of a sum, of which none may lie outside the trained ones."""
    wanted = check_quantiles(levels) if len(levels) else ()
    for level in wanted:
        if not trained[0] <= level <= trained[-1]:
            raise ParameterError(
                f"Quantile {level:g} of the sum lies outside the trained ones, {trained[0]:g} to {trained[-1]:g}; fit "
                "again with --quantiles."
            )
    return wanted


def _out_of_reach(outlook: Outlook, levels: tuple[float, ...]) -> np.ndarray:
    """Say which levels lie beyond those calibrated at every step; axes: series, targets, levels."""
    finite = np.all(np.isfinite(outlook.values), axis=1)[:, :, None, :]
    have, wanted = np.array(outlook.levels), np.array(levels)[:, None]
    sides = [np.any(finite & side, axis=-1) for side in (have <= wanted, have >= wanted)]
    lost = ~np.all(sides, axis=0)
    empty = [f"{q:g}" for k, q in enumerate(levels) if lost[..., k].all()]
    if empty:
        warnings.warn(
            f"Quantiles {', '.join(empty)} of the sum are empty: too few calibration windows reach them. Ask for inner "
            "ones, such as 0.2 and 0.8, or give more rows.",
            ForecastWarning,
            stacklevel=4,
        )
    return lost


def _rows_ahead(outlook: Outlook) -> pd.DataFrame:
    """Id, time and target of every row ahead, ordered by id, target, time."""
    series, horizon, targets, _ = outlook.values.shape
    return forecast_table(outlook.panel, np.zeros((series, horizon, targets, 1)), (), 0).drop(
        columns="forecast"
    )
