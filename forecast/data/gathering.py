"""Take the rows of many windows out of arrays that lie end to end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecast.errors import ParameterError


def take(values: np.ndarray, rows: np.ndarray, real: np.ndarray | None) -> np.ndarray:
    """Take rows of ``values``, NaN where they are not real.

    Args:
        values: Shape ``(all rows, channels)``.
        rows: Row numbers, any shape.
        real: Which of them to look at, same shape; None for all.

    Returns:
        Shape of ``rows``, and channels.

    Example:
        >>> take(np.array([[5.0], [7.0]]), np.array([[1, 9]]), np.array([[True, False]]))[..., 0]
        array([[ 7., nan]])
    """
    if real is None or real.all():
        return values[rows]
    taken = values[np.where(real, rows, 0)]
    taken[~real] = np.nan
    return taken


def take_lagged(
    targets: np.ndarray, rows: np.ndarray, known: tuple[np.ndarray, np.ndarray], lags: Sequence[int]
) -> np.ndarray:
    """Take the targets some rows before each row of a window, NaN where they are not known.

    Args:
        targets: Shape ``(all rows, targets)``.
        rows: Rows of each window, shape ``(batch, steps)``.
        known: First row of each window's series, and the row from which on nothing is known; ``(batch,)`` each.
        lags: How many rows earlier.

    Returns:
        Shape ``(batch, steps, lags * targets)``: all targets of the first lag, then of the second.

    Example:
        >>> sales = np.arange(8.0)[:, None]
        >>> take_lagged(sales, np.array([[4, 5, 6]]), (np.array([3]), np.array([5])), (1, 2))[0]
        array([[ 3., nan], [ 4.,  3.], [nan,  4.]])
    """
    earlier = rows[:, :, None] - np.asarray(lags, dtype=np.int64)
    begin, end = (limit[:, None, None] for limit in known)
    found = take(targets, earlier, (earlier >= begin) & (earlier < end))
    return found.reshape(*rows.shape, len(lags) * targets.shape[1])


def take_calendar(
    calendar: tuple[np.ndarray, np.ndarray], series: np.ndarray, steps: np.ndarray, real: np.ndarray
) -> np.ndarray:
    """Take calendar features, zero where a row is only padding.

    Args:
        calendar: Features and offsets, see ``Calendar.rows``.
        series: Series number of each window, shape ``(batch,)``.
        steps: Rows of each window counted from the first of its series, shape ``(batch, steps)``.
        real: Which of them are no padding, same shape.

    Raises:
        ParameterError: The features end before the window does.

    Example:
        >>> features = np.array([[0.5], [1.0], [0.25]], dtype=np.float32), np.array([0, 1, 3])
        >>> window = np.array([[1, 2]]), np.array([[True, False]])
        >>> take_calendar(features, np.array([1]), *window)[..., 0]
        array([[0.25, 0.  ]], dtype=float32)
    """
    features, offsets = calendar
    rows = np.where(real, steps + offsets[series][:, None], 0)
    behind = int((rows - offsets[series + 1][:, None]).max(initial=-1)) + 1
    if behind > 0:
        raise ParameterError(
            f"Calendar features end {behind} rows before a window does; compute them for more rows ahead."
        )
    taken = features[rows]
    if not real.all():
        taken[~real] = 0.0
    return taken
