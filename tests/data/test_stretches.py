"""Stretches of series: every row is read once a pass, in lanes that go on where they ended."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data.stretches import Pieces, Schedule, find_pieces, gather, stretch_sizes
from forecast.data.windows import make_windows
from tests.tables import COVARIATES, PLAIN, panel_of, shops


def pieces_of(lengths: list[int]) -> Pieces:
    ends = np.cumsum(lengths)
    return Pieces(np.arange(len(lengths)), ends - lengths, ends)


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=6),
    st.integers(1, 12),
    st.integers(1, 5),
    st.integers(0, 3),
)
def test_a_pass_reads_no_row_twice_and_lanes_go_on_where_they_ended(lengths, chunk, lanes, seed):
    pieces = pieces_of(lengths)
    chunk = min(chunk, max(lengths))
    stretches = int(np.maximum(np.array(lengths) // chunk, 1).sum())
    lanes = min(lanes, stretches)
    schedule = Schedule(pieces, chunk, lanes, seed)
    assert schedule.batches == stretches // lanes
    for number in range(2):
        seen = np.zeros(sum(lengths), int)
        before = None
        for k in range(schedule.batches):
            batch = schedule.batch(number * schedule.batches + k)
            for series, begin, length in zip(batch.series, batch.begins, batch.lengths, strict=True):
                assert pieces.begins[series] <= begin and begin + length <= pieces.ends[series]
                assert length == min(chunk, lengths[series])
                seen[begin : begin + length] += 1
            on = batch.since > 0
            if before is None:
                assert not on.any()
            else:
                assert (batch.series[on] == before.series[on]).all()
                assert (batch.begins[on] == before.begins[on] + chunk).all()
            assert (batch.fresh == ~on).all()
            before = batch
        assert seen.max() == 1
        # What is left over is no more than the lanes leave, and less than a stretch of each piece.
        left = schedule.batches * lanes
        assert (seen.sum() > 0) and stretches - left < lanes


def test_the_order_depends_on_seed_and_pass_alone():
    pieces = pieces_of([50, 43, 61])
    one, again, other = (Schedule(pieces, 5, 3, seed) for seed in (1, 1, 2))
    found = [one.batch(i).begins.tolist() for i in range(2 * one.batches)]
    # Whatever was asked for before.
    assert [again.batch(i).begins.tolist() for i in reversed(range(2 * one.batches))][::-1] == found
    assert [other.batch(i).begins.tolist() for i in range(2 * one.batches)] != found
    assert found[: one.batches] != found[one.batches :]


def test_pieces_end_where_too_many_rows_are_missing():
    table = shops(40, 2)
    table.loc[10:13, "sold"] = np.nan
    panel = panel_of(table, **PLAIN)
    windows = make_windows(panel, context=5, horizon=2)
    whole, cut = find_pieces(windows, 5), find_pieces(windows, 4)
    assert whole.begins.tolist() == [0, 40] and whole.series.tolist() == [0, 1]
    # The last origin of a training window has its horizon before it.
    assert cut.begins.tolist() == [0, 14, 40] and cut.ends.tolist() == [10 + 4, 38, 40 + 33]


def test_rows_already_read_are_counted_in_a_gap():
    table = shops(30, 1)
    table.loc[10:13, "sold"] = np.nan
    windows = make_windows(panel_of(table, **PLAIN), context=5, horizon=2)
    # Row 12 is next, three rows behind the newest value (row 9): the gap has four rows when row 14 ends it.
    assert find_pieces(windows, 4, {0: (12, 2)}).begins.tolist() == [12, 14]
    assert find_pieces(windows, 5, {0: (12, 2)}).begins.tolist() == [12]


def test_stretches_hold_the_rows_and_what_is_known_ahead():
    panel = panel_of(shops(40, 2, covariates=True, ahead=3), **COVARIATES)
    windows = make_windows(panel, context=5, horizon=3)
    found = gather(windows, np.array([0, 1]), np.array([4, panel.offsets[1]]), np.array([6, 4]), 6)
    np.testing.assert_array_equal(found["target"][0], panel.targets[4:10])
    assert np.isnan(found["target"][1, 4:]).all()
    np.testing.assert_array_equal(found["known_future"][0], panel.values[4:13, 1:2])
    np.testing.assert_array_equal(found["length"], [6, 4])


@pytest.mark.parametrize(
    ("lengths", "rows", "batch", "sizes"),
    [
        ([8640], 256, None, (256, 8)),
        ([40, 60, 25], 256, None, (60, 3)),
        ([1000] * 100, 100, None, (100, 32)),
        ([1000], 100, 4, (100, 4)),
        ([50], 100, 4, (50, 1)),
    ],
)
def test_sizes_of_batches(lengths, rows, batch, sizes):
    assert stretch_sizes(np.array(lengths), rows, batch) == sizes
