"""How well segments of labels are found: each found one against the one it overlaps most, never row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from forecast.errors import ParameterError
from forecast.evaluation.events import Spans, each_series, harmonic_mean, spans_of


@dataclass(frozen=True)
class SegmentScores:
    """Found segments against labelled ones, over all sequences together.

    Args:
        events: Labelled segments.
        found: Segments that were found.
        matched: Pairs of both that overlap enough, each segment in one pair at most.
        onsets: Rows from the labelled start to the found one, of each pair; below zero where found too early.
        ends: The same of the ends.
    """

    events: int
    found: int
    matched: int
    onsets: tuple[int, ...]
    ends: tuple[int, ...]

    @property
    def precision(self) -> float:
        """Matched among found segments, NaN where none was found."""
        return self.matched / self.found if self.found else float("nan")

    @property
    def recall(self) -> float:
        """Matched among labelled segments, NaN without one."""
        return self.matched / self.events if self.events else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of both: 0 where nothing was matched, NaN without a labelled segment."""
        return harmonic_mean(self.precision, self.recall)

    @property
    def onset_error(self) -> float:
        """Mean distance of found starts from labelled ones, in rows; NaN without a pair."""
        return float(np.mean(np.abs(self.onsets))) if self.onsets else float("nan")

    @property
    def onset_bias(self) -> float:
        """Mean of the same with its sign: below zero where starts are found too early."""
        return float(np.mean(self.onsets)) if self.onsets else float("nan")


def segment_scores(
    found: Sequence[Spans], events: Sequence[Spans], rows: Sequence[int], *, overlap: float = 0.5
) -> SegmentScores:
    """Pair found segments with labelled ones, the best overlaps first, and count.

    Args:
        found: Of each sequence, in order and apart: first row, and row behind the last.
        events: The same of the labelled segments.
        rows: Rows of each sequence.
        overlap: Rows in both segments divided by rows in either, that make a pair at least.

    Raises:
        InputError: They are not of as many sequences, or segments overlap or lie outside.
        ParameterError: ``overlap`` is not above 0 and at most 1.

    Example:
        >>> scores = segment_scores([[(4, 10), (30, 31)]], [[(3, 9), (20, 22)]], [100])
        >>> scores.precision, scores.recall, scores.onsets
        (0.5, 0.5, (1,))

    Source:
        Lea et al. (2017), "Temporal Convolutional Networks for Action Segmentation and Detection", F1@k.
    """
    if not 0 < overlap <= 1:
        raise ParameterError(f"overlap must be above 0 and at most 1; got {overlap}.")
    onsets, ends = [], []
    for ours, theirs, _ in each_series(found, events, rows):
        for i, j in _pairs(ours, theirs, overlap):
            onsets.append(int(ours[i, 0] - theirs[j, 0]))
            ends.append(int(ours[i, 1] - theirs[j, 1]))
    counts = (sum(len(one) for one in events), sum(len(one) for one in found), len(onsets))
    return SegmentScores(*counts, tuple(onsets), tuple(ends))


def _pairs(ours: NDArray[np.int64], theirs: NDArray[np.int64], overlap: float) -> list[tuple[int, int]]:
    """Return pairs of segments, none of which is in two: the largest overlap is paired first."""
    if not len(ours) or not len(theirs):
        return []
    begin = np.maximum(ours[:, None, 0], theirs[None, :, 0])
    end = np.minimum(ours[:, None, 1], theirs[None, :, 1])
    both = np.maximum(end - begin, 0)
    either = np.diff(ours)[:, 0][:, None] + np.diff(theirs)[:, 0][None, :] - both
    share, pairs = both / either, []
    while share.max() >= overlap:
        i, j = np.unravel_index(int(share.argmax()), share.shape)
        pairs.append((int(i), int(j)))
        share[i], share[:, j] = -1.0, -1.0
    return pairs


def runs_of(codes: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Return the stretches of equal codes: first row, row behind the last, code.

    Example:
        >>> runs_of(np.array([2, 2, 0, 2]))
        [(0, 2, 2), (2, 3, 0), (3, 4, 2)]
    """
    codes = np.asarray(codes)
    edges = (
        np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1, [len(codes)]])
        if len(codes)
        else np.array([0])
    )
    return [(int(a), int(b), int(codes[a])) for a, b in pairwise(edges)]


def spans_of_class(
    codes: NDArray[np.int64], number: int, counted: NDArray[np.bool_]
) -> list[tuple[int, int]]:
    """Return the stretches of one class among the rows that count.

    Example:
        >>> spans_of_class(np.array([1, 1, 0, 1]), 1, np.array([True, True, True, False]))
        [(0, 2)]
    """
    return spans_of((np.asarray(codes) == number) & counted)
