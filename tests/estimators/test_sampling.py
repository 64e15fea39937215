"""Sample paths and totals of estimators: their tables, their margins, and what they refuse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.errors import ForecastWarning, InputError, ParameterError
from tests.tables import PLAIN, SMALL_NETWORK, shops, wavy

SMALL = SMALL_NETWORK | {"epochs": 2}
BASELINE = {"time": "day", "id": "shop", "target": "sold", "season": 7}


@pytest.fixture(scope="module")
def compared() -> forecast.Forecaster:
    return forecast.Forecaster(**(SMALL | PLAIN), holdout=20).fit(shops(rows=90))


@pytest.fixture(scope="module")
def naive() -> forecast.Baseline:
    return forecast.Baseline("naive", horizon=3, **BASELINE).fit(shops(rows=90))


def two_targets(rows: int = 120) -> pd.DataFrame:
    day = pd.date_range("2024-01-01", periods=rows)
    return pd.DataFrame({"day": day, "north": wavy(rows), "south": 100 * wavy(rows, seed=1)})


def wandering(series: int, rows: int, *, memory: float) -> pd.DataFrame:
    """Series that remember where they were: random walks with a memory of 1, else around a level of their own."""
    rng = np.random.default_rng(5)
    values = rng.normal(size=(series, rows))
    for t in range(1, rows):
        values[:, t] += memory * values[:, t - 1]
    day = pd.date_range("2023-01-01", periods=rows)
    sold = (values + 100 * rng.uniform(1, 9, size=(series, 1))).ravel()
    return pd.DataFrame(
        {"shop": np.repeat(np.arange(series), rows), "day": np.tile(day, series), "sold": sold}
    )


@pytest.mark.parametrize("method", ["network", "theta", "auto", "best"])
@pytest.mark.parametrize("dependence", ["schaake", "copula"])
def test_quantiles_of_many_paths_are_those_of_the_forecast(compared, method, dependence):
    found = compared.sample(paths=4000, method=method, dependence=dependence)
    want = compared.predict(method=method).set_index(["shop", "day"])
    width = want["q0.9"] - want["q0.1"]
    by = found.groupby(["shop", "day"])["forecast"]
    for level, column in ((0.1, "q0.1"), (0.5, "forecast"), (0.9, "q0.9")):
        assert (np.abs(by.quantile(level) - want[column]) < 0.05 * width).all(), column
    assert found.attrs["method"] == want.attrs["method"]


def test_paths_are_a_long_table_under_the_users_names():
    model = forecast.Baseline("naive", horizon=4, time="day", season=7).fit(two_targets())
    table = model.sample(horizon=2, paths=3)
    assert table.columns.tolist() == ["day", "target", "path", "forecast"]
    assert table["target"].tolist() == ["north"] * 6 + ["south"] * 6
    assert table["path"].tolist() == [1, 1, 2, 2, 3, 3] * 2
    assert table["day"].tolist() == list(pd.date_range("2024-04-30", periods=2)) * 6
    north, south = (table[table["target"] == name]["forecast"] for name in ("north", "south"))
    assert north.max() < 50 < 500 < south.min()


def test_paths_of_series_stand_under_their_id(compared):
    table = compared.sample(paths=50)
    assert table["shop"].tolist() == ["s0"] * 150 + ["s1"] * 150 + ["s2"] * 150
    want = compared.predict()
    middle = table.groupby(["shop", "day"])["forecast"].median().to_numpy()
    assert (np.abs(middle - want["forecast"]) < want["q0.9"] - want["q0.1"]).all()


def test_seeds(compared, naive):
    for model in (compared, naive):
        pd.testing.assert_frame_equal(model.sample(seed=3), model.sample(seed=3), check_exact=True)
        assert not model.sample(seed=3)["forecast"].equals(model.sample(seed=4)["forecast"])
    pd.testing.assert_frame_equal(compared.sample(), compared.sample(seed=compared.seed))


def test_a_newer_table_and_rows_behind_it(compared, naive):
    table = shops(rows=95)
    ahead = table.groupby("shop").tail(3).assign(sold=np.nan)
    ahead["day"] += pd.Timedelta(days=3)
    for model in (compared, naive):
        found = model.sample(table, paths=30)
        assert found["day"].min() == model.predict(table)["day"].min() > model.predict()["day"].min()
        pd.testing.assert_frame_equal(model.sample(pd.concat([table, ahead]), paths=30), found)


def test_files_keep_paths_bit_equal(compared, naive, tmp_path):
    for model in (compared, naive):
        model.save(tmp_path / "m.forecast")
        again = forecast.load(tmp_path / "m.forecast")
        pd.testing.assert_frame_equal(again.sample(paths=30), model.sample(paths=30), check_exact=True)
        pd.testing.assert_frame_equal(again.total(), model.total(), check_exact=True)


def test_every_method_of_the_comparison_has_a_template(compared):
    kept = compared.fitted_.templates
    assert set(kept) == {*compared.comparison_["method"], "auto"}
    assert {t.shape[1:] for t in kept.values()} == {(3, 1)} and {t.dtype for t in kept.values()} == {
        np.dtype("float32")
    }


def test_a_template_holds_the_errors_of_the_held_out_rows(compared):
    """Naive's errors from the table itself: differences, in units of the series' scale before the hold-out."""
    wanted = []
    for _, part in shops(rows=90).groupby("shop"):
        sold = part["sold"].to_numpy()
        stop = len(sold) - 20
        scale = np.abs(sold[7:stop] - sold[: stop - 7]).mean()
        wanted += [(sold[o : o + 3] - sold[o - 1]) / scale for o in range(stop, len(sold) - 2)]
    np.testing.assert_allclose(compared.fitted_.templates["naive"][:, :, 0], wanted, rtol=1e-3)


def test_a_total_is_one_row_a_series_and_target(compared):
    table = compared.total(quantiles=(0.1, 0.3, 0.9), paths=2000)
    assert table.columns.tolist() == ["shop", "from", "to", "forecast", "q0.1", "q0.3", "q0.9"]
    days = compared.predict().groupby("shop")["day"]
    assert table["from"].tolist() == days.min().tolist() and table["to"].tolist() == days.max().tolist()
    sums = compared.sample(paths=2000).groupby(["shop", "path"])["forecast"].sum().groupby("shop")
    np.testing.assert_allclose(table["forecast"], sums.median(), rtol=1e-12)
    np.testing.assert_allclose(table["q0.3"], sums.quantile(0.3), rtol=1e-12)
    two = forecast.Baseline("naive", horizon=4, time="day", season=7).fit(two_targets()).total(horizon=2)
    assert two.columns.tolist() == ["from", "to", "target", "forecast", "q0.1", "q0.9"]
    assert two["target"].tolist() == ["north", "south"] and (two["to"] - two["from"]).dt.days.tolist() == [
        1,
        1,
    ]


def test_a_table_without_times():
    table = forecast.Baseline("naive", horizon=4, season=7).fit(wavy(100)).total()
    assert table[["from", "to"]].to_numpy().tolist() == [[100, 103]]


@pytest.mark.parametrize("dependence", ["schaake", "copula"])
@pytest.mark.parametrize(("method", "memory", "added"), [("naive", 1.0, 0.84), ("mean", 0.6, 0.9)])
def test_the_interval_of_a_sum_holds_out_of_sample(method, memory, added, dependence):
    """Added quantiles are too wide where errors wander, independent draws too narrow; paths are right."""
    series, rows, horizon = 1500, 80, 6
    table = wandering(series, rows, memory=memory)
    known = table["day"] < table["day"].max() - pd.Timedelta(days=horizon - 1)
    truth = table[~known].groupby("shop")["sold"].sum().to_numpy()
    model = forecast.Baseline(method, horizon=horizon, **(BASELINE | {"season": 1})).fit(table[known])
    total = model.total(paths=400, dependence=dependence)
    assert np.mean((total["q0.1"] <= truth) & (truth <= total["q0.9"])) == pytest.approx(0.8, abs=0.035)
    steps = model.predict().groupby("shop")[["q0.1", "q0.9"]].sum()
    assert np.mean((steps["q0.1"] <= truth) & (truth <= steps["q0.9"])) > added
    paths = model.sample(paths=400)["forecast"].to_numpy().reshape(series, 400, horizon)
    alone = np.random.default_rng(0).permuted(paths, axis=1).sum(axis=2)
    low, high = np.quantile(alone, [0.1, 0.9], axis=1)
    assert np.mean((low <= truth) & (truth <= high)) < 0.65


def test_arrays():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 1))
    model = forecast.Forecaster(
        horizon=4, context=8, model="rnn", preset="fast", units=4, epochs=1, season=1
    ).fit(x, 5 + x[:, 0])
    table = model.sample(x[:3], paths=2)
    assert table.columns.tolist() == ["step", "path", "forecast"]
    assert table["step"].tolist() == [300, 301, 302] * 2
    with pytest.raises(InputError, match="covariates"):
        model.sample()
    with pytest.raises(ParameterError, match="4 rows ahead"):
        model.sample(x[:5])


def test_what_cannot_be_drawn_is_one_line(compared, naive):
    for model in (compared, naive):
        for call, word in (
            (lambda m: m.sample(horizon=4), r"Paths reach 3 rows ahead.*horizon 4"),
            (lambda m: m.sample(horizon=0), "horizon"),
            (lambda m: m.sample(paths=0), "paths"),
            (lambda m: m.sample(dependence="schake"), "schaake"),
            (lambda m: m.total(quantiles=(0.05, 0.9)), r"Quantile 0.05 .* 0.1 to 0.9"),
        ):
            with pytest.raises(InputError, match=word) as caught:
                call(model)
            assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"20 windows of past errors of naive2.*kept 0"):
        compared.sample(method="naive2")
    with pytest.raises(ParameterError, match="theta"):
        compared.sample(method="thetta")


def test_too_little_to_learn_dependence_from():
    model = forecast.Forecaster(**SMALL, holdout=0).fit(wavy(60))
    kept = len(model.fitted_.templates["network"])
    assert 0 < kept < 20
    with pytest.raises(InputError, match=f"20 windows of past errors of network, and the fit kept {kept}"):
        model.sample()


@pytest.mark.parametrize("quantiles", [(), (0.5,)])
def test_a_point_forecast_has_no_paths(quantiles):
    point = forecast.Forecaster(**SMALL, holdout=0, quantiles=quantiles).fit(wavy(100))
    with pytest.raises(ParameterError, match="no quantiles"):
        point.sample()
    with pytest.raises(ParameterError, match="no quantiles"):
        forecast.Baseline("naive", horizon=3, quantiles=quantiles).fit(wavy(100)).total()


def test_a_level_out_of_reach_stays_empty_in_a_total():
    model = forecast.Baseline("naive", horizon=3, quantiles=(0.001, 0.2, 0.8)).fit(wavy(300))
    with pytest.warns(ForecastWarning, match=r"Quantiles 0.001 of the sum are empty"):
        table = model.total()
    assert table["q0.001"].isna().all() and np.isfinite(table[["forecast", "q0.2", "q0.8"]]).all().all()
    assert np.isfinite(model.sample()["forecast"]).all()


def test_a_fit_without_holdout_learns_from_its_validation_rows():
    model = forecast.Forecaster(**(SMALL | PLAIN), holdout=0).fit(shops(rows=150))
    table = model.sample(paths=2000)
    by = table.groupby(["shop", "day"])["forecast"].quantile(0.9)
    want = model.predict().set_index(["shop", "day"])
    assert (np.abs(by - want["q0.9"]) < 0.05 * (want["q0.9"] - want["q0.1"])).all()
    with pytest.raises(InputError, match="of naive"):
        model.sample(method="naive")
