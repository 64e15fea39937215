"""A trained network with everything its forecasts need: spec, encoder and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import keras
import numpy as np

from forecast.data.encoding import StaticEncoder, fit_static
from forecast.data.panel import Panel
from forecast.data.scale import error_scales
from forecast.data.table import Choice
from forecast.data.windows import Windows, make_windows
from forecast.estimators.choosing import choose_network, make_extras, tell_extras
from forecast.estimators.lessons import Lessons, learn_covariates
from forecast.estimators.outputs import as_levels
from forecast.estimators.recipe import Architecture, Extras, Options, loss_of, plan_of, with_budget
from forecast.estimators.setting import Setting
from forecast.evaluation.intervals import ConformalShift, conformal_scores
from forecast.evaluation.widths import cases_of, series_of
from forecast.models.forms import forms_of
from forecast.models.spec import Spec
from forecast.training.carrying import Standpoint, stand_at
from forecast.training.course import Listeners, Plan, Record, joined
from forecast.training.diagnosing import diagnose
from forecast.training.fit import at_half_rate, compile_model, copied, expected_seconds, forget_moments
from forecast.training.gradients import AFTER, BEFORE, Health
from forecast.training.lending import train_in
from forecast.training.predict import predict_windows

# Calibration looks at no more windows than this: beyond it the quantiles no longer move.
MOST_CALIBRATION = 4_000


@dataclass(frozen=True)
class Network:
    """A trained model and what belongs to it.

    Args:
        model: Raw values in, raw values out.
        spec: Its inputs and outputs.
        architecture: What it was built as; a user's own network has the name "own".
        encoder: Of the static covariates.
        extras: What its windows hold beside the columns.
        shift: Calibration of the quantiles, or None.
        record: How training went, of all members after each other.
        members: How it went for each of them; known while fitting only.
        choices: What was chosen about it.
        standing: Of a network that carries its state: states at the end of what it has read, or None.
        health: How far back gradients reached, before and after training, if that was asked for.
    """

    model: keras.Model
    spec: Spec
    architecture: Architecture
    encoder: StaticEncoder
    extras: Extras
    shift: ConformalShift | None
    record: Record
    members: tuple[Record, ...] = ()
    choices: tuple[Choice, ...] = ()
    standing: Standpoint | None = None
    health: tuple[Health, ...] = ()

    @property
    def stateful(self) -> bool:
        """Whether it carries its state through whole series."""
        return forms_of(self.model).carried is not None

    @property
    def parts(self) -> list[tuple[keras.Model, Spec]]:
        """Models to train one by one, with their specs: the members of an ensemble, or the model itself."""
        return _parts(self.model, self.architecture, self.spec)

    def quantiles(self, windows: Windows) -> np.ndarray:
        """Forecast windows, not calibrated; see ``raw_quantiles``."""
        return raw_quantiles(self.model, windows, self.spec, self.standing)

    def forecasts(self, windows: Windows) -> np.ndarray:
        """Forecast windows, calibrated: float64 ``(windows, horizon, targets, levels)``, one level if none asked."""
        raw = self.quantiles(windows)
        if self.shift is None:
            return raw
        moved = self.shift.apply(raw, windows.scales[windows.series][:, None, :], series_of(windows))
        return floored(moved, self.spec)

    def longer(self, horizon: int) -> Network:
        """Return the same network for a longer horizon, if it forecasts step by step; else itself."""
        make = forms_of(self.model).longer
        if make is None:
            return self
        shift = None if self.shift is None else self.shift.extended(horizon)
        return replace(self, model=make(horizon), spec=replace(self.spec, horizon=horizon), shift=shift)

    def standing_at(self, panel: Panel, rows: np.ndarray) -> Network:
        """Go through series up to one absolute row each and stand there, if the network carries its state."""
        carried = forms_of(self.model).carried
        if carried is None:
            return self
        none = self.windows(panel, first=panel.ends)
        return replace(self, standing=stand_at(carried, none, rows, self.standing))

    def windows(self, panel: Panel, **limits: Any) -> Windows:
        """Make windows of this network's spec over a panel, scaled and encoded."""
        scales = limits.pop("scales", None)
        return make_windows(
            panel,
            context=self.spec.context,
            horizon=self.spec.horizon,
            short="pad" if self.spec.padded else "drop",
            scales=error_scales(panel, self.spec.season) if scales is None else scales,
            **self.extras.windows(panel, self.spec.horizon, self.encoder),
            **limits,
        )


def fit_network(
    panel: Panel, setting: Setting, options: Options, stop: np.ndarray, *, listeners: Listeners
) -> tuple[Network, Windows | None]:
    """Train a network on the rows before ``stop``; nothing at or behind it is looked at.

    The last ``setting.validation`` rows before ``stop`` of each series choose the scaling and the best epoch; no
    training window's horizon reaches into them.

    Args:
        panel: All rows.
        setting: Sizes.
        options: Of network and training.
        stop: Absolute row per series.
        listeners: Progress and interruption.

    Returns:
        The network, not calibrated, and its validation windows.

    Raises:
        InputError: No series is long enough for a single training window.
        TrainingDiverged: The loss became non-finite.
    """
    lessons = Lessons(
        panel,
        setting,
        np.maximum(stop, panel.offsets[:-1]),
        setting.validation,
        fit_static(panel.static, embedded="categories" in options.embed),
        make_extras(panel, setting, options),
        min(options.horizons) if options.horizons else None,
    )
    chosen = choose_network(lessons, options, listeners)
    model = chosen.architecture.build(chosen.spec, options.builder)
    parts = _parts(model, chosen.architecture, chosen.spec)
    share, jobs = with_budget(options, chosen.left / len(parts)), []
    alike = chosen.architecture.alike(chosen.spec)
    for part, spec in parts:
        windows = lessons.teaching(spec)
        plan = plan_of(part, windows, share, spec)
        if options.snapshots:
            # The steps of one network, shared by the falls of its rate.
            plan = replace(plan, epochs=-(-plan.epochs // len(parts)))
        compile_model(part, loss_of(options, spec), plan, copied(options.optimizer))
        learn_covariates(part, panel, lessons.stop)
        jobs.append((part, windows, plan))
    told = (*tell_extras(lessons.extras), *chosen.choices, *_slower(chosen.architecture))
    if listeners.announce is not None:
        # Only where somebody reads it: estimating the seconds costs some itself.
        listeners.announce((*told, _work(jobs, alike, options)))
    health = (diagnose(parts[0][0], jobs[0][1], BEFORE),) if listeners.diagnose else ()
    records: list[Record] = []
    for place, ((part, windows, plan), (_, spec)) in enumerate(zip(jobs, parts, strict=True)):
        if options.snapshots and place:
            part.set_weights(jobs[place - 1][0].get_weights())
        judging, program = lessons.judging(spec), jobs[alike[place]][0]
        records.append(train_in(program, part, windows, judging, plan, listeners=listeners))
    network = Network(
        model,
        chosen.spec,
        chosen.architecture,
        lessons.encoder,
        lessons.extras,
        None,
        reduce(joined, records),
        tuple(records),
        told,
        health=health,
    )
    return network, lessons.judging(chosen.spec)


def go_on(
    network: Network, panel: Panel, setting: Setting, options: Options, *, listeners: Listeners
) -> Network:
    """Train a network further on all rows: a third of the epochs that were best, at half the rate.

    There is no validation tail, so nothing stops it early; the calibration stays what it was.
    """
    least = min(options.horizons) if options.horizons else None
    lessons = Lessons(panel, setting, panel.ends, 0, network.encoder, network.extras, least)
    records, parts = [], network.parts
    for first, (part, spec), before in zip(
        network.architecture.alike(network.spec), parts, network.members, strict=True
    ):
        windows = lessons.teaching(spec)
        plan = plan_of(part, windows, with_budget(options, 1 / len(network.parts)), spec)
        epochs = -(-max(before.best_epoch, 1) // 3)
        plan = at_half_rate(part, replace(plan, epochs=epochs))
        forget_moments(part)
        records.append(train_in(parts[first][0], part, windows, None, plan, listeners=listeners))
    return replace(network, record=reduce(joined, records, network.record))


def diagnosed(network: Network, panel: Panel) -> Network:
    """Measure how far back gradients reach in a trained network; of an ensemble, in its first member."""
    health = diagnose(network.parts[0][0], network.windows(panel), AFTER, network.record)
    return replace(network, health=(*network.health, health))


def raw_quantiles(
    model: keras.Model, windows: Windows, spec: Spec, standing: Standpoint | None = None
) -> np.ndarray:
    """Forecast windows with a model: float64 ``(windows, horizon, targets, levels)``, one level if none asked.

    Parameters of a distribution become its quantiles, or its mean where no level was asked for.
    """
    return floored(as_levels(model, spec, predict_windows(model, windows, standing)), spec)


def floored(values: np.ndarray, spec: Spec) -> np.ndarray:
    """Cut forecasts off at zero where nothing observed was below; NaN stays."""
    return np.maximum(values, 0.0) if spec.positive else values


def _slower(architecture: Architecture) -> tuple[Choice, ...]:
    """Say what keeps recurrent layers from cuDNN's kernel on a GPU."""
    if architecture.options.get("activation", "tanh") == "tanh":
        return ()
    what, why = "step by step, without cuDNN's kernel on a GPU", "cuDNN runs LSTM and GRU with tanh"
    return (Choice("speed", what, "--activation", why),)


def _work(jobs: list[tuple[keras.Model, Windows, Plan]], alike: list[int], options: Options) -> Choice:
    """Say how many steps there will be, and how long they will take at about."""
    seconds = sum(
        expected_seconds(jobs[first][0], *job[1:], compiled=first < place)
        for place, (first, job) in enumerate(zip(alike, jobs, strict=True))
    )
    steps = sum(plan.total for _, _, plan in jobs)
    several = f" of {len(jobs)} networks" if len(jobs) > 1 else ""
    return Choice("training", f"{steps:,} steps{several}, about {seconds:.0f} s", "--preset", options.preset)


def _parts(model: keras.Model, architecture: Architecture, spec: Spec) -> list[tuple[keras.Model, Spec]]:
    return list(zip(forms_of(model).members or (model,), architecture.specs(spec), strict=True))


def calibration_scores(network: Network, parts: Sequence[Windows | None]) -> np.ndarray | None:
    """Score the uncalibrated quantiles on windows that were not trained on.

    Returns:
        ``conformal_scores``; axes: windows, horizon, targets, quantiles. None without windows or quantiles.
    """
    parts = _looked_at(parts)
    if not parts or not network.spec.quantiles:
        return None
    scores = []
    for windows in parts:
        forecasts = network.quantiles(windows)
        actual = windows.actual(np.arange(len(windows)))
        scores.append(conformal_scores(actual, forecasts, windows.scales[windows.series][:, None, :]))
    return np.concatenate(scores)


def calibrated(network: Network, parts: Sequence[Windows | None]) -> Network:
    """Calibrate the quantiles on windows that were not trained on; without any, leave them as they are."""
    return shifted(network, calibration_scores(network, parts), parts)


def shifted(network: Network, scores: np.ndarray | None, parts: Sequence[Windows | None]) -> Network:
    """Calibrate the quantiles by scores of theirs on these windows; without any, leave them as they are."""
    if scores is None:
        return network
    levels, cases = network.spec.quantiles, cases_of(_looked_at(parts), network.spec.season)
    return replace(network, shift=ConformalShift.fit(scores, levels, per_quantile=True, cases=cases))


def _looked_at(parts: Sequence[Windows | None]) -> list[Windows]:
    """Return the windows that calibration looks at, of the parts that have any."""
    return [part.thin(MOST_CALIBRATION) for part in parts if part is not None and len(part)]
