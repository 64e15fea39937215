"""Exported networks: raw values in, raw values out, as the network forecasts them, or nothing is written."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import forecast
from forecast.errors import ForecastError, InputError, ParameterError
from tests.tables import COVARIATES, PLAIN, shops

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="export goes through TensorFlow, and Keras runs on another"
)
SMALL = {"horizon": 3, "context": 12, "season": 7, "preset": "fast", "units": 4, "steps": 3}
MODELS = {
    "rnn": {"model": "rnn", "cell": "lstm"},
    "segment": {"model": "segment", "ensemble": 2, "target_transform": "asinh"},
    "esrnn": {"model": "esrnn", "short": "pad"},
    "stateful": {"stateful": True},
    "normal": {"model": "rnn", "head": "normal"},
}


@pytest.fixture(scope="module")
def models():
    """Fitted models with gaps in the table, and one with covariates of every kind."""
    table = shops(70, 3)
    table.loc[[30, 31, 100], "sold"] = np.nan
    found = {
        name: forecast.Forecaster(**SMALL, **PLAIN, **options).fit(table) for name, options in MODELS.items()
    }
    covariates = shops(70, 3, covariates=True)
    covariates.loc[[30, 31, 100], ["sold", "promo", "visits"]] = np.nan
    found["covariates"] = forecast.Forecaster(**SMALL, **COVARIATES, model="rnn", calendar=True).fit(
        covariates
    )
    return found


def inputs_of(model) -> dict[str, np.ndarray]:
    network, history = model.fitted_.network, model.fitted_.history
    windows = network.windows(history, first=history.offsets[:-1])
    return windows.inputs(np.arange(min(len(windows), 50)))


@pytest.mark.parametrize("name", [*MODELS, "covariates"])
def test_saved_models_forecast_what_the_network_does(models, name, tmp_path):
    import tensorflow as tf

    model = models[name]
    assert model.export(tmp_path / "served") == tmp_path / "served"
    served = tf.saved_model.load(str(tmp_path / "served")).signatures["serving_default"]
    inputs = inputs_of(model)
    found = served(**{key: tf.constant(value) for key, value in inputs.items()})["forecast"].numpy()
    np.testing.assert_allclose(found, model.model_.predict_on_batch(inputs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [*MODELS, "covariates"])
def test_onnx_files_forecast_what_the_network_does(models, name, tmp_path):
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed (extra onnx)")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra onnx)")
    model, path = models[name], tmp_path / "network.onnx"
    model.export(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs = inputs_of(model)
    (found,) = session.run(["forecast"], {one.name: inputs[one.name] for one in session.get_inputs()})
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, model.model_.predict_on_batch(inputs), rtol=1e-5, atol=1e-4)


def test_a_wrong_conversion_is_not_kept(models, tmp_path, monkeypatch):
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed (extra onnx)")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra onnx)")
    from forecast.estimators import onnx_nodes

    monkeypatch.delitem(onnx_nodes.HANDLERS, "SelectV2")
    with pytest.raises(ForecastError, match="forecasts something else than the network"):
        models["rnn"].export(tmp_path / "network.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_saved_model_is_not_kept(models, tmp_path, monkeypatch):
    import tensorflow as tf

    read = tf.saved_model.load

    class Other:
        def __init__(self, path: str):
            served = read(path).signatures["serving_default"]
            self.signatures = {
                "serving_default": lambda **given: {"forecast": served(**given)["forecast"] + 1}
            }

    monkeypatch.setattr(tf.saved_model, "load", Other)
    with pytest.raises(ForecastError, match="forecasts something else than the network"):
        models["rnn"].export(tmp_path / "served")
    assert list(tmp_path.iterdir()) == []


def test_refusals(models, tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError, match="exists already"):
        models["rnn"].export(tmp_path / "there", "savedmodel")
    with pytest.raises(InputError, match=r"there is no such folder|does not exist"):
        models["rnn"].export(tmp_path / "nowhere" / "served")
    with pytest.raises(ParameterError, match="format must be one of onnx, savedmodel"):
        models["rnn"].export(tmp_path / "x", "tflite")


def test_packages_that_are_missing_are_named(models, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"not installed \(onnxruntime\); pip install"):
        models["rnn"].export(tmp_path / "network.onnx")
