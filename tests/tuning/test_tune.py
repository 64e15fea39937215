"""The search: reproducible, resumable, blind to the rows set aside, and honest about failures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.cli import commands
from forecast.errors import ForecastError, ParameterError
from forecast.tuning.halving import Halving
from forecast.tuning.space import Range, check_space, command, draw, usual_space
from tests.tables import panel_of, wavy

SPACE = {"units": [2, 4], "cell": ["gru", "rnn"], "learning_rate": Range(1e-3, 1e-2, log=True)}
QUICK = {"model": "rnn", "preset": "fast", "epochs": 1, "context": 8, "season": 7}
SETTINGS = ["cell", "learning_rate", "units"]


def series(rows: int = 90) -> pd.DataFrame:
    return pd.DataFrame({"tag": pd.date_range("2024-01-01", periods=rows), "wert": wavy(rows)})


def search(table=None, **more):
    told = {"space": SPACE, "options": QUICK, "trials": 4, "windows": 2, "target": "wert"} | more
    return forecast.tune(series() if table is None else table, 3, **told)


@pytest.fixture(scope="module")
def found():
    return search()


def scores(tuning) -> pd.DataFrame:
    return tuning.leaderboard.drop(columns=["fit_seconds", "predict_seconds"])


def test_the_leaderboard(found):
    board = found.leaderboard
    assert sorted(board["trial"]) == [0, 1, 2, 3]
    assert board.columns.tolist() == [
        "trial",
        "windows",
        "MASE",
        "fit_seconds",
        "predict_seconds",
        "error",
        *SETTINGS,
    ]
    # One in three is promoted to the second window, and stands on top.
    assert board["windows"].tolist() == [2, 1, 1, 1]
    assert board["MASE"].iloc[1:].is_monotonic_increasing
    default = board.set_index("trial").loc[0]
    assert (default["units"], default["cell"]) == (None, "gru")
    assert found.settings["horizon"] == 3 and found.settings["epochs"] == 1


def test_scores_are_those_of_a_backtest(found):
    table = series()
    kept = table.iloc[: 90 - 9]
    top = found.leaderboard.iloc[0]
    settings = (
        {}
        if top["trial"] == 0
        else {name: getattr(top[name], "item", lambda v=top[name]: v)() for name in SETTINGS}
    )
    model = forecast.Forecaster(horizon=3, holdout=0, refit=False, target="wert", **(QUICK | settings))
    alone = forecast.backtest({"top": model}, kept, windows=2).summary.set_index("method")
    assert top["MASE"] == pytest.approx(alone.loc["top", "MASE"], rel=1e-9)


@pytest.mark.slow
def test_results_come_from_the_seed_alone(found):
    pd.testing.assert_frame_equal(scores(search()), scores(found))
    other = search(seed=1)
    assert not scores(other).equals(scores(found))


def test_the_rows_set_aside_are_never_looked_at(found):
    panel = panel_of(series(), time="tag", target="wert")
    values = panel.values.copy()
    values[-9:] = 1e6 * np.random.default_rng(0).normal(size=(9, 1))
    spoilt = search(replace(panel, values=values))
    pd.testing.assert_frame_equal(scores(spoilt), scores(found))
    assert spoilt.settings == found.settings
    assert found.tail.forecasts["tag"].min() == pd.Timestamp("2024-01-01") + pd.Timedelta(days=81)
    assert spoilt.tail.summary["MAE"].min() > 1e4


@pytest.mark.slow
def test_a_search_goes_on_from_its_folder(found, tmp_path, monkeypatch):
    def stop(progress):
        if progress.trial == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(folder=tmp_path, progress=stop)
    fits, old = [], forecast.Forecaster.fit
    monkeypatch.setattr(
        forecast.Forecaster, "fit", lambda self, *a, **k: fits.append(1) or old(self, *a, **k)
    )
    pd.testing.assert_frame_equal(scores(search(folder=tmp_path)), scores(found))
    # The last trial and the last look at two settings; whether a promotion came before the stop, the order decides.
    assert len(fits) <= 4


@pytest.mark.slow
def test_failed_trials_are_told_and_passed_over():
    board = search(
        space={"context": [8, 79]},
        options={"model": "rnn", "preset": "fast", "epochs": 1, "season": 7, "units": 2},
        trials=4,
    ).leaderboard
    failed = board[board["error"] != ""]
    assert (failed["context"] == 79).all() and len(failed) and failed["MASE"].isna().all()
    assert failed["error"].str.contains("context").all()
    assert board["error"].iloc[0] == "" and (board["error"].iloc[-len(failed) :] != "").all()
    with pytest.raises(ForecastError, match="Every trial failed"):
        search(space={"units": [2]}, options={"context": 79, "season": 7}, trials=2)


@pytest.mark.slow
def test_a_budget_ends_the_search():
    found = search(trials=None, budget=0.001)
    assert len(found.leaderboard) == 1 and found.leaderboard["trial"].tolist() == [0]


@pytest.mark.slow
def test_optuna_proposes(found):
    pytest.importorskip("optuna", reason="optuna is not installed")
    one, two = (search(sampler="optuna", trials=3, windows=1) for _ in range(2))
    pd.testing.assert_frame_equal(scores(one), scores(two))
    assert one.leaderboard["units"].isin([2, 4, None]).all()


def test_the_command_is_one_that_fit_understands(found):
    words = found.command("my data.csv").split(" ", 2)
    assert words[:2] == ["forecast", "fit"]
    settings = {"cell": "lstm", "units": 16, "independent": False, "skip": False, "bidirectional": True, "context": 9,
                "clip": 0.5, "quantiles": (0.2, 0.8), "anchor": "mean"}  # fmt: skip
    import shlex

    told = shlex.split(command("my data.csv", settings))[2:]
    fit = commands.get_command(None, "fit")
    parsed = fit.make_context("fit", told).params
    assert parsed["table"] == "my data.csv"
    assert {name: parsed[name] for name in settings} == settings


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"space": {"unitz": [1]}}, "Did you mean 'units'"),
        ({"space": {"horizon": [1]}}, "nothing to search called 'horizon'"),
        ({"space": {"units": []}}, "list of values or a Range"),
        ({"space": {}}, "space is empty"),
        ({"trials": 0}, "trials"),
        ({"budget": -1}, "budget"),
        ({"metric": "R2"}, "metric must be one of"),
        ({"sampler": "grid"}, "sampler must be one of"),
        ({"tail": 0}, "tail"),
        ({"windows": 0}, "windows"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ParameterError, match=message):
        search(**arguments)


def test_draws_lie_in_the_space():
    space = SPACE | {"dropout": Range(0.0, 0.5), "layers": Range(1, 3)}
    draws = [draw(space, seed=5, trial=k) for k in range(300)]
    assert {d["layers"] for d in draws} == {1, 2, 3} and {d["units"] for d in draws} == {2, 4}
    assert all(1e-3 <= d["learning_rate"] <= 1e-2 and 0 <= d["dropout"] <= 0.5 for d in draws)
    assert np.median([d["learning_rate"] for d in draws]) == pytest.approx(10**-2.5, rel=0.2)
    assert draw(space, seed=5, trial=7) == draws[7]
    for bad in ({"low": 2, "high": 1}, {"low": 0, "high": 1, "log": True}):
        with pytest.raises(ParameterError, match="must ascend"):
            Range(**bad)


def test_the_usual_space_fits_the_forecaster():
    for season, targets in ((1, 1), (12, 3)):
        space = check_space(usual_space(24, season, targets))
        assert ("independent" in space) == (targets > 1) and ("season" in space["anchor"]) == (season > 1)
        forecast.Forecaster(**draw(space, 0, 1))


def test_halving_promotes_the_best_third_as_soon_as_it_can():
    search, looked = Halving((1, 2, 4), most=9), []
    true = {trial: float((trial * 5) % 9) for trial in range(9)}
    while (job := search.next()) is not None:
        looked.append(job)
        search.tell(*job, true[job[0]] + 0.01 * job[1])
    assert sorted(t for t, rung in looked if rung == 0) == list(range(9))
    assert 3 <= sum(rung == 1 for _, rung in looked) <= 5
    assert {0} <= {t for t, rung in looked if rung == 2}
    ranking = search.ranking()
    assert ranking[0][:2] == (0, 2) and [r for _, r, _ in ranking] == sorted(
        (r for _, r, _ in ranking), reverse=True
    )


def test_halving_never_promotes_a_failure():
    search = Halving((1, 2), most=3)
    for trial in range(3):
        assert search.next() == (trial, 0)
        search.tell(trial, 0, np.nan)
    assert search.next() is None
