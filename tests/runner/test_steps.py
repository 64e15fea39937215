"""Stateful networks in NumPy, one row at a time, beside Keras."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.models import Spec
from forecast.models.dtypes import wide
from forecast.models.forms import forms_of
from forecast.runner.steps import Steps
from tests.models.carrying import ROWS, SPECS, network, sequences

# Logarithms are undone in float64 here; on JAX Keras does it in float32.
CLOSE = 2e-6 if wide() == "float64" else 1e-5
CELLS = [("gru", "tanh"), ("lstm", "tanh"), ("rnn", "relu"), ("rnn", "leaky_relu")]


def steps_of(model, spec: Spec, series: int, **options) -> Steps:
    weights = {layer.name: layer.get_weights() for layer in model.layers}
    return Steps(spec, {"layers": 2} | options, weights, forms_of(model).carried.starts, series)


def known_of(spec: Spec, made: dict) -> np.ndarray | None:
    parts = [made[name] for name in ("known_future", "calendar") if name in made]
    return np.concatenate(parts, axis=-1) if parts else None


def run(steps: Steps, made: dict, which: np.ndarray | slice = slice(None)) -> np.ndarray:
    """Forecasts behind every row, read one after the other."""
    known, past, found = known_of(steps.spec, made), made.get("past_only"), []
    for t in range(made["target"].shape[1]):
        now = None if known is None else known[which, t]
        steps.advance(
            which, made["target"][which, t], past=None if past is None else past[which, t], known=now
        )
        ahead = None if known is None else known[which, t + 1 : t + 1 + steps.spec.horizon]
        found.append(steps.forecast(which, ahead))
    return np.stack(found, axis=1)


@pytest.mark.parametrize(("cell", "activation"), CELLS)
@pytest.mark.parametrize("name", SPECS)
def test_rows_one_by_one_are_those_of_keras(name, cell, activation):
    spec = SPECS[name]
    made, options = sequences(spec), {"cell": cell, "activation": activation}
    made["target"][1] = np.nan_to_num(made["target"][1], nan=5.0)
    model = network(spec, **options)
    carried = forms_of(model).carried
    given_rows = made | {"length": np.full(4, ROWS, np.int32)} | carried.fresh(4)
    after = carried.stretch(ROWS).predict_on_batch(given_rows)
    expected = np.asarray(after.pop("forecast"), np.float64)
    steps = steps_of(model, spec, 4, **options)
    steps.describe(made)
    found = run(steps, made)
    expected = expected.reshape(found.shape)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=CLOSE, atol=CLOSE)
    for state, values in steps.states().items():
        np.testing.assert_allclose(values, np.asarray(after[state]), rtol=1e-5, atol=2e-6)
    # One series of one target is reckoned in plain numbers.
    for i in range(4):
        alone = steps_of(model, spec, 1, **options)
        one = {k: v[i : i + 1] for k, v in made.items()}
        alone.describe(one)
        assert alone.single == (spec.targets == 1)
        np.testing.assert_allclose(run(alone, one)[0], found[i], rtol=1e-6, atol=1e-6)
        states = alone.states()
        alone.stand(states)
        for state, values in steps.states().items():
            np.testing.assert_allclose(states[state], values[i : i + 1], rtol=1e-6, atol=1e-6)
            np.testing.assert_array_equal(alone.states()[state], states[state])


@pytest.mark.parametrize("name", SPECS)
def test_a_series_begins_with_its_first_value(name):
    spec = SPECS[name]
    model, made = network(spec), sequences(spec)
    steps, later = steps_of(model, spec, 4), steps_of(model, spec, 4)
    steps.describe(made)
    later.describe(made)
    found = run(steps, made)[1]
    assert np.isnan(found[:5]).all()
    cut = {k: v[:, 5:] if v.ndim == 3 else v for k, v in made.items()}
    np.testing.assert_array_equal(run(later, cut)[1], found[5:])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=ROWS, max_size=ROWS))
def test_series_may_move_on_in_any_order(turns):
    spec = SPECS["everything"]
    made, model = sequences(spec), network(spec)
    steps, alone = steps_of(model, spec, 4), steps_of(model, spec, 4)
    steps.describe(made)
    alone.describe(made)
    known, rows = known_of(spec, made), np.zeros(4, int)
    assert known is not None
    for turn in turns:
        which = np.flatnonzero(turn)
        if len(which):
            t = rows[which]
            steps.advance(
                which, made["target"][which, t], past=made["past_only"][which, t], known=known[which, t]
            )
            rows[which] += 1
    for i, count in enumerate(rows):
        for t in range(count):
            one = np.array([i])
            alone.advance(one, made["target"][one, t], past=made["past_only"][one, t], known=known[one, t])
    for state, values in alone.states().items():
        np.testing.assert_allclose(steps.states()[state], values, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("series", [1, 3])
def test_a_value_behind_a_long_gap_begins_anew(series):
    spec = Spec(context=6, horizon=2)
    model = network(spec)
    values = np.abs(np.random.default_rng(5).normal(size=(20, series, 1))) + 1
    values[8:14] = np.nan
    steps, anew = steps_of(model, spec, series), steps_of(model, spec, series)
    for row in values:
        steps.advance(slice(None), row)
    for row in values[14:]:
        anew.advance(slice(None), row)
    np.testing.assert_array_equal(steps.forecast(), anew.forecast())
    # A gap that is one row shorter does not end a state.
    shorter = steps_of(model, spec, series)
    for row in np.delete(values, 9, axis=0):
        shorter.advance(slice(None), row)
    assert np.abs(shorter.forecast() - anew.forecast()).max() > 1e-6


def test_nothing_heavier_than_numpy_is_imported():
    code = (
        "import sys, forecast.runner.steps\n"
        "heavy = {'tensorflow', 'keras', 'pandas', 'scipy', 'sklearn', 'h5py', 'matplotlib', 'jax', 'torch'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
