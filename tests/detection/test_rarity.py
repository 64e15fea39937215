"""What decades of evidence mean, learned from peaks."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.detection.rarity import Rarity, learn_rarity


def peaks_of(rows: int, share: float, mean: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(rows) < share, rng.exponential(mean, rows), 0.0)


def test_share_and_mean_of_exponential_peaks_come_back():
    found = learn_rarity([peaks_of(20_000, 0.03, 0.7, seed) for seed in range(5)], floor=2)
    assert found.share == pytest.approx(0.03, rel=0.05)
    assert found.mean == pytest.approx(0.7, rel=0.08)
    fresh = peaks_of(200_000, 0.03, 0.7, seed=9)
    for rate in (1e-2, 1e-3):
        assert np.mean(found.p(fresh) <= rate) == pytest.approx(rate, rel=0.25)


def test_without_rows_a_stream_means_what_its_p_values_say():
    found = learn_rarity([], floor=2)
    assert found.share == pytest.approx(1e-2)
    np.testing.assert_allclose(found.p(np.array([1.0, 3.0])), [1e-3, 1e-5])


def test_a_few_enormous_peaks_hardly_move_what_is_learned():
    usual = peaks_of(20_000, 0.02, 0.5)
    spoilt = usual.copy()
    spoilt[1_000:20_000:1_000] = 50.0
    clean, found = learn_rarity([usual], 2), learn_rarity([spoilt], 2)
    assert clean.mean < found.mean < 1.4 * clean.mean


def test_the_first_rows_of_each_series_do_not_count():
    unsettled = np.zeros(1_000)
    unsettled[:90] = 9.0
    assert learn_rarity([unsettled], 2).share < 0.005
    short = np.zeros(30)
    short[:10] = 9.0
    assert learn_rarity([short], 2).share == pytest.approx(5 / (20 + 500))


def test_no_evidence_is_not_rare_and_missing_rows_have_no_p_value():
    p = Rarity(0.5, 1.0).p(np.array([0.0, np.nan, 1e-12]))
    assert p[0] == 1 and np.isnan(p[1]) and p[2] == pytest.approx(0.5)
