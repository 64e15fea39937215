"""One table that sets methods side by side on the same windows, and the sentence that goes with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecast.data.panel import Panel
from forecast.data.windows import Windows
from forecast.evaluation import metrics
from forecast.evaluation.averaging import seasonal_scale
from forecast.evaluation.baselines import COMPARISON, rolling
from forecast.evaluation.intervals import ConformalShift, conformal_scores
from forecast.evaluation.widths import cases_of, series_of

# Baselines look at no more than this many rows before the first origin: what lies further back
# changes none of them noticeably and costs time on long series.
MEMORY = 2_000
NETWORK = "network"
# The weighted mean of network and baselines, see ``blending``.
AUTO = "auto"
# Whoever the gate lets forecast, see ``gate``; without one, whoever won the comparison.
BEST = "best"
CHOOSING = (NETWORK, BEST, AUTO)


@dataclass(frozen=True, eq=False)
class Trial:
    """What methods forecast for the same windows.

    Args:
        windows: The windows; their actuals are the truth.
        levels: Quantile levels of the forecasts, the median among them.
        forecasts: By method, float64 ``(windows, horizon, targets, levels)``.
        shifts: Calibration of each baseline by all its errors, these windows included: for what comes after.
        yardsticks: MASE scale per series and target, NaN where the history is constant.
        season: Rows of a season, used by the yardsticks.
    """

    windows: Windows
    levels: tuple[float, ...]
    forecasts: dict[str, np.ndarray]
    shifts: dict[str, ConformalShift]
    yardsticks: np.ndarray
    season: int


def memory_of(season: int) -> int:
    """Rows that a baseline remembers: 2,000, or ten seasons if those are more."""
    return max(MEMORY, 10 * season)


def baseline_forecasts(name: str, windows: Windows, season: int) -> np.ndarray:
    """Point forecasts of a baseline for every window, float64 ``(windows, horizon, targets)``."""
    panel, targets = windows.panel, len(windows.panel.columns.target)
    result = np.empty((len(windows), windows.horizon, targets))
    for i in np.unique(windows.series):
        chosen = np.flatnonzero(windows.series == i)
        origins = windows.origins[chosen]
        begin = max(int(panel.offsets[i]), int(origins.min()) - memory_of(season))
        history = panel.targets[begin : origins.max()]
        for j in range(targets):
            result[chosen, :, j] = rolling(name, history[:, j], origins - begin, windows.horizon, season)
    return result


def baseline_scores(name: str, windows: Windows, season: int, point: np.ndarray | None = None) -> np.ndarray:
    """Errors of a baseline in units of its series' scale, for calibration: ``(windows, horizon, targets)``."""
    point = baseline_forecasts(name, windows, season) if point is None else point
    actual = windows.actual(np.arange(len(windows)))
    return conformal_scores(actual, point, windows.scales[windows.series][:, None, :])


def mase_scales(panel: Panel, season: int, stop: np.ndarray) -> np.ndarray:
    """In-sample mean absolute seasonal error per series and target, NaN where it is zero or unknown."""
    scales = np.full((len(panel), len(panel.columns.target)), np.nan)
    for i, begin in enumerate(panel.offsets[:-1]):
        history = panel.targets[begin : stop[i]]
        lag = season if len(history) > season else 1
        if len(history) > lag:
            scales[i] = seasonal_scale(history, lag, axis=0)
    return np.where(scales > 0, scales, np.nan)


def compare(trial: Trial, ours: tuple[str, ...] = (NETWORK, AUTO)) -> pd.DataFrame:
    """Score every method on every window, step and target.

    Args:
        trial: What was forecast.
        ours: Names of what is no baseline.

    Returns:
        One row a method, best MASE first: ``method, MAE, RMSE, MASE, sMAPE`` (0 to 200), ``coverage``
        of the widest interval, ``skill`` (1 - MASE / MASE of the best baseline; 0 for that baseline).
        Targets that were not observed are left out; series with a constant history are left out of
        MASE and skill. ``attrs`` holds ``points``, ``missing``, ``windows``, ``season``, ``level``
        (of the interval) and ``constant`` (points left out of MASE).
    """
    windows = trial.windows
    actual = windows.actual(np.arange(len(windows)))
    scales = np.broadcast_to(trial.yardsticks[windows.series][:, None, :], actual.shape)
    scaled = np.where(np.isnan(scales), np.nan, actual)
    middle, lower, upper = _places(trial.levels)
    rows = []
    for name, forecast in trial.forecasts.items():
        point = forecast[..., middle]
        row = {"method": name, "MAE": metrics.mae(actual, point), "RMSE": metrics.rmse(actual, point)}
        row["MASE"] = metrics.mase(scaled, point, np.where(np.isnan(scales), 1.0, scales))
        row["sMAPE"] = metrics.smape(actual, point)
        covered = lower != upper
        row["coverage"] = (
            metrics.coverage(actual, forecast[..., lower], forecast[..., upper]) if covered else np.nan
        )
        rows.append(row)
    table = pd.DataFrame(rows)
    criterion = "MASE" if table["MASE"].notna().any() else "MAE"
    best = table.loc[~table["method"].isin(ours), criterion].min()
    table["skill"] = 1 - table[criterion] / best if best > 0 else np.nan
    table = table.sort_values(criterion, kind="stable", ignore_index=True)
    table.attrs = {
        "points": int((~np.isnan(actual)).sum()),
        "missing": int(np.isnan(actual).sum()),
        "constant": int((np.isnan(scaled) & ~np.isnan(actual)).sum()),
        "windows": len(windows),
        "series": len(np.unique(windows.series)),
        "season": trial.season,
        "level": round(trial.levels[upper] - trial.levels[lower], 6) if lower != upper else None,
        "criterion": criterion,
    }
    return table


def winner(table: pd.DataFrame) -> str:
    """Return the best method of a comparison: the one on top."""
    return str(table["method"].iloc[0])


def verdict(table: pd.DataFrame) -> str:
    """Say in one sentence whether the network beat the best baseline.

    Example:
        >>> table = pd.DataFrame({"method": ["theta", "network"], "MASE": [0.8, 1.0]})
        >>> table.attrs["criterion"] = "MASE"
        >>> verdict(table)
        'theta beats the network: its MASE is 20.0 % lower (0.800 against 1.000).'
    """
    criterion = table.attrs.get("criterion", "MASE")
    scores = table.set_index("method")[criterion]
    baselines = scores.drop([NETWORK, AUTO], errors="ignore")
    rival = str(baselines.idxmin())
    if NETWORK not in scores:
        return f"{rival} is the best baseline ({criterion} {baselines[rival]:.3f})."
    ours, theirs = float(scores[NETWORK]), float(baselines[rival])
    figures = f"({min(ours, theirs):.3f} against {max(ours, theirs):.3f})"
    if ours == theirs or not np.isfinite(ours + theirs) or max(ours, theirs) == 0:
        return f"The network and the best baseline, {rival}, are level ({criterion} {ours:.3f} and {theirs:.3f})."
    share = 100 * (1 - min(ours, theirs) / max(ours, theirs))
    if ours < theirs:
        return (
            f"The network beats the best baseline, {rival}: its {criterion} is {share:.1f} % lower {figures}."
        )
    return f"{rival} beats the network: its {criterion} is {share:.1f} % lower {figures}."


def set_beside(
    network: np.ndarray | None,
    windows: Windows,
    calibration: Windows | None,
    levels: tuple[float, ...],
    season: int,
) -> Trial:
    """Forecast the network's windows with every baseline, calibrated on earlier windows.

    Args:
        network: The network's quantile forecasts, ``(windows, horizon, targets, levels)``; None for baselines alone.
        windows: What was forecast.
        calibration: Earlier windows; None leaves every level of the baselines but the median NaN.
        levels: Quantile levels, the median among them.
        season: Rows of a season.
    """
    forecasts, scores = {} if network is None else {NETWORK: network}, {}
    scales, series = windows.scales[windows.series][:, None, :], series_of(windows)
    parts = [windows] if calibration is None or not len(calibration) else [calibration, windows]
    for name in COMPARISON:
        if name == "seasonal-naive" and season == 1:
            continue
        point = baseline_forecasts(name, windows, season)
        scores[name] = [baseline_scores(name, windows, season, point)]
        if len(parts) == 1:
            forecasts[name] = np.where(np.array(levels) == 0.5, point[..., None], np.nan)
            continue
        scores[name].insert(0, baseline_scores(name, parts[0], season))
        before = ConformalShift.fit(scores[name][0], levels, cases=cases_of(parts[:1], season))
        forecasts[name] = before.apply_point(point, scales, series)
    cases = cases_of(parts, season)
    shifts = {name: ConformalShift.fit(np.concatenate(s), levels, cases=cases) for name, s in scores.items()}
    first = np.full(len(windows.panel), np.iinfo(np.int64).max)
    np.minimum.at(first, windows.series, windows.origins)
    stop = np.minimum(first, windows.panel.ends)
    return Trial(windows, levels, forecasts, shifts, mase_scales(windows.panel, season, stop), season)


def _places(levels: tuple[float, ...]) -> tuple[int, int, int]:
    """Return the places of the median (or the level nearest to it) and of the two outermost levels."""
    middle = min(range(len(levels)), key=lambda i: abs(levels[i] - 0.5))
    return middle, 0, len(levels) - 1
