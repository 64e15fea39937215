"""From probabilities of every row to segments: the likeliest labels in which every segment is long enough."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from forecast.errors import InputError, ParameterError

LEAST_PROBABILITY = 1e-12


def decode(probabilities: ArrayLike, durations: Sequence[int], switch: float = 0.0) -> np.ndarray:
    """Return the labels whose probabilities multiply to most, among those whose segments last long enough.

    A segment that the beginning or the end of the sequence cuts off may be shorter.

    Args:
        probabilities: ``(rows, classes)``; a NaN row says nothing about its label.
        durations: Rows that a segment of each class lasts at least, from 1 on.
        switch: What a change of label costs, in units of log probability.

    Returns:
        The number of each row's class, ``(rows,)``.

    Raises:
        InputError: Probabilities and durations differ in number, or a probability is negative.
        ParameterError: A duration is below 1, or the cost below 0.

    Example:
        >>> doubtful = [[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.9, 0.1], [0.9, 0.1]]
        >>> decode(doubtful, [1, 1]).tolist(), decode(doubtful, [1, 2]).tolist()
        ([0, 0, 1, 0, 0], [0, 0, 0, 0, 0])

    Source:
        Viterbi (1967); durations by states in a row, as in Rabiner (1989), "A tutorial on hidden Markov models".
    """
    found = np.asarray(probabilities, dtype=np.float64)
    if found.ndim != 2 or found.shape[1] != len(durations) or (found < 0).any():
        raise InputError(
            f"Probabilities must be (rows, {len(durations)}), none below 0; got the shape {found.shape}."
        )
    if min(durations) < 1 or switch < 0:
        raise ParameterError(
            f"durations must be 1 or more and switch 0 or more; got {list(durations)}, {switch}."
        )
    if not len(found):
        return np.zeros(0, dtype=np.int64)
    known = np.isfinite(found).all(axis=1, keepdims=True)
    worth = np.log(np.where(known, np.maximum(found, LEAST_PROBABILITY), 1.0))
    # A class is a row of states, one a row of its shortest segment; the last one may be stayed in.
    lengths = np.minimum(np.asarray(durations, dtype=np.int64), len(found))
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    return _back(*_forth(worth, first, first + lengths - 1, switch), first, lengths)


def _forth(
    worth: np.ndarray, first: np.ndarray, last: np.ndarray, switch: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the worth of ending in each state, and which class each row's entry came from, and who stayed."""
    rows, classes = worth.shape
    owner = np.repeat(np.arange(classes), last - first + 1)
    best = worth[0][owner]  # a segment may have begun before the first row
    entered, stayed = np.zeros((rows, classes), dtype=np.int64), np.zeros((rows, classes), dtype=bool)
    for row in range(1, rows):
        ends = best[last]
        top = int(ends.argmax())
        # Everyone is entered from the best end but its own, which takes the second best.
        others = np.delete(ends, top)
        entered[row] = top
        if classes > 1:
            second = int(others.argmax())
            entered[row, top] = second + (second >= top)
        reach = np.empty_like(best)
        reach[1:] = best[:-1]
        reach[first] = ends[entered[row]] - switch if classes > 1 else -np.inf
        stayed[row] = ends >= reach[last]
        reach[last] = np.maximum(reach[last], ends)
        best = reach + worth[row][owner]
    return best, entered, stayed


def _back(
    best: np.ndarray, entered: np.ndarray, stayed: np.ndarray, first: np.ndarray, lengths: np.ndarray
) -> np.ndarray:
    """Follow the likeliest way back from the last row."""
    owner = np.repeat(np.arange(len(first)), lengths)
    state = int(best.argmax())
    path = np.empty(len(entered), dtype=np.int64)
    for row in range(len(entered) - 1, -1, -1):
        label = int(owner[state])
        path[row] = label
        place, end = state - first[label], lengths[label] - 1
        if place == end and stayed[row, label]:
            continue
        state = state - 1 if place else int(first[entered[row, label]] + lengths[entered[row, label]] - 1)
    return path


def shortest_durations(segments: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Return half of what all but a tenth of the segments of each class last, 1 at least.

    Args:
        segments: Rows of the training segments of each class, those cut off by an end of a sequence left out.

    Example:
        >>> shortest_durations([[10, 12, 30], []])
        (5, 1)
    """
    return tuple(max(int(np.quantile(one, 0.1)) // 2, 1) if len(one) else 1 for one in segments)
