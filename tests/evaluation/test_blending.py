"""The weighted mean of methods: never worse than the best of them where its weights were chosen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.errors import ForecastWarning, ParameterError
from forecast.evaluation.blending import blended, greedy_weights
from tests.tables import PLAIN, SMALL_NETWORK, shops


@pytest.mark.parametrize("seed", range(50))
def test_never_worse_than_the_best_single_method(seed):
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(30, 4, 2))
    errors = {f"m{i}": rng.uniform(0, 1) * common + rng.uniform(0.2, 2) * rng.normal(size=common.shape)
              for i in range(6)}  # fmt: skip
    weights = greedy_weights(errors)
    assert sum(weights.values()) == pytest.approx(1) and min(weights.values()) > 0
    assert np.abs(blended(errors, weights)).mean() <= min(np.abs(e).mean() for e in errors.values())


def test_a_method_that_is_best_everywhere_stands_alone():
    assert greedy_weights({"good": np.zeros(5), "bad": np.ones(5), "worse": -np.ones(5)}) == {"good": 1.0}


def test_missing_actuals_are_left_out_and_methods_with_gaps_passed_over():
    gap = np.array([np.nan, 1.0, 1.0])
    assert greedy_weights({"whole": gap, "holey": np.array([np.nan, np.nan, 0.0])}) == {"whole": 1.0}
    assert greedy_weights({"whole": np.full(3, np.nan)}) == {}


@pytest.fixture(scope="module")
def mixed():
    options = PLAIN | SMALL_NETWORK | {"epochs": 2, "holdout": 15}
    return forecast.Forecaster(**options, method="auto").fit(shops())


def test_the_forecast_is_the_mean_of_its_members(mixed):
    weights = mixed.weights_
    members = {name: mixed.predict(method=name)["forecast"].to_numpy() for name in weights}
    expected = sum(weight * members[name] for name, weight in weights.items())
    np.testing.assert_allclose(mixed.predict()["forecast"], expected, rtol=1e-12)
    assert len(weights) > 1
    with pytest.warns(ForecastWarning, match="widened by rule"):
        longer = mixed.predict(horizon=8, method="auto")
    assert (longer["q0.1"] <= longer["forecast"]).all() and (longer["forecast"] <= longer["q0.9"]).all()


def test_it_stands_in_the_comparison_and_survives_the_file(mixed, tmp_path):
    assert "auto" in set(mixed.comparison_["method"])
    mixed.save(tmp_path / "m.forecast")
    again = forecast.load(tmp_path / "m.forecast")
    assert again.weights_ == mixed.weights_
    pd.testing.assert_frame_equal(again.predict(), mixed.predict(), check_exact=True)


def test_it_needs_held_out_rows():
    options = PLAIN | SMALL_NETWORK | {"epochs": 1, "holdout": 0}
    model = forecast.Forecaster(**options, method="auto").fit(shops())
    with pytest.raises(ParameterError, match="method='auto' needs a comparison"):
        model.predict()
