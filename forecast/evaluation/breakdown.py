"""Out-of-sample scores by step and by series, and how often quantiles and intervals held."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.evaluation import metrics
from forecast.evaluation.outcomes import Outcomes, central_pairs

Floats = NDArray[np.float64]


def by_step(outcomes: Outcomes) -> pd.DataFrame:
    """Score each step ahead: ``method, step, MAE, RMSE, MASE, coverage``; seeds averaged."""
    steps = range(outcomes.actual.shape[1])
    return _scored(outcomes, "step", {k + 1: (slice(None), [k]) for k in steps})


def by_series(outcomes: Outcomes) -> pd.DataFrame:
    """Score each series: ``method, series`` (its number), ``MAE, RMSE, MASE, coverage``; seeds averaged."""
    order = np.argsort(outcomes.series, kind="stable")
    numbers, begins = np.unique(outcomes.series[order], return_index=True)
    groups = np.split(order, begins[1:])
    return _scored(
        outcomes, "series", {int(i): (g, slice(None)) for i, g in zip(numbers, groups, strict=True)}
    )


def reliability(outcomes: Outcomes) -> pd.DataFrame:
    """Compare each quantile's level with the share of actuals at or below it; the point forecast counts as median.

    Returns:
        ``method, level, observed, count, band``: ``band`` is the half-width of the central 95 % range that the
        share of a right quantile would lie in if the windows of a series were independent and the steps and
        targets of a window one event; seeds averaged.
    """
    rows = []
    cases = int((~np.isnan(outcomes.actual)).any(axis=(1, 2)).sum())
    count = int((~np.isnan(outcomes.actual)).sum())
    for method in outcomes.methods:
        runs = outcomes.runs_of(method)
        for level in sorted({0.5, *(q for run in runs for q in run.quantiles)}):
            shares = [_share_below(outcomes, run.quantiles.get(level, run.forecast)) for run in runs]
            band = 1.96 * np.sqrt(level * (1 - level) / max(cases, 1))
            rows.append(
                {
                    "method": method,
                    "level": level,
                    "observed": float(np.mean(shares)),
                    "count": count,
                    "band": band,
                }
            )
    return pd.DataFrame(rows, columns=["method", "level", "observed", "count", "band"])


def coverage(outcomes: Outcomes) -> pd.DataFrame:
    """Realised coverage of every central interval: ``method, asked, coverage, width, count``; seeds averaged."""
    rows = []
    for method in outcomes.methods:
        runs = outcomes.runs_of(method)
        for low, high in central_pairs(runs[0].quantiles):
            found = [(metrics.coverage(outcomes.actual, run.quantiles[low], run.quantiles[high]),
                      metrics.width(*_seen(outcomes, run.quantiles[low], run.quantiles[high])))
                     for run in runs]  # fmt: skip
            share, wide = np.mean(found, axis=0)
            row = {"method": method, "asked": round(high - low, 6), "coverage": share, "width": wide}
            rows.append(row | {"count": int((~np.isnan(outcomes.actual)).sum())})
    return pd.DataFrame(rows, columns=["method", "asked", "coverage", "width", "count"])


def _scored(outcomes: Outcomes, axis: str, places: dict[int, tuple[Any, Any]]) -> pd.DataFrame:
    rows = []
    for method in outcomes.methods:
        for label, which in places.items():
            found = pd.DataFrame([outcomes.errors(run, *which) for run in outcomes.runs_of(method)])
            rows.append({"method": method, axis: label} | found.mean(skipna=False).to_dict())
    return pd.DataFrame(rows)


def _share_below(outcomes: Outcomes, quantile: Floats) -> float:
    return metrics.coverage(outcomes.actual, np.full_like(quantile, -np.inf), quantile)


def _seen(outcomes: Outcomes, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    seen = ~np.isnan(outcomes.actual)
    return low[seen], high[seen]
