"""Saved forecasters run by NumPy: the numbers of ``Forecaster.predict``, and nothing heavy imported."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.errors import DamagedModelFile, InputError, ParameterError
from forecast.estimators.numpy_rows import feed
from forecast.estimators.numpy_runner import load_runner
from tests.tables import COVARIATES, shops

SMALL = {"horizon": 3, "context": 12, "season": 7, "preset": "fast", "units": 4, "epochs": 2}
MODELS = {
    "rnn": {"model": "rnn", "lags": (7,), "embed": ("series",)},
    "segment": {"model": "segment", "ensemble": 2},
    "padded": {"model": "esrnn", "short": "pad"},
    "stateful": {"stateful": True, "cell": "lstm"},
    "points": {"model": "rnn", "quantiles": ()},
    "uncalibrated": {"model": "linear", "units": None, "calibrate": False},
}


def close(found: dict, want: pd.DataFrame) -> None:
    """The same columns, and numbers equal to 1e-5."""
    assert list(found) == list(want.columns)
    table = pd.DataFrame(found)
    for name in want.columns:
        if want[name].dtype.kind == "f":
            np.testing.assert_allclose(table[name], want[name], rtol=1e-5, atol=1e-6)
        elif want[name].dtype.kind == "M":
            assert (pd.to_datetime(table[name]) == want[name]).all()
        else:
            assert table[name].tolist() == want[name].tolist()


def text_of(table: pd.DataFrame) -> io.StringIO:
    return io.StringIO(table.to_csv(index=False), newline="")


def older(table: pd.DataFrame, rows: int) -> pd.DataFrame:
    return table[table.groupby("shop").cumcount(ascending=False) >= rows]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Models of all but the last six rows of three shops."""
    folder, table = tmp_path_factory.mktemp("saved"), shops(90, 3)
    for name, options in MODELS.items():
        forecast.Forecaster(**(SMALL | options)).fit(older(table, 6)).save(folder / f"{name}.forecast")
    return folder, table


@pytest.mark.parametrize("name", MODELS)
def test_it_forecasts_what_the_forecaster_does(saved, name):
    folder, table = saved
    path = folder / f"{name}.forecast"
    model, runner = forecast.load(path), load_runner(path)
    close(runner.predict(), model.predict())
    close(runner.predict(2, quantiles=()), model.predict(horizon=2, quantiles=()))
    newer = table[table.groupby("shop").cumcount(ascending=False) < 6]
    assert feed(runner, text_of(newer), "new.csv").tolist() == [0, 1, 2]
    close(runner.predict(), model.predict(table))


@pytest.mark.parametrize("name", ["rnn", "stateful"])
def test_rows_pushed_one_by_one(saved, name):
    folder, table = saved
    path = folder / f"{name}.forecast"
    model, runner = forecast.load(path), load_runner(path)
    stream = model.stream()
    newer = table[table.groupby("shop").cumcount(ascending=False) < 6]
    for place in range(6):
        values = newer.groupby("shop")["sold"].nth(place).to_numpy()
        want = stream.push(values.tolist())
        runner.push(values)
        np.testing.assert_allclose(runner.quantiles(), np.reshape(want, (3, 3, 1, 3)), rtol=1e-5, atol=1e-6)


def test_missing_rows_and_some_series_only(saved):
    folder, table = saved
    path = folder / "stateful.forecast"
    newer = table[(table.groupby("shop").cumcount(ascending=False) < 6) & (table["shop"] == "s1")]
    newer = newer.drop(newer.index[[1, 2]])
    runner = load_runner(path)
    which = feed(runner, text_of(newer), "new.csv")
    whole = pd.concat([older(table, 6), newer])
    want = forecast.load(path).predict(whole[whole["shop"] == "s1"])
    close(runner.predict(which=which), want)
    # What is known already changes nothing.
    assert feed(runner, text_of(newer), "new.csv").tolist() == [1]
    close(runner.predict(which=which), want)


@pytest.mark.parametrize("name", ["rnn", "padded", "stateful"])
def test_many_rows_at_once(saved, name):
    folder, _ = saved
    model, runner = forecast.load(folder / f"{name}.forecast"), load_runner(folder / f"{name}.forecast")
    longer = shops(400, 3)
    longer.loc[longer.index[::7], "sold"] = np.nan
    feed(runner, text_of(longer), "longer.csv")
    close(runner.predict(), model.predict(longer))


def test_columns_known_ahead(tmp_path):
    table = shops(90, 2, covariates=True)
    model = forecast.Forecaster(**SMALL, **COVARIATES, model="rnn").fit(older(table, 6))
    model.save(tmp_path / "shops.forecast")
    runner = load_runner(tmp_path / "shops.forecast")
    with pytest.raises(InputError, match="must be known 3 rows ahead"):
        runner.predict()
    ahead = table.copy()
    ahead.loc[table.groupby("shop").cumcount(ascending=False) < 3, "sold"] = np.nan
    feed(runner, text_of(ahead), "ahead.csv")
    close(runner.predict(), model.predict(ahead))


def test_several_targets(tmp_path):
    table = shops(90, 2).assign(left=lambda frame: 100 - frame["sold"])
    for options in ({"independent": False}, {}):
        model = forecast.Forecaster(**SMALL, model="rnn", target=("sold", "left"), **options).fit(
            older(table, 6)
        )
        model.save(tmp_path / "two.forecast")
        runner = load_runner(tmp_path / "two.forecast")
        close(runner.predict(), model.predict())
        newer = table[table["shop"] == "s1"]
        which = feed(runner, text_of(newer), "new.csv")
        close(runner.predict(which=which), model.predict(newer))


@pytest.mark.parametrize("step", ["h", "15min", "D", "B", "W", "MS", "ME", "QS"])
def test_times_ahead(tmp_path, step):
    times = pd.date_range("2020-01-31", periods=60, freq=step)
    table = pd.DataFrame({"when": times, "y": np.sin(np.arange(60.0))})
    model = forecast.Forecaster(horizon=4, context=6, preset="fast", model="linear", steps=2).fit(table[:55])
    model.save(tmp_path / "m.forecast")
    runner = load_runner(tmp_path / "m.forecast")
    close(runner.predict(), model.predict())
    feed(runner, text_of(table), "all.csv")
    close(runner.predict(), model.predict(table))


def test_hours_of_a_time_zone(tmp_path):
    times = pd.date_range("2024-03-29", periods=60, freq="h", tz="Europe/Berlin")
    table = pd.DataFrame({"when": times, "y": np.arange(60.0)})
    model = forecast.Forecaster(horizon=4, context=6, preset="fast", model="linear", steps=2).fit(table)
    model.save(tmp_path / "m.forecast")
    found = load_runner(tmp_path / "m.forecast").predict()
    assert found["when"] == [str(time) for time in model.predict()["when"]]


def test_rows_without_times(tmp_path):
    model = forecast.Forecaster(horizon=4, context=6, preset="fast", model="linear", steps=2)
    model.fit({"y": np.arange(60.0)}).save(tmp_path / "m.forecast")
    runner = load_runner(tmp_path / "m.forecast")
    close(runner.predict(), model.predict())
    with pytest.raises(InputError, match="has no time column"):
        feed(runner, io.StringIO("y\n1\n"), "new.csv")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("day,sold\n2024-04-01,1\n", "needs one column 'shop'"),
        ("day;shop;sold\n", "needs one column 'day'"),
        ("day,shop,sold\n2024-04-01,s9,1\n", "does not know series 's9'"),
        ("day,shop,sold\n2024-04-01,s0\n", "line 2: 2 cells for 3 columns"),
        ('day,shop,sold\n2024-04-01,s0,"1,5"\n', "line 2: '1,5' is no number with a decimal point"),
        ("day,shop,sold\n2024-04-01,s0,1_0\n", "'1_0' is no number"),
        ("day,shop,sold\n2024-04-01,s0,inf\n", "'inf' is no number"),
        ("day,shop,sold\n01.04.2024,s0,1\n", "times must be written like 2024-01-31"),
        ("day,shop,sold\n2024-04-01 05:00,s0,1\n", "The time 2024-04-01 05:00:00 lies between two steps"),
        ("day,shop,sold\n2024-04-01,s0,1\n2024-04-01,s0,1\n", "two rows of one time"),
        ("day,shop,sold\n2024-01-10,s0,1\n", "'s0' ends before the history in the model does"),
        ("day,shop,sold\n2260-01-01 00:00:00.5,s0,1\n", "lies between two steps"),
        ("day,shop,sold\n2290-01-01,s0,1\n", "the years 1678 to 2261 are known"),
        ("", "needs one column 'day'"),
    ],
)
def test_rows_it_cannot_read_are_refused(saved, text, said):
    runner = load_runner(saved[0] / "rnn.forecast")
    before = runner.quantiles()
    with pytest.raises(InputError, match=said):
        feed(runner, io.StringIO(text), "new.csv")
    np.testing.assert_array_equal(runner.quantiles(), before)


def test_models_it_cannot_run_are_refused(tmp_path):
    table = shops(90, 2)
    refused = {
        "calendar features": {"calendar": True, "model": "linear"},
        "the distribution normal": {"head": "normal", "model": "rnn", "units": 4},
        "no layer Patches": {"model": "transformer"},
    }
    for number, (said, options) in enumerate(refused.items()):
        path = tmp_path / f"{number}.forecast"
        forecast.Forecaster(horizon=3, context=12, preset="fast", steps=2, **options).fit(table).save(path)
        with pytest.raises(InputError, match=said):
            load_runner(path)
    forecast.Baseline("theta", horizon=3).fit(table).save(tmp_path / "theta.forecast")
    with pytest.raises(InputError, match="holds no forecaster"):
        load_runner(tmp_path / "theta.forecast")


def test_horizon_and_quantiles_are_those_of_training(saved):
    runner = load_runner(saved[0] / "rnn.forecast")
    with pytest.raises(ParameterError, match="up to the trained horizon of 3 rows"):
        runner.predict(4)
    with pytest.raises(ParameterError, match=r"Quantile 0\.3 was not trained"):
        runner.predict(quantiles=[0.3])


def test_a_changed_graph_is_refused(saved, tmp_path):
    path = tmp_path / "changed.forecast"
    shutil.copy(saved[0] / "rnn.forecast", path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    config["config"]["layers"][0]["config"]["name"] = "other"
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    forecast.load(path)  # which does not look at it
    with pytest.raises(DamagedModelFile, match=r"config\.json is not what was written"):
        load_runner(path)


def test_nothing_heavier_than_numpy_is_imported(saved):
    code = (
        "import sys, forecast\n"
        f"runner = forecast.load_runner({str(saved[0] / 'rnn.forecast')!r})\n"
        "runner.push([1.0, 2.0, 3.0]); runner.predict()\n"
        "heavy = {'keras', 'tensorflow', 'jax', 'torch', 'pandas', 'scipy', 'sklearn', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    root = str(Path(forecast.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"
