"""Alarms against labelled events."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.errors import InputError, ParameterError
from forecast.evaluation.events import event_scores, spans_of


@pytest.mark.parametrize(
    ("flags", "spans"),
    [
        ([], []),
        ([0, 0], []),
        ([1, 1], [(0, 2)]),
        ([1, 0, 1, 1, 0], [(0, 1), (2, 4)]),
    ],
)
def test_stretches(flags, spans):
    assert spans_of(flags) == spans


def test_counts_by_hand():
    alarms = [[(10, 12), (15, 16), (50, 60)], [(5, 6)], []]
    events = [[(8, 20), (70, 80)], [], [(0, 3)]]
    found = event_scores(alarms, events, [100, 100, 50], step_seconds=3_600)
    assert (found.events, found.found, found.alarms, found.false_alarms) == (3, 1, 4, 2)
    assert found.precision == 0.5 and found.recall == pytest.approx(1 / 3)
    assert found.f1 == pytest.approx(0.4)
    assert found.delays == (2,) and found.delay() == found.delay(0.9) == 2
    assert found.false_alarms_per_1000_rows == 8 and found.false_alarms_per_day == pytest.approx(2 * 24 / 250)


def test_an_alarm_that_never_ends_finds_only_what_it_began_in():
    events = [[(100, 110), (200, 210), (300, 310)]]
    always = event_scores([[(0, 1_000)]], events, [1_000])
    assert (always.precision, always.recall, always.f1) == (0, 0, 0)
    first = event_scores([[(105, 1_000)]], events, [1_000])
    assert (first.precision, first.found, first.delays) == (1, 1, (5,))


def test_every_so_many_rows_is_as_good_as_the_share_of_rows_in_events():
    rows = np.arange(0, 10_000, 50)
    found = event_scores([[(int(r), int(r) + 1) for r in rows]], [[(2_000, 3_000)]], [10_000])
    assert found.recall == 1 and found.precision == pytest.approx(0.1)


def test_tolerance_reaches_before_and_behind_and_to_the_nearer_event():
    events = [[(10, 20), (26, 30)]]
    at = [7, 8, 21, 22, 24, 31, 32]
    alarms = [[(row, row + 1) for row in at]]
    assert event_scores(alarms, events, [50]).false_alarms == 7
    found = event_scores(alarms, events, [50], tolerance=2)
    # 7 is three rows before the first, 22 three behind its last row and four before the next, 32 three behind.
    assert found.false_alarms == 3 and found.found == 2 and found.delays == (-2, -2)
    tie = event_scores([[(23, 24)]], [[(10, 20), (27, 30)]], [50], tolerance=9)
    assert tie.delays == (13,)


def test_nothing_to_count():
    none = event_scores([[]], [[]], [100])
    assert np.isnan([none.precision, none.recall, none.f1, none.delay(), none.false_alarms_per_day]).all()
    assert none.false_alarms_per_1000_rows == 0
    missed = event_scores([[]], [[(3, 5)]], [100])
    assert np.isnan(missed.precision) and missed.recall == missed.f1 == 0
    quiet = event_scores([[(3, 5)]], [[]], [100])
    assert quiet.precision == 0 and np.isnan(quiet.f1)


@pytest.mark.parametrize(
    ("alarms", "events", "rows", "message"),
    [
        ([[]], [], [9], "Alarms of 1 series, events of 0 and rows of 1"),
        ([[]], [[(4, 10)]], [9], "outside its 9 rows"),
        ([[]], [[(4, 4)]], [9], "empty, overlap"),
        ([[]], [[(2, 6), (5, 8)]], [9], "empty, overlap"),
        ([[]], [[(5, 8), (1, 2)]], [9], "not in order"),
    ],
)
def test_labels_that_make_no_sense_are_refused(alarms, events, rows, message):
    with pytest.raises(InputError, match=message):
        event_scores(alarms, events, rows)


def test_a_tolerance_below_zero_is_refused():
    with pytest.raises(ParameterError, match="at least 0 rows"):
        event_scores([[]], [[]], [9], tolerance=-1)
