"""Methods beside each other out of sample: scores, intervals, tests, and the sentence that goes with them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from forecast.evaluation import metrics
from forecast.evaluation.outcomes import Outcomes, Run, central_pairs
from forecast.evaluation.significance import LossGrid, bootstrap_means, diebold_mariano, interval


def summarise(outcomes: Outcomes, *, seed: int = 0) -> pd.DataFrame:
    """Score every method, with intervals and tests against the best baseline.

    Args:
        outcomes: Forecasts and actuals.
        seed: Of the bootstrap.

    Returns:
        One row a method, best first: ``method, MAE, RMSE, bias, sMAPE`` (0 to 200), ``WAPE, MASE``, ``low`` and
        ``high`` (95 % bootstrap interval of the criterion over series, windows and seeds), ``deviation``
        (between seeds; NaN for one), ``skill`` against the best baseline with ``skill_low`` and
        ``skill_high``, ``p_value`` (Diebold-Mariano against it, see ``test``), ``pinball`` and ``coverage`` of the
        widest interval, ``fit_seconds`` and ``predict_seconds``. Figures of several seeds are their means.
        ``attrs`` holds what was measured on: ``cases, series, windows, points, missing, constant, season,
        criterion, baseline, level, seeds, test, unforecast``.
    """
    criterion = outcomes.criterion
    rows = [_scores(outcomes, method) for method in outcomes.methods]
    table = pd.DataFrame(rows)
    untrained = [m for m in outcomes.methods if not outcomes.runs_of(m)[0].trained] or list(outcomes.methods)
    ranked = table.set_index("method")[criterion]
    rival = str(ranked[untrained].idxmin()) if ranked[untrained].notna().any() else untrained[0]
    grids = {method: outcomes.grid(method) for method in outcomes.methods}
    draws = bootstrap_means(grids, seed=seed)
    for k, method in enumerate(table["method"]):
        with np.errstate(divide="ignore", invalid="ignore"):
            skill = 1 - ranked[method] / ranked[rival] if ranked[rival] > 0 else np.nan
            skills = 1 - draws[method] / draws[rival]
        if not is_enough(grids[method]):
            draws[method] = skills = np.full(1, np.nan)
        table.loc[k, ["low", "high"]] = interval(draws[method])
        table.loc[k, "skill"] = skill
        table.loc[k, ["skill_low", "skill_high"]] = interval(skills) if method != rival else (np.nan, np.nan)
        table.loc[k, "p_value"] = (
            p_value(grids[method], grids[rival], outcomes.lags) if method != rival else np.nan
        )
    table = table.sort_values(criterion, kind="stable", ignore_index=True)
    table.attrs = measured_on(outcomes) | {"criterion": criterion, "baseline": rival}
    return table[[name for name in COLUMNS if name in table.columns]]


COLUMNS = (
    *("method", "MAE", "RMSE", "bias", "sMAPE", "WAPE", "MASE", "low", "high", "deviation"),
    *("skill", "skill_low", "skill_high", "p_value", "pinball", "coverage", "fit_seconds", "predict_seconds"),
)


def p_value(grid: LossGrid, rival: LossGrid, lags: int) -> float:
    """Diebold-Mariano over windows, or over series (as if independent) where there are fewer than three windows."""
    if unit_of(grid) == "windows":
        return diebold_mariano(grid.by_window(), rival.by_window(), lags=lags).p_value
    return diebold_mariano(grid.by_series(), rival.by_series()).p_value


def unit_of(grid: LossGrid) -> str:
    """What the test takes as its observations: ``"windows"``, or ``"series"`` for fewer than three windows."""
    return "windows" if grid.counts.shape[1] >= 3 else "series"


def is_enough(grid: LossGrid) -> bool:
    """Say whether there are three windows or three series to draw from: an interval of two is none."""
    return max(grid.counts.shape) >= 3


def differ(outcomes: Outcomes, first: str, second: str, *, seed: int = 0) -> bool:
    """Say whether the bootstrap interval of a difference excludes zero."""
    grids = {name: outcomes.grid(name) for name in (first, second)}
    draws = bootstrap_means(grids, seed=seed)
    low, high = interval(draws[first] - draws[second]) if is_enough(grids[first]) else (np.nan, np.nan)
    return bool(low > 0 or high < 0)


def verdict(outcomes: Outcomes, table: pd.DataFrame, *, seed: int = 0) -> str:
    """Say in plain words what the summary shows: better, worse or not distinguishable, and whether someone won."""
    criterion, rival = table.attrs["criterion"], table.attrs["baseline"]
    if not is_enough(outcomes.grid(rival)):
        scores = ", ".join(f"{row['method']} {row[criterion]:.3f}" for _, row in table.head(2).iterrows())
        return f"Fewer than three windows and three series: no conclusion. Lowest {criterion}: {scores}."
    trained = [m for m in table["method"] if outcomes.runs_of(m)[0].trained]
    ours = table.set_index("method")
    sentences = []
    if trained:
        best = ours.loc[trained[0]]
        skill = f"{100 * best['skill']:+.1f} %"
        if np.isfinite(best["skill_low"]):
            skill += f", 95 % interval {100 * best['skill_low']:+.1f} to {100 * best['skill_high']:+.1f} %"
        tested = "p < 0.001" if best["p_value"] < 0.001 else f"p = {best['p_value']:.3f}"
        p = tested if np.isfinite(best["p_value"]) else "no test possible"
        word = judgement(best)
        sentences.append(
            f"{trained[0]} is {word} the best baseline, {rival}: {criterion} {best[criterion]:.3f} against "
            f"{ours.loc[rival, criterion]:.3f} (skill {skill}; Diebold-Mariano {p})."
        )
    top = [m for m in table["method"] if np.isfinite(ours.loc[m, criterion])][:2]
    if len(top) == 2 and differ(outcomes, *top, seed=seed):
        sentences.append(f"{top[0]} is the winner: the interval of its lead over {top[1]} excludes zero.")
    elif len(top) == 2:
        sentences.append(f"No winner: {top[0]} and {top[1]} cannot be told apart on these windows.")
    return " ".join(sentences)


def judgement(row: pd.Series) -> str:
    """Word a method's row against the best baseline; both interval and test must agree on a difference."""
    clear = row["skill_low"] > 0 or row["skill_high"] < 0
    if not clear or not row["p_value"] < 0.05:
        return "not distinguishable from"
    return "better than" if row["skill"] > 0 else "worse than"


def _scores(outcomes: Outcomes, method: str) -> dict[str, object]:
    runs = outcomes.runs_of(method)
    found = pd.DataFrame([_run_scores(outcomes, run) for run in runs])
    row: dict[str, object] = {"method": method} | found.mean(skipna=False).to_dict()
    row["deviation"] = float(found[outcomes.criterion].std(ddof=1)) if len(runs) > 1 else np.nan
    return row


def _run_scores(outcomes: Outcomes, run: Run) -> dict[str, float]:
    actual, point = outcomes.actual, run.forecast
    scores = outcomes.errors(run)
    scores["bias"], scores["WAPE"] = metrics.bias(actual, point), metrics.wape(actual, point)
    scores["sMAPE"] = metrics.smape(actual, point)
    losses = [metrics.pinball(actual, f, q) for q, f in sorted(run.quantiles.items())]
    scores["pinball"] = float(np.mean(losses)) if losses else np.nan
    return scores | {"fit_seconds": run.fit_seconds, "predict_seconds": run.predict_seconds}


def measured_on(outcomes: Outcomes) -> dict[str, object]:
    """Count what the scores of outcomes stand on; nothing that was left out goes uncounted."""
    actual = outcomes.actual
    known = ~np.isnan(actual)
    constant = known & np.isnan(outcomes.yardsticks)[:, None, :]
    pairs = [pair for run in outcomes.runs for pair in central_pairs(run.quantiles)[:1]]
    return {
        "cases": len(actual),
        "series": len(np.unique(outcomes.series)),
        "windows": len(np.unique(outcomes.window)),
        "points": int(known.sum()),
        "missing": int((~known).sum()),
        "constant": int(constant.sum()),
        "season": outcomes.season,
        "level": round(max(high - low for low, high in pairs), 6) if pairs else None,
        "seeds": max(len(outcomes.runs_of(m)) for m in outcomes.methods),
        "test": unit_of(outcomes.grid(outcomes.methods[0])),
        "lags": outcomes.lags,
    }
