"""``forecast predict --runner numpy``: the same forecast, at once."""

from __future__ import annotations

import csv
import io
import json

import pytest


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def alike(found: str, want: str) -> None:
    found, want = rows_of(found), rows_of(want)
    assert found[0] == want[0] and [row[0] for row in found] == [row[0] for row in want]
    for own, other in zip(found[1:], want[1:], strict=True):
        assert [float(cell) for cell in own[1:]] == pytest.approx(
            [float(cell) for cell in other[1:]], rel=1e-5
        )


def test_the_forecast_is_the_same(run, air):
    alike(run("predict", air, "--runner", "numpy").out, run("predict", air).out)
    words = ["--horizon", "2", "--quantiles", "none"]
    alike(run("predict", air, *words, "--runner", "numpy").out, run("predict", air, *words).out)


def test_newer_rows_a_file_and_json(run, air, tmp_path):
    table = "month,passengers\n1961-01-01,450\n1961-02-01,\n1961-03-01,460\n"
    (tmp_path / "new.csv").write_text(table)
    words = ["predict", air, "new.csv", "--runner", "numpy"]
    result = run(*words, "--out", "ahead.csv", folder=tmp_path)
    assert result.code == 0 and result.out == "rows      ahead.csv\n"
    want = run("predict", air, "new.csv", folder=tmp_path).out
    alike((tmp_path / "ahead.csv").read_text(), want)
    alike(run("predict", air, "-", "--runner", "numpy", stdin=table).out, want)
    found = json.loads(run(*words, "--json", folder=tmp_path).out)
    assert found["method"] == "network" and found["forecast"][0]["month"] == "1961-04-01"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--total"], "leave out --total"),
        (["--method", "theta"], "leave out --method"),
        (["--out", "x.parquet"], "names another kind of file"),
        (["missing.csv"], "missing.csv: there is no such file."),
        (["--horizon", "99"], "up to the trained horizon of 3 rows"),
        (["--delimiter", ";"], "leave out --delimiter"),
    ],
)
def test_refusals(run, air, tmp_path, words, said):
    result = run("predict", air, *words, "--runner", "numpy", folder=tmp_path)
    assert result.code == 2 and said in result.error


def test_another_method_is_named(run, datasets, tiny, tmp_path):
    done = run("fit", datasets / "air_passengers.csv", "--quiet", "--method", "auto", *tiny, folder=tmp_path)
    assert done.code == 0, done.err
    words = ["predict", "air_passengers.forecast", "--runner", "numpy"]
    assert "forecasts by the method auto" in run(*words, folder=tmp_path).error
    network = [*words[:2], "--method", "network"]
    alike(run(*words, "--method", "network", folder=tmp_path).out, run(*network, folder=tmp_path).out)


def test_quantiles_out_of_reach_are_empty(run, datasets, tiny, tmp_path):
    words = ["--quantiles", "0.001,0.999", "--quiet", *tiny]
    assert run("fit", datasets / "air_passengers.csv", *words, folder=tmp_path).code == 0
    words = ["predict", "air_passengers.forecast", "--quiet"]
    want, found = (run(*words, *more, folder=tmp_path).out for more in ([], ["--runner", "numpy"]))
    assert rows_of(found)[1][2:] == ["", ""] and rows_of(want)[1][2:] == ["", ""]
    record = json.loads(run(*words, "--runner", "numpy", "--json", folder=tmp_path).out)["forecast"][0]
    assert record["q0.001"] is None


def test_it_starts_without_keras_and_pandas(apart, air, tmp_path):
    heavy = "import sys; sys.modules['keras'] = sys.modules['pandas'] = sys.modules['tensorflow'] = None\n"
    (tmp_path / "sitecustomize.py").write_text(heavy)
    result = apart("predict", air, "--runner", "numpy", folder=tmp_path, PYTHONPATH=_path(tmp_path))
    assert result.code == 0, result.err
    assert result.out.startswith("month,forecast,q0.1,q0.9\n1961-01-01,")


def _path(folder):
    import os
    from pathlib import Path

    import forecast

    return os.pathsep.join([str(folder), str(Path(forecast.__file__).parents[1])])
