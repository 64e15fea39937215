"""Gradients by whichever backend Keras runs on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops


def value_and_gradient(
    function: Callable[[Any], Any], at: np.ndarray, dtype: str
) -> tuple[float, np.ndarray]:
    """Value of a scalar function of one tensor, and its gradient there."""
    point = ops.convert_to_tensor(at, dtype=dtype)
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(point)
            value = function(point)
        gradient = tape.gradient(value, point)
    elif keras.config.backend() == "jax":
        import jax

        value, gradient = jax.value_and_grad(function)(point)
    else:
        point = point.detach().requires_grad_(True)
        value = function(point)
        value.backward()
        value, gradient = value.detach(), point.grad
    return float(value), np.asarray(ops.convert_to_numpy(gradient), np.float64)
