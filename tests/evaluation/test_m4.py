"""OWA on M4 Hourly: the figures that the organisers published for their benchmarks."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from forecast.evaluation import metrics
from forecast.evaluation.baselines import BASELINES

HORIZON, SEASON = 48, 24


@pytest.fixture(scope="module")
def hourly():
    """Histories of the 414 series, the 48 hours behind them, and forecasts of Naive2."""
    folder = Path(os.environ.get("FORECAST_DATA_DIR", "")) / "m4"
    if not (folder / "Hourly-train.csv").exists():
        pytest.skip("FORECAST_DATA_DIR has no m4/Hourly-train.csv")
    train, test = (_rows(folder / f"Hourly-{part}.csv") for part in ("train", "test"))
    assert len(train) == len(test) == 414
    return train, np.array(test), _forecasts(train, "naive2")


def _rows(path):
    with open(path, newline="") as file:
        rows = list(csv.reader(file))[1:]
    return [np.array([float(cell) for cell in row[1:] if cell not in ("", "NA")]) for row in rows]


def _forecasts(train, name):
    return np.array([BASELINES[name](history, HORIZON, SEASON) for history in train])


def _scores(data, forecast):
    train, test, _ = data
    scale = np.array([metrics.seasonal_scale(history, SEASON) for history in train])[:, None]
    return np.array([metrics.smape(test, forecast), metrics.mase(test, forecast, scale)]), scale


# Source: github.com/Mcompetitions/M4-methods, evaluation workbook, Hourly.
@pytest.mark.parametrize(
    ("name", "published"), [("seasonal-naive", "0.627"), ("theta", "1.006"), ("naive2", "1.000")]
)
def test_owa_of_m4_hourly_is_the_published_one(hourly, name, published):
    _, test, naive2 = hourly
    forecast = _forecasts(hourly[0], name)
    (ours, scale), (theirs, _) = _scores(hourly, forecast), _scores(hourly, naive2)
    # Of the scores in the digits they are published with: 0.627453 for the seasonal naive method …
    assert f"{np.mean(ours.round(3) / theirs.round(3)):.3f}" == published
    # … and of all digits, where it is 0.627503, on the other side of the edge of rounding.
    assert abs(metrics.owa(test, forecast, naive2, scale) - float(published)) < 0.00051


def test_a_mean_of_ratios_per_series_is_not_the_published_one(hourly):
    train, test, naive2 = hourly
    _, scale = _scores(hourly, naive2)
    per_series = metrics.owa(test, _forecasts(train, "seasonal-naive"), naive2, scale, axis=1)
    assert per_series.shape == (414,)
    assert abs(np.mean(per_series[np.isfinite(per_series)]) - 0.627) > 0.05
