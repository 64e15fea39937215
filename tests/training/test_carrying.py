"""Whole series through a network that carries its state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from forecast.data.windows import Windows, make_windows
from forecast.models import Spec
from forecast.models.forms import forms_of
from forecast.training.carrying import StretchBatches, forecast_carried, stand_at
from tests.models.carrying import network
from tests.tables import PLAIN, panel_of, shops

CONTEXT, HORIZON = 6, 2
SPEC = Spec(context=CONTEXT, horizon=HORIZON)


def model(**options):
    return network(SPEC, **({"chunk": 7, "lanes": 2} | options))


def table(rows: int = 40, series: int = 3):
    found = shops(rows, series)
    found.loc[:2, "sold"] = np.nan  # s0 begins late
    found.loc[10:12, "sold"] = np.nan
    found.loc[rows + 8 : rows + 14, "sold"] = np.nan  # a gap of s1 behind which it begins anew
    return found


def windows(rows: int = 40, **limits) -> Windows:
    return make_windows(
        panel_of(table(rows), **PLAIN), context=CONTEXT, horizon=HORIZON, short="pad", **limits
    )


def plainly(built, given: Windows, series: int, origin: int) -> np.ndarray:
    """Forecast one window row by row, from the first value of the series or behind the last long gap."""
    carried = forms_of(built).carried
    values = given.panel.targets[given.panel.offsets[series] : origin]
    states, found = carried.fresh(1), np.full((HORIZON, 1), np.nan)
    missing, begun = 0, False
    for value in values:
        if np.isnan(value).all():
            missing += 1
        else:
            if not begun or missing >= CONTEXT:
                states = carried.fresh(1)
            missing, begun = 0, True
        if begun:
            inputs = {"target": value.reshape(1, 1, 1), "length": np.ones(1, np.int32)}
            states = carried.stretch(1).predict_on_batch(inputs | states)
            found = np.asarray(states.pop("forecast"))[0]
    return found


def test_forecasts_are_those_of_rows_read_one_by_one():
    built, given = model(), windows()
    found = forecast_carried(forms_of(built).carried, given)
    chosen = np.unique([*range(5), *range(0, len(given), 7), *np.flatnonzero(given.series == 1)[8:18]])
    expected = [plainly(built, given, int(given.series[k]), int(given.origins[k])) for k in chosen]
    assert np.isfinite(expected).sum() > 30
    np.testing.assert_allclose(found[chosen], expected, rtol=2e-5, atol=2e-5)


def test_states_stand_for_the_rows_before_them():
    built, given = model(), windows()
    carried = forms_of(built).carried
    whole = forecast_carried(carried, given)
    rows = given.panel.offsets[:-1] + np.array([20, 12, 5])
    standing = stand_at(carried, given, rows, None)
    further = stand_at(carried, given, rows + 4, standing)
    for stand, begin in ((standing, rows), (further, rows + 4)):
        later = make_windows(given.panel, context=CONTEXT, horizon=HORIZON, short="pad", first=begin + 1)
        # Rows before the state are not looked at.
        values = given.panel.values.copy()
        for i, row in enumerate(begin):
            values[given.panel.offsets[i] : row] = 1e6
        scrambled = replace(later, panel=replace(given.panel, values=values))
        found = forecast_carried(carried, scrambled, stand)
        place = {(s, o): k for k, (s, o) in enumerate(zip(given.series, given.origins, strict=True))}
        expected = whole[[place[s, o] for s, o in zip(later.series, later.origins, strict=True)]]
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


def test_batches_hold_targets_behind_every_row_and_weigh_only_what_is_known():
    built = model()
    carried, given = forms_of(built).carried, windows(stop=None)
    batches = StretchBatches(given, carried, None, 0)
    assert len(batches) == batches.schedule.batches > 3
    panel, seen = given.panel, 0
    for k in range(len(batches)):
        inputs, actual, weights = batches[k]
        stretches = batches.schedule.batch(k)
        actual = actual.reshape(2, 7, HORIZON, 1)
        weights = np.broadcast_to(weights, (14, HORIZON, 1)).reshape(2, 7, HORIZON, 1)
        assert inputs["target"].shape == (2, 7, 1) and (inputs["fresh"] == stretches.fresh).all()
        for lane in range(2):
            begin, series = int(stretches.begins[lane]), int(stretches.series[lane])
            for row in range(int(stretches.lengths[lane])):
                for ahead in range(HORIZON):
                    at = begin + row + 1 + ahead
                    value = panel.targets[at, 0] if at < panel.offsets[series + 1] else np.nan
                    weight = weights[lane, row, ahead, 0]
                    assert (weight > 0) <= ~np.isnan(value)
                    if weight > 0:
                        assert actual[lane, row, ahead, 0] == value
                        assert weight == pytest.approx(1 / given.scales[series, 0])
                        seen += 1
            assert (weights[lane, int(stretches.lengths[lane]) :] == 0).all()
    assert seen > 60


def test_the_culprit_of_a_batch_is_named():
    frame = table()
    frame.loc[30, "sold"] = 1e9
    given = make_windows(panel_of(frame, **PLAIN), context=CONTEXT, horizon=HORIZON, short="pad")
    batches = StretchBatches(given, forms_of(model()).carried, None, 0)
    told = [batches.culprit(0, k) for k in range(len(batches))]
    assert any("s0" in text and "sold" in text for text in told)
