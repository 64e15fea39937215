"""Networks of fitted forecasters as ONNX files and TensorFlow SavedModels: raw values in, raw values out."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from forecast.errors import ForecastError, InputError, ParameterError
from forecast.estimators.network import Network
from forecast.models.native.choice import kernel
from forecast.storage import check_writable, write_atomic

if TYPE_CHECKING:
    from forecast.estimators.forecaster import Forecaster

FORMATS = ("onnx", "savedmodel")
OPSET = 18
# What is written must forecast what the network does, up to this part of the usual error and of the value.
_OF_SCALE, _OF_VALUE = 1e-4, 1e-5
_CHECKED = 32

Run = Callable[[dict[str, np.ndarray]], np.ndarray]


def export(self: Forecaster, path: Any, format: str | None = None) -> Path:
    """Write the network for other programs; what was written is read back and must forecast the same.

    Inputs are those of ``model_`` by name (``target`` ``(batch, context, targets)`` in raw values with NaN where
    missing, and so on), of any batch; the output ``forecast`` is ``(batch, horizon, targets[, quantiles])`` in raw
    values. Quantiles are the network's own: their calibration stays in the model file. Of a network that carries its
    state it is the forecast from a context read afresh.

    Args:
        path: File to create or replace (ONNX), or a folder that does not exist (SavedModel).
        format: ``"onnx"`` (needs ``pip install "keras-forecast[onnx]"``) or ``"savedmodel"``; None: ``"onnx"`` for
            a path that ends in ``.onnx``.

    Returns:
        The path.

    Raises:
        InputError: A package is missing, the backend is not TensorFlow, or the path cannot be written.
        ForecastError: The network cannot be converted, or what was written forecasts something else; nothing is left.
    """
    path = Path(path)
    format = format or ("onnx" if path.suffix.lower() == ".onnx" else "savedmodel")
    if format not in FORMATS:
        raise ParameterError(f"format must be one of {', '.join(FORMATS)}; got {format!r}.")
    if keras.config.backend() != "tensorflow":
        raise InputError(
            f"Export goes through TensorFlow, and Keras runs on {keras.config.backend()}; set KERAS_BACKEND=tensorflow."
        )
    network = self._fitted().network
    inputs, scale = _windows(self)
    # Other programs know the operations of TensorFlow, not the kernel.
    with kernel("keras"):
        if format == "onnx":
            _to_onnx(network, path, inputs, scale)
        else:
            _to_saved_model(network, path, inputs, scale)
    return path


def _windows(forecaster: Forecaster) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return inputs to check by: the newest windows of the history, and their typical errors."""
    fitted = forecaster._fitted()
    panel, network = fitted.history, fitted.network
    least = panel.offsets[:-1] + (1 if network.spec.padded else network.spec.context)
    windows = network.windows(panel, first=np.minimum(least, panel.ends), scales=fitted.scales).thin(_CHECKED)
    if not len(windows):
        raise InputError("The history holds no whole window to check an export by; fit on more rows.")
    scale = windows.scales[windows.series][:, None, :]
    return windows.inputs(np.arange(len(windows))), scale[..., None] if network.spec.outputs > 1 else scale


def _function(network: Network) -> tuple[Any, list[Any]]:
    """Return the network as a function of named tensors, and what it takes."""
    import tensorflow as tf

    model = network.model
    names = list(model.input)
    signature = [
        tf.TensorSpec((None, *model.input[name].shape[1:]), model.input[name].dtype, name=name)
        for name in names
    ]

    @tf.function(input_signature=signature)
    def forecast(*tensors: Any) -> Any:
        return {"forecast": model(dict(zip(names, tensors, strict=True)), training=False)}

    return forecast, signature


def _to_onnx(network: Network, path: Path, inputs: dict[str, np.ndarray], scale: np.ndarray) -> None:
    try:
        import onnxruntime  # pyright: ignore[reportMissingImports]
        import tf2onnx  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise InputError(
            f'ONNX needs a package that is not installed ({error.name}); pip install "keras-forecast[onnx]".'
        ) from None
    from forecast.estimators.onnx_nodes import HANDLERS

    check_writable(path)
    function, signature = _function(network)
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    try:
        made, _ = tf2onnx.convert.from_function(
            function, signature, opset=OPSET, custom_op_handlers=dict(HANDLERS)
        )
        content = made.SerializeToString()
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception as error:  # of many kinds, none of which a user can do anything about
        raise ForecastError(
            f"This network cannot be written as ONNX ({_line(error)}); --format savedmodel may do."
        ) from error
    taken = [one.name for one in session.get_inputs()]
    _check(network, inputs, scale, lambda given: session.run(["forecast"], {n: given[n] for n in taken})[0])
    write_atomic(path, content)


def _to_saved_model(network: Network, path: Path, inputs: dict[str, np.ndarray], scale: np.ndarray) -> None:
    import tensorflow as tf

    if path.exists():
        raise InputError(f"{path} exists already; give the name of a new folder.")
    check_writable(path)
    function, _ = _function(network)
    module: Any = tf.Module()
    # The variables belong to it, or they are not written.
    module.kept = [variable.value for variable in network.model.variables]
    module.forecast = function
    beside = path.with_name(f".{path.name}-{secrets.token_hex(6)}")
    try:
        tf.saved_model.save(module, str(beside), signatures={"serving_default": function})
        served = tf.saved_model.load(str(beside)).signatures["serving_default"]
        _check(
            network,
            inputs,
            scale,
            lambda given: served(**{name: tf.constant(x) for name, x in given.items()})["forecast"].numpy(),
        )
        os.replace(beside, path)
    except OSError as error:
        raise ForecastError(f"{path}: writing failed ({error.strerror or _line(error)}).") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _check(network: Network, inputs: dict[str, np.ndarray], scale: np.ndarray, run: Run) -> None:
    """Refuse what does not forecast the same, for a batch and for a single window."""
    for count in (len(scale), 1):
        given = {name: values[:count] for name, values in inputs.items()}
        want, found = np.asarray(network.model.predict_on_batch(given), np.float64), run(given)
        allowed = _OF_SCALE * scale[:count] + _OF_VALUE * np.abs(want)
        same = found.shape == want.shape and (np.isnan(found) == np.isnan(want)).all()
        if not same or (np.abs(found - want) > allowed).any():
            raise ForecastError(
                "What was written forecasts something else than the network, so it was not kept: the converter does "
                "not know all of its layers. Another format may do."
            )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
