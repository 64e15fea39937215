"""The kernel as an operation of TensorFlow, with a registered gradient."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import record

from forecast.models.native.library import CELLS, Run, library, threads

_NUMBERS = ("cell", "backwards", "zero_masked", "sequences", "keep", "threads")
_INPUTS = ("x", "kernel", "recurrent", "bias", "h0", "c0", "mask")


@cache
def operations() -> Any:
    """Return the operations; None where TensorFlow does not take them."""
    kernel, path = library(), next(Path(__file__).parent.glob("tensorflow_ops*.so"), None)
    if kernel is None or path is None:
        return None
    try:
        found = tf.load_op_library(str(path))
    except (OSError, tf.errors.OpError):
        return None
    if not hasattr(found, "forecast_recurrent_back"):
        return None
    functions = (kernel.forecast_forward, kernel.forecast_backward, kernel.forecast_reserve)
    ctypes.CDLL(str(path)).forecast_connect(*(ctypes.cast(f, ctypes.c_void_p) for f in functions))
    tf.RegisterGradient("ForecastRecurrent")(_gradient)
    return found


def is_there() -> bool:
    """Return whether TensorFlow runs on a CPU alone and takes the operations."""
    return not tf.config.list_logical_devices("GPU") and operations() is not None


def run_layer(run: Run, tensors: dict[str, Any]) -> tuple[Any, Any, list[Any]]:
    """Run a layer; see ``operation.run_layer``."""
    none = tf.zeros(0)
    given = {name: none if tensors.get(name) is None else tensors[name] for name in _INPUTS}
    if tensors.get("mask") is None:
        given["mask"] = tf.zeros(0, tf.bool)
    found = operations().forecast_recurrent(
        **given,
        cell=CELLS[run.cell],
        backwards=int(run.backwards),
        zero_masked=int(run.zero_masked),
        sequences=int(run.sequences),
        keep=int(record.could_possibly_record()),
        x_asked=1,
        threads=threads() if run.threads is None else run.threads,
    )
    batch, steps, units = *tensors["x"].shape[:2], tensors["recurrent"].shape[0]
    states = [found.h, found.c] if run.cell == "lstm" else [found.h]
    for tensor in (found.last, *states):
        tensor.set_shape((batch, units))
    if run.sequences:
        found.sequence.set_shape((batch, steps, units))
    return found.last, found.sequence if run.sequences else None, states


def _gradient(op: Any, *d_found: Any) -> list[Any]:
    given = dict(zip(_INPUTS, op.inputs, strict=True))
    numbers = {name: op.get_attr(name) for name in _NUMBERS}
    skipped = getattr(op, "skip_input_indices", None) or ()
    d_last, d_h, d_c, d_sequence, _ = d_found
    made = operations().forecast_recurrent_back(
        **given,
        reserve=op.outputs[4],
        d_last=d_last,
        d_h=d_h,
        d_c=d_c,
        d_sequence=d_sequence,
        x_asked=int(0 not in skipped),
        **numbers,
    )
    found = [None if i in skipped else d for i, d in enumerate(made)]
    for d, tensor in zip(found, op.inputs, strict=False):
        if d is not None:
            d.set_shape(tensor.shape)
    return [*found, None]
