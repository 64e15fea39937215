"""Accuracy on public tables: `python benchmarks/accuracy.py etth1` (or m4, intervals, walks, defaults).

Each command prints one table, and JSON with --json. Data are found through FORECAST_DATA_DIR, or downloaded. Settings
were chosen on validation rows (ETTh1: months 9 to 16; M4: the last two days of the train rows), never on test rows.

etth1      12 / 4 / 4 months to train, validate, test; columns standardised on the train part; every test window;
           MSE and MAE over windows, steps and columns. One network serves all four horizons.
m4         M4 Hourly, official definitions; OWA against Naive2.
intervals  M4 Hourly, 95 % intervals: MSIS and coverage.
walks      50 random walks: error of --method best over that of naive.
defaults   ETTh1 at 96 by a fit with no option but horizon and targets, on the first 16 months.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from m4_recurrent import published_benchmark

import forecast
from forecast.evaluation import metrics
from forecast.evaluation.baselines import rolling

MONTH = 30 * 24
HORIZONS = (96, 192, 336, 720)
M4_HORIZON, DAY = 48, 24

# By months 9 to 16 in three folds: 350 steps did as well as 690, dropout .3 as .5, and dividing by the spread of the
# training rows better than by that of each window. Row-wise recurrent networks see 96 rows: 336 would cost three
# times as much.
_LEVEL: dict[str, Any] = {"context": 336, "anchor": "mean", "scale": "training", "steps": 350}
ETTH1: dict[str, dict[str, Any]] = {
    "segment": {"model": "segment"} | _LEVEL,
    "esrnn": {"model": "esrnn"} | _LEVEL,
    "three networks": {"model": "auto", "ensemble": 3} | _LEVEL,
    "gru": {"model": "rnn", "cell": "gru", "context": 96, "anchor": "last"},
    "lstm": {"model": "rnn", "cell": "lstm", "context": 96, "anchor": "last"},
    "simple rnn": {"model": "rnn", "cell": "rnn", "context": 96, "anchor": "last"},
    "gru, carried state": {"model": "stateful", "cell": "gru"},
    "gru, no anchor": {"model": "rnn", "cell": "gru", "context": 96, "anchor": "none", "skip": False},
    "lstm, no anchor": {"model": "rnn", "cell": "lstm", "context": 96, "anchor": "none", "skip": False},
    "simple rnn, no anchor": {"model": "rnn", "cell": "rnn", "context": 96, "anchor": "none", "skip": False},
    "dense": {"model": "dense", "context": 336, "anchor": "last"},
    "linear": {"model": "linear", "context": 336, "anchor": "last"},
    "conv": {"model": "conv", "context": 336, "anchor": "last"},
    "transformer": {"model": "transformer", "context": 336, "anchor": "mean"},
}
COLUMNS = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
ETTH1_ALL: dict[str, Any] = {
    "horizon": 720,
    "horizons": HORIZONS,
    "season": 24,
    "time": "date",
    "target": COLUMNS,
}
ETTH1_ALL |= {"quantiles": (), "loss": "mixed", "target_transform": "none"}
ETTH1_ALL |= {"validation": 4 * MONTH, "holdout": 0, "refit": False}
# By measures of the last two days of the train rows: logarithms beat levels, 4,000 steps 1,500, smoothing none.
M4_ALL = {
    "horizon": M4_HORIZON,
    "season": DAY,
    "holdout": 0,
    "context": 336,
    "anchor": "mean",
    "steps": 4_000,
}
M4: dict[str, dict[str, Any]] = {
    "esrnn": {"model": "esrnn"},
    "segment": {"model": "segment"},
    "esrnn, four networks": {"model": "esrnn", "ensemble": 4},
}


def main() -> None:
    """Make one table and print it, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", choices=sorted(TABLES))
    parser.add_argument("--methods", help="only these rows, separated by semicolons")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    warnings.simplefilter("ignore", forecast.ForecastWarning)
    only = None if options.methods is None else [name.strip() for name in options.methods.split(";")]
    began = time.process_time()
    found = pd.DataFrame(TABLES[options.table](options.seeds, only))
    if options.json:
        document = {"table": options.table, "seeds": options.seeds, "rows": found.to_dict("records")}
        print(json.dumps(document | {"cpu_seconds": time.process_time() - began}, indent=2))
        return
    print(found.to_string(index=False, float_format=lambda value: f"{value:.4f}".rstrip("0").rstrip(".")))
    print(f"{time.process_time() - began:.0f} CPU-seconds. * as published")


def etth1(seeds: int, only: list[str] | None) -> list[dict[str, Any]]:
    """Train on 12 months, validate on 4, test on every window of the last 4."""
    table, _ = _etth1_table()
    train, end = table[: 16 * MONTH], 20 * MONTH
    rows = []
    for name, own in ETTH1.items():
        if only is not None and name not in only:
            continue
        scores, seconds = [], []
        for seed in range(seeds):
            began = time.process_time()
            model = forecast.Forecaster(**(ETTH1_ALL | own), seed=seed)
            scores.append(_every_window(model.fit(train), table[:end]))
            seconds.append(time.process_time() - began)
        mean = pd.DataFrame(scores).mean().to_dict()
        rows.append({"model": name} | mean | {"seeds": seeds, "cpu_s": float(np.mean(seconds))})
    return rows


def defaults(seeds: int, _: list[str] | None) -> list[dict[str, Any]]:
    """Fit the first 16 months with no option but horizon and targets; test on every window of the 4 behind."""
    table, spread = _etth1_table(standardised=False)
    rows = []
    for seed in range(seeds):
        began = time.process_time()
        model = forecast.Forecaster(horizon=96, target=COLUMNS, seed=seed).fit(table[: 16 * MONTH])
        scores = _every_window(model, table[: 20 * MONTH], (96,), spread)
        rows.append({"seed": seed, "cpu_s": time.process_time() - began} | scores)
    return rows


def m4(seeds: int, only: list[str] | None) -> list[dict[str, Any]]:
    """Forecast the test rows from the train rows; the mean over series of each series' score."""
    train, actual, scales, naive2 = _m4()
    rows = [_m4_row("naive2", naive2, actual, scales, naive2, 0.0)]
    for name, own in M4.items():
        if only is not None and name not in only:
            continue
        for seed in range(seeds):
            began = time.process_time()
            options = {"target_transform": "log", "quantiles": (), "loss": "owa"} | M4_ALL | own
            model = forecast.Forecaster(**options, seed=seed, id="id").fit(train)
            points = model.predict()["forecast"].to_numpy().reshape(len(actual), -1)
            row = _m4_row(f"{name}, seed {seed}", points, actual, scales, naive2, time.process_time() - began)
            rows.append(row)
    if only is None or "simple rnn of the organisers" in only:
        histories = [part.to_numpy() for _, part in train.groupby("id", sort=True)["value"]]
        for seed in range(seeds):
            began = time.process_time()
            points = published_benchmark(histories, seed=seed)
            name, seconds = f"simple rnn of the organisers, seed {seed}", time.process_time() - began
            rows.append(_m4_row(name, points, actual, scales, naive2, seconds))
    published = {"Doornik *": (8.913, 0.801, 0.410), "Smyl, ES-RNN *": (9.328, 0.893, 0.440)}
    published["simple rnn of the organisers *"] = (14.698, 3.048, 1.036)
    return rows + [
        dict(zip(("model", "sMAPE", "MASE", "OWA"), (k, *v), strict=True)) for k, v in published.items()
    ]


def intervals(seeds: int, _: list[str] | None) -> list[dict[str, Any]]:
    """Forecast 95 % intervals of the test rows of M4 Hourly."""
    train, actual, scales, _ = _m4()
    rows = []
    for seed in range(seeds):
        began = time.process_time()
        own = {"model": "esrnn", "quantiles": (0.025, 0.975), "ensemble": 2, "target_transform": "log"}
        model = forecast.Forecaster(**(M4_ALL | own), seed=seed, id="id").fit(train)
        found = model.predict()
        lower, upper = (found[name].to_numpy().reshape(len(actual), -1) for name in ("q0.025", "q0.975"))
        row = {
            "model": f"esrnn, two networks, seed {seed}",
            "MSIS": metrics.msis(actual, lower, upper, 0.95, scales[:, None]),
        }
        row["coverage"] = metrics.coverage(actual, lower, upper)
        rows.append(row | {"cpu_s": time.process_time() - began})
    return [*rows, {"model": "Doornik *", "MSIS": 6.139, "coverage": 0.948}]


def walks(seeds: int, _: list[str] | None) -> list[dict[str, Any]]:
    """Fit 50 generated random walks with method best; error over that of naive on the rows behind."""
    rows = []
    for horizon in (24, 96):
        for seed in range(seeds):
            began = time.process_time()
            steps = np.random.default_rng((seed, horizon)).normal(size=(50, 1_500 + horizon)).cumsum(axis=1)
            past, actual = steps[:, :1_500], steps[:, 1_500:]
            table = pd.DataFrame(
                {"walk": np.repeat(np.arange(50), 1_500), "t": np.tile(np.arange(1_500), 50)}
            )
            table["value"] = past.ravel()
            model = forecast.Forecaster(horizon=horizon, method="best", seed=seed, id="walk", time="t").fit(
                table
            )
            found = model.predict()["forecast"].to_numpy().reshape(50, horizon)
            ratio = np.abs(found - actual).mean(axis=1) / np.abs(past[:, -1:] - actual).mean(axis=1)
            naive = bool((found == past[:, -1:]).all())
            row = {"horizon": horizon, "seed": seed, "ratio": float(ratio.mean()), "equals naive": naive}
            rows.append(row | {"cpu_s": time.process_time() - began})
    return rows


def _etth1_table(standardised: bool = True) -> tuple[pd.DataFrame, np.ndarray]:
    """Return ETTh1, and the standard deviation of each column on the train part."""
    table = forecast.load_dataset("ETTh1")
    columns = list(COLUMNS)
    part = table.loc[: 12 * MONTH - 1, columns]
    spread = part.std(ddof=0).to_numpy()
    if standardised:
        table[columns] = (table[columns] - part.mean()) / spread
        return table, np.ones(len(columns))
    return table, spread


def _every_window(
    model: forecast.Forecaster,
    table: pd.DataFrame,
    horizons: tuple[int, ...] = HORIZONS,
    spread: np.ndarray | float = 1.0,
) -> dict[str, float]:
    """Score every window of the rows behind the training rows, for each horizon."""
    fitted = model.fitted_
    panel, network = fitted.contract.read(table), fitted.network
    first = np.array([fitted.rows])
    windows = network.windows(panel, first=first, partial=min(horizons))
    forecasts = network.forecasts(windows)[..., network.spec.middle]
    error = (windows.actual(np.arange(len(windows))) - forecasts) / spread
    scores: dict[str, float] = {}
    for horizon in horizons:
        whole = error[windows.origins + horizon <= panel.rows, :horizon]
        scores[f"MSE {horizon}"] = float((whole**2).mean())
        scores[f"MAE {horizon}"] = float(np.abs(whole).mean())
    for kind in ("MSE", "MAE") if len(horizons) > 1 else ():
        scores[f"{kind} mean"] = float(np.mean([scores[f"{kind} {horizon}"] for horizon in horizons]))
    return scores


def _m4() -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Return train rows, test values, scales of MASE and the forecast of Naive2, series by sorted id."""
    train, test = forecast.load_dataset("m4_hourly"), forecast.load_dataset("m4_hourly_test")
    actual = np.stack([part.to_numpy() for _, part in test.groupby("id", sort=True)["value"]])
    histories = [part.to_numpy() for _, part in train.groupby("id", sort=True)["value"]]
    scales = np.array([np.abs(values[DAY:] - values[:-DAY]).mean() for values in histories])
    naive2 = [rolling("naive2", v, np.array([len(v)]), M4_HORIZON, DAY)[0] for v in histories]
    return train, actual, scales, np.stack(naive2)


def _m4_row(
    name: str, points: np.ndarray, actual: np.ndarray, scales: np.ndarray, naive2: np.ndarray, seconds: float
) -> dict[str, Any]:
    by = scales[:, None]
    row = {"model": name, "sMAPE": metrics.smape(actual, points), "MASE": metrics.mase(actual, points, by)}
    return row | {"OWA": metrics.owa(actual, points, naive2, by), "cpu_s": seconds}


TABLES: dict[str, Callable[[int, list[str] | None], list[dict[str, Any]]]] = {
    "etth1": etth1,
    "m4": m4,
    "intervals": intervals,
    "walks": walks,
    "defaults": defaults,
}

if __name__ == "__main__":
    main()
