"""P-values: what every engine promises, and what each of them is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from forecast.detection.engines import ENGINES, SMALLEST, Engine, Past
from forecast.errors import ParameterError

RNG = np.random.default_rng(0)
SCORES = np.abs(RNG.standard_t(4, size=1_500))
SCORES[RNG.random(1_500) < 0.05] = np.nan


@pytest.mark.parametrize("name", ENGINES)
def test_rows_handed_over_in_parts_have_the_same_p_values(name):
    engine = Engine(name, window=400, rate=0.01)
    whole, after = engine.advance(Past(), SCORES)
    past, parts = Past(), []
    for part in np.split(SCORES, [1, 2, 40, 41, 500, 1_163]):
        p, past = engine.advance(past, part)
        parts.append(p)
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(past.scores, after.scores)
    np.testing.assert_array_equal(past.numbers, after.numbers)
    assert past.seen == after.seen == (~np.isnan(SCORES)).sum()
    assert len(past.scores) == 400


@pytest.mark.parametrize("name", ENGINES)
def test_nothing_behind_a_row_matters_and_missing_rows_have_no_p_value(name):
    engine, changed = Engine(name, window=300), SCORES.copy()
    changed[900:] = RNG.random(600) * 50
    before, scrambled = (engine.advance(Past(), s)[0] for s in (SCORES, changed))
    np.testing.assert_array_equal(before[:900], scrambled[:900])
    np.testing.assert_array_equal(np.isnan(before), np.isnan(SCORES))
    assert np.nanmin(before) >= SMALLEST and np.nanmax(before) <= 1


@pytest.mark.parametrize("name", ENGINES)
def test_constant_and_first_scores_are_not_unusual(name):
    for value in (0.0, 7.5):
        p, _ = Engine(name).advance(Past(), np.full(300, value))
        assert p.min() > 0.04
    assert Engine(name).advance(Past(), np.array([1e9]))[0][0] == 1


def test_conformal_p_values_are_ranks():
    p, _ = Engine("conformal").advance(Past(), SCORES[:200])
    seen = []
    for score, value in zip(SCORES[:200], p, strict=True):
        if np.isnan(score):
            continue
        assert value == (1 + sum(s >= score for s in seen)) / (len(seen) + 1)
        seen.append(score)


def test_a_changing_scale_breaks_the_rate_of_ranks_less_with_aci():
    noise = np.abs(np.random.default_rng(5).normal(size=12_000))
    noise[4_000:] *= np.linspace(1, 8, 8_000)
    rates = {}
    for name in ("conformal", "aci"):
        p, _ = Engine(name, rate=0.01).advance(Past(), noise)
        rates[name] = (p[4_000:] <= 0.01).mean() / 0.01
    assert 0.8 < rates["aci"] < 1.5 < rates["conformal"]


def test_a_spoilt_history_blinds_ranks_and_not_the_censored_tail():
    rng = np.random.default_rng(3)
    history = np.abs(rng.normal(size=3_000))
    history[rng.choice(3_000, 60, replace=False)] *= 8
    for name, seen in (("conformal", False), ("gpd", False), ("censored", True), ("hybrid", True)):
        _, past = Engine(name).advance(Past(), history)
        p, _ = Engine(name).advance(past, np.full(1, 6.0))
        assert (p[0] <= 1e-3) == seen, name


def test_the_hybrid_goes_below_one_in_the_scores_seen():
    history = np.abs(np.random.default_rng(4).normal(size=500))
    _, past = Engine("hybrid").advance(Past(), history)
    p, _ = Engine("hybrid").advance(past, np.array([8.0, 1.0]))
    ranks, _ = Engine("conformal").advance(Past(history, 500), np.array([8.0, 1.0]))
    assert p[0] < 1e-5 < ranks[0] == 1 / 501
    assert p[1] == ranks[1]


def test_gaussian_p_values_of_gaussian_scores():
    noise = np.random.default_rng(6).normal(size=9_000)
    p, _ = Engine("gaussian").advance(Past(), np.abs(noise))
    np.testing.assert_allclose(p[-60:], 2 * stats.norm.sf(np.abs(noise[-60:])), rtol=0.25)


def test_likelihood_looks_at_ten_scores_and_dynamic_has_no_level():
    history = np.abs(np.random.default_rng(7).normal(size=1_000))
    _, past = Engine("likelihood").advance(Past(), history)
    p, _ = Engine("likelihood").advance(past, np.full(20, 2.0))
    assert p[0] > 0.05 and p[12] < 0.04
    spoilt = np.concatenate([history, np.full(5, 40.0), history])
    p, _ = Engine("dynamic").advance(Past(), spoilt)
    assert set(np.unique(p)) == {SMALLEST, 1.0}


def test_unknown_engines_and_windows_are_refused():
    with pytest.raises(ParameterError, match="Did you mean"):
        Engine("conformat")
    with pytest.raises(ParameterError, match="window"):
        Engine(window=0)
