"""Where windows and a network that forecasts at each of their rows meet."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from forecast.data.local_windows import LocalWindows
from forecast.data.panel import Panel
from forecast.training.predict import forecast_batch, full_batches
from forecast.training.window_batches import Examples

Floats = NDArray[np.float64]

# Windows of every call, the last one filled up; few calls cost less than many, and one new row costs a full one.
CALL = 64
TOGETHER = 16
"""Rows that are forecast behind by one window: the last of its rows. It is scaled by what was known at their first."""
# Share of the range that a spread is at least.
_LEAST = 0.01
# Rows at the beginning of a series, of which too little is known before to learn from what comes next.
_UNSETTLED = 8


def running_examples(windows: LocalWindows, ends: NDArray[np.int64], horizons: tuple[int, ...]) -> Examples:
    """Return inputs of windows whose every row is an example, means to be forecast, and their weights.

    Args:
        windows: From ``windows_for``.
        ends: Rows up to which they are scaled.
        horizons: Rows whose mean is forecast; one of which too few rows are known weighs nothing.
    """
    bent = bent_rows(windows, ends)
    rows = windows.rows + TOGETHER - 1
    means = np.stack([means_behind(bent, h)[:, :rows] for h in horizons], axis=-1)
    series = np.searchsorted(windows.panel.offsets, ends, side="right") - 1
    place = (ends - windows.panel.offsets[series])[:, None] + np.arange(rows) - windows.rows + 1
    known = ~np.isnan(means) & (place >= _UNSETTLED)[..., None, None]
    # The channels of a window are windows of their own.
    actual, weights = (_apart(values).astype(np.float32) for values in (np.where(known, means, 0.0), known))
    return _inputs(bent[:, :rows]), actual, weights


def windows_for(panel: Panel, rows: int, reach: int, horizon: int) -> LocalWindows:
    """Return windows of which a network reads some rows, and those behind them that it forecasts.

    Args:
        panel: Series.
        rows: That the network reads.
        reach: Rows up to the first it forecasts behind that a window is scaled by.
        horizon: The largest.
    """
    return LocalWindows(panel, rows - TOGETHER + 1, reach, TOGETHER - 1 + horizon, _LEAST)


def bent_rows(windows: LocalWindows, ends: NDArray[np.int64], skip: int = 0) -> Floats:
    """Return the rows that are read and those behind, scaled and bent: the inverse hyperbolic sine of spreads.

    One burst is then not worth a thousand usual rows, and is still larger than a smaller one.

    Args:
        windows: From ``windows_for``.
        ends: Rows up to which they are scaled.
        skip: First rows that are left out.
    """
    raw = windows.raw(ends)[:, windows.beyond + skip :]
    return bend(raw, windows.centre[ends][:, None], windows.unit[ends][:, None])


def bend(values: Floats, centre: Floats, unit: Floats) -> Floats:
    """Return the inverse hyperbolic sine of the distance of values from a centre in units."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.arcsinh(np.clip((values - centre) / unit, -1e300, 1e300))


def straighten(bent: Floats, centre: Floats, unit: Floats) -> Floats:
    """Undo ``bend``."""
    with np.errstate(over="ignore", invalid="ignore"):
        return centre + unit * np.sinh(bent)


def means_behind(bent: Floats, rows: int) -> Floats:
    """Return the mean of the next rows behind each, NaN where fewer than half of them are known.

    Args:
        bent: ``(windows, rows, channels)``.
        rows: How many.

    Example:
        >>> means_behind(np.array([1.0, 3.0, 5.0, np.nan])[None, :, None], 2)[0, :, 0].tolist()
        [4.0, 5.0, nan, nan]
    """
    known = ~np.isnan(bent)
    padded = [
        np.pad(x, ((0, 0), (1, rows), (0, 0))) for x in (np.where(known, bent, 0.0), known.astype(float))
    ]
    total, count = (np.cumsum(x, axis=1) for x in padded)
    here = np.arange(1, bent.shape[1] + 1)
    count = count[:, here + rows] - count[:, here]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(2 * count >= rows, (total[:, here + rows] - total[:, here]) / count, np.nan)


def forecast_running(model: keras.Model, bent: Floats) -> Floats:
    """Forecast behind the last 16 rows of windows.

    Every call has the same number of windows, so that a forecast does not depend on which others were asked for.

    Args:
        model: From ``build_running``.
        bent: ``(windows, rows, channels)``, scaled and bent.

    Returns:
        Locations, scaled and bent: float64 ``(windows, 16, horizons, channels)``.
    """
    parts, channels = [], bent.shape[2]
    for which, filled in full_batches(len(bent), CALL):
        made = forecast_batch(model, _inputs(bent[filled]))[:, -TOGETHER:, :, 0]
        made = made.reshape(len(filled), channels, *made.shape[1:])
        parts.append(np.moveaxis(made, 1, 3)[: len(which)])
    return np.concatenate(parts)


def _inputs(bent: Floats) -> dict[str, np.ndarray]:
    apart = _apart(bent)[..., None]
    known = ~np.isnan(apart)
    return {"rows": np.where(known, apart, 0.0).astype(np.float32), "known": known.astype(np.float32)}


def _apart(values: np.ndarray) -> np.ndarray:
    """Make windows of single channels: ``(windows, rows, channels, …)`` to ``(windows * channels, rows, …)``."""
    return np.moveaxis(values, 2, 1).reshape(-1, values.shape[1], *values.shape[3:])
