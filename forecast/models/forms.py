"""Other forms of a model that share its weights: one to train with, one to draw sample paths with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

# What a training form forecasts: the horizon of the window, the horizon behind every row of the context, or
# the next row at every row of context and horizon, or the horizon behind every row of stretches of series.
ROWS = ("horizon", "every", "next", "carried")


@dataclass(frozen=True, eq=False)
class Carried:
    """A network that can go through a series with states which it carries from row to row.

    Args:
        starts: First states by name, without the axis of the batch.
        chunk: Rows of a stretch in training.
        lanes: Stretches of a batch in training.
        gap: Rows without a value behind which a state begins anew.
        stretch: Number of rows to a model that reads so many, from states to states: the inputs of the forecasting
            model for a context of these rows with their ``length``, and the states, to ``"forecast"`` ``(batch * rows,
            horizon, targets[, outputs])`` behind every row and the states behind the last real one.
    """

    starts: dict[str, np.ndarray]
    chunk: int
    lanes: int
    gap: int
    stretch: Callable[[int], keras.Model]

    def fresh(self, batch: int) -> dict[str, np.ndarray]:
        """Return first states of so many series, ``(batch, …)``."""
        return {name: np.repeat(start[None], batch, axis=0) for name, start in self.starts.items()}


@dataclass(frozen=True)
class Forms:
    """What else can be done with the weights of a forecasting model.

    Args:
        training: Takes the inputs of the forecasting model and ``ahead``, the raw targets of the horizon
            ``(batch, horizon, targets)`` with NaN where missing; None trains the forecasting model itself.
        rows: What the training form forecasts: ``"horizon"``: as the forecasting model; ``"every"``:
            ``(batch * context, horizon, targets[, outputs])``, windows by their rows in order; ``"next"``:
            ``(batch, context + horizon - 1, targets[, outputs])``, from the second row of the context on;
            ``"carried"``: as ``"every"``, of stretches of series (see ``carried``).
        sampling: Share of a decoder's own forecasts among what it is fed in training, as a variable, or None.
        schedule: Share of training done (0 to 1) to that share, or None.
        paths: The inputs to sample paths ``(batch, paths, horizon, targets)``, or None.
        longer: Horizon to a forecasting model of that horizon with the same layers, or None.
        members: Models that the model is the mean of, each to be trained by itself.
        quantiles: Whether the forecasting model turns a distribution into quantiles by itself.
        carried: How the model goes through whole series, or None of one that reads windows.
    """

    training: keras.Model | None = None
    rows: str = "horizon"
    sampling: keras.Variable | None = None
    schedule: Callable[[float], float] | None = None
    paths: keras.Model | None = None
    longer: Callable[[int], keras.Model] | None = None
    members: tuple[keras.Model, ...] = ()
    quantiles: bool = False
    carried: Carried | None = None


PLAIN = Forms()


def with_forms(model: keras.Model, forms: Forms) -> keras.Model:
    """Return the model with its other forms attached."""
    # Past Keras's attribute tracking, which would count the shared layers, and save them, twice.
    model.__dict__["forms"] = forms
    return model


def forms_of(model: keras.Model) -> Forms:
    """Return the other forms of a model; those of a user's own network are none."""
    return model.__dict__.get("forms", PLAIN)
