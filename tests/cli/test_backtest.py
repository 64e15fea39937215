"""`forecast backtest` and `forecast tune`: what they print and write, interruptions, and refusals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest


@pytest.fixture(scope="module")
def tested(tmp_path_factory, run, datasets, tiny):
    folder = tmp_path_factory.mktemp("backtest")
    methods = ["--methods", "gru,theta", "--seeds", "2", "--windows", "3"]
    result = run(
        "backtest", datasets / "air_passengers.csv", *methods, *tiny, "--season", "12", folder=folder
    )
    assert result.code == 0, result.err
    return folder, result


def test_what_it_prints(tested):
    _, result = tested
    lines = result.out.splitlines()
    assert lines[0].startswith("Out of sample: 9 values in 3 windows of 1 series; MASE by season 12;")
    assert lines[1].split()[:2] == ["method", "MASE"] and "± seeds" in lines[1]
    assert {line.split()[0] for line in lines[2:6]} == {"gru", "theta", "naive", "seasonal-naive"}
    assert any(line.startswith("gru is ") and "Diebold-Mariano p = " in line for line in lines)
    assert result.err.splitlines()[-1].startswith("fit 15/15  ")
    assert any(line.split() == ["intervals", "asked", "reached", "width", "values"] for line in lines)


def test_what_it_writes(tested):
    folder, _ = tested
    names = sorted(path.name for path in folder.iterdir())
    assert names == [
        "air_passengers.backtest.csv",
        "air_passengers.backtest.png",
        "air_passengers.reliability.png",
    ]
    table = pd.read_csv(folder / "air_passengers.backtest.csv")
    assert table.columns[:5].tolist() == ["window", "cutoff", "month", "step", "actual"]
    assert {"gru#0", "gru#1", "theta", "naive"} <= set(table.columns) and len(table) == 9


def test_it_does_not_replace_files_unless_told(tested, run, datasets):
    folder, _ = tested
    words = [
        "backtest",
        datasets / "air_passengers.csv",
        "--methods",
        "theta",
        "--horizon",
        "3",
        "--windows",
        "2",
    ]
    assert "--force" in run(*words, folder=folder).error
    again = run(*words, "--force", "--quiet", "--json", folder=folder)
    assert again.code == 0 and again.err == ""
    document = json.loads(again.out)
    assert set(document) == {
        "summary",
        "coverage",
        "reliability",
        "by_step",
        "measured_on",
        "verdict",
        "files",
    }
    assert document["measured_on"]["windows"] == 2


@pytest.mark.slow
def test_an_interrupted_command_goes_on(datasets, child_environment, tmp_path, tiny):
    words = [sys.executable, "-m", "forecast", "backtest", str(datasets / "air_passengers.csv"), "--windows", "5",
             "--methods", "gru", *tiny, "--season", "12", "--units", "32"]  # fmt: skip
    child = subprocess.Popen(words, cwd=tmp_path, env=child_environment(), stderr=subprocess.PIPE, text=True)
    parts = tmp_path / "air_passengers.backtest.parts"
    until = time.monotonic() + 120
    while child.poll() is None and len(list(parts.glob("*.npz"))) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 128 + signal.SIGTERM, err
    assert "finished fits are kept in air_passengers.backtest.parts" in err and "Traceback" not in err
    kept = {path.name: path.stat().st_mtime_ns for path in parts.glob("*.npz")}
    assert len(kept) >= 2
    done = subprocess.run(
        [*words, "--folder", str(parts)], cwd=tmp_path, env=child_environment(), capture_output=True
    )
    assert done.returncode == 0
    assert all((parts / name).stat().st_mtime_ns == when for name, when in kept.items())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--methods", "thetta"], "Did you mean 'theta'?"),
        (["--windows", "60"], "Lower --windows"),
        (["--refit", "sometimes"], "always, never, or a whole number"),
        (["--loss", "mse"], "--quantiles none"),
        (["--target", "passengerz"], "passengers"),
        (["--align", "start"], "one of time, end"),
    ],
)
def test_refusals(run, datasets, tmp_path, words, message):
    result = run("backtest", datasets / "air_passengers.csv", "--methods", "theta", "--horizon", "3", *words,
                 folder=tmp_path)  # fmt: skip
    assert result.code == 2 and message in result.error
    assert not list(tmp_path.iterdir())


def test_a_model_is_no_table(run, tmp_path):
    assert "is a model" in run("backtest", "a.forecast", folder=tmp_path).error
    assert "is a model" in run("tune", "a.forecast", folder=tmp_path).error


@pytest.fixture(scope="module")
def tuned(tmp_path_factory, run, datasets):
    folder = tmp_path_factory.mktemp("tune")
    result = run("tune", datasets / "air_passengers.csv", "--trials", "3", "--windows", "1", "--space", "units=2,4",
                 "--preset", "fast", "--epochs", "1", "--context", "6", "--horizon", "3", "--season", "12",
                 folder=folder)  # fmt: skip
    assert result.code == 0, result.err
    return folder, result


def test_tune_prints_a_command_that_fits(tuned, run, tmp_path):
    folder, result = tuned
    assert [path.name for path in folder.iterdir()] == ["air_passengers.tune.csv"]
    assert pd.read_csv(folder / "air_passengers.tune.csv")["trial"].nunique() == 3
    lines = result.out.splitlines()
    assert lines[0].split() == ["trial", "windows", "MASE", "fit", "s", "predict", "s", "units"]
    best = lines[-1].removeprefix("best").split()
    assert best[:2] == ["forecast", "fit"] and "--epochs 1" in lines[-1] and "--horizon 3" in lines[-1]
    assert run(*best[1:], "--quiet", folder=tmp_path).code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--space", "units"], "a choice such as units=16,32"),
        (["--space", "unitz=1,2"], "Did you mean 'units'?"),
        (["--budget", "soon"], "a time such as 90s, 10m or 2h"),
        (["--tail", "1000"], "longest series has"),
    ],
)
def test_refusals_of_tune(run, datasets, tmp_path, words, message):
    result = run("tune", datasets / "air_passengers.csv", "--horizon", "3", *words, folder=tmp_path)
    assert result.code == 2 and message in result.error
    assert os.listdir(tmp_path) == []
