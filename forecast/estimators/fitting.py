"""From a panel to a fitted forecaster: compare on held-out rows, then train on all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import pandas as pd

from forecast.data.panel import Panel
from forecast.data.scale import error_scales
from forecast.data.table import Choice
from forecast.data.windows import Windows, make_windows
from forecast.estimators.contract import Contract, join
from forecast.estimators.network import Listeners, Network, Options, fit_network
from forecast.estimators.setting import Setting, Wishes, choose_setting
from forecast.evaluation.comparison import NETWORK, Trial, compare, compare_with_baselines, memory_of
from forecast.evaluation.intervals import ConformalShift, conformal_scores

# Windows of the held-out rows that methods are compared on.
MOST_COMPARED = 1_000
PER_SERIES = 100


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
        shifts: Calibration of each baseline, by name.
        choices: What was chosen while fitting.
        rows: Rows of the training table.
    """

    contract: Contract
    setting: Setting
    network: Network
    history: Panel
    scales: np.ndarray
    wanted: tuple[float, ...]
    comparison: pd.DataFrame | None
    shifts: dict[str, ConformalShift]
    choices: tuple[Choice, ...]
    rows: int

    @property
    def levels(self) -> tuple[float, ...]:
        """Quantile levels of the forecasts."""
        return self.wanted

    def panel(self, source: Any) -> Panel:
        """Read a table and put stored history before series too short to stand alone."""
        return join(self.history, self.contract.read(source, targets_needed=False), self.setting.context)

    def scales_of(self, panel: Panel) -> np.ndarray:
        """Typical errors: those of training for known series, measured from the panel for others."""
        place = {name: i for i, name in enumerate(self.history.ids)}
        known = [place.get(name) for name in panel.ids]
        measured = error_scales(panel, self.setting.season) if None in known else None
        return np.array([self.scales[k] if k is not None else measured[i] for i, k in enumerate(known)])  # type: ignore[index]

    def frozen(self) -> Fitted:
        """Replace the model by its weights, so that the rest can be pickled in memory."""
        weights: Any = self.network.model.get_weights()
        return replace(self, network=replace(self.network, model=weights, fresh=None))

    def thawed(self, options: Options) -> Fitted:
        """Undo ``frozen``."""
        weights: Any = self.network.model
        model: keras.Model = options.builder(self.network.shapes, **options.model)
        model.set_weights(weights)
        return replace(self, network=replace(self.network, model=model))


def fit_panel(
    panel: Panel, contract: Contract, options: Options, wishes: Wishes, *, listeners: Listeners, refit: bool
) -> Fitted:
    """Choose what is open, compare on the held-out rows, train on all rows.

    Args:
        panel: The training table.
        contract: Its columns and step.
        options: Of network and training; a budget is shared by both fits.
        wishes: Sizes the user fixed.
        listeners: Progress and interruption.
        refit: Train again with the held-out rows after the comparison.
    """
    setting, choices = choose_setting(panel, wishes)
    if listeners.announce is not None:
        listeners.announce(choices)
    panel = _kept(panel, setting)
    comparison, shifts, network = None, {}, None
    stop = panel.ends - setting.holdout
    if setting.holdout and len(_held_out(panel, setting, stop)):
        halved = replace(options, budget=options.budget / 2 if options.budget is not None and refit else options.budget)
        network = fit_network(panel, setting, halved, stop, listeners=listeners)
        trial = hold_trial(network, panel, setting, stop)
        comparison, shifts = compare(trial), _shifts(trial)
        options = halved
    interrupted = network is not None and network.record.stopped == "interrupted"
    if network is None or (refit and not interrupted):
        network = fit_network(panel, setting, options, panel.ends, listeners=listeners, reuse=network)
    history = panel.tail(max(setting.context, memory_of(setting.season)))
    scales = error_scales(panel, setting.season)
    return Fitted(
        contract, setting, replace(network, fresh=None), history, scales, options.wanted, comparison, shifts, choices, panel.rows
    )


def hold_trial(
    network: Network, panel: Panel, setting: Setting, stop: np.ndarray, most: int = PER_SERIES
) -> Trial:
    """Let the network and every baseline forecast the rows behind ``stop``.

    At most ``most`` windows a series and 1,000 in all are looked at, evenly spaced.
    """
    windows = _held_out(panel, setting, stop, network, most)
    before = np.maximum(stop - setting.validation, panel.offsets[:-1])
    calibration = _full(network.windows(panel, first=before, stop=stop), setting) if setting.validation else None
    calibration = None if calibration is None else _spread(calibration)
    forecasts = network.forecasts(windows)
    levels = network.shapes.quantiles or (0.5,)
    return compare_with_baselines(windows, calibration, levels, setting.season, stop, forecasts)


def _held_out(panel: Panel, setting: Setting, stop: np.ndarray, network: Network | None = None, most: int = 1) -> Windows:
    first = np.maximum(stop, panel.offsets[:-1] + setting.context)
    if network is None:
        return make_windows(panel, context=setting.context, horizon=setting.horizon, first=first, short="drop")
    return _spread(network.windows(panel, first=first, scales=error_scales(panel, setting.season, stop)), most)


def _full(windows: Windows, setting: Setting) -> Windows:
    """Leave out windows whose context is padded: baselines would be calibrated on next to nothing."""
    length = windows.origins - windows.panel.offsets[windows.series]
    return windows.subset(np.flatnonzero(length >= setting.context))


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


def _shifts(trial: Trial) -> dict[str, ConformalShift]:
    """Calibrate each baseline on its errors over the held-out rows, for forecasts after them."""
    windows = trial.windows
    actual = windows.actual(np.arange(len(windows)))
    scales = windows.scales[windows.series][:, None, :]
    middle = min(range(len(trial.levels)), key=lambda i: abs(trial.levels[i] - 0.5))
    return {
        name: ConformalShift.fit(conformal_scores(actual, forecast[..., middle], scales), trial.levels)
        for name, forecast in trial.forecasts.items()
        if name != NETWORK
    }
