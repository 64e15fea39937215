"""Tails against scipy's fit, an optimiser, and known distributions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from forecast.detection.tails import Tail, fit_tail

DRAWS = {
    "exponential": stats.expon(),
    "normal": stats.halfnorm(),
    "t3": stats.t(3),
    "lognormal": stats.lognorm(1.0),
}


@pytest.mark.parametrize("name", DRAWS)
def test_without_censoring_it_is_scipys_likelihood(name):
    scores = np.abs(DRAWS[name].rvs(4_000, random_state=np.random.default_rng(1)))
    tail = fit_tail(scores, 0.9, None, None)
    excess = scores[scores > tail.start] - tail.start
    shape, _, scale = stats.genpareto.fit(excess, floc=0)
    ours = stats.genpareto.logpdf(excess, tail.shape, 0, tail.scale).sum()
    assert ours >= stats.genpareto.logpdf(excess, shape, 0, scale).sum() - 0.01


@pytest.mark.parametrize("name", DRAWS)
def test_with_censoring_no_optimiser_finds_better(name):
    scores = np.abs(DRAWS[name].rvs(4_000, random_state=np.random.default_rng(2)))
    tail = fit_tail(scores, 0.8, 0.97, None)
    excess = scores[scores > tail.start] - tail.start
    limit = np.quantile(scores, 0.97) - tail.start
    seen, hidden = excess[excess <= limit], (excess > limit).sum()

    def loss(numbers):
        shape, scale = numbers[0], np.exp(numbers[1])
        value = stats.genpareto.logpdf(seen, shape, 0, scale).sum()
        value += hidden * stats.genpareto.logsf(limit, shape, 0, scale)
        return -value if np.isfinite(value) else 1e10

    start = [0.1, np.log(excess.mean())]
    best = optimize.minimize(loss, start, method="Nelder-Mead", options={"maxiter": 2_000})
    assert loss([tail.shape, np.log(tail.scale)]) <= best.fun + 0.01


def test_what_lies_far_out_only_counts():
    scores = np.abs(np.random.default_rng(0).normal(size=5_000))
    far = scores.copy()
    far[np.argsort(far)[-100:]] = 1e6
    clean, spoilt = fit_tail(scores), fit_tail(far)
    assert spoilt == clean
    assert fit_tail(far, censor=None).survival(np.array([6.0]))[0] > 1e-2
    assert spoilt.survival(np.array([6.0]))[0] < 1e-4


def test_survival_is_the_distribution_function():
    x = np.array([0.5, 1.0, 2.0, 7.0])
    for shape in (-0.2, 0.0, 0.4):
        expected = 0.1 * stats.genpareto.sf(x - 1, shape, 0, 2.0)
        tail = Tail(1.0, 0.1, shape, 2.0)
        np.testing.assert_allclose(tail.survival(x), expected, rtol=1e-9)
        np.testing.assert_allclose(tail.survival(np.array([tail.quantile(0.004)])), 0.004)


def test_too_few_scores_have_no_tail():
    assert fit_tail(np.arange(20.0)) is None
    assert fit_tail(np.ones(500)) is None
    assert fit_tail(np.empty(0)) is None
