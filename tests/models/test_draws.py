"""Draws by given uniform numbers, against SciPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import scipy.stats

from forecast.errors import ParameterError
from forecast.models.distributions import DISTRIBUTIONS
from forecast.models.draws import (
    NOISE,
    common_noise,
    draw,
    gamma_quantile,
    poisson_quantile,
    student_quantile,
)
from forecast.models.dtypes import wide

LEVELS = np.linspace(0.0005, 0.9995, 2000)


def drawn(head: str, parameters: list[float], count: int = 100_000) -> np.ndarray:
    noise = common_noise(3, 1, count, 1, NOISE[head])[0, :, 0].astype(wide())
    return keras.ops.convert_to_numpy(draw(head, np.array([parameters], dtype=wide()), noise))


def quantile(function, levels: np.ndarray, number: float) -> np.ndarray:
    p = np.asarray(levels, dtype=wide())
    return keras.ops.convert_to_numpy(function(p, np.full_like(p, number)))


def test_every_distribution_can_be_drawn_from():
    assert set(NOISE) == set(DISTRIBUTIONS)
    for head, family in DISTRIBUTIONS.items():
        free = np.zeros((4, len(family.parameters)), dtype=wide())
        noise = np.full((7, 4, NOISE[head]), 0.4, dtype=wide())
        one = keras.ops.ones((4, 1), dtype=wide())
        parameters = family.restore(
            family.free_to_scaled(keras.ops.convert_to_tensor(free)), 20 * one, 4 * one
        )
        values = keras.ops.convert_to_numpy(draw(head, parameters, noise))
        assert values.shape == (7, 4) and np.ptp(values) == 0
    with pytest.raises(ParameterError, match="got 'cauchy'"):
        draw("cauchy", np.zeros((1, 2)), np.zeros((1, 1)))


@pytest.mark.parametrize("head", ["normal", "lognormal"])
def test_normal_draws_are_exact(head):
    parameters, noise = np.array([5.0, 2.0], dtype=wide()), LEVELS[:, None].astype(wide())
    values = keras.ops.convert_to_numpy(draw(head, parameters, noise))
    close = 1e-12 if wide() == "float64" else 1e-4
    np.testing.assert_allclose(values, scipy.stats.norm.ppf(LEVELS, 5, 2), rtol=close, atol=close)


@pytest.mark.parametrize("df", [2.05, 2.5, 3.0, 4.9, 5.1, 12.0, 1e4])
def test_student_quantiles(df):
    exact, found = scipy.stats.t.ppf(LEVELS, df), quantile(student_quantile, LEVELS, df)
    off = np.abs(found - exact) / np.maximum(np.abs(exact), 1)
    assert off.max() < (1e-3 if df < 3 or wide() == "float32" else 2e-5)


def test_student_draws():
    values = drawn("student", [3.0, 2.0, 6.0])
    found = np.quantile(values, [0.05, 0.5, 0.95])
    np.testing.assert_allclose(found, scipy.stats.t.ppf([0.05, 0.5, 0.95], 6, 3, 2), atol=0.01)


def test_mixture_draws():
    weights, locs, scales = [0.2, 0.5, 0.3], [-3.0, 0.0, 4.0], [0.5, 1.0, 0.25]
    values = drawn("mixture", [*weights, *locs, *scales])
    for point in (-3.5, -2.0, 0.0, 1.0, 4.0):
        exact = sum(w * scipy.stats.norm.cdf(point, m, s) for w, m, s in zip(weights, locs, scales))
        assert np.mean(values < point) == pytest.approx(exact, abs=0.005)


@pytest.mark.parametrize("mean", [0.05, 0.8, 5.0, 40.0, 3000.0])
@pytest.mark.parametrize("dispersion", [1e-6, 0.1, 1.0, 4.0])
def test_negative_binomial_draws(mean, dispersion):
    values = drawn("negative_binomial", [mean, dispersion], 400_000)
    assert (values == np.round(values)).all() and values.min() >= 0
    exact = scipy.stats.nbinom(1 / dispersion, 1 / (1 + mean * dispersion))
    error = 4 * exact.std() / np.sqrt(len(values))
    assert values.mean() == pytest.approx(mean, rel=0.01, abs=error)
    # The fourth moment makes the variance of few and of wildly spread counts noisy.
    kurtosis = exact.stats("k") + 2
    noise = 4 * exact.var() * np.sqrt(kurtosis / len(values))
    assert values.var() == pytest.approx(exact.var(), rel=0.015, abs=float(noise))
    for level in (0.1, 0.5, 0.9):
        count = exact.ppf(level)
        assert np.mean(values <= count) == pytest.approx(exact.cdf(count), abs=0.012)


def test_poisson_quantiles():
    for rate in (0.01, 1.5, 23.9):
        found = quantile(poisson_quantile, LEVELS, rate)
        assert np.mean(found == scipy.stats.poisson.ppf(LEVELS, rate)) > 0.998
    for rate in (24.0, 500.0):
        away = quantile(poisson_quantile, LEVELS, rate) - scipy.stats.poisson.ppf(LEVELS, rate)
        # Rounded to the nearest count rather than up.
        assert np.abs(away).max() <= 1 and abs(away.mean()) < 0.05


def test_gamma_quantiles():
    levels = np.linspace(0.02, 0.999, 500)
    for shape, close in ((1.0, 0.03), (3.0, 0.01), (50.0, 1e-3)):
        exact = scipy.stats.gamma.ppf(levels, shape)
        found = quantile(gamma_quantile, levels, shape)
        assert np.abs(found - exact).max() < close * exact.max()


def test_noise_is_the_same_for_longer_horizons_and_even_at_each_step():
    short, long = common_noise(5, 3, 20, 2, 2), common_noise(5, 9, 20, 2, 2)
    assert (long[:3] == short).all()
    assert (np.sort((long * 20).astype(int), axis=1) == np.arange(20)[None, :, None, None]).all()
    assert long.min() > 0 and long.max() < 1
    assert not np.array_equal(common_noise(6, 3, 20, 2, 2), short)
    ranks = long.argsort(axis=1).argsort(axis=1)
    assert len({ranks[i, :, j, k].tobytes() for i in range(9) for j in range(2) for k in range(2)}) == 36
