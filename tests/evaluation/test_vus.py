"""Volumes under the surface against their definition, threshold by threshold."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from forecast.errors import InputError, ParameterError
from forecast.evaluation.vus import vus_scores


def by_definition(scores: np.ndarray, events: list[tuple[int, int]], buffer: int) -> tuple[float, float]:
    """Both volumes with loops over buffers, thresholds and events."""
    hard = np.zeros(len(scores))
    for first, stop in events:
        hard[first:stop] = 1
    areas = []
    for width in range(buffer + 1):
        soft = hard.copy()
        for first, stop in events:
            for away in range(1, width // 2 + 1):
                for row in (first - away, stop - 1 + away):
                    if 0 <= row < len(soft):
                        soft[row] = min(soft[row] + np.sqrt(1 - away / width), 1)
        segments, begin = [], None
        for row, label in enumerate([*soft, 0]):
            if label > 0 and begin is None:
                begin = row
            if label == 0 and begin is not None:
                segments.append((begin, row))
                begin = None
        positives = (hard.sum() + soft.sum()) / 2
        points = [(0.0, 0.0, 1.0)]
        for threshold in sorted(set(scores), reverse=True):
            flagged = scores >= threshold
            hits = (soft * flagged).sum()
            met = np.mean([(soft * flagged)[a:b].sum() > 0 for a, b in segments])
            recall = min(hits / positives, 1) * met
            points.append((recall, (flagged.sum() - hits) / (len(soft) - positives), hits / flagged.sum()))
        closed = [*points, (1.0, 1.0, 0.0)]
        roc = sum((b[1] - a[1]) * (a[0] + b[0]) / 2 for a, b in zip(closed, closed[1:]))
        pr = sum((b[0] - a[0]) * (a[2] + b[2]) / 2 for a, b in zip(points, points[1:]))
        areas.append((roc, pr))
    return tuple(np.mean(areas, axis=0))


@pytest.mark.parametrize("buffer", [0, 1, 5, 12])
@pytest.mark.parametrize("events", [[(20, 30)], [(0, 3), (40, 41), (44, 60)], [(5, 9), (90, 100)]])
def test_volumes_are_those_of_the_definition(events, buffer):
    rng = np.random.default_rng(len(events))
    scores = rng.integers(0, 30, 100) / 30
    found = vus_scores([scores], [events], buffer=buffer)
    assert (found.roc, found.pr) == pytest.approx(by_definition(scores, events, buffer), rel=1e-12)
    assert (found.buffer, found.series) == (buffer, 1)


def test_without_a_buffer_single_rows_have_the_plain_area():
    """One labelled row is met or not: recall and its product with the share of events are the same."""
    rng = np.random.default_rng(1)
    scores = rng.normal(size=300)
    labels = np.arange(300) == 77
    found = vus_scores([scores], [[(77, 78)]], buffer=0)
    assert found.roc == pytest.approx(roc_auc_score(labels, scores))


def test_perfect_useless_and_blind():
    events = [[(40, 60)]]
    perfect = np.zeros(100)
    perfect[40:60] = 1
    found = vus_scores([perfect], events, buffer=0)
    assert (found.roc, found.pr) == (1, 1)
    blind = vus_scores([np.ones(100)], events, buffer=0)
    assert blind.roc == pytest.approx(0.5)
    assert vus_scores([-perfect], events, buffer=0).roc < 0.01


def test_a_score_that_is_a_little_late_gains_by_a_buffer():
    late = np.zeros(200)
    late[104:124] = 1
    events = [[(100, 120)]]
    plain, soft = (vus_scores([late], events, buffer=b) for b in (0, 20))
    assert soft.pr > plain.pr and soft.roc > plain.roc


def test_missing_scores_rank_last_and_series_without_events_are_left_out():
    scores = np.zeros(100)
    scores[40:60] = 1
    missing = np.where(np.arange(100) < 20, np.nan, scores)
    found = vus_scores([missing, np.ones(5)], [[(40, 60)], []], buffer=0)
    assert (found.roc, found.pr, found.series) == (1, 1, 1)


@pytest.mark.parametrize(
    ("events", "buffer", "error", "message"),
    [
        ([[]], 5, InputError, "no labelled event"),
        ([], 5, InputError, "scores of 1 series"),
        ([[(3, 12)]], 5, InputError, "outside its 9 rows"),
        ([[(3, 5)]], -1, ParameterError, "at least 0 rows"),
    ],
)
def test_what_makes_no_sense_is_refused(events, buffer, error, message):
    with pytest.raises(error, match=message):
        vus_scores([np.zeros(9)], events, buffer=buffer)
