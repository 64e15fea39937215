"""`forecast evaluate`, `plot` and `info`, and wrong kinds of files for every verb."""

from __future__ import annotations

import json
import shutil
import zipfile

import pytest

from forecast.modelfile import DESCRIPTION

PNG = b"\x89PNG\r\n\x1a\n"
VERBS = ["predict", "evaluate", "plot", "info", "template"]


def test_evaluate_on_rows_of_training(run, air, datasets):
    result = run("evaluate", air, datasets / "air_passengers.csv")
    assert result.code == 0
    assert result.err == ""
    lines = result.out.splitlines()
    assert lines[0].startswith("Rows of training: ")
    assert lines[-1].startswith("Training has seen these rows")


def test_evaluate_on_newer_rows(run, air, datasets):
    months = [f"{1961 + i // 12}-{1 + i % 12:02d}-01,{400 + i}" for i in range(12)]
    text = (datasets / "air_passengers.csv").read_text() + "\n".join(months) + "\n"
    document = json.loads(run("evaluate", air, "-", "--json", stdin=text).out)
    assert document["measured_on"]["in_sample"] is False
    assert document["measured_on"]["windows"] == 10
    assert document["measured_on"]["points"] == 30
    assert {row["method"] for row in document["comparison"]} > {"network", "naive"}
    words = run("evaluate", air, "-", "--windows", "4", stdin=text).out
    assert words.startswith("Newer rows: 12 values in 4 windows of 1 series;")
    assert "Training has seen" not in words


def test_evaluate_needs_the_target(run, air):
    result = run("evaluate", air, "-", stdin="month\n1961-01\n")
    assert result.code == 2
    assert "no column 'passengers' for --target" in result.error
    short = run("evaluate", air, "-", stdin="month,passengers\n1961-01,4\n")
    assert short.code == 2
    assert "No series of the table has 9 observed rows" in short.err


def test_plot(run, air, shops, tmp_path, datasets):
    result = run("plot", air, folder=tmp_path)
    assert result.out == "picture   air_passengers.forecast.plot.png\n"
    assert (tmp_path / "air_passengers.forecast.plot.png").read_bytes().startswith(PNG)
    training = run("plot", air, "--training", folder=tmp_path)
    assert training.out == "picture   air_passengers.forecast.training.png\n"
    assert (tmp_path / "air_passengers.forecast.training.png").read_bytes().startswith(PNG)
    again = run("plot", air, folder=tmp_path)
    assert again.code == 2
    assert "exists already" in again.error
    longer = run(
        "plot", air, datasets / "air_passengers.csv", "--horizon", 9, "--out", "p.png", "-q", folder=tmp_path
    )
    assert longer.out == "picture   p.png\n"
    assert longer.err == ""
    assert run("plot", air, "--force", "--out", "p.png", folder=tmp_path).code == 0


def test_info_of_a_model(run, air, shops):
    result = run("info", shops)
    assert result.code == 0
    lines = result.out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        *("Columns", "Sizes", "Training", "Comparison on held-out rows", "Versions")
    ]
    columns = [line.split()[:2] for line in lines[1:9]]
    assert columns == [
        ["date", "time"],
        ["shop", "id"],
        ["sales", "target"],
        ["promo", "known-future"],
        ["holiday", "known-future"],
        ["footfall", "past-only"],
        ["region", "static"],
        ["floor_area", "static"],
    ]
    assert "  context   6 rows, horizon 3 rows, season 7 rows, step D (daily)" in lines
    assert "  network   rnn (units 4), anchor last, context 6" in lines
    document = json.loads(run("info", shops, "--json").out)
    assert document["kind"] == "forecaster"
    assert document["setting"]["context"] == 6
    assert document["parameters"]["units"] == 4


def test_info_of_this_program(run):
    about = json.loads(run("info", "--json").out)
    assert {"forecast", "python", "tensorflow", "keras"} <= set(about)
    assert run("info").out.splitlines()[0] == f"forecast     {about['forecast']}"
    assert about["kernel"].startswith(("native, ", "that of Keras; the native one is not built"))


def test_info_of_a_kernel_that_is_switched_off(run, monkeypatch):
    monkeypatch.setenv("FORECAST_KERNEL", "keras")
    about = json.loads(run("info", "--json").out)
    assert about["kernel"] == "that of Keras; the native one is switched off"
    monkeypatch.setenv("FORECAST_KERNEL", "fast")
    found = run("info")
    assert found.code == 2 and "FORECAST_KERNEL must be one of auto, native, keras; got 'fast'" in found.err


def test_info_of_a_baseline(run, tmp_path, datasets):
    import forecast

    path = tmp_path / "naive.forecast"
    forecast.Baseline("naive", horizon=3).fit(str(datasets / "nile.csv")).save(path)
    result = run("info", path)
    assert result.code == 0
    assert result.out.splitlines()[:2] == ["Method", "  naive"]
    refused = run("predict", path)
    assert refused.code == 2
    assert refused.error == f"{path} holds a baseline, not a forecaster; use it by forecast.load in Python."


@pytest.fixture(scope="module")
def wrong(air, datasets, tmp_path_factory):
    """Files that are no models of this version, by what is wrong with them."""
    folder = tmp_path_factory.mktemp("wrong")
    content = air.read_bytes()
    (folder / "truncated.forecast").write_bytes(content[: len(content) // 2])
    middle = len(content) // 2
    (folder / "altered.forecast").write_bytes(
        content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    )
    shutil.copy(datasets / "nile.csv", folder / "nile.csv")
    with zipfile.ZipFile(air) as old, zipfile.ZipFile(folder / "newer.forecast", "w") as new:
        for name in old.namelist():
            member = old.read(name)
            if name == DESCRIPTION:
                member = json.dumps(json.loads(member) | {"format": 99}).encode()
            new.writestr(name, member)
        new.writestr("a member of the future", b"")
    return folder


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.forecast", "there is no such file"),
        ("nile.csv", "not a model of this program but a table; `forecast fit "),
        ("truncated.forecast", "was truncated or altered"),
        ("altered.forecast", "was truncated or altered"),
        (
            "newer.forecast",
            "was written in format 99, and this version reads up to 1; upgrade keras-forecast.",
        ),
        (".", "is a folder, not a model file."),
    ],
)
def test_wrong_files_for_every_verb(run, wrong, tmp_path, verb, name, said):
    words = [verb, wrong / name] + ([wrong / "nile.csv"] if verb == "evaluate" else [])
    result = run(*words, folder=tmp_path)
    assert result.code == 2
    assert said in result.error
    assert str(wrong) in result.error
    assert list(tmp_path.iterdir()) == []


def test_swapped_files(run, wrong, air):
    result = run("predict", wrong / "nile.csv", air)
    assert "the MODEL comes first, then the TABLE" in result.error
    result = run("predict", air, air)
    assert result.error == f"{air} is a model where a table is expected."


def test_a_mistyped_model_is_suggested(run, air):
    result = run("info", "air_pasengers.forecast", folder=air.parent)
    assert result.error.endswith("Did you mean 'air_passengers.forecast'?")


def test_a_description_that_lies_is_told_in_one_line(run, air, tmp_path):
    for change in ({"contract": 3}, {"setting": None}, {"choices": [1]}, {"versions": "x"}, {"record": {}}):
        with zipfile.ZipFile(air) as old, zipfile.ZipFile(tmp_path / "m.forecast", "w") as new:
            for name in old.namelist():
                member = old.read(name)
                if name == DESCRIPTION:
                    member = json.dumps(json.loads(member) | change).encode()
                new.writestr(name, member)
        result = run("info", "m.forecast", folder=tmp_path)
        assert result.code == 2
        assert "was truncated or altered: its description makes no sense." in result.error


def test_steering_characters_of_a_file_do_not_reach_the_terminal(run, air, tmp_path):
    with zipfile.ZipFile(air) as old, zipfile.ZipFile(tmp_path / "m.forecast", "w") as new:
        for name in old.namelist():
            member = old.read(name)
            if name == DESCRIPTION:
                member = member.replace(b'"passengers"', b'"pass\\u001b[2Jengers"')
            new.writestr(name, member)
    result = run("info", "m.forecast", folder=tmp_path)
    assert result.code == 0
    assert "\x1b" not in result.out
    assert "pass\\x1b[2Jengers" in result.out
