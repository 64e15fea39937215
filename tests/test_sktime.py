"""The adapters to sktime: sktime's own checks, and what those do not look at."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

pytestmark = [
    pytest.mark.slow,
    # sktime announces its own changes to come; they are no fault of what is tested here.
    pytest.mark.filterwarnings(
        "ignore:.*:FutureWarning", "ignore:.*:DeprecationWarning", "ignore:Converting to PeriodArray"
    ),
]
pytest.importorskip(
    "sktime.forecasting.base",
    reason="sktime is not installed; it holds pandas back, so give it an environment of its own (README)",
    exc_type=ImportError,
)

from sktime.forecasting.base import ForecastingHorizon  # noqa: E402

from forecast.errors import ParameterError  # noqa: E402
from forecast.estimators.baseline import Baseline  # noqa: E402
from forecast.estimators.forecaster import Forecaster  # noqa: E402
from forecast.sktime import BaselineForecaster, KerasForecaster, between  # noqa: E402

SMALL = {
    "context": 6,
    "model": "rnn",
    "preset": "fast",
    "units": 2,
    "epochs": 1,
    "season": 1,
    "holdout": 0,
    "quantiles": (0.2, 0.8),
}


@pytest.fixture
def eager():
    """Run TensorFlow without graphs: tracing one takes longer than training on the few rows of a check."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("forecaster", [KerasForecaster, BaselineForecaster])
def test_every_check_of_sktime_passes(forecaster, eager):
    from sktime.utils.estimator_checks import check_estimator

    results = check_estimator(forecaster, raise_exceptions=False, verbose=False)
    assert len(results) > 700
    assert {check: result for check, result in results.items() if result != "PASSED"} == {}


def line(index: pd.Index) -> pd.Series:
    """0, 1, 2, … at these times; drift continues it exactly, so a forecast tells which row it is for."""
    return pd.Series(np.arange(len(index), dtype=float), index=index, name="sold")


def wave(index: pd.Index, seed: int = 0) -> pd.Series:
    noise = np.random.default_rng(seed).normal(size=len(index))
    return pd.Series(10 + 3 * np.sin(np.arange(len(index))) + noise, index=index, name="sold")


INDICES = {
    **{
        freq: pd.date_range("2023-01-31", periods=40, freq=freq)
        for freq in ("D", "B", "MS", "ME", "W-SUN", "W-WED", "QE-DEC", "YS-JAN", "h", "15min", "2D")
    },
    **{f"period {freq}": pd.period_range("2023-01", periods=40, freq=freq) for freq in ("M", "Q", "W", "h")},
    "range": pd.RangeIndex(40),
    "counts from 100": pd.Index(np.arange(100, 140)),
    "zone": pd.date_range("2023-03-20", periods=40, freq="D", tz="UTC"),
}


@pytest.mark.parametrize("name", INDICES)
def test_forecasts_stand_at_their_own_times(name):
    index = INDICES[name]
    forecaster = BaselineForecaster("drift", season=1, quantiles=()).fit(line(index[:30]), fh=[1, 4, 7])
    found = forecaster.predict()
    pd.testing.assert_index_equal(found.index, index[[30, 33, 36]], exact="equiv")
    np.testing.assert_allclose(found, [30.0, 33.0, 36.0])
    assert found.name == "sold"
    absolute = (
        forecaster.clone()
        .fit(line(index[:30]))
        .predict(fh=ForecastingHorizon(index[[31, 35]], is_relative=False))
    )
    np.testing.assert_allclose(absolute, [31.0, 35.0])


def test_rows_with_missing_values_at_the_end_have_passed():
    y = line(INDICES["D"][:30])
    y.iloc[[10, 28, 29]] = np.nan
    found = BaselineForecaster("drift", season=1, quantiles=()).fit(y).predict(fh=[1, 2])
    np.testing.assert_allclose(found, [30.0, 31.0])


def test_series_of_a_panel_end_where_they_end():
    days = INDICES["D"]
    parts = {("north", 1): line(days[:30]), ("north", "1"): line(days[:25]), ("south", 2): line(days[5:30])}
    y = pd.concat({key: part.to_frame() for key, part in parts.items()}, names=["region", "shop", "day"])
    forecaster = BaselineForecaster("drift", season=1, quantiles=()).fit(y, fh=[1, 3])
    found = forecaster.predict()["sold"]
    assert found.index.names == ["region", "shop", "day"]
    assert found.loc[("north", 1)].to_dict() == pytest.approx({days[30]: 30.0, days[32]: 32.0})
    assert found.loc[("north", "1")].to_dict() == pytest.approx({days[25]: 25.0, days[27]: 27.0})
    assert found.loc[("south", 2)].to_dict() == pytest.approx({days[30]: 25.0, days[32]: 27.0})
    absolute = forecaster.clone().fit(y).predict(fh=days[[31]])["sold"]
    np.testing.assert_allclose(absolute, [31.0, 31.0, 26.0])


def test_in_the_sample_a_row_is_forecast_from_those_before_it():
    y = wave(INDICES["MS"])
    forecaster = BaselineForecaster("naive", season=1, quantiles=()).fit(y)
    found = forecaster.predict(fh=np.arange(-39, 2))
    assert np.isnan(found.iloc[0])
    np.testing.assert_array_equal(found.iloc[1:], y)
    later = y.copy()
    later.iloc[30:] = 1e6
    changed = BaselineForecaster("naive", season=1, quantiles=()).fit(later).predict(fh=np.arange(-39, 2))
    np.testing.assert_array_equal(found.iloc[:31], changed.iloc[:31])


def test_the_network_says_nothing_about_rows_it_has_learnt():
    with pytest.raises(NotImplementedError, match="in-sample"):
        KerasForecaster(Forecaster(**SMALL)).fit(wave(INDICES["D"]), fh=[-1, 1])


def test_the_adapter_changes_no_forecast():
    y = wave(INDICES["h"])
    found = KerasForecaster(Forecaster(**SMALL)).fit(y, fh=[1, 2, 3])
    table = pd.DataFrame({"hour": y.index, "load": y.to_numpy()})
    wanted = Forecaster(3, **SMALL, time="hour", target="load").fit(table).predict()
    np.testing.assert_array_equal(found.predict(), wanted["forecast"])
    quantiles = found.predict_quantiles(alpha=[0.2, 0.5, 0.8])["sold"]
    np.testing.assert_array_equal(quantiles, wanted[["q0.2", "forecast", "q0.8"]])


def test_one_network_learns_from_all_series_and_what_is_known_ahead():
    days = INDICES["D"]
    keys = ["b", "a", "c"]
    y = pd.concat({key: wave(days[:34], i).to_frame() for i, key in enumerate(keys)}, names=["shop", "day"])
    X = pd.concat({key: wave(days, 9 + i).to_frame("promo") for i, key in enumerate(keys)})
    past = X.groupby(level=0).head(34)
    future = X.groupby(level=0).tail(6).groupby(level=0).head(2)
    found = KerasForecaster(Forecaster(**SMALL)).fit(y, X=past, fh=[1, 2])
    assert len(found.estimator_.fitted_.history) == 3
    plain = pd.DataFrame(
        {
            "shop": y.index.get_level_values(0),
            "day": y.index.get_level_values(1),
            "sold": y["sold"].to_numpy(),
        }
    )
    plain["promo"] = past["promo"].to_numpy()
    ahead = pd.DataFrame(
        {"shop": future.index.get_level_values(0), "day": future.index.get_level_values(1)}
    ).assign(promo=future["promo"].to_numpy(), sold=np.nan)
    roles = {"time": "day", "id": "shop", "target": "sold", "known_future": ("promo",)}
    twin = Forecaster(2, **SMALL, **roles, static=("none",), past_only=("none",)).fit(plain)
    wanted = twin.predict(pd.concat([plain, ahead])).set_index("shop")["forecast"]
    values = found.predict(X=future)["sold"]
    for key in keys:
        np.testing.assert_array_equal(values.loc[key], wanted.loc[key])
    moved = found.predict(X=future + 1)["sold"]
    assert (moved != values).all()


def test_several_columns_are_several_targets():
    y = pd.DataFrame({7: wave(INDICES["D"], 1), "heat": wave(INDICES["D"], 2)}).set_axis([7, "heat"], axis=1)
    found = KerasForecaster(Forecaster(**SMALL)).fit(y, fh=[2]).predict_quantiles(alpha=[0.2, 0.8])
    assert found.columns.tolist() == [(7, 0.2), (7, 0.8), ("heat", 0.2), ("heat", 0.8)]
    table = pd.DataFrame({"day": y.index, "a": y[7].to_numpy(), "b": y["heat"].to_numpy()})
    wanted = Forecaster(2, **SMALL, time="day", target=("a", "b")).fit(table).predict()
    np.testing.assert_array_equal(found.iloc[0], wanted[["q0.2", "q0.8"]].to_numpy()[[1, 3]].ravel())


def test_newer_rows_are_continued_without_learning_from_them():
    y = wave(INDICES["D"])
    forecaster = KerasForecaster(Forecaster(**SMALL)).fit(y[:32], fh=[1, 2])
    weights = forecaster.estimator_.model_.get_weights()
    before = forecaster.predict()
    found = forecaster.update(y[32:36], update_params=False).predict()
    assert found.index.tolist() == y.index[36:38].tolist()
    assert (found.to_numpy() != before.to_numpy()).all()
    for old, new in zip(weights, forecaster.estimator_.model_.get_weights()):
        np.testing.assert_array_equal(old, new)
    table = pd.DataFrame({"time": y.index[:36], "y0": y[:36].to_numpy()})
    np.testing.assert_array_equal(found, forecaster.estimator_.predict(table)["forecast"])


def test_with_new_parameters_it_is_as_if_fitted_to_all_rows():
    y = wave(INDICES["D"])
    updated = KerasForecaster(Forecaster(**SMALL)).fit(y[:32], fh=[1, 2]).update(y[30:36]).predict()
    fitted = KerasForecaster(Forecaster(**SMALL)).fit(y[:36], fh=[1, 2]).predict()
    pd.testing.assert_series_equal(updated, fitted, check_freq=False)


def test_quantiles_between_two_levels_lie_between_them():
    forecaster = BaselineForecaster("mean", season=1, quantiles=(0.2, 0.8)).fit(wave(INDICES["D"]), fh=[1])
    found = forecaster.predict_quantiles(alpha=[0.2, 0.35, 0.5, 0.8])["sold"].iloc[0]
    assert found[0.2] < found[0.35] < found[0.5] < found[0.8]
    assert found[0.35] == pytest.approx((found[0.2] + found[0.5]) / 2)
    assert found[0.5] == forecaster.predict().iloc[0]


def test_quantiles_outside_all_levels_are_refused():
    forecaster = BaselineForecaster("mean", season=1, quantiles=(0.2, 0.8)).fit(wave(INDICES["D"]), fh=[1])
    with pytest.raises(ParameterError, match=r"Quantile 0\.9 lies outside .* 0\.2 to 0\.8"):
        forecaster.predict_quantiles(alpha=[0.5, 0.9])
    point = BaselineForecaster("mean", season=1, quantiles=()).fit(wave(INDICES["D"]), fh=[1])
    with pytest.raises(ParameterError, match="outside"):
        point.predict_interval(coverage=0.5)


def test_a_level_that_was_not_reached_leaves_its_neighbours_empty():
    values = np.array([[np.nan, 2.0, 4.0]])
    found = between((0.1, 0.5, 0.9), values, (0.1, 0.3, 0.5, 0.7))
    np.testing.assert_array_equal(found, [[np.nan, np.nan, 2.0, 3.0]])


def test_what_sktime_decides_must_be_left_to_it():
    with pytest.raises(ParameterError, match="target='sold', but y, X and their index decide that"):
        KerasForecaster(Forecaster(target="sold")).fit(wave(INDICES["D"]), fh=[1])
    with pytest.raises(ParameterError, match="BaselineForecaster"):
        KerasForecaster(Baseline("theta")).fit(wave(INDICES["D"]), fh=[1])


def test_the_horizon_of_the_forecaster_counts_before_that_of_fit():
    y = wave(INDICES["D"])
    assert KerasForecaster(Forecaster(**SMALL)).fit(y, fh=[2, 4]).estimator_.fitted_.setting.horizon == 4
    own = KerasForecaster(Forecaster(5, **SMALL)).fit(y, fh=[2, 4])
    assert own.estimator_.fitted_.setting.horizon == 5
    assert own.predict().index.tolist() == [y.index[-1] + pd.Timedelta(days=d) for d in (2, 4)]


def test_sktime_tunes_through_to_the_forecaster():
    from sktime.forecasting.model_selection import ForecastingGridSearchCV
    from sktime.split import ExpandingWindowSplitter

    cv = ExpandingWindowSplitter(fh=[1, 2], initial_window=30, step_length=5)
    search = ForecastingGridSearchCV(
        KerasForecaster(Forecaster(**SMALL)), cv=cv, param_grid={"forecaster__units": [2, 3]}
    )
    search.fit(wave(INDICES["D"]))
    assert search.best_params_["forecaster__units"] in (2, 3)
    assert len(search.cv_results_) == 2
