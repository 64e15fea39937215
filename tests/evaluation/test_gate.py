"""The gate: better than naive beyond chance, or naive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from forecast.data.windows import make_windows
from forecast.errors import ParameterError
from forecast.evaluation.baselines import COMPARISON, rolling
from forecast.evaluation.comparison import Trial, compare, set_beside
from forecast.evaluation.gate import Gate, decide, fold_errors, leads, log_ratio, only_one, passes
from tests.tables import panel_of, shops

NAN = float("nan")
HORIZON, BLOCK = 12, 24


def folds_of(**errors: list[float]) -> list[dict[str, float]]:
    """Folds of methods, an underscore in a name being a hyphen; None leaves a method out of a fold."""
    return [
        {name.replace("_", "-"): found[k] for name, found in errors.items() if found[k] is not None}
        for k in range(len(errors["naive"]))
    ]


def simulated(values: np.ndarray, season: int, folds: int) -> list[dict[str, float]]:
    """Errors of every baseline on the last blocks of a series, oldest first."""
    names = [name for name in COMPARISON if name != "seasonal-naive" or season > 1]
    found = []
    for k in range(folds, 0, -1):
        begin = len(values) - k * BLOCK
        origins = np.arange(begin, begin + BLOCK - HORIZON + 1, 4)
        actual = np.stack([values[o : o + HORIZON] for o in origins])
        fold = {n: rolling(n, values[: origins[-1]], origins, HORIZON, season) for n in names}
        found.append({n: float(np.abs(f - actual).mean()) for n, f in fold.items()})
    return found


def walk(rng: np.random.Generator) -> np.ndarray:
    return 100 + np.cumsum(rng.normal(size=240))


def seasonal(rng: np.random.Generator) -> np.ndarray:
    return 50 + 5 * np.sin(2 * np.pi * np.arange(240) / 12) + rng.normal(size=240) * 2


def trending(rng: np.random.Generator) -> np.ndarray:
    return 0.5 * np.arange(240) + rng.normal(size=240) * 2


# ---- the rule -----------------------------------------------------------------------------------


def test_log_ratios_are_of_the_newest_folds_that_both_have():
    np.testing.assert_allclose(log_ratio([1.0, 2.0], [9.0, 4.0, 1.0]), np.log([0.25, 2.0]))
    np.testing.assert_array_equal(log_ratio([0.0, 0.0, 1.0], [0.0, 1.0, 0.0]), [0.0, -20.0, 20.0])


def test_passing_is_the_mean_and_its_error_below_zero():
    ratios = np.array([-0.5, -0.1, -0.3, 0.1, -0.2])
    error = ratios.std(ddof=1) / np.sqrt(5)
    # Student's t with four degrees of freedom: 1.1416 at the level of one standard error, 2.1318 at 0.95.
    bound = -ratios.mean() / error
    assert 1.1416 < bound < 2.4
    assert passes(ratios) and passes(ratios, 0.95) == (bound > 2.1318)
    for multiple, level in ((1.1416, None), (2.1318, 0.95), (3.7469, 0.99)):
        more = {} if level is None else {"level": level}
        assert passes(ratios - ratios.mean() - error * multiple * 1.001, **more)
        assert not passes(ratios - ratios.mean() - error * multiple * 0.999, **more)


@pytest.mark.parametrize("ratios", [[], [-1.0], [0.0, 0.0, 0.0], [-1.0, NAN], [-1.0, NAN, -1.0]])
def test_nothing_passes_on_one_fold_or_none_or_a_gap(ratios):
    assert not passes(ratios)


@pytest.mark.parametrize("level", [0.0, 0.49, 1.0, NAN, 95])
def test_a_level_is_a_share(level):
    with pytest.raises(ParameterError, match="level is"):
        passes([-1.0, -1.0], level)


def test_fewer_folds_need_a_larger_lead():
    ratios = np.array([-0.3, -0.1])
    assert not passes(ratios, 0.95) and passes(np.tile(ratios, 6), 0.95)


# ---- the decision -------------------------------------------------------------------------------


def test_the_network_must_beat_naive_and_the_best_baseline():
    naive, theta = [1.0, 1.1, 0.9, 1.05, 1.0], [0.6, 0.66, 0.53, 0.64, 0.6]
    ahead = [0.5, 0.56, 0.44, 0.52, 0.5]
    assert decide(folds_of(naive=naive, theta=theta, network=ahead)).decision == "network"
    level = [0.61, 0.65, 0.53, 0.63, 0.61]
    assert decide(folds_of(naive=naive, theta=theta, network=level)).decision == "theta"
    lucky = [0.2, 1.3, 0.7, 1.2, 0.9]
    assert decide(folds_of(naive=naive, network=lucky)).decision == "naive"


def test_a_network_that_only_beats_naive_by_luck_does_not_stand():
    # Below naive by more than one standard error, which is not enough against seven rivals.
    naive, network = [1.0] * 5, [0.9, 1.02, 0.85, 0.97, 0.95]
    assert passes(log_ratio(network, naive))
    gate = decide(folds_of(naive=naive, network=network))
    many = decide(folds_of(naive=naive, network=network, **{f"m{k}": [1.1] * 5 for k in range(6)}))
    assert gate.decision == many.decision == "naive"
    assert "better by 1 % and beyond chance" in many.sentence and "7 folds" not in many.sentence


def test_the_best_of_those_that_pass_stands():
    gate = decide(
        folds_of(naive=[1.0, 1.1, 0.9, 1.0], drift=[0.7, 0.77, 0.64, 0.7], ses=[0.9, 0.99, 0.82, 0.9])
    )
    assert gate.decision == "drift"
    assert gate.mean["drift"] < gate.mean["ses"] < 0 < gate.standard_error["ses"]
    assert gate.sentence == "drift forecasts: its error was 29.7 % below naive's over 4 folds, beyond chance."


@pytest.mark.parametrize(("share", "decision"), [(0.992, "naive"), (0.988, "ses")])
def test_a_lead_of_less_than_one_percent_is_not_worth_leaving_naive(share, decision):
    naive = [3.46, 3.43, 3.33, 3.61, 3.23]
    ses = [share * error * (1 + wiggle) for error, wiggle in zip(naive, (1e-4, -1e-4) * 3, strict=False)]
    gate = decide(folds_of(naive=naive, ses=ses))
    assert gate.decision == decision and passes(np.log(np.array(ses) / naive), 0.95)


def test_a_method_that_failed_once_is_out_and_an_older_fold_may_lack_one():
    errors = folds_of(naive=[1.0, 1.1, 0.9], theta=[0.1, np.inf, 0.1], network=[None, 0.55, 0.45])
    gate = decide(errors)
    assert set(gate.errors) == {"naive", "network"} and gate.errors["network"] == (0.55, 0.45)
    assert gate.table.to_dict("list") == {
        "fold": [1, 2, 2, 3, 3],
        "method": ["naive", "naive", "network", "naive", "network"],
        "error": [1.0, 1.1, 0.55, 0.9, 0.45],
    }


def test_equal_errors_are_naive():
    gate = decide(folds_of(naive=[1.0, 2.0], ses=[1.0, 2.0], network=[1.0, 2.0]))
    assert gate.decision == "naive"
    assert (
        decide(folds_of(naive=[1.0, 2.0])).sentence == "naive forecasts: there was no other method to test."
    )


def test_a_constant_history_is_naive():
    assert decide(folds_of(naive=[0.0] * 5, drift=[0.0] * 5, network=[0.1] * 5)).decision == "naive"


def test_a_network_behind_leads_nowhere():
    ahead = folds_of(naive=[1.0, 1.0], theta=[0.9, 0.9], network=[0.8, 0.9])
    assert leads(ahead) and not leads(folds_of(naive=[1.0], theta=[0.9], network=[0.95]))
    assert not leads(folds_of(naive=[1.0], network=[np.inf])) and not leads(folds_of(naive=[1.0]))
    # Who does not lead does not pass.
    level = folds_of(naive=[1.0, 1.2], theta=[0.9, 0.9], network=[0.9, 0.9])
    assert not leads(level) and decide(level).decision != "network"


def test_one_fold_tells_why_it_was_all():
    gate = only_one({"naive": 1.0, "ses": 0.9, "network": np.inf}, "ses", "there are too few rows")
    assert gate.errors == {"naive": (1.0,), "ses": (0.9,)} and gate.decision == "ses"
    assert gate.sentence == "ses forecasts, the winner on the held-out rows: there are too few rows."
    with pytest.raises(ParameterError, match="There are 1 folds"):
        decide([{"naive": 1.0}])


# ---- errors of a fold ---------------------------------------------------------------------------


def trial_of(**change: Any) -> Trial:
    panel = panel_of(shops())
    windows = make_windows(panel, context=8, horizon=3, first=panel.ends - 6)
    forecasts = windows.actual(np.arange(len(windows)))[..., None] + 2.0
    trial = set_beside(forecasts, windows, None, (0.5,), 7)
    return replace(trial, **change)


def test_errors_are_those_of_the_comparison():
    trial = trial_of()
    errors, table = fold_errors(trial), compare(trial).set_index("method")["MASE"]
    assert set(errors) == set(table.index)
    for name, error in errors.items():
        assert error == pytest.approx(table[name])


def test_constant_histories_leave_errors_in_the_unit_of_the_data():
    trial = trial_of()
    plain = trial_of(yardsticks=np.full_like(trial.yardsticks, NAN))
    assert fold_errors(plain)["network"] == pytest.approx(2.0)
    some = trial.yardsticks.copy()
    some[1:] = NAN
    assert fold_errors(trial_of(yardsticks=some))["network"] == pytest.approx(2.0 / some[0, 0])


def test_a_missing_forecast_is_no_zero():
    broken = trial_of().forecasts | {"network": trial_of().forecasts["network"] * NAN}
    errors = fold_errors(trial_of(forecasts=broken))
    assert errors["network"] == np.inf and np.isfinite(errors["naive"])


# ---- how often it is right ----------------------------------------------------------------------


def decisions(make: Callable[..., np.ndarray], season: int, folds: int, times: int) -> list[Gate]:
    return [decide(simulated(make(np.random.default_rng(seed)), season, folds)) for seed in range(times)]


@pytest.mark.parametrize(
    ("season", "folds", "times"),
    [
        (12, 5, 60),
        pytest.param(1, 5, 300, marks=pytest.mark.slow),
        pytest.param(12, 3, 300, marks=pytest.mark.slow),
    ],
)
def test_random_walks_are_naive(season, folds, times):
    gates = decisions(walk, season, folds, times)
    # One standard error alone would let a third of them pass.
    fooled = sum(gate.decision != "naive" for gate in gates)
    loose = sum(
        any(passes(log_ratio(e, gate.errors["naive"])) for n, e in gate.errors.items() if n != "naive")
        for gate in gates
    )
    assert fooled <= 0.05 * times
    assert loose > 0.15 * times


def test_a_season_is_seen():
    gates = decisions(seasonal, 12, 5, 20)
    assert sum(gate.decision in ("seasonal-naive", "theta", "holt-winters") for gate in gates) >= 19


def test_a_trend_is_seen():
    gates = decisions(trending, 1, 5, 20)
    assert sum(gate.decision in ("drift", "theta", "holt-winters") for gate in gates) >= 19
