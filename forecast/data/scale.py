"""How large an ordinary error is: the yardstick of each series."""

from __future__ import annotations

import numpy as np

from forecast.data.panel import Panel, within

# What rounding leaves of an error of zero is no more than this share of the largest value.
_ROUNDING = 8 * np.finfo(np.float64).eps
# Below this the reciprocal, by which errors are weighted, would be infinite in float32.
_SMALLEST = 1e-37


def error_scales(panel: Panel, season: int, stop: np.ndarray | None = None) -> np.ndarray:
    """Return the mean absolute seasonal-naive error per series and target.

    Where it is zero or has no pair of observed rows, the one-step error, then the standard
    deviation, then 1 takes its place, so that it can be divided by.

    Args:
        panel: Series to measure.
        season: Rows of a season, 1 for none.
        stop: Absolute row per series from which on nothing may be looked at; default: its end.

    Returns:
        float64, shape ``(series, targets)``, all positive and finite.

    Source:
        Hyndman and Koehler (2006), "Another look at measures of forecast accuracy", the denominator of MASE.

    Example:
        >>> from forecast.data.gridding import to_panel
        >>> from forecast.data.table import read_table
        >>> panel = to_panel(read_table({"y": [1.0, 5.0, 2.0, 7.0]}, target=("y",)))
        >>> error_scales(panel, season=2)
        array([[1.5]])
    """
    stop = panel.ends if stop is None else np.minimum(stop, panel.offsets[1:])
    inside = np.arange(panel.rows) < np.repeat(stop, panel.lengths)
    # Values near the largest float overflow when subtracted or squared: such a yardstick is passed over.
    with np.errstate(over="ignore", invalid="ignore"):
        columns = [_column_scales(panel, column, inside, season) for column in panel.targets.T]
    return np.stack(columns, axis=1) if columns else np.ones((len(panel), 0))


def spreads(values: np.ndarray, panel: Panel, stop: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each series and column about its mean, before ``stop``.

    Args:
        values: Such as the panel's targets; axes: rows of the panel, columns.
        panel: Whose rows they are.
        stop: Absolute row per series from which on nothing is looked at.

    Returns:
        Axes: series, columns; 0 where nothing is observed.
    """
    inside = np.arange(panel.rows) < np.repeat(stop, panel.lengths)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.stack([_spread(np.where(inside, column, np.nan), panel) for column in values.T], axis=1)


def _column_scales(panel: Panel, column: np.ndarray, inside: np.ndarray, season: int) -> np.ndarray:
    values = np.where(inside, column, np.nan)
    largest = np.nan_to_num(np.fmax.reduceat(np.abs(values), panel.offsets[:-1]))
    least = np.maximum(_ROUNDING * largest, _SMALLEST)
    scales = np.full(len(panel), np.nan)
    for lag in (season, 1, None):
        found = _spread(values, panel) if lag is None else _naive_error(values, panel, lag)
        scales = np.where(np.isnan(scales) & (found > least) & np.isfinite(found), found, scales)
        if not np.isnan(scales).any():
            return scales
    return np.where(np.isnan(scales), 1.0, scales)


def _naive_error(values: np.ndarray, panel: Panel, lag: int) -> np.ndarray:
    error = np.full(len(values), np.nan)
    error[lag:] = np.abs(values[lag:] - values[: max(len(values) - lag, 0)])
    # The first rows of a series have no row of its own so far before them.
    error[within(panel.lengths) < lag] = np.nan
    return _mean(error, panel)


def _spread(values: np.ndarray, panel: Panel) -> np.ndarray:
    away = values - np.repeat(_mean(values, panel), panel.lengths)
    return np.sqrt(_mean(away**2, panel))


def _mean(values: np.ndarray, panel: Panel) -> np.ndarray:
    """Mean of each series over rows without missing values; 0 where nothing is observed."""
    known = ~np.isnan(values)
    total = np.add.reduceat(np.where(known, values, 0.0), panel.offsets[:-1])
    return total / np.maximum(np.add.reduceat(known.astype(np.int64), panel.offsets[:-1]), 1)
