"""A backtest must equal what could have been known: laws over every method, cutoff and way of refitting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.backtesting.methods import ALWAYS
from forecast.data.panel import Panel
from forecast.evaluation.baselines import BASELINES
from tests.tables import COVARIATES, NOISE_NETWORK, PLAIN, SMALL_NETWORK, panel_of, shops

SMALL = SMALL_NETWORK | {"epochs": 2, "patience": 2}
NETWORKS = {
    "gru": {"holdout": 0},
    "lstm-joint": {"cell": "lstm", "independent": False, "anchor": "mean"},
    "auto": {"method": "auto", "holdout": 9},
    "open": {"context": None, "season": None},
}
COVARIATE_ROLES = {k: v for k, v in COVARIATES.items() if k != "time" and k != "id" and k != "target"}


def network(name: str, roles: dict = PLAIN) -> forecast.Forecaster:
    return forecast.Forecaster(**(SMALL | roles | NETWORKS[name]))


def methods(roles: dict = PLAIN) -> dict:
    return {name: network(name, roles) for name in NETWORKS} | {
        name: forecast.Baseline(name, horizon=3) for name in BASELINES
    }


def scrambled(panel: Panel, cutoff: object, how: str) -> Panel:
    """Change what nobody can know before a cutoff: targets and past-only values from it on."""
    values = panel.values.copy()
    behind = np.asarray(panel.times() >= pd.Timestamp(cutoff))
    targets, known = len(panel.columns.target), len(panel.columns.known_future)
    rng = np.random.default_rng(3)
    for j in [*range(targets), *range(targets + known, values.shape[1])]:
        old = values[behind, j]
        new = {"hundredfold": 100 * old, "noise": rng.normal(size=len(old)), "negated": -old}
        values[behind, j] = new[how]
    return replace(panel, values=values)


def columns_of(table: pd.DataFrame, name: str) -> pd.DataFrame:
    found = table[[c for c in table.columns if c == name or c.startswith(f"{name}-q")]]
    return found.rename(columns={c: c.replace(name, "forecast") for c in found.columns})


@pytest.mark.parametrize(
    "name", ["gru", *(pytest.param(n, marks=pytest.mark.slow) for n in NETWORKS if n != "gru"), *BASELINES]
)
def test_prefix_law(name):
    """fit(panel.before(c)).predict() is the backtest at cutoff c, bit for bit."""
    panel = panel_of(shops())
    table = forecast.backtest({name: methods()[name]}, panel, windows=3, step=2).forecasts
    for cutoff in table["cutoff"].unique():
        mine = columns_of(table[table["cutoff"] == cutoff], name).reset_index(drop=True)
        alone = methods()[name].fit(panel.before(cutoff)).predict()
        wanted = alone[["forecast", "q0.1", "q0.9"]]
        # Series that ended before the window are forecast, but not judged.
        judged = alone["shop"].isin(table.loc[table["cutoff"] == cutoff, "shop"])
        for column in wanted:
            got = mine[f"forecast-{column}" if column != "forecast" else column]
            np.testing.assert_array_equal(
                got, wanted.loc[judged, column], err_msg=f"{name} {cutoff} {column}"
            )
    assert table["cutoff"].nunique() == 3


@pytest.mark.parametrize(
    "how", ["noise", *(pytest.param(how, marks=pytest.mark.slow) for how in ("hundredfold", "negated"))]
)
def test_future_scramble_law(how):
    """Nothing behind a cutoff moves a forecast from it: every method, feature, scaler and the calibration."""
    panel = panel_of(shops(covariates=True), **COVARIATES)
    options = {"windows": 2, "step": 3, "season": 7}
    chosen = {
        name: network(name, COVARIATE_ROLES) for name in (("gru",) if how == "noise" else ("gru", "auto"))
    }
    chosen |= {name: forecast.Baseline(name, horizon=3) for name in BASELINES}
    whole = forecast.backtest(chosen, panel, **options)
    cutoff = whole.forecasts["cutoff"].min()
    other = forecast.backtest(chosen, scrambled(panel, cutoff, how), **options)
    for name in chosen:
        first = [t.forecasts.loc[t.forecasts["cutoff"] == cutoff] for t in (whole, other)]
        pd.testing.assert_frame_equal(*(columns_of(t, name) for t in first), check_exact=True)
        later = [t.forecasts.loc[t.forecasts["cutoff"] != cutoff] for t in (whole, other)]
        assert not columns_of(later[0], name).equals(columns_of(later[1], name)), name


def test_known_future_values_are_used_and_others_are_not():
    panel = panel_of(shops(covariates=True), **COVARIATES)
    model = network("gru", COVARIATE_ROLES)
    one = forecast.backtest(model, panel, windows=1).forecasts
    cutoff = one["cutoff"].iloc[0]
    values = panel.values.copy()
    behind = np.asarray(panel.times() >= cutoff)
    values[behind, 1] = 1 - values[behind, 1]
    two = forecast.backtest(model, replace(panel, values=values), windows=1).forecasts
    assert not one["gru"].equals(two["gru"])
    rows = panel.to_table()
    rows = rows[rows["shop"].isin(one["shop"])]
    future = rows["day"] >= cutoff
    rows.loc[future, ["sold", "visits"]] = np.nan
    alone = network("gru", COVARIATE_ROLES).fit(panel.before(cutoff)).predict(rows)
    judged = alone["shop"].isin(one["shop"])
    np.testing.assert_array_equal(alone.loc[judged, "forecast"], one["gru"])


def test_a_fit_before_the_backtest_changes_nothing():
    noise = pd.DataFrame({"wann": np.arange(200), "wert": np.random.default_rng(0).normal(size=200)})
    model = forecast.Forecaster(**(SMALL | {"season": 1, "holdout": 0}), time="wann", target="wert")
    fresh = forecast.backtest(model, noise, windows=2)
    model.fit(noise)
    weights = model.model_.get_weights()
    again = forecast.backtest(model, noise, windows=2)
    pd.testing.assert_frame_equal(fresh.forecasts, again.forecasts, check_exact=True)
    assert all((a == b).all() for a, b in zip(weights, model.model_.get_weights()))


@pytest.mark.slow
def test_white_noise_is_not_forecast_better_than_by_its_mean():
    """Neither before nor after a fit on everything: four series, error of the network against the mean."""
    gains = []
    for seed in range(4):
        noise = np.random.default_rng(seed).normal(size=400)
        model = forecast.Forecaster(**NOISE_NETWORK, epochs=5, seed=seed).fit(noise)
        table = forecast.backtest([model, "mean"], noise, windows=10, refit=5).summary.set_index("method")
        gains.append(table.loc["mean", "MAE"] - table.loc["gru", "MAE"])
    assert np.mean(gains) < 3 * np.std(gains, ddof=1) / np.sqrt(len(gains))


@pytest.mark.parametrize("name", [pytest.param("gru", marks=pytest.mark.slow), "theta"])
def test_order_of_series_and_rows_changes_nothing(name):
    table = shops()
    shuffled = table.sample(frac=1, random_state=5)
    options = {"windows": 2, "time": "day", "id": "shop", "target": "sold"}
    one = forecast.backtest(methods()[name], table, **options)
    two = forecast.backtest(methods()[name], shuffled, **options)
    pd.testing.assert_frame_equal(one.forecasts, two.forecasts, check_exact=True)


def test_naive_methods_always_stand_beside():
    found = forecast.backtest(
        "drift", shops(), horizon=3, windows=2, time="day", id="shop", target="sold", season=7
    )
    assert set(found.summary["method"]) == {"drift", *ALWAYS}
