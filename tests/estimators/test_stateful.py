"""Forecasters whose network carries its state through whole series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import forecast
from forecast.errors import ForecastError, ParameterError
from tests.tables import shops

SMALL = {"horizon": 3, "context": 8, "season": 7, "preset": "fast", "units": 4, "epochs": 2, "tbptt": 16}


@pytest.fixture(scope="module")
def table():
    found = shops(80, 3)
    found.loc[20:22, "sold"] = np.nan
    return found


@pytest.fixture(scope="module")
def early(table):
    """The table without the last six days of every shop."""
    return table[table.groupby("shop").cumcount(ascending=False) >= 6].reset_index(drop=True)


@pytest.fixture(scope="module")
def fitted(early):
    return forecast.Forecaster(**SMALL, stateful=True).fit(early)


def without_states(forecaster):
    """The same, which must read every series from its first row on."""
    network = replace(forecaster.fitted_.network, standing=None)
    found = forecast.Forecaster(**SMALL, stateful=True)
    found.fitted_, found.choices_, found.from_arrays_ = (
        replace(forecaster.fitted_, network=network),
        forecaster.choices_,
        forecaster.from_arrays_,
    )
    return found


def close(found, expected) -> None:
    numbers = found.select_dtypes("number").columns
    assert found["day"].equals(expected["day"]) and len(numbers) >= 3
    np.testing.assert_allclose(found[numbers], expected[numbers], rtol=1e-5)


def test_it_is_the_stateful_network_and_says_so(fitted):
    network = fitted.fitted_.network
    assert network.architecture.name == "stateful" and network.stateful
    assert network.architecture.options["chunk"] == 16
    assert fitted.comparison_ is not None and "network" in set(fitted.comparison_["method"])


def test_forecasts_go_on_from_where_training_ended(fitted, table):
    """New rows alone, the whole table, and the whole table read from its first row are the same."""
    newer = table[table.groupby("shop").cumcount(ascending=False) < 6]
    expected = without_states(fitted).predict(table)
    close(fitted.predict(newer), expected)
    close(fitted.predict(table), expected)
    assert (expected["day"].min() - table["day"].max()).days <= 1


def test_a_saved_model_stands_where_it_stood(fitted, table, tmp_path):
    fitted.save(tmp_path / "m.forecast")
    loaded = forecast.load(tmp_path / "m.forecast")
    assert loaded.predict().equals(fitted.predict())
    close(loaded.predict(table), fitted.predict(table))


def test_updates_in_parts_are_one_update(early, table, tmp_path):
    fitted = forecast.Forecaster(**SMALL, stateful=True, calibrate=False).fit(early)
    fitted.save(tmp_path / "m.forecast")
    place = table.groupby("shop").cumcount(ascending=False)
    expected = fitted.predict(table)
    for begin in (6, 4, 2):
        fitted.update(table[(place < begin) & (place >= begin - 2)])
    close(fitted.predict(), expected)
    close(forecast.load(tmp_path / "m.forecast").update(table).predict(), expected)


def test_gaps_that_are_long_begin_anew(fitted, table):
    """What lies before a gap of a context's rows does not matter for what comes after it."""
    late = table[table["shop"] == "s0"].copy()
    late["day"] += np.timedelta64(200, "D")
    alone = without_states(fitted).predict(late)
    both = fitted.predict(late)
    close(both, alone)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"model": "conv"}, "leave out model='conv'"),
        ({"ensemble": 3}, "leave out ensemble"),
        ({"bidirectional": True}, "bidirectional"),
        ({"lags": (7,)}, "lags"),
        ({"anchor": "mean"}, "anchor"),
        ({"scale": "training"}, "scale"),
        ({"tbptt": 0}, "tbptt"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(early, options, word):
    with pytest.raises(ParameterError, match=word) as told:
        forecast.Forecaster(**(SMALL | options), stateful=True).fit(early)
    assert "\n" not in str(told.value)


def test_five_rows_are_told_to_be_too_few():
    table = shops(30, 1)[:5]
    with pytest.raises(ForecastError) as told:
        forecast.Forecaster(horizon=3, context=8, stateful=True).fit(table)
    assert "\n" not in str(told.value)
