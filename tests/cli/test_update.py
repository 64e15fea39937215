"""``forecast update``: newer rows, a better network or the old one, and one file."""

from __future__ import annotations

import json
import shutil

import pytest


@pytest.fixture
def folder(air, datasets, tmp_path):
    """The model of the whole table is too new: one of its first ten years, and the rows behind."""
    header, *rows = (datasets / "air_passengers.csv").read_text().splitlines(keepends=True)
    (tmp_path / "old.csv").write_text(header + "".join(rows[:120]))
    (tmp_path / "new.csv").write_text(header + "".join(rows[120:]))
    (tmp_path / "all.csv").write_text(header + "".join(rows))
    return tmp_path


@pytest.fixture
def model(folder, run, tiny):
    assert run("fit", "old.csv", "--quiet", *tiny, folder=folder).code == 0
    return folder / "old.forecast"


def test_a_model_is_updated_in_its_place(run, model, folder):
    old = model.read_bytes()
    result = run("update", "old.forecast", "new.csv", folder=folder)
    assert result.code == 0, result.err
    assert "fine-tuning: 20 windows of new rows and 20 of older ones" in result.err
    assert "Fine-tuned on" in result.out and "on the last 4 rows" in result.out
    assert "newest    1960-12-01" in result.out and "model     old.forecast" in result.out
    assert model.read_bytes() != old
    assert "1961-01-01" in run("predict", "old.forecast", folder=folder).out
    assert (
        "last training:" in run("info", "old.forecast", folder=folder).out or "stays as it was" in result.out
    )
    assert sorted(p.name for p in folder.glob("*.forecast*")) == [
        "old.forecast",
        "old.forecast.csv",
        "old.forecast.png",
    ]


def test_as_json_into_another_file_from_stdin(run, model, folder):
    old = model.read_bytes()
    text = (folder / "all.csv").read_text()
    words = ["--refit", "--force", "--out", "better", "--json", "--quiet"]
    result = run("update", "old.forecast", "-", *words, folder=folder, stdin=text)
    assert result.code == 0 and result.err == ""
    found = json.loads(result.out)
    assert found["way"] == "refitted" and found["replaced"] and found["taught"] == "140 rows"
    assert found["forced"] == (not found["after"] < found["before"])
    assert {row["method"] for row in found["comparison"]} >= {"before", "after", "naive", "seasonal-naive"}
    assert found["files"] == {"model": "better.forecast"} and model.read_bytes() == old
    assert "refitted on 140 rows" in run("info", "better.forecast", folder=folder).out


def test_without_training(run, model, folder):
    medians = run("predict", "old.forecast", "all.csv", "--quantiles", "none", folder=folder).out
    result = run("update", "old.forecast", "new.csv", "--no-training", folder=folder)
    assert result.code == 0 and result.err == ""
    assert run("predict", "old.forecast", "--quantiles", "none", folder=folder).out == medians


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["old.csv"], "The table has 0 new rows; 4 are needed"),
        (["missing.csv"], "missing.csv: there is no such file."),
        (["new.csv", "--no-training", "--refit"], "--no-training trains nothing; leave out --refit."),
        (["new.csv", "--replay", "1"], "a number of at least 0 and below 1"),
        (["new.csv", "--out", "other"], "other.forecast exists already; pass --out another name."),
        (["old.forecast"], "is a model where a table is expected"),
    ],
)
def test_refusals_leave_the_model_alone(run, model, folder, words, said):
    shutil.copy(model, folder / "other.forecast")
    old = model.read_bytes()
    result = run("update", "old.forecast", *words, folder=folder)
    assert result.code == 2 and said in result.error
    assert model.read_bytes() == old
