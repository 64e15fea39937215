"""Windows on a scale of their own: what they show, and what they do not look at."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecast.data.gridding import to_panel
from forecast.data.local_windows import LocalWindows
from forecast.data.table import read_table

RNG = np.random.default_rng(0)


def panel_of(*series: np.ndarray):
    rows = [
        pd.DataFrame(np.reshape(values, (len(values), -1)))
        .add_prefix("c")
        .assign(id=f"s{i}", t=range(len(values)))
        for i, values in enumerate(series)
    ]
    columns = tuple(rows[0].columns.drop(["id", "t"]))
    return to_panel(read_table(pd.concat(rows), time="t", id="id", target=columns))


def test_windows_end_at_their_row_and_stop_at_their_series():
    panel = panel_of(np.arange(5.0) + 1, np.arange(4.0) + 10)
    found = LocalWindows(panel, 3, 6, beyond=1).raw(np.array([0, 2, 4, 5, 8]))[..., 0]
    none = np.nan
    expected = [
        [none, none, none, 1, 2],
        [none, 1, 2, 3, 4],
        [2, 3, 4, 5, none],
        [none, none, none, 10, 11],
        [10, 11, 12, 13, none],
    ]
    np.testing.assert_array_equal(found, expected)


def test_the_scale_is_that_of_the_last_known_rows():
    values = RNG.normal(size=(40, 2))
    values[[3, 20, 21], [0, 1, 1]] = np.nan
    windows = LocalWindows(panel_of(values), 4, 16)
    for row in (0, 5, 15, 16, 39):
        seen = values[max(row - 15, 0) : row + 1]
        low, middle, high = np.nanquantile(seen, [0.1, 0.5, 0.9], axis=0)
        np.testing.assert_allclose(windows.centre[row], middle)
        if row:
            np.testing.assert_allclose(windows.unit[row], (high - low) / 2.563103, rtol=1e-6)


def test_a_tenth_of_wild_rows_hardly_moves_the_scale():
    values = RNG.normal(size=100)
    wild = values.copy()
    wild[[30, 60, 70, 80, 99]] = 1e6
    one, two = (LocalWindows(panel_of(v), 20, 100).unit[99, 0] for v in (values, wild))
    assert one < two < 1.5 * one


@pytest.mark.parametrize("level", [0.0, 5.0, -1e9])
def test_a_constant_is_as_it_is_and_what_leaves_it_is_far_away(level):
    values = np.full(30, level)
    values[25] = level + max(abs(level), 1) / 100
    windows = LocalWindows(panel_of(values), 4, 16)
    assert windows.constant.all()
    scaled = windows.scaled(np.arange(30))[:, -1, 0]
    assert np.all(scaled[np.arange(30) != 25] == 0) and 1e6 < scaled[25] < np.inf


def test_values_come_back_and_units_do_not_matter():
    values = RNG.normal(size=60).cumsum()
    ends = np.arange(5, 60)
    plain, other = (LocalWindows(panel_of(v), 6, 24) for v in (values, 1_000 + 0.01 * values))
    np.testing.assert_allclose(plain.scaled(ends), other.scaled(ends), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(plain.restored(plain.scaled(ends), ends), plain.raw(ends))


def test_nothing_known_is_told():
    windows = LocalWindows(panel_of(np.r_[1.0, 2.0, np.full(9, np.nan), 4.0]), 2, 4)
    assert windows.known.tolist() == [1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert np.isnan(windows.centre[8]).all() and windows.constant[8].all()


def test_rows_far_back_do_not_move_a_bit():
    """The scale of a row is the same bits whether a thousand wild rows or none came before its reach."""
    values = RNG.normal(size=2_000) * np.repeat([1e9, 1.0], 1_000)
    whole, part = LocalWindows(panel_of(values), 8, 32), LocalWindows(panel_of(values[1_500:]), 8, 32)
    for name in ("centre", "unit"):
        np.testing.assert_array_equal(getattr(whole, name)[1_531:], getattr(part, name)[31:])
