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

    def __call__(self, base: Floats) -> Floats:
        """Calibrate base quantiles; see ``ConformalShift.apply``."""
        moved = base + self.by
        if self.middle is not None:
            moved = _around(moved, self.middle)
            if self.wider is not None:
                median = moved[..., self.middle : self.middle + 1]
                moved = _around(moved + self.wider * (moved - median), self.middle)
        return sorted_around_gaps(moved)


def _around(moved: Floats, middle: int) -> Floats:
    """Put lower levels at most at the median and upper ones at least there, in place."""
    median = moved[..., middle : middle + 1]
    np.minimum(moved[..., :middle], median, out=moved[..., :middle])
    np.maximum(moved[..., middle + 1 :], median, out=moved[..., middle + 1 :])
    return moved


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
