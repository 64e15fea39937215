"""The score of the Numenta Anomaly Benchmark: early alarms in labelled windows count, alarms elsewhere cost.

The earliest flagged row of a window earns what its place is worth: 1 at the left edge, falling along a sigmoid to
almost nothing at the right one. A window without a flag costs. A flag outside costs the more the farther it lies
behind the last window. The sum over all series is put on a scale on which no flag at all is 0 and the first row of
every window, and nothing else, is 100. Rows of probation (the first 15 %, 750 at most) are left out.

Source: Lavin and Ahmad (2015), "Evaluating real-time anomaly detection algorithms", arXiv 1510.03336, section III, with
the sweep over thresholds of numenta/NAB.
Differs: All thresholds are scored at once; a window of a single row has no width to measure distances behind it in, and
a flag behind it costs in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecast.errors import InputError
from forecast.evaluation.events import Spans, check_spans

Floats = NDArray[np.float64]

PROBATION, MOST_PROBATION = 0.15, 750
# Widths behind a window from which on a flag costs in full, and how steep the sigmoid is.
FAR, STEEP = 3.0, 5.0


@dataclass(frozen=True)
class Profile:
    """What hits, misses and false alarms are worth.

    Args:
        hit: Of a window whose first row is flagged.
        miss: Cost of a window without a flag.
        false_alarm: Cost of a flagged row far from any window.
    """

    hit: float = 1.0
    miss: float = 1.0
    false_alarm: float = 0.11


PROFILES = {
    "standard": Profile(),
    "reward_low_FP_rate": Profile(false_alarm=0.22),
    "reward_low_FN_rate": Profile(miss=2.0),
}
"""The benchmark's profiles by name."""


@dataclass(frozen=True)
class NabScore:
    """A score and what it stands on.

    Args:
        score: 0 for no flag at all, 100 for the first row of every window and nothing else; may be negative.
        threshold: Rows that score as much or more are flagged.
        true_positives: Flagged rows in windows.
        false_positives: Flagged rows outside.
        windows: Windows with a flag.
        chosen: Whether the threshold was chosen with the labels.
    """

    score: float
    threshold: float
    true_positives: int
    false_positives: int
    windows: int
    chosen: bool


def probation_rows(rows: int) -> int:
    """Return how many rows of a series are not scored.

    Example:
        >>> probation_rows(4_032), probation_rows(22_695)
        (604, 750)
    """
    return min(int(PROBATION * rows), MOST_PROBATION)


def nab_score(
    scores: Sequence[Floats],
    windows: Sequence[Spans],
    *,
    profile: str | Profile = "standard",
    threshold: float | None = None,
) -> NabScore:
    """Score anomaly scores of several series against labelled windows.

    Args:
        scores: One array a series, larger is more anomalous; NaN is never flagged.
        windows: Of each series, in order and apart: first row, and row behind the last.
        profile: A name of ``PROFILES``, or one's own.
        threshold: Rows that score as much or more are flagged. None: the one that scores best, the highest of equal
            ones. That uses the labels, and flatters.

    Returns:
        The score, and what it stands on.

    Raises:
        InputError: Series and windows differ in number, windows overlap or lie outside, or there is none at all.

    Example:
        >>> scores = np.zeros(1_000)
        >>> scores[[300, 700]] = 1.0
        >>> found = nab_score([scores], [[(290, 340)]], threshold=0.5)
        >>> round(found.score, 2), found.windows, found.false_positives
        (93.36, 1, 1)
    """
    costs = PROFILES[profile] if isinstance(profile, str) else profile
    rows = _rows(scores, windows, costs)
    order = np.argsort(-rows.scores, kind="stable")
    gains = _gains(rows, order, costs.miss)
    ordered = rows.scores[order]
    # A threshold takes all rows of a score: sums stand behind the last of them. The first is that of no row at all.
    last = (
        np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1) + 1
        if len(ordered)
        else np.zeros(0, int)
    )
    ends = np.concatenate([[0], last])
    sums = np.concatenate([[0.0], np.cumsum(gains)])[ends]
    if threshold is None:
        place = int(sums.argmax())
        used = float(ordered[ends[place] - 1]) if place else np.inf
    else:
        place = int(np.searchsorted(-ordered[last - 1], -threshold, side="right"))
        used = float(threshold)
    flagged = order[: ends[place]]
    inside = rows.window[flagged]
    # A window that lies in probation cannot be found, and is no miss either.
    best = rows.count * costs.hit + len(np.unique(rows.window[rows.window >= 0])) * costs.miss
    return NabScore(
        score=100.0 * float(sums[place]) / best,
        threshold=used,
        true_positives=int((inside >= 0).sum()),
        false_positives=int((inside < 0).sum()),
        windows=len(np.unique(inside[inside >= 0])),
        chosen=threshold is None,
    )


def nab_sums(
    flags: Sequence[NDArray[np.int64]], windows: Sequence[Spans], rows: Sequence[int], profile: str | Profile
) -> Floats:
    """Return what each series gains over no flag at all, by flags that are given and not by a threshold.

    The score is the sum of the gains divided by all windows, so that it can be had of any choice of series.

    Args:
        flags: Of each series, numbers of the flagged rows, probation left out.
        windows: Of each series, in order and apart, only those that can be found: first row, and row behind the last.
        rows: Of each series.
        profile: A name of ``PROFILES``, or one's own.

    Returns:
        Gains, float64 ``(series,)``: 100 for each window whose first row is flagged; below zero where false alarms cost
        more than was found.

    Raises:
        InputError: Windows overlap or lie outside.

    Example:
        >>> gains = nab_sums([np.array([300, 700])], [[(290, 340)]], [1_000], "standard")
        >>> round(float(gains[0]), 2)
        93.36
    """
    costs = PROFILES[profile] if isinstance(profile, str) else profile
    gains = np.zeros(len(flags))
    for number, (row, spans, count) in enumerate(zip(flags, windows, rows, strict=True)):
        worth, window = _worth(row, check_spans(spans, count, number), costs)
        met = np.unique(window[window >= 0])
        best = sum(worth[window == one].max() for one in met)
        gains[number] = best + len(met) * costs.miss + worth[window < 0].sum()
    return 100.0 * gains / (costs.hit + costs.miss)


@dataclass(frozen=True, eq=False)
class _Rows:
    """All rows that count: what they score, what a flag there is worth, in which window they lie (-1: none)."""

    scores: Floats
    worth: Floats
    window: NDArray[np.int64]
    count: int


def _rows(scores: Sequence[Floats], windows: Sequence[Spans], costs: Profile) -> _Rows:
    if len(scores) != len(windows):
        raise InputError(f"There are scores of {len(scores)} series and windows of {len(windows)}.")
    kept: list[tuple[Floats, Floats, NDArray[np.int64]]] = []
    count = 0
    for number, (own, spans) in enumerate(zip(scores, windows, strict=True)):
        values = np.asarray(own, np.float64)
        worth, window = _worth(np.arange(len(values)), check_spans(spans, len(values), number), costs)
        window = np.where(window >= 0, window + count, -1)
        seen = np.arange(len(values)) >= probation_rows(len(values))
        seen &= ~np.isnan(values)
        kept.append((values[seen], worth[seen], window[seen]))
        count += len(spans)
    if not count:
        raise InputError("There is no labelled window: nothing can be found.")
    parts = (np.concatenate(part) for part in zip(*kept, strict=True))
    return _Rows(*parts, count=count)


def _worth(
    row: NDArray[np.int64], spans: NDArray[np.int64], costs: Profile
) -> tuple[Floats, NDArray[np.int64]]:
    """Return what a flag on each of these rows is worth, and the number of the window it lies in, -1 for none."""
    if not len(spans):
        return np.full(len(row), -costs.false_alarm), np.full(len(row), -1)
    # The last window that begins at or before each row; -1 ahead of the first.
    last = np.searchsorted(spans[:, 0], row, side="right") - 1
    first, stop = spans[np.maximum(last, 0)].T
    width = stop - first
    inside = (last >= 0) & (row < stop)
    hit = costs.hit * _sigmoid(np.minimum(row - stop, 0) / width) / _sigmoid(np.array(-1.0))
    # A window of one row has no width to measure distances in.
    behind = np.where(width > 1, (row - stop + 1) / np.maximum(width - 1, 1), np.inf)
    near = (last >= 0) & (behind <= FAR)
    false = costs.false_alarm * np.where(near, _sigmoid(np.minimum(behind, FAR)), -1.0)
    return np.where(inside, hit, false), np.where(inside, last, -1)


def _sigmoid(place: Floats) -> Floats:
    """Fall from almost 1 at -1 to 0 at 0, and to almost -1 behind."""
    return 2.0 / (1.0 + np.exp(STEEP * place)) - 1.0


def _gains(rows: _Rows, order: NDArray[np.int64], miss: float) -> Floats:
    """Return by how much each further row, the highest scores first, changes the sum.

    The rows of a window change it by what is worth more than those before them; the first also by the miss it ends.
    """
    window, worth = rows.window[order], rows.worth[order]
    gains = np.where(window < 0, worth, 0.0)
    inside = np.flatnonzero(window >= 0)
    # Rows of each window together, still in the order of their scores.
    inside = inside[np.argsort(window[inside], kind="stable")]
    for own in np.split(inside, np.flatnonzero(np.diff(window[inside])) + 1):
        gains[own] = np.diff(np.maximum.accumulate(worth[own]), prepend=-miss)
    return gains
