"""Realised against asked rates, counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from forecast.data.step import parse_step
from forecast.detection.calibration import calibration_table
from forecast.detection.tables import Found
from forecast.errors import InputError
from tests.detection.test_policy import evidence_of


def found_of(p) -> Found:
    rows = pd.RangeIndex(len(p))
    return Found(None, rows, parse_step(1), 0, evidence_of(np.ones(len(p)), p), [])


def test_rows_are_counted_for_each_rate():
    p = np.concatenate([np.arange(1, 999) / 998, [np.nan, np.nan]])
    table = calibration_table([found_of(p[:600]), found_of(p[600:])], 0.05)
    assert table["rate"].tolist() == [0.1, 0.05, 0.03, 0.01, 0.003]
    assert (table["rows"] == 998).all()
    assert (
        table["alarms"].tolist() == [int((p <= rate).sum()) for rate in table["rate"]] == [99, 49, 29, 9, 2]
    )
    assert table["ratio"].tolist() == pytest.approx((table["alarms"] / table["asked"]).tolist())
    row = table.iloc[3]
    interval = stats.binomtest(9, 998).proportion_ci(0.9, "exact")
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))


def test_rates_far_above_the_one_asked_for_are_left_out():
    assert calibration_table([found_of(np.ones(5_000))], 0.002)["rate"].tolist() == [
        0.003,
        0.002,
        0.001,
        0.0003,
    ]


def test_no_alarm_and_nothing_but_alarms_have_intervals():
    none, all_of_them = (calibration_table([found_of(np.full(50, p))], 0.1).iloc[0] for p in (1.0, 1e-9))
    assert none["low"] == 0 < none["high"] < 0.1
    assert 0.9 < all_of_them["low"] < all_of_them["high"] == 1


def test_without_rows_there_is_nothing_to_count():
    with pytest.raises(InputError, match="no rows"):
        calibration_table([], 0.1)


def test_alarms_that_are_held_back_are_not_counted():
    p = np.full(1_000, 1.0)
    p[[10, 12, 14, 500]] = 0.001
    alarms = [calibration_table([found_of(p)], 0.01, hold=hold)["alarms"].iloc[-1] for hold in (0, 3, 30)]
    assert alarms == [4, 3, 2]
