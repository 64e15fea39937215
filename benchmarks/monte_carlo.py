"""Intervals by Monte-Carlo dropout beside calibrated ones: how often they hold on held-out rows of shipped tables.

python benchmarks/monte_carlo.py
"""

from __future__ import annotations

import argparse
import logging
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import forecast
from forecast.estimators.fitting import hold_trial
from forecast.estimators.monte_carlo import dropout_passes

TABLES = ("air_passengers", "co2", "elnino", "sunspots")


def coverage(name: str, dropout: float, passes: int) -> tuple[float, float, int]:
    """Return the coverage of 80 % intervals, calibrated and by dropout, over held-out windows, and their number."""
    panel = forecast.to_panel(forecast.read_table(forecast.load_dataset(name)))
    held = max(panel.rows // 10, 24)
    stop = panel.ends - held
    model = forecast.Forecaster(model="rnn", preset="fast", dropout=dropout, holdout=0)
    fitted = model.fit(panel.cut(stop)).fitted_
    trial = hold_trial(fitted.network, panel, fitted.setting, stop)
    actual = trial.windows.actual(np.arange(len(trial.windows)))
    calibrated = trial.forecasts["network"]
    found = dropout_passes(fitted.network, trial.windows, passes, seed=0)
    low, high = np.quantile(found, [0.1, 0.9], axis=0)
    known = ~np.isnan(actual)
    inside = ((calibrated[..., 0] <= actual) & (actual <= calibrated[..., -1]))[known].mean()
    return float(inside), float(((low <= actual) & (actual <= high))[known].mean()), len(trial.windows)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--passes", type=int, default=100)
    given = parser.parse_args()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    print(f"80 % intervals, dropout {given.dropout:g}, {given.passes} passes")
    print(f"{'table':<16} {'windows':>8} {'calibrated':>11} {'Monte-Carlo':>12}")
    for name in TABLES:
        calibrated, dropped, windows = coverage(name, given.dropout, given.passes)
        print(f"{name:<16} {windows:>8} {calibrated:>10.0%} {dropped:>11.0%}", flush=True)


if __name__ == "__main__":
    main()
