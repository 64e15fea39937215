"""``forecast export``: the network for other programs, or one line."""

from __future__ import annotations

import json


def test_a_saved_model(run, air, tmp_path):
    result = run("export", air, "--format", "savedmodel", folder=tmp_path)
    assert result.code == 0, result.err
    assert "input     target (batch, 6, 1), float64" in result.out
    assert "output    forecast (batch, 3, 1, 3), quantiles 0.1, 0.5, 0.9" in result.out
    assert (tmp_path / "air_passengers.savedmodel" / "saved_model.pb").exists()
    again = run("export", air, "--format", "savedmodel", folder=tmp_path)
    assert again.code == 2 and "is a folder" in again.error


def test_as_json(run, air, tmp_path):
    words = ["--format", "savedmodel", "--out", "served", "--json", "--quiet"]
    found = json.loads(run("export", air, *words, folder=tmp_path).out)
    assert found["inputs"] == {"target": ["batch", 6, 1]} and found["file"] == "served"


def test_refusals(run, air, tmp_path):
    assert "there is no such file" in run("export", "nothing.forecast", folder=tmp_path).error
    assert "onnx, savedmodel" in run("export", air, "--format", "tflite", folder=tmp_path).error
    (tmp_path / "air_passengers.onnx").write_text("mine")
    assert "exists already" in run("export", air, folder=tmp_path).error
    assert (tmp_path / "air_passengers.onnx").read_text() == "mine"
