"""The states at which a stateful network stands, as a model file holds them."""

from __future__ import annotations

import keras
import numpy as np

from forecast.data.panel import Panel
from forecast.models.forms import forms_of
from forecast.training.carrying import Standpoint

_ROWS, _STATE = "standing rows", "standing "


def standing_numbers(standing: Standpoint | None, history: Panel) -> dict[str, np.ndarray]:
    """Return states by name, and the rows of the history before which they hold."""
    if standing is None:
        return {}
    rows = history.step.positions(standing.times, history.starts).astype(np.int64)
    return {_ROWS: rows} | {f"{_STATE}{name}": values for name, values in standing.states.items()}


def stored_standing(model: keras.Model, numbers: dict[str, np.ndarray], history: Panel) -> Standpoint | None:
    """Undo ``standing_numbers``; None for a network that carries no state.

    Raises:
        LookupError: States are missing.
        ValueError: They do not fit the network or the history.
    """
    carried = forms_of(model).carried
    if carried is None:
        return None
    rows = numbers[_ROWS]
    if (
        rows.shape != (len(history),)
        or rows.dtype != np.int64
        or not ((rows >= 0) & (rows <= history.lengths)).all()
    ):
        raise ValueError
    states = {name: numbers[f"{_STATE}{name}"] for name in carried.starts}
    for name, start in carried.starts.items():
        if states[name].shape != (len(history), *start.shape) or states[name].dtype != start.dtype:
            raise ValueError
    return Standpoint(history.ids, history.times_at(history.offsets[:-1] + rows), states)
