"""What holds for every detector, whatever its method and engine."""

from __future__ import annotations

from copy import copy
from functools import cache

import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.detection.engines import ENGINES
from forecast.estimators.online import LooksAhead
from forecast.estimators.watching import METHODS
from forecast.estimators.window_errors import METHODS as WINDOW_METHODS

WINDOWED = {"units": 4, "steps": 20, "context": 12, "season": 7}
SMALL = {
    "forecast": WINDOWED | {"horizons": (1, 4)},
    # The network of a forecaster in its place.
    "rnn": WINDOWED | {"model": "rnn", "horizons": (1, 4)},
} | dict.fromkeys(WINDOW_METHODS, WINDOWED)


def machines(rows: int = 260, series: int = 2, seed: int = 0) -> pd.DataFrame:
    """Loads of machines with two channels, gaps, and a shock in each."""
    parts = []
    for i in range(series):
        rng = np.random.default_rng((seed, i))
        t = np.arange(rows - 10 * i)
        load = 10 * (i + 1) + np.sin(2 * np.pi * t / 7) + 0.2 * rng.normal(size=len(t))
        heat = 40 + 0.5 * rng.normal(size=len(t)).cumsum()
        load[len(t) * 3 // 4] += 8
        part = pd.DataFrame(
            {"machine": f"m{i}", "minute": pd.date_range("2024-05-01", periods=len(t), freq="min")}
        )
        part = part.assign(load=load, heat=heat)
        part.loc[[30, 31, 150], ["load", "heat"]] = np.nan
        parts.append(part.drop(index=[80, 81]))
    return pd.concat(parts, ignore_index=True)


def detector_of(method: str, **options) -> forecast.Detector:
    network = SMALL.get(method, {"season": 7})
    columns = {"time": "minute", "id": "machine", "target": ("load", "heat")}
    return forecast.Detector("forecast" if method == "rnn" else method, **(columns | network | options))


@cache
def _learned(method: str) -> forecast.Detector:
    return detector_of(method, alarms="1 per 50 rows").fit(early(machines()))


def learned(method: str) -> forecast.Detector:
    """A detector that has learned the early rows; what one test lets it see, others do not."""
    return copy(_learned(method))


def run_of(*quick: str) -> list:
    """All methods; of those with networks that cost most, only these in the default run."""
    costly = {*WINDOW_METHODS, "rnn"} - set(quick)
    return [pytest.param(m, marks=pytest.mark.slow) if m in costly else m for m in (*METHODS, "rnn")]


def early(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["minute"] < pd.Timestamp("2024-05-01 02:30")]


@pytest.mark.parametrize("method", run_of("variational", "joint"))
def test_no_score_depends_on_a_later_row(method):
    forecast.assert_online(learned(method), machines())


def test_looking_ahead_is_found_out():
    class Peeking(forecast.Detector):
        def score(self, X, y=None):
            found = super().score(X)
            return found.assign(evidence=found["evidence"] / found["evidence"].max())

    table = machines()
    peeking = Peeking("novelty", time="minute", id="machine", target=("load", "heat")).fit(early(table))
    with pytest.raises(LooksAhead, match="changed with later rows"):
        forecast.assert_online(peeking, table)


@pytest.mark.parametrize("method", run_of("variational", "joint"))
def test_rows_may_come_in_parts(method):
    table = machines()
    whole, bits = learned(method), learned(method)
    later = table[table["minute"] >= pd.Timestamp("2024-05-01 02:30")]
    expected = whole.detect(later)
    times = sorted(later["minute"].unique())
    events = []
    for first, stop in zip([0, 1, 2, 40], [1, 2, 40, len(times)], strict=True):
        part = later[later["minute"].isin(times[first:stop])]
        events.append(bits.update(part).assign(part=times[first]))
    found = pd.concat(events).drop_duplicates(["machine", "start"], keep="last")
    found = found.sort_values(["machine", "start"], ignore_index=True)
    # What carried an event is told of its peak, or of the first row of the part if the peak lies before it.
    begin = found.pop("part")
    carried = ["channel", "kind", "horizon", "actual", "expected", "lower", "upper"]
    told = [name for name in expected.columns if name not in carried]
    pd.testing.assert_frame_equal(found[told], expected[told], check_dtype=False, rtol=1e-3, atol=1e-4)
    same = (found["peak"] >= begin).to_numpy()
    assert same.any()
    one, two = found[same], expected[same]
    pd.testing.assert_frame_equal(one, two, check_dtype=False, rtol=1e-3, atol=1e-4)


# A single row hardly moves the mean of ten that the likelihood looks at.
@pytest.mark.parametrize("engine", sorted(set(ENGINES) - {"likelihood"}))
def test_the_shock_is_found_and_carried_by_its_channel(engine):
    table = machines(1_000, series=1)
    detector = detector_of("ewma", engine=engine, alarms="1 per 100 rows").fit(table[:600])
    events = detector.detect(table[600:])
    shock = table["minute"].iloc[748]
    assert table["load"].iloc[748] > 16
    hit = events[(events["start"] <= shock) & (events["end"] >= shock)]
    assert len(hit) == 1 and hit["channel"].item() == "load" and hit["peak"].item() == shock
    assert hit["severity"].item() > 0 and hit["p_value"].item() <= 0.01


@pytest.mark.parametrize("method", run_of("joint"))
def test_constant_series_and_first_rows_raise_no_alarm(method):
    flat = pd.DataFrame({"minute": pd.date_range("2024", periods=300, freq="min"), "load": 5.0})
    detector = detector_of(method, id=None, target="load").fit(flat[:200])
    assert not len(detector.detect(flat))
    assert np.isfinite(detector.score(flat)["evidence"]).all()


@pytest.mark.parametrize("method", run_of("variational"))
def test_missing_rows_have_no_evidence_unless_asked(method):
    table = machines()
    scores = learned(method).score(table)
    filled = scores["minute"].isin(table.dropna(subset=["load", "heat"])["minute"])
    assert scores["evidence"].isna().sum() == (~filled).sum() == 10
    assert (scores["p_value"].isna() == scores["evidence"].isna()).all()
    asked = detector_of(method, missing="evidence").fit(early(table)).score(table)
    assert not asked["evidence"].isna().any()


def test_a_missing_row_can_be_an_alarm():
    table = machines(600, series=1)
    gap = table["minute"].between("2024-05-01 08:20", "2024-05-01 08:40")
    options = {"alarms": "1 per 50 rows", "target": "load", "hold": 3}
    asked = detector_of("novelty", missing="evidence", **options).fit(table[:400])
    events = asked.detect(table[~gap][400:])
    found = events[events["kind"] == "gap"]
    # One missing row happens; two in a row are as rare as was asked.
    assert found["start"].tolist() == [pd.Timestamp("2024-05-01 08:21")]
    assert found["end"].item() <= pd.Timestamp("2024-05-01 08:40")
    ignored = detector_of("novelty", **options).fit(table[:400])
    assert "gap" not in ignored.detect(table[~gap][400:])["kind"].tolist()


@pytest.mark.parametrize("method", run_of("variational", "joint"))
def test_a_saved_detector_goes_on_where_it_stopped(method, tmp_path):
    table = machines()
    detector = learned(method)
    detector.save(tmp_path / "watch.forecast")
    again = forecast.load(tmp_path / "watch.forecast")
    assert again.get_params() == detector.get_params()
    pd.testing.assert_frame_equal(again.score(table), detector.score(table), check_exact=True)
    pd.testing.assert_frame_equal(again.detect(table), detector.detect(table), check_exact=True)
    half = table[table["minute"] < pd.Timestamp("2024-05-01 03:20")]
    one, two = detector.update(half), again.update(half)
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    again.save(tmp_path / "watch.forecast")
    third = forecast.load(tmp_path / "watch.forecast")
    pd.testing.assert_frame_equal(third.update(table), detector.update(table), check_exact=True)
