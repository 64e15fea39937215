"""``forecast classify``: learns, compares, writes; labels new tables; refuses in one line."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from tests.labelled_tables import coughs, gestures

QUICK = ["--steps", "5", "--units", "3", "--members", "1"]


@pytest.fixture(scope="module")
def sequences(tmp_path_factory, run):
    """A folder with a classifier of gestures, two of which had no label."""
    folder = tmp_path_factory.mktemp("sequences")
    table = gestures(12)
    table.loc[table["id"] > "g09", "label"] = None
    table.to_csv(folder / "gestures.csv", index=False)
    result = run("classify", "gestures.csv", "--model", "rnn", *QUICK, folder=folder)
    assert result.code == 0, result.err
    return folder, result


@pytest.fixture(scope="module")
def rows(tmp_path_factory, run):
    """A folder with a labeler of coughs, told as JSON."""
    folder = tmp_path_factory.mktemp("rows")
    coughs(5).to_csv(folder / "coughs.csv", index=False)
    result = run("classify", "coughs.csv", "--json", "--quiet", *QUICK, folder=folder)
    assert result.code == 0, result.err
    return folder, result


def test_it_says_what_it_chose_and_who_won(sequences):
    folder, result = sequences
    assert "of whole sequences" in result.err and "[--label]" in result.err and "2 sequences" in result.err
    for words in ("Held out: ", "summary statistics", "majority", "label \\ predicted", "100 %", "On "):
        assert words in result.out
    assert {path.name for path in folder.iterdir()} >= {
        "gestures.forecast",
        "gestures.forecast.csv",
        "gestures.forecast.png",
    }


def test_sequences_without_a_label_get_one(sequences):
    found = pd.read_csv(sequences[0] / "gestures.forecast.csv")
    assert found.columns.tolist() == ["id", "label", "probability"]
    assert found["id"].tolist() == ["g10", "g11"] and set(found["label"]) <= {"up", "down"}


def test_a_model_labels_a_new_table(sequences, run):
    folder, _ = sequences
    gestures(6, seed=1).drop(columns=["label", "subject"]).to_csv(folder / "new.csv", index=False)
    result = run("classify", "gestures.forecast", "new.csv", folder=folder)
    assert result.code == 0 and len(result.out.splitlines()) == 7
    told = json.loads(run("classify", "gestures.forecast", "new.csv", "--json", folder=folder).out)
    assert [row["id"] for row in told["labels"]] == [f"g{i:02}" for i in range(6)]
    piped = run("classify", "gestures.forecast", "-", stdin=(folder / "new.csv").read_text(), folder=folder)
    assert piped.out == result.out or piped.code == 2


def test_rows_become_events(rows, run):
    folder, result = rows
    assert result.err == ""
    told = json.loads(result.out)
    assert told["kind"] == "labeler" and told["report"][-1]["label"] == "all"
    assert {choice["flag"] for choice in told["choices"]} >= {"--label", "--background", "--durations"}
    found = run("classify", "coughs.forecast", "coughs.csv", "--events", "--out", "events.csv", folder=folder)
    assert found.code == 0
    assert pd.read_csv(folder / "events.csv").columns.tolist()[:4] == ["id", "start", "end", "label"]
    each = run("classify", "coughs.forecast", "coughs.csv", folder=folder)
    assert len(each.out.splitlines()) == 1 + len(coughs(5))


def test_info_tells_classes_and_comparison(rows, run):
    result = run("info", rows[0] / "coughs.forecast")
    assert result.code == 0
    for words in ("cough, normal; of each row", "level", "means around a row", "tensorflow"):
        assert words in result.out or words == "tensorflow"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gestures.forecast"], "name the TABLE"),
        (["missing.csv"], "there is no such file"),
        (["gestures.csv"], "pass --force"),
        (["gestures.csv", "--out", "b", "--label", "lable"], "no column 'lable'"),
        (["gestures.csv", "--out", "b", "--causal"], "--causal is for labels of rows"),
        (["gestures.csv", "--out", "b", "--events"], "belongs to a MODEL"),
        (["gestures.csv", "--out", "b", "--holdout", "0.9"], "at most 0.5"),
        (["gestures.csv", "--out", "b", "--label", "none"], "nothing to learn without labels"),
        (["gestures.csv", "--out", "b", "--per", "rows"], "rows"),
        (["gestures.forecast", "gestures.csv", "--units", "3"], "settled by the model"),
        (["gestures.forecast", "gestures.csv", "--events"], "have no events"),
        (["gestures.csv", "gestures.forecast"], "MODEL comes first"),
        (["gestures.forecast", "other.csv"], "no column 'x'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_get_one_line(sequences, run, words, message):
    folder, _ = sequences
    (folder / "other.csv").write_text("a,b\n1,2\n3,4\n")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    result = run("classify", *words, "--quiet", folder=folder)
    assert result.code == 2
    assert message in result.error
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_other_verbs_point_to_this_one(sequences, air, run):
    folder, _ = sequences
    assert "forecast classify" in run("predict", "gestures.forecast", folder=folder).error
    wrong = run("classify", air, "gestures.csv", folder=folder)
    assert wrong.code == 2 and "forecast predict" in wrong.error
