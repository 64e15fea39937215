"""Forecast the M4 competition's Hourly test rows from its train rows: `python benchmarks/m4_hourly.py`.

One window of 48 hours for each of the 414 series, cut where the organisers cut, season 24. OWA is the mean of the
two ratios to Naive2, averages over series first. The data are found through FORECAST_DATA_DIR, or downloaded.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings

import pandas as pd

import forecast
from forecast.evaluation import metrics

# sMAPE, MASE and OWA of the evaluation workbook in Mcompetitions/M4-methods, Hourly.
PUBLISHED = {
    "Doornik (best)": (8.913, 0.801, 0.410),
    "Smyl, ES-RNN": (9.328, 0.893, 0.440),
    "MLP benchmark": (13.842, 2.607, 0.921),
    "Keras SimpleRNN benchmark": (14.698, 3.048, 1.036),
}
METHODS = ("gru", "lstm", "auto", "theta", "holt-winters", "seasonal-naive", "naive2", "naive")


def main() -> None:
    """Run the backtest and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    warnings.simplefilter("ignore", forecast.ForecastWarning)
    began = time.process_time()
    methods = list(dict.fromkeys([*options.methods.split(","), "naive2"]))
    train, test = forecast.load_dataset("m4_hourly"), forecast.load_dataset("m4_hourly_test")
    table = pd.concat([train, test], ignore_index=True)
    found = forecast.backtest(methods, table, 48, 1, align="end", season=24, seeds=options.seeds)
    rows = scores(found)
    if options.json:
        print(json.dumps({"methods": rows, "cpu_seconds": time.process_time() - began}, indent=2))
        return
    print(f"{'method':<28} {'sMAPE':>7} {'MASE':>7} {'OWA':>7} {'80 % covered':>13} {'fit s':>7}")
    for name, row in sorted(rows.items(), key=lambda item: item[1]["OWA"]):
        errors = " ".join(f"{row[metric]:7.3f}" for metric in ("sMAPE", "MASE", "OWA"))
        print(f"{name:<28} {errors} {row['coverage']:13.1%} {row['fit_seconds']:7.1f}")
    for name, (smape, mase, owa) in PUBLISHED.items():
        print(f"{name + ' *':<28} {smape:7.3f} {mase:7.3f} {owa:7.3f}")
    print(f"* as published. {time.process_time() - began:.0f} CPU-seconds. {found.verdict}")


def scores(found: object) -> dict[str, dict[str, float]]:
    """Score every method as the competition does: the mean over series of each series' score."""
    outcomes = found.outcomes  # type: ignore[attr-defined]
    actual, by = outcomes.actual[..., 0], outcomes.yardsticks
    naive2 = outcomes.runs_of("naive2")[0].forecast[..., 0]
    table = found.summary.set_index("method")  # type: ignore[attr-defined]
    rows = {}
    for method in outcomes.methods:
        points = [run.forecast[..., 0] for run in outcomes.runs_of(method)]
        rows[method] = {
            "sMAPE": sum(metrics.smape(actual, p) for p in points) / len(points),
            "MASE": sum(metrics.mase(actual, p, by) for p in points) / len(points),
            "OWA": sum(metrics.owa(actual, p, naive2, by) for p in points) / len(points),
            "coverage": float(table.loc[method, "coverage"]),
            "fit_seconds": float(table.loc[method, "fit_seconds"]),
        }
    return rows


if __name__ == "__main__":
    main()
