"""Scales: the mean absolute seasonal difference, and always something to divide by."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.data.columns import Columns
from forecast.data.panel import Panel
from forecast.data.scale import error_scales
from forecast.data.step import parse_step


def panel_of(*parts: object) -> Panel:
    """One series an argument, each ``(rows,)`` or ``(rows, targets)``."""
    arrays = [np.reshape(np.asarray(p, dtype=np.float64), (len(p), -1)) for p in parts]  # type: ignore[arg-type]
    values, offsets = np.concatenate(arrays), np.concatenate([[0], np.cumsum([len(a) for a in arrays])])
    columns = Columns("t", "shop", tuple(f"y{j}" for j in range(values.shape[1])))
    ids, starts = tuple(f"s{i}" for i in range(len(arrays))), pd.Index([0] * len(arrays))
    static = pd.DataFrame(index=range(len(arrays)))
    return Panel(values, offsets, ids, starts, parse_step(1), columns, static, np.ones(len(values), bool))


def expected(history: np.ndarray, season: int) -> float:
    """One series and target by plain loops."""
    for lag in (season, 1):
        pairs = [abs(history[t] - history[t - lag]) for t in range(lag, len(history))]
        pairs = [p for p in pairs if not np.isnan(p)]
        if pairs and sum(pairs) > 0:
            return sum(pairs) / len(pairs)
    known = history[~np.isnan(history)]
    return float(known.std()) if len(known) and known.std() > 0 else 1.0


@given(st.data())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_scales_equal_a_plain_loop(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    season, targets = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 3))
    parts = []
    for _ in range(data.draw(st.integers(1, 5))):
        part = rng.integers(
            0, data.draw(st.sampled_from((1, 2, 50))), (int(rng.integers(1, 25)), targets)
        ).astype(float)
        part[rng.random(part.shape) < data.draw(st.sampled_from((0.0, 0.3, 0.9)))] = np.nan
        parts.append(part)
    panel = panel_of(*parts)
    stop = panel.ends
    if data.draw(st.booleans()):
        stop = panel.offsets[:-1] + rng.integers(0, panel.lengths + 1)
    found = error_scales(panel, season, None if stop is panel.ends else stop)
    loop = [
        [expected(panel.targets[begin:end, j], season) for j in range(targets)]
        for begin, end in zip(panel.offsets, stop)
    ]
    np.testing.assert_allclose(found, loop, rtol=1e-12)
    assert (found > 0).all() and np.isfinite(1 / found).all()


def test_rows_from_the_stop_on_are_not_looked_at():
    panel, spoilt = panel_of([1.0, 2, 4, 7, 9], [5.0, 5, 6]), panel_of([1.0, 2, 4, 1e9, -1e9], [5.0, 5, 1e9])
    stop = np.array([3, 7])
    np.testing.assert_array_equal(error_scales(panel, 1, stop), error_scales(spoilt, 1, stop))


def test_neighbouring_series_do_not_touch():
    alone = [error_scales(panel_of(part), 3) for part in ([1.0, 2, 4, 8, 16], [900.0, 901, 905, 907])]
    both = error_scales(panel_of([1.0, 2, 4, 8, 16], [900.0, 901, 905, 907]), 3)
    np.testing.assert_array_equal(both, np.concatenate(alone))


@pytest.mark.parametrize(
    "values",
    [
        [0.1] * 7,
        [5.0] * 30,
        [np.nan] * 4,
        [3.0],
        [np.nan, 2.0],
        [0.0] * 5,
        [1e-320, 2e-320, 5e-320],
        [1e9 + 0.1] * 9,
        # A gap between equal values leaves no pair, and a mean that is off by rounding.
        [0.1, np.nan, 0.1, np.nan, 0.1],
    ],
)
@pytest.mark.parametrize("season", [1, 2, 12])
def test_without_any_error_the_scale_is_one(values, season):
    assert error_scales(panel_of(values), season).tolist() == [[1.0]]


def test_enormous_values_do_not_overflow():
    found = error_scales(panel_of([1.7e308, -1.7e308, 1.7e308, -1.7e308], [1e300, 3e300, 1e300, 5e300]), 1)
    assert np.isfinite(found).all() and found[1, 0] == pytest.approx((2e300 + 2e300 + 4e300) / 3)


def test_the_fallbacks_in_turn():
    # Seasonal naive is perfect: one-step errors of 2 and 2; then without neighbours the spread of 1 and 3.
    assert error_scales(panel_of([1.0, 3, 1, 3]), 2).tolist() == [[2.0]]
    assert error_scales(panel_of([1.0, np.nan, 3.0]), 5).tolist() == [[1.0]]
    assert error_scales(panel_of([1.0, np.nan, 5.0]), 5).tolist() == [[2.0]]


def test_values_are_not_changed():
    panel = panel_of([1.0, np.nan, 4.0])
    before = panel.values.copy()
    error_scales(panel, 1)
    np.testing.assert_array_equal(panel.values, before)
