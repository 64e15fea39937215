"""Networks that carry their state: rows one by one, in stretches and side by side are the same; so are gradients."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from forecast.errors import ParameterError
from forecast.models import Spec
from forecast.models.forms import forms_of
from forecast.models.stateful import build_stateful
from tests.models.carrying import ROWS, SPECS, network, part, sequences

every = pytest.mark.parametrize("name", SPECS)
cells = pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
LANES = 4


def carried_of(model: keras.Model):
    return forms_of(model).carried


def go_through(model: keras.Model, spec: Spec, made: dict, cuts: list[int], rows: int):
    """Read sequences in parts; return the forecasts behind every row, and the states at the end."""
    carried = carried_of(model)
    states, found = carried.fresh(LANES), []
    for begin, end in zip(cuts[:-1], cuts[1:], strict=True):
        after = carried.stretch(rows).predict_on_batch(part(spec, made, begin, end, rows) | states)
        forecasts = np.asarray(after.pop("forecast"), np.float64)
        found.append(forecasts.reshape(LANES, rows, *forecasts.shape[1:])[:, : end - begin])
        states = {name: np.asarray(values) for name, values in after.items()}
    return np.concatenate(found, axis=1), states


@every
@cells
def test_rows_in_parts_of_any_length_are_all_rows(name, cell):
    spec = SPECS[name]
    model, made = network(spec, cell=cell), sequences(spec)
    whole = np.asarray(model.predict_on_batch({k: v for k, v in made.items() if k in model.input}))
    singly, after_singly = go_through(model, spec, made, list(range(ROWS + 1)), 1)
    parts, after_parts = go_through(model, spec, made, [0, 7, 12, 19, ROWS], 7)
    np.testing.assert_allclose(singly[:, -1], whole, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(parts, singly, rtol=2e-5, atol=2e-5)
    # Before its first value a series has no level.
    assert np.isnan(singly[1, :5]).all() == (spec.anchor != "none")
    for state, values in after_singly.items():
        np.testing.assert_allclose(after_parts[state], values, rtol=2e-5, atol=2e-5)


def gradients(model: keras.Model, batches: list[tuple[dict, np.ndarray, np.ndarray]]) -> list[np.ndarray]:
    """Steps of plain gradient descent at rate 1 from the present weights, summed and undone."""
    start = [keras.ops.convert_to_numpy(w) + 0.0 for w in model.trainable_weights]
    total = [np.zeros_like(w) for w in start]

    def summed(actual, forecasts):
        return ops.square(forecasts - actual)

    model.compile(keras.optimizers.SGD(1.0), loss=summed, run_eagerly=False)
    for inputs, actual, weights in batches:
        model.train_on_batch(inputs, actual, sample_weight=weights)
        for k, (weight, first) in enumerate(zip(model.trainable_weights, start, strict=True)):
            total[k] += first - keras.ops.convert_to_numpy(weight)
            weight.assign(first)
    return total


def close(found: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    largest = max(np.abs(one).max() for one in expected)
    assert largest > 1e-3
    return all(np.abs(a - b).max() < 2e-5 * largest for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("masked", [False, True])
@cells
def test_gradients_are_those_of_full_backpropagation_where_a_stretch_holds_the_sequence(cell, masked):
    spec = Spec(context=ROWS, horizon=2, known_future=1)
    model = network(spec, cell=cell, chunk=ROWS, lanes=LANES)
    made = sequences(spec)
    made["target"] = np.nan_to_num(made["target"], nan=4.0)
    lengths = np.array([ROWS, 12, 5, 1] if masked else [ROWS] * LANES, np.int32)
    rng = np.random.default_rng(1)
    actual = rng.normal(size=(LANES * ROWS, 2, 1)) + 4
    real = (np.arange(ROWS) < lengths[:, None]).reshape(-1, 1, 1) * np.ones((1, 2, 1))
    carried = carried_of(model)
    stretch = carried.stretch(ROWS)
    full = keras.Model(stretch.input, stretch.output["forecast"])
    inputs = made | {"length": lengths} | carried.fresh(LANES)
    expected = gradients(full, [(inputs, actual, real)])
    fresh = np.ones(LANES, np.int32)
    found = gradients(forms_of(model).training, [(made | {"fresh": fresh}, actual, real)])
    assert close(found, expected)


def test_gradients_end_at_the_beginning_of_a_stretch_while_values_go_on():
    spec, half = Spec(context=ROWS, horizon=2), ROWS // 2
    model, made = network(spec, chunk=half, lanes=LANES), sequences(spec)
    made["target"] = np.nan_to_num(made["target"], nan=4.0)
    training, actual = forms_of(model).training, np.full((LANES * half, 2, 1), 4.0)
    halves = [{"target": made["target"][:, k * half : (k + 1) * half]} for k in range(2)]
    fresh = [np.full(LANES, k == 0, np.int32) for k in range(2)]
    weights = np.ones((LANES * half, 2, 1))
    _, second = (
        (inputs | {"fresh": new}, actual, weights) for inputs, new in zip(halves, fresh, strict=True)
    )
    # The second stretch goes on from where the first one ended …
    training.predict_on_batch(halves[0] | {"fresh": fresh[0]})
    went_on = np.asarray(training.predict_on_batch(second[0]))
    whole, _ = go_through(model, spec, made, [0, ROWS], ROWS)
    np.testing.assert_allclose(went_on, whole[:, half:].reshape(went_on.shape), rtol=2e-5)
    # … and its gradient is that of a stretch which was given these states as numbers.
    carried = carried_of(model)
    _, states = go_through(model, spec, made, [0, half], half)
    stretch = carried.stretch(half)
    given = keras.Model(stretch.input, stretch.output["forecast"])
    inputs = halves[1] | {"length": np.full(LANES, half, np.int32)} | states
    expected = gradients(given, [(inputs, actual, weights)])
    training.predict_on_batch(halves[0] | {"fresh": fresh[0]})
    assert close(gradients(training, [second]), expected)


def test_a_lane_that_begins_anew_forgets_and_the_others_do_not():
    spec = Spec(context=ROWS, horizon=2)
    model, made = network(spec, chunk=ROWS, lanes=LANES), sequences(spec)
    training, inputs = forms_of(model).training, {"target": np.nan_to_num(made["target"], nan=4.0)}
    anew = np.asarray(training.predict_on_batch(inputs | {"fresh": np.ones(LANES, np.int32)}))
    later = np.asarray(training.predict_on_batch(inputs | {"fresh": np.array([0, 1, 0, 1], np.int32)}))
    change = np.abs(later - anew).reshape(LANES, -1).max(axis=1)
    assert (change[[1, 3]] == 0).all() and (change[[0, 2]] > 1e-4).all()


@pytest.mark.parametrize(
    ("spec", "options", "word"),
    [
        (Spec(context=4, horizon=1, anchor="mean"), {}, "anchors last, period, none"),
        (Spec(context=4, horizon=1, lags=1), {}, "no lags"),
        (Spec(context=4, horizon=1, skip=True), {}, "no skip"),
        (Spec(context=4, horizon=1, scale_by=(1.0,)), {}, "no scale_by"),
        (Spec(context=4, horizon=1), {"chunk": 0}, "chunk"),
        (Spec(context=4, horizon=1), {"smoothing": 1.0}, "smoothing"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(spec, options, word):
    with pytest.raises(ParameterError, match=word):
        build_stateful(spec, **options)
