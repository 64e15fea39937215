"""What follows from trials."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from forecast.estimators.choosing import _mixed
from forecast.estimators.recipe import Architecture
from forecast.estimators.trials import Tried, compared, nearly_best
from forecast.models import Spec

SPEC = Spec(context=336, horizon=24, season=24, period=24, anchor="last")


def tried(*errors: float, name: str = "segment", **changes: object) -> Tried:
    return Tried(Architecture(name), replace(SPEC, **changes), np.array(errors))


@pytest.mark.parametrize(
    ("others", "best"),
    [
        ([(0.9, 0.9, 0.9, 0.9)], 1),
        ([(0.5, 1.2, 1.1, 0.9)], 0),  # better on average, but not beyond chance
        ([(0.99, 0.98, 0.99, 0.98), (0.9, 0.91, 0.9, 0.91)], 2),
        ([(np.nan, 0.9, 0.9, 0.9)], 1),
        ([(1.0, 1.0, 1.0, 1.0)], 0),
        ([(0.5, np.nan, np.nan, np.nan)], 1),  # a single fold decides by itself
        ([(np.inf, 0.5, 0.5, 0.5)], 0),
        ([(np.nan,) * 4], 0),
    ],
)
def test_the_usual_one_stands_unless_another_is_better_beyond_chance(others, best):
    all_tried = [tried(1, 1, 1, 1), *(tried(*errors) for errors in others)]
    assert nearly_best(all_tried)[0] is all_tried[best]


def test_what_diverged_comes_last():
    lost, sound, better = tried(np.inf, np.inf), tried(1.0, 1.0), tried(0.5, 0.5)
    assert nearly_best([lost, sound, better]) == [better]
    assert nearly_best([lost, sound]) == [sound]
    assert nearly_best([lost, tried(np.nan, np.nan)]) == [lost]
    assert compared([lost, sound], lambda one: one.architecture.name).endswith(
        "segment diverged, segment 1.000"
    )


def test_one_fold_decides_by_itself():
    worse, better = tried(1.0), tried(0.9)
    assert nearly_best([worse, better]) == [better]
    assert nearly_best([better, worse]) == [better]


def test_what_is_far_behind_is_left_out_and_the_rest_is_in_order():
    usual, near, far, nearer = tried(1, 1), tried(1.09, 1.09), tried(1.2, 1.2), tried(1.02, 1.02)
    assert nearly_best([usual, near, far, nearer]) == [usual, nearer, near]


def test_members_differ_in_architecture_then_context_then_scaling():
    first, scaling = tried(1, 1), tried(1, 1, anchor="mean")
    other = tried(1, 1, name="esrnn", anchor="mean")
    short = replace(other, spec=replace(other.spec, context=96))
    found = _mixed([first, scaling, other])
    assert [(way.architecture.name, way.spec) for way in found] == [
        (way.architecture.name, way.spec) for way in (first, other, short, scaling)
    ]
    assert [way.spec.context for way in _mixed([first])] == [336, 96]


def test_a_short_context_holds_the_longest_season():
    weekly = tried(1, 1, period=168)
    assert _mixed([weekly]) == [weekly]
    assert _mixed([tried(1, 1, context=14, season=1, period=1)])[1:] == []


def test_words():
    words = compared([tried(0.5, 0.25), tried(1, 1, scale_by=(2.0,))], lambda one: one.scaling)
    assert words == (
        "MASE on validation rows: last, 336 rows 0.375, last and training spread, 336 rows 1.000"
    )
