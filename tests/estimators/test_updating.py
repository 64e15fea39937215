"""Updates: newer rows move the intervals and nothing else, whatever way they arrive."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.data.gridding import to_panel
from forecast.data.panel import Panel
from forecast.data.table import read_table
from forecast.errors import InputError
from forecast.estimators.joining import continued
from forecast.estimators.updating import adaptations, find_news, updated
from tests.tables import COVARIATES, PLAIN, SMALL_NETWORK, panel_of, shops

SMALL = SMALL_NETWORK | {"epochs": 2}
BASELINE = {"time": "day", "id": "shop", "target": "sold", "season": 7}


def until(table: pd.DataFrame, day: str) -> pd.DataFrame:
    return table[table["day"] < pd.Timestamp(day)]


def network(table: pd.DataFrame, **more: object) -> forecast.Forecaster:
    return forecast.Forecaster(**(SMALL | PLAIN | more)).fit(table)


def baseline(table: pd.DataFrame, **more: object) -> forecast.Baseline:
    return forecast.Baseline("ses", **({"horizon": 3} | BASELINE | more)).fit(table)


MAKERS = {"network": network, "baseline": baseline}
every = pytest.mark.parametrize(
    "make", [pytest.param(network, marks=pytest.mark.slow), baseline], ids=MAKERS.keys()
)


def louder(rows: int = 5000, cut: int = 1000, *, seed: int = 0) -> pd.DataFrame:
    """One series of noise that doubles behind ``cut``."""
    noise = np.random.default_rng(seed).normal(size=rows) * np.where(np.arange(rows) < cut, 1, 2)
    return pd.DataFrame({"hour": pd.date_range("2024-01-01", periods=rows, freq="h"), "load": 50 + noise})


def alike(one: Any, other: Any, **how: Any) -> None:
    """Two estimators forecast alike and have seen alike."""
    pd.testing.assert_frame_equal(one.predict(), other.predict(), **how)
    pd.testing.assert_frame_equal(one.coverage_, other.coverage_, **how)


@every
def test_the_history_grows_and_medians_stay(make):
    table = shops(rows=90)
    model, static = make(until(table, "2024-03-01")), make(until(table, "2024-03-01"))
    assert model.update(table) is model
    want = static.predict(table)
    found = model.predict()
    np.testing.assert_allclose(found["forecast"], want["forecast"], rtol=1e-6)
    assert found["day"].equals(want["day"])
    assert not np.allclose(found[["q0.1", "q0.9"]], want[["q0.1", "q0.9"]])
    assert model.coverage_.columns.tolist()[:3] == ["method", "step", "q0.1"]


@every
def test_known_rows_change_nothing(make):
    table = shops(rows=90)
    model, once = make(until(table, "2024-03-01")), make(until(table, "2024-03-01"))
    for rows in (table, table, until(table, "2024-03-10"), table.groupby("shop").tail(4)):
        model.update(rows)
    alike(model, once.update(table), check_exact=True)
    spoilt = table.assign(sold=table["sold"] * 5)
    alike(model.update(spoilt), once, check_exact=True)


@every
def test_rows_alone_do_as_the_whole_table(make):
    table = shops(rows=90)
    newer = table[table["day"] >= "2024-03-01"]
    one, other = make(until(table, "2024-03-01")), make(until(table, "2024-03-01"))
    alike(one.update(newer), other.update(table), check_exact=True)


@every
def test_every_actual_counts_once_for_each_step(make):
    table = shops(rows=90)
    model = make(until(table, "2024-03-01"))
    for day in ("2024-03-05", "2024-03-06", "2024-03-30", "2024-04-30"):
        model.update(until(table, day))
    newer = int((table["day"] >= "2024-03-01").sum())
    assert model.coverage_["scores"].tolist() == [newer] * len(model.coverage_)
    assert len(model.coverage_) % 3 == 0


@pytest.mark.parametrize("name", ["network", "drift"])
def test_in_pieces_all_is_equal_at_horizon_one(name):
    """Methods that smooth choose their weights anew in each piece; others forecast the same from each origin."""
    table = shops(rows=90)
    known = until(table, "2024-03-01")
    if name == "network":
        whole, pieces = (network(known, horizon=1, holdout=0) for _ in range(2))
    else:
        whole, pieces = (forecast.Baseline(name, horizon=1, **BASELINE).fit(known) for _ in range(2))
    for day in ("2024-03-02", "2024-03-09", "2024-04-30"):
        pieces.update(until(table, day))
    alike(pieces, whole.update(table), rtol=1e-9)


@every
def test_in_pieces_the_same_actuals_move_shifts_nearly_alike(make):
    table = shops(rows=120)
    whole, pieces = (make(until(table, "2024-03-01")) for _ in range(2))
    for day in pd.date_range("2024-03-02", "2024-05-01", freq="9D").astype(str):
        pieces.update(until(table, day))
    pieces.update(table)
    whole.update(table)
    assert pieces.coverage_["scores"].equals(whole.coverage_["scores"])
    one, other = whole.predict(), pieces.predict()
    width = (one["q0.9"] - one["q0.1"]).mean()
    np.testing.assert_allclose(one[["q0.1", "q0.9"]], other[["q0.1", "q0.9"]], atol=0.1 * width)


def test_intervals_follow_noise_that_doubles():
    table = louder()
    roles = {"time": "hour", "target": "load", "horizon": 3, "season": 1}
    for make in (
        lambda t: forecast.Baseline("mean", **roles).fit(t),
        lambda t: forecast.Forecaster(
            **roles, context=8, model="rnn", preset="fast", units=4, epochs=2, holdout=100
        ).fit(t),
    ):
        model = make(table[:1000])
        before = model.predict()
        middle, half = before["forecast"].iloc[0], (before["q0.9"] - before["q0.1"]).iloc[0] / 2
        static = np.mean(np.abs(table["load"][1000:] - middle) <= half)
        assert static < 0.58
        for end in range(1250, 5001, 250):
            model.update(table[:end])
        seen = model.coverage_
        assert seen["coverage"].to_numpy() == pytest.approx(0.8, abs=0.03)
        assert seen["scores"].unique().tolist() == [4000]
        after = model.predict()
        assert (after["q0.9"] - after["q0.1"]).iloc[0] > 1.6 * 2 * half


def test_nothing_is_trained():
    table = shops(rows=90)
    model = network(until(table, "2024-03-01"), holdout=12)
    weights = [w.copy() for w in model.model_.get_weights()]
    comparison = model.comparison_.copy()
    model.update(table)
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.model_.get_weights(), strict=True))
    pd.testing.assert_frame_equal(model.comparison_, comparison)


@pytest.mark.parametrize(
    "more", [{"head": "normal"}, {"model": "autoregressive", "model_options": {"paths": 20}}]
)
def test_intervals_of_distributions_and_paths_are_adapted(more):
    table = shops(rows=80)
    model = network(until(table, "2024-03-01"), **more)
    static = model.predict(table)
    model.update(table)
    found = model.predict()
    np.testing.assert_array_equal(found["forecast"], static["forecast"])
    assert (found["q0.9"] != static["q0.9"]).all() and (found["q0.9"] > found["q0.1"]).all()


def test_every_calibrated_method_is_adapted():
    table = shops(rows=90)
    model = network(until(table, "2024-03-01"), holdout=12)
    static = {name: model.predict(table, method=name) for name in ("network", "theta", "auto")}
    model.update(table)
    assert set(model.coverage_["method"]) == {*model.comparison_["method"], "auto"}
    for name, before in static.items():
        after = model.predict(method=name)
        assert not np.allclose(after["q0.9"], before["q0.9"]), name
        assert (after["q0.1"] <= after["forecast"]).all() and (after["forecast"] <= after["q0.9"]).all()


@pytest.mark.parametrize("day", ["2024-03-12", "2024-03-20"])
def test_shifts_known_at_a_time_see_nothing_from_then_on(day):
    """Scramble all rows from a day on: what was used for windows up to it stays equal bit for bit."""
    table = shops(rows=90)
    fitted = network(until(table, "2024-03-01"), holdout=12).fitted_
    scrambled = table.copy()
    behind = scrambled["day"] >= pd.Timestamp(day)
    scrambled.loc[behind, "sold"] = np.random.default_rng(1).normal(size=behind.sum()) * 1e3

    def used(rows: pd.DataFrame) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        panel = continued(fitted.history, panel_of(rows))
        windows = fitted.network.windows(panel, scales=fitted.scales, first=panel.ends)
        news = find_news(fitted.history, windows, fitted.setting.context)
        # Clock: days since the first row of all.
        last = (pd.Timestamp(day) - panel.starts.min()).days
        found = adaptations(fitted, news)
        return {name: a.used[a.times <= last] for name, a in found.items()}, {
            name: a.used[a.times > last] for name, a in found.items()
        }

    (upto, behind_it), (same, moved) = used(table), used(scrambled)
    for name, want in upto.items():
        assert len(want) > 5
        np.testing.assert_array_equal(same[name], want)
        assert not np.array_equal(moved[name], behind_it[name])


@every
def test_blank_rows_behind_the_newest_target_change_nothing(make):
    table = shops(rows=90)
    ahead = table.groupby("shop").tail(5).assign(sold=np.nan)
    ahead["day"] += pd.Timedelta(days=5)
    one, other = make(until(table, "2024-03-01")), make(until(table, "2024-03-01"))
    alike(one.update(pd.concat([table, ahead])), other.update(table), check_exact=True)


@every
def test_files_and_copies_keep_an_update(make, tmp_path):
    table = shops(rows=90)
    model = make(until(table, "2024-03-01")).update(until(table, "2024-03-20"))
    model.save(tmp_path / "m.forecast")
    again = forecast.load(tmp_path / "m.forecast")
    alike(again, model, check_exact=True)
    alike(again.update(table), model.update(table), check_exact=True)


@every
def test_a_gap_is_missing_rows(make):
    table = shops(rows=90)
    newer = table[table["day"] >= "2024-03-10"]
    model, static = make(until(table, "2024-03-01")), make(until(table, "2024-03-01"))
    model.update(newer)
    gappy = pd.concat([until(table, "2024-03-01"), newer])
    np.testing.assert_allclose(model.predict()["forecast"], static.predict(gappy)["forecast"], rtol=1e-6)
    assert (model.coverage_["scores"] <= len(newer)).all() and (model.coverage_["scores"] > 0).all()
    late = model.coverage_
    pd.testing.assert_frame_equal(model.update(table).coverage_, late)


@every
def test_a_new_series_counts_from_its_next_update_on(make):
    table = shops(rows=90, series=3)
    two = table[table["shop"] != "s1"]
    model, static = make(until(two, "2024-03-01")), make(until(two, "2024-03-01"))
    joined = pd.concat([until(two, "2024-03-01"), until(table[table["shop"] == "s1"], "2024-03-20")])
    model.update(joined)
    assert model.coverage_.empty
    found = model.predict()
    assert found["shop"].unique().tolist() == ["s0", "s1", "s2"]
    others = found[found["shop"] != "s1"].drop(columns="source", errors="ignore").reset_index(drop=True)
    pd.testing.assert_frame_equal(others, static.predict(), check_exact=True)
    model.update(table)
    assert (
        model.coverage_["scores"].iloc[0]
        == (table["day"] >= "2024-03-01").sum()
        - ((table["shop"] == "s1") & (table["day"] >= "2024-03-01") & (table["day"] < "2024-03-20")).sum()
    )


def test_windows_wait_for_what_must_be_known_ahead():
    table = shops(rows=90, covariates=True)
    model = forecast.Forecaster(**(SMALL | COVARIATES), holdout=12).fit(until(table, "2024-03-01"))
    model.update(until(table, "2024-03-11"))
    seen = model.coverage_.query("method == 'network'")["scores"].tolist()
    # Ten newer days a series, and steps 1 and 2 of the two windows that the fit's end cut; those that begin on
    # the last two days wait.
    assert seen == [3 * (8 + 2), 3 * (9 + 1), 3 * 10]
    ahead = until(table, "2024-03-13").copy()
    ahead.loc[ahead["day"] >= "2024-03-11", ["sold", "visits"]] = np.nan
    model.update(ahead)
    assert model.coverage_.query("method == 'network'")["scores"].tolist() == [3 * 12, 3 * 11, 3 * 10]
    assert model.predict(horizon=2)["day"].min() == pd.Timestamp("2024-03-11")


def test_arrays_follow_those_of_the_fit():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(160, 1))
    y = 5 + x[:, 0] + 0.1 * rng.normal(size=160)
    model = forecast.Forecaster(
        horizon=3, context=8, model="rnn", preset="fast", units=4, epochs=2, season=1
    ).fit(x[:120], y[:120])
    whole = forecast.Forecaster(
        horizon=3, context=8, model="rnn", preset="fast", units=4, epochs=2, season=1
    ).fit(x[:120], y[:120])
    model.update(x[120:150], y[120:150])
    np.testing.assert_array_equal(model.fitted_.history.targets[-30:, 0], y[120:150])
    assert model.coverage_["scores"].max() > 20
    assert not np.allclose(model.predict(x[150:153]), whole.predict(x[150:153]))
    with pytest.raises(InputError, match=r"update\(X, y\)"):
        model.update(x[150:])
    with pytest.raises(InputError, match="y has 2 columns"):
        model.update(x[150:], np.column_stack([y, y])[150:])


def test_what_cannot_follow_is_one_line():
    table = shops(rows=60)
    model = baseline(table)
    far = table.groupby("shop").tail(2).copy()
    far["day"] += pd.Timedelta(days=70_000)
    between = table.groupby("shop").tail(2).copy()
    between["day"] += pd.Timedelta(hours=36)
    for rows, word in (
        (far, "steps behind"),
        (between, "between two steps"),
        (table.drop(columns="sold"), "sold"),
    ):
        with pytest.raises(InputError, match=word) as caught:
            model.update(rows)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="leave out y"):
        model.update(table, table["sold"])


def test_rows_without_times_must_repeat_the_stored_ones():
    values = np.random.default_rng(0).normal(size=150)
    model = forecast.Baseline("mean", horizon=2, season=1).fit(values[:100])
    with pytest.raises(InputError, match="no time column"):
        model.update(values[100:])
    assert model.update(values).predict()["step"].tolist() == [150, 151]
    assert model.coverage_["scores"].tolist() == [50, 50]


def test_an_uncalibrated_network_only_grows_its_history():
    table = shops(rows=90)
    model = network(until(table, "2024-03-01"), holdout=0, calibrate=False)
    static = model.predict(table)
    pd.testing.assert_frame_equal(model.update(table).predict(), static)
    assert model.coverage_.empty


# ---- joining ------------------------------------------------------------------------------------


def _panel(sold: list[float], start: str, shop: str = "a", **more: list) -> Panel:
    day = pd.date_range(start, periods=len(sold))
    roles = {"time": "day", "id": "shop", "target": ("sold",), "known_future": tuple(more) or ("none",)}
    frame = pd.DataFrame({"shop": shop, "day": day, "sold": sold, **more})
    return to_panel(read_table(frame, **roles, past_only=("none",), static=("none",)), step="D")


def test_known_cells_stay_and_empty_ones_are_filled():
    stored = _panel([1.0, np.nan, 3.0], "2024-01-01")
    found = continued(stored, _panel([9.0, 2.0, 9.0, 4.0], "2024-01-01"))
    assert found.values[:, 0].tolist() == [1.0, 2.0, 3.0, 4.0] and found.present.all()


def test_rows_before_the_history_are_passed_over():
    found = continued(_panel([3.0, 4.0], "2024-01-03"), _panel([1.0, 2.0, 3.0], "2024-01-01"))
    assert found.values[:, 0].tolist() == [3.0, 4.0] and found.starts[0] == pd.Timestamp("2024-01-03")


def test_a_gap_is_absent_and_missing():
    found = continued(_panel([1.0, 2.0], "2024-01-01"), _panel([5.0], "2024-01-05"))
    np.testing.assert_array_equal(found.values[:, 0], [1.0, 2.0, np.nan, np.nan, 5.0])
    assert found.present.tolist() == [True, True, False, False, True]


def test_plans_ahead_are_replaced_and_those_further_ahead_stay():
    nan = np.nan
    stored = _panel([1.0, nan, nan, nan], "2024-01-01", plan=[0.0, 1.0, 2.0, 3.0])
    found = continued(stored, _panel([7.0, nan], "2024-01-02", plan=[5.0, 6.0]))
    np.testing.assert_array_equal(found.values[:, 0], [1.0, 7.0, nan, nan])
    assert found.values[:, 1].tolist() == [0.0, 5.0, 6.0, 3.0]


def test_series_of_either_panel_are_kept_in_order_of_their_ids():
    found = continued(_panel([1.0], "2024-01-01", "b"), _panel([2.0, 3.0], "2024-01-05", "a"))
    assert found.ids == ("a", "b") and found.values[:, 0].tolist() == [2.0, 3.0, 1.0]
    assert found.starts.tolist() == [pd.Timestamp("2024-01-05"), pd.Timestamp("2024-01-01")]
    assert found.offsets.tolist() == [0, 2, 3] and len(found.static) == 2


def test_an_update_leaves_the_fitted_parts_as_they_were():
    table = shops(rows=90)
    model = network(until(table, "2024-03-01"), holdout=0)
    before, shift = model.fitted_, model.fitted_.network.shift.shift.copy()
    after = updated(before, panel_of(table))
    assert after is not before and after.history.rows > before.history.rows
    np.testing.assert_array_equal(before.network.shift.shift, shift)
