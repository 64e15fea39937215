"""The kernel as an operation of the backend that Keras runs on."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import keras

from forecast.models.native.library import Run


@cache
def _backend() -> ModuleType | None:
    """Return the module of the backend; None where it cannot run the kernel, on a GPU among others."""
    name = keras.config.backend()
    if name == "tensorflow":
        from forecast.models.native import on_tensorflow as found
    elif name == "torch":
        from forecast.models.native import on_torch as found
    elif name == "jax":
        from forecast.models.native import on_jax as found
    else:
        return None
    return found if found.is_there() else None


def is_there() -> bool:
    """Return whether the backend can run the kernel here."""
    return _backend() is not None


def run_layer(run: Run, tensors: dict[str, Any]) -> tuple[Any, Any, list[Any]]:
    """Run a layer over sequences; the result can be differentiated.

    Args:
        run: How.
        tensors: ``x`` ``(batch, steps, inputs)``, ``kernel``, ``recurrent``, ``h0``, and where there are such
            ``bias``, ``c0``, ``mask`` (bool), as in ``library.Sequences``.

    Returns:
        Last output ``(batch, units)``; all outputs ``(batch, steps, units)``, None unless ``run.sequences``; states.
    """
    backend = _backend()
    assert backend is not None, "ask is_there() before"
    return backend.run_layer(run, tensors)
