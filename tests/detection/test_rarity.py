"""What decades of evidence mean, learned from the rows of training."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.detection.rarity import Rarity, held, learn_rarity


def evidence_of(rows: int, share: float, mean: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(rows) < share, rng.exponential(mean, rows), 0.0)


def rate_of(found: Rarity, total: np.ndarray, rate: float, hold: int) -> float:
    return float(np.mean(held(total, found.p(total) <= rate, hold) > 0))


@pytest.mark.parametrize("hold", [0, 10, 30])
@pytest.mark.parametrize("rate", [1e-2, 1e-3])
def test_alarms_come_as_often_as_asked_whatever_holds_them_back(hold, rate):
    rates = []
    for seed in range(5):
        found = learn_rarity([evidence_of(60_000, 0.1, 0.7, seed)], 2, hold, rate)
        rates.append(rate_of(found, evidence_of(200_000, 0.1, 0.7, seed + 9), rate, hold))
    assert np.mean(rates) == pytest.approx(rate, rel=0.12)


def test_rates_rarer_than_the_rows_can_show_are_extrapolated():
    """Two alarms are asked for in the rows that count, ten are looked at."""
    rates = []
    for seed in range(40):
        found = learn_rarity([evidence_of(3_000, 0.1, 0.5, seed)], 2, 30, 1e-3)
        rates.append(rate_of(found, evidence_of(50_000, 0.1, 0.5, seed + 99), 1e-3, 30))
    assert 0.7e-3 < np.mean(rates) < 1.5e-3


def test_the_tail_of_exponential_peaks_comes_back():
    found = learn_rarity([evidence_of(20_000, 0.03, 0.7, seed) for seed in range(40)], 2, 0, 1e-2)
    assert found.mean == pytest.approx(0.7, rel=0.05) and found.share == pytest.approx(1e-2, rel=0.02)
    assert found.p(np.array([found.level]))[0] == pytest.approx(found.share)


def test_peaks_of_one_height_do_not_make_higher_ones_likely():
    total = np.zeros(3_000)
    total[1_010::100] = 3.0
    found = learn_rarity([total], 2, 30, 1e-3)
    assert found.level == 3 and found.mean < 0.2


def test_without_rows_a_stream_means_what_its_p_values_say():
    found = learn_rarity([], 2, 30, 1e-3)
    assert found.share == pytest.approx(1e-2)
    np.testing.assert_allclose(found.p(np.array([1.0, 3.0])), [1e-3, 1e-5])


def test_quiet_rows_make_evidence_rarer():
    quiet = learn_rarity([np.zeros(30_000)], 2, 30, 1e-3)
    assert quiet.level == 0 and quiet.share == pytest.approx(5 / (30_000 + 500))


def test_a_few_enormous_peaks_hardly_move_what_is_learned():
    usual = evidence_of(20_000, 0.02, 0.5)
    spoilt = usual.copy()
    spoilt[7_000:20_000:2_000] = 50.0
    clean, found = learn_rarity([usual], 2, 30, 1e-2), learn_rarity([spoilt], 2, 30, 1e-2)
    assert found.mean == pytest.approx(clean.mean, rel=0.1)
    assert found.level == pytest.approx(clean.level, abs=0.1)


def test_missing_rows_count_as_rows_without_evidence():
    total = evidence_of(3_000, 0.02, 0.5)
    missing = np.where(total == 0, np.nan, total)
    assert learn_rarity([missing], 2, 30, 1e-3) == learn_rarity([total], 2, 30, 1e-3)


def test_no_evidence_is_not_rare_and_missing_rows_have_no_p_value():
    p = Rarity(1.0, 0.5, 1.0).p(np.array([0.0, np.nan, 1.0, 1e-12]))
    assert p[0] == 1 and np.isnan(p[1]) and p[2] == pytest.approx(0.5) and p[3] == 1
