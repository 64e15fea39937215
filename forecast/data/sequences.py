"""Sequences of unequal length: rows laid end to end, and where each begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecast.data.panel import within
from forecast.errors import InputError


@dataclass(frozen=True, eq=False)
class Sequences:
    """Rows of several sequences, end to end.

    Args:
        values: float64, shape ``(rows, channels)``, NaN where missing.
        offsets: int64, shape ``(sequences + 1,)``: sequence ``i`` is ``values[offsets[i]:offsets[i + 1]]``.

    Example:
        >>> found = sequences_of([np.zeros((2, 1)), np.ones((3, 1))])
        >>> found.lengths.tolist(), found.take([1]).values[:, 0].tolist()
        ([2, 3], [1.0, 1.0, 1.0])
    """

    values: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Rows of each sequence, shape ``(sequences,)``."""
        return np.diff(self.offsets)

    @property
    def number(self) -> np.ndarray:
        """Number of the sequence of each row, shape ``(rows,)``."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def rows_of(self, which: Any) -> np.ndarray:
        """Return the numbers of the rows of some sequences, in their order."""
        which = np.asarray(which, dtype=np.int64)
        lengths = self.lengths[which]
        return np.repeat(self.offsets[which], lengths) + within(lengths)

    def take(self, which: Any) -> Sequences:
        """Keep only the sequences with these numbers, in this order."""
        which = np.asarray(which, dtype=np.int64)
        return Sequences(self.values[self.rows_of(which)], offsets_of(self.lengths[which]))

    def first(self, lengths: np.ndarray) -> Sequences:
        """Keep only the first ``lengths[i]`` rows of each sequence."""
        kept = within(self.lengths) < np.repeat(lengths, self.lengths)
        return Sequences(self.values[kept], offsets_of(np.minimum(lengths, self.lengths)))


def offsets_of(lengths: Any) -> np.ndarray:
    """Return where sequences of these lengths begin, and the end of the last."""
    return np.concatenate([[0], np.cumsum(np.asarray(lengths, dtype=np.int64))])


def sequences_of(X: Any) -> Sequences:
    """Return arrays as sequences.

    Args:
        X: ``(sequences, time, channels)``, ``(sequences, time)`` of one channel, or a list of ``(time_i, channels)``
            or ``(time_i,)``. NaN is a missing value.

    Raises:
        InputError: It is no such thing, there is no sequence or an empty one, channels differ in number, or a value
            is infinite.

    Example:
        >>> sequences_of(np.zeros((4, 5))).values.shape
        (20, 1)
        >>> sequences_of([np.zeros((2, 3)), np.zeros((2, 1))])
        Traceback (most recent call last):
        forecast.errors.InputError: Sequence 1 has 1 channel, and those before it have 3.
    """
    if isinstance(X, np.ndarray) and X.dtype != object and X.ndim not in (2, 3):
        raise InputError(
            "An array of sequences has the shape (sequences, time, channels) or (sequences, time); got "
            f"{X.shape}. Reshape your data."
        )
    parts = [_part(one, number) for number, one in enumerate(X)]
    if not parts:
        raise InputError("There is no sequence; give one at least.")
    for number, part in enumerate(parts):
        if part.shape[1] != parts[0].shape[1]:
            many = "channel" if part.shape[1] == 1 else "channels"
            raise InputError(
                f"Sequence {number} has {part.shape[1]} {many}, and those before it have {parts[0].shape[1]}."
            )
    return Sequences(np.concatenate(parts), offsets_of([len(part) for part in parts]))


def _part(one: Any, number: int) -> np.ndarray:
    if np.iscomplexobj(one):
        raise InputError(f"Sequence {number}: Complex data not supported; give real and imaginary parts.")
    try:
        found = np.array(one, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"Sequence {number} holds something other than numbers.") from error
    found = found[:, None] if found.ndim == 1 else found
    if found.ndim != 2 or not found.size:
        raise InputError(
            f"Sequence {number} must have the shape (time, channels), neither 0; got {np.shape(one)}."
        )
    if np.isinf(found).any():
        raise InputError(f"Sequence {number} holds an infinite value; numbers or NaN are needed.")
    return found


@dataclass(frozen=True)
class Scaling:
    """What values are shifted and divided by, learned from training rows in float64.

    Args:
        middle: Mean of each channel over its observed values; 0 where there is none.
        spread: Standard deviation of each; 1 where it is zero.
        marked: Whether each channel had missing values in training: its rows then carry a mark, 1 where observed.

    Example:
        >>> scaling = fit_scaling(sequences_of([[1.0, np.nan, 3.0]]))
        >>> scaling.rows(np.array([[5.0], [np.nan]])).tolist()
        [[3.0, 1.0], [0.0, 0.0]]
    """

    middle: tuple[float, ...]
    spread: tuple[float, ...]
    marked: tuple[bool, ...]

    @property
    def width(self) -> int:
        """Numbers of a row as ``rows`` returns it."""
        return len(self.middle) + sum(self.marked)

    def rows(self, values: np.ndarray) -> np.ndarray:
        """Scale raw rows ``(rows, channels)`` to float32 ``(rows, width)``: a missing value becomes the mean."""
        # Far beyond the training rows a value says no more than that; float32 must hold it, too.
        with np.errstate(over="ignore"):
            scaled = np.clip((values - np.array(self.middle)) / np.array(self.spread), -1e6, 1e6)
        seen = ~np.isnan(values)
        marks = seen[:, np.flatnonzero(self.marked)]
        return np.concatenate([np.where(seen, scaled, 0.0), marks], axis=1).astype(np.float32)


def fit_scaling(sequences: Sequences) -> Scaling:
    """Learn the scaling of each channel from all rows."""
    values = sequences.values
    seen = ~np.isnan(values)
    count = np.maximum(seen.sum(axis=0), 1)
    # Divided by the largest first, so that no square overflows.
    unit = np.maximum(np.max(np.abs(np.where(seen, values, 0.0)), axis=0), np.finfo(np.float64).tiny)
    share = np.where(seen, values / unit, 0.0)
    middle = share.sum(axis=0) / count
    spread = np.sqrt((np.where(seen, share - middle, 0.0) ** 2).sum(axis=0) / count)
    spread = np.where(spread > 1e-12, spread * unit, 1.0)
    return Scaling(
        tuple((middle * unit).tolist()),
        tuple(spread.tolist()),
        tuple(np.asarray((~seen).any(axis=0)).tolist()),
    )


def padded(
    rows: np.ndarray, offsets: np.ndarray, which: Sequence[int] | np.ndarray, length: int
) -> np.ndarray:
    """Lay rows of some sequences out as ``(sequences, length, …)``, zeros behind the end of each.

    Example:
        >>> padded(np.arange(1.0, 6.0), np.array([0, 2, 5]), [1, 0], 4).tolist()
        [[3.0, 4.0, 5.0, 0.0], [1.0, 2.0, 0.0, 0.0]]
    """
    laid = np.zeros((len(which), length, *rows.shape[1:]), dtype=rows.dtype)
    for place, i in enumerate(which):
        part = rows[offsets[i] : min(offsets[i + 1], offsets[i] + length)]
        laid[place, : len(part)] = part
    return laid
