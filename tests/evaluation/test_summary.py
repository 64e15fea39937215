"""The summary of out-of-sample forecasts: figures, the winner, and the words for it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecast.evaluation.breakdown import by_series, by_step, coverage, reliability
from forecast.evaluation.outcomes import Outcomes, Run
from forecast.evaluation.summary import judgement, summarise, verdict


def outcomes(
    lead: float, *, series: int = 6, windows: int = 8, seeds: int = 1, noise: float = 0.3
) -> Outcomes:
    """A network whose errors are ``lead`` smaller than those of a baseline, up to noise."""
    rng = np.random.default_rng(0)
    cases, horizon = series * windows, 4
    actual = rng.normal(size=(cases, horizon, 1))

    def run(method: str, size: float, seed: int | None, trained: bool) -> Run:
        error = np.abs(size + noise * rng.normal(size=actual.shape))
        point = actual + error
        spread = {0.1: point - 1.0, 0.9: point + 1.0}
        return Run(method, point, spread, 1.0, 0.1, seed, trained)

    runs = [run("gru", 1.0 - lead, k, True) for k in range(seeds)]
    runs += [run("naive", 1.0, None, False), run("theta", 1.5, None, False)]
    return Outcomes(actual, np.repeat(np.arange(series), windows), np.tile(np.arange(windows), series),
                    np.full((cases, 1), 2.0), tuple(runs), season=7)  # fmt: skip


@pytest.mark.parametrize(
    ("lead", "word"), [(0.4, "better than"), (-0.4, "worse than"), (0.0, "not distinguishable")]
)
def test_the_sentence(lead, word):
    found = outcomes(lead)
    table = summarise(found)
    assert table.attrs["baseline"] == "naive"
    text = verdict(found, table)
    assert text.startswith(f"gru is {word}") and "the best baseline, naive: MASE" in text
    winner = {0.4: "gru is the winner", -0.4: "naive is the winner", 0.0: "No winner: "}[lead]
    assert winner in text


def test_figures_equal_plain_arithmetic():
    found = outcomes(0.2)
    row = summarise(found).set_index("method").loc["gru"]
    error = np.abs(found.runs[0].forecast - found.actual)
    assert row["MAE"] == pytest.approx(error.mean()) and row["MASE"] == pytest.approx(error.mean() / 2)
    rival = np.abs(found.runs[1].forecast - found.actual).mean()
    assert row["skill"] == pytest.approx(1 - error.mean() / rival)
    inside = (found.runs[0].quantiles[0.1] <= found.actual) & (found.actual <= found.runs[0].quantiles[0.9])
    assert row["coverage"] == pytest.approx(inside.mean())
    assert row["low"] < row["MASE"] < row["high"] and row["skill_low"] < row["skill"] < row["skill_high"]


def test_seeds_have_a_mean_and_a_deviation():
    found = outcomes(0.2, seeds=4)
    table = summarise(found).set_index("method")
    scores = [np.abs(run.forecast - found.actual).mean() / 2 for run in found.runs_of("gru")]
    assert table.loc["gru", "MASE"] == pytest.approx(np.mean(scores))
    assert table.loc["gru", "deviation"] == pytest.approx(np.std(scores, ddof=1))
    assert np.isnan(table.loc["naive", "deviation"])


def test_one_window_of_one_series_proves_nothing():
    found = outcomes(0.9, series=1, windows=1)
    table = summarise(found)
    assert table[["low", "high", "p_value"]].isna().all().all()
    assert verdict(found, table).startswith("Fewer than three windows and three series: no conclusion.")


def test_two_windows_of_one_series_prove_nothing_either():
    found = outcomes(0.9, series=1, windows=2)
    table = summarise(found)
    assert table[["low", "high", "skill_low", "skill_high", "p_value"]].isna().all().all()
    assert verdict(found, table).startswith("Fewer than three windows and three series: no conclusion.")


def test_few_windows_of_many_series_are_tested_over_series():
    assert summarise(outcomes(0.4, series=40, windows=2)).attrs["test"] == "series"
    assert summarise(outcomes(0.4)).attrs["test"] == "windows"


def test_constant_histories_are_counted_and_left_out_of_mase():
    found = outcomes(0.2)
    found.yardsticks[found.series == 0] = np.nan
    table = summarise(found)
    assert table.attrs["constant"] == 8 * 4 and np.isfinite(table["MASE"]).all()
    found.yardsticks[:] = np.nan
    table = summarise(found)
    assert (
        table.attrs["criterion"] == "MAE" and table["MASE"].isna().all() and np.isfinite(table["skill"]).all()
    )


def test_a_missing_forecast_is_not_dropped():
    found = outcomes(0.2)
    found.runs[0].forecast[0, 0, 0] = np.nan
    table = summarise(found).set_index("method")
    assert np.isnan(table.loc["gru", "MASE"]) and np.isfinite(table.loc["naive", "MASE"])


def test_missing_actuals_are_counted():
    found = outcomes(0.2)
    found.actual[:3, 0, 0] = np.nan
    table = summarise(found)
    assert (
        table.attrs["missing"] == 3
        and table.attrs["points"] == 48 * 4 - 3
        and np.isfinite(table["MASE"]).all()
    )


def test_by_step_and_by_series_average_to_the_whole():
    found = outcomes(0.2)
    whole = summarise(found).set_index("method")["MAE"]
    for table in (by_step(found), by_series(found)):
        means = table.groupby("method")["MAE"].mean()
        pd.testing.assert_series_equal(means, whole.loc[means.index], check_names=False)
    assert by_step(found)["step"].unique().tolist() == [1, 2, 3, 4]


def test_reliability_and_coverage_of_known_quantiles():
    rng = np.random.default_rng(0)
    actual = rng.normal(size=(400, 5, 1))
    ends = {0.1: -1.2815515655446004, 0.9: 1.2815515655446004}
    run = Run("net", np.zeros_like(actual), {q: np.full_like(actual, x) for q, x in ends.items()})
    found = Outcomes(actual, np.arange(400), np.zeros(400, np.int64), np.ones((400, 1)), (run,))
    table = reliability(found)
    assert table["level"].tolist() == [0.1, 0.5, 0.9]
    assert (abs(table["observed"] - table["level"]) < 0.03).all() and (table["count"] == 2_000).all()
    assert table["band"].tolist() == pytest.approx(
        [1.96 * np.sqrt(q * (1 - q) / 400) for q in (0.1, 0.5, 0.9)]
    )
    row = coverage(found).iloc[0]
    assert (
        row["asked"] == 0.8
        and abs(row["coverage"] - 0.8) < 0.03
        and row["width"] == pytest.approx(2.5631, abs=1e-4)
    )


def test_interval_and_test_must_agree():
    row = {"skill": 0.1, "skill_low": 0.05, "skill_high": 0.2}
    assert judgement(pd.Series(row | {"p_value": 0.01})) == "better than"
    assert judgement(pd.Series(row | {"p_value": 0.2})) == "not distinguishable from"
    assert judgement(pd.Series(row | {"p_value": np.nan})) == "not distinguishable from"
