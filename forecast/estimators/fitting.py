"""From a panel to a fitted forecaster: compare on held-out rows, then train on all."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from forecast.data.panel import Panel
from forecast.data.scale import error_scales
from forecast.data.table import Choice
from forecast.data.windows import Windows
from forecast.estimators.contract import Contract, join
from forecast.estimators.gating import SHARE, run_gate
from forecast.estimators.joining import behind
from forecast.estimators.network import (
    Network,
    calibrated,
    calibration_scores,
    diagnosed,
    fit_network,
    go_on,
    shifted,
)
from forecast.estimators.realised import Realised, coverage_frame
from forecast.estimators.recipe import Extras, Options, with_budget
from forecast.estimators.setting import Setting, Wishes, choose_setting
from forecast.estimators.templates import kept_template, trial_templates
from forecast.evaluation.blending import blend_trial
from forecast.evaluation.comparison import NETWORK, Trial, compare, memory_of, set_beside
from forecast.evaluation.gate import Gate
from forecast.evaluation.intervals import ConformalShift
from forecast.training.course import Listeners

# Windows of the held-out rows that methods are compared on.
MOST_COMPARED = 1_000
PER_SERIES = 100
# Part of a time budget for the fit that is compared; the rest goes on with the held-out rows.
FIRST_SHARE = 0.75


@dataclass(frozen=True)
class Fitted:
    """Everything a fitted forecaster knows.

    Args:
        contract: Columns and step.
        setting: Sizes.
        network: The trained network.
        history: The last rows of each series, enough to continue them.
        scales: Typical error per series and target at the end of training.
        wanted: Quantile levels the user asked for.
        comparison: Methods beside each other on held-out rows, or None.
        shifts: Calibration of each baseline and of the weighted mean, by name.
        weights: Of the weighted mean, by method; empty without a comparison.
        templates: Past windows of each method's errors in units of the series' scale, for sample paths.
        choices: What was chosen while fitting.
        rows: Rows of the training table.
        realised: What the quantiles of each method reached while ``update`` adapted them.
        gate: Who forecasts for ``method="best"``, decided on several folds; None if none were run.
        trained: Ids of the series that training knew.
    """

    contract: Contract
    setting: Setting
    network: Network
    history: Panel
    scales: np.ndarray
    wanted: tuple[float, ...]
    comparison: pd.DataFrame | None
    shifts: dict[str, ConformalShift]
    weights: dict[str, float]
    templates: dict[str, np.ndarray]
    choices: tuple[Choice, ...]
    rows: int
    realised: dict[str, Realised] = field(default_factory=dict)
    gate: Gate | None = None
    trained: tuple = ()

    @property
    def levels(self) -> tuple[float, ...]:
        """Quantile levels of the forecasts."""
        return self.wanted

    @property
    def coverage(self) -> pd.DataFrame:
        """What the quantiles reached in updates; see ``coverage_frame``."""
        return coverage_frame(self.realised, self.network.spec.quantiles, self.contract.columns.target)

    def panel(self, source: Any) -> Panel:
        """Read a table and put stored history before series too short to stand alone; a panel is taken as it is."""
        given = self.contract.read(source, targets_needed=False)
        if self.network.standing is not None and not isinstance(source, Panel):
            return behind(self.history, given)
        return given if isinstance(source, Panel) else join(self.history, given, self.setting.context)

    def scales_of(self, panel: Panel) -> np.ndarray:
        """Typical errors: those of training for known series, measured from the panel for others."""
        place = {name: i for i, name in enumerate(self.history.ids)}
        known = [place.get(name) for name in panel.ids]
        measured = error_scales(panel, self.setting.season) if None in known else None
        return np.array([self.scales[k] if k is not None else measured[i] for i, k in enumerate(known)])  # type: ignore[index]

    def frozen(self) -> Fitted:
        """Replace the model by its weights, so that the rest can be pickled in memory."""
        weights: Any = self.network.model.get_weights()
        return replace(self, network=replace(self.network, model=weights))

    def thawed(self, options: Options) -> Fitted:
        """Undo ``frozen``."""
        weights: Any = self.network.model
        model = self.network.architecture.build(self.network.spec, options.builder)
        model.set_weights(weights)
        return replace(self, network=replace(self.network, model=model))


def fit_panel(
    panel: Panel,
    contract: Contract,
    options: Options,
    wishes: Wishes,
    *,
    listeners: Listeners,
    refit: bool,
    blend: bool = False,
    gated: bool = False,
) -> Fitted:
    """Choose what is open, compare on the held-out rows, train on all rows.

    Args:
        panel: The training table.
        contract: Its columns and step.
        options: Of network and training; a budget is shared by both fits.
        wishes: Sizes the user fixed.
        listeners: Progress and interruption.
        refit: Go on training with the rows that were kept back, once they have judged.
        blend: Put the weighted mean of all methods into the comparison.
        gated: Decide on several folds who forecasts, for half of the budget.
    """
    setting, choices = choose_setting(panel, wishes)
    if listeners.announce is not None:
        listeners.announce(choices)
    panel = _kept(panel, setting)
    stop, gate = panel.ends - setting.holdout, None
    if setting.holdout and any_held_out(panel, setting, stop):
        own = with_budget(options, 1 - SHARE) if gated else options
        network, trial = _compared(panel, setting, own, stop, listeners)
        mixed, weights = blend_trial(trial)
        # Before the network learns from these rows.
        earlier = _earlier(network, panel, setting, stop, trial.windows.scales)
        templates = trial_templates(trial, weights, network, earlier)
        interrupted = network.record.stopped == "interrupted"
        if gated:
            tests = with_budget(options, SHARE)
            gate, interrupted = run_gate(network, trial, panel, setting, tests, listeners=listeners)
            if interrupted:
                network = replace(network, record=replace(network.record, stopped="interrupted"))
        if refit and not interrupted:
            network = go_on(network, panel, setting, with_budget(own, 1 - FIRST_SHARE), listeners=listeners)
        comparison, shifts = compare(mixed if blend else trial), mixed.shifts
    else:
        network, templates = _alone(panel, setting, options, listeners, refit=refit)
        comparison, shifts, weights = None, {}, {}
    if listeners.diagnose:
        network = diagnosed(network, panel)
    scales = error_scales(panel, setting.season)
    return Fitted(
        contract=contract,
        setting=setting,
        network=network.standing_at(panel, standing_rows(panel, setting.horizon)),
        history=history_of(panel, setting, network.extras),
        scales=scales,
        wanted=options.wanted,
        comparison=comparison,
        shifts=shifts,
        weights=weights,
        templates=templates,
        choices=choices + network.choices,
        rows=panel.rows,
        gate=gate,
        trained=panel.ids,
    )


def standing_rows(panel: Panel, horizon: int) -> np.ndarray:
    """Return the rows before which a stateful network's states are kept: origins from there on may be asked for."""
    return np.maximum(panel.ends - horizon, panel.offsets[:-1])


def history_of(panel: Panel, setting: Setting, extras: Extras) -> Panel:
    """Keep the rows that forecasts look at, also those from the newest origins whose horizon is not over."""
    rows = max(setting.context + setting.horizon, memory_of(setting.season))
    return panel.tail(rows + max(extras.lags, default=0))


def _alone(
    panel: Panel, setting: Setting, options: Options, listeners: Listeners, *, refit: bool
) -> tuple[Network, dict[str, np.ndarray]]:
    """Train without the validation tail, which calibrates and tells how the steps go together; then with it."""
    refit = refit and bool(setting.validation)
    first = with_budget(options, FIRST_SHARE) if refit else options
    network, validation = fit_network(panel, setting, first, panel.ends, listeners=listeners)
    scores, templates = calibration_scores(network, [validation]), {}
    if scores is not None:
        templates[NETWORK] = kept_template(scores[..., network.spec.middle])
        network = shifted(network, scores, [validation]) if options.calibrate else network
    if refit and network.record.stopped != "interrupted":
        rest = with_budget(options, 1 - FIRST_SHARE)
        network = go_on(network, panel, setting, rest, listeners=listeners)
    return network, templates


def _compared(
    panel: Panel, setting: Setting, options: Options, stop: np.ndarray, listeners: Listeners
) -> tuple[Network, Trial]:
    """Train before ``stop``, compare behind it, then calibrate on all that was not trained on."""
    network, validation = fit_network(
        panel, setting, with_budget(options, FIRST_SHARE), stop, listeners=listeners
    )
    if options.calibrate:
        network = calibrated(network, [validation])
    trial = hold_trial(network, panel, setting, stop)
    return (calibrated(network, [validation, trial.windows]) if options.calibrate else network), trial


def hold_trial(
    network: Network, panel: Panel, setting: Setting, stop: np.ndarray, most: int = PER_SERIES
) -> Trial:
    """Let the network and every baseline forecast the rows behind ``stop``.

    At most ``most`` windows a series and 1,000 in all are looked at, evenly spaced.
    """
    scales = error_scales(panel, setting.season, stop)
    first = np.maximum(stop, panel.offsets[:-1] + setting.context)
    windows = _spread(network.windows(panel, first=first, scales=scales), most)
    calibration = _earlier(network, panel, setting, stop, scales)
    levels = network.spec.quantiles or (0.5,)
    return set_beside(network.forecasts(windows), windows, calibration, levels, setting.season)


def _earlier(
    network: Network, panel: Panel, setting: Setting, stop: np.ndarray, scales: np.ndarray
) -> Windows:
    """List windows of the validation rows before ``stop``."""
    before = np.maximum(stop - setting.validation, panel.offsets[:-1] + setting.context)
    return _spread(network.windows(panel, first=before, stop=stop, scales=scales))


def any_held_out(panel: Panel, setting: Setting, stop: np.ndarray) -> bool:
    """Say whether a window of full context fits behind ``stop`` in any series."""
    first = np.maximum(stop, panel.offsets[:-1] + setting.context)
    return bool((panel.ends - first >= setting.horizon).any())


def _spread(windows: Windows, most: int = PER_SERIES) -> Windows:
    """Thin to at most ``most`` windows a series and 1,000 in all, evenly."""
    counts = np.bincount(windows.series, minlength=1)
    series = max(int((counts > 0).sum()), 1)
    return windows.thin(min(MOST_COMPARED, most * series))


def _kept(panel: Panel, setting: Setting) -> Panel:
    """Leave out series that are too short, if that was asked for."""
    if setting.short != "drop":
        return panel
    long_enough = panel.ends - panel.offsets[:-1] >= setting.context + setting.horizon
    return panel if long_enough.all() else panel.select(np.flatnonzero(long_enough))
