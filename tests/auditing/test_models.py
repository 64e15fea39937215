"""Persistence clones, models worse than naive, padding and batches; and a sound model passes every check."""

from __future__ import annotations

import numpy as np
import pytest

import forecast
from forecast.auditing.audit import audit
from forecast.auditing.invariance import BATCHES, PADDING
from forecast.auditing.persistence import PERSISTENCE
from forecast.auditing.rivals import BASELINES_CHECK
from tests.auditing import defects
from tests.tables import PLAIN, SMALL_NETWORK, shops, wavy

pytestmark = pytest.mark.slow

SERIES = (wavy(260) - 17) / 4
SMALL = SMALL_NETWORK | {"epochs": 1, "holdout": 0}


def walk(rows: int, seed: int) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).normal(size=rows))


def beats(rows: int) -> np.ndarray:
    """Two waves without a common season: easy for a network, hard for the baselines."""
    t = np.arange(rows)
    noise = np.random.default_rng(5).normal(size=rows)
    return np.sin(2 * np.pi * t / 11.3) + 0.6 * np.sin(2 * np.pi * t / 5.7) + 0.03 * noise


@pytest.fixture(scope="module")
def sound():
    return defects.trained(defects.last_state(), beats(260))


def test_a_trained_network_passes_every_check(sound):
    found = audit(sound, beats(320), season=1)
    assert {finding.check: finding.severity for finding in found.findings} == dict.fromkeys(
        ("newest observation", "persistence", "baselines", "batches"), "ok"
    )
    assert not found.serious
    skill = found.of(BASELINES_CHECK)[0].figures["skill"]
    assert skill["naive"] > 0.5
    assert found.of(PERSISTENCE)[0].figures["skill"] > 0.5


def test_a_trained_blind_network_is_still_blind():
    found = audit(defects.trained(defects.blind_head(), SERIES, epochs=5), SERIES, season=7)
    assert found.serious
    assert found.of("newest observation")[0].severity == "serious"


def test_a_clone_of_the_input_is_a_warning():
    found = audit(defects.clone_of_the_input(), SERIES, season=7)
    finding = found.of(PERSISTENCE)[0]
    assert finding.severity == "warning"
    assert finding.figures["closeness"] < 0.1
    correlation = finding.figures["correlation"]
    assert max(correlation, key=correlation.get) == "lag 1"
    assert finding.message.startswith("The model repeats the last observation")


@pytest.mark.parametrize("seed", range(5))
def test_on_a_random_walk_nothing_better_can_be_done(seed):
    finding = audit(defects.clone_of_the_input(), walk(300, seed), season=1).of(PERSISTENCE)[0]
    assert finding.severity == "note"
    assert "naive is as good as it gets here" in finding.message


def test_a_clone_of_a_trend_could_have_been_better():
    line = np.arange(200.0) + np.random.default_rng(3).normal(size=200) * 0.2
    finding = audit(defects.clone_of_the_input(), line, season=1).of(PERSISTENCE)[0]
    assert finding.severity == "warning"


def test_the_naive_method_is_told_to_be_itself():
    roles = {name: PLAIN[name] for name in ("time", "id", "target")}
    found = audit(forecast.Baseline("naive", horizon=3, season=7, **roles).fit(shops()))
    finding = found.of(PERSISTENCE)[0]
    assert finding.severity == "note"
    assert "that is what naive does here" in finding.message
    assert found.of(BASELINES_CHECK)[0].severity == "warning"


def test_worse_than_naive_is_serious():
    values = walk(300, 1) + 0.3 * np.arange(300)
    found = audit(defects.constant(0.0), values, season=1)
    finding = found.of(BASELINES_CHECK)[0]
    assert finding.severity == "serious"
    assert finding.figures["skill"]["naive"] < -1
    assert "above naive" in finding.message
    best = finding.figures["best_baseline"]
    assert f"forecast with {best} (forecast.Baseline('{best}'))" in finding.remedy
    assert finding.message.startswith("The model has MASE ")


def test_a_constant_series_is_forecast_best_by_naive():
    found = audit(defects.constant(3.0), np.full(80, 5.0), season=1)
    assert found.of(BASELINES_CHECK)[0].severity == "serious"
    assert found.of(PERSISTENCE)[0].message == "Not judged: the series does not change."


def test_level_with_naive_is_no_defect():
    finding = audit(defects.clone_of_the_input(), walk(300, 0), season=1).of(BASELINES_CHECK)[0]
    assert finding.severity in ("ok", "warning")
    assert "level with naive" in finding.message


def test_forecasts_that_are_no_numbers_are_serious():
    broken = defects.last_state()
    broken.set_weights([np.where(w > 0.3, np.nan, w) for w in broken.get_weights()])
    found = audit(broken, SERIES, season=7)
    assert found.of("numbers")[0].severity == "serious"
    assert found.of("numbers")[0].figures["lost"] == 64
    assert found.of(BASELINES_CHECK)[0].severity == "note"
    assert audit(defects.last_state(), SERIES, season=7).of("numbers") == ()


def test_left_padding_without_a_mask_is_serious():
    options = {"context": 24, "season": 7, "padding": "left"}
    bad = audit(defects.any_length(mask=False), SERIES, **options).of(PADDING)[0]
    assert bad.severity == "serious"
    assert bad.figures["relative_difference"] > 1e-3
    assert "mask" in bad.remedy
    good = audit(defects.any_length(mask=True), SERIES, **options).of(PADDING)[0]
    assert good.severity == "ok"
    assert good.figures["relative_difference"] < 1e-6
    assert "12 rows padded to 24" in good.message


def test_padding_of_a_fixed_length_cannot_be_judged():
    found = audit(defects.last_state(), SERIES, season=7, padding="left")
    assert found.of(PADDING)[0].severity == "note"
    assert audit(defects.last_state(), SERIES, season=7).of(PADDING) == ()
    with pytest.raises(forecast.InputError, match="padding must be left or right; got 'both'"):
        audit(defects.any_length(mask=True), SERIES, season=7, context=24, padding="both")


def test_padded_rows_with_their_number():
    bad = audit(defects.padded_by_length(mask=False), SERIES, season=7).of(PADDING)[0]
    assert bad.severity == "serious"
    good = audit(defects.padded_by_length(mask=True), SERIES, season=7).of(PADDING)[0]
    assert good.severity == "ok"


def test_our_padded_forecaster_ignores_junk():
    model = forecast.Forecaster(**(SMALL | PLAIN), short="pad").fit(shops())
    found = audit(model)
    assert found.of(PADDING)[0].severity == "ok"
    assert found.of(PADDING)[0].figures["relative_difference"] <= 1e-6


def test_batch_statistics_at_prediction_are_serious():
    bad = audit(defects.batch_statistics(frozen=False), SERIES, season=7).of(BATCHES)[0]
    assert bad.severity == "serious"
    assert "depend on the batch" in bad.message
    good = audit(defects.batch_statistics(frozen=True), SERIES, season=7).of(BATCHES)[0]
    assert good.severity == "ok"
    assert good.figures["relative_difference"]["alone"] <= 1e-5


def test_tables_and_quantiles_of_a_keras_model():
    """A table with its roles, two series, targets and covariates in one tensor, quantiles in the output."""
    import keras

    inputs = keras.Input((10, 2))
    flat = keras.layers.LSTM(4)(inputs)
    model = keras.Model(inputs, keras.layers.Reshape((3, 1, 3))(keras.layers.Dense(9)(flat)))
    table = shops(covariates=True)
    roles = {"time": "day", "id": "shop", "target": "sold", "past_only": "visits"}
    found = audit(model, table, **roles, known_future="none", static="none", season=7)
    assert set(found.reactions.covariates) == {"visits"}
    assert found.reactions.matrix.shape == (10, 3)
    assert found.of("covariates")[0].severity == "ok"
    assert not audit(model, table, **roles, known_future="none", static="none", season=7).of("future")


def test_two_targets_are_both_looked_at():
    """A step counts as blind if one target is blind there, although the other one is not."""
    import keras

    inputs = keras.Input((12, 2))
    sighted = keras.layers.Dense(4)(keras.layers.LSTM(4)(inputs[..., :1]))
    blind = keras.layers.Dense(1)(keras.layers.LSTM(4, return_sequences=True)(inputs[..., 1:])[:, -4:])
    model = keras.Model(inputs, keras.layers.Concatenate()([keras.layers.Reshape((4, 1))(sighted), blind]))
    values = np.stack([wavy(120), wavy(120, seed=1)], axis=1) / 10
    found = audit(model, values, season=7)
    assert found.of("newest observation")[0].figures["ignored"] == [3, 2, 1, 0]


def test_a_model_without_declared_inputs():
    import keras

    class Plain(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = defects.last_state()

        def call(self, rows):
            return self.inner(rows)

    found = audit(Plain(), SERIES, context=24, season=7)
    assert found.of("newest observation")[0].severity == "ok"
    with pytest.raises(forecast.InputError, match="say how many it is to see with context="):
        audit(Plain(), SERIES)


def test_shapes_that_audit_does_not_take():
    import keras

    def model(inputs, output):
        return keras.Model(inputs, output)

    one, two = keras.Input((5, 1), name="first"), keras.Input((5, 1), name="second")
    flat = keras.layers.Flatten()
    with pytest.raises(forecast.InputError, match="2 inputs without names"):
        audit(model([one, two], flat(keras.layers.Add()([one, two]))), SERIES)
    with pytest.raises(forecast.InputError, match="inputs are 'first'; audit takes target"):
        audit(model({"first": one}, flat(one)), SERIES)
    row = keras.Input((5,))
    with pytest.raises(forecast.InputError, match=r"input has shape \(None, 5\)"):
        audit(model(row, keras.layers.Dense(2)(row)), SERIES)
    with pytest.raises(forecast.InputError, match=r"output has shape \(2,\)"):
        audit(model(one, keras.layers.Lambda(lambda x: x[:, 0, 0])(one)), SERIES)
    with pytest.raises(forecast.InputError, match="several outputs"):
        audit(model(one, [flat(one), flat(one)]), SERIES)
