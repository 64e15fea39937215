"""What every model file tells: the estimator's arguments, and the versions it was written with."""

from __future__ import annotations

import platform
from typing import Any

import keras
import numpy as np
import pandas as pd

import forecast
from forecast.estimators.packing import plain

# Arguments that are code or live objects: they are not written.
UNSAVED = ("network", "optimizer", "callbacks")


def versions() -> dict[str, str]:
    """Versions of this package and of what it stands on."""
    found = {"keras-forecast": forecast.__version__, "python": platform.python_version()}
    return found | {
        "keras": keras.__version__,
        "backend": keras.config.backend(),
        "numpy": np.__version__,
        "pandas": pd.__version__,
    }


def parameters_of(estimator: Any) -> dict[str, Any]:
    """Return an estimator's arguments as JSON holds them, without those that are code."""
    return {k: plain(v) for k, v in estimator.get_params(deep=False).items() if k not in UNSAVED}


def with_tuples(described: dict[str, Any]) -> dict[str, Any]:
    """Return arguments from JSON with tuples for lists.

    Example:
        >>> with_tuples({"lags": [1, 7], "id": "shop"})
        {'lags': (1, 7), 'id': 'shop'}
    """
    return {k: tuple(v) if isinstance(v, list) else v for k, v in described.items()}
