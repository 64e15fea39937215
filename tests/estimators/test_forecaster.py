"""The forecaster: choices, arrays, scikit-learn, messages."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.utils.estimator_checks import check_estimator

import forecast
from forecast.errors import ForecastWarning, InputError, ParameterError
from forecast.evaluation.intervals import smallest_n
from forecast.models import Spec
from tests.tables import COVARIATES, PLAIN, SMALL_NETWORK, shops, wavy

SMALL = SMALL_NETWORK | {"epochs": 2}


@pytest.fixture(scope="module")
def compared() -> forecast.Forecaster:
    """A forecaster with its comparison, fitted once."""
    return forecast.Forecaster(**(SMALL | PLAIN), holdout=12, refit=False).fit(shops())


@pytest.fixture(scope="module")
def covariates() -> forecast.Forecaster:
    return forecast.Forecaster(**(SMALL | COVARIATES), holdout=0).fit(shops(covariates=True, ahead=3))


def test_comparison_holds_network_and_baselines_with_every_measure(compared):
    table = compared.comparison_
    assert table.columns.tolist() == ["method", "MAE", "RMSE", "MASE", "sMAPE", "coverage", "skill"]
    assert set(table["method"]) == {
        "network", "naive", "seasonal-naive", "drift", "mean", "ses", "theta", "holt-winters",
    }  # fmt: skip
    assert table["MASE"].is_monotonic_increasing
    baselines = table[table["method"] != "network"]
    assert baselines["skill"].max() == 0 and (baselines["skill"] <= 0).all()
    assert table["coverage"].between(0, 1).all()
    assert table.attrs["windows"] == 3 * 10 and table.attrs["points"] == 3 * 10 * 3


def test_comparison_is_plain_arithmetic_on_the_held_out_windows(compared):
    """Naive's row, from the table itself."""
    errors, ratios = [], []
    for _, part in shops().groupby("shop"):
        sold = part["sold"].to_numpy()
        stop = len(sold) - 12
        scale = np.abs(sold[7:stop] - sold[: stop - 7]).mean()
        for origin in range(stop, len(sold) - 2):
            e = np.abs(sold[origin : origin + 3] - sold[origin - 1])
            errors.append(e)
            ratios.append(e / scale)
    row = compared.comparison_.set_index("method").loc["naive"]
    assert row["MAE"] == pytest.approx(np.mean(errors), rel=1e-12)
    assert row["MASE"] == pytest.approx(np.mean(ratios), rel=1e-12)


def test_use_best_forecasts_with_the_winner(compared):
    best = compared.comparison_["method"].iloc[0]
    pd.testing.assert_frame_equal(compared.predict(method="best"), compared.predict(method=best))
    seasonal = compared.predict(method="seasonal-naive")
    last = shops().groupby("shop").tail(7).groupby("shop").head(3)["sold"].to_numpy()
    np.testing.assert_array_equal(seasonal["forecast"], last)
    assert seasonal.attrs["method"] == "seasonal-naive"


def test_the_sentence_names_the_winner(compared):
    best = compared.comparison_["method"].iloc[0]
    assert ("network beats" in compared.verdict_) == (best == "network")


def test_every_open_size_is_a_choice_with_its_flag():
    model = forecast.Forecaster(model="rnn", preset="fast", units=4, epochs=1).fit(shops())
    flags = [choice.flag for choice in model.choices_]
    for flag in ("--time", "--id", "--target", "--step", "--season", "--horizon", "--context", "--holdout"):
        assert flags.count(flag) == 1, flag
    found = model.fitted_.setting
    assert (found.season, found.horizon, found.holdout) == (7, 8, 8)


def test_history_joins_both_fits_and_info_is_true(compared):
    both = forecast.Forecaster(**(SMALL | PLAIN), holdout=12).fit(shops())
    assert both.history_["epoch"].tolist() == [1, 2, 3]
    assert both.history_["val_loss"].isna().tolist() == [False, False, True]
    assert not both.predict()["forecast"].equals(compared.predict()["forecast"])


def test_score_of_a_table_is_minus_mase():
    table = shops()
    model = forecast.Forecaster(**(SMALL | PLAIN), holdout=0, method="naive").fit(table)
    ratios = []
    for _, part in table.groupby("shop"):
        sold = part["sold"].to_numpy()
        ratios.append(np.abs(sold[-3:] - sold[-4]) / np.abs(sold[7:-3] - sold[:-10]).mean())
    assert model.score(table) == pytest.approx(-np.mean(ratios), rel=1e-12)


def test_evaluate_uses_only_newer_rows(compared):
    newer = shops(rows=80)
    found = compared.evaluate(newer)
    assert not found.attrs["in_sample"]
    # Twenty rows of each series lie behind the end of training: 18 windows of three rows.
    assert found.attrs["windows"] == 3 * 18
    assert compared.evaluate(shops()).attrs["in_sample"]


def test_known_future_columns_are_demanded_by_name(covariates):
    table = shops(covariates=True, ahead=3)
    table.loc[(table["shop"] == "s1") & (table["day"] == "2024-02-26"), "promo"] = np.nan
    with pytest.raises(
        InputError, match=r"Column 'promo' must be known 3 rows ahead of series 's1'; it is missing at"
    ):
        covariates.predict(table)
    with pytest.raises(InputError, match="promo"):
        covariates.predict(shops(covariates=True))
    with pytest.raises(InputError, match="promo"):
        covariates.predict(horizon=5)


def test_a_series_that_training_did_not_know_is_forecast_and_says_from_what(compared, covariates):
    new = shops(rows=30).replace({"shop": {"s1": "new"}})
    found = compared.predict(new)
    assert found.groupby("shop")["source"].unique().map(list).to_dict() == {
        "new": ["pool"], "s0": ["series"], "s2": ["series"],
    }  # fmt: skip
    assert np.isfinite(found["forecast"]).all() and "source" not in compared.predict(shops())
    told = covariates.predict(shops(covariates=True, ahead=3).replace({"shop": {"s1": "new"}}))
    assert set(told.loc[told["shop"] == "new", "source"]) == {"static"}


def test_one_observed_value_in_the_context_is_enough_for_a_forecast():
    gaps = shops(rows=60)
    gaps.loc[gaps.index % 9 == 4, "sold"] = np.nan  # so that the network learns of gaps
    model = forecast.Forecaster(**(SMALL | PLAIN), holdout=0, short="pad").fit(gaps)
    silent = shops(rows=20, series=1).replace({"shop": {"s0": "new"}})
    silent.loc[np.r_[0:15, 16:20], "sold"] = np.nan
    found = model.predict(silent)
    assert len(found) == 3 and np.isfinite(found["forecast"]).all()


def test_future_rows_alone_continue_the_stored_history(covariates, compared, tmp_path):
    whole = shops(covariates=True, ahead=3)
    ahead = whole[whole["sold"].isna()].drop(columns=["sold", "visits"])
    pd.testing.assert_frame_equal(covariates.predict(ahead), covariates.predict(), check_exact=True)
    ahead.to_csv(tmp_path / "ahead.csv", index=False)
    found = covariates.predict(tmp_path / "ahead.csv")
    pd.testing.assert_frame_equal(found, covariates.predict(), check_exact=True)
    with pytest.raises(InputError, match="'visits'"):
        covariates.predict(whole.drop(columns="visits"))
    with pytest.raises(InputError, match="'sold'"):
        compared.predict(shops().rename(columns={"sold": "sales"}))


def test_a_table_read_before_is_taken_as_it_is(compared):
    read = forecast.read_table(shops(), **PLAIN)
    pd.testing.assert_frame_equal(compared.predict(read), compared.predict(shops()), check_exact=True)


def test_new_rows_continue_the_stored_history(compared):
    longer = shops(rows=65)
    fresh = longer.groupby("shop").tail(5)
    pd.testing.assert_frame_equal(compared.predict(fresh), compared.predict(longer), check_exact=True)


def test_quantiles_among_the_trained_ones(compared):
    assert compared.predict(quantiles=(0.9,)).columns.tolist() == ["shop", "day", "forecast", "q0.9"]
    assert compared.predict(quantiles=()).columns.tolist() == ["shop", "day", "forecast"]
    with pytest.raises(ParameterError, match=r"Quantile 0\.95 was not trained"):
        compared.predict(quantiles=(0.95,))


def test_levels_out_of_reach_are_empty_and_told():
    model = forecast.Forecaster(**SMALL, holdout=0, quantiles=(0.001, 0.999)).fit(wavy(120))
    with pytest.warns(ForecastWarning, match=r"Quantiles 0\.001, 0\.999 are empty"):
        table = model.predict()
    assert table[["q0.001", "q0.999"]].isna().all().all() and table["forecast"].notna().all()
    assert smallest_n(0.999) == 999


def test_several_targets_of_one_series():
    frame = pd.DataFrame(
        {"hour": pd.date_range("2024-01-01", periods=120, freq="h"), "a": wavy(120), "b": -wavy(120)}
    )
    for independent in (True, False):
        model = forecast.Forecaster(**SMALL, target=["a", "b"], holdout=0, independent=independent).fit(frame)
        table = model.predict()
        assert table["target"].tolist() == ["a"] * 3 + ["b"] * 3
        assert table["hour"].tolist()[:3] == table["hour"].tolist()[3:]
        assert (table["forecast"][:3] > 0).all() and (table["forecast"][3:] < 0).all()


def test_one_and_two_axes_of_plain_values():
    table = forecast.Forecaster(**SMALL, holdout=0).fit(wavy(100)).predict()
    assert table["step"].tolist() == [100, 101, 102]
    two = forecast.Forecaster(**SMALL, holdout=0).fit(np.column_stack([wavy(100), wavy(100)])).predict()
    np.testing.assert_array_equal(two["forecast"][:3], two["forecast"][3:])


def test_arrays_as_in_scikit_learn():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 2))
    y = 5 + 3 * x[:, 0] + 0.1 * rng.normal(size=240)
    model = forecast.Forecaster(
        horizon=5,
        context=24,
        model="rnn",
        preset="fast",
        units=16,
        epochs=60,
        anchor="mean",
        patience=60,
        season=1,
    )
    model.fit(x[:230], y[:230])
    found = model.predict(x[230:])
    assert (
        found.shape == (10,)
        and np.abs(found - y[230:]).mean() < 0.5 * np.abs(y[230:] - y[:230].mean()).mean()
    )
    assert model.score(x[230:], y[230:]) > 0.5
    with pytest.raises(InputError, match=r"pass the next rows' covariates"):
        model.predict()


def test_numbers_of_numpy_are_numbers():
    table = shops()
    sizes = {"units": np.int64(4), "layers": np.int32(1), "dropout": np.float64(0.0)}
    one = forecast.Forecaster(**(SMALL | PLAIN | sizes), holdout=0).fit(table).predict()
    two = forecast.Forecaster(**(SMALL | PLAIN), layers=1, dropout=0.0, holdout=0).fit(table).predict()
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_grid_search_over_time_splits():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 1))
    model = forecast.Forecaster(
        horizon=2, context=3, model="rnn", preset="fast", units=4, epochs=1, quantiles=()
    )
    search = GridSearchCV(model, {"units": [2, 4]}, cv=TimeSeriesSplit(2)).fit(x, x[:, 0] + 5)
    assert len(search.cv_results_["mean_test_score"]) == 2
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_html_repr_shows_the_arguments():
    assert "lstm" in forecast.Forecaster(cell="lstm")._repr_html_()


def test_a_network_of_ones_own(tmp_path):
    def dense(spec: Spec) -> keras.Model:
        seen = keras.Input((spec.context, spec.targets), name="target")
        flat = keras.layers.Flatten()(seen)
        out = keras.layers.Dense(spec.horizon * spec.targets, kernel_initializer="zeros")(flat)
        return keras.Model({"target": seen}, keras.layers.Reshape((spec.horizon, spec.targets))(out))

    model = forecast.Forecaster(**SMALL, holdout=0, quantiles=(), network=dense).fit(wavy(100))
    model.save(tmp_path / "own.forecast")
    with pytest.raises(ParameterError, match="network of your own"):
        forecast.load(tmp_path / "own.forecast")
    again = forecast.load(tmp_path / "own.forecast", network=dense)
    pd.testing.assert_frame_equal(again.predict(), model.predict(), check_exact=True)


def test_an_optimiser_of_ones_own():
    optimizer = keras.optimizers.SGD(0.01)
    model = forecast.Forecaster(**SMALL, holdout=0, optimizer=optimizer).fit(wavy(100))
    assert isinstance(model.model_.optimizer, keras.optimizers.SGD)
    assert model.model_.optimizer is not optimizer
    # Going on with the rows that were kept back, at half the rate.
    rates = model.history_["learning_rate"]
    assert rates.iloc[0] == pytest.approx(0.01) and rates.iloc[-1] == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"cell": "gruu"}, "cell"),
        ({"horizon": 0}, "horizon"),
        ({"context": 2.5}, "context"),
        ({"quantiles": (0.5, 1.5)}, "quantiles"),
        ({"loss": "huber"}, "loss"),
        ({"loss": "mae"}, "quantiles"),
        ({"epochs": 0}, "epochs"),
        ({"seed": -1}, "seed"),
        ({"budget": 0}, "budget"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"short": "maybe"}, "short"),
        ({"method": "thetta"}, "theta"),
        ({"step": "fortnight"}, "fortnight"),
        ({"duplicates": "average"}, "duplicates"),
        ({"target": "soldd"}, "sold"),
    ],
)
def test_wrong_arguments_are_named(wrong, word):
    with pytest.raises(InputError, match=word) as caught:
        forecast.Forecaster(**(SMALL | PLAIN | wrong)).fit(shops())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "word"),
    [
        (np.arange(5.0), "5 rows"),
        (np.full(50, np.nan), "missing cells"),
        (np.ones((3, 3, 3)), "axes"),
        (np.arange(12.0), "12 rows"),
    ],
)
def test_too_little_is_told(table, word):
    with pytest.raises(InputError, match=word):
        forecast.Forecaster().fit(table)


def test_constant_series_forecast_the_constant():
    table = forecast.Forecaster(**SMALL).fit(np.full(80, 7.5)).predict()
    assert (table[["forecast", "q0.1", "q0.9"]] == 7.5).all().all()


def test_silent_by_default(capsys):
    forecast.Forecaster(**SMALL, holdout=0).fit(wavy(60))
    assert capsys.readouterr() == ("", "")


def test_verbose_prints_choices_progress_and_comparison(capsys):
    forecast.Forecaster(**(SMALL | PLAIN), holdout=12, verbose=1).fit(shops())
    out = capsys.readouterr()
    assert "seasonal-naive" in out.out and "step" in out.out and "epoch" in out.err


KNOWN_FAILURES = {
    "check_methods_sample_order_invariance": "rows are time steps: order carries meaning",
    "check_methods_subset_invariance": "rows are time steps: order carries meaning",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["forecaster", "baseline"])
def test_scikit_learns_own_checks(name):
    estimator = (
        forecast.Forecaster(
            horizon=2,
            context=3,
            model="linear",
            preset="fast",
            epochs=1,
            batch_size=512,
            holdout=0,
            quantiles=(),
        )
        if name == "forecaster"
        else forecast.Baseline("naive", quantiles=())
    )
    floats = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = check_estimator(
                estimator, expected_failed_checks=KNOWN_FAILURES, on_fail=None, on_skip=None
            )
    finally:
        keras.config.set_floatx(floats)
    failed = {check["check_name"]: check["exception"] for check in found if check["status"] == "failed"}
    assert failed == {}
    assert sum(check["status"] == "passed" for check in found) >= 45


def test_diagnostics_measure_gradients_before_and_after_and_change_nothing(tmp_path):
    table = forecast.load_dataset("air_passengers")
    given = {
        "horizon": 6,
        "context": 24,
        "model": "rnn",
        "units": 4,
        "steps": 4,
        "preset": "fast",
        "dropout": 0.2,
    }
    plain = forecast.Forecaster(**given).fit(table)
    looked = forecast.Forecaster(**given).fit(table, diagnostics=True)
    assert plain.health_ == ()
    for a, b in zip(plain.model_.get_weights(), looked.model_.get_weights(), strict=True):
        assert np.array_equal(a, b)
    before, after = looked.health_
    assert (before.moment, after.moment) == ("before training", "after training")
    assert before.clipped is None
    assert after.clipped == pytest.approx(looked.history_["clipped"].mean())
    assert [layer.name for layer in after.layers] == ["gru_1"]
    assert after.layers[0].steps == 24
    assert before.layers[0].lags != after.layers[0].lags
    looked.save(tmp_path / "model.forecast")
    assert forecast.load(tmp_path / "model.forecast").health_ == looked.health_


def test_diagnostics_of_states_that_are_carried_look_behind_the_stretch():
    table = forecast.load_dataset("air_passengers")
    model = forecast.Forecaster(horizon=3, context=12, units=4, steps=2, tbptt=20, preset="fast")
    before, after = model.fit(table, diagnostics=True).health_
    assert before.tbptt == after.tbptt == 20
    assert after.layers[0].steps == 40
    assert np.isfinite(after.layers[0].lags).all()
