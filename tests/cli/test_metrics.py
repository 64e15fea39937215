"""`forecast metrics`: cards on the terminal and as JSON."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from forecast.evaluation.metrics import METRICS

LABELS = ["unit", "range", "missing", "zeros", "constant", "agrees", "differs", "source"]


def test_all_cards(run):
    result = run("metrics")
    assert result.code == 0
    assert result.err == ""
    lines = result.out.splitlines()
    assert [line for line in lines if line in METRICS] == list(METRICS)
    for label in LABELS:
        assert sum(line.startswith(f"  {label} ") for line in lines) == len(METRICS), label
    assert "left out" in lines[2]


def test_some_cards(run):
    result = run("metrics", "MASE", "smape-100")
    assert result.code == 0
    lines = result.out.splitlines()
    assert [line for line in lines if line and line[0] != " "][-2:] == ["mase", "smape_100"]
    assert "  Mean absolute scaled error, `mean |y - f| / scale`. The scale is the error of" in lines
    assert "  constant   a scale of zero makes it NaN: there is no yardstick" in lines
    assert "\nmae\n" not in result.out


@pytest.mark.parametrize("columns", [40, 57, 80, 100, 300])
def test_lines_fit_the_terminal(run, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = run("metrics").out.splitlines()
    # A formula or the name of a function is not broken within a word.
    long = [line for line in lines if len(line) > min(columns, 100) and " " in line.strip()[11:].strip()]
    assert long == []
    assert max(map(len, lines)) > min(columns, 100) - 15


def test_json(run):
    document = json.loads(run("metrics", "--json").out)
    assert [card["name"] for card in document["metrics"]] == list(METRICS)
    assert set(document["metrics"][0]) == {"name", "definition", "formula", "better", *LABELS}
    assert len(document["contract"]) == 2
    (card,) = json.loads(run("metrics", "crps_sample", "--json").out)["metrics"]
    assert card["formula"] == "mean (E|X - y| - E|X - X'| / 2)"
    assert all(type(value) is str and value for value in card.values())


def test_an_unknown_name_is_refused_with_the_nearest(run):
    result = run("metrics", "mae", "smappe")
    assert result.code == 2
    assert result.error.startswith("There is no metric 'smappe'; metrics are mae, mse,")
    assert result.error.endswith("Did you mean 'smape'?")
    assert run("metrics", "xyzxyz", "--json").code == 2


def test_it_starts_without_pandas_and_keras(child_environment, tmp_path):
    program = (
        "import sys\nfrom forecast.cli import main\ntry:\n    main(['metrics'])\n"
        "finally:\n    print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=child_environment(),
        cwd=tmp_path,
        check=True,
    )
    assert "weighted_quantile_loss" in done.stdout
    loaded = set(done.stderr.split())
    assert "forecast.evaluation.metrics" in loaded
    assert not loaded & {"keras", "tensorflow", "torch", "pandas", "matplotlib", "sklearn", "scipy"}
