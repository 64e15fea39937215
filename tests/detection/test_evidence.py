"""Evidence adds up, ranks hold the rate that was asked for, and parts of rows give the same as all at once."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.detection.engines import ENGINES, Engine, Past
from forecast.detection.evidence import Chain, Memory
from forecast.detection.streams import Scores, Stream

NOBODY = np.empty(0)


def scores_of(values: np.ndarray) -> Scores:
    values = values.reshape(len(values), -1)
    names = tuple(Stream("load", "forecast", j + 1) for j in range(values.shape[1]))
    return Scores(names, values, np.zeros_like(values), values)


def noise(rows: int, streams: int = 1, seed: int = 0) -> np.ndarray:
    return np.abs(np.random.default_rng(seed).standard_t(4, size=(rows, streams)))


def chain(rate: float = 0.01, hold: int = 10, engine: str = "conformal") -> Chain:
    return Chain(Engine(engine, 2_000, rate), rate, hold)


def test_parts_add_up_and_missing_rows_have_none():
    values = noise(600, 3)
    values[50], values[60, 1] = np.nan, np.nan
    found, _ = chain().advance(Memory(), scores_of(values), NOBODY)
    np.testing.assert_allclose(found.parts.sum(axis=1), found.total)
    assert np.isnan([found.total[50], found.p[50]]).all() and not np.isnan(found.total[60])
    assert np.isnan(found.total).sum() == np.isnan(found.p).sum() == 1
    engine = Engine("conformal", 2_000, 0.01)
    p = np.stack([engine.advance(Past(), column)[0] for column in values.T], axis=1)
    np.testing.assert_allclose(found.parts[140], np.maximum(-np.log10(p[140]) - 1, 0))


def test_the_floor_is_lower_while_there_are_few_scores():
    values = np.arange(40.0)[::-1, None]
    values[20] = 1e3
    found, _ = chain(1e-3).advance(Memory(), scores_of(values), NOBODY)
    assert found.total[20] == pytest.approx(0.5)


@pytest.mark.parametrize("engine", ENGINES)
def test_parts_of_rows_give_what_all_rows_give(engine):
    values = noise(900, 2)
    values[100:103], values[300, 0] = np.nan, np.nan
    way, pool = chain(engine=engine), np.sort(noise(500).ravel())
    whole, after = way.advance(Memory(), scores_of(values), pool)
    memory, parts = Memory(), []
    for part in np.split(values, [1, 2, 63, 64, 65, 101, 500]):
        found, memory = way.advance(memory, scores_of(part), pool)
        parts.append(found)
    for name in ("parts", "total", "p", "limits", "peaks"):
        np.testing.assert_array_equal(
            np.concatenate([getattr(p, name) for p in parts]), getattr(whole, name), err_msg=name
        )
    np.testing.assert_array_equal(memory.peaks, after.peaks)
    np.testing.assert_array_equal(memory.recent, after.recent)


@pytest.mark.parametrize("streams", [1, 5])
@pytest.mark.parametrize("hold", [0, 30])
def test_alarms_come_as_often_as_was_asked(streams, hold):
    """Streams that depend on each other and on the row before, so that neither sum nor spacing is innocent."""
    from scipy.signal import lfilter

    hits = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        common = lfilter([1.0], [1.0, -0.7], rng.normal(size=(9_000, 1)), axis=0)
        values = np.abs(common + 0.3 * rng.normal(size=(9_000, streams)))
        found, _ = chain(0.01, hold).advance(Memory(), scores_of(values), NOBODY)
        hits += (found.p[3_000:] <= 0.01).sum()
    assert 0.7 < hits / (4 * 6_000 * 0.01) < 1.3


def test_an_alarm_holds_back_smaller_ones():
    values = noise(500)
    values[400:440] = np.linspace(50, 10, 40)[:, None]
    found, _ = chain(0.01, 30).advance(Memory(), scores_of(values), NOBODY)
    assert found.p[400] <= 0.01
    assert (found.p[401:431] == 1).all()
    values[420] = 60
    found, _ = chain(0.01, 30).advance(Memory(), scores_of(values), NOBODY)
    assert found.p[420] <= 0.01


def test_other_series_count_until_there_is_a_history():
    values = np.arange(40.0)[::-1, None]
    values[30] = 1e3
    alone, _ = chain(0.002).advance(Memory(), scores_of(values), NOBODY)
    pool = np.sort(np.concatenate([np.zeros(5_000), np.full(5, 1.0)]))
    beside, _ = chain(0.002).advance(Memory(), scores_of(values), pool)
    assert alone.p[30] == 1 / 31
    # The pool's 5,005 rows count as 500.
    larger = np.sum(pool >= beside.total[30]) * 500 / 5_005
    assert beside.p[30] == pytest.approx((1 + larger) / (1 + 30 + 500))


def test_limits_are_quantiles_of_the_scores_before():
    values = noise(640)
    found, _ = chain(0.01).advance(Memory(), scores_of(values), NOBODY)
    assert np.isinf(found.limits[:64]).all()
    for row in (64, 100, 639):
        begin = row // 64 * 64
        assert found.limits[row, 0] == np.quantile(
            values[:begin, 0], 1 - max(0.01, 1 / (begin + 1)), method="higher"
        )


def test_a_tail_sees_beyond_a_spoilt_history_and_ranks_do_not():
    found = {"conformal": [], "hybrid": []}
    for seed in range(5):
        rng = np.random.default_rng(seed)
        values = np.abs(rng.normal(size=4_000))
        values[rng.choice(3_000, 60, replace=False)] *= 8
        spikes = np.arange(3_100, 4_000, 100)
        values[spikes] = 6
        for engine, power in found.items():
            way = Chain(Engine(engine), 1e-3)
            power.append((way.advance(Memory(), scores_of(values), NOBODY)[0].p[spikes] <= 1e-3).mean())
    assert np.mean(found["conformal"]) == 0 and np.mean(found["hybrid"]) >= 0.85
