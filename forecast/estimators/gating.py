"""The folds behind ``method="best"``: fits and forecasts from rolling origins, each seeing only what lies before it.

The newest fold is the held-out part, forecast by the network that the comparison is about. Behind it lie blocks of rows
before the held-out part, one next to the other: as long as the held-out part where four of them leave enough rows to
train on, else shorter, down to one horizon. For each of the four newest a network is trained on the rows before it
alone; this ends where it is not ahead of the best baseline on three folds or more. Baselines cost little: where there
are few series, blocks before those test them too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from forecast.data.panel import Panel
from forecast.data.scale import error_scales
from forecast.data.table import Choice
from forecast.data.windows import Windows
from forecast.errors import InputError, TrainingDiverged
from forecast.estimators.network import Network, fit_network
from forecast.estimators.recipe import Options, with_budget
from forecast.estimators.setting import Setting
from forecast.evaluation.comparison import NETWORK, Trial, compare, set_beside, winner
from forecast.evaluation.gate import FEWEST_FOLDS, Gate, decide, fold_errors, leads, only_one
from forecast.training.course import Listeners

# Folds that networks are trained for, the held-out part among them: the fits take this many times as long.
NETWORK_FOLDS = 5
# Folds after which a network that is behind is tested no further.
FOLDS_TO_LEAD = 3
# Folds for the baselines, where there are no more series than this.
BASELINE_FOLDS, FEW_SERIES = 12, 20
# Windows of a fold; more change its mean little.
MOST_TESTED = 200
# Part of a time budget for the fits of folds.
SHARE = 0.5
INTERRUPTED = "training was interrupted before a second fold"


@dataclass(frozen=True)
class Folds:
    """Blocks of rows before the held-out part.

    Args:
        block: Rows of each.
        network: Blocks that a network is trained for, the newest ones.
        baseline: Blocks that baselines forecast.
    """

    block: int
    network: int
    baseline: int


def lay_folds(panel: Panel, setting: Setting, stop: np.ndarray) -> Folds:
    """Choose how many blocks there are before ``stop``, and how long they are.

    Half of the series must be long enough to train on the rows before the oldest block of a network, and to have
    a context, two seasons and a third of their rows before the oldest block of all.

    Args:
        panel: All rows.
        setting: Sizes.
        stop: Absolute row per series where the held-out part begins.
    """
    rows = int(np.median(stop - panel.offsets[:-1]))
    least = setting.context + setting.horizon + setting.validation
    room, more = max(rows - least, 0), NETWORK_FOLDS - 1
    block = max(min(room // more, setting.holdout), setting.horizon)
    network = min(room // block, more)
    early = max(setting.context, 2 * setting.season, rows // 3)
    most = BASELINE_FOLDS - 1 if len(panel) <= FEW_SERIES else network
    return Folds(block, network, max(min((rows - early) // block, most), network))


def run_gate(
    network: Network,
    trial: Trial,
    panel: Panel,
    setting: Setting,
    options: Options,
    *,
    listeners: Listeners,
) -> tuple[Gate, bool]:
    """Test network and baselines on several folds, and decide who forecasts.

    Args:
        network: As it was compared, for its windows.
        trial: Of the held-out part, the newest fold.
        panel: All rows.
        setting: Sizes.
        options: Of network and training; a budget is shared by the fits of all folds.
        listeners: Progress and interruption, which ends the tests with the folds that are done.

    Returns:
        The decision, and whether the fits were interrupted. With a single fold, for want of rows or because of an
        interruption, the winner on the held-out rows forecasts.
    """
    if network.record.stopped == "interrupted":
        return _decided([fold_errors(trial)], trial, INTERRUPTED), True
    stop = panel.ends - setting.holdout
    folds = lay_folds(panel, setting, stop)
    options, tested = with_budget(options, 1 / max(folds.network, 1)), [fold_errors(trial)]
    if folds.network and listeners.announce is not None:
        listeners.announce((_work(folds),))
    # What is chosen about the networks of earlier folds is of no use to anybody.
    listeners = replace(listeners, announce=None, diagnose=False)
    for back in range(1, folds.baseline + 1 if folds.network else 1):
        begin = np.maximum(stop - back * folds.block, panel.offsets[:-1])
        fitted = network
        if back <= folds.network and (len(tested) < FOLDS_TO_LEAD or leads(tested[::-1])):
            fitted = _fitted(panel, setting, options, begin, listeners)
            if fitted is not None and fitted.record.stopped == "interrupted":
                return _decided(tested, trial, INTERRUPTED), True
        windows = _windows(fitted or network, panel, setting, begin, begin + folds.block)
        if not len(windows):
            break
        errors = _errors(None if fitted is network else fitted, windows, setting.season)
        tested.append(errors if fitted is not None else errors | {NETWORK: np.inf})
    return _decided(tested, trial, "there are too few rows to train on before a second fold"), False


def _work(folds: Folds) -> Choice:
    """Say how many networks will be trained, at most."""
    several = f"{folds.network} more networks" if folds.network > 1 else "one more network"
    why = f"at most, each on what lies before an earlier block of {folds.block} rows"
    return Choice("tests", several, "--method", why)


def _decided(tested: list[dict[str, float]], trial: Trial, why: str) -> Gate:
    """Decide on the folds, newest first; with one of them, say why there are no more."""
    if len(tested) >= FEWEST_FOLDS:
        return decide(tested[::-1])
    return only_one(tested[0], winner(compare(trial)), why)


def _fitted(
    panel: Panel, setting: Setting, options: Options, stop: np.ndarray, listeners: Listeners
) -> Network | None:
    """Train on the rows before ``stop``; None if that diverged, or no series has enough of them."""
    try:
        return fit_network(panel, setting, options, stop, listeners=listeners)[0]
    except (InputError, TrainingDiverged):
        return None


def _windows(
    network: Network, panel: Panel, setting: Setting, first: np.ndarray, stop: np.ndarray
) -> Windows:
    """List windows that lie in ``[first, stop)``, scaled by what lies before."""
    scales = error_scales(panel, setting.season, first)
    return network.windows(panel, first=first, stop=stop, scales=scales).thin(MOST_TESTED)


def _errors(network: Network | None, windows: Windows, season: int) -> dict[str, float]:
    """Return the errors of a fold, those of a network among them if one was trained for it."""
    if network is None:
        return fold_errors(set_beside(None, windows, None, (0.5,), season))
    middle = slice(network.spec.middle, network.spec.middle + 1)
    return fold_errors(set_beside(network.forecasts(windows)[..., middle], windows, None, (0.5,), season))
