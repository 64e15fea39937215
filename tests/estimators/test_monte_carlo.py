"""Monte-Carlo dropout: spread by dropout alone, repeatable, and nothing of the model is moved."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.errors import ParameterError
from tests.tables import PLAIN, SMALL_NETWORK, shops


@pytest.fixture(scope="module")
def model():
    return forecast.Forecaster(**SMALL_NETWORK, **PLAIN, dropout=0.4, epochs=5).fit(shops(60, 2))


def test_passes_spread_around_the_forecast(model):
    plain = model.predict()
    found = model.monte_carlo(passes=200, seed=1)
    assert list(found) == list(plain)
    assert (found["q0.1"] < found["forecast"]).all() and (found["forecast"] < found["q0.9"]).all()
    # The mean of the passes lies near the forecast without dropout: well within their spread.
    spread = (found["q0.9"] - found["q0.1"]).to_numpy()
    assert (np.abs(found["forecast"] - plain["forecast"]).to_numpy() < spread).all()
    pd.testing.assert_frame_equal(model.predict(), plain)


def test_equal_seeds_give_equal_passes(model):
    pd.testing.assert_frame_equal(model.monte_carlo(passes=5, seed=3), model.monte_carlo(passes=5, seed=3))
    assert not model.monte_carlo(passes=5, seed=4).equals(model.monte_carlo(passes=5, seed=3))


def test_ensembles_and_recurrent_dropout():
    table = shops(60, 2)
    options = SMALL_NETWORK | PLAIN | {"epochs": 1}
    for more in (
        {"model": "segment", "ensemble": 2},
        {"recurrent_dropout": 0.3},
        {"head": "normal", "dropout": 0.3},
    ):
        found = forecast.Forecaster(**(options | more)).fit(table).monte_carlo(passes=10)
        assert (found["q0.1"] < found["q0.9"]).all()


def test_refusals(model):
    table, options = shops(60, 2), SMALL_NETWORK | PLAIN | {"epochs": 1}
    with pytest.raises(ParameterError, match="has no dropout"):
        forecast.Forecaster(**options).fit(table).monte_carlo()
    with pytest.raises(ParameterError, match="carries its state"):
        forecast.Forecaster(**(options | {"model": "auto"}), stateful=True, dropout=0.2).fit(
            table
        ).monte_carlo()
    with pytest.raises(ParameterError, match="quantiles must lie between 0 and 1"):
        model.monte_carlo(quantiles=[1.5])
    with pytest.raises(ParameterError, match="passes must be"):
        model.monte_carlo(passes=0)
