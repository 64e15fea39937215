"""The graph of every network that the NumPy runner knows gives what Keras gives."""

from __future__ import annotations

import io
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from forecast.errors import InputError
from forecast.models import Spec, build_ensemble, build_model
from forecast.models.inputs import make_inputs
from forecast.runner.graph import Graph

PLAIN = Spec(context=24, horizon=6, season=12)
FULL = Spec(
    context=24,
    horizon=6,
    targets=2,
    quantiles=(0.1, 0.3, 0.5, 0.9),
    season=12,
    period=12,
    padded=True,
    missing=True,
    known_future=2,
    past_only=1,
    static=3,
    calendar=2,
    lags=2,
    categories=(4,),
    series=5,
    anchor="difference",
    transform="log",
    transform_by=(0.1, 0.2),
    scale_by=(1.0, 2.0),
    positive=True,
)
JOINED = replace(FULL, independent=False, anchor="season", scale_by=(), transform="none", transform_by=())
SPECS = {"plain": PLAIN, "full": FULL, "joined": JOINED}
NAMES = ("rnn", "segment", "esrnn", "linear", "dense")
OPTIONS = {
    "LSTM both ways": ("rnn", FULL, {"cell": "lstm", "bidirectional": True, "layers": 2, "residual": True}),
    "normalised": ("rnn", replace(FULL, anchor="last"), {"layers": 2, "normalised": True, "dropout": 0.1}),
    "ReLU": ("rnn", replace(FULL, anchor="mean", transform="asinh"), {"cell": "rnn", "activation": "relu"}),
    "last period": ("rnn", replace(FULL, anchor="period", transform="power", transform_by=(0.5, 0.3)), {}),
    "unscaled": ("rnn", replace(FULL, anchor="none", scale_by=()), {"activation": "leaky_relu"}),
    "every step": ("rnn", replace(FULL, anchor="last", skip=False, lags=0), {"every_step": True}),
    "one after the other": ("segment", FULL, {"decoding": "recurrent", "cell": "lstm", "segment": 5}),
    "dilated": ("esrnn", replace(FULL, period=24, season=6), {"dilations": (1, 2), "cell": "lstm"}),
    "a skip": ("segment", replace(PLAIN, skip=True, quantiles=(0.5,)), {}),
}


def inputs_of(spec: Spec, batch: int = 5) -> dict[str, np.ndarray]:
    draw, found = np.random.default_rng(3), {}
    for name, tensor in make_inputs(spec).items():
        shape = (batch, *tensor.shape[1:])
        if name == "length":
            values = np.array([1, 5, 24, 13, 24], np.int32)
        elif "int" in tensor.dtype:
            values = draw.integers(0, 8, shape).astype(tensor.dtype)
        else:
            values = np.exp(draw.normal(size=shape)).astype(tensor.dtype)
        if name in ("target", "lagged", "known_future", "past_only"):
            values[draw.random(shape) < 0.1] = np.nan
        found[name] = values
    return found


def graph_of(model: keras.Model) -> Graph:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.weights.h5"
        model.save_weights(path)
        content = io.BytesIO(path.read_bytes())
    return Graph(json.loads(model.to_json()), h5py.File(content))


def moved(model: keras.Model) -> keras.Model:
    """With weights that are not those of the start: zeros would hide what is read."""
    draw = np.random.default_rng(1)
    for weight in model.weights:
        if "seed_generator" not in weight.path:
            value = np.asarray(weight) + 0.1 * draw.normal(size=weight.shape)
            weight.assign(np.abs(value) if weight.path.endswith("scale") else value)
    return model


def check(model: keras.Model, spec: Spec) -> None:
    inputs = inputs_of(spec)
    want, found = np.asarray(moved(model).predict_on_batch(inputs)), graph_of(model)(inputs)
    assert found.shape == want.shape and found.dtype == np.float64
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("name", NAMES)
def test_it_gives_what_keras_gives(name, spec):
    check(build_model(name, SPECS[spec], {}), SPECS[spec])


@pytest.mark.parametrize("name", OPTIONS)
def test_options(name):
    network, spec, options = OPTIONS[name]
    check(build_model(network, spec, options), spec)


def test_ensembles():
    members = [
        {"model": "segment", "spec": {"context": 12}, "options": {"units": 8}},
        {"model": "esrnn", "spec": {"seed": 1}, "options": {"units": 8}},
        {"model": "rnn", "spec": {"seed": 2, "anchor": "last"}, "options": {"units": 8}},
    ]
    check(build_ensemble(FULL, members=members), FULL)


def test_windows_without_a_value():
    model = moved(build_model("rnn", PLAIN, {}))
    inputs = {"target": np.full((2, 24, 1), np.nan)}
    np.testing.assert_allclose(graph_of(model)(inputs), np.asarray(model.predict_on_batch(inputs)), atol=1e-5)


def test_what_it_does_not_know_is_named():
    with pytest.raises(InputError, match="no layer Patches, which this network holds"):
        graph_of(build_model("transformer", PLAIN, {}))
