"""Ranks among the scores before, against counting them one by one."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.detection.ranks import rolling_counts


@pytest.mark.parametrize(
    ("before", "rows", "window"),
    [
        (0, 10, 3),
        (5, 700, 50),
        (300, 900, 256),
        (300, 900, 255),
        (2_000, 600, 1_000),
        (7, 3, 8),
        (0, 513, 512),
        (4, 0, 5),
    ],
)
def test_counts_are_those_of_a_loop(before, rows, window):
    rng = np.random.default_rng(before + rows)
    past, scores = (rng.integers(0, 40, n).astype(float) for n in (before, rows))
    larger, seen = rolling_counts(past, scores, window)
    every = np.concatenate([past, scores])
    for row in range(rows):
        looked_at = every[max(before + row - window, 0) : before + row]
        assert (larger[row], seen[row]) == ((looked_at >= scores[row]).sum(), len(looked_at))


def test_of_a_longer_past_only_the_window_counts():
    past, scores = np.arange(100.0), np.array([50.0])
    larger, seen = rolling_counts(past, scores, 10)
    assert (larger[0], seen[0]) == (10, 10)
