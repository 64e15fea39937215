"""How large an ordinary error is: the yardstick of each series."""

from __future__ import annotations

import numpy as np

from forecast.data.panel import Panel


def error_scales(panel: Panel, season: int, stop: np.ndarray | None = None) -> np.ndarray:
    """Return the mean absolute seasonal-naive error per series and target.

    Where it is zero or has no pair of observed rows, the one-step error, then the standard
    deviation, then 1 takes its place, so that it can be divided by.

    Args:
        panel: Series to measure.
        season: Rows of a season, 1 for none.
        stop: Absolute row per series from which on nothing may be looked at; default: its end.

    Returns:
        float64, shape ``(series, targets)``, all positive.

    Source:
        Hyndman and Koehler (2006), "Another look at measures of forecast accuracy", the denominator of MASE.

    Example:
        >>> from forecast.data.gridding import to_panel
        >>> from forecast.data.table import read_table
        >>> panel = to_panel(read_table({"y": [1.0, 5.0, 2.0, 7.0]}, target=("y",)))
        >>> error_scales(panel, season=2)
        array([[1.5]])
    """
    stop = panel.ends if stop is None else stop
    scales = np.full((len(panel), len(panel.columns.target)), np.nan)
    for i, begin in enumerate(panel.offsets[:-1]):
        history = panel.targets[begin : stop[i]]
        for yardstick in (_naive_error(history, season), _naive_error(history, 1), _spread(history)):
            scales[i] = np.where(np.isnan(scales[i]) & (yardstick > 0), yardstick, scales[i])
    return np.where(np.isnan(scales), 1.0, scales)


def _naive_error(history: np.ndarray, lag: int) -> np.ndarray:
    return _mean(np.abs(history[lag:] - history[:-lag]))


def _spread(history: np.ndarray) -> np.ndarray:
    return np.sqrt(_mean((history - _mean(history)) ** 2))


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over rows without missing values; 0 where nothing is observed."""
    known = ~np.isnan(values)
    return np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
