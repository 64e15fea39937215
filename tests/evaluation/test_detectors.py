"""The table of detectors: against counts by hand, the measures by themselves, chance, and its own intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ForecastWarning, InputError, ParameterError
from forecast.evaluation import detectors
from forecast.evaluation.affiliation import affiliation_scores
from forecast.evaluation.detector_measures import Measured, Sums, _widened
from forecast.evaluation.detectors import Detections, detector_table, share_better
from forecast.evaluation.events import event_scores, spans_of
from forecast.evaluation.nab import PROFILES, nab_score, nab_sums, probation_rows
from forecast.evaluation.ranges import range_scores
from forecast.evaluation.vus import vus_scores

ROWS = [300, 200, 260]
EVENTS = [[(100, 120), (250, 260)], [], [(5, 9), (150, 180)]]


def method(name: str, seed: int, threshold: str = "fixed", share: float = 0.02) -> Detections:
    """Scores that are larger in some events, and alarms where they are largest."""
    rng = np.random.default_rng(seed)
    scores = [rng.random(rows) for rows in ROWS]
    scores[0][105:110] += 1
    scores[2][150 + seed : 156] += 1
    return Detections(name, scores, [spans_of(own > 1 - share) for own in scores], threshold)


def values(table: pd.DataFrame, name: str) -> dict:
    return table[table["method"] == name].set_index("measure")["value"].to_dict()


def test_every_measure_is_the_one_of_all_series_together():
    one = method("mine", 1)
    got = values(detector_table([one], EVENTS, tolerance=3, window=10, step_seconds=3_600), "mine")
    events = event_scores(one.alarms, EVENTS, ROWS, tolerance=3, step_seconds=3_600)
    near = affiliation_scores(one.alarms, EVENTS, ROWS)
    covered = range_scores(one.alarms, EVENTS, ROWS)
    volumes = vus_scores(one.scores, EVENTS, buffer=10)
    expected = {
        "alarms": events.alarms,
        "precision": events.precision,
        "recall": events.recall,
        "F1": events.f1,
        "false alarms per 1,000 rows": events.false_alarms_per_1000_rows,
        "false alarms per day": events.false_alarms_per_day,
        "delay": events.delay(),
        "VUS-PR": volumes.pr,
        "VUS-ROC": volumes.roc,
        "affiliation precision": near.precision,
        "affiliation recall": near.recall,
        "range precision": covered.precision,
        "range recall": covered.recall,
    }
    assert 0 < events.precision < 1 and events.found == 2
    for measure, value in expected.items():
        assert got.pop(measure) == pytest.approx(value, rel=1e-12), measure
    assert list(got) == ["NAB", "NAB low FP", "NAB low FN"]


def test_counts_by_hand():
    alarms = [[(10, 12), (15, 16), (50, 60)], [(5, 6)]]
    events = [[(8, 20), (70, 80)], []]
    scores = [np.zeros(100), np.zeros(100)]
    got = values(detector_table([Detections("mine", scores, alarms)], events), "mine")
    assert (got["alarms"], got["precision"], got["recall"], got["F1"]) == (4, 0.5, 0.5, 0.5)
    assert got["false alarms per 1,000 rows"] == 10 and got["delay"] == 2
    assert np.isnan(got["false alarms per day"])
    # Two pieces cover 3 of the 12 rows of the first event, none of the second; two of four alarms lie in one.
    assert got["range recall"] == pytest.approx((3 / 12 / 2 + 0) / 2)
    assert got["range precision"] == pytest.approx(2 / 4)
    # One window is met at its third of twelve rows; one alarm lies 31 rows behind it, one where no window is.
    hit = (2 / (1 + np.exp(-5 * 10 / 12)) - 1) / (2 / (1 + np.exp(-5)) - 1)
    behind = 0.11 * (2 / (1 + np.exp(5 * 31 / 11)) - 1)
    assert got["NAB"] == pytest.approx(100 * (hit + 1 + behind - 0.11) / 4)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", range(5))
def test_gains_of_given_flags_are_the_score_at_their_threshold(profile, seed):
    rng = np.random.default_rng(seed)
    rows = [1_000, 400, 700]
    flags = [rng.random(n) < 0.01 for n in rows]
    windows = [[(200, 260), (300, 301), (900, 1_000)], [], [(110, 150)]]
    score = nab_score([flag.astype(float) for flag in flags], windows, profile=profile, threshold=0.5)
    seen = [np.flatnonzero(flag & (np.arange(len(flag)) >= probation_rows(len(flag)))) for flag in flags]
    gains = nab_sums(seen, windows, rows, profile)
    assert gains.sum() / 4 == pytest.approx(score.score, abs=1e-9)
    assert (gains[1] <= 0) and len(gains) == 3


def test_random_alarms_are_as_many_and_as_long_and_lie_anywhere():
    alarms = [[(10, 14), (50, 51), (60, 80)], [], [(0, 1), (1, 2)]]
    one = Detections("mine", [np.zeros(n) for n in ROWS], alarms)
    labels = detectors._labels(EVENTS, ROWS, [0, 0, 0])
    rng = np.random.default_rng(0)
    flagged = np.zeros(sum(ROWS))
    for _ in range(4_000):
        thrown = detectors._thrown(one, labels, rng)
        lengths = sorted(b - a for spans in thrown.alarms for a, b in spans)
        # An alarm that begins in one series ends with it.
        assert len(lengths) == 5 and lengths[:3] == [1, 1, 1] and sum(lengths) <= 27
        for offset, spans in zip(np.cumsum([0, *ROWS[:-1]]), thrown.alarms, strict=True):
            assert all(b <= c for (_, b), (c, _) in zip(spans, spans[1:], strict=False))
            for a, _ in spans:
                flagged[offset + a] += 1
    # 5 alarms on 760 rows, 4,000 times: 26 a row; twenty at a time, all counts lie near.
    sums = flagged.reshape(-1, 20).sum(axis=1)
    assert abs(sums / (4_000 * 5 * 20 / 760) - 1).max() < 0.25
    got = detector_table([one], EVENTS)
    assert values(got, "random")["alarms"] == values(got, "mine")["alarms"] == 5
    assert set(got[got["method"] == "random"]["threshold"]) == {"rate of mine", "none"}


def test_chance_finds_what_it_must():
    """Single rows thrown on 10,000 are true as often as rows lie in events."""
    rows, events = [5_000, 5_000], [[(1_000, 2_000)], [(0, 500)]]
    alarms = [[(k, k + 1) for k in range(0, 5_000, 100)], []]
    table = detector_table([Detections("mine", [np.zeros(n) for n in rows], alarms)], events, draws=100)
    got = values(table, "random")
    assert got["precision"] == pytest.approx(0.15, abs=0.02)
    assert got["recall"] > 0.9 and got["VUS-PR"] < 0.25


def test_the_same_seed_gives_the_same_table_and_another_one_does_not():
    one, other = method("mine", 1), method("range check", 3)
    tables = [detector_table([one, other], EVENTS, seed=seed) for seed in (0, 0, 1)]
    pd.testing.assert_frame_equal(tables[0], tables[1], check_exact=True)
    assert not tables[0].equals(tables[2])


def test_intervals_are_those_of_series_drawn_anew():
    """Recall of two series is 1 and 0: of both drawn twice, a quarter each is 1 and 0."""
    one = Detections("mine", [np.zeros(100)] * 2, [[(10, 11)], []])
    table = detector_table([one], [[(5, 20)], [(5, 20)]])
    row = table[(table["method"] == "mine") & (table["measure"] == "recall")].iloc[0]
    assert (row["value"], row["low"], row["high"]) == (0.5, 0.0, 1.0)
    draws = detectors._drawn(_sums(one, [[(5, 20)], [(5, 20)]], [100, 100]), 2, 0)
    shares = [np.mean(draws["recall"] == value) for value in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.25], atol=0.03)
    # A delay is drawn with its series, the very draws of the other measures.
    np.testing.assert_array_equal(np.isnan(draws["delay"]), draws["recall"] == 0)
    assert "2,000 bootstrap draws of 2 series" in table.attrs["interval"]


def _sums(one: Detections, events: list, rows: list) -> Sums:
    labels = detectors._labels(events, rows, [0] * len(rows))
    return Measured(labels, 0, 4, None, False).sums(one)


def test_better_counts_paired_draws():
    one = method("range check", 1)
    same, worse = Detections("same", one.scores, one.alarms), Detections("mute", one.scores, [[], [], []])
    table = detector_table([same, worse, one], EVENTS, tolerance=3)
    better = table.set_index(["method", "measure"])["better"]
    assert better["same", "F1"] == better["same", "NAB"] == better["same", "delay"] == 0.5
    assert better["mute", "recall"] < 0.1 and better["mute", "false alarms per 1,000 rows"] > 0.9
    assert np.isnan(better["range check"].astype(float)).all()
    assert np.isnan(share_better(np.array([np.nan]), np.array([1.0])))
    assert share_better(np.array([1.0, 2.0]), np.array([3.0, 1.0]), less=True) == 0.5


def test_a_single_series_has_no_interval_and_says_so():
    table = detector_table([Detections("mine", [np.zeros(50)], [[(4, 5)]])], [[(3, 9)]])
    assert table[["low", "high", "better"]].isna().all().all()
    assert "one series" in table.attrs["interval"]


def test_without_events_only_false_alarms_are_counted():
    one = Detections("mine", [np.zeros(500), np.zeros(500)], [[(3, 5), (9, 10)], []])
    got = values(detector_table([one], [[], []]), "mine")
    assert got.pop("alarms") == 2 and got.pop("precision") == 0 and got.pop("range precision") == 0
    assert got.pop("false alarms per 1,000 rows") == 2
    assert np.isnan(list(got.values())).all(), got


def test_without_alarms_nothing_is_found():
    table = detector_table([Detections("mine", [np.zeros(n) for n in ROWS], [[], [], []])], EVENTS)
    for name in ("mine", "random"):
        got = values(table, name)
        assert (
            np.isnan(got["precision"]) and np.isnan(got["delay"]) and np.isnan(got["affiliation precision"])
        )
        assert got["recall"] == got["F1"] == got["NAB"] == got["alarms"] == got["range recall"] == 0


def test_rows_before_the_first_do_not_count():
    scores = [np.arange(100.0)]
    alarms = [[(4, 5), (30, 60), (70, 72), (95, 96)]]
    events = [[(2, 8), (35, 45), (68, 80), (99, 100)]]
    late = detector_table([Detections("mine", scores, alarms)], events, first=[40])
    cut = detector_table(
        [Detections("mine", [scores[0][40:]], [[(30, 32), (55, 56)]])], [[(0, 5), (28, 40), (59, 60)]]
    )
    one, two = values(late, "mine"), values(cut, "mine")
    # An event that began before keeps its length for NAB.
    assert {k: v for k, v in one.items() if v != two[k] and "NAB" not in k and v == v} == {}
    assert (one["alarms"], one["precision"], one["delay"]) == (2, 0.5, 2)
    assert late.attrs["before"] == 1 and late.attrs["events"] == 3 and late.attrs["rows"] == 60
    early = detector_table([Detections("mine", scores, [[(40, 41)]])], [[(35, 45)]], first=[40])
    # Halfway through its window, not at its first row.
    half = (2 / (1 + np.exp(-2.5)) - 1) / (2 / (1 + np.exp(-5)) - 1)
    assert values(early, "mine")["NAB"] == pytest.approx(50 * (1 + half))


def test_events_at_the_edges_and_next_to_each_other():
    events = [[(0, 1), (50, 52), (52, 55), (99, 100)]]
    alarms = [[(0, 1), (51, 52), (53, 54), (99, 100)]]
    got = values(detector_table([Detections("mine", [np.zeros(100)], alarms)], events, tolerance=4), "mine")
    assert got["precision"] == got["recall"] == got["F1"] == 1
    assert 60 < got["NAB"] <= 100


def test_the_tolerance_widens_windows_and_parts_them_half_way():
    assert _widened([(2, 4), (8, 10)], 3, 12) == [(0, 6), (6, 12)]
    assert _widened([(2, 4), (9, 10)], 3, 12) == [(0, 7), (7, 12)]
    assert _widened([], 3, 12) == []
    one = Detections("mine", [np.zeros(200)], [[(98, 99)]])
    assert values(detector_table([one], [[(100, 101)]]), "mine")["NAB"] < 0
    near = values(detector_table([one], [[(100, 101)]], tolerance=2), "mine")
    assert near["NAB"] == pytest.approx(100) and near["delay"] == -2


def test_point_adjusted_f1_comes_with_a_warning_only():
    one = Detections("mine", [np.zeros(1_000)], [[(k, k + 1) for k in range(0, 1_000, 10)]])
    with pytest.warns(ForecastWarning, match="at random reach 0.9"):
        table = detector_table([one], [[(300, 900)]], legacy=True)
    # All 600 rows of the event are found, and 40 more are flagged.
    got = values(table, "mine")["point-adjusted F1"]
    assert got == pytest.approx(2 * 600 / (600 + 600 + 40))
    assert values(table, "random")["point-adjusted F1"] > 0.9
    assert "point-adjusted F1" not in set(detector_table([one], [[(300, 900)]])["measure"])


def test_the_table_says_how_thresholds_were_made_and_how_wide_the_window_is():
    table = detector_table([method("a", 1, "labels"), method("b", 2, "validated")], EVENTS, window=7)
    of = table.set_index(["method", "measure"])
    assert of.loc[("a", "F1"), "threshold"] == "labels" and of.loc[("b", "NAB"), "threshold"] == "validated"
    assert (
        of.loc[("a", "VUS-PR"), "threshold"] == "none"
        and of.loc[("a", "VUS-PR"), "setting"] == "window 7 rows"
    )
    assert of.loc[("a", "F1"), "setting"] == "± 0 rows" and table.attrs["window"] == 7
    assert list(dict.fromkeys(table["method"])) == ["a", "b", "random"]


def test_rows_without_a_score_rank_last():
    scores = [np.where(np.arange(100) < 50, np.nan, 1.0)]
    one = values(detector_table([Detections("mine", scores, [[]])], [[(50, 60)]], window=0), "mine")
    assert one["VUS-ROC"] == pytest.approx(1 - 0.5 * 40 / 90)


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        ({"methods": []}, ParameterError, "none"),
        ({"methods": [method("a", 1), method("a", 2)]}, ParameterError, "names of their own"),
        ({"methods": [method("random", 1)]}, ParameterError, "made here"),
        ({"methods": [method("a", 1, "guessed")]}, ParameterError, "fixed, validated, labels"),
        ({"events": EVENTS[:2]}, InputError, "events are of 2"),
        ({"events": [[(0, 400)], [], []]}, InputError, "outside its 300 rows"),
        ({"methods": [Detections("a", [np.zeros(9)] * 3, [[(5, 12)], [], []])], "events": [[], [], []]},
         InputError, "outside its 9 rows"),
        ({"methods": [method("a", 1), Detections("b", [np.zeros(9)] * 3, [[], [], []])]}, InputError, "'b'"),
        ({"first": [0, 0]}, InputError, "first rows"),
        ({"first": [0, 0, 261]}, InputError, "first rows"),
        ({"first": ROWS}, InputError, "No row counts"),
        ({"tolerance": -1}, ParameterError, "tolerance"),
        ({"window": -1}, ParameterError, "window"),
        ({"draws": 0}, ParameterError, "draws"),
    ],
)  # fmt: skip
def test_mistakes_are_refused(change, error, named):
    given = {"methods": [method("a", 1)], "events": EVENTS} | change
    with pytest.raises(error, match=named):
        detector_table(given.pop("methods"), given.pop("events"), **given)
