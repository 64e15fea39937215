"""Targets and weights laid out as a training form forecasts them."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecast.data.windows import Batch


def arranged(batch: Batch, rows: str) -> Batch:
    """Lay a batch out for a training form.

    Args:
        batch: Inputs, targets and weights of windows.
        rows: What the form forecasts, as in ``models.forms.Forms``.

    Returns:
        Inputs with ``ahead`` (the targets, NaN where missing), and targets and weights ``(batch, horizon,
        targets)``, ``(batch * context, horizon, targets)`` or ``(batch, context + horizon - 1, targets)``.

    Example:
        >>> seen, asked = np.array([[[1.0], [2.0], [3.0]]]), np.array([[[4.0], [5.0]]])
        >>> _, actual, _ = arranged(({"target": seen}, asked, np.ones((1, 2, 1))), "every")
        >>> actual[..., 0].tolist()
        [[2.0, 3.0], [3.0, 4.0], [4.0, 5.0]]
    """
    inputs, targets, weights = batch
    ahead = np.where(weights > 0, targets, np.nan)
    inputs = inputs | {"ahead": ahead}
    if rows == "horizon":
        return inputs, targets, weights
    whole, valid = _continued(inputs, ahead)
    rate = np.max(weights, axis=1, keepdims=True) * valid
    if rows == "next":
        return inputs, np.nan_to_num(whole[:, 1:]), rate[:, 1:]
    return inputs, np.nan_to_num(_ahead(whole, ahead.shape[1])), _ahead(rate, ahead.shape[1])


def _continued(inputs: dict[str, np.ndarray], ahead: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return context and horizon in one, the horizon right behind the last real row, and where a value is known."""
    seen = inputs["target"]
    context, both = seen.shape[1], seen.shape[1] + ahead.shape[1]
    length = inputs["length"] if "length" in inputs else np.full(len(seen), context)
    steps = np.arange(both)[None, :]
    behind = steps - length[:, None]
    joined = np.concatenate([seen, ahead], axis=1)
    place = np.where(behind >= 0, np.minimum(context + behind, both - 1), steps)
    whole = np.take_along_axis(joined, place[:, :, None], axis=1)
    # A row before the first observed one has nothing to be forecast from.
    known = np.maximum.accumulate(~np.isnan(whole), axis=1)
    started = np.concatenate([np.zeros_like(known[:, :1]), known[:, :-1]], axis=1)
    inside = (behind < ahead.shape[1])[:, :, None]
    return whole, ~np.isnan(whole) & started & inside


def _ahead(rows: np.ndarray, horizon: int) -> np.ndarray:
    """Return the ``horizon`` rows behind every row of the context: ``(batch * context, horizon, targets)``."""
    windows = sliding_window_view(rows[:, 1:], horizon, axis=1).swapaxes(2, 3)
    return windows.reshape(-1, horizon, rows.shape[2])
