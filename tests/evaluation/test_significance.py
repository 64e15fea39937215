"""Bootstrap and Diebold-Mariano: right size on equal methods, power on different ones, exact on small cases."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from forecast.errors import ParameterError
from forecast.evaluation.significance import LossGrid, bootstrap_means, diebold_mariano, interval


@pytest.mark.parametrize("seed", range(20))
def test_without_lags_it_is_the_paired_t_test(seed):
    a, b = np.random.default_rng(seed).normal(size=(2, 12))
    found = diebold_mariano(a, b)
    wanted = stats.ttest_rel(a, b)
    assert found.statistic == pytest.approx(wanted.statistic) and found.p_value == pytest.approx(
        wanted.pvalue
    )


def test_lags_equal_the_published_formula():
    a, b = np.random.default_rng(1).normal(size=(2, 30)).cumsum(axis=1)
    n, h, d = 30, 4, a - b
    away = d - d.mean()
    gamma = [sum(away[k:] * away[: n - k]) / n for k in range(h)]
    raw = d.mean() / np.sqrt((gamma[0] + 2 * sum(gamma[1:])) / n)
    corrected = raw * np.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    found = diebold_mariano(a, b, lags=h - 1)
    assert found.statistic == pytest.approx(corrected)
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(corrected), n - 1))


def test_rejects_equal_methods_as_often_as_it_says():
    losses = np.random.default_rng(0).exponential(size=(4_000, 2, 8))
    share = np.mean([diebold_mariano(a, b).p_value < 0.05 for a, b in losses])
    assert abs(share - 0.05) < 0.015


def test_overlapping_windows_need_their_lags():
    """Losses that share rows with their neighbours: without lags, equal methods are told apart far too often."""
    noise = np.random.default_rng(0).normal(size=(1_000, 63))
    moving = np.stack([noise[:, k : k + 60] for k in range(4)]).sum(axis=0)
    zeros = np.zeros(60)
    without = np.mean([diebold_mariano(d, zeros).p_value < 0.05 for d in moving])
    with_lags = np.mean([diebold_mariano(d, zeros, lags=3).p_value < 0.05 for d in moving])
    assert without > 0.2 and with_lags < 0.12


def test_what_cannot_be_tested_is_missing():
    assert np.isnan(diebold_mariano([1.0, 2.0], [2.0, 2.0]).p_value)
    assert np.isnan(diebold_mariano([1.0, np.nan, 2.0, 3.0], [2.0, 1.0, np.nan, 1.0]).p_value)
    assert np.isnan(diebold_mariano(np.arange(5.0), np.zeros(5), lags=5).p_value)
    same = diebold_mariano([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert (same.statistic, same.p_value) == (0.0, 1.0)
    always = diebold_mariano([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    assert (always.statistic, always.p_value) == (-np.inf, 0.0)
    with pytest.raises(ParameterError, match="one length"):
        diebold_mariano([1.0], [1.0, 2.0])
    with pytest.raises(ParameterError, match="lags"):
        diebold_mariano([1.0], [1.0], lags=-1)


def grid(losses: np.ndarray, counts: np.ndarray | None = None) -> LossGrid:
    losses = losses if losses.ndim == 3 else losses[None]
    return LossGrid(losses, np.ones(losses.shape[1:], np.int64) if counts is None else counts)


def test_one_axis_alone_gives_the_usual_standard_error():
    losses = np.random.default_rng(0).normal(size=(1, 200))
    draws = bootstrap_means({"a": grid(losses)}, replicates=4_000)["a"]
    assert draws.std() == pytest.approx(losses.std() / np.sqrt(200), rel=0.05)
    assert draws.mean() == pytest.approx(losses.mean(), abs=0.01)


def test_both_axes_are_drawn():
    rng = np.random.default_rng(0)
    losses = rng.normal(size=(40, 1)) + rng.normal(size=(1, 30))
    draws = bootstrap_means({"a": grid(losses)}, replicates=4_000)["a"]
    assert draws.std() == pytest.approx(np.sqrt(1 / 40 + 1 / 30), rel=0.25)


def test_seeds_are_drawn_too():
    losses = np.zeros((5, 1, 1)) + np.arange(5.0)[:, None, None]
    draws = bootstrap_means({"a": grid(losses)}, replicates=4_000)["a"]
    assert draws.std() == pytest.approx(np.sqrt(2.0 / 5), rel=0.05)


def test_methods_share_their_draws():
    losses = np.random.default_rng(0).normal(size=(6, 7))
    draws = bootstrap_means({"a": grid(losses), "b": grid(losses + 1)})
    np.testing.assert_allclose(draws["b"] - draws["a"], 1.0)


def test_many_series_in_blocks_equal_the_mean():
    losses = np.ones((5_000, 3))
    assert bootstrap_means({"a": grid(losses)}, replicates=1_500)["a"].tolist() == [1.0] * 1_500


def test_cases_without_observations_have_no_weight():
    losses, counts = np.array([[2.0, 0.0], [4.0, 6.0]]), np.array([[1, 0], [2, 3]])
    one = grid(losses, counts)
    assert one.mean() == pytest.approx(12 / 6)
    np.testing.assert_allclose(one.by_window(), [6 / 3, 6 / 3])
    np.testing.assert_allclose(one.by_series(), [2 / 1, 10 / 5])
    assert np.isnan(grid(losses, np.array([[1, 0], [2, 0]])).by_window()[1])


def test_the_interval_of_a_mean_covers_it():
    rng, hits = np.random.default_rng(0), 0
    for _ in range(300):
        low, high = interval(bootstrap_means({"a": grid(rng.normal(size=(1, 40)))}, replicates=400)["a"])
        hits += low <= 0 <= high
    assert 0.90 <= hits / 300 <= 0.975


def test_an_interval_of_equal_draws_is_none():
    assert np.isnan(interval([1.0, 1.0])).all() and np.isnan(interval([np.nan])).all()
