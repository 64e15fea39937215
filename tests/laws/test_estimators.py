"""One contract over every estimator, network and baseline."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.errors import ForecastWarning
from forecast.evaluation.baselines import BASELINES
from tests.tables import COVARIATES, PLAIN, SMALL_NETWORK, shops

SMALL = SMALL_NETWORK | {"epochs": 2, "holdout": 0, "patience": 2}
NETWORKS: dict[str, dict[str, Any]] = {
    "gru": {"cell": "gru"},
    "lstm-bidirectional": {"cell": "lstm", "bidirectional": True},
    "rnn-point": {"cell": "rnn", "quantiles": ()},
    "gru-joint-mean": {"cell": "gru", "independent": False, "anchor": "mean", "skip": False},
}
Maker = Callable[..., Any]


def network(options: dict[str, Any]) -> Maker:
    return lambda roles=PLAIN, **more: forecast.Forecaster(**(SMALL | roles | options | more))


def baseline(name: str) -> Maker:
    roles = {k: PLAIN[k] for k in ("time", "id", "target")}
    return lambda **more: forecast.Baseline(name, **({"horizon": 3, "season": 7} | roles | more))


MAKERS = {name: network(options) for name, options in NETWORKS.items()}
MAKERS |= {name: baseline(name) for name in BASELINES}
# One network and every baseline in each run; the other networks, which take a fit a law, in the slow one.
named = {
    name: pytest.param(name, marks=pytest.mark.slow if name in list(NETWORKS)[1:] else ()) for name in MAKERS
}
every = pytest.mark.parametrize("name", named.values())
every_network = pytest.mark.parametrize("name", [named[name] for name in NETWORKS])


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    """Each estimator fitted once to the same table."""
    return {}


def ready(fitted: dict[str, Any], name: str) -> Any:
    if name not in fitted:
        fitted[name] = MAKERS[name]().fit(shops())
    return fitted[name]


def numbers(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns=["shop", "day"])


@every
def test_forecasts_are_a_long_table_under_the_users_names(fitted, name):
    table = ready(fitted, name).predict()
    levels = [] if name == "rnn-point" else ["q0.1", "q0.9"]
    assert table.columns.tolist() == ["shop", "day", "forecast", *levels]
    assert table["shop"].tolist() == ["s0"] * 3 + ["s1"] * 3 + ["s2"] * 3
    history = shops().groupby("shop")["day"].max()
    first = table.groupby("shop")["day"].min()
    assert (first - history == pd.Timedelta(days=1)).all()
    assert np.isfinite(numbers(table)).all().all()
    if levels:
        assert (table["q0.1"] <= table["forecast"]).all() and (table["forecast"] <= table["q0.9"]).all()


@every
def test_save_and_load_is_bit_equal(fitted, name, tmp_path):
    model = ready(fitted, name)
    model.save(tmp_path / "m.forecast")
    again = forecast.load(tmp_path / "m.forecast")
    pd.testing.assert_frame_equal(again.predict(), model.predict(), check_exact=True)
    pd.testing.assert_frame_equal(again.predict(shops()), model.predict(shops()), check_exact=True)
    again.update(shops(rows=70))
    again.save(tmp_path / "n.forecast")
    pd.testing.assert_frame_equal(
        forecast.load(tmp_path / "n.forecast").predict(), again.predict(), check_exact=True
    )
    assert repr(again.get_params()) == repr(model.get_params())


@every
def test_pickle_and_copies_forecast_alike(fitted, name):
    model = ready(fitted, name)
    again = pickle.loads(pickle.dumps(model))
    pd.testing.assert_frame_equal(again.predict(), model.predict(), check_exact=True)


@every
def test_order_of_rows_and_series_changes_nothing(fitted, name):
    shuffled = shops().sample(frac=1, random_state=3)
    other = MAKERS[name]().fit(shuffled)
    pd.testing.assert_frame_equal(other.predict(), ready(fitted, name).predict(), check_exact=True)


@every
def test_two_fits_are_bit_equal(fitted, name):
    again = MAKERS[name]().fit(shops())
    pd.testing.assert_frame_equal(again.predict(), ready(fitted, name).predict(), check_exact=True)


@every
def test_affine_target_gives_affine_forecast(fitted, name):
    # Multiplicative seasons follow a change of unit, not a shift.
    shift = 0.0 if name in ("theta", "naive2", "holt-winters") else 1024.0
    table = shops()
    table["sold"] = 4 * table["sold"] + shift
    moved = numbers(MAKERS[name]().fit(table).predict())
    expected = 4 * numbers(ready(fitted, name).predict()) + shift
    np.testing.assert_allclose(moved, expected, rtol=1e-4)


@every
def test_rows_behind_the_end_of_the_history_change_nothing(fitted, name):
    """Blank targets behind the last observed one are the future: whatever stands there is not read."""
    table = shops()
    ahead = table.groupby("shop").tail(3).assign(sold=np.nan)
    ahead["day"] += pd.Timedelta(days=3)
    longer = pd.concat([table, ahead])
    pd.testing.assert_frame_equal(
        ready(fitted, name).predict(longer), ready(fitted, name).predict(table), check_exact=True
    )


@every
def test_the_future_of_other_cutoffs_changes_nothing(fitted, name):
    """A forecast from a cut table equals the one from that table with anything behind the cut removed."""
    table, cut = shops(), pd.Timestamp("2024-02-10")
    before = table[table["day"] < cut]
    scrambled = table.copy()
    scrambled.loc[scrambled["day"] >= cut, "sold"] *= -100
    model = ready(fitted, name)
    want = model.predict(before)
    pd.testing.assert_frame_equal(model.predict(scrambled[scrambled["day"] < cut]), want, check_exact=True)
    assert not model.predict(scrambled)["forecast"].equals(want["forecast"])


@pytest.mark.parametrize("name", list(BASELINES))
def test_an_unrelated_series_changes_nothing_for_a_local_method(name):
    table = shops()
    alone = table[table["shop"] == "s1"]
    many = MAKERS[name](quantiles=()).fit(table).predict()
    one = MAKERS[name](quantiles=()).fit(alone).predict()
    np.testing.assert_array_equal(many.loc[many["shop"] == "s1", "forecast"], one["forecast"])


@every_network
def test_every_step_sees_the_newest_row(fitted, name):
    model, table = ready(fitted, name), shops()
    newest = table.groupby("shop")["day"].transform("max") == table["day"]
    nudged = table.copy()
    nudged.loc[newest, "sold"] += 1
    moved = (model.predict(nudged)["forecast"] - model.predict(table)["forecast"]).abs()
    assert (moved > 1e-6).all()


@every_network
def test_forecasts_beyond_the_horizon_begin_with_those_within(fitted, name):
    model = ready(fitted, name)
    if model.quantiles:
        with pytest.warns(ForecastWarning, match="widened by rule"):
            longer = model.predict(horizon=8)
    else:
        longer = model.predict(horizon=8)
    within = longer.groupby("shop").head(3).reset_index(drop=True)
    pd.testing.assert_frame_equal(numbers(within), numbers(model.predict()), check_exact=True)
    if model.quantiles:
        width = (longer["q0.9"] - longer["q0.1"]).to_numpy().reshape(3, 8)
        assert (width[:, 3:6].mean(axis=1) > width[:, :3].mean(axis=1)).all()


@every_network
def test_short_and_unknown_series_are_padded(name):
    model = MAKERS[name](short="pad").fit(shops())
    new = pd.DataFrame(
        {"shop": "new", "day": pd.date_range("2024-05-01", periods=3), "sold": [5.0, 6.0, 5.5]}
    )
    table = model.predict(new)
    assert table["shop"].unique().tolist() == ["new"] and np.isfinite(table["forecast"]).all()
    np.testing.assert_allclose(model.predict(shops())["forecast"], model.predict()["forecast"], rtol=1e-6)


@every_network
def test_missing_values_in_training_and_prediction(name):
    table = shops()
    table.loc[table.index % 9 == 4, "sold"] = np.nan
    gappy = table[table.index % 13 != 5]
    found = MAKERS[name]().fit(gappy).predict()
    assert np.isfinite(numbers(found)).all().all()


@every_network
def test_covariates_in_every_role(name):
    table = shops(covariates=True, ahead=3)
    model = MAKERS[name](roles=COVARIATES).fit(table)
    found = model.predict()
    assert np.isfinite(numbers(found)).all().all()
    future = table["sold"].isna()
    other = table.copy()
    other.loc[future, "promo"] = 1 - other.loc[future, "promo"]
    assert not model.predict(other)["forecast"].equals(found["forecast"])
    spoilt = table.copy()
    spoilt.loc[future, "visits"] = 1e6
    pd.testing.assert_frame_equal(model.predict(spoilt), found, check_exact=True)


@every
def test_an_update_continues_and_a_second_one_changes_nothing(name):
    """Medians after an update are those of the whole table; known rows, and those behind the end, change nothing."""
    model, static = MAKERS[name]().fit(shops()), MAKERS[name]().fit(shops())
    newer = shops(rows=70)
    found = model.update(newer).predict()
    pd.testing.assert_series_equal(found["forecast"], static.predict(newer)["forecast"], rtol=1e-6)
    ahead = newer.groupby("shop").tail(3).assign(sold=np.nan)
    ahead["day"] += pd.Timedelta(days=3)
    for again in (newer, shops(), pd.concat([newer, ahead])):
        pd.testing.assert_frame_equal(model.update(again).predict(), found, check_exact=True)
    if name != "rnn-point":
        assert (model.coverage_["scores"] == 30).all() and len(model.coverage_) >= 3


@every
def test_paths_keep_to_the_order_of_rows_and_see_nothing_behind_the_end(name):
    if name == "rnn-point":
        pytest.skip("a point forecast has no paths")
    table = shops(rows=150)
    model = MAKERS[name]().fit(table)
    found = model.sample(paths=25)
    assert found.columns.tolist() == ["shop", "day", "path", "forecast"] and len(found) == 3 * 25 * 3
    other = MAKERS[name]().fit(table.sample(frac=1, random_state=3))
    pd.testing.assert_frame_equal(other.sample(paths=25), found, check_exact=True)
    ahead = table.groupby("shop").tail(3).assign(sold=np.nan)
    ahead["day"] += pd.Timedelta(days=3)
    want = model.sample(table, paths=25)
    # A baseline measures its scale on the table, whose length may change the rounding of a sum.
    pd.testing.assert_frame_equal(model.sample(pd.concat([table, ahead]), paths=25), want, rtol=1e-12)
    scrambled = table.assign(sold=table["sold"].sample(frac=1, random_state=1).to_numpy())
    assert not model.sample(scrambled, paths=25)["forecast"].equals(want["forecast"])


@every
def test_clone_has_the_same_arguments_and_is_not_fitted(fitted, name):
    from sklearn.base import clone
    from sklearn.exceptions import NotFittedError

    copy = clone(ready(fitted, name))
    assert repr(copy.get_params()) == repr(ready(fitted, name).get_params())
    with pytest.raises(NotFittedError):
        copy.predict()


@every
def test_the_callers_table_is_left_alone(name):
    table = shops()
    before = table.copy()
    MAKERS[name]().fit(table).predict(table)
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", "+01:00", None])
def test_time_zones_survive_the_file(zone, tmp_path):
    hours = pd.date_range("2024-03-30", periods=60, freq="h", tz=zone)
    # Sixty hours leave no windows to calibrate thirty ahead.
    model = forecast.Baseline("drift", horizon=30, quantiles=())
    model.fit(pd.DataFrame({"at": hours, "load": np.arange(60.0)}))
    model.save(tmp_path / "z.forecast")
    table = forecast.load(tmp_path / "z.forecast").predict()
    pd.testing.assert_frame_equal(table, model.predict(), check_exact=True)
    assert (table["at"].diff().dropna() == pd.Timedelta(hours=1)).all()
    assert str(table["at"].dt.tz) == str(hours.tz)
