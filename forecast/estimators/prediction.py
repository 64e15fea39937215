"""Forecasts and comparisons of a fitted forecaster, as tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from forecast.data.panel import Panel
from forecast.errors import InputError
from forecast.estimators.baseline import baseline_ahead, check_history
from forecast.estimators.contract import check_future, forecast_table, tell_gaps
from forecast.estimators.fitting import Fitted, any_held_out, hold_trial
from forecast.estimators.rolling import forecast_ahead, paths_ahead
from forecast.estimators.sampling import Drawing, Outlook, check_samples, check_within
from forecast.evaluation import metrics
from forecast.evaluation.blending import blended
from forecast.evaluation.comparison import AUTO, NETWORK, compare, mase_scales


def predict_panel(
    fitted: Fitted,
    panel: Panel,
    horizon: int | None,
    *,
    levels: tuple[float, ...],
    method: str = NETWORK,
    known: Panel | None = None,
) -> pd.DataFrame:
    """Forecast the rows after each series' last observed target.

    Args:
        fitted: The fitted forecaster.
        panel: History, and known-future columns ahead.
        horizon: Rows ahead, None as trained.
        levels: Quantile levels to return.
        method: ``"network"``, ``"auto"`` (the weighted mean) or a baseline.
        known: Where known-future values ahead are found, if not in ``panel``.

    Returns:
        A long table (see ``contract.forecast_table``).
    """
    ahead = fitted.setting.horizon if horizon is None else horizon
    if known is not None and panel.columns.known_future:
        panel = _with_known(panel, known)
    check_history(panel)
    have = fitted.network.spec.quantiles or (0.5,)
    values = quantiles_ahead(fitted, panel, ahead, method)
    tell_gaps(values, have, levels, fitted.setting.horizon)
    chosen = [have.index(level) for level in levels]
    middle = have.index(0.5)
    table = forecast_table(panel, values[..., [*chosen, middle]], levels, len(chosen))
    table.attrs = {"method": method, "horizon": ahead}
    return with_source(table, fitted, panel) if method in (NETWORK, AUTO) else table


def with_source(table: pd.DataFrame, fitted: Fitted, panel: Panel) -> pd.DataFrame:
    """Say in a column ``source`` what a forecast of each series stands on, if training did not know them all.

    ``"series"``: it was trained on; ``"static"``: it is new, and its static covariates tell what it is like;
    ``"pool"``: it is new, and all that is known of it is its own history and what all series have in common.
    """
    known = set(fitted.trained)
    if panel.columns.id is None or known >= set(panel.ids):
        return table
    fresh = "static" if panel.columns.static else "pool"
    table["source"] = np.where(table[panel.columns.id].isin(list(known)), "series", fresh)
    return table


def quantiles_ahead(fitted: Fitted, panel: Panel, horizon: int, method: str) -> np.ndarray:
    """Forecast every trained quantile with a method: ``(series, horizon, targets, levels)``."""
    scales, have = fitted.scales_of(panel), fitted.network.spec.quantiles or (0.5,)
    if method == NETWORK:
        check_future(panel, horizon)
        return forecast_ahead(fitted.network, panel, horizon, scales)
    shift = fitted.shifts.get(method)
    if method != AUTO:
        return baseline_ahead(method, panel, horizon, fitted.setting, have, shift, scales)
    assert shift is not None
    mean = blended(
        {name: quantiles_ahead(fitted, panel, horizon, name) for name in fitted.weights}, fitted.weights
    )
    return shift.extended(horizon).apply(mean, scales[:, None, :], panel.ids)


def sampled(fitted: Fitted, panel: Panel, horizon: int | None, method: str, *, drawing: Drawing) -> Outlook:
    """Forecast what sample paths are drawn from, after checking that they can be.

    Raises:
        InputError: The horizon lies beyond the trained one, there are no quantiles, or no history.
    """
    ahead = fitted.setting.horizon if horizon is None else horizon
    check_within(ahead, fitted.setting.horizon)
    levels = fitted.network.spec.quantiles
    check_samples(levels, drawing)
    check_history(panel)
    values = quantiles_ahead(fitted, panel, ahead, method)
    own = paths_ahead(fitted.network, panel, ahead) if method == NETWORK else None
    positive = method == NETWORK and fitted.network.spec.positive
    return Outlook(panel, values, levels, fitted.templates.get(method), method, own, positive)


def score_panel(fitted: Fitted, source: Any, method: str) -> float:
    """Return minus the MASE of a table's last ``horizon`` rows, forecast from those before."""
    panel, horizon = fitted.contract.read(source), fitted.setting.horizon
    past = panel.cut(panel.ends - horizon)
    found = predict_panel(fitted, past, horizon, levels=(), method=method, known=panel)
    rows = panel.ends[:, None] - horizon + np.arange(horizon)
    forecasts = found["forecast"].to_numpy().reshape(len(panel), -1, horizon).swapaxes(1, 2)
    scales = mase_scales(panel, fitted.setting.season, panel.ends - horizon)
    return -float(metrics.mase(panel.targets[rows], forecasts, scales[:, None, :]))


def evaluate_panel(fitted: Fitted, panel: Panel, windows: int) -> pd.DataFrame:
    """Compare network and baselines on the rows after training, or on the last rows if there are none newer.

    Returns:
        The comparison; ``attrs["in_sample"]`` says whether the rows were part of training, and
        ``attrs["new_series"]`` counts series that training did not know.
    """
    setting = fitted.setting
    begin, first = panel.offsets[:-1], newer_rows(fitted.history, panel, setting.context)
    in_sample = not any_held_out(panel, setting, first)
    if in_sample:
        first = np.maximum(panel.ends - max(setting.holdout, setting.horizon), begin + setting.context)
    if not any_held_out(panel, setting, first):
        raise InputError(
            f"No series of the table has {setting.context + setting.horizon} observed rows, which one window of "
            f"context {setting.context} and horizon {setting.horizon} needs."
        )
    trial = hold_trial(fitted.network, panel, setting, first, most=windows)
    table = compare(trial)
    table.attrs |= {"in_sample": in_sample, "new_series": len(set(panel.ids) - set(fitted.history.ids))}
    return table


def newer_rows(history: Panel, panel: Panel, context: int) -> np.ndarray:
    """Return the first absolute row per series that training has not seen and that has a context before it."""
    trained = dict(zip(history.ids, history.times_at(history.ends), strict=True))
    begin = panel.offsets[:-1]
    first = begin.copy()
    for i, name in enumerate(panel.ids):
        if name in trained and panel.columns.time is not None:
            place = panel.step.positions(pd.Index([trained[name]]), panel.starts[i])
            first[i] += max(0 if np.isnan(place[0]) else int(place[0]), 0)
    return np.maximum(first, begin + context)


def template_table(fitted: Fitted, horizon: int | None = None) -> pd.DataFrame:
    """Return the rows to fill in before predicting: id, time, and empty known-future columns."""
    ahead = fitted.setting.horizon if horizon is None else horizon
    history = fitted.history
    empty = np.full((len(history), ahead, 1, 1), np.nan)
    table = forecast_table(history, empty, (), 0).drop(columns="forecast")
    number = np.repeat(np.arange(len(history)), ahead)
    row = history.ends[number] + np.tile(np.arange(ahead), len(history))
    first = len(history.columns.target)
    for j, name in enumerate(history.columns.known_future):
        inside = row < history.offsets[number + 1]
        table[name] = np.where(inside, history.values[np.where(inside, row, 0), first + j], np.nan)
    for name in history.columns.static:
        table[name] = history.static[name].to_numpy()[number]
    return table


def _with_known(panel: Panel, known: Panel) -> Panel:
    """Put the known-future values of a longer panel of the same series behind a cut one."""
    values = known.values.copy()
    targets = len(panel.columns.target)
    ends = known.offsets[:-1] + (panel.ends - panel.offsets[:-1])
    future = np.arange(known.rows) >= np.repeat(ends, known.lengths)
    values[future, :targets] = np.nan
    values[future, targets + len(panel.columns.known_future) :] = np.nan
    return replace(known, values=values)
