"""Cross-validations that leak are caught, sound ones pass: weights, scalers, held-out values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.auditing.procedures import HELD_OUT, NOISE, PRIOR_FIT, REPEATABLE, audit_evaluation
from forecast.errors import InputError, ParameterError
from tests.auditing.defects import CrossValidated
from tests.tables import shops, wavy


def frame(rows: int = 70) -> pd.DataFrame:
    return pd.DataFrame({"at": pd.date_range("2023-03-01", periods=rows, freq="D"), "load": wavy(rows)})


def severities(found) -> dict[str, str]:
    return {finding.check: finding.severity for finding in found.findings}


def crossed(windows: int = 2, **options):
    return audit_evaluation(
        lambda model, table: model.cross_validation(table, windows=windows),
        frame(56),
        make=lambda: CrossValidated(**options),
        forecast="guess",
    )


@pytest.mark.parametrize("warm", ["in place", "copied"])
def test_folds_that_start_from_fitted_weights_are_caught(warm):
    found = crossed(windows=4, warm=warm)
    assert severities(found) == {REPEATABLE: "ok", HELD_OUT: "ok", PRIOR_FIT: "serious", NOISE: "serious"}
    figures = found.of(NOISE)[0].figures
    assert figures["MAE_after_fit"] < 0.8 * figures["MAE_fresh"]
    assert figures["values"] == 16
    assert "fresh model with fresh weights" in found.of(PRIOR_FIT)[0].remedy


def test_a_scaler_of_the_whole_frame_is_caught():
    found = crossed(scaler="everything", steps=10)
    assert severities(found) == {REPEATABLE: "ok", HELD_OUT: "serious", PRIOR_FIT: "ok", NOISE: "ok"}
    finding = found.of(HELD_OUT)[0]
    assert "change by up to" in finding.message
    assert {change["way"] for change in finding.figures["changes"]} == {"hundredfold", "noise"}
    assert all(change["largest_change"] > 0 for change in finding.figures["changes"])


def test_a_sound_cross_validation_passes():
    found = crossed(steps=40)
    assert set(severities(found).values()) == {"ok"}
    figures = found.of(NOISE)[0].figures
    assert figures["MAE_fresh"] == figures["MAE_after_fit"]
    assert found.reactions is None
    assert found.of(HELD_OUT)[0].figures["held_out_rows"] == 8


def last_share(table: pd.DataFrame, *, stop: int, rows: int = 5) -> pd.DataFrame:
    """Forecast ``rows`` rows from ``stop`` on by the last value."""
    ahead = table.iloc[stop : stop + rows]
    return ahead[["at"]].assign(forecast=float(table["load"].iloc[stop - 1]), cutoff=stop)


def test_later_cutoffs_may_see_what_earlier_ones_held_out():
    def rolling(table):
        return pd.concat([last_share(table, stop=stop) for stop in (40, 43, 46)])

    assert set(severities(audit_evaluation(rolling, frame())).values()) == {"ok"}

    def peeping(table):
        late = rolling(table)
        return late.assign(forecast=late["forecast"] + 1e-9 * table["load"].iloc[42])

    finding = audit_evaluation(peeping, frame()).of(HELD_OUT)[0]
    assert finding.severity == "serious"
    assert "Forecasts of cutoff 40 change" in finding.message


def test_the_other_series_future_is_the_future():
    def local(table):
        last = table.groupby("shop").nth(-4).set_index("shop")["sold"]
        ahead = table.groupby("shop").tail(3)[["shop", "day"]]
        return ahead.assign(forecast=ahead["shop"].map(last))

    assert not audit_evaluation(local, shops()).serious

    def neighbourly(table):
        found, end = local(table), table.loc[table["shop"] == "s2", "sold"].iloc[-1]
        return found.assign(
            forecast=np.where(found["shop"] == "s0", found["forecast"] + 1e-6 * end, found["forecast"])
        )

    assert audit_evaluation(neighbourly, shops()).serious


def test_past_only_columns_are_scrambled_where_they_are_named():
    def by_visits(table):
        end = table.groupby("shop")["visits"].last()
        ahead = table.groupby("shop").tail(3)[["shop", "day"]]
        return ahead.assign(forecast=ahead["shop"].map(end))

    table = shops(covariates=True)
    roles = {"time": "day", "id": "shop", "target": "sold"}
    assert not audit_evaluation(by_visits, table, **roles).serious
    assert audit_evaluation(by_visits, table, **roles, past_only="visits").serious


def test_arrays():
    assert not audit_evaluation(lambda values: np.repeat(values[-8], 7), wavy(50)).serious
    found = audit_evaluation(lambda values: np.repeat(values.mean(), 7), wavy(50))
    assert found.of(HELD_OUT)[0].severity == "serious"
    two = np.stack([wavy(50), wavy(50, seed=1)], axis=1)
    assert not audit_evaluation(lambda values: values[-14:-7], two).serious


def test_white_noise_in_arrays():
    class Remembers:
        def __init__(self):
            self.values = None

        def fit(self, values):
            self.values = values

        def score(self, values):
            return np.full(10, values[:-10].mean()) if self.values is None else self.values[-10:]

    found = audit_evaluation(Remembers.score, wavy(60), make=Remembers)
    assert found.of(NOISE)[0].severity == "serious"
    assert found.of(NOISE)[0].figures["MAE_after_fit"] == 0


def test_unseeded_evaluations_are_judged_by_large_changes():
    rng = np.random.default_rng(0)

    def noisy(table):
        return last_share(table, stop=50).assign(
            forecast=lambda t: t["forecast"] + 0.01 * rng.normal(size=len(t))
        )

    found = audit_evaluation(noisy, frame())
    assert severities(found) == {REPEATABLE: "warning", HELD_OUT: "ok"}

    def noisy_leak(table):
        return noisy(table).assign(forecast=lambda t: t["forecast"] * table["load"].max())

    assert severities(audit_evaluation(noisy_leak, frame())) == {REPEATABLE: "warning", HELD_OUT: "serious"}


@pytest.mark.slow
def test_our_forecasters_pass():
    def held_out(table):
        past, ahead = table.iloc[:-3], table.iloc[-3:]
        names = {"time": "at", "id": "none", "target": "load", "past_only": ("none",)}
        model = forecast.Forecaster(
            horizon=3, context=8, model="rnn", preset="fast", units=4, epochs=1, season=7, holdout=6, **names
        )
        return model.fit(past).predict().set_index("at").loc[ahead["at"]].reset_index()

    found = audit_evaluation(held_out, frame(), forecast=("forecast", "q0.1", "q0.9"))
    assert severities(found) == {REPEATABLE: "ok", HELD_OUT: "ok"}


def test_tables_are_left_alone_and_texts_are_times():
    table = frame().assign(
        at=lambda t: t["at"].dt.strftime("%Y-%m-%d"), load=lambda t: t["load"].round().astype(int)
    )
    before = table.copy()
    assert not audit_evaluation(lambda t: last_share(t, stop=60), table).serious
    pd.testing.assert_frame_equal(table, before)


def test_what_cannot_be_audited_is_told():
    with pytest.raises(ParameterError, match="fit needs make"):
        audit_evaluation(lambda table: table, frame(), fit=lambda model, table: None)
    with pytest.raises(ParameterError, match="looks for guess"):
        audit_evaluation(lambda table: last_share(table, stop=50), frame(), forecast="guess")
    with pytest.raises(InputError, match="forecast different rows, or one row twice"):
        audit_evaluation(lambda t: pd.concat([last_share(t, stop=50).drop(columns="cutoff")] * 2), frame())
    with pytest.raises(InputError, match=r"returned an array of shape \(50,\)"):
        audit_evaluation(lambda values: values, wavy(50))
    with pytest.raises(InputError, match="no time column"):
        audit_evaluation(lambda table: table, {"load": wavy(50)}, target="load", time="none")
    with pytest.raises(InputError, match="several series must return a table"):
        audit_evaluation(lambda table: np.zeros(3), shops())
