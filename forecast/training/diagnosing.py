"""Which windows and which loss the gradients of a forecasting network are looked at with."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np

from forecast.data.stretches import gather
from forecast.data.windows import Batch, Windows
from forecast.models.forms import Carried, forms_of
from forecast.training.course import Record
from forecast.training.gradients import Health
from forecast.training.health import gradient_health
from forecast.training.keeper import trained_form

# Windows that gradients are looked at in, and stretches of networks that carry their state.
WINDOWS, STRETCHES = 64, 8
# A stretch holds so many times the rows that gradients went back in training, so that what lies behind shows.
LONGER = 2


def diagnose(model: keras.Model, windows: Windows, moment: str, record: Record | None = None) -> Health:
    """Measure the health of a compiled network on windows spread over those given.

    What is differentiated is the loss of the horizon behind the newest row, so steps back are counted from one row.

    Args:
        model: Compiled; a training form where it has one.
        windows: Of which up to 64 are looked at, the full ones if any is.
        moment: What the report calls the time of this measurement.
        record: Of the training, if it is over.

    Raises:
        ParameterError: The network is one whose layers cannot be looked into.
    """
    forms, loss = forms_of(model), trained_form(model).loss
    context = windows.context if forms.carried is None else LONGER * forms.carried.chunk
    rows = np.minimum(windows.origins - windows.panel.offsets[windows.series], context)
    context, full = int(rows.max()), np.flatnonzero(rows == rows.max())
    windows = replace(windows, series=windows.series[full], origins=windows.origins[full])
    if forms.carried is not None:
        form, batch = _carried(forms.carried, windows.thin(STRETCHES), context)
    else:
        form, batch = model, windows.batch(_spread(windows))
    inputs, actual, weights = batch
    health = gradient_health(form, inputs, actual, loss=loss, weights=weights, moment=moment, context=context)
    tbptt = None if forms.carried is None else forms.carried.chunk
    return replace(health, tbptt=tbptt, clipped=None if record is None else _clipped(record))


def _spread(windows: Windows) -> np.ndarray:
    """Return the numbers of at most 64 windows, evenly spread."""
    return np.unique(np.linspace(0, len(windows) - 1, min(len(windows), WINDOWS)).astype(np.int64))


def _carried(carried: Carried, windows: Windows, rows: int) -> tuple[keras.Model, Batch]:
    """Return a model that reads so many rows from fresh states and forecasts behind the last one, and its batch."""
    stretch, count = carried.stretch(rows), len(windows)
    every = stretch.output["forecast"]
    last = keras.ops.reshape(every, (-1, rows, *every.shape[1:]))[:, -1]
    inputs = gather(windows, windows.series, windows.origins - rows, np.full(count, rows), rows)
    _, actual, weights = windows.batch(np.arange(count))
    return keras.Model(stretch.input, last), (inputs | carried.fresh(count), actual, weights)


def _clipped(record: Record) -> float | None:
    """Return the share of all steps whose gradient was clipped; None with an optimiser that does not count them."""
    shares = [row["clipped"] for row in record.history if "clipped" in row]
    return float(np.mean(shares)) if shares else None
