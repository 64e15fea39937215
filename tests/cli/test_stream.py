"""``forecast stream``: rows in, forecasts out, and where it stopped it goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

import forecast
from forecast.cli import commands
from tests.tables import shops

SMALL = {"horizon": 3, "context": 8, "season": 7, "preset": "fast", "units": 4, "epochs": 1}


def run(*words: str, stdin: str = ""):
    return CliRunner().invoke(commands, ["stream", *words], input=stdin)


def code_of(done) -> int:
    return getattr(done.exception, "exit_code", done.exit_code)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    table = shops(60, 2)
    older = table[table.groupby("shop").cumcount(ascending=False) >= 6]
    for name, options in (("carried", {"stateful": True}), ("windows", {"model": "rnn"})):
        forecast.Forecaster(**SMALL, **options).fit(older).save(folder / f"{name}.forecast")
    return folder, table


@pytest.fixture
def folder(models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return models


def newer(table: pd.DataFrame) -> pd.DataFrame:
    return table[table.groupby("shop").cumcount(ascending=False) < 6]


@pytest.mark.parametrize(
    ("name", "word"), [("carried", "in constant time"), ("windows", "trained on windows")]
)
def test_forecasts_behind_each_row(folder, name, word):
    models, table = folder
    model = str(models / f"{name}.forecast")
    done = run(model, stdin=newer(table).to_csv(index=False))
    assert done.exit_code == 0, done.output
    assert word in done.stderr and "12 rows read, 0 passed over" in done.stderr
    rows = pd.DataFrame([json.loads(line) for line in done.stdout.splitlines()])
    assert rows.groupby(["shop", "origin"]).size().eq(3).all() and len(rows) == 36
    newest = rows[rows["origin"] == rows.groupby("shop")["origin"].transform("max")]
    expected = forecast.load(model).stream().update(newer(table))
    assert newest["forecast"].tolist() == pytest.approx(expected["forecast"].tolist())


def test_a_whole_table_may_be_sent_as_csv(folder):
    models, table = folder
    words = [str(models / "carried.forecast"), "--newest", "--format", "csv", "--quiet"]
    done = run(*words, stdin=table.to_csv(index=False))
    assert done.exit_code == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "origin,shop,day,forecast,q0.1,q0.9" and len(lines) == 7


def test_rows_that_cannot_be_read_are_named_and_passed_over(folder):
    models, table = folder
    text = newer(table).to_csv(index=False) + "s0,someday,3\ns1,2024-04-01 05:00,3\n"
    done = run(str(models / "carried.forecast"), stdin=text)
    assert done.exit_code == 0
    assert "'someday' is not a date" in done.stderr and "between two steps" in done.stderr
    assert len(done.stdout.splitlines()) > 0


def test_where_it_stopped_it_goes_on(folder):
    models, table = folder
    words = [
        str(models / "carried.forecast"),
        "-",
        "--state",
        "s.forecast",
        "--out",
        "o.csv",
        "--format",
        "csv",
    ]
    rows = newer(table)
    whole = run(words[0], "--format", "csv", stdin=rows.to_csv(index=False)).stdout
    for day in (57, 60):
        part = rows[rows["day"] <= pd.Timestamp("2024-01-01") + pd.Timedelta(day, "D")]
        assert run(*words, stdin=part.to_csv(index=False)).exit_code == 0
    text = Path("o.csv").read_text()
    assert sorted(text.splitlines()) == sorted(whole.splitlines()) and text.count("origin") == 1
    other = run(str(models / "windows.forecast"), "--state", "s.forecast")
    assert code_of(other) == 2 and "another model" in str(other.exception)
    table.to_csv("other.csv", index=False)
    other = run(words[0], "other.csv", "--state", "s.forecast")
    assert code_of(other) == 2 and "another table" in str(other.exception)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["carried.forecast", "--poll", "0"], "--poll"),
        (["none.forecast"], "no such file"),
        (["carried.forecast", "gone.csv"], "no such file"),
        (["carried.forecast", "--state", "carried.forecast"], "no state of a stream"),
        (["carried.forecast", "--format", "xml"], "--format"),
    ],
)
def test_mistakes_get_one_line(folder, words, told):
    models, _ = folder
    named = [str(models / word) if word == "carried.forecast" else word for word in words]
    done = run(*named)
    assert code_of(done) == 2
    assert told in done.output + str(done.exception) and "Traceback" not in done.output


def test_a_table_without_the_columns_is_refused_at_once(folder):
    models, _ = folder
    done = run(str(models / "carried.forecast"), stdin="a,b\n1,2\n")
    assert code_of(done) == 2 and done.stdout == ""
    assert "standard input: there is no column 'day'; its first line is 'a,b'." in done.output + str(
        done.exception
    )
    Path("other.csv").write_text("day,y\n2024-04-01,2\n")
    done = run(str(models / "carried.forecast"), "other.csv")
    assert code_of(done) == 2 and "other.csv: there is no column 'shop'" in done.output + str(done.exception)


@pytest.mark.slow
def test_a_file_that_grows_survives_being_killed(folder):
    """Killed with SIGKILL between rows: every forecast is there once."""
    models, table = folder
    lines = newer(table[table["shop"] == "s0"]).to_csv(index=False).splitlines(keepends=True)
    Path("grow.csv").write_text(lines[0])
    words = [sys.executable, "-m", "forecast", "stream", str(models / "carried.forecast"), "grow.csv"]
    words += ["--state", "s.forecast", "--out", "o.jsonl", "--poll", "0.05", "--quiet"]
    for k in range(1, len(lines), 2):
        process = subprocess.Popen(words)
        with open("grow.csv", "a") as file:
            file.write("".join(lines[k : k + 2])[:-4])
            file.flush()
            time.sleep(8)
            file.write("".join(lines[k : k + 2])[-4:])
        time.sleep(2)
        process.send_signal(signal.SIGKILL)
        process.wait()
    process = subprocess.Popen(words)
    time.sleep(10)
    process.terminate()
    assert process.wait() == 143
    found = [json.loads(line)["origin"] for line in Path("o.jsonl").read_text().splitlines()]
    assert len(found) == 3 * 6 and len(set(found)) == 6
