"""Methods without a network: what they score, and that rows may come one by one."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from forecast.detection.moments import rolling_moments
from forecast.detection.simple import SIMPLE, Simple, outside

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(300, 2)).cumsum(axis=0)
VALUES[20:23], VALUES[100, 0] = np.nan, np.nan
CHANNELS = ("load", "heat")


def scored(simple: Simple, values: np.ndarray):
    return simple.advance(simple.start(values.shape[1]), values, CHANNELS[: values.shape[1]])


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("name", SIMPLE)
def test_rows_may_come_in_parts(name, gaps):
    simple = Simple(name, 7, window=50, gaps=gaps)
    whole, after = scored(simple, VALUES)
    memory, parts = simple.start(2), []
    for part in np.split(VALUES, [1, 2, 5, 22, 101, 200]):
        found, memory = simple.advance(memory, part, CHANNELS)
        parts.append(found)
    for field in ("values", "expected", "actual"):
        joined = np.concatenate([getattr(p, field) for p in parts])
        np.testing.assert_allclose(joined, getattr(whole, field), rtol=1e-12, atol=1e-12, err_msg=field)
    np.testing.assert_allclose(memory.numbers, after.numbers)


@pytest.mark.parametrize("name", SIMPLE)
def test_nothing_behind_a_row_matters(name):
    changed = VALUES.copy()
    changed[150:] = RNG.normal(size=(150, 2)) * 100
    simple = Simple(name, 7)
    before, scrambled = scored(simple, VALUES)[0], scored(simple, changed)[0]
    np.testing.assert_array_equal(before.values[:150], scrambled.values[:150])


@pytest.mark.parametrize("name", SIMPLE)
def test_missing_rows_have_no_score_unless_they_are_evidence(name):
    found, _ = scored(Simple(name, 7), VALUES)
    assert np.isnan(found.values[20:23]).all()
    missed, _ = scored(Simple(name, 7, gaps=True), VALUES)
    gap = [s.kind for s in missed.streams].index("gap")
    assert missed.values[18:25, gap].tolist() == [0, 0, 1, 2, 3, 0, 0]


def test_the_range_is_of_all_rows_before():
    values = np.concatenate([np.tile([0.0, 10.0], 20), [10.4, 11.0, 5.0, -2.0, 11.0]])[:, None]
    found, _ = scored(Simple("range"), values)
    np.testing.assert_allclose(found.values[-5:, 0], [0.04, 0.6 / 10.4, 0, 2 / 11, 0])
    assert (found.values[:40] == 0).all()
    early, _ = scored(Simple("range"), np.array([[1.0], [100.0]]))
    assert (early.values == 0).all(), "a few rows have no range to be outside of"


def test_the_seasonal_naive_residual():
    values = np.arange(20.0)[:, None] ** 2
    found, _ = scored(Simple("seasonal-naive", 5), values)
    np.testing.assert_array_equal(found.values[5:, 0], values[5:, 0] - values[:-5, 0])
    assert (found.values[:5] == 0).all()


def test_the_ewma_residual():
    values = np.array([[1.0], [3.0], [np.nan], [2.0]])
    found, _ = scored(Simple("ewma"), values)
    np.testing.assert_allclose(found.expected[1:, 0], [1.0, 1 + 2 * 2 / 25, 1 + 2 * 2 / 25])


def test_the_windowed_gaussian():
    found, _ = scored(Simple("gaussian", window=40), VALUES[150:])
    window = VALUES[150 + 60 : 150 + 100, 1]
    assert found.values[100, 1] == pytest.approx(abs(VALUES[250, 1] - window.mean()) / window.std())


def test_novelty_is_level_and_range():
    found, _ = scored(Simple("novelty", 12), VALUES)
    kinds = {(s.kind, s.rows) for s in found.streams}
    assert kinds == {("above", 1), ("below", 1), ("above", 12), ("below", 12), ("range", 1)}
    of = {(s.kind, s.rows, s.channel): found.values[:, j] for j, s in enumerate(found.streams)}
    assert of["above", 12, "heat"][60] == pytest.approx(VALUES[49:61, 1].mean())
    np.testing.assert_array_equal(of["above", 12, "heat"], -of["below", 12, "heat"])


@pytest.mark.parametrize("name", SIMPLE)
def test_constant_series_score_nothing_unusual(name):
    found, _ = scored(Simple(name, 7), np.full((80, 1), 3.0))
    for j, stream in enumerate(found.streams):
        assert len(np.unique(found.values[7:, j][~np.isnan(found.values[7:, j])])) == 1, stream


@pytest.mark.parametrize("window", [1, 2, 7, 50, 400])
def test_moments_are_those_of_each_window_alone_and_equal_in_parts(window):
    mean, deviation = rolling_moments(VALUES, 0, 0, window)
    for row in range(1, len(VALUES)):
        own = VALUES[max(row - window, 0) : row]
        for j in range(2):
            seen = own[~np.isnan(own[:, j]), j]
            if not len(seen):
                assert np.isnan([mean[row, j], deviation[row, j]]).all()
                continue
            assert mean[row, j] == pytest.approx(seen.mean(), rel=1e-12, abs=1e-14)
            assert deviation[row, j] == pytest.approx(seen.std(), rel=1e-9, abs=1e-14)
    for row in (1, 6, 7, 8, 49, 51, 299):
        lead = min(row, window)
        again = rolling_moments(VALUES[row - lead :], lead, row, window)
        np.testing.assert_array_equal(again[0], mean[row:])
        np.testing.assert_array_equal(again[1], deviation[row:])


def test_moments_keep_their_digits_far_from_zero():
    """Deviations of a thousandth around a million, against exact fractions."""
    values = 1e6 + 1e-3 * RNG.normal(size=(500, 1))
    mean, deviation = rolling_moments(values, 0, 0, 200)
    own = [Fraction(float(value)) for value in values[250:450, 0]]
    middle = sum(own) / len(own)
    spread = math.sqrt(sum((value - middle) ** 2 for value in own) / len(own))
    assert abs(Fraction(float(mean[450, 0])) - middle) < 1e-9
    # Running sums of squares would have no digit left.
    assert deviation[450, 0] == pytest.approx(spread, rel=1e-7)


def test_the_check_beside_every_detector_takes_the_channel_that_is_farthest_outside():
    steady = np.tile([[0.0, 5.0], [10.0, 6.0]], (20, 1))
    values = np.concatenate([steady, [[11.0, 5.0], [5.0, 8.0], [np.nan, np.nan], [np.nan, 5.5]]])
    np.testing.assert_allclose(outside(values)[-4:], [0.1, 2.0, np.nan, 0.0])
