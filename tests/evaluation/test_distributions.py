"""Quantiles and means of distributions, against distribution functions and integrals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from forecast.errors import ParameterError
from forecast.evaluation.distributions import PARAMETERS, mean_of, quantiles_of
from tests.probabilities import cdf

EXAMPLES = {
    "normal": [[0.0, 1.0], [250.0, 40.0], [1e9, 1e-3]],
    "student": [[0.0, 1.0, 2.2], [5.0, 0.3, 4.0], [-80.0, 12.0, 200.0]],
    "negative_binomial": [[0.02, 0.5], [7.0, 1e-6], [60.0, 0.2], [4_000.0, 0.01]],
    "lognormal": [[0.0, 0.5], [3.0, 1e-3], [-1.0, 1.2]],
    "mixture": [
        [0.2, 0.5, 0.3, -2.0, 0.0, 5.0, 0.5, 1.0, 0.2],
        [0.98, 0.01, 0.01, 10.0, 0.0, 40.0, 0.1, 3.0, 3.0],
        [1e-6, 1.0 - 2e-6, 1e-6, 9.0, 7.0, 9.0, 1e-80, 1e-80, 1e-80],
    ],
}
NAMES = tuple(EXAMPLES)
LEVELS = (0.001, 0.1, 0.5, 0.9, 0.999)


def test_every_distribution_has_examples_of_its_parameters():
    assert {name: len(rows[0]) for name, rows in EXAMPLES.items()} == {
        n: len(p) for n, p in PARAMETERS.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_quantiles_are_reached_by_the_distribution_function(name):
    for p in EXAMPLES[name]:
        values = quantiles_of(name, p, LEVELS)
        at = cdf(name, p, values)
        if name == "negative_binomial":
            assert (at >= np.array(LEVELS) - 1e-12).all()
            assert (cdf(name, p, values - 1) < LEVELS).all()
            assert (values == np.round(values)).all()
        elif min(p) > 1e-79:
            np.testing.assert_allclose(at, LEVELS, atol=1e-3 if max(p) > 1e6 else 1e-9)
        assert (np.diff(values) >= 0).all()


def test_quantiles_of_a_mixture_of_one_normal_are_its_own():
    weights = [[1.0, 0.0, 0.0], [0.2, 0.3, 0.5]]
    for one, (locs, scales) in zip(weights, [([4.0, 90.0, -90.0], [2.0, 1.0, 1.0]), ([4.0] * 3, [2.0] * 3)]):
        found = quantiles_of("mixture", [*one, *locs, *scales], LEVELS)
        np.testing.assert_allclose(found, stats.norm.ppf(LEVELS, 4, 2), rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_mean_is_the_integral_over_quantiles(name):
    for p in EXAMPLES[name]:
        rule = np.arange(1, 4_000) / 4_000
        middle = integrate.trapezoid(quantiles_of(name, p, rule.tolist()), rule)
        spread = np.diff(quantiles_of(name, p, (0.05, 0.95)))[0]
        assert mean_of(name, p) == pytest.approx(middle / (rule[-1] - rule[0]), abs=0.02 * spread + 0.02)


@pytest.mark.parametrize("name", NAMES)
def test_shapes_are_kept_and_gaps_stay_gaps(name):
    p = np.broadcast_to(EXAMPLES[name][0], (4, 3, 2, len(EXAMPLES[name][0]))).copy()
    for i in range(p.shape[-1]):
        p[1, i % 3, 1, i] = np.nan
    gaps = np.isnan(p).any(axis=-1)
    assert gaps.any()
    quantiles, mean = quantiles_of(name, p, (0.9, 0.1)), mean_of(name, p)
    assert quantiles.shape == (4, 3, 2, 2)
    assert (np.isnan(quantiles) == gaps[..., None]).all()
    assert (quantiles[~gaps][:, 0] >= quantiles[~gaps][:, 1]).all()
    assert mean.shape == (4, 3, 2)
    assert (np.isnan(mean) == gaps).all()


@pytest.mark.parametrize("function", [lambda n, p: mean_of(n, p), lambda n, p: quantiles_of(n, p, (0.5,))])
def test_wrong_names_and_shapes_are_named(function):
    with pytest.raises(ParameterError, match="'gaussian'"):
        function("gaussian", [0.0, 1.0])
    with pytest.raises(ParameterError, match=r"shape \(3,\).*2 numbers: loc, scale"):
        function("normal", [0.0, 1.0, 2.0])


def test_wrong_levels_are_named():
    with pytest.raises(ParameterError, match=r"quantile is 1\.0"):
        quantiles_of("normal", [0.0, 1.0], (0.5, 1.0))
