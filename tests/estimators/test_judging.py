"""Detectors against labelled events: the table they get, beside whom, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.detection.simple import RANGE_MARGIN, outside
from forecast.errors import ForecastWarning, InputError, ParameterError
from forecast.evaluation.events import event_scores, spans_of
from tests.laws.test_detectors import SMALL, machines

START = pd.Timestamp("2024-05-01")
MINUTE = pd.Timedelta(minutes=1)


def shocks(table: pd.DataFrame) -> pd.DataFrame:
    """The shock of each machine, which is its largest load far and wide."""
    rows = [own["load"].idxmax() for _, own in table.groupby("machine")]
    found = table.loc[rows, ["machine", "minute"]].rename(columns={"minute": "start"})
    return found.assign(end=found["start"] + 3 * MINUTE)


def fitted(table: pd.DataFrame, method: str = "ewma", **options) -> forecast.Detector:
    columns = {"time": "minute", "id": "machine", "target": ("load", "heat"), "season": 7}
    detector = forecast.Detector(method, **(columns | {"alarms": "1 per 60 rows"} | options))
    return detector.fit(table[table["minute"] < START + 150 * MINUTE])


def value(table: pd.DataFrame, method: str, measure: str) -> float:
    return table.set_index(["method", "measure"])["value"][method, measure]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return machines()


def test_the_figures_are_those_of_its_own_alarms_behind_the_rows_it_learned_from(table):
    detector = fitted(table)
    found = detector.evaluate(table, shocks(table), tolerance=1)
    events = detector.detect(table)
    events = events[events["raised"] >= START + 150 * MINUTE]
    alarms, labels, rows = [], [], []
    for name, own in table.groupby("machine"):
        count = int((own["minute"].max() - START) / MINUTE) + 1 - 150
        first = START + 150 * MINUTE
        mine = events[events["machine"] == name]
        alarms.append(
            [
                (int((a - first) / MINUTE), int((b - first) / MINUTE) + 1)
                for a, b in zip(mine["raised"], mine["end"], strict=True)
            ]
        )
        labels.append(
            [
                (int((a - first) / MINUTE), int((b - first) / MINUTE) + 1)
                for a, b in shocks(own)[["start", "end"]].to_numpy()
            ]
        )
        rows.append(count)
    expected = event_scores(alarms, labels, rows, tolerance=1, step_seconds=60)
    assert expected.alarms == value(found, "ewma", "alarms") > 2
    for measure, number in (
        ("precision", expected.precision),
        ("recall", expected.recall),
        ("false alarms per day", expected.false_alarms_per_day),
        ("delay", expected.delay()),
    ):
        assert value(found, "ewma", measure) == pytest.approx(number), measure
    assert value(found, "random", "alarms") == expected.alarms
    assert found.attrs["rows"] == sum(rows) and found.attrs["events"] == 2
    assert set(found[found["measure"] == "F1"]["threshold"]) == {"fixed", "rate of ewma"}


def test_beside_stand_the_range_check_and_what_was_fitted_to_the_same_rows(table):
    detector = fitted(table, "novelty")
    found = detector.evaluate(table, shocks(table))
    names = ["novelty", "range check", "ewma", "seasonal-naive", "gaussian", "random"]
    assert list(dict.fromkeys(found["method"])) == names
    other = fitted(table, "ewma", alarms=detector.rate_).evaluate(table, shocks(table))
    for measure in ("alarms", "recall", "NAB", "VUS-PR"):
        assert value(found, "ewma", measure) == value(other, "ewma", measure)
    count = 0
    for _, own in table.groupby("machine"):
        grid = own.set_index("minute")[["load", "heat"]].asfreq("min").to_numpy()
        count += len(spans_of((outside(grid) > RANGE_MARGIN)[150:]))
    assert value(found, "range check", "alarms") == count > 0


def test_a_column_of_marks_is_as_good_as_a_table_of_events(table):
    marked = table.assign(odd=0)
    for name, start, end in shocks(table)[["machine", "start", "end"]].itertuples(index=False):
        inside = (marked["machine"] == name) & marked["minute"].between(start, end)
        marked.loc[inside, "odd"] = 1
    one = fitted(table).evaluate(marked, "odd", tolerance=2)
    two = fitted(table).evaluate(table, shocks(table), tolerance=2)
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_events_may_be_a_file_of_the_users_own_id(table, tmp_path):
    shocks(table).to_csv(tmp_path / "events.csv", index=False)
    table.to_csv(tmp_path / "table.csv", index=False)
    found = fitted(table).evaluate(str(tmp_path / "table.csv"), str(tmp_path / "events.csv"))
    pd.testing.assert_frame_equal(found, fitted(table).evaluate(table, shocks(table)), check_exact=True)


@pytest.mark.slow
def test_networks_are_measured_alike(table):
    detector = fitted(table, "forecast", **SMALL["forecast"])
    found = detector.evaluate(table, shocks(table), tolerance=2)
    assert value(found, "forecast", "recall") >= 0.5
    assert found[found["method"] == "forecast"]["value"].notna().all()


def test_one_series_without_times():
    rng = np.random.default_rng(0)
    load = rng.normal(size=400)
    load[300:303] += 9
    detector = forecast.Detector("ewma").fit({"load": load[:200]})
    found = detector.evaluate({"load": load}, {"start": [300], "end": [302]})
    assert value(found, "ewma", "recall") == 1 and np.isnan(value(found, "ewma", "false alarms per day"))
    assert found["low"].isna().all() and "one series" in found.attrs["interval"]
    again = (
        forecast.Detector("ewma")
        .fit(load[:200, None])
        .evaluate(load[:, None], {"start": [300], "end": [302]})
    )
    assert value(again, "ewma", "recall") == 1


def test_events_before_are_told(table):
    early = shocks(table).assign(start=START + 20 * MINUTE, end=START + 21 * MINUTE)
    found = fitted(table).evaluate(table, pd.concat([early, shocks(table)]))
    assert (found.attrs["before"], found.attrs["events"]) == (2, 2)
    with pytest.raises(InputError, match="None of the 2 events lies behind"):
        fitted(table).evaluate(table, early)


def test_the_legacy_score_warns(table):
    with pytest.warns(ForecastWarning, match="Point-adjusted"):
        found = fitted(table).evaluate(table, shocks(table), legacy=True)
    assert "point-adjusted F1" in set(found["measure"])


def test_what_cannot_be_measured_is_refused(table):
    detector = fitted(table)
    late = table[table["minute"] >= START + 150 * MINUTE]
    for given, events, named in (
        (late, shocks(table), "holds 0 of the 150 rows of series 'm0'"),
        (table[table["machine"] == "m0"], shocks(table)[:1], "series 'm1'"),
        (table[table["minute"] < START + 150 * MINUTE], shocks(table)[:0], "there is none"),
        (table, shocks(table).assign(machine="m7"), "no series"),
        (table, "odd", "neither a column of the table nor a file"),
        (table, table[:0], "there is none"),
    ):
        with pytest.raises(InputError, match=named):
            detector.evaluate(given, events)
    with pytest.raises(ParameterError, match="learned from it"):
        detector.evaluate(table, "heat")
    with pytest.raises(ParameterError, match="tolerance"):
        detector.evaluate(table, shocks(table), tolerance=-1)
    whole = forecast.Detector("ewma", time="minute", id="machine", target="load").fit(table)
    with pytest.raises(InputError, match="All rows of the table were learned from"):
        whole.evaluate(table, shocks(table))


def test_a_detector_is_not_changed_by_being_measured(table):
    detector = fitted(table)
    before = detector.score(table)
    detector.evaluate(table, shocks(table))
    pd.testing.assert_frame_equal(detector.score(table), before, check_exact=True)
