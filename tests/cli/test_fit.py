"""`forecast fit`: what it prints, writes and refuses."""

from __future__ import annotations

import csv
import json
import re

import pytest

from forecast.cli.fit import model_path
from forecast.errors import ParameterError
from forecast.modelfile import ModelFile

PNG = b"\x89PNG\r\n\x1a\n"


def test_three_files_beside_each_other(air_fit):
    folder, result = air_fit
    names = ["air_passengers.forecast", "air_passengers.forecast.csv", "air_passengers.forecast.png"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert (folder / names[2]).read_bytes().startswith(PNG)
    rows = list(csv.DictReader((folder / names[1]).read_text().splitlines()))
    assert [row["month"][:7] for row in rows] == ["1961-01", "1961-02", "1961-03"]
    assert all(float(row["q0.1"]) <= float(row["forecast"]) <= float(row["q0.9"]) for row in rows)
    assert [f"{name:<9} {path}" for name, path in zip(("model", "forecast", "picture"), names)] == [
        line for line in result.out.splitlines() if line.split()[0] in ("model", "forecast", "picture")
    ]
    assert result.out.splitlines()[-1] == "next      forecast predict air_passengers.forecast --horizon 6"


def test_results_on_stdout_messages_on_stderr(air_fit):
    _, result = air_fit
    lines = result.out.splitlines()
    assert lines[0].startswith("Held-out rows: ")
    assert lines[1].split()[:5] == ["method", "MAE", "RMSE", "MASE", "sMAPE"]
    assert {line.split()[0] for line in lines[2:9]} >= {"network", "naive", "drift", "theta"}
    assert len({len(line) for line in lines[1:9]}) == 1, "the columns are aligned"
    assert any("beats the network" in line or "The network" in line for line in lines)
    said = result.err.splitlines()
    assert said[0] == "time column:   'month' (1949-01-01 to 1960-12-01); its cells are dates  [--time]"
    assert any(line.startswith("epoch 1/1  loss ") for line in said)
    assert not any("--horizon" in line for line in said), "it was given, not chosen"


def test_choices_told_before_training_are_those_of_the_model(air_fit, air):
    told = [line.split("  [")[0].split("; ")[0] for line in air_fit[1].err.splitlines() if "  [--" in line]
    kept = [f"{c['what']}: {c['value']}" for c in ModelFile(air).description["choices"]]
    told = [" ".join(line.split()) for line in told]
    # The work ahead is an estimate of this machine's; the model keeps what was chosen.
    assert kept and told[:-1] == kept
    assert re.fullmatch(r"training: 3 steps, about \d+ s", told[-1])


def test_quiet_json_is_one_document_and_nothing_else(run, tmp_path, datasets, tiny):
    result = run("fit", datasets / "nile.csv", *tiny, "--quiet", "--json", folder=tmp_path)
    assert result.code == 0
    assert result.err == ""
    document = json.loads(result.out)
    assert set(document) == {
        *("choices", "setting", "comparison", "held_out", "verdict", "stopped", "halved", "best_epoch"),
        *("method", "forecast", "files", "weights", "gate", "health", "resume"),
    }
    assert document["files"]["model"] == "nile.forecast"
    assert document["method"] == "network"
    assert document["stopped"] == "epochs"
    assert document["setting"]["horizon"] == 3
    assert {row["method"] for row in document["comparison"]} > {"network", "naive"}
    assert [row["year"][:4] for row in document["forecast"]] == ["1971", "1972", "1973"]
    assert [choice["flag"] for choice in document["choices"]][:2] == ["--time", "--date-format"]


def test_existing_files_are_named_and_kept(run, air_fit, datasets, tiny):
    folder, _ = air_fit
    before = {path: path.read_bytes() for path in folder.iterdir()}
    result = run("fit", datasets / "air_passengers.csv", *tiny, folder=folder)
    assert result.code == 2
    assert result.error == (
        "air_passengers.forecast, air_passengers.forecast.csv, air_passengers.forecast.png exist already; "
        "pass --force to replace, or --out for another name."
    )
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_stdin_and_a_name_of_ones_own(run, tmp_path, datasets, tiny):
    text = (datasets / "nile.csv").read_text()
    result = run("fit", "-", *tiny, "-q", "--out", "river", "--holdout", "0", stdin=text, folder=tmp_path)
    assert result.code == 0, result.err
    assert result.out.startswith(
        "No rows were held out, so nothing was compared.\nmodel     river.forecast\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("river.forecast", "river.forecast.csv", "river.forecast.png")
    ]


def test_the_future_that_is_not_known_yet(run, tmp_path, tiny):
    rows = "".join(f"{i},{i % 5},{i % 2}\n" for i in range(60))
    (tmp_path / "t.csv").write_text("t,y,promo\n" + rows)
    words = [
        "fit",
        "t.csv",
        *tiny,
        "--target",
        "y",
        "--known-future",
        "promo",
        "--holdout",
        "0",
        "--season",
        "5",
    ]
    (tmp_path / "t.forecast.png").write_bytes(b"an older picture")
    result = run(*words, "--force", folder=tmp_path)
    assert result.code == 0, result.err
    assert (
        "Note: The model is saved, but cannot forecast yet. Column 'promo' must be known 3 rows ahead"
        in result.err
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv", "t.forecast"]
    assert result.out.splitlines() == [
        "No rows were held out, so nothing was compared.",
        "model     t.forecast",
        "next      forecast template t.forecast --out future.csv; fill it; forecast predict t.forecast future.csv",
    ]


@pytest.mark.parametrize(
    ("table", "out", "path"),
    [
        ("sales.csv", None, "sales.forecast"),
        ("a/b/sales.csv.gz", None, "sales.forecast"),
        ("SALES.CSV", None, "SALES.forecast"),
        ("sales.v2.parquet", None, "sales.v2.forecast"),
        ("-", None, "stdin.forecast"),
        ("sales.csv", "m", "m.forecast"),
        ("sales.csv", "m.forecast", "m.forecast"),
        ("sales.csv", "v1.2", "v1.2.forecast"),
        ("a/sales.csv", "b/", "b/sales.forecast"),
    ],
)
def test_where_the_model_goes(table, out, path):
    assert model_path(table, out).as_posix() == path


@pytest.mark.parametrize("out", ["m.csv", "m.png", "m.keras", "x/m.parquet"])
def test_a_model_is_not_given_another_kind_of_name(out):
    with pytest.raises(ParameterError, match=r"Pass --out m\."):
        model_path("sales.csv", out)


def test_a_folder_that_does_not_exist(run, tmp_path, datasets):
    result = run("fit", datasets / "nile.csv", "--out", "no/m", folder=tmp_path)
    assert result.code == 2
    assert result.error == "no/m.forecast: the folder 'no' does not exist; create it first."
