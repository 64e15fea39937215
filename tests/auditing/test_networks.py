"""Audits of networks that forecast distributions, step by step or as a mean of several, and of what windows hold."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import forecast
from forecast.auditing.audit import audit
from forecast.auditing.invariance import padding_finding
from forecast.auditing.probing import Probe
from forecast.auditing.subjects import GIVEN, Subject, forecaster_subject, on_panel
from forecast.data.calendar import make_calendar
from forecast.data.windows import Windows, make_windows
from tests.tables import COVARIATES, SMALL_NETWORK, panel_of, shops

NETWORKS = {
    "normal": {"head": "normal"},
    "student-points": {"head": "student", "quantiles": ()},
    "counts": {"head": "negative_binomial"},
    "autoregressive": {"model": "autoregressive", "head": "student"},
    "autoregressive-counts": {"model": "autoregressive", "head": "negative_binomial"},
    "ensemble": {"ensemble": 2},
    "embedded": {"calendar": True, "lags": (1, 7), "embed": ("series", "categories")},
    "embedded-padded": {
        "model": "rnn",
        "calendar": True,
        "lags": (1, 10),
        "embed": "categories",
        "short": "pad",
    },
}
QUICK = ("normal", "counts")
CASES = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in NETWORKS]


@cache
def fitted(name: str) -> forecast.Forecaster:
    """A network with its covariates, on sales that are whole numbers where it forecasts counts."""
    table = shops(70, covariates=True, ahead=3)
    if "counts" in name:
        table["sold"] = (table["sold"] / 6).round()
    return forecast.Forecaster(**(SMALL_NETWORK | COVARIATES | {"steps": 20} | NETWORKS[name])).fit(table)


@pytest.mark.parametrize("name", CASES)
def test_audits_read_forecasts_whatever_the_network_gives(name):
    network, history = fitted(name).fitted_.network, fitted(name).fitted_.history
    subject = forecaster_subject(fitted(name).fitted_, history, GIVEN)
    windows = subject.windows.thin(5)
    found, expected = subject.raw(windows.inputs(np.arange(5))), network.quantiles(windows)
    assert found.shape == (5, 3, 1, max(len(network.spec.quantiles), 1))
    if "counts" in name:
        # Of counts, the mean stands for the median.
        assert (expected == np.round(expected)).all() or "autoregressive" in name
        assert (found[..., 1] != np.round(found[..., 1])).any()
        assert (np.abs(found[..., 1] - expected[..., 1]) < 1.0).all()
        found[..., 1] = expected[..., 1]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_networks_earn_no_alarm(name):
    found = audit(fitted(name))
    assert {f.check for f in found.findings if f.severity == "serious"} <= {"baselines"}
    for check in ("newest observation", "future", "covariates", "batches"):
        assert found.of(check)[0].severity == "ok", found.of(check)[0]
    assert all(finding.severity == "ok" for finding in found.of("padding"))
    assert bool(found.of("padding")) == name.endswith("padded")
    assert set(found.reactions.covariates) == {"promo", "visits", "town", "area"}
    assert all((steps > 0).all() for steps in found.reactions.covariates.values())


def two_windows(origins: tuple[int, int]) -> Windows:
    """A window of each of two series, with lags within the context and beyond, and a calendar."""
    panel = panel_of(shops(30, series=2))
    calendar = make_calendar(panel.step, True)
    windows = make_windows(
        panel, context=9, horizon=4, short="pad", lags=(1, 3, 11), calendar=calendar.rows(panel, 4)
    )
    return windows.subset(np.flatnonzero(np.isin(windows.origins, origins)))


@pytest.mark.parametrize("lag", [1, 2, 8])
def test_an_observation_is_moved_wherever_lags_show_it(lag):
    windows = two_windows((4, 50))  # after four rows of history, and after many
    subject = subject_of(windows, lambda inputs: np.zeros((len(inputs["target"]), 4, 1, 1)))
    moved = Probe(subject, windows).lag_moved(lag)
    values = windows.panel.values.copy()
    values[50 - lag] -= 1
    if lag <= 4:
        values[4 - lag] += 1
    expected = on_panel(windows, values).inputs(np.arange(2))
    np.testing.assert_allclose(moved["target"], expected["target"])
    np.testing.assert_allclose(moved["lagged"], expected["lagged"])
    assert (moved["lagged"] != windows.inputs(np.arange(2))["lagged"])[~np.isnan(moved["lagged"])].any()


@pytest.mark.parametrize("name", ["target", "calendar", "lagged"])
def test_padded_rows_that_are_read_are_caught(name):
    def reading(inputs, rows):
        total = np.nan_to_num(inputs[name][:, :rows]).sum(axis=(1, 2))
        return np.broadcast_to(total[:, None, None, None], (len(total), 4, 1, 1))

    windows = two_windows((12, 50))
    careless = padding_finding(subject_of(windows, lambda inputs: reading(inputs, 9)), seed=1)
    careful = padding_finding(subject_of(windows, lambda inputs: reading(inputs, 4)), seed=1)
    assert (careless.severity, careful.severity) == ("serious", "ok")


def subject_of(windows: Windows, raw) -> Subject:
    def forecasts(chosen: Windows) -> np.ndarray:
        return raw(chosen.inputs(np.arange(len(chosen))))

    return Subject("the model", raw, forecasts, windows, GIVEN, season=7)
