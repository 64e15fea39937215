"""Nothing behind a cutoff may change what is learned or forecast before it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.data.panel import Panel
from forecast.estimators.fitting import hold_trial
from forecast.estimators.network import Options, calibrated, fit_network
from forecast.estimators.recipe import settled
from forecast.estimators.setting import Setting
from forecast.models import MODELS
from forecast.training.course import Listeners
from tests.tables import COVARIATES, NOISE_NETWORK, SMALL_NETWORK, panel_of, shops

SETTING = Setting(horizon=3, context=8, season=7, holdout=12, validation=14, short="error")
OPTIONS = Options(model="rnn", arguments={"units": 4}, preset="fast", epochs=2)
# Scalings tried on validation rows, and everything that windows may hold beside the columns.
TRIED = Options(arguments={"units": 4}, steps=20, calendar=True, lags=True, embed=("series", "categories"))


def scrambled(panel: Panel, stop: np.ndarray, how: str) -> Panel:
    """Change targets and past-only values at and behind ``stop``; what is known ahead stays."""
    values = panel.values.copy()
    behind = np.arange(panel.rows) >= np.repeat(stop, panel.lengths)
    unknown = [0, 2]
    rng = np.random.default_rng(1)
    for j in unknown:
        old = values[behind, j]
        values[behind, j] = {"hundredfold": 100 * old, "noise": rng.normal(size=len(old)), "negated": -old}[
            how
        ]
    return Panel(**({k: getattr(panel, k) for k in panel.__dataclass_fields__} | {"values": values}))


def of(name: str) -> Options:
    """Return options of an architecture by its name, with all that windows may hold."""
    arguments = {} if name in ("linear", "auto") else {"units": 8}
    return settled(replace(TRIED, model=name, arguments=arguments, preset="fast"))


@pytest.mark.parametrize(
    ("options", "how"),
    [
        *(pytest.param(OPTIONS, how, id=f"plain-{how}") for how in ("hundredfold", "noise", "negated")),
        pytest.param(TRIED, "hundredfold", id="everything-hundredfold"),
        *(pytest.param(of(name), "noise", id=f"{name}-noise", marks=pytest.mark.slow) for name in MODELS),
    ],
)
def test_training_and_held_out_forecasts_do_not_see_what_lies_behind(options, how):
    panel = panel_of(shops(covariates=True), **COVARIATES)
    stop = panel.ends - SETTING.holdout
    found = []
    for one in (panel, scrambled(panel, stop, how)):
        network, validation = fit_network(one, SETTING, options, stop, listeners=Listeners())
        network = calibrated(network, [validation])
        trial = hold_trial(network, one, SETTING, stop)
        first = trial.windows.origins == stop[trial.windows.series]
        found.append((network.model.get_weights(), network.shift.shift, trial, first))
    (weights, shift, trial, first), (weights2, shift2, trial2, _) = found
    assert all((a == b).all() for a, b in zip(weights, weights2, strict=True))
    np.testing.assert_array_equal(shift, shift2)
    np.testing.assert_array_equal(trial.yardsticks, trial2.yardsticks)
    assert first.sum() == len(panel)
    for name, forecasts in trial.forecasts.items():
        np.testing.assert_array_equal(forecasts[first], trial2.forecasts[name][first], err_msg=name)
        later = ~first
        assert not np.array_equal(forecasts[later], trial2.forecasts[name][later]), name


def test_validation_targets_are_no_training_windows_future():
    panel = panel_of(shops())
    stop = panel.ends
    learn = stop - SETTING.validation
    network, validation = fit_network(panel, SETTING, OPTIONS, stop, listeners=Listeners())
    training = network.windows(panel, stop=learn)
    assert (training.origins + 3 <= learn[training.series]).all()
    assert (validation.origins >= learn[validation.series]).all()
    assert (validation.origins + 3 <= stop[validation.series]).all()


def test_fit_on_a_cut_table_equals_fit_on_the_same_rows():
    table, cut = shops(), pd.Timestamp("2024-02-15")
    options = SMALL_NETWORK | {"epochs": 1, "holdout": 6}
    panel = panel_of(table).before(cut)
    one = forecast.Forecaster(**options).fit(panel.to_table())
    two = forecast.Forecaster(**options).fit(table[table["day"] < cut])
    pd.testing.assert_frame_equal(one.predict(), two.predict(), check_exact=True)
    pd.testing.assert_frame_equal(one.comparison_, two.comparison_, check_exact=True)


@pytest.mark.slow
def test_white_noise_is_not_forecast_better_than_by_its_mean():
    """Held-out error of the network against the mean: not better than chance allows, over six series."""
    gains = []
    for seed in range(6):
        noise = np.random.default_rng(seed).normal(size=600)
        model = forecast.Forecaster(**NOISE_NETWORK, refit=False, seed=seed)
        table = model.fit(noise).comparison_.set_index("method")
        gains.append(table.loc["mean", "MAE"] - table.loc["network", "MAE"])
    standard_error = np.std(gains, ddof=1) / np.sqrt(len(gains))
    assert np.mean(gains) < 3 * standard_error
