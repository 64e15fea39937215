"""Blind heads, leaks of the future, unused covariates; and no alarm where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest

import forecast
from forecast.auditing.audit import audit
from forecast.auditing.information import COVARIATES, FUTURE, NEWEST
from forecast.data.windows import Windows
from forecast.errors import InputError, ParameterError
from forecast.evaluation.baselines import BASELINES
from forecast.models.frame import HorizonHead, finish, prepare
from tests.auditing import defects
from tests.tables import COVARIATES as ROLES_WITH_COVARIATES
from tests.tables import PLAIN, SMALL_NETWORK, shops, wavy

pytestmark = pytest.mark.slow

SERIES = (wavy(260) - 17) / 4
SMALL = SMALL_NETWORK | {"epochs": 1, "holdout": 0}


def newest(model, values=SERIES, **more):
    found = audit(model, values, season=7, **more)
    return found, found.of(NEWEST)[0]


def test_one_decoder_a_state_is_blind():
    found, finding = newest(defects.blind_head(horizon=12))
    assert finding.severity == "serious"
    assert finding.figures["blind_steps"] == list(range(1, 12))
    assert finding.figures["ignored"] == list(range(11, -1, -1))
    assert finding.message == (
        "11 of 12 forecast steps do not react to the newest observation: step 1 ignores the newest 11, step 2 the "
        "newest 10, …, step 11 the newest 1."
    )
    assert "last state" in finding.remedy
    assert found.serious
    assert found.findings[0].severity == "serious"
    # Rows of the matrix are lags: what step 1 reacts to begins at lag 12.
    assert (found.reactions.matrix[:11, 0] == 0).all()
    assert found.reactions.matrix[11, 0] > 0


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_last_outputs_of_a_stack_are_blind_whatever_its_depth(layers):
    _, finding = newest(defects.block(layers))
    assert finding.severity == "serious"
    assert finding.figures["ignored"] == [5, 4, 3, 2, 1, 0]
    _, sound = newest(defects.block(layers, sound=True))
    assert sound.severity == "ok"
    assert sound.figures["ignored"] == [0] * 6


def test_the_last_state_sees_everything():
    _, finding = newest(defects.last_state())
    assert finding.severity == "ok"
    assert finding.figures["blind_steps"] == []


def test_long_contexts_are_counted_exactly():
    """Where lags are thinned, the rows that a blind step ignores are still counted one by one."""
    rng = np.random.default_rng(0)
    found, finding = newest(defects.blind_head(context=200, horizon=30), rng.normal(size=400))
    assert len(found.reactions.lags) == 64
    assert {1, 200} <= set(found.reactions.lags.tolist())
    assert finding.figures["ignored"] == list(range(29, -1, -1))


def test_a_model_that_reads_nothing_is_told_so():
    import keras

    inputs = keras.Input((24, 1))
    model = keras.Model(
        inputs, keras.layers.Dense(6, kernel_initializer="zeros")(keras.layers.Flatten()(inputs))
    )
    _, finding = newest(model)
    assert finding.severity == "serious"
    assert finding.figures["ignored"] == [24] * 6
    assert "steps 1 to 6 ignore all 24" in finding.message


def test_a_network_of_ones_own_is_looked_at_too():
    def blind(spec, **_):
        import keras

        prepared = prepare(spec)
        states = keras.layers.GRU(4, return_sequences=True)(prepared.features)
        states = states[:, -spec.horizon :]
        width = spec.channels * spec.outputs
        free = keras.layers.Reshape((spec.horizon, spec.channels, spec.outputs))(
            keras.layers.Dense(width)(states)
        )
        return finish(prepared, free)

    def sound(spec, **_):
        import keras

        prepared = prepare(spec)
        return finish(prepared, HorizonHead(spec, 4)(keras.layers.GRU(4)(prepared.features)))

    roles = PLAIN | {"known_future": ("none",)}
    # The mean as anchor: with the last value as anchor every step would see it that way.
    for network, severity in ((blind, "serious"), (sound, "ok")):
        model = forecast.Forecaster(**(SMALL | roles), network=_anchored(network)).fit(shops())
        assert audit(model).of(NEWEST)[0].severity == severity


def _anchored(network):
    """Take away the path that leads the last value around the network: level and scale of the window."""

    def build(spec, **options):
        import keras

        inner = network(spec, **options)
        core = keras.Model(inner.get_layer("window_scale").output[0], inner.get_layer("quantiles").output)
        inputs = {"target": keras.Input((spec.context, spec.targets), name="target")}
        scaled = keras.layers.Rescaling(1 / 20)(inputs["target"])
        return keras.Model(inputs, keras.layers.Rescaling(20.0)(core(scaled)))

    return build


@pytest.mark.parametrize("method", list(BASELINES))
def test_baselines_look_where_their_definition_says(method):
    roles = {name: PLAIN[name] for name in ("time", "id", "target")}
    found = audit(forecast.Baseline(method, horizon=9, season=7, **roles).fit(shops()))
    finding = found.of(NEWEST)[0]
    assert finding.severity == ("note" if method == "seasonal-naive" else "ok")
    if method == "seasonal-naive":
        assert finding.figures["ignored"] == [6, 5, 4, 3, 2, 1, 0, 6, 5]
    assert {f.check for f in found.findings if f.severity == "serious"} <= {"baselines"}


@pytest.fixture(scope="module")
def with_covariates():
    return forecast.Forecaster(**(SMALL | ROLES_WITH_COVARIATES)).fit(shops(covariates=True, ahead=3))


def test_covariates_are_found_by_role(with_covariates):
    found = audit(with_covariates)
    assert set(found.reactions.covariates) == {"promo", "visits", "town", "area"}
    assert set(found.reactions.ahead) == {"promo"}
    assert all((steps > 0).all() for steps in found.reactions.covariates.values())
    assert found.of(COVARIATES)[0].severity == "ok"
    assert found.of(FUTURE)[0].severity == "ok"


def test_an_unused_covariate_is_a_warning(with_covariates):
    model = with_covariates.model_
    before = model.get_weights()
    kernel = model.get_layer("gru_1").cell.kernel if hasattr(model.get_layer("gru_1"), "cell") else None
    kernel = model.get_layer("gru_1").weights[0] if kernel is None else kernel
    # Features of the context: scaled target, past-only, known-future.
    deaf = np.array(kernel)
    deaf[1] = 0
    kernel.assign(deaf)
    try:
        finding = audit(with_covariates).of(COVARIATES)[0]
    finally:
        model.set_weights(before)
    assert finding.severity == "warning"
    assert finding.figures["unused"] == ["visits"]
    assert "'visits'" in finding.message


def test_values_ahead_that_nobody_reads_are_a_warning(with_covariates):
    model = with_covariates.model_
    before = model.get_weights()
    kernel = model.get_layer("decoder").weights[0]
    deaf = np.array(kernel)
    deaf[-1] = 0  # the last input of each step is what is known about it
    kernel.assign(deaf)
    try:
        finding = audit(with_covariates).of(COVARIATES)[0]
    finally:
        model.set_weights(before)
    assert finding.severity == "warning"
    assert finding.figures["unused_ahead"] == ["promo"]
    assert "past-only" in finding.remedy


def test_a_constant_covariate_is_a_note():
    table = shops(covariates=True, ahead=3)
    table["town"] = "Ulm"
    model = forecast.Forecaster(**(SMALL | ROLES_WITH_COVARIATES)).fit(table)
    finding = audit(model).of(COVARIATES)[0]
    assert finding.severity == "note"
    assert finding.figures["unused"] == ["town"]


def test_windows_that_reach_over_the_origin_are_caught(with_covariates, monkeypatch):
    honest = Windows.inputs

    def late(self, which):
        """Let the newest row of each window be the first one of its horizon."""
        inputs = honest(self, which)
        inputs["target"][:, -1] = self.panel.targets[self.origins[which]]
        return inputs

    monkeypatch.setattr(Windows, "inputs", late)
    finding = audit(with_covariates).of(FUTURE)[0]
    assert finding.severity == "serious"
    assert finding.figures["changed"] == 8


def test_past_only_columns_behind_the_last_target_are_caught(with_covariates, monkeypatch):
    honest = Windows.inputs

    def late(self, which):
        inputs = honest(self, which)
        row = np.minimum(self.origins[which], self.panel.rows - 1)
        inputs["past_only"][:, -1, 0] = np.nan_to_num(self.panel.values[row, 2])
        return inputs

    monkeypatch.setattr(Windows, "inputs", late)
    finding = audit(with_covariates).of(FUTURE)[0]
    assert finding.severity == "serious"
    assert finding.figures["changed"] >= 8


def test_missing_newest_values_are_no_blindness():
    values = SERIES.copy()
    values[5::9] = np.nan
    table = {"load": values + 17}
    roles = {"time": "none", "id": "none", "target": "load"}
    model = forecast.Forecaster(**SMALL, **roles).fit(table)
    assert audit(model).of(NEWEST)[0].severity == "ok"
    with pytest.raises(InputError, match="No 24 rows on end are without a missing value"):
        audit(defects.last_state(), values, season=7)
    values[:200] = SERIES[:200]
    assert audit(defects.last_state(), values, season=7).of(NEWEST)[0].severity == "ok"


def test_wrong_arguments_are_told(with_covariates):
    with pytest.raises(InputError, match="holds no history: pass a table"):
        audit(defects.last_state())
    with pytest.raises(ParameterError, match="context can be said for a Keras model only"):
        audit(with_covariates, context=3)
    with pytest.raises(ParameterError, match=r"takes a Forecaster, a Baseline or a keras\.Model; got str"):
        audit("a model")
    with pytest.raises(InputError, match="which one window of context 24 and horizon 6 needs"):
        audit(defects.last_state(), SERIES[:25], season=1)
    with pytest.raises(ParameterError, match="takes 1 channels, and the table has 2 columns"):
        audit(defects.last_state(), np.stack([SERIES, SERIES], axis=1), season=1)
    with pytest.raises(ParameterError, match="any number of rows; say how many"):
        audit(defects.any_length(mask=True), SERIES, season=1)
    with pytest.raises(ParameterError, match="context is 12, but the model takes 24 rows"):
        audit(defects.last_state(), SERIES, context=12)
