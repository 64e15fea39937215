"""What is looked at, row by row: streams of scores, and how unusual each score is.

A stream belongs to a channel and looks at the mean of its last ``rows`` rows. Its score at a row uses nothing behind
that row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


ERRORS = ("forecast", "reconstruction", "forward", "backward")
"""Kinds of streams whose scores are distances from what was expected."""


@dataclass(frozen=True)
class Stream:
    """Name of a stream.

    Args:
        channel: Target it belongs to; empty for all of them together.
        kind: What its scores are: ``"forecast"``, ``"reconstruction"``, ``"likelihood"``, ``"above"``, ``"range"`` …
        rows: Rows up to the present one whose mean is looked at.
    """

    channel: str
    kind: str
    rows: int = 1

    def __str__(self) -> str:
        of = f" of {self.rows} row{'s' if self.rows > 1 else ''}"
        if self.kind == "likelihood":
            return f"likelihood{of}"
        return f"{self.kind} error{of}" if self.kind in ERRORS else self.kind


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of one series.

    Args:
        streams: Names, in the order of the columns.
        values: Large where unusual, NaN where there is none, float64 ``(rows, streams)``.
        expected: What was expected of the mean of the rows, NaN without an expectation; axes as ``values``.
        actual: Mean of the rows that the score is about; axes as ``values``.
        centre: Of bent scales, on which a value is the inverse hyperbolic sine of its distance from the centre in
            units, and a score a distance; NaN where scores are distances of the values themselves; axes as ``values``.
        unit: Of bent scales.
        members: Networks of an ensemble: the first so many equal parts of ``merged`` columns are theirs, one each.
        merged: Columns of each member, if there are several.
    """

    streams: tuple[Stream, ...]
    values: Floats
    expected: Floats
    actual: Floats
    centre: Floats | None = None
    unit: Floats | None = None
    _: KW_ONLY
    members: int = 1
    merged: int = 0

    @property
    def arrays(self) -> tuple[Floats, ...]:
        """All arrays."""
        none = np.full(self.values.shape, np.nan)
        bent = (none if part is None else part for part in (self.centre, self.unit))
        return (self.values, self.expected, self.actual, *bent)

    def beside(self, other: Scores) -> Scores:
        """Return the streams of both."""
        pairs = zip(self.arrays, other.arrays, strict=True)
        arrays = (np.concatenate(pair, axis=1) for pair in pairs)
        return Scores(self.streams + other.streams, *arrays, members=self.members, merged=self.merged)

    def behind(self, rows: int) -> Scores:
        """Return the rows from this one on."""
        arrays = (array[rows:] for array in self.arrays)
        return Scores(self.streams, *arrays, members=self.members, merged=self.merged)

    def above(self, other: Scores) -> Scores:
        """Return these rows and those of another behind them."""
        arrays = (np.concatenate(pair) for pair in zip(self.arrays, other.arrays, strict=True))
        return Scores(self.streams, *arrays, members=self.members, merged=self.merged)

    def columns(self, stream: int) -> NDArray[np.int64]:
        """Return the columns that belong to a stream of the mean of the members: one of each member, or one."""
        own = np.arange(self.members) * self.merged + stream
        return own if stream < self.merged else own[-1:]

    def mean(self) -> Scores:
        """Return the mean of the members, beside what is no member's."""
        if self.members == 1:
            return self
        streams = self.streams[: self.merged] + self.streams[self.members * self.merged :]
        return Scores(streams, *(self.over_members(array) for array in self.arrays))

    def over_members(self, array: Floats) -> Floats:
        """Return the mean over the members of an array ``(rows, columns)``: ``(rows, streams)``."""
        if self.members == 1:
            return array
        own = array[:, : self.members * self.merged].reshape(len(array), self.members, self.merged)
        return np.concatenate([own.mean(axis=1), array[:, self.members * self.merged :]], axis=1)


def ensemble(parts: Sequence[Scores]) -> Scores:
    """Lay the scores of the networks of an ensemble beside each other."""
    arrays = zip(*(part.arrays for part in parts), strict=True)
    streams = tuple(stream for part in parts for stream in part.streams)
    beside = (np.concatenate(array, axis=1) for array in arrays)
    return Scores(streams, *beside, members=len(parts), merged=len(parts[0].streams))


def rolling_mean(values: Floats, rows: int) -> Floats:
    """Return the mean of the last rows up to each, NaN where the row itself or more than half of them is missing.

    Args:
        values: float64 ``(rows, channels)``.
        rows: How many.

    Example:
        >>> rolling_mean(np.array([[1.0], [3.0], [np.nan], [5.0]]), 2)[:, 0]
        array([ 1.,  2., nan,  5.])
    """
    if rows == 1:
        return values
    padded = np.concatenate([np.full((rows - 1, values.shape[1]), np.nan), values])
    parts = np.lib.stride_tricks.sliding_window_view(padded, rows, axis=0)
    counts = (~np.isnan(parts)).sum(axis=-1)
    # Summed window by window: a running sum would carry what happened long ago into the last digits.
    means = np.nansum(parts, axis=-1) / np.maximum(counts, 1)
    return np.where((2 * counts >= rows) & ~np.isnan(values), means, np.nan)
