"""What is particular to stacked recurrent networks: cells, stacks, and training on every row."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import keras
import numpy as np
import pytest

from forecast.errors import ParameterError
from forecast.models import Spec, build_rnn
from forecast.models.dtypes import wide
from forecast.models.forms import forms_of
from forecast.models.recurrent import recurrent
from tests.models import laws
from tests.models.laws import PLAIN, randomised, run, windows

BUILDS = {
    "lstm": {"cell": "lstm", "layers": 2, "dropout": 0.1},
    "identity": {"cell": "rnn", "activation": "relu", "start": "identity"},
    "leaky": {"cell": "rnn", "activation": "leaky_relu"},
    "both ways": {"cell": "gru", "bidirectional": True, "layers": 2},
    "residual": {"cell": "gru", "layers": 3, "residual": True, "normalised": True},
    "residual, both ways": {"cell": "lstm", "layers": 2, "residual": True, "bidirectional": True},
    "every step": {"cell": "gru", "layers": 2, "every_step": True, "residual": True, "normalised": True},
}
# Training on every row goes without lags.
RICH, UNSCALED = (replace(spec, lags=0) for spec in (laws.RICH, laws.UNSCALED))
EVERY = Spec(context=9, horizon=4, targets=2, quantiles=(0.2, 0.5), anchor="none", skip=False)

builds = pytest.mark.parametrize("build", BUILDS)


@cache
def network(build: str, spec: Spec, seed: int = 0) -> keras.Model:
    return randomised(build_rnn(spec, units=16, **BUILDS[build]), seed)


def kernels(spec: Spec, **options) -> dict[str, np.ndarray]:
    """First weights of the recurrent layers, by their paths."""
    made = build_rnn(spec, units=6, **options)
    found = {w.path: keras.ops.convert_to_numpy(w) for w in made.weights}
    return {path: w for path, w in found.items() if "kernel" in path and "cell" in path}


@builds
def test_every_step_sees_the_newest_observation(build):
    laws.check_newest_is_seen(network(build, UNSCALED), UNSCALED)


@builds
def test_padding_is_never_read(build):
    laws.check_padding_is_never_read(network(build, UNSCALED), UNSCALED)


@builds
def test_affine_input_gives_affine_output(build):
    laws.check_affine(network(build, RICH), RICH)


@pytest.mark.slow
@builds
def test_batch_size_constants_and_quantiles(build):
    laws.check_batch_size_changes_nothing(network(build, RICH), RICH)
    laws.check_constant(network(build, RICH), RICH)
    laws.check_quantiles_rise(network(build, PLAIN), PLAIN)


@builds
def test_plain_keras_opens_a_saved_model(build, tmp_path):
    model, inputs = network(build, RICH), windows(RICH)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(run(again, inputs), run(model, inputs))


@builds
def test_padded_windows_are_forecast_like_the_same_windows_unpadded(build):
    options = {"quantiles": (0.2, 0.5), "known_future": 2, "skip": False}
    whole, cut = Spec(context=9, horizon=4, padded=True, **options), Spec(context=5, horizon=4, **options)
    inputs = windows(whole) | {"length": np.full(5, 5, "int32")}
    known = np.concatenate([inputs["known_future"][:, :5], inputs["known_future"][:, 9:]], axis=1)
    alone = run(network(build, cut), {"target": inputs["target"][:, :5], "known_future": known})
    np.testing.assert_allclose(run(network(build, whole), inputs), alone, rtol=1e-6)


def test_residual_layers_add_their_input():
    """With later layers that give zero, a residual stack forecasts as its first layer alone."""
    spec = replace(PLAIN, skip=False)
    stack, single = (build_rnn(spec, units=6, cell="rnn", layers=n, residual=True) for n in (2, 1))
    randomised(single)
    for layer in single.layers:
        if layer.weights:
            stack.get_layer(layer.name).set_weights(layer.get_weights())
    second = stack.get_layer("rnn_2")
    second.set_weights([np.zeros(w.shape) for w in second.weights])
    inputs = windows(spec)
    np.testing.assert_array_equal(run(stack, inputs), run(single, inputs))
    plain = build_rnn(spec, units=6, cell="rnn", layers=2)
    plain.set_weights(stack.get_weights())
    assert np.abs(run(plain, inputs) - run(single, inputs)).max() > 1e-3


def test_normalised_states_have_one_size():
    spec = replace(PLAIN, targets=1)
    model = build_rnn(spec, units=6, layers=2, normalised=True)
    states = keras.Model(model.inputs, [model.get_layer(f"normalised_{i}").output for i in (1, 2)])
    rows, last = (keras.ops.convert_to_numpy(s) for s in states(windows(spec)))
    assert rows.shape == (5, 9, 6) and last.shape == (5, 6)
    for values in (rows, last):
        np.testing.assert_allclose(values.mean(axis=-1), 0, atol=1e-5)
        np.testing.assert_allclose(values.std(axis=-1), 1, atol=0.2)


def test_layers_and_directions_begin_differently():
    first, other = (kernels(replace(PLAIN, seed=s), layers=3, bidirectional=True) for s in (1, 2))
    assert len(first) == 12
    for path, kernel in first.items():
        assert not np.array_equal(kernel, other[path])
        twins = [p for p, k in first.items() if p != path and np.array_equal(k, kernel)]
        assert not twins, path


def test_identity_start_remembers():
    made = kernels(PLAIN, cell="rnn", activation="relu", start="identity")
    recurrent_kernel = next(w for path, w in made.items() if path.endswith("recurrent_kernel"))
    np.testing.assert_array_equal(recurrent_kernel, np.eye(6))


def every_row(spec: Spec, inputs: dict[str, np.ndarray], **options) -> tuple[np.ndarray, keras.Model]:
    """Forecasts of the training form ``(windows, context, horizon, targets, quantiles)``, and the model."""
    model = randomised(build_rnn(spec, units=6, every_step=True, **options))
    forms = forms_of(model)
    assert forms.rows == "every"
    ahead = np.full((len(inputs["target"]), spec.horizon, spec.targets), np.nan)
    forecasts = run(forms.training, inputs | {"ahead": ahead})
    return forecasts.reshape(-1, spec.context, *forecasts.shape[1:]), model


def cut_at(inputs: dict[str, np.ndarray], spec: Spec, rows: int) -> dict[str, np.ndarray]:
    """Cut windows behind some of their rows; what was known of the rows behind becomes the horizon's."""
    made = dict(inputs) | {"length": np.full(len(inputs["target"]), rows, "int32")}
    if "known_future" in made:
        known = inputs["known_future"].copy()
        for i, length in enumerate(inputs["length"]):
            line = np.concatenate([known[i, :length], known[i, spec.context :]])[rows : rows + spec.horizon]
            known[i, spec.context : spec.context + len(line)] = line
        made["known_future"] = known
    return made


@pytest.mark.parametrize("independent", [True, False])
@pytest.mark.parametrize(
    "covariates", [{}, {"known_future": 2, "past_only": 1, "static": 2, "missing": True}]
)
def test_a_row_in_training_is_the_window_cut_there(independent, covariates):
    spec = replace(EVERY, padded=True, independent=independent, **covariates)
    inputs = windows(spec, rows=3) | {"length": np.array([9, 6, 2], "int32")}
    trained, model = every_row(spec, inputs, layers=2, residual=True, normalised=True, cell="lstm")
    for rows in range(1, 10):
        real = inputs["length"] >= rows
        alone = run(model, cut_at(inputs, spec, rows))
        np.testing.assert_allclose(trained[real, rows - 1], alone[real], rtol=1e-5, atol=1e-6)
    assert np.abs(np.diff(trained[0], axis=0)).min() > 0


@pytest.mark.parametrize("independent", [True, False])
def test_rows_in_training_start_from_their_own_last_value(independent):
    """Ups and downs of one size have the same spread in every window of pairs, so only the anchor moves."""
    spec = replace(EVERY, context=8, anchor="last", padded=True, independent=independent)
    signs = np.random.default_rng(2).choice([-1.0, 1.0], size=(3, 4, 1, 2))
    target = 50 + 3 * np.concatenate([signs, -signs], axis=2).reshape(3, 8, 2)
    inputs = {"target": target, "length": np.full(3, 8, "int32")}
    trained, model = every_row(spec, inputs)
    for rows in (2, 4, 6, 8):
        # Read from the first value of a window, not from its last: no row may tell of later ones.
        alone = run(model, inputs | {"length": np.full(3, rows, "int32")})
        np.testing.assert_allclose(trained[:, rows - 1], alone, rtol=1e-6 if wide() == "float64" else 1e-4)
    later = target.copy()
    later[:, 4:] = 100 - later[:, 4:]
    changed, _ = every_row(spec, inputs | {"target": later})
    np.testing.assert_array_equal(changed[:, :4], trained[:, :4])
    assert (np.abs(changed[:, 4:] - trained[:, 4:]).max(axis=(2, 3, 4)) > 1e-3).all()


def test_training_on_every_row_shares_the_weights():
    model = build_rnn(RICH, units=6, every_step=True)
    training = forms_of(model).training
    assert {id(w) for w in training.weights} == {id(w) for w in model.weights}
    assert forms_of(build_rnn(RICH, units=6)).training is None


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"cell": "gruu"}, "cell"),
        ({"units": 0}, "units"),
        ({"units": True}, "units"),
        ({"layers": 99}, "layers"),
        ({"dropout": 1.0}, "dropout"),
        ({"recurrent_dropout": -0.1}, "recurrent_dropout"),
        ({"activation": "sigmoid"}, "activation"),
        ({"start": "identity", "cell": "gru"}, "identity"),
        ({"every_step": True, "bidirectional": True}, "one-way"),
    ],
)
def test_wrong_arguments_are_named(wrong, word):
    with pytest.raises(ParameterError, match=word):
        build_rnn(PLAIN, **wrong)


@pytest.mark.parametrize(
    ("spec", "word"),
    [({"anchor": "mean"}, "anchors"), ({"skip": True}, "skip"), ({"lags": 1}, "lags")],
)
def test_every_row_refuses_what_would_show_it_later_rows(spec, word):
    with pytest.raises(ParameterError, match=word):
        build_rnn(replace(PLAIN, **spec), every_step=True)


def test_recurrent_layer_is_the_stock_one():
    layer = recurrent("lstm", 4, bidirectional=True, sequences=True, seed=3)
    assert isinstance(layer, keras.layers.Bidirectional)
    assert layer(np.zeros((2, 5, 3), "float32")).shape == (2, 5, 8)
    forward, backward = (
        keras.ops.convert_to_numpy(one.cell.kernel) for one in (layer.forward_layer, layer.backward_layer)
    )
    assert not np.array_equal(forward, backward)
