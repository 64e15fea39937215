"""Calibrations made ready for some series, to be applied to many forecasts of theirs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moves:
    """How far to move base quantiles of some series: what ``ConformalShift.ready`` makes.

    Args:
        by: Added to base quantiles; axes: as theirs, of length 1 where it repeats.
        wider: Factors, less 1, of the distances to the median; None for none.
        middle: Place of the median in the last axis, or None.
    """

    by: Floats
    wider: Floats | None
    middle: int | None

    def of(self, which: NDArray[np.int64]) -> Moves:
        """Return the calibration of some entries of the first axis."""
        return Moves(self.by[which], None if self.wider is None else self.wider[which], self.middle)

    def __call__(self, base: Floats) -> Floats:
        """Calibrate base quantiles; see ``ConformalShift.apply``."""
        moved, middle = base + self.by, self.middle
        if middle is None:
            return sorted_around_gaps(moved)
        _around(moved, middle)
        if self.wider is not None:
            moved += self.wider * (moved - moved[..., middle : middle + 1])
            _around(moved, middle)
        # One level on each side of the median cannot be out of order.
        return moved if moved.shape[-1] - middle <= 2 and middle <= 1 else sorted_around_gaps(moved)


def _around(moved: Floats, middle: int) -> None:
    """Put lower levels at most at the median and upper ones at least there, in place."""
    median, lower, upper = moved[..., middle : middle + 1], moved[..., :middle], moved[..., middle + 1 :]
    np.minimum(lower, median, out=lower)
    np.maximum(upper, median, out=upper)


def sorted_around_gaps(values: Floats) -> Floats:
    """Sort the last axis, every NaN staying where it is.

    Example:
        >>> sorted_around_gaps(np.array([3.0, np.nan, 1.0])).tolist()
        [1.0, nan, 3.0]
    """
    gap = np.isnan(values)
    if not gap.any():
        return np.sort(values, axis=-1)
    ordered = np.sort(values, axis=-1)  # NaN last
    place = np.maximum(np.cumsum(~gap, axis=-1) - 1, 0)
    return np.where(gap, np.nan, np.take_along_axis(ordered, place, axis=-1))
