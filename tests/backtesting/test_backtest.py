"""Backtests as users run them: refitting, gaps, sliding windows, seeds, parallel workers, resuming, refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config

import forecast
from forecast.backtesting import running
from forecast.errors import ForecastWarning, InputError, ParameterError
from tests.tables import PLAIN, SMALL_NETWORK, panel_of, shops, wavy

TINY = SMALL_NETWORK | {"epochs": 1, "holdout": 0}
ROLES = {"time": "day", "id": "shop", "target": "sold"}


def gru(**more):
    return forecast.Forecaster(**(TINY | PLAIN | more))


def one_series(rows=80, **gaps):
    return pd.DataFrame({"tag": pd.date_range("2024-01-01", periods=rows), "wert": wavy(rows)})


def test_the_long_table():
    found = forecast.backtest({"mine": gru()}, shops(), windows=2)
    table = found.forecasts
    naive = ["naive", "naive-q0.1", "naive-q0.9"]
    seasonal = [c.replace("naive", "seasonal-naive") for c in naive]
    mine = [c.replace("naive", "mine") for c in naive]
    assert table.columns.tolist() == [
        "shop",
        "window",
        "cutoff",
        "day",
        "step",
        "actual",
        *mine,
        *naive,
        *seasonal,
    ]
    # s1 and s2 end 5 and 10 days before s0: nothing of them is known in the last windows.
    assert table.groupby(["shop", "window"]).size().to_dict() == {("s0", 1): 3, ("s0", 2): 3, ("s1", 1): 3}
    truth = shops().set_index(["shop", "day"])["sold"]
    seen = table.dropna(subset="actual")
    np.testing.assert_array_equal(seen["actual"], truth.loc[list(zip(seen["shop"], seen["day"]))])
    assert (table["day"] - table["cutoff"] == pd.to_timedelta(table["step"] - 1, unit="D")).all()


def test_aligned_at_the_end_every_series_counts():
    table = forecast.backtest(gru(), shops(), windows=2, align="end").forecasts
    assert table.groupby(["shop", "window"]).size().tolist() == [3] * 6
    assert table["actual"].notna().all()
    last = shops().groupby("shop")["day"].max()
    assert (table.groupby("shop")["day"].max() == last).all()


def test_summary_equals_plain_arithmetic():
    found = forecast.backtest("naive", one_series(), horizon=4, windows=3, season=7)
    table, row = found.forecasts, found.summary.set_index("method").loc["seasonal-naive"]
    error = (table["actual"] - table["seasonal-naive"]).abs()
    assert row["MAE"] == pytest.approx(error.mean())
    wert = one_series()["wert"].to_numpy()
    cuts = [80 - 12, 80 - 8, 80 - 4]
    scales = np.repeat([np.abs(wert[7:c] - wert[: c - 7]).mean() for c in cuts], 4)
    assert row["MASE"] == pytest.approx((error / scales).mean())
    inside = table["actual"].between(table["seasonal-naive-q0.1"], table["seasonal-naive-q0.9"])
    assert row["coverage"] == pytest.approx(inside.mean())


def test_baselines_take_the_levels_of_the_networks_unless_they_have_their_own():
    wide = forecast.Baseline("drift", quantiles=(0.25, 0.75))
    table = forecast.backtest([gru(quantiles=(0.2, 0.8)), wide, "theta"], shops(), windows=1).forecasts
    found = [column.rsplit("-q", 1) for column in table.columns if "-q" in column]
    levels = {name: [level for other, level in found if other == name] for name, _ in found}
    assert levels.pop("drift") == ["0.25", "0.75"]
    assert set(levels) == {"gru", "theta", "naive", "seasonal-naive"}
    assert all(mine == ["0.2", "0.8"] for mine in levels.values())


def test_gap_leaves_rows_between_cutoff_and_window():
    table = forecast.backtest(forecast.Baseline("drift"), one_series(), horizon=4, windows=2, gap=3).forecasts
    assert table["step"].unique().tolist() == [4, 5, 6, 7]
    first = table.iloc[0]
    assert first["tag"] - first["cutoff"] == pd.Timedelta(days=3)
    wert = one_series()["wert"].to_numpy()
    cut = 80 - 4 - 4 - 3
    slope = (wert[cut - 1] - wert[0]) / (cut - 1)
    np.testing.assert_allclose(table["drift"].iloc[:4], wert[cut - 1] + slope * np.arange(4, 8))


def test_sliding_windows_forget():
    panel = panel_of(shops())
    found = forecast.backtest(gru(), panel, windows=1, sliding=30).forecasts
    cutoff = found["cutoff"].iloc[0]
    alone = gru().fit(panel.before(cutoff).tail(30)).predict()
    np.testing.assert_array_equal(found["gru"], alone.loc[alone["shop"] == "s0", "forecast"])
    assert not found["gru"].equals(forecast.backtest(gru(), panel, windows=1).forecasts["gru"])


def count_fits(monkeypatch):
    fits = []
    old = forecast.Forecaster.fit

    def fit(self, X, y=None, **more):
        fits.append(int(X.ends.max()))
        return old(self, X, y, **more)

    monkeypatch.setattr(forecast.Forecaster, "fit", fit)
    return fits


@pytest.mark.parametrize(
    ("refit", "fits"),
    [
        ("never", 1),
        (2, 2),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (("always", 4), (3, 2), (lambda window, cutoff: window == 3, 2))
        ),
    ],
)
def test_refitting(monkeypatch, refit, fits):
    counted = count_fits(monkeypatch)
    table = forecast.backtest(
        gru(id=None, time="tag", target="wert"), one_series(), windows=4, refit=refit
    ).forecasts
    assert len(counted) == fits
    assert table["gru"].notna().all() and table["window"].nunique() == 4


def test_without_refitting_later_windows_still_see_new_rows():
    panel = panel_of(one_series(), time="tag", target="wert")
    model = gru(id=None, time="tag", target="wert")
    table = forecast.backtest(model, panel, windows=2, refit="never").forecasts
    first, second = sorted(table["cutoff"].unique())
    fitted = model.fit(panel.before(first))
    np.testing.assert_array_equal(
        table.loc[table["window"] == 2, "gru"], fitted.predict(panel.before(second))["forecast"]
    )


def test_a_fitted_estimator_is_used_as_it_is_only_behind_its_training(monkeypatch):
    series = one_series()
    model = gru(id=None, time="tag", target="wert").fit(series.iloc[:60])
    counted = count_fits(monkeypatch)
    found = forecast.backtest(model, series, windows=5, refit="never").forecasts
    assert not counted and found["gru"].notna().all()
    with pytest.raises(InputError, match=r"Window 1 begins at 2024-02-26.*trained up to 2024-02-29"):
        forecast.backtest(model, series, windows=8, refit="never")
    assert forecast.backtest(model, series, windows=2).forecasts["gru"].notna().all()
    assert len(counted) == 2


def test_a_fitted_estimator_of_other_columns_is_refused():
    model = gru(id=None, time="tag", target="wert").fit(one_series())
    with pytest.raises(InputError, match="other columns or another step"):
        forecast.backtest(model, shops(), windows=2, refit="never", **ROLES)


@pytest.mark.slow
def test_seeds_are_columns_and_their_spread_is_told():
    found = forecast.backtest([gru(), "theta"], shops(), windows=2, seeds=3)
    assert {"gru#0", "gru#1", "gru#2", "theta"} <= set(found.forecasts.columns)
    assert "gru" not in found.forecasts.columns
    row = found.summary.set_index("method").loc["gru"]
    scores = [
        forecast.backtest(gru(seed=k), shops(), windows=2).summary.set_index("method").loc["gru", "MASE"]
        for k in range(3)
    ]
    assert row["MASE"] == pytest.approx(np.mean(scores)) and row["deviation"] == pytest.approx(
        np.std(scores, ddof=1)
    )
    assert np.isnan(found.summary.set_index("method").loc["theta", "deviation"])


def test_rows_missing_before_a_cutoff_are_forecast_over():
    """Series s1 was not observed in the last four rows before the window: its forecast starts from farther back."""
    table = shops(series=2)
    day = table["day"].max()
    holes = (table["shop"] == "s0") & table["day"].between(
        day - pd.Timedelta(days=6), day - pd.Timedelta(days=3)
    )
    table.loc[holes, "sold"] = np.nan
    with pytest.warns(ForecastWarning, match="widened by rule"):
        found = forecast.backtest(forecast.Baseline("drift", **ROLES), table, horizon=3, windows=1).forecasts
    values = shops(series=2).query("shop == 's0'")["sold"].to_numpy()[: 60 - 7]
    slope = (values[-1] - values[0]) / (len(values) - 1)
    mine = found[found["shop"] == "s0"]
    np.testing.assert_allclose(mine["drift"], values[-1] + slope * np.arange(5, 8))


def test_new_series_and_missing_forecasts_are_counted():
    table = shops()
    young = pd.DataFrame(
        {"shop": "young", "day": table["day"].max() - pd.to_timedelta([0, 1], unit="D"), "sold": 5.0}
    )
    found = forecast.backtest(
        forecast.Baseline("naive", **ROLES), pd.concat([table, young]), horizon=3, windows=1
    )
    assert found.left_out == {"new_series": 1, "unforecast": 0}
    assert "young" not in set(found.forecasts["shop"])
    short = table[(table["shop"] != "s1") | (table["day"] > "2024-02-14")]
    with pytest.warns(ForecastWarning, match="too few calibration windows"):
        found = forecast.backtest(gru(short="drop"), short, windows=1, align="end")
    assert found.left_out["unforecast"] == 3
    assert found.forecasts["gru"].isna().sum() == 3
    assert np.isfinite(found.summary["MAE"]).all()


@pytest.mark.slow
def test_parallel_workers_find_the_same():
    one = forecast.backtest([gru(), "theta"], shops(), windows=2)
    told = []
    with parallel_config(backend="loky", n_jobs=2):
        two = forecast.backtest([gru(), "theta"], shops(), windows=2, progress=told.append)
    pd.testing.assert_frame_equal(one.forecasts, two.forecasts, check_exact=True)
    assert [p.done for p in told] == list(range(1, 9)) and told[-1].tasks == 8 and told[-1].seconds_left == 0


@pytest.mark.slow
def test_on_a_dask_cluster():
    distributed = pytest.importorskip("distributed", reason="dask[distributed] is not installed")
    one = forecast.backtest(gru(), shops(), windows=2)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster),
        parallel_config(backend="dask"),
    ):
        two = forecast.backtest(gru(), shops(), windows=2)
    pd.testing.assert_frame_equal(one.forecasts, two.forecasts, check_exact=True)


@pytest.mark.slow
def test_an_interrupted_backtest_goes_on(monkeypatch, tmp_path):
    whole = forecast.backtest([gru(), "theta"], shops(), windows=3)
    counted = count_fits(monkeypatch)

    def interrupt(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        forecast.backtest([gru(), "theta"], shops(), windows=3, folder=tmp_path, progress=interrupt)
    assert len(counted) == 2
    again = forecast.backtest([gru(), "theta"], shops(), windows=3, folder=tmp_path)
    assert len(counted) == 3
    pd.testing.assert_frame_equal(whole.forecasts, again.forecasts, check_exact=True)
    forecast.backtest(gru(units=5), shops(), windows=3, folder=tmp_path)
    assert len(counted) == 6


def test_damaged_parts_are_made_anew(monkeypatch, tmp_path):
    whole = forecast.backtest("theta", shops(), horizon=3, windows=1, folder=tmp_path, **ROLES)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:100])
    again = forecast.backtest("theta", shops(), horizon=3, windows=1, folder=tmp_path, **ROLES)
    pd.testing.assert_frame_equal(whole.forecasts, again.forecasts, check_exact=True)


def test_functions_are_never_taken_from_the_folder(tmp_path):
    task = running.Task(0, "x", gru(network=lambda spec: None), panel_of(shops()), None, (), 3, 0, None)
    assert not running._nameable(task)


def test_notes_are_passed_on_once():
    with pytest.warns(ForecastWarning, match="too few calibration windows") as caught:
        forecast.backtest(forecast.Baseline("drift", quantiles=(0.001,)), one_series(), horizon=3, windows=3)
    assert len(caught) == len({str(w.message) for w in caught})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"windows": 40}, InputError, "need more than 120 rows; the longest series has 80"),
        ({"windows": 0}, ParameterError, "windows must be a whole number"),
        ({"gap": -1}, ParameterError, "gap"),
        ({"refit": 0}, ParameterError, "refit must be"),
        ({"refit": "sometimes"}, ParameterError, "refit must be"),
        ({"align": "left"}, ParameterError, "align must be one of"),
        ({"seeds": 0}, ParameterError, "seeds must be"),
        ({"colour": "red"}, ParameterError, "no argument 'colour'"),
        ({"estimators": "thetta"}, ParameterError, "Did you mean 'theta'"),
        ({"estimators": ["theta", "theta"]}, ParameterError, "given twice"),
        ({"estimators": []}, ParameterError, "no method to test"),
        ({"estimators": {"actual": "theta"}}, ParameterError, "cannot be called 'actual'"),
        ({"estimators": 3}, ParameterError, "A method is|not iterable"),
    ],
)
def test_refusals(arguments, error, message):
    told = {"estimators": "theta", "horizon": 3} | arguments
    with pytest.raises(error, match=message):
        forecast.backtest(told.pop("estimators"), one_series(), **told)


@pytest.mark.parametrize("name", ["step", "cutoff", "theta", "naive"])
def test_columns_of_the_table_that_the_result_needs_for_itself(name):
    table = one_series().rename(columns={"tag": name})
    with pytest.raises(InputError, match=f"a column '{name}' of its own"):
        forecast.backtest("theta", table, horizon=3, time=name)


def test_an_error_names_method_window_and_cutoff():
    with pytest.raises(InputError, match=r"gru, window 1 \(cutoff 2024-01-06.*\): "):
        forecast.backtest(gru(id=None, time="tag", target="wert"), one_series(20), windows=5)


def test_several_targets_and_tables_without_times():
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"links": rng.normal(size=60).cumsum(), "rechts": rng.normal(size=60).cumsum()})
    found = forecast.backtest("theta", table, horizon=4, windows=2, target=("links", "rechts"), season=1)
    assert found.forecasts.columns[:6].tolist() == ["window", "cutoff", "row", "step", "target", "actual"]
    assert found.forecasts["target"].tolist() == (["links"] * 4 + ["rechts"] * 4) * 2
    last = found.forecasts.query("target == 'rechts' and window == 2")
    np.testing.assert_array_equal(last["actual"], table["rechts"].iloc[-4:])
