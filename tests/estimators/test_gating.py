"""Several folds decide who forecasts; what a model file tells of them and of widths is checked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.errors import TrainingDiverged
from forecast.estimators import gating
from forecast.estimators.checking import check_gate, check_widths
from forecast.estimators.fitting import fit_panel
from forecast.estimators.gating import Folds, lay_folds
from forecast.estimators.setting import Setting
from forecast.estimators.shifts import shift_numbers, stored_shift
from forecast.evaluation.comparison import winner
from forecast.evaluation.gate import decide
from forecast.evaluation.intervals import ConformalShift
from forecast.evaluation.widths import Cases, Widths
from tests.tables import PLAIN, panel_of, shops

SMALL: dict[str, Any] = {"horizon": 4, "context": 8, "model": "rnn", "units": 2, "epochs": 1, "season": 1}
SMALL |= {"anchor": "last", "target_transform": "none", "skip": False}
WALK = {"time": "hour", "target": ("wealth",)}
LEVELS = (0.1, 0.5, 0.9)


def walk(rows: int = 160, *, seed: int = 3) -> pd.DataFrame:
    """A random walk."""
    wealth = 50 + np.cumsum(np.random.default_rng(seed).normal(size=rows))
    return pd.DataFrame({"hour": pd.date_range("2024-01-01", periods=rows, freq="h"), "wealth": wealth})


def best(table: pd.DataFrame, **more: Any) -> forecast.Forecaster:
    return forecast.Forecaster(**(SMALL | {"method": "best"} | more)).fit(table)


@pytest.fixture(scope="module")
def walked() -> forecast.Forecaster:
    """Fitted with a gate to a random walk."""
    return best(walk())


class Fits:
    """Stands in for ``fit_network``: notes what it is asked for, and returns the network of the comparison."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, stopped: dict[int, str] | None = None) -> None:
        self.stops, self.budgets, self.asked = [], [], 0
        self._stopped, self._run = stopped or {}, gating.run_gate
        monkeypatch.setattr(gating, "fit_network", self.fit)
        monkeypatch.setattr("forecast.estimators.fitting.run_gate", self.run)
        # However bad the untrained network is, all of its folds are run.
        monkeypatch.setattr(gating, "leads", lambda folds: True)

    def run(self, network: Any, *others: Any, **named: Any) -> Any:
        self._network = network
        return self._run(network, *others, **named)

    def fit(self, panel: Any, setting: Any, options: Any, stop: np.ndarray, *, listeners: Any) -> Any:
        self.asked += 1
        self.stops.append(stop.tolist())
        self.budgets.append(options.budget)
        assert listeners.announce is None
        why = self._stopped.get(self.asked, "epochs")
        if why == "diverged":
            raise TrainingDiverged("the loss is not finite")
        return replace(self._network, record=replace(self._network.record, stopped=why)), None


# ---- where folds lie ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "held", "expected"),
    [
        (400, 40, Folds(40, 4, 6)),  # four blocks as long as the held-out part
        (160, 40, Folds(16, 4, 5)),  # shorter ones: 56 of the 120 rows are needed to train on
        (100, 20, Folds(12, 2, 4)),  # not even four of one horizon
        (68, 12, Folds(12, 0, 2)),
        (60, 12, Folds(12, 0, 2)),
    ],
)
def test_folds_are_as_many_and_as_long_as_rows_allow(rows, held, expected):
    panel = panel_of(shops(rows=rows, series=1))
    setting = Setting(12, 24, 1, held, 20, "error")
    stop = panel.ends - held
    found = lay_folds(panel, setting, stop)
    assert found == expected


def test_many_series_have_no_more_folds_for_baselines():
    panel = panel_of(shops(rows=400, series=25))
    found = lay_folds(panel, Setting(4, 8, 1, 8, 8, "error"), panel.ends - 8)
    assert found.baseline == found.network == 4


def test_every_fit_sees_only_rows_before_its_fold(monkeypatch):
    fits, table = Fits(monkeypatch), shops(rows=120, series=2)
    model = forecast.Forecaster(**(SMALL | PLAIN), method="best").fit(table)
    setting = model.fitted_.setting
    ends = np.cumsum([120, 115])
    folds = lay_folds(panel_of(table), setting, np.array([120, 235]) - setting.holdout)
    expected = [(ends - setting.holdout - k * folds.block).tolist() for k in range(1, folds.network + 1)]
    assert fits.stops == expected and len(expected) == 4


@pytest.mark.parametrize("back", [0, 1])
def test_what_lies_behind_a_fold_does_not_change_it(monkeypatch, back):
    Fits(monkeypatch)
    table = walk()
    setting = best(table).fitted_.setting
    block = lay_folds(panel_of(table, **WALK), setting, np.array([160 - setting.holdout])).block
    spoilt = table.copy()
    last = 160 - setting.holdout - back * block
    spoilt.loc[last:, "wealth"] += np.random.default_rng(0).normal(size=160 - last) * 20
    one, other = (
        best(t).gate_.query("method != 'network'").pivot(index="fold", columns="method", values="error")
        for t in (table, spoilt)
    )
    before = len(one) - 1 - back
    assert before >= 2
    pd.testing.assert_frame_equal(one.iloc[:before], other.iloc[:before], check_exact=True)
    assert not np.allclose(one.iloc[before:], other.iloc[before:])


# ---- who forecasts ------------------------------------------------------------------------------


def test_a_random_walk_is_forecast_by_naive_exactly(walked):
    table = walked.predict()
    assert table.attrs["method"] == "naive"
    np.testing.assert_array_equal(table["forecast"], walk()["wealth"].iloc[-1])
    gate = walked.gate_
    assert gate.attrs["decision"] == "naive" and gate.attrs["sentence"].startswith("naive forecasts: over ")
    newest = gate[gate["fold"] == gate["fold"].max()].set_index("method")["error"]
    compared = walked.comparison_.set_index("method")["MASE"]
    assert set(newest.index) == set(compared.index)
    for name, error in newest.items():
        assert error == pytest.approx(compared[name])


def test_the_gate_changes_nothing_else(walked):
    plain = forecast.Forecaster(**SMALL).fit(walk())
    assert plain.gate_ is None
    pd.testing.assert_frame_equal(plain.comparison_, walked.comparison_, check_exact=True)
    pd.testing.assert_frame_equal(plain.predict(), walked.predict(method="network"), check_exact=True)
    # Without a gate, "best" is whoever won on the held-out rows.
    assert plain.predict(method="best").attrs["method"] == winner(plain.comparison_)


def test_a_season_is_forecast_by_a_method_that_knows_it(monkeypatch):
    Fits(monkeypatch)
    t = np.arange(200)
    table = walk(200).assign(
        wealth=50 + 9 * np.sin(2 * np.pi * t / 12) + np.random.default_rng(0).normal(size=200)
    )
    model = best(table, season=12)
    assert model.predict().attrs["method"] in ("seasonal-naive", "theta", "holt-winters")
    assert "beyond chance" in model.gate_.attrs["sentence"]


def test_a_decision_is_kept_in_the_file(walked, tmp_path):
    walked.save(tmp_path / "m.forecast")
    loaded = forecast.load(tmp_path / "m.forecast")
    pd.testing.assert_frame_equal(loaded.gate_, walked.gate_, check_exact=True)
    assert loaded.gate_.attrs == walked.gate_.attrs
    pd.testing.assert_frame_equal(loaded.predict(), walked.predict(), check_exact=True)


def test_too_few_rows_are_told_and_the_winner_forecasts():
    model = best(walk(28), holdout=8)
    table = model.gate_
    assert table["fold"].unique().tolist() == [1]
    assert table.attrs["decision"] == winner(model.comparison_) == model.predict().attrs["method"]
    assert "too few rows to train on before a second fold" in table.attrs["sentence"]


def test_a_network_that_is_behind_is_tested_no_further(monkeypatch):
    fits = Fits(monkeypatch)
    monkeypatch.undo()
    monkeypatch.setattr(gating, "fit_network", fits.fit)
    monkeypatch.setattr("forecast.estimators.fitting.run_gate", fits.run)
    monkeypatch.setattr(gating, "leads", lambda folds: len(folds) < 4)
    assert fits.asked == 0
    model = best(walk())
    assert fits.asked == 3
    assert (model.gate_["method"] == "network").sum() == 4


def test_how_many_more_networks_are_trained_is_told_once(monkeypatch):
    fits, told = Fits(monkeypatch), []
    forecast.Forecaster(**(SMALL | {"method": "best", "holdout": 40})).fit(walk(), announce=told.append)
    (tests,) = [choice for choices in told for choice in choices if choice.what == "tests"]
    assert fits.asked == 4 and tests.value == "4 more networks" and "an earlier block of 23 rows" in tests.why


# ---- what may happen on the way -----------------------------------------------------------------


def test_a_fit_that_diverges_counts_as_lost(monkeypatch):
    Fits(monkeypatch, stopped={2: "diverged"})
    gate = best(walk()).gate_
    assert "network" not in set(gate["method"]) and gate["fold"].max() >= 5
    assert gate.attrs["decision"] == "naive"


@pytest.mark.parametrize(("at", "folds"), [(1, 1), (3, 3)])
def test_an_interruption_ends_the_folds_and_the_fit(monkeypatch, at, folds):
    fits = Fits(monkeypatch, stopped={at: "interrupted"})
    went_on = []
    monkeypatch.setattr("forecast.estimators.fitting.go_on", lambda *a, **k: went_on.append(a))
    model = best(walk())
    assert fits.asked == at and not went_on
    assert model.gate_["fold"].max() == folds
    assert model.fitted_.network.record.stopped == "interrupted"
    assert ("interrupted before a second fold" in model.gate_.attrs["sentence"]) == (folds == 1)
    assert np.isfinite(model.predict()["forecast"]).all()


def test_an_interrupted_first_fit_runs_no_fold(monkeypatch):
    fits = Fits(monkeypatch)
    model = forecast.Forecaster(**SMALL, method="best").fit(walk(), interrupted=lambda: True)
    assert fits.asked == 0 and "interrupted" in model.gate_.attrs["sentence"]
    assert np.isfinite(model.predict()["forecast"]).all()


def test_the_folds_share_half_of_the_budget(monkeypatch):
    fits, whole = Fits(monkeypatch), []
    real = fit_panel.__globals__["fit_network"]

    def noted(panel: Any, setting: Any, options: Any, stop: Any, **named: Any) -> Any:
        whole.append(options.budget)
        return real(panel, setting, options, stop, **named)

    monkeypatch.setitem(fit_panel.__globals__, "fit_network", noted)
    best(walk(), budget=800.0, refit=False)
    assert fits.budgets == [100.0] * 4 and whole == [300.0]


# ---- model files --------------------------------------------------------------------------------


def test_a_gate_that_cannot_be_is_refused():
    gate = decide([{"naive": 1.0, "theta": 0.5}, {"naive": 1.1, "theta": 0.5}])
    assert check_gate(gate) is gate
    for bad in (
        replace(gate, decision="drift"),
        replace(gate, errors=gate.errors | {"theta": ()}),
        replace(gate, errors=gate.errors | {"theta": (-1.0, 1.0)}),
        replace(gate, errors=gate.errors | {"theta": (np.inf, 1.0)}),
        replace(gate, errors=gate.errors | {"oracle": (1.0, 1.0)}),
    ):
        with pytest.raises(ValueError):
            check_gate(bad)


def test_widths_that_cannot_be_are_refused():
    shift = ConformalShift(LEVELS, np.zeros((4, 2, 3)), np.ones((4, 2, 3), np.int64))
    good = np.ones((5, 2, 3), np.float32)
    ids = tuple("abcde")
    assert check_widths(Widths(ids, good), shift).factors is good
    moved, negative, infinite = good.copy(), good.copy(), good.copy()
    moved[0, 0, 1], negative[0, 0, 0], infinite[1, 1, 2] = 1.5, -1.0, np.inf
    for bad in (moved, negative, infinite, good[:4], good.astype(np.float64), good[..., :2]):
        with pytest.raises(ValueError):
            check_widths(Widths(ids, bad), shift)


def test_widths_are_kept_by_series_and_new_series_have_those_of_the_pool():
    panel = panel_of(shops())
    ids = ["s1"] * 20 + ["gone"] * 20
    scores = np.random.default_rng(0).normal(size=(40, 3, 1))
    shift = ConformalShift.fit(scores, LEVELS, cases=Cases(ids, np.arange(40)))
    numbers = shift_numbers({"theta": shift, "ses": replace(shift, widths=None)}, panel)
    assert set(numbers) == {"shift theta", "counts theta", "widths theta", "shift ses", "counts ses"}
    back = stored_shift("theta", numbers, LEVELS, panel)
    np.testing.assert_array_equal(back.widths.of(["s0", "s1"]), shift.widths.of(["new", "s1"]))
    assert stored_shift("ses", numbers, LEVELS, panel).widths is None
    with pytest.raises(ValueError):
        stored_shift("theta", numbers | {"widths theta": numbers["widths theta"][:2]}, LEVELS, panel)


# ---- widths of an estimator ---------------------------------------------------------------------


def uneven(rows: int = 300) -> pd.DataFrame:
    """Two shops of equal seasonal changes, one of them with rare large errors of the forecast."""
    rng = np.random.default_rng(5)
    parts = []
    for name, noise in (("calm", 0.2), ("wild", 3.0)):
        sold = 20 + 5 * np.sin(2 * np.pi * np.arange(rows) / 7) + np.cumsum(rng.normal(size=rows) * noise)
        day = pd.date_range("2024-01-01", periods=rows, freq="D")
        parts.append(pd.DataFrame({"shop": name, "day": day, "sold": sold + rng.normal(size=rows)}))
    return pd.concat(parts, ignore_index=True)


def ranged(model: Any, table: pd.DataFrame) -> pd.Series:
    found = model.predict(table)
    return (found["q0.9"] - found["q0.1"]).groupby(found["shop"]).mean()


def test_baselines_have_widths_of_their_own_which_files_and_updates_keep(tmp_path):
    table = uneven()
    before = table[table["day"] < pd.Timestamp("2024-09-01")]
    roles = {"time": "day", "id": "shop", "target": "sold", "season": 7}
    model = forecast.Baseline("naive", 5, **roles).fit(before)
    widths = model.fitted_.shift.widths
    assert widths.ids == ("calm", "wild") and not np.allclose(widths.factors[0], widths.factors[1])
    model.save(tmp_path / "m.forecast")
    loaded = forecast.load(tmp_path / "m.forecast")
    pd.testing.assert_frame_equal(loaded.predict(), model.predict(), check_exact=True)
    # Ids that training did not know get the pool's widths.
    renamed = before.assign(shop=before["shop"] + "-2")
    pooled = replace(model.fitted_, shift=replace(model.fitted_.shift, widths=None))
    other = forecast.Baseline("naive", 5, **roles)
    other.fitted_, other.from_arrays_ = pooled, False
    np.testing.assert_array_equal(ranged(model, renamed), ranged(other, renamed))
    assert not np.allclose(ranged(model, before), ranged(other, before))
    # Updates move the pool and keep the proportions of the series.
    model.update(table)
    assert model.fitted_.shift.widths is widths
    shares = model.coverage_["coverage"]
    assert shares.between(0.7, 0.95).all()


def test_what_was_realised_is_what_the_widths_reached():
    table = uneven()
    before = table[table["day"] < pd.Timestamp("2024-09-01")]
    model = forecast.Baseline("naive", 1, time="day", id="shop", target="sold", season=7).fit(before)
    first = before["day"].max() + pd.Timedelta(days=1)
    told = model.predict().set_index("shop")
    actual = table[table["day"] == first].set_index("shop")["sold"]
    below = [(actual[name] <= told.loc[name, "q0.9"]) for name in ("calm", "wild")]
    model.update(table[table["day"] <= first])
    assert model.coverage_["q0.9"].tolist() == [np.mean(below)]
