"""Short trials of networks on folds of the validation rows, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from forecast.errors import TrainingDiverged
from forecast.estimators.lessons import Lessons, learn_covariates
from forecast.estimators.outputs import as_levels
from forecast.estimators.recipe import Architecture, Options, loss_of, plan_of, with_budget
from forecast.models.spec import Spec
from forecast.training.course import Listeners
from forecast.training.fit import compile_model, train
from forecast.training.predict import predict_windows

# Steps of a trial, and the windows and folds it is judged by.
TRIAL_STEPS, TRIAL_WINDOWS, TRIAL_FOLDS = 100, 400, 4
# Part of a time budget that all trials together may take.
TRIAL_SHARE = 0.2
# Least error that is told from none.
TINY = 1e-12
# What is at most this much worse than the best counts as nearly as good.
NEAR = 1.1


@dataclass(frozen=True, eq=False)
class Tried:
    """A network that was tried, or could be.

    Args:
        architecture: What is built.
        spec: Of what sizes and scales.
        errors: MASE on each fold, NaN for one without actual values, infinite where training diverged; empty if it was
            not tried.
    """

    architecture: Architecture
    spec: Spec
    errors: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def scaling(self) -> str:
        """How it scales, in few words."""
        spec = self.spec
        scale = spec.anchor if spec.transform == "none" else f"{spec.anchor} of {spec.transform}"
        scale += " and training spread" if spec.scale_by else ""
        return f"{scale}, {spec.context} rows"

    @property
    def error(self) -> float:
        """Mean over the folds, infinite without one."""
        known = self.errors[~np.isnan(self.errors)]
        return float(known.mean()) if len(known) else np.inf


def try_out(lessons: Lessons, options: Options, way: Tried, trials: int, listeners: Listeners) -> Tried:
    """Train a network for a few steps and judge it on the validation rows.

    Args:
        lessons: Rows to learn from and to judge by.
        options: What the user said.
        way: What to try.
        trials: How many trials there will be: they share their part of a budget.
        listeners: Asked whether to stop; a trial that is stopped is judged as it stands.
    """
    spec = way.spec
    steps = min(options.steps or TRIAL_STEPS, TRIAL_STEPS)
    few = replace(with_budget(options, TRIAL_SHARE / trials), steps=steps, epochs=None, optimizer=None)
    teaching, judging = lessons.teaching(spec), lessons.judging(spec)
    assert judging is not None
    judging = judging.thin(TRIAL_WINDOWS)
    model = way.architecture.build(spec, options.builder)
    plan = plan_of(model, teaching, few, spec)
    compile_model(model, loss_of(few, spec), plan)
    learn_covariates(model, lessons.panel, lessons.turn)
    try:
        quiet = Listeners(interrupted=listeners.interrupted, checkpoint=listeners.checkpoint)
        train(model, teaching, None, plan, listeners=quiet, retry=False)
    except TrainingDiverged:
        return replace(way, errors=np.full(TRIAL_FOLDS, np.inf))
    forecast = as_levels(model, spec, predict_windows(model, judging))[..., spec.middle]
    away = np.abs(judging.actual(np.arange(len(judging))) - forecast)
    error = away / judging.scales[judging.series][:, None, :]
    oldest_first = np.argsort(judging.origins - lessons.panel.offsets[judging.series], kind="stable")
    folds = [error[fold] for fold in np.array_split(oldest_first, TRIAL_FOLDS)]
    known = [fold[~np.isnan(fold)] for fold in folds]
    return replace(way, errors=np.array([fold.mean() if len(fold) else np.nan for fold in known]))


def nearly_best(tried: Sequence[Tried]) -> list[Tried]:
    """Return the one to take, then those that are nearly as good, the better ones first.

    The first, the usual one, stands unless another is better by more than a standard error over the folds. What has an
    infinite error comes last, and where the usual one has, the first that has none takes its place.
    """
    errors = np.array([one.errors for one in tried])
    errors[np.isinf(errors).any(axis=1)] = np.nan
    known = ~np.isnan(errors)
    usual = int(known.any(axis=1).argmax())
    ratios = np.log(np.maximum(errors, TINY)) - np.log(np.maximum(errors[usual], TINY))
    both = known & known[usual]
    mean, spread = np.array([_mean_and_error(row[on]) for row, on in zip(ratios, both, strict=True)]).T
    better = np.where(mean + spread < 0, mean, np.inf)
    better[usual] = 0.0
    best = int(better.argmin())
    limit = mean[best] + np.log(NEAR)
    near = [j for j in np.argsort(mean, kind="stable") if j != best and mean[j] <= limit < np.inf]
    return [tried[j] for j in (best, *near)]


def _mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """Return a mean and its standard error, 0 for a single value; an infinite mean of none."""
    if not len(values):
        return np.inf, 0.0
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return float(values.mean()), float(error)


def compared(tried: Sequence[Tried], name: Callable[[Tried], str]) -> str:
    """Say what was compared, and how it did."""
    errors = [f"{one.error:.3f}" if np.isfinite(one.error) else "diverged" for one in tried]
    told = [f"{name(one)} {error}" for one, error in zip(tried, errors, strict=True)]
    return "MASE on validation rows: " + ", ".join(told)
