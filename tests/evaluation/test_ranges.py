"""Range-based precision and recall by hand."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.errors import InputError, ParameterError
from forecast.evaluation.ranges import range_scores


def test_shares_are_means_over_stretches():
    found = range_scores([[(0, 10), (95, 100)], [(3, 4)]], [[(5, 25), (40, 50)], []], [100, 9])
    assert found.recall == pytest.approx((5 / 20 + 0) / 2)
    assert found.precision == pytest.approx((5 / 10 + 0 + 0) / 3)
    assert found.f1 == pytest.approx(2 * found.recall * found.precision / (found.recall + found.precision))


def test_single_rows_are_points():
    """Of stretches of one row each, they are the classical precision and recall."""
    rng = np.random.default_rng(0)
    flagged, labelled = rng.random((2, 500)) < 0.1
    apart = np.arange(500) % 2 == 0
    flagged, labelled = flagged & apart, labelled & apart
    spans = [[(int(i), int(i) + 1) for i in np.flatnonzero(one)] for one in (flagged, labelled)]
    found = range_scores([spans[0]], [spans[1]], [500])
    both = (flagged & labelled).sum()
    assert found.precision == pytest.approx(both / flagged.sum())
    assert found.recall == pytest.approx(both / labelled.sum())


@pytest.mark.parametrize(
    ("bias", "share"),
    [("flat", 2 / 5), ("front", (5 + 4) / 15), ("back", (1 + 2) / 15), ("middle", (1 + 2) / 9)],
)
def test_where_an_event_is_flagged(bias, share):
    found = range_scores([[(8, 12)]], [[(10, 15)]], [20], bias=bias)
    assert found.recall == pytest.approx(share)
    assert found.precision == pytest.approx(2 / 4)


def test_existence_and_pieces():
    alarms, events = [[(10, 12), (14, 16)]], [[(10, 20), (30, 40)]]
    assert range_scores(alarms, events, [50]).recall == pytest.approx((0.4 / 2 + 0) / 2)
    assert range_scores(alarms, events, [50], pieces=False).recall == pytest.approx(0.4 / 2)
    assert range_scores(alarms, events, [50], existence=1.0).recall == 0.5
    half = range_scores(alarms, events, [50], existence=0.5)
    assert half.recall == pytest.approx((0.5 + 0.5 * 0.2) / 2)


def test_nothing_there():
    none = range_scores([[]], [[]], [50])
    assert np.isnan([none.precision, none.recall, none.f1]).all()
    missed = range_scores([[]], [[(1, 3)]], [50])
    assert np.isnan(missed.precision) and missed.recall == missed.f1 == 0
    wrong = range_scores([[(5, 6)]], [[(1, 3)]], [50])
    assert (wrong.precision, wrong.recall, wrong.f1) == (0, 0, 0)


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"existence": 1.5}, ParameterError, "existence must lie between 0 and 1"),
        ({"bias": "late"}, ParameterError, "bias must be one of flat, front, back, middle"),
        ({"rows": [5, 5]}, InputError, "Alarms of 1 series"),
        ({"rows": [2]}, InputError, "outside its 2 rows"),
    ],
)
def test_what_makes_no_sense_is_refused(more, error, message):
    given = {"alarms": [[(1, 3)]], "events": [[(1, 3)]], "rows": [5]} | more
    with pytest.raises(error, match=message):
        range_scores(**given)
