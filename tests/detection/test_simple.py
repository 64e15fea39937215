"""Methods without a network: what they score, and that rows may come one by one."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.detection.simple import SIMPLE, Simple

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
