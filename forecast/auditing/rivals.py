"""Set a model beside the baselines: on rows that it has not seen, where there are such rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecast.auditing.findings import Finding
from forecast.auditing.subjects import GIVEN, TRAINED, Subject
from forecast.auditing.wording import counted, percent, sentence
from forecast.data.panel import Panel
from forecast.data.windows import Windows
from forecast.estimators.baseline import FittedBaseline
from forecast.estimators.fitting import PER_SERIES, Fitted, any_held_out, hold_trial
from forecast.estimators.prediction import newer_rows
from forecast.evaluation.blending import blended
from forecast.evaluation.comparison import AUTO, NETWORK, Trial, compare, set_beside
from forecast.evaluation.widths import series_of

BASELINES_CHECK = "baselines"
# Errors closer than this share are level. Over a single horizon, chance may set two methods apart by a fifth, and
# over n horizons that do not overlap by a fifth over the root of n.
LEVEL, BY_CHANCE = 0.02, 0.2
HELD_OUT = "held-out rows"
NEWER = "newer rows"
# How to use a baseline in place of something that is no forecaster.
OTHER = "forecast.Baseline({!r})"


@dataclass(frozen=True, eq=False)
class Judgement:
    """A comparison, and which of its rows is judged.

    Args:
        table: From ``evaluation.comparison.compare``.
        method: The row that is judged.
        rows: What was forecast: held-out rows, newer rows, or rows that training has seen.
        trial: The forecasts behind it; None for the comparison that a model file holds.
        who: What sentences call the row ``"network"``.
        advice: How to use a better baseline instead, ``{}`` being its name.
        horizons: How many horizons it comes from, overlapping ones counted once.
    """

    table: pd.DataFrame
    method: str
    rows: str
    trial: Trial | None = None
    who: str = "the network"
    advice: str = "method={!r}, 'best' or 'auto'"
    horizons: float = 1.0

    @property
    def criterion(self) -> str:
        """What methods are ordered by: MASE, or MAE where that is unknown."""
        return str(self.table.attrs.get("criterion", "MASE"))

    @property
    def scores(self) -> pd.Series:
        """Errors by method."""
        return self.table.set_index("method")[self.criterion]

    @property
    def chance(self) -> float:
        """Share by which errors may differ by chance."""
        return max(LEVEL, BY_CHANCE / max(self.horizons, 1.0) ** 0.5)

    @property
    def rivals(self) -> pd.Series:
        """Errors of the baselines other than the one judged."""
        return self.scores.drop([NETWORK, AUTO, self.method], errors="ignore")

    @property
    def name(self) -> str:
        """What sentences call who is judged."""
        return {NETWORK: self.who, AUTO: "the weighted mean"}.get(self.method, self.method)


def rivals_finding(judgement: Judgement) -> Finding:
    """Say whether naive, seasonal naive and the best baseline are beaten, and by how much."""
    rivals, own = judgement.rivals, float(judgement.scores[judgement.method])
    best = str(rivals.idxmin())
    named = dict.fromkeys(name for name in ("naive", "seasonal-naive", best) if name in rivals)
    shares = {name: _share(own, float(rivals[name])) for name in named}
    figures = {
        "criterion": judgement.criterion,
        "method": judgement.method,
        "scores": judgement.scores.to_dict(),
        "skill": shares,
        "best_baseline": best,
        "rows": judgement.rows,
        "horizons": judgement.horizons,
        "chance": judgement.chance,
    }
    if np.isnan([own, *shares.values()]).any():
        told = f"Not judged on {judgement.rows}: there is no error to compare."
        return Finding(BASELINES_CHECK, "note", told, "", figures)
    windows = counted(judgement.table.attrs["windows"], "window")
    told = (
        f"{sentence(judgement.name)} has {judgement.criterion} {own:.3f} on {judgement.rows} ({windows}): "
        f"{'; '.join(_told(shares, rivals, best))}."
    )
    told += " That flatters it." if judgement.rows == TRAINED else ""
    advice = f"forecast with {best} ({judgement.advice.format(best)})"
    if shares.get("naive", 0.0) < -judgement.chance:
        remedy = f"Do not use it as it is: {advice}, or train longer."
        return Finding(BASELINES_CHECK, "serious", told, remedy, figures)
    if shares[best] < -LEVEL:
        if shares.get("naive", 0.0) < -LEVEL:
            told += f" Of so few rows, {percent(judgement.chance)} may be chance."
        return Finding(
            BASELINES_CHECK, "warning", told, f"{sentence(advice)}, or improve the model.", figures
        )
    return Finding(BASELINES_CHECK, "ok", told, figures=figures)


def _share(own: float, rival: float) -> float:
    """Share by which ``own`` is lower than its rival; 0 if both are zero."""
    if rival == own:
        return 0.0
    return 1 - own / rival if rival > 0 else -float("inf")


def _told(shares: dict[str, float], scores: pd.Series, best: str) -> list[str]:
    lines = []
    for name, share in shares.items():
        title = f"{name}, the best baseline" if name == best else name
        if abs(share) <= LEVEL:
            lines.append(f"level with {title} ({scores[name]:.3f})")
        elif np.isfinite(share):
            lines.append(
                f"{percent(abs(share))} {'below' if share > 0 else 'above'} {title} ({scores[name]:.3f})"
            )
        else:
            lines.append(f"above {title} (0)")
    return lines


def judge_forecaster(fitted: Fitted, panel: Panel, method: str, *, given: bool) -> Judgement | None:
    """Compare on newer rows of the table; else take the stored comparison; else rows that training has seen.

    Args:
        fitted: The fitted forecaster.
        panel: Stored history and the given rows.
        method: ``"network"``, ``"auto"`` or a baseline: who forecasts.
        given: Whether a table was given.

    Returns:
        The judgement; None if no row can be forecast from a full context.
    """
    setting = fitted.setting
    first = newer_rows(fitted.history, panel, setting.context)
    newer = given and any_held_out(panel, setting, first)
    if not newer and fitted.comparison is not None:
        known = method if method in set(fitted.comparison["method"]) else NETWORK
        attrs = fitted.comparison.attrs
        horizons = min(attrs["windows"], attrs["series"] * setting.holdout / setting.horizon)
        return Judgement(fitted.comparison, known, HELD_OUT, horizons=horizons)
    if not newer:
        first = np.maximum(panel.ends - max(setting.holdout, setting.horizon), panel.offsets[:-1])
    if not any_held_out(panel, setting, first):
        return None
    trial = hold_trial(fitted.network, panel, setting, first, most=PER_SERIES)
    if fitted.weights and AUTO in fitted.shifts:
        trial = _with_mean(trial, fitted)
    known = method if method in trial.forecasts else NETWORK
    rows = TRAINED if not newer else GIVEN if panel.columns.time is None else NEWER
    return Judgement(compare(trial), known, rows, trial, horizons=_horizons(trial.windows))


def _with_mean(trial: Trial, fitted: Fitted) -> Trial:
    """Add what ``method="auto"`` forecasts: of the methods as they were calibrated in training."""
    scales, middle = trial.windows.scales[trial.windows.series][:, None, :], trial.levels.index(0.5)
    parts = {
        name: fitted.shifts[name].apply_point(
            trial.forecasts[name][..., middle], scales, series_of(trial.windows)
        )
        if name in fitted.shifts
        else trial.forecasts[name]
        for name in fitted.weights
    }
    mean = fitted.shifts[AUTO].apply(blended(parts, fitted.weights), scales)
    return replace(trial, forecasts=trial.forecasts | {AUTO: mean})


def judge_baseline(subject: Subject, fitted: FittedBaseline) -> Judgement:
    """Compare a fitted baseline with the others, its own intervals beside it: on newer rows if there are any."""
    windows, panel = subject.windows, subject.panel
    newer = windows.origins >= newer_rows(fitted.history, panel, windows.context)[windows.series]
    last = panel.ends - max(fitted.setting.validation, fitted.setting.horizon)
    judged = newer if newer.any() else windows.origins >= last[windows.series]
    windows = _thinned(windows.subset(np.flatnonzero(judged)))
    point = subject.point(windows)
    scales = windows.scales[windows.series][:, None, :]
    own = point[..., None]
    if fitted.shift is not None:
        own = fitted.shift.apply_point(point, scales, series_of(windows))
    levels = (0.5,) if fitted.shift is None else fitted.levels
    trial = set_beside(own, windows, None, levels, subject.season)
    others = {name: found for name, found in trial.forecasts.items() if name != NETWORK}
    trial = replace(trial, forecasts=others | {subject.name: own})
    rows = TRAINED if not newer.any() else GIVEN if panel.columns.time is None else NEWER
    horizons = _horizons(windows)
    return Judgement(compare(trial), subject.name, rows, trial, advice=OTHER, horizons=horizons)


def judge_model(subject: Subject) -> Judgement:
    """Compare a Keras model's point forecasts with the baselines on the later half of the rows given.

    The earlier half is history that the baselines may look at.
    """
    windows = subject.windows
    middle = (subject.panel.offsets[:-1] + subject.panel.ends) // 2
    later = windows.origins >= middle[windows.series]
    windows = _thinned(windows.subset(np.flatnonzero(later)) if later.any() else windows)
    trial = set_beside(subject.point(windows)[..., None], windows, None, (0.5,), subject.season)
    return Judgement(compare(trial), NETWORK, GIVEN, trial, subject.name, OTHER, _horizons(windows))


def _horizons(windows: Windows) -> float:
    """Count the rows that windows reach, each once, in horizons."""
    rows = np.unique(windows.origins[:, None] + np.arange(windows.horizon))
    return len(rows) / windows.horizon


def _thinned(windows: Windows) -> Windows:
    series = len(np.unique(windows.series))
    return windows.thin(min(1_000, PER_SERIES * series))
