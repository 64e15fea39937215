"""What a fitted forecaster has learned, as its attributes tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from forecast.evaluation.comparison import verdict as sentence
from forecast.training.gradients import Health

if TYPE_CHECKING:
    from forecast.estimators.forecaster import Forecaster


def model(forecaster: Forecaster) -> Any:
    """Return the trained Keras model."""
    return forecaster._fitted().network.model


def history(forecaster: Forecaster) -> pd.DataFrame:
    """Return one row an epoch of the final fit."""
    return pd.DataFrame(forecaster._fitted().network.record.history)


def comparison(forecaster: Forecaster) -> pd.DataFrame | None:
    """Return methods beside each other on the held-out rows, best first."""
    return forecaster._fitted().comparison


def gate(forecaster: Forecaster) -> pd.DataFrame | None:
    """Return what ``method="best"`` was decided on, see ``Gate.table``; None without it."""
    found = forecaster._fitted().gate
    return None if found is None else found.table


def weights(forecaster: Forecaster) -> dict[str, float]:
    """Return weights of the methods in the mean that ``method="auto"`` forecasts; empty without holdout."""
    return forecaster._fitted().weights


def verdict(forecaster: Forecaster) -> str:
    """Return one sentence: whether the network beat the best baseline."""
    table = forecaster._fitted().comparison
    return "No rows were held out, so nothing was compared." if table is None else sentence(table)


def coverage(forecaster: Forecaster) -> pd.DataFrame:
    """Return what quantiles reached in all updates, each as it was at its origin; see ``coverage_frame``."""
    return forecaster._fitted().coverage


def health(forecaster: Forecaster) -> tuple[Health, ...]:
    """Return how far back gradients reached before and after training; empty without ``fit(diagnostics=True)``."""
    return forecaster._fitted().network.health
