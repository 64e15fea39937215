"""Mean and deviation of the rows before each one, for all rows of a series at once and equal however they come.

Rows are parted into blocks at fixed places of the series. A window is the end of one block, whole blocks, and the
beginning of another: moments of these are merged, never differences of running sums, which would lose digits where
the level is far from zero. Each is summed in one order only: the bits do not depend on how rows are handed over.

Source: Chan, Golub, LeVeque (1983), "Algorithms for computing the sample variance", The American Statistician 37(3).
"""

from __future__ import annotations

from math import isqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Moments(NamedTuple):
    """Values observed, their mean (0 for none), and the sum of squared distances from it; arrays of one shape."""

    count: Floats
    mean: Floats
    squares: Floats

    def at(self, place: Any) -> Moments:
        """Return those at an index."""
        return Moments(*(part[place] for part in self))

    def merged(self, other: Moments) -> Moments:
        """Return the moments of both sets of values together."""
        count = self.count + other.count
        share = other.count / np.maximum(count, 1.0)
        away = other.mean - self.mean
        mean = self.mean + away * share
        return Moments(count, mean, self.squares + other.squares + away * away * self.count * share)


def rolling_moments(every: Floats, lead: int, row: int, window: int) -> tuple[Floats, Floats]:
    """Return mean and deviation of the window before each new row.

    Args:
        every: Rows before the new ones, at least the last ``window`` of the series or all, and the new ones; float64
            ``(rows, channels)``, NaN where missing.
        lead: How many of them come before the new ones.
        row: Number of the first new row, counted from the series' first.
        window: Most rows to look back at.

    Returns:
        Mean and deviation, both ``(rows - lead, channels)``, NaN where nothing was observed.

    Example:
        >>> mean, deviation = rolling_moments(np.array([[1.0], [3.0], [np.nan], [8.0]]), 0, 0, 2)
        >>> mean[:, 0].tolist(), deviation[:, 0].tolist()
        ([nan, 1.0, 2.0, 3.0], [nan, 0.0, 1.0, 0.0])
    """
    size = isqrt(window)
    whole, rest = divmod(window, size)
    before, after = _blocks(every, (row - lead) % size, size)
    number = row + np.arange(len(every) - lead)
    place, block = number % size, number // size - (row - lead) // size
    few = _together(before.at(size), whole - 1)
    many = _before(before.at(size), whole).merged(few)
    late = place >= rest
    head = np.where(late, block - whole, block - whole - 1)
    begin = np.where(late, place - rest, size + place - rest)
    first = after.at((begin, np.maximum(head, 0)))
    # Before the first block there is nothing.
    first = Moments(*(np.where((head >= 0)[:, None], part, 0.0) for part in first))
    middle = Moments(*(np.where(late[:, None], a[block], b[block]) for a, b in zip(few, many, strict=True)))
    count, mean, squares = first.merged(middle).merged(before.at((place, block)))
    known = count > 0
    return np.where(known, mean, np.nan), np.where(known, np.sqrt(squares / np.maximum(count, 1.0)), np.nan)


def _blocks(every: Floats, missing: int, size: int) -> tuple[Moments, Moments]:
    """Return the moments before and from each place of each block; axes: place, block, channel."""
    rows, channels = every.shape
    count = -(-(missing + rows + 1) // size)
    padded = np.full((count * size, channels), np.nan)
    padded[missing : missing + rows] = every
    values = padded.reshape(count, size, channels).swapaxes(0, 1)
    ones = Moments((~np.isnan(values)).astype(np.float64), np.nan_to_num(values), np.zeros(values.shape))
    before, after = (Moments(*np.zeros((3, size + 1, count, channels))) for _ in range(2))
    for place in range(size):
        _put(before, place + 1, before.at(place).merged(ones.at(place)))
        _put(after, size - 1 - place, after.at(size - place).merged(ones.at(size - 1 - place)))
    return before, after


def _put(moments: Moments, place: int, found: Moments) -> None:
    for part, value in zip(moments, found, strict=True):
        part[place] = value


def _before(blocks: Moments, distance: int) -> Moments:
    """Return, for each block, the moments of the one so many blocks before it."""
    found = Moments(*(np.zeros(part.shape) for part in blocks))
    for part, own in zip(found, blocks, strict=True):
        part[distance:] = own[: max(len(own) - distance, 0)]
    return found


def _together(blocks: Moments, most: int) -> Moments:
    """Return, for each block, the moments of the ``most`` blocks before it together."""
    found = Moments(*(np.zeros(part.shape) for part in blocks))
    for distance in range(1, min(most, len(blocks.count)) + 1):
        found = found.merged(_before(blocks, distance))
    return found
