"""How this package's Keras objects are registered, and the dtype of raw values."""

from __future__ import annotations

import keras

REGISTER = keras.saving.register_keras_serializable(package="forecast")


def wide() -> str:
    """Return the dtype of raw values: float64, or float32 on JAX, which has no float64 by default."""
    return "float32" if keras.config.backend() == "jax" else "float64"
