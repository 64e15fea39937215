"""Evidence adds up, alarms come as often as was asked, and parts of rows give the same as all at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from forecast.detection.engines import ENGINES, Engine, Past
from forecast.detection.evidence import OUTSIDE, Chain, Evidence, Memory, bounds
from forecast.detection.rarity import Rarity, held
from forecast.detection.streams import Scores, Stream, ensemble


def scores_of(values: np.ndarray, kind: str = "forecast") -> Scores:
    values = values.reshape(len(values), -1)
    names = tuple(Stream("load", kind, j + 1) for j in range(values.shape[1]))
    return Scores(names, values, np.zeros_like(values), values)


def noise(rows: int, streams: int = 1, seed: int = 0) -> np.ndarray:
    return np.abs(np.random.default_rng(seed).standard_t(4, size=(rows, streams)))


def chain(rate: float = 0.01, hold: int = 10, engine: str = "conformal") -> Chain:
    return Chain(Engine(engine, 2_000, rate), rate, hold, Rarity(0.0, 0.02, 0.5))


def limits_of(found: Evidence) -> np.ndarray:
    rows, streams = found.parts.shape
    return np.array([[found.limits.at(row, j) for j in range(streams)] for row in range(rows)])


def look(way: Chain, memory: Memory, scores: Scores) -> tuple[Evidence, Memory]:
    evidence, memory = way.weigh(memory, scores)
    return way.judge(memory, evidence)


def taught(way: Chain, values: np.ndarray, kind: str = "forecast") -> Chain:
    """Learn what evidence means from these rows."""
    scores = scores_of(values, kind)
    evidence, memory = way.weigh(Memory(), scores)
    return way.learn([(scores, evidence, memory)])


def test_parts_add_up_and_missing_rows_have_none():
    values = noise(600, 3)
    values[50], values[60, 1] = np.nan, np.nan
    found, _ = look(chain(), Memory(), scores_of(values))
    np.testing.assert_allclose(found.parts.sum(axis=1), found.total)
    assert np.isnan([found.total[50], found.p[50]]).all() and not np.isnan(found.total[60])
    assert np.isnan(found.total).sum() == np.isnan(found.p).sum() == 1
    engine = Engine("conformal", 2_000, 0.01)
    p = np.stack([engine.advance(Past(), column)[0] for column in values.T], axis=1)
    np.testing.assert_allclose(found.parts[140], np.maximum(-np.log10(p[140]) - 1, 0))


def test_an_ensemble_counts_the_mean_of_what_its_members_say():
    """Beside them stands a stream that is no member's; parts, limits and what was expected are means by stream."""
    rng = np.random.default_rng(0)
    members = [scores_of(noise(600, 2, seed)) for seed in (1, 2, 3)]
    members = [replace(one, expected=rng.normal(size=one.values.shape)) for one in members]
    level = scores_of(noise(600, 1, 9), "above")
    together, _ = look(chain(), Memory(), ensemble(members).beside(level))
    alone = [look(chain(), Memory(), one)[0] for one in members]
    assert together.streams == (*members[0].streams, *level.streams)
    np.testing.assert_allclose(together.parts[:, :2], np.mean([one.parts for one in alone], axis=0))
    np.testing.assert_allclose(together.parts[:, 2:], look(chain(), Memory(), level)[0].parts)
    np.testing.assert_allclose(together.total, together.parts.sum(axis=1))
    np.testing.assert_allclose(
        together.scores.expected[:, :2], np.mean([m.expected for m in members], axis=0)
    )
    limits = np.mean([limits_of(one) for one in alone], axis=0)
    np.testing.assert_allclose(limits_of(together)[:, :2], limits)


def test_an_ensemble_of_the_same_member_is_that_member():
    one = scores_of(noise(600, 2))
    alone, twice = (look(chain(), Memory(), scores)[0] for scores in (one, ensemble([one, one])))
    np.testing.assert_array_equal(alone.parts, twice.parts)
    np.testing.assert_array_equal(alone.alarms, twice.alarms)
    learned = []
    for scores in (one, ensemble([one, one])):
        evidence, memory = chain().weigh(Memory(), scores)
        learned.append(chain().learn([(scores, evidence, memory)]).rarity)
    assert learned[0] == learned[1]


def test_wandering_values_ask_for_more_evidence_than_values_that_recur():
    """A level that goes on rising is beyond its past again and again; the rows of training say how far."""
    rising = np.arange(3_000) / 100 + np.random.default_rng(0).normal(size=3_000)
    rates = {}
    for name, values in (("recurs", rising[:1_500]), ("wanders", rising)):
        column = values - (np.arange(len(values)) / 100 if name == "recurs" else 0)
        way = taught(chain(0.01, 0), column[: len(column) // 2], "above")
        found, _ = look(way, Memory(), scores_of(column, "above"))
        rates[name] = found.alarms[len(column) // 2 :].mean()
    assert 0.004 < rates["recurs"] < 0.025 and rates["wanders"] < 0.06


def test_the_floor_is_lower_while_there_are_few_scores():
    values = np.arange(40.0)[::-1, None]
    values[20] = 1e3
    found, _ = look(chain(1e-3), Memory(), scores_of(values))
    assert found.total[20] == pytest.approx(0.5)


@pytest.mark.parametrize("engine", ENGINES)
def test_parts_of_rows_give_what_all_rows_give(engine):
    values = noise(900, 2)
    values[100:103], values[300, 0] = np.nan, np.nan
    way = chain(engine=engine)
    whole, after = look(way, Memory(), scores_of(values))
    memory, parts = Memory(), []
    for part in np.split(values, [1, 2, 63, 64, 65, 101, 500]):
        found, memory = look(way, memory, scores_of(part))
        parts.append(found)
    for name in ("parts", "total", "p", "alarms"):
        np.testing.assert_array_equal(
            np.concatenate([getattr(p, name) for p in parts]), getattr(whole, name), err_msg=name
        )
    np.testing.assert_array_equal(np.concatenate([limits_of(p) for p in parts]), limits_of(whole))
    # Means of ten such scores are never that rare.
    assert whole.alarms.any() or engine == "likelihood"
    np.testing.assert_array_equal(memory.raised, after.raised)


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
        way = taught(chain(0.01, hold, "gpd"), values[:3_000])
        found, _ = look(way, Memory(), scores_of(values))
        hits += found.alarms[3_000:].sum()
    assert 0.6 < hits / (4 * 6_000 * 0.01) < 1.6


def test_an_alarm_holds_back_what_is_not_a_decade_more():
    rare = np.array([True, True, True, False, True, True])
    total = np.array([3.0, 3.9, 4.1, 9.0, 5.0, 5.2])
    np.testing.assert_array_equal(held(total, rare, 3), [3.0, 0.0, 4.1, 0.0, 0.0, 5.2])
    np.testing.assert_array_equal(held(total, rare, 0), total * rare)
    np.testing.assert_array_equal(held(total[:2], rare[:2], 3, np.array([8.0, 2.0, 0.0, 0.0])), [0.0, 3.9])


def test_a_value_outside_of_everything_counts_beside_its_rank():
    values = np.zeros((300, 1))
    values[200:] = [[0.04]] + [[0.0]] * 98 + [[0.2]]
    found, _ = look(chain(1e-3), Memory(), scores_of(values, "range"))
    assert found.total[200] == 0
    assert found.total[299] == pytest.approx(OUTSIDE + max(np.log10(300) - min(2, np.log10(300) - 0.5), 0))


def test_what_was_new_once_says_nothing_about_what_evidence_means():
    """Records are common in the first rows; they are no reason to expect as many later."""
    way, values = chain(1e-3, 30), np.zeros(3_000)
    records = values.copy()
    records[[5, 10, 20, 40, 80, 160, 320, 640, 1_280]] = 1.0
    learned = []
    for column in (values, records):
        evidence, memory = way.weigh(Memory(), scores_of(column, "range"))
        assert (evidence.total[column > 0] >= OUTSIDE).all() and (evidence.total[column == 0] == 0).all()
        learned.append(way.learn([(evidence.scores, evidence, memory)]).rarity)
    assert learned[0] == learned[1]


def test_limits_are_quantiles_of_the_scores_before():
    values = noise(640)
    found, _ = look(chain(0.01), Memory(), scores_of(values))
    limits = limits_of(found)
    assert np.isinf(limits[:64]).all()
    for row in (64, 100, 639):
        begin = row // 64 * 64
        assert limits[row, 0] == np.quantile(
            values[:begin, 0], 1 - max(0.01, 1 / (begin + 1)), method="higher"
        )


def test_bounds_of_bent_scales_are_in_the_units_of_the_values():
    values, centre, unit = np.full((65, 1), 0.5), np.full((65, 1), 10.0), np.full((65, 1), 2.0)
    scores = Scores(
        (Stream("load", "forecast"),), values, np.full((65, 1), 12.0), np.full((65, 1), 12.0), centre, unit
    )
    found, _ = look(chain(), Memory(), scores)
    lower, upper = bounds(found, 64, 0)
    assert (np.arcsinh((upper - 10) / 2), np.arcsinh((lower - 10) / 2)) == pytest.approx(
        (np.arcsinh(1) + 0.5, np.arcsinh(1) - 0.5)
    )


def test_a_censored_tail_sees_beyond_a_spoilt_history_and_ranks_do_not():
    found: dict[str, list[float]] = {"conformal": [], "hybrid": []}
    for seed in range(5):
        rng = np.random.default_rng(seed)
        values = np.abs(rng.normal(size=4_000))
        values[rng.choice(3_000, 60, replace=False)] *= 8
        spikes = np.arange(3_100, 4_000, 100)
        values[spikes] = 6
        for engine, power in found.items():
            way = Chain(Engine(engine), 1e-3).learn([])
            power.append(look(way, Memory(), scores_of(values))[0].alarms[spikes].mean())
    assert np.mean(found["conformal"]) == 0 and np.mean(found["hybrid"]) >= 0.85
