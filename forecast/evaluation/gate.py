"""The gate behind ``method="best"``: who forecasts, decided on several blocks of held-out rows instead of one.

On one block of a random walk some method beats the naive forecast more often than not, by luck. So the error of each
method is measured on folds, blocks of rows one behind the other, each forecast from what lies before it. What counts
is the logarithm of a method's error over another's: its mean over the folds, plus a multiple of its standard error,
must be below zero.

The multiple is a quantile of Student's t with as many degrees of freedom as folds less one, since few folds tell little
about the spread. Against the naive forecast there are many candidates, and one of them is lucky more easily than any
one is: each is tested at the level 0.05 divided by their number (Bonferroni). Against the best baseline the network
has to be better by one standard error (the quantile 0.841 of a normal distribution).

A method that is almost the naive forecast, such as smoothing that takes all but a thousandth of the newest value, has
an error that differs from naive's by as little, and as steadily. So whoever forecasts in place of naive has to be
better by 1 % at least.

- The network forecasts if it passes against the naive forecast and against the best baseline.
- Else the baseline with the smallest error among those that pass against the naive forecast.
- Else the naive forecast.

Measured with the baselines alone over 3 to 12 folds (``tests/evaluation/test_gate.py`` repeats it with fewer): of 400
random walks, each a series alone, 0 to 3 % go to another method than naive; with one standard error for all, 20 to
44 % would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from forecast.errors import ParameterError
from forecast.evaluation.comparison import AUTO, NETWORK, Trial

Floats = NDArray[np.float64]

NAIVE = "naive"
FEWEST_FOLDS = 2

ONE_ERROR = NormalDist().cdf(1.0)
"""The level at which a normal quantile is one standard error."""

CHANCE = 0.05
"""How often, at most, any method but naive may be taken for better than naive where none is."""

LEAD = 0.01
"""Share of naive's error by which a method has to be better: less is not worth leaving it for."""

LARGEST_LOG = 20.0
"""Log ratios are cut off here: an error of zero has none."""


@dataclass(frozen=True)
class Gate:
    """Who forecasts, and what that was decided on.

    Args:
        errors: Mean absolute error of each method in units of MASE, one a fold, oldest first; a method that was
            tested on fewer folds has the newest ones.
        mean: Mean log ratio of each method's error to naive's.
        standard_error: Of that mean.
        decision: Name of the method that forecasts.
        sentence: What was decided and why.
    """

    errors: dict[str, tuple[float, ...]]
    mean: dict[str, float]
    standard_error: dict[str, float]
    decision: str
    sentence: str

    @property
    def table(self) -> pd.DataFrame:
        """One row a fold and method: ``fold`` (from 1, the newest last), ``method``, ``error``.

        Errors are mean absolute ones in units of MASE. ``attrs`` holds ``decision`` and ``sentence``.
        """
        folds = max(len(found) for found in self.errors.values())
        rows = [
            (folds - len(found) + 1 + k, name, error)
            for name, found in self.errors.items()
            for k, error in enumerate(found)
        ]
        table = pd.DataFrame(rows, columns=["fold", "method", "error"])
        table = table.sort_values("fold", kind="stable", ignore_index=True)
        table.attrs = {"decision": self.decision, "sentence": self.sentence}
        return table


def log_ratio(errors: ArrayLike, others: ArrayLike) -> Floats:
    """Return the log of one method's errors over another's, fold by fold, over the newest folds that both have.

    Errors of zero give the largest ratio, plus or minus 20, and 0 if both are zero.

    Example:
        >>> log_ratio([1.0, 2.0, 0.0], [2.0, 2.0, 0.0]).round(3).tolist()
        [-0.693, 0.0, 0.0]
    """
    one, other = np.asarray(errors, np.float64), np.asarray(others, np.float64)
    folds = min(len(one), len(other))
    one, other = one[len(one) - folds :], other[len(other) - folds :]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(one) - np.log(other)
    return np.clip(np.where(one == other, 0.0, ratio), -LARGEST_LOG, LARGEST_LOG)


def passes(log_ratios: ArrayLike, level: float = ONE_ERROR) -> bool:
    """Say whether a method is better than another: its mean log ratio is below zero by more than chance explains.

    Args:
        log_ratios: One a fold; see ``log_ratio``.
        level: Of the quantile of Student's t that multiplies the standard error, between 0.5 and 1. The default
            stands for one standard error of a mean whose spread is known.

    Returns:
        False with fewer than two folds, and where any ratio is not a number.

    Example:
        >>> passes([-0.3, -0.1, -0.2]), passes([-0.3, 0.3, -0.2]), passes([-0.3, -0.1, -0.2], level=0.99)
        (True, False, False)
    """
    if not 0.5 <= level < 1.0:
        raise ParameterError(f"level is {level}; it must lie between 0.5 and 1, such as 0.95.")
    ratios = np.asarray(log_ratios, np.float64)
    if len(ratios) < FEWEST_FOLDS:
        return False
    multiple = float(stdtrit(len(ratios) - 1, level))
    return bool(ratios.mean() + multiple * _standard_error(ratios) < 0.0)


def fold_errors(trial: Trial) -> dict[str, float]:
    """Return each method's mean absolute error over all windows, steps and targets of a fold, in units of MASE.

    Targets that were not observed, and series with a constant history, are left out; where all histories are
    constant, errors are in the unit of the data. A method without a forecast where another has one gets infinity.
    """
    windows, middle = trial.windows, trial.levels.index(0.5)
    actual = windows.actual(np.arange(len(windows)))
    by = np.broadcast_to(trial.yardsticks[windows.series][:, None, :], actual.shape)
    by = by if (np.isfinite(by) & ~np.isnan(actual)).any() else np.ones(actual.shape)
    seen = ~np.isnan(actual) & np.isfinite(by)
    errors = {}
    for name, forecast in trial.forecasts.items():
        if name != AUTO and seen.any():
            error = float(np.mean(np.abs(forecast[..., middle] - actual)[seen] / by[seen]))
            errors[name] = error if np.isfinite(error) else np.inf
    return errors


def decide(folds: Sequence[Mapping[str, float]]) -> Gate:
    """Decide who forecasts.

    Args:
        folds: Errors by method, oldest fold first; the naive forecast in all, others from some fold on.

    Raises:
        ParameterError: There are fewer than two folds.

    Example:
        >>> steady = [{"naive": 1.0, "theta": 0.6}, {"naive": 1.2, "theta": 0.7}, {"naive": 0.9, "theta": 0.55}]
        >>> gate = decide(steady)
        >>> gate.decision, gate.sentence
        ('theta', "theta forecasts: its error was 40.2 % below naive's over 3 folds, beyond chance.")
        >>> decide([{"naive": 1.0, "theta": 0.6}, {"naive": 1.2, "theta": 1.3}]).decision
        'naive'
    """
    if len(folds) < FEWEST_FOLDS:
        raise ParameterError(f"There are {len(folds)} folds; a decision needs {FEWEST_FOLDS} at least.")
    errors = _by_method(folds)
    ratios = {name: log_ratio(found, errors[NAIVE]) for name, found in errors.items() if name != NAIVE}
    level = 1.0 - CHANCE / max(len(ratios), 1)
    mean = {name: float(found.mean()) for name, found in ratios.items()}
    good = {n for n, found in ratios.items() if passes(found, level) and mean[n] <= np.log1p(-LEAD)}
    spread = {name: _standard_error(found) for name, found in ratios.items()}
    baselines = {name: m for name, m in mean.items() if name != NETWORK} | {NAIVE: 0.0}
    standing = min((name for name in baselines if name in good), key=baselines.__getitem__, default=NAIVE)
    if NETWORK not in errors:
        return Gate(errors, mean, spread, standing, _told(standing, errors))
    rival = best_rival(errors)
    against = log_ratio(errors[NETWORK], errors[rival])
    decision = NETWORK if NETWORK in good and passes(against) else standing
    return Gate(errors, mean, spread, decision, _told(decision, errors, rival))


def leads(folds: Sequence[Mapping[str, float]]) -> bool:
    """Say whether the network is ahead of every baseline over these folds, on average: else it cannot pass on them.

    Example:
        >>> leads([{"naive": 1.0, "network": 0.9}]), leads([{"naive": 1.0, "theta": 0.8, "network": 0.9}])
        (True, False)
    """
    errors = _by_method(folds)
    return NETWORK in errors and _mean(errors, NETWORK, best_rival(errors)) < 0.0


def only_one(errors: Mapping[str, float], decision: str, why: str) -> Gate:
    """Return what is known where there is one fold: the winner on it, and why that was all."""
    kept = {name: (error,) for name, error in errors.items() if np.isfinite(error)}
    return Gate(
        kept, {}, {}, decision, f"{_title(decision)} forecasts, the winner on the held-out rows: {why}."
    )


def best_rival(errors: Mapping[str, Sequence[float]]) -> str:
    """Return the baseline with the smallest error, by mean logarithm, on the folds that the network was tested on."""
    last = {name: log_ratio(found, errors[NAIVE])[-len(errors[NETWORK]) :] for name, found in errors.items()}
    return min((name for name in errors if name != NETWORK), key=lambda name: float(last[name].mean()))


def _by_method(folds: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, ...]]:
    """Return each method's errors on the newest folds, back to the first without one; none if it failed there."""
    errors: dict[str, tuple[float, ...]] = {}
    for name in folds[-1]:
        known = [fold.get(name) for fold in folds]
        first = max((k + 1 for k, error in enumerate(known) if error is None), default=0)
        kept = tuple(float(error) for error in known[first:] if error is not None)
        if np.isfinite(kept).all():
            errors[name] = kept
    return errors


def _standard_error(ratios: Floats) -> float:
    return float(ratios.std(ddof=1) / np.sqrt(len(ratios))) if len(ratios) > 1 else 0.0


def _told(decision: str, errors: Mapping[str, Sequence[float]], rival: str | None = None) -> str:
    """Say in one sentence who forecasts and why."""
    folds = len(errors[NAIVE])
    if decision == NETWORK and rival is not None:
        shared = f"over {len(errors[NETWORK])} folds"
        others = [NAIVE] if rival == NAIVE else [NAIVE, rival]
        told = " and ".join(_apart(errors, NETWORK, other) for other in others)
        best = "" if rival == NAIVE else ", the best baseline"
        return f"The network forecasts: its error was {told}{best}, {shared}, beyond chance."
    network = "" if rival is None else _network_told(decision, errors)
    if decision == NAIVE:
        best = min((n for n in errors if n != NAIVE), key=lambda n: _mean(errors, n, NAIVE), default=None)
        if best is None:
            return "naive forecasts: there was no other method to test."
        lead = f"the lowest error, {_owned(best)}, was {_apart(errors, best, NAIVE)}"
        least = f"{100 * LEAD:.0f} %"
        return (
            f"naive forecasts: over {folds} folds no method was better by {least} and beyond chance ({lead})."
        )
    told = f"its error was {_apart(errors, decision, NAIVE)} over {folds} folds, beyond chance"
    return f"{decision} forecasts: {told}{network}."


def _network_told(decision: str, errors: Mapping[str, Sequence[float]]) -> str:
    """Say how the network did against the method that stands."""
    shared = f"on {len(errors[NETWORK])} of them"
    chance = ", which may be chance" if _mean(errors, NETWORK, decision) < 0.0 else ""
    return f"; the network's was {_apart(errors, NETWORK, decision)} {shared}{chance}"


def _mean(errors: Mapping[str, Sequence[float]], one: str, other: str) -> float:
    return float(log_ratio(errors[one], errors[other]).mean())


def _apart(errors: Mapping[str, Sequence[float]], one: str, other: str) -> str:
    share = 100.0 * float(np.expm1(_mean(errors, one, other)))
    return f"{abs(share):.1f} % {'below' if share < 0 else 'above'} {_owned(other)}"


def _owned(name: str) -> str:
    return f"{'the network' if name == NETWORK else name}'s"


def _title(name: str) -> str:
    return "The network" if name == NETWORK else name
