"""Files of classifiers and labelers whose description was altered: one clear line, and never a network that large."""

from __future__ import annotations

import copy
import time
from typing import Any

import numpy as np
import pytest

import forecast
from forecast.errors import DamagedModelFile
from forecast.modelfile import ModelFile, write_model
from tests.labelled_tables import QUICK, coughs


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The file of a small labeler."""
    path = tmp_path_factory.mktemp("saved") / "m.forecast"
    forecast.EventLabeler(**(QUICK | {"steps": 2})).fit(coughs(4)).save(path)
    return path


def altered(saved, path, change, numbers=None):
    """Write the file anew with another description or other numbers, and its own weights."""
    description = copy.deepcopy(ModelFile(saved).description)
    change(description)
    write_model(path, forecast.load(saved).model_, description, numbers or ModelFile(saved).numbers())
    return path


def put(*path: Any):
    *way, last, value = path

    def change(description):
        for name in way:
            description = description[name]
        description[last] = value

    return change


CHANGES = {
    "kind": put("kind", "detector"),
    "other kind": put("kind", "classifier"),
    "no classes": put("classes", []),
    "one class": put("classes", ["a"]),
    "classes of two kinds": put("classes", ["a", 1]),
    "classes out of order": put("classes", ["normal", "cough"]),
    "more classes": put("classes", ["a", "b", "c"]),
    "classes of lists": put("classes", [["a"], ["b"]]),
    "columns": put("columns", "features", ["level", "more"]),
    "column of another kind": put("columns", "time", 3),
    "width": put("spec", "width", 10**9),
    "rows": put("spec", "rows", 10**12),
    "seed": put("spec", "seed", -1),
    "units": put("parameters", "units", 4000),
    "unknown argument": put("parameters", "colour", "red"),
    "cell": put("parameters", "cell", "__import__"),
    "holdout": put("parameters", "holdout", "much"),
    "temperature": put("temperature", float("nan")),
    "cold": put("temperature", 0.0),
    "durations": put("durations", [1]),
    "negative durations": put("durations", [-1, 2]),
    "text of durations": put("durations", ["1", "2"]),
    "background": put("background", 7),
    "told": put("told", {"comparison": None}),
    "comparison": put("told", "comparison", "columns", {"method": ["tree"]}),
    "confusion": put("told", "confusion", "columns", {"a": [1]}),
    "record": put("record", "history", 5),
    "choices": put("choices", [{"what": 1}]),
    "counts": put("rows", -5),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_altered_description_is_refused(saved, tmp_path, name):
    path = altered(saved, tmp_path / "m.forecast", CHANGES[name])
    begin = time.process_time()
    with pytest.raises(DamagedModelFile) as refused:
        forecast.load(path)
    assert time.process_time() - begin < 10
    assert "\n" not in str(refused.value) and str(path) in str(refused.value)


@pytest.mark.parametrize("name", ["middle", "spread", "marked"])
def test_altered_scales_are_refused(saved, tmp_path, name):
    numbers = ModelFile(saved).numbers()
    for wrong in (numbers[name][:0], numbers[name].astype(np.int64), np.full(1, np.nan), numbers[name][None]):
        path = altered(saved, tmp_path / "m.forecast", lambda described: None, numbers | {name: wrong})
        with pytest.raises(DamagedModelFile):
            forecast.load(path)


def test_every_missing_field_is_refused(saved, tmp_path):
    for field in set(ModelFile(saved).description) - {"format", "sha256", "versions"}:
        path = altered(saved, tmp_path / "m.forecast", lambda described, field=field: described.pop(field))
        with pytest.raises(DamagedModelFile):
            forecast.load(path)


def test_an_unaltered_copy_is_read(saved, tmp_path):
    path = altered(saved, tmp_path / "m.forecast", lambda described: None)
    expected = forecast.load(saved).predict_proba(coughs(2))
    assert forecast.load(path).predict_proba(coughs(2)).equals(expected)
