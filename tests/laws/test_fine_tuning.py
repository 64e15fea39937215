"""Networks fine-tuned to each series: by what had come, not by what was alarmed, however rows are handed over."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import cache

import keras
import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.archive import pack, unpack
from forecast.errors import ParameterError
from forecast.estimators.errors_saving import pack_errors, pack_tuned, unpack_tuned
from forecast.estimators.fine_tuning import CHUNK, fine_tune
from forecast.estimators.window_errors import METHODS as WINDOW_METHODS
from forecast.training.fine_tuning import Lesson, step
from tests.laws.test_detectors import detector_of, early, machines

NETWORKS = ["forecast", *(pytest.param(m, marks=pytest.mark.slow) for m in ("rnn", *WINDOW_METHODS))]


@cache
def _learned(method: str, online: bool) -> forecast.Detector:
    return detector_of(method, alarms="1 per 50 rows", online=online).fit(early(table()))


def learned(method: str, online: bool = True) -> forecast.Detector:
    """A detector that has learned the early rows; what one test lets it see, others do not."""
    return copy(_learned(method, online))


@cache
def table() -> pd.DataFrame:
    return machines(560)


def later() -> pd.DataFrame:
    return table().drop(index=early(table()).index)


def assert_same_networks(one: forecast.Detector, two: forecast.Detector) -> None:
    for name, state in one.fitted_.states.items():
        other = two.fitted_.states[name]
        assert (state.tuned.since, state.spoilt) == (other.tuned.since, other.spoilt)
        for a, b in zip(
            state.tuned.now + state.tuned.before, other.tuned.now + other.tuned.before, strict=True
        ):
            for own, its in zip(a, b, strict=True):
                for x, y in zip(own, its, strict=True):
                    np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("method", NETWORKS)
def test_no_score_depends_on_a_later_row(method):
    forecast.assert_online(learned(method), table())


@pytest.mark.parametrize("method", NETWORKS)
def test_only_rows_behind_the_first_step_are_weighed_otherwise(method):
    scores = [learned(method, online).score(table()) for online in (True, False)]
    tuned, fixed = (
        part.assign(row=part.groupby("machine").cumcount())["evidence"].to_numpy() for part in scores
    )
    row = scores[0].groupby("machine").cumcount().to_numpy()
    differs = (tuned != fixed) & ~np.isnan(tuned)
    assert not differs[row < 2 * CHUNK].any()
    assert differs[row >= 2 * CHUNK].mean() > 0.05


@pytest.mark.parametrize("method", NETWORKS)
def test_rows_may_come_in_parts(method):
    whole, bits = learned(method), learned(method)
    whole.update(later())
    times = sorted(later()["minute"].unique())
    stops = [1, 2, 40, 106, 107, 250, len(times)]
    for first, stop in zip([0, *stops], stops, strict=False):
        bits.update(later()[later()["minute"].isin(times[first:stop])])
    assert_same_networks(whole, bits)
    assert max(state.tuned.since for state in whole.fitted_.states.values()) == 4 * CHUNK
    states = [detector.fitted_.states["m0"].chain.pasts for detector in (whole, bits)]
    for one, two in zip(*states, strict=True):
        np.testing.assert_array_equal(one.scores, two.scores)
    # As if it saw them for the first time.
    pd.testing.assert_frame_equal(whole.score(table()), learned(method).score(table()), check_exact=True)


@pytest.mark.parametrize("method", NETWORKS)
def test_a_saved_detector_goes_on_where_it_stopped(method, tmp_path):
    detector = learned(method)
    half = later()[later()["minute"] < pd.Timestamp("2024-05-01 07:00")]
    detector.update(half)
    detector.save(tmp_path / "watch.forecast")
    again = forecast.load(tmp_path / "watch.forecast")
    assert_same_networks(again, detector)
    one, two = detector.update(table()), again.update(table())
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert_same_networks(again, detector)


def test_alarmed_rows_are_not_learned_from():
    fitted = learned("forecast").fitted_
    panel = fitted.contract.read(table()).select(np.array([0]))
    values = panel.values.copy()
    values[500:512] *= 3.0
    wild = type(panel)(**{**vars(panel), "values": values})
    spoilt = ((500, 511),)
    now, moved = (fine_tune(fitted.errors, None, p, panel.rows, spoilt).now[0][0] for p in (panel, wild))
    free = fine_tune(fitted.errors, None, wild, panel.rows, ()).now[0][0]
    for own, its in zip(now, moved, strict=True):
        np.testing.assert_array_equal(own, its)
    assert any((own != its).any() for own, its in zip(now, free, strict=True))


def test_what_is_alarmed_in_training_is_not_learned_from_either():
    shocked = table().copy()
    shocked.loc[shocked.index[140], ["load", "heat"]] += 60
    fitted = detector_of("forecast", alarms="1 per 50 rows", online=True).fit(early(shocked)).fitted_
    assert any(first <= 142 <= last for first, last in fitted.states["m0"].spoilt)


@pytest.mark.slow
def test_forecasts_follow_a_series_that_leaves_what_was_trained_on():
    """Its pattern turns round, as no row of training showed; behind a few hundred rows it is expected so."""
    rng, t = np.random.default_rng(0), np.arange(4_000)
    wave = np.where(t % 12 < 3, 3.0, 0.0) * np.where(t < 1_000, 1, -1)
    wide = pd.DataFrame({"row": t, "load": wave + 0.2 * rng.normal(size=len(t))})
    found = {}
    for online in (False, True):
        detector = forecast.Detector(
            time="row", target="load", season=12, horizons=(1, 4), context=24, steps=100, online=online
        ).fit(wide[:1_000])
        (one,) = detector.fitted_.newer(detector.fitted_.contract.read(wide))[0]
        found[online] = np.nanmean(one.evidence.scores.values[-1_500:, :2], axis=0)
    assert (found[True] < 0.9 * found[False]).all(), found


@pytest.mark.parametrize("method", ["novelty", "ewma", "range"])
def test_methods_without_a_network_refuse(method):
    with pytest.raises(ParameterError, match="online fine-tunes networks"):
        forecast.Detector(method, online=True).fit({"load": np.arange(50.0)})


def test_detectors_beside_have_no_network_to_fine_tune():
    table = pd.DataFrame({"row": np.arange(300), "load": np.random.default_rng(0).normal(size=300)})
    detector = forecast.Detector(
        time="row", target="load", online=True, context=8, steps=5, units=4, horizons=(1,)
    )
    judged = detector.fit(table[:100]).evaluate(table, {"start": [200], "end": [203]})
    assert {"forecast", "ewma", "range check"} <= set(judged["method"])


def test_what_a_network_drops_while_it_is_fine_tuned_is_a_function_of_the_row():
    """Its random generators go on with every step of every series; a step does not go by where they stand."""
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dropout(0.5, seed=3), keras.layers.Dense(1)]
    )
    examples = np.ones((16, 4), np.float32), np.ones((16, 1), np.float32), np.ones(16, np.float32)
    weights, loss = model.get_weights(), keras.losses.MeanSquaredError()
    found = [
        step(model, weights, lambda draw: [Lesson(model, loss, examples)], np.random.default_rng(seed))
        for seed in (1, 2, 1)
    ]
    same = [all((a == b).all() for a, b in zip(found[0], other, strict=True)) for other in found[1:]]
    assert same == [False, True]


def test_networks_of_many_series_are_saved(tmp_path):
    """More arrays than an archive has members."""
    detector = learned("forecast")
    detector.update(later())
    fitted = detector.fitted_
    one = next(iter(fitted.states.values())).tuned
    tuned = [replace(one, since=k) if k % 3 else None for k in range(1, 400)]
    since, numbers = pack_tuned(tuned)
    told, _ = pack_errors(fitted.errors)
    found = unpack_tuned(since, unpack(pack(numbers)), told, fitted.errors)
    assert [None if x is None else x.since for x in found] == since
    for state in found:
        for a, b in zip(*((state.now, one.now) if state is not None else ((), ())), strict=True):
            for own, its in zip(a, b, strict=True):
                assert all((x == y).all() for x, y in zip(own, its, strict=True))
