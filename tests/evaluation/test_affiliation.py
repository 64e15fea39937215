"""Affiliation precision and recall against their definition, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.errors import InputError
from forecast.evaluation.affiliation import affiliation_scores


def by_definition(alarms, events, rows: int, fine: int = 40) -> tuple[float, float]:
    """Both means from moments on a fine grid, every probability counted."""
    grid = (np.arange(rows * fine) + 0.5) / fine
    middle = [(a[1] + b[0]) / 2 for a, b in zip(events, events[1:])]
    edges = [0.0, *middle, float(rows)]
    flagged = np.any([(grid >= a) & (grid < b) for a, b in alarms], axis=0)
    precision, recall = [], []
    for (first, stop), begin, end in zip(events, edges, edges[1:]):
        zone = grid[(grid >= begin) & (grid < end)]
        hits = grid[(grid >= begin) & (grid < end) & flagged]
        away = np.maximum(np.maximum(first - zone, zone - stop), 0)
        if len(hits):
            own = np.maximum(np.maximum(first - hits, hits - stop), 0)
            precision.append(np.mean([(away >= one).mean() for one in own]))
        inside = zone[(zone >= first) & (zone < stop)]
        shares = [0.0]
        if len(hits):
            nearest = [np.abs(hits - y).min() if not flagged[np.argmin(abs(grid - y))] else 0 for y in inside]
            shares = [(np.abs(zone - y) >= d).mean() for y, d in zip(inside, nearest, strict=True)]
        recall.append(np.mean(shares))
    return float(np.mean(precision)), float(np.mean(recall))


@pytest.mark.parametrize(
    ("alarms", "events", "rows"),
    [
        ([(42, 50)], [(40, 60)], 100),
        ([(0, 100)], [(40, 60)], 100),
        ([(5, 9), (30, 31), (33, 41), (90, 91)], [(10, 20), (35, 50)], 100),
        ([(70, 80)], [(0, 5), (60, 61), (95, 100)], 100),
        ([(12, 13), (22, 23), (58, 60)], [(10, 24), (40, 44)], 60),
    ],
)
def test_both_are_those_of_the_definition(alarms, events, rows):
    found = affiliation_scores([alarms], [events], [rows])
    assert (found.precision, found.recall) == pytest.approx(by_definition(alarms, events, rows), abs=0.02)


def test_by_hand():
    # The event fills [4, 6) of [0, 10). A flag at [2, 3) is d = 1 to 2 away; 2 (4 - d) / 10 of the zone is as far.
    found = affiliation_scores([[(2, 3)]], [[(4, 6)]], [10])
    assert found.precision == pytest.approx(2 * (4 - 1.5) / 10)
    # From y in the event to the flag are y - 3 rows, one to three; 10 - 2 (y - 3) of the zone are as far from y.
    assert found.recall == pytest.approx(1 - 2 * 2 / 10)


def test_perfect_and_silent():
    events = [[(10, 20), (50, 60)], [(5, 6)], []]
    perfect = affiliation_scores(events, events, [100, 30, 40])
    assert (perfect.precision, perfect.recall, perfect.f1) == (1, 1, 1)
    assert (perfect.events, perfect.flagged) == (3, 3)
    silent = affiliation_scores([[], [], []], events, [100, 30, 40])
    assert np.isnan(silent.precision) and silent.recall == silent.f1 == 0
    # Flags of a series without events belong to no zone.
    assert affiliation_scores([[], [], [(3, 9)]], events, [100, 30, 40]).flagged == 0


def test_nearer_is_better():
    scores = [affiliation_scores([[(at, at + 2)]], [[(60, 70)]], [100]) for at in (10, 30, 50, 57, 61)]
    assert (np.diff([one.precision for one in scores]) > 0).all()
    assert (np.diff([one.recall for one in scores]) > 0).all()


@pytest.mark.parametrize(
    ("alarms", "events", "message"),
    [
        ([[]], [[]], "no labelled event"),
        ([[], []], [[(1, 2)]], "Alarms of 2 series"),
        ([[(3, 6), (5, 7)]], [[(1, 2)]], "overlap"),
        ([[]], [[(1, 12)]], "outside its 9 rows"),
    ],
)
def test_stretches_that_make_no_sense_are_refused(alarms, events, message):
    with pytest.raises(InputError, match=message):
        affiliation_scores(alarms, events, [9])
