"""Training further: better networks stay, worse ones go, and what judges was never learned from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.data.windows import Windows
from forecast.errors import InputError, ParameterError, TrainingDiverged
from forecast.estimators import continuing
from tests.tables import shops

SMALL = {"horizon": 6, "context": 24, "season": 12, "preset": "fast", "units": 8, "model": "rnn"}


def wave(rows: int, *, turned: int | None = None, seed: int = 0) -> pd.DataFrame:
    """Twelve rows a season; behind row ``turned`` the shape is another one."""
    row = np.arange(rows)
    shape = np.sin(row * np.pi / 6)
    if turned is not None:
        shape = np.where(row < turned, shape, np.sign(np.sin(row * np.pi / 3)) * (row % 12 < 6))
    noise = np.random.default_rng(seed).normal(0, 0.1, rows)
    return pd.DataFrame({"day": pd.date_range("2024-01-01", periods=rows, freq="D"), "y": 10 + shape + noise})


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A model of a shape that changes behind it, and the whole table."""
    table = wave(520, turned=280)
    path = tmp_path_factory.mktemp("stored") / "wave.forecast"
    forecast.Forecaster(**SMALL, steps=150).fit(table[:280]).save(path)
    return path, table


def test_fine_tuning_learns_what_changed(stored):
    path, table = stored
    model = forecast.load(path)
    old = [weights.copy() for weights in model.model_.get_weights()]
    found = model.continue_training(table, epochs=20)
    before, after = found.scores()
    assert found.replaced and not found.forced and after < 0.6 * before
    assert any((one != other).any() for one, other in zip(old, model.model_.get_weights(), strict=True))
    assert found.holdout == 240 // 5
    assert str(found).startswith("Fine-tuned on 192 windows of new rows and 192 of older ones; MASE ")
    assert "the network is replaced" in str(found)
    assert model.predict()["day"].iloc[0] == table["day"].iloc[-1] + pd.Timedelta(days=1)
    assert model.choices_[-1].value == "fine-tuned on 192 windows of new rows and 192 of older ones"
    # What is told of the model afterwards is told of the new network.
    network = model.comparison_.set_index("method").loc["network", "MASE"]
    assert network == after and "before" not in set(model.comparison_["method"])


def test_intervals_fit_the_held_out_rows_behind(stored):
    path, table = stored
    model = forecast.load(path)
    model.continue_training(table, epochs=20)
    seen = model.coverage_
    assert len(seen) and 0 < seen["scores"].max() <= 48


def test_it_is_saved_and_loaded(stored, tmp_path):
    path, table = stored
    model = forecast.load(path)
    model.continue_training(table)
    model.save(tmp_path / "new.forecast")
    again = forecast.load(tmp_path / "new.forecast")
    pd.testing.assert_frame_equal(again.predict(), model.predict())
    assert again.choices_[-1] == model.choices_[-1]
    # And trained once more.
    longer = wave(560, turned=280)
    assert again.continue_training(longer).holdout == 8


def test_only_new_rows_or_the_whole_table(stored):
    path, table = stored
    one, other = forecast.load(path), forecast.load(path)
    first = one.continue_training(table[280:], epochs=2)
    second = other.continue_training(table, epochs=2)
    pd.testing.assert_frame_equal(first.comparison, second.comparison)
    pd.testing.assert_frame_equal(one.predict(), other.predict())


def test_a_better_network_is_never_replaced(stored):
    path, _ = stored
    more = wave(340)
    model, static = forecast.load(path), forecast.load(path)
    static.update(more)
    # At this rate nothing that was learned remains.
    found = model.continue_training(more, learning_rate=2.0, epochs=3)
    before, after = found.scores()
    assert after > before and not found.replaced
    assert "so the network stays as it was" in str(found)
    # The rows are taken all the same.
    pd.testing.assert_frame_equal(model.predict(), static.predict())
    pd.testing.assert_frame_equal(model.coverage_, static.coverage_)
    forced = forecast.load(path)
    found = forced.continue_training(more, learning_rate=2.0, epochs=3, force=True)
    assert found.replaced and found.forced and "as was forced" in str(found)
    assert not np.allclose(forced.predict()["forecast"], static.predict()["forecast"])


@pytest.mark.parametrize("refit", [False, True])
def test_what_judges_teaches_nothing(stored, refit):
    path, table = stored
    spoilt = table.copy()
    spoilt.loc[len(spoilt) - 48 :, "y"] += 100 * np.random.default_rng(0).normal(size=48)
    one, other = forecast.load(path), forecast.load(path)
    how = {"refit": refit, "force": True} | ({} if refit else {"epochs": 2})
    first, second = one.continue_training(table, **how), other.continue_training(spoilt, **how)
    for own, its in zip(one.model_.get_weights(), other.model_.get_weights(), strict=True):
        np.testing.assert_array_equal(own, its)
    assert first.scores() != second.scores()


def test_refit_takes_the_sizes_and_all_rows(stored):
    path, table = stored
    model = forecast.load(path)
    found = model.continue_training(table, refit=True)
    assert found.way == "refitted" and found.taught == "472 rows"
    assert found.replaced and found.scores()[1] < found.scores()[0]
    setting = model.fitted_.setting
    assert (setting.horizon, setting.context, setting.season) == (6, 24, 12)
    held_out = [choice for choice in model.choices_ if choice.what == "held out"]
    assert len(held_out) == 1 and model.choices_[-1].value == "refitted on 472 rows"


def test_replay_is_a_share(stored, monkeypatch):
    path, table = stored
    taught = []

    def train(part, windows: Windows, *_, **__):
        taught.append(windows)
        raise TrainingDiverged("stop here")

    monkeypatch.setattr(continuing, "train", train)
    for replay, older in ((0.0, 0), (0.25, 64), (0.9, 251)):
        model = forecast.load(path)
        before = model.predict()
        with pytest.raises(TrainingDiverged):
            model.continue_training(table, replay=replay)
        windows = taught.pop()
        assert (windows.origins + 6 <= 280).sum() == older
        assert (windows.origins + 6 > 280).sum() == 192 and windows.origins.max() + 6 == 520 - 48
        assert (np.diff(windows.origins) > 0).all()
        # A training that failed leaves the model as it was.
        pd.testing.assert_frame_equal(model.predict(), before)


def test_interrupted_training_replaces_nothing(stored):
    path, table = stored
    model, static = forecast.load(path), forecast.load(path)
    found = model.continue_training(table, interrupted=lambda: True, force=True)
    assert not found.replaced and found.stopped == "interrupted" and "was interrupted" in str(found)
    pd.testing.assert_frame_equal(model.predict(), static.update(table).predict())


def test_too_few_rows_are_told(stored):
    path, table = stored
    model = forecast.load(path)
    with pytest.raises(InputError, match="has 0 new rows; 7 are needed, the last 6 to judge"):
        model.continue_training(table[:280])
    with pytest.raises(InputError, match="has 6 new rows; 7 are needed"):
        model.continue_training(table[:286])
    with pytest.raises(InputError, match="has 60 new rows; 101 are needed"):
        model.continue_training(table[:340], holdout=100)
    with pytest.raises(InputError, match="has 60 new rows; 7 are needed"):
        model.continue_training(table[:340], holdout=5)
    assert model.continue_training(table[:287], epochs=1).holdout == 6


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"replay": 1.0}, "replay must be at least 0 and less than 1"),
        ({"epochs": 0}, "epochs must be a whole number"),
        ({"holdout": -3}, "holdout must be a whole number"),
        ({"learning_rate": 0.0}, "learning_rate must be a positive number"),
    ],
)
def test_wrong_arguments(stored, given, said):
    path, table = stored
    with pytest.raises(ParameterError, match=said):
        forecast.load(path).continue_training(table, **given)


def test_networks_that_carry_their_state_are_refitted_only():
    table = wave(200)
    model = forecast.Forecaster(**(SMALL | {"model": "auto"}), stateful=True, steps=20).fit(table[:150])
    with pytest.raises(ParameterError, match="carries its state is not fine-tuned"):
        model.continue_training(table)
    found = model.continue_training(table, refit=True, force=True)
    assert found.replaced
    # The states stand where the table ends.
    whole = model.predict(table)
    np.testing.assert_allclose(model.predict()["forecast"], whole["forecast"], rtol=1e-5)


def test_many_series_an_ensemble_and_a_new_series():
    table = shops(90, 3)
    older = table[(table["shop"] != "s2") & (table["day"] < pd.Timestamp("2024-03-01"))]
    model = forecast.Forecaster(
        horizon=3, context=8, season=7, preset="fast", units=4, epochs=2, ensemble=2, lags=(7,)
    ).fit(older)
    found = model.continue_training(table, force=True)
    assert found.comparison.attrs["series"] == 3
    assert set(model.predict()["shop"]) == {"s0", "s1", "s2"}
    assert model.fitted_.trained == ("s0", "s1", "s2")


def test_arrays():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = X[:, 0] + rng.normal(size=200) / 10
    model = forecast.Forecaster(horizon=3, context=8, preset="fast", units=4, steps=30).fit(X[:150], y[:150])
    found = model.continue_training(X[150:], y[150:], force=True)
    assert found.replaced and model.predict(rng.normal(size=(3, 2))).shape == (3,)


def test_the_history_keeps_the_rows_that_lags_reach():
    table = wave(4000)
    model = forecast.Forecaster(**(SMALL | {"steps": 2}), lags=(1500,)).fit(table[:3900])
    kept = model.fitted_.history.rows
    model.update(table)
    assert model.fitted_.history.rows == kept == 2000 + 1500
