"""Encoder-decoder networks: the laws of every network, teacher forcing, attention and exposure bias."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from forecast.errors import ParameterError
from forecast.models import Spec, build_rnn
from forecast.models.decoding import Feeding, Newest
from forecast.models.forms import forms_of
from forecast.models.schedules import SCHEDULES, scheduled
from forecast.models.seq2seq import attention_of, build_seq2seq, exposure_bias
from tests.models import laws
from tests.models.laws import randomised, run
from tests.models.windowing import PLAIN, QUANTILES, RICH, batch, names, slowly

BUILDS = [
    {"cell": "gru"},
    {"cell": "lstm", "layers": 2, "attention": "luong", "dropout": 0.2},
    {"cell": "gru", "attention": "bahdanau", "independent": False},
    {"cell": "rnn", "anchor": "mean", "skip": False, "schedule": "linear", "sampling": 0.5},
]


def parted(build: dict, **spec) -> tuple[Spec, dict]:
    """Take the settings of the spec out of those of the network."""
    fields = Spec.__dataclass_fields__
    inner = {k: v for k, v in build.items() if k in fields}
    return Spec(**(RICH | spec | inner)), {k: v for k, v in build.items() if k not in fields}


def make(build: dict, seed: int = 0, **spec) -> keras.Model:
    chosen, options = parted(build, **spec)
    return randomised(build_seq2seq(chosen, units=5, **options), seed)


def pinball(actual, forecasts):
    """The loss of quantiles, written out."""
    away = keras.ops.cast(actual[..., None], forecasts.dtype) - forecasts
    levels = keras.ops.convert_to_tensor(QUANTILES, dtype=forecasts.dtype)
    return keras.ops.mean(keras.ops.maximum(levels * away, (levels - 1) * away))


def feed(model: keras.Model, share: float) -> keras.Model:
    forms_of(model).sampling.assign(share)
    return forms_of(model).training


@pytest.fixture(scope="module", params=slowly(BUILDS, (1,)), ids=names)
def build(request) -> dict:
    return request.param


@pytest.fixture(scope="module")
def model(build) -> keras.Model:
    return make(build)


def test_the_laws_of_every_network(build, model):
    spec, _ = parted(build)
    laws.check_newest_is_seen(model, spec)
    laws.check_padding_is_never_read(model, spec)
    laws.check_batch_size_changes_nothing(model, spec)
    laws.check_affine(model, spec)
    laws.check_quantiles_rise(model, spec)
    laws.check_constant(model, spec)


def test_missing_values_are_marked_not_read(model):
    inputs = batch()
    inputs["target"][:, 2:5] = np.nan
    inputs["target"][0, -1, 0] = np.nan
    forecasts = run(model, inputs)
    assert np.isfinite(forecasts).all()


def test_known_covariates_reach_their_step_and_all_after_it(model):
    inputs = batch()
    before = run(model, inputs)
    for step in range(4):
        nudged = inputs["known_future"].copy()
        nudged[:, 9 + step] += 1
        moved = np.abs(run(model, inputs | {"known_future": nudged}) - before).max(axis=(0, 2, 3))
        assert (moved[step:] > 1e-6).all() and (moved[:step] == 0).all()


@pytest.mark.parametrize("name", ["static", "categories", "series", "calendar", "lagged"])
def test_every_input_is_used(model, name):
    inputs = batch()
    other = inputs[name][::-1] if name != "categories" else 2 - np.minimum(inputs[name], 2)
    assert np.abs(run(model, inputs | {name: other}) - run(model, inputs)).max() > 1e-6


@pytest.mark.parametrize("index", [0, 2], ids=["apart", "joined"])
def test_apart_targets_do_not_inform_each_other(index):
    model, inputs = make(BUILDS[index]), batch()
    other = inputs["target"].copy()
    other[:, :, 1] = other[::-1, :, 1]
    moved = np.abs(run(model, inputs | {"target": other}) - run(model, inputs))[:, :, 0].max()
    assert (moved == 0) if index == 0 else (moved > 1e-6)


def test_both_forms_share_their_weights(build):
    model = make(build)
    training = forms_of(model).training
    assert {id(weight) for weight in training.weights} == {id(weight) for weight in model.weights}
    assert not [weight for weight in model.variables if weight is forms_of(model).sampling]
    inputs = batch() | {"ahead": np.full((5, 4, 2), 55.0)}
    before = run(feed(model, 0.0), inputs)
    model.set_weights([weight * 1.1 for weight in model.get_weights()])
    assert np.abs(run(training, inputs) - before).max() > 1e-6


def test_the_training_form_is_fed_the_value_before(model):
    inputs, ahead = batch(), batch(seed=9)["target"][:, :4]
    forced = feed(model, 0.0)
    before = run(forced, inputs | {"ahead": ahead})
    np.testing.assert_allclose(before[:, 0], run(model, inputs)[:, 0], rtol=1e-6)
    for step in range(4):
        nudged = ahead.copy()
        nudged[:, step] += 1
        moved = np.abs(run(forced, inputs | {"ahead": nudged}) - before)
        assert moved[:, : step + 1].max() == 0
        assert step == 3 or moved[:, step + 1].min() > 1e-7


def test_own_forecasts_alone_are_what_the_model_forecasts(model):
    inputs, ahead = batch(), batch(seed=9)["target"][:, :4]
    free = run(model, inputs)
    assert np.abs(run(feed(model, 0.0), inputs | {"ahead": ahead}) - free).max() > 1e-6
    np.testing.assert_allclose(run(feed(model, 1.0), inputs | {"ahead": ahead}), free, rtol=1e-6)
    missing = np.full_like(ahead, np.nan)
    np.testing.assert_allclose(run(feed(model, 0.0), inputs | {"ahead": missing}), free, rtol=1e-6)


@pytest.mark.parametrize(
    "spec",
    slowly(
        [
            {"quantiles": ()},
            {"anchor": "period", "period": 3},
            {"anchor": "difference", "period": 3},
            {"anchor": "season"},
            {"transform": "log", "transform_by": (1.0, 1.0)},
            {"transform": "asinh", "transform_by": (1.0, 2.0), "positive": True},
            {"head": "normal"},
            {"head": "student"},
            {"head": "mixture"},
            {"head": "negative_binomial"},
            {"head": "lognormal", "transform": "log", "transform_by": (1.0, 1.0)},
        ],
        (2, 9),
    ),
    ids=names,
)
def test_forecasts_fed_back_as_truth_change_nothing(spec):
    """What runs freely is what teacher forcing gives when the truth is the forecast itself."""
    model, inputs = make({}, **spec), batch()
    free = run(model, inputs)
    chosen = Spec(**(RICH | spec))
    point = free[..., 1] if chosen.head == "quantiles" and chosen.quantiles else free[..., 0]
    point = free if not chosen.quantiles and chosen.head == "quantiles" else point
    if chosen.head == "lognormal":
        point = np.exp(point)
    if chosen.head == "mixture":
        point = (free[..., :3] * free[..., 3:6]).sum(axis=-1)
    forced = run(feed(model, 0.0), inputs | {"ahead": point})
    # The mean of counts bends away from zero a little; everything else is fed back as it is forecast.
    close = 2e-2 if chosen.head == "negative_binomial" else 1e-4
    np.testing.assert_allclose(forced, free, rtol=close, atol=close)
    assert np.ptp(free, axis=1).min() > 1e-6


@pytest.mark.parametrize(("kind", "independent"), [("bahdanau", True), ("luong", False)])
def test_attention_sums_to_one_and_skips_padding(kind, independent):
    model, inputs = make({"attention": kind, "independent": independent}), batch()
    inputs["length"] = np.array([9, 6, 3, 1, 2], dtype="int32")
    weights = attention_of(model, inputs)
    assert weights.shape == ((5, 2, 4, 9) if independent else (5, 4, 9))
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-5)
    for row, length in enumerate(inputs["length"]):
        assert (weights[row, ..., length:] == 0).all() and (weights[row, ..., :length] > 0).all()
    assert np.ptp(weights[0], axis=-1).min() > 1e-4
    moved = inputs | {"target": inputs["target"][::-1]}
    assert np.abs(attention_of(model, moved) - weights).max() > 1e-4


def test_a_model_without_attention_says_so():
    with pytest.raises(ParameterError, match="attention='bahdanau'"):
        attention_of(make(BUILDS[0]), batch())
    other = build_rnn(Spec(**PLAIN), units=5)
    with pytest.raises(ParameterError, match="'gru' has no decoder"):
        exposure_bias(other, batch(), np.zeros((5, 4, 2)))


def test_plain_keras_opens_a_saved_model(model, tmp_path):
    model.save(tmp_path / "model.keras")
    again, inputs = keras.models.load_model(tmp_path / "model.keras"), batch()
    np.testing.assert_array_equal(run(again, inputs), run(model, inputs))
    assert not [weight for weight in again.weights if weight.name == "sampling"]


def test_seeds_decide_the_first_weights():
    def weights(seed: int) -> list[np.ndarray]:
        spec = Spec(**PLAIN, seed=seed)
        return build_seq2seq(spec, units=5, layers=2, attention="bahdanau").get_weights()

    assert all((a == b).all() for a, b in zip(weights(1), weights(1), strict=True))
    kernels = [w for w in weights(1) if w.shape == (5, 15)]
    assert len(kernels) >= 4
    assert len({kernel.tobytes() for kernel in kernels}) == len(kernels)
    other = [a for a, b in zip(weights(1), weights(2), strict=True) if not np.array_equal(a, b)]
    assert len(other) >= 8


def test_a_long_horizon_is_not_unrolled():
    model = build_seq2seq(Spec(context=5, horizon=400), units=3)
    forecasts = run(model, {"target": np.random.default_rng(0).normal(size=(2, 5, 1))})
    assert forecasts.shape == (2, 400, 1) and np.isfinite(forecasts).all()


def test_shares_are_drawn_for_each_window_and_step():
    feeding, ahead = Feeding(0.25, seed=4), np.ones((200, 50, 2), "float32")
    ahead[:, 10] = np.nan
    truth, told = (keras.ops.convert_to_numpy(part) for part in feeding(ahead))
    assert not told[:, 0].any() and not told[:, 11].any()
    drawn = np.delete(told, [0, 11], axis=1)
    assert abs(drawn.mean() - 0.75) < 0.02
    assert 0 < drawn.mean(axis=1).std() < 0.1 and 0 < drawn.mean(axis=0).std() < 0.1
    assert (drawn[..., 0] == drawn[..., 1]).all()
    assert ((truth == 1) == (told == 1)).all()
    again = keras.ops.convert_to_numpy(feeding(ahead)[1])
    assert (again != told).any()


def test_newest_value_by_hand():
    values = np.array([[[1.0], [2.0], [5.0], [9.0], [np.nan]], [[1.0], [2.0], [np.nan], [7.0], [7.0]]])
    level, scale = np.array([[[4.0]], [[3.0]]]), np.array([[[2.0]], [[0.0]]])
    assert keras.ops.convert_to_numpy(Newest()(values, level, scale)).tolist() == [[2.5], [0.0]]
    assert keras.ops.convert_to_numpy(Newest(2)(values, level, scale)).tolist() == [[3.5], [0.0]]
    lengths = np.array([2, 5], dtype="int32")
    assert keras.ops.convert_to_numpy(Newest(2)(values, level, scale, lengths)).tolist() == [[-1.0], [0.0]]


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_schedules_rise_from_none_to_the_largest_share(name):
    share = scheduled(name, 0.4)
    found = [share(done) for done in np.linspace(0, 1, 21)]
    assert found[0] == 0 and found[-1] == pytest.approx(0.4)
    assert (np.diff(found) > 0).all()
    assert share(2.0) == pytest.approx(0.4)


def test_a_schedule_begins_with_the_truth_alone():
    forms = forms_of(make({"schedule": "sigmoid", "sampling": 0.6}))
    assert float(keras.ops.convert_to_numpy(forms.sampling)) == 0
    assert forms.schedule(1.0) == pytest.approx(0.6)
    constant = forms_of(make({"sampling": 0.3}))
    assert float(keras.ops.convert_to_numpy(constant.sampling)) == pytest.approx(0.3)
    assert constant.schedule is None


def persistent(windows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows of AR(1) processes, cut in two."""
    rng = np.random.default_rng(seed)
    values = np.zeros((windows, 40, 1))
    for i in range(1, 40):
        values[:, i] = 0.9 * values[:, i - 1] + rng.normal(size=(windows, 1))
    return values[:, 16:32], values[:, 32:]


@pytest.mark.parametrize(
    "heads", [{}, pytest.param({"quantiles": QUANTILES}, marks=pytest.mark.slow)], ids=["point", "quantiles"]
)
def test_exposure_bias_of_a_trained_model(heads):
    model = build_seq2seq(Spec(context=16, horizon=8, anchor="mean", **heads), units=8, sampling=0.1)
    training = forms_of(model).training
    loss = pinball if heads else "mae"
    training.compile(keras.optimizers.Adam(0.01), loss=loss)
    seen, ahead = persistent(512, 0)
    training.fit({"target": seen, "ahead": ahead}, ahead, epochs=8, batch_size=32, verbose=0)
    seen, ahead = persistent(512, 1)
    ahead[:5, 2] = np.nan
    bias = exposure_bias(model, {"target": seen}, ahead)
    assert bias.step.tolist() == list(range(1, 9))
    assert bias.forced[0] == pytest.approx(bias.free[0], rel=1e-5)
    assert (bias.excess[2:] > 0).all()
    # The true value before it is worth much to an AR process: one step ahead for ever, or up to eight.
    assert bias.free[-1] > 1.2 * bias.forced[-1]
    assert bias.forced[-1] == pytest.approx(bias.forced[0], rel=0.25)
    assert float(keras.ops.convert_to_numpy(forms_of(model).sampling)) == pytest.approx(0.1)


def test_exposure_bias_of_a_distribution_by_hand():
    spec = {"context": 4, "horizon": 2, "head": "normal"}
    model = build_seq2seq(Spec(**spec), units=3)
    seen, actual = np.array([[[0.0], [2.0], [0.0], [2.0]]]), np.array([[[3.0], [np.nan]]])
    bias = exposure_bias(model, {"target": seen}, actual)
    assert bias.free[0] == pytest.approx(abs(run(model, {"target": seen})[0, 0, 0, 0] - 3.0))
    assert np.isnan(bias.free[1]) and np.isnan(bias.forced[1])


@pytest.mark.slow
@pytest.mark.parametrize("index", range(4))
def test_training_lowers_the_loss(index):
    model = make(BUILDS[index])
    training = forms_of(model).training
    training.compile(keras.optimizers.Adam(0.01), loss=pinball)
    inputs = batch(rows=32)
    ahead = inputs["target"][:, :4] + inputs["known_future"][:, 9:, :1]
    forms_of(model).sampling.assign(0.5)
    history = training.fit(inputs | {"ahead": ahead}, ahead, epochs=15, batch_size=32, verbose=0).history
    assert history["loss"][-1] < 0.9 * history["loss"][0]


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"cell": "gruu"}, "cell"),
        ({"units": 0}, "units"),
        ({"layers": 17}, "layers"),
        ({"dropout": -0.1}, "dropout"),
        ({"attention": "self"}, "attention must be one of none, bahdanau, luong"),
        ({"schedule": "cosine"}, "schedule"),
        ({"sampling": 1.1}, "sampling must be from 0 to 1"),
        ({"schedule": "linear"}, "give the largest share"),
    ],
)
def test_wrong_arguments_are_named(wrong, word):
    with pytest.raises(ParameterError, match=word):
        build_seq2seq(Spec(**PLAIN), **wrong)
