"""From evidence to events: rows written down by hand, and any parting of rows gives the same events."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecast.detection.engines import Engine, Past
from forecast.detection.evidence import Evidence
from forecast.detection.limits import Limits
from forecast.detection.policy import Policy, quiet_rows, watch
from forecast.detection.streams import Scores, Stream
from forecast.errors import ParameterError

ALARM = 0.01


def evidence_of(total, p) -> Evidence:
    total, p = np.asarray(total, float), np.asarray(p, float)
    column = total[:, None]
    scores = Scores((Stream("load", "forecast"),), column, np.zeros_like(column), column)
    nothing = replace(scores, values=np.full_like(column, np.nan))
    limits = Limits([Engine()], [Past()], nothing, ALARM, 0, np.array([np.inf]))
    return Evidence(scores, column, total, limits, p, p <= ALARM)


def found(total, alarms, **rules):
    p = np.ones(len(total))
    p[list(alarms)] = 0.001
    times = pd.RangeIndex(len(total))
    return watch(Policy(**rules), evidence_of(total, p), times, 0, None)


def spans(events):
    return [(event.start, event.end, event.open) for event in events]


def test_an_event_lasts_while_the_evidence_holds():
    total = [0, 8, 5, 4, 3, 8, 0, 9, 0]
    assert spans(found(total, [1])) == [(1, 3, False)]
    assert spans(found(total, [1], release=0.3)) == [(1, 5, False)]
    (event,) = found(total, [1], release=0.3)
    assert (event.peak, event.severity, event.raised, event.level) == (1, 8, 1, 8)
    assert spans(found(total, [7])) == [(7, 7, False)]
    assert spans(found(total[:-1], [7])) == [(7, 7, True)]
    assert spans(found(total, [])) == []


def test_alarms_nearby_belong_to_an_event():
    total = [0, 8, 0, 0, 9, 0, 0, 0, 0, 7]
    assert spans(found(total, [1, 4, 9])) == [(1, 1, False), (4, 4, False), (9, 9, True)]
    merged = found(total, [1, 4, 9], merge=3)
    assert spans(merged) == [(1, 4, False), (9, 9, True)]
    assert (merged[0].peak, merged[0].severity) == (4, 9)


def test_evidence_must_last():
    total = [0, 8, 8, 8, 0, 9, 0, 0]
    (event,) = found(total, [1, 5], min_rows=3)
    assert (event.start, event.raised, event.end) == (1, 3, 3)
    assert found(total, [1, 5], min_rows=4) == []
    (waiting,) = found(total[:3], [1], min_rows=3)
    assert waiting.raised == -1 and waiting.open


def test_missing_rows_are_passed_over():
    assert spans(found([0, 8, np.nan, np.nan, 7, 0], [1])) == [(1, 4, False)]


def test_any_parting_of_rows_gives_the_same_events():
    rng = np.random.default_rng(0)
    total = np.where(rng.random(400) < 0.5, rng.exponential(3, 400), 0.0)
    total[rng.random(400) < 0.05] = np.nan
    p = np.where((total > 6) & (rng.random(400) < 0.7), 0.001, 1.0)
    times, events_seen = pd.RangeIndex(400), 0
    for rules in (
        {},
        {"merge": 4},
        {"min_rows": 2, "merge": 3, "release": 0.05},
        {"release": 0.05, "merge": 10},
    ):
        policy = Policy(**rules)
        whole = [e for e in watch(policy, evidence_of(total, p), times, 0, None) if e.raised >= 0]
        ongoing, parts = None, {}
        for first, stop in zip([0, 1, 50, 51, 200], [1, 50, 51, 200, 400], strict=True):
            events = watch(
                policy, evidence_of(total[first:stop], p[first:stop]), times[first:stop], first, ongoing
            )
            ongoing = events[-1] if events and events[-1].open else None
            parts |= {event.start: event for event in events if event.raised >= 0}
        assert list(parts.values()) == whole, rules
        events_seen += len(whole)
    assert events_seen > 20


def test_floors_and_quiet_times():
    times = pd.date_range("2024-01-05 21:00", periods=4, freq="h")
    evidence = evidence_of([9, 9, 9, 9], [0.001] * 4)
    allowed = Policy(quiet=("22:00-23:00",)).may_alarm(evidence, times)
    assert allowed.tolist() == [True, False, True, True]
    assert not Policy(floor=10.0).may_alarm(evidence, times).any()
    unexpected = replace(evidence, scores=replace(evidence.scores, expected=np.full((4, 1), np.nan)))
    assert Policy(floor=10.0).may_alarm(unexpected, times).all()
    assert quiet_rows(("sat",), times).tolist() == [False, False, False, True]
    assert quiet_rows(("fri 23-24", "22:00-22:30"), times).tolist() == [False, True, True, False]


@pytest.mark.parametrize("span", ["noon", "25:00-26:00", "10-10", "", "someday 1-2"])
def test_quiet_times_that_cannot_be_read(span):
    with pytest.raises(ParameterError, match="quiet="):
        Policy(quiet=(span,))


def test_rows_that_are_counted_have_no_time_of_day():
    with pytest.raises(ParameterError, match="only counted"):
        quiet_rows(("sun",), pd.RangeIndex(3))
