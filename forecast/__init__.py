"""Honest forecasts from tabular time series with recurrent networks in Keras.

    import forecast
    model = forecast.Forecaster().fit("sales.csv")
    model.predict(horizon=24)

Names are loaded when first used, so that ``import forecast`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Forecaster": "forecast.estimators.forecaster",
    "Baseline": "forecast.estimators.baseline",
    "SequenceClassifier": "forecast.estimators.classifier",
    "EventLabeler": "forecast.estimators.labeler",
    "cross_validate": "forecast.estimators.cross_validation",
    "Detector": "forecast.estimators.detector",
    "assert_online": "forecast.estimators.online",
    "backtest": "forecast.backtesting.backtest",
    "audit": "forecast.auditing.audit",
    "audit_evaluation": "forecast.auditing.procedures",
    "tune": "forecast.tuning.tune",
    "load": "forecast.estimators.saving",
    "load_runner": "forecast.estimators.numpy_runner",
    "load_dataset": "forecast.data.sources",
    "list_datasets": "forecast.data.sources",
    "read_table": "forecast.data.table",
    "to_panel": "forecast.data.gridding",
    "windows": "forecast.training.sequence",
    "gradient_health": "forecast.training.health",
    "Panel": "forecast.data.panel",
    "Columns": "forecast.data.columns",
    "ForecastError": "forecast.errors",
    "InputError": "forecast.errors",
    "ForecastWarning": "forecast.errors",
}

__all__ = ["__version__", "models", *_HOMES]


def __getattr__(name: str) -> Any:
    if name == "models":
        return import_module("forecast.models")
    if name not in _HOMES:
        raise AttributeError(f"module 'forecast' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
