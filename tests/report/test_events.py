"""Pictures of events and of calibration: what stands in them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.errors import InputError
from tests.laws.test_detectors import detector_of, early, machines


@pytest.fixture(scope="module")
def detector():
    return detector_of("novelty", alarms="1 per 40 rows").fit(early(machines()))


def test_each_channel_and_the_evidence_of_each_series_are_drawn(detector):
    table = machines()
    figure = detector.plot(table)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert sorted(t for t in titles if t) == ["m0 · heat", "m0 · load", "m1 · heat", "m1 · load"]
    assert sum(ax.get_ylabel() == "evidence" for ax in figure.axes) == 2
    later = detector.detect(table[~table.index.isin(early(table).index)])
    assert figure.get_suptitle() == f"{len(later)} events"
    labels = {text.get_text() for text in figure.legends[0].get_texts()}
    assert {"actual", "expected", "alarm", "level"} <= labels


def test_one_series_can_be_asked_for(detector):
    figure = detector.plot(machines(), series=["m1"], title="mill")
    assert len(figure.axes) == 3 and figure.get_suptitle() == "mill"
    with pytest.raises(InputError, match="'m7'"):
        detector.plot(machines(), series=["m7"])


def test_long_series_keep_their_extremes():
    values = np.random.default_rng(0).normal(size=20_000)
    values[13_579] = 50.0
    watch = forecast.Detector("ewma").fit({"load": values[:5_000]})
    line = next(ln for ln in watch.plot({"load": values}).axes[0].get_lines() if ln.get_label() == "actual")
    assert len(line.get_ydata()) <= 4_000 and line.get_ydata().max() == 50.0


def test_the_calibration_is_drawn_with_the_rate_asked_for(detector):
    table = machines()
    figure = detector.plot_calibration(table)
    ax = figure.axes[0]
    report = detector.calibration_report(table)
    realised = next(ln for ln in ax.get_lines() if ln.get_label() == "realised")
    np.testing.assert_allclose(realised.get_ydata(), report.loc[report["realised"] > 0, "realised"])
    marked = next(ln for ln in ax.get_lines() if ln.get_label() == "rate asked for")
    assert marked.get_xdata()[0] == detector.rate_
    assert isinstance(report, pd.DataFrame)
