"""The default classifier on public sets that come with packages; the whole table is `benchmarks/classification.py`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

import forecast

PATH = Path(__file__).parents[1] / "benchmarks" / "classification.py"
# One seed, where the table shows the mean of three; about two standard errors of a test part of this size.
DOUBT = 0.012


@pytest.fixture(scope="module")
def benchmark():
    """The benchmark as a module."""
    spec = importlib.util.spec_from_file_location("classification_benchmark", PATH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_files_of_the_archives_are_read(benchmark, tmp_path):
    path = tmp_path / "a.ts"
    path.write_text("# by hand\n@problemName a\n@data\n1,2,3:4,5,6:up\n\n7:8:down\n")
    X, y = benchmark.read_ts(path)
    assert [part.tolist() for part in X] == [[[1, 4], [2, 5], [3, 6]], [[7, 8]]]
    assert y.tolist() == ["up", "down"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "GunPoint", "ItalyPowerDemand", "JapaneseVowels"])
def test_the_default_recipe_classifies(benchmark, name):
    try:
        (X, y), (X_test, y_test) = benchmark.load(name)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    if name == "JapaneseVowels":
        assert len({len(x) for x in X}) > 5
    model = forecast.SequenceClassifier(seed=0).fit(X, y)
    accuracy = float(np.mean(model.predict(X_test) == y_test))
    assert accuracy >= benchmark.SETS[name][0] - DOUBT
