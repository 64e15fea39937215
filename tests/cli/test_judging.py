"""``forecast detect --labels``: the table of measures, and odd labels."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

import forecast
from forecast.cli import commands
from tests.cli.test_detect import loads

USUAL = ("load.csv", "--method", "novelty", "--alarms", "1 per 100 rows", "--quiet")


def detect(*words: str, input: bytes | None = None):
    return CliRunner().invoke(commands, ["detect", *words], input=input)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = loads()
    table.to_csv("load.csv", index=False)
    table.assign(odd=table.index.isin([500, 700, 701, 820]).astype(int)).to_csv("marked.csv", index=False)
    events = pd.DataFrame(
        {"start": table["when"][[500, 700, 820]], "end": table["when"][[500, 701, 820]].tolist()}
    )
    events.to_csv("events.csv", index=False)
    return tmp_path


def test_the_table_stands_behind_the_events(folder):
    done = detect(*USUAL, "--labels", "events.csv", "--tolerance", "2")
    assert done.exit_code == 0, done.exception
    lines = done.stdout.splitlines()
    place = next(
        i for i, line in enumerate(lines) if line.startswith("3 labelled events, 450 rows of 1 series")
    )
    assert "within 2 rows" in lines[place] and "VUS window 24 rows" in lines[place]
    assert "one series cannot be drawn anew" in lines[place + 1] and "20 draws" in lines[place + 1]
    rows = {line.split("  ")[0]: line for line in lines[place + 3 : place + 9]}
    assert list(rows) == ["novelty", "range check", "ewma", "seasonal-naive", "gaussian", "random"]
    assert "fixed" in rows["novelty"] and "rate of novelty" in rows["random"]
    assert max(map(len, lines)) <= 120
    # Model, events and picture are written as without labels.
    assert {path.name for path in folder.glob("load.forecast*")} == {
        "load.forecast", "load.forecast.csv", "load.forecast.jsonl", "load.forecast.png",
    }  # fmt: skip


def test_json_holds_every_figure_and_is_what_python_gives(folder):
    document = json.loads(detect(*USUAL, "--labels", "events.csv", "--json").stdout)
    found = forecast.load("load.forecast").evaluate("load.csv", "events.csv")
    assert [row["method"] for row in document["evaluation"]] == found["method"].tolist()
    got = pd.DataFrame(document["evaluation"])["value"].astype(float)
    pd.testing.assert_series_equal(got, found["value"], check_exact=True)
    assert document["measured_on"]["events"] == 3 and document["measured_on"]["tolerance"] == 0
    without = json.loads(detect(*USUAL, "--force", "--json").stdout)
    assert "evaluation" not in without and without["events"] == document["events"]


def test_a_column_of_labels_is_never_learned_from(folder):
    words = ["marked.csv", *USUAL[1:], "--json"]
    marked = json.loads(detect(*words, "--labels", "odd").stdout)
    plain = json.loads(detect(*USUAL, "--labels", "events.csv", "--json").stdout)
    assert marked["evaluation"] == plain["evaluation"] and marked["events"] == plain["events"]
    assert forecast.load("marked.forecast").fitted_.contract.columns.names == ("when", "load")


def test_several_series(folder):
    table = pd.concat([loads().assign(pump=name) for name in ("007", "12")])
    table.to_csv("pumps.csv", index=False)
    events = pd.read_csv("events.csv")
    pd.concat([events.assign(pump=name) for name in ("12", "007")]).to_csv("of_pumps.csv", index=False)
    done = detect("pumps.csv", *USUAL[1:], "--id", "pump", "--labels", "of_pumps.csv")
    assert done.exit_code == 0, done.exception
    assert (
        "6 labelled events, 900 rows of 2 series" in done.stdout
        and "bootstrap draws of 2 series" in done.stdout
    )


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ("nowhere.csv", "nowhere.csv is neither a file nor a column of load.csv"),
        ("load", "no column of numbers"),
        ("load.csv", "no column 'start'"),
        ("early.csv", "None of the 1 events"),
        ("late.csv", "outside of the table"),
        ("swapped.csv", "before the start"),
        ("empty.csv", "no rows"),
        ("nothing.csv", "nothing.csv"),
        ("words.csv", "'yesterday' is not a date"),
    ],
)
def test_odd_labels_get_one_line_and_nothing_is_written(folder, labels, told):
    Path("early.csv").write_text("start\n2024-01-03 00:00\n")
    Path("late.csv").write_text("start\n2025-01-03 00:00\n")
    Path("swapped.csv").write_text("start,end\n2024-01-30,2024-01-29\n")
    Path("empty.csv").write_text("start,end\n")
    Path("nothing.csv").write_text("")
    Path("words.csv").write_text("start\nyesterday\n")
    done = detect(*USUAL, "--labels", labels)
    _refused(done, told)
    assert not list(folder.glob("load.forecast*"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["load.forecast", "load.csv", "--labels", "events.csv"], "measures while it learns"),
        (["load.forecast", "load.csv", "--follow", "--labels", "events.csv"], "measures while it learns"),
        ([*USUAL, "--labels", "events.csv", "--tolerance", "-1"], "--tolerance"),
        (["marked.csv", "--layout", "wide", "--labels", "odd"], "--layout wide"),
        (["-", "--labels", "odd"], "no file odd"),
        (["gone.csv", "--labels", "odd"], "gone.csv"),
    ],
)
def test_words_that_do_not_go_together(folder, words, told):
    detect(*USUAL)
    _refused(detect(*words, input=b"when,load\n"), told)


def _refused(done, told: str) -> None:
    assert getattr(done.exception, "exit_code", done.exit_code) == 2, done.output
    text = done.output + str(done.exception)
    assert told in text and "Traceback" not in text
