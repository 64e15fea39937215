"""``forecast fit --diagnose``: how far back gradients reach, told, drawn, and kept in the file."""

from __future__ import annotations

import json

QUICK = ["--preset", "fast", "--steps", "3", "--units", "4", "--horizon", "6", "--context", "24"]


def test_gradients_are_told_drawn_and_kept(run, datasets, tmp_path):
    result = run(
        "fit", datasets / "air_passengers.csv", *QUICK, "--model", "rnn", "--diagnose", folder=tmp_path
    )
    assert result.code == 0, result.err
    assert "Gradients before training" in result.out
    assert "Gradients after training: clipped in" in result.out
    assert "Held open, its gates keep it for" in result.out
    assert "gradients air_passengers.forecast.gradients.png" in result.out
    assert (tmp_path / "air_passengers.forecast.gradients.png").read_bytes().startswith(b"\x89PNG")
    shown = run("info", "air_passengers.forecast", folder=tmp_path)
    assert "Gradients after training: clipped in" in shown.out
    described = json.loads(run("info", "air_passengers.forecast", "--json", folder=tmp_path).out)
    assert [health["moment"] for health in described["health"]] == ["before training", "after training"]


def test_as_json(run, datasets, tmp_path):
    result = run(
        "fit",
        datasets / "air_passengers.csv",
        *QUICK,
        "--model",
        "segment",
        "--diagnose",
        "--json",
        "--quiet",
        folder=tmp_path,
    )
    before, after = json.loads(result.out)["health"]
    assert before["layers"][0]["memory"] <= before["layers"][0]["reach"]
    assert after["advice"]
    assert 0 <= after["clipped"] <= 1


def test_without_recurrent_layers_nothing_is_drawn(run, datasets, tmp_path):
    result = run(
        "fit", datasets / "air_passengers.csv", *QUICK[:4], "--model", "linear", "--diagnose", folder=tmp_path
    )
    assert result.code == 0, result.err
    assert "No layer is a SimpleRNN, LSTM or GRU" in result.out
    assert not (tmp_path / "air_passengers.forecast.gradients.png").exists()


def test_an_existing_picture_is_not_overwritten(run, datasets, tmp_path):
    (tmp_path / "air_passengers.forecast.gradients.png").write_text("mine")
    result = run("fit", datasets / "air_passengers.csv", *QUICK, "--diagnose", folder=tmp_path)
    assert result.code == 2
    assert (tmp_path / "air_passengers.forecast.gradients.png").read_text() == "mine"


def test_without_the_flag_nothing_is_measured(run, datasets, tmp_path):
    result = run(
        "fit",
        datasets / "air_passengers.csv",
        *QUICK[:4],
        "--model",
        "linear",
        "--json",
        "--quiet",
        folder=tmp_path,
    )
    assert json.loads(result.out)["health"] == []
    assert "Gradients" not in run("info", "air_passengers.forecast", folder=tmp_path).out
