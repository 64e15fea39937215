"""Autoregressive networks: the laws of every network, and sample paths against what they are drawn from."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
import scipy.stats

from forecast.errors import ParameterError
from forecast.models import Spec
from forecast.models.autoregressive import build_autoregressive
from forecast.models.chain import PathQuantiles
from forecast.models.draws import NOISE, common_noise, draw
from forecast.models.dtypes import wide
from forecast.models.forms import forms_of
from forecast.models.frame import layer_seed
from forecast.models.rows import Rows
from tests.models import laws
from tests.models.laws import randomised, run
from tests.models.windowing import PLAIN, QUANTILES, RICH, batch, names, slowly

LAGS = (1, 3)
LOG = {"head": "lognormal", "transform": "log", "transform_by": (1.0, 1.0)}
REAL = [
    {"head": "normal"},
    {"head": "student", "anchor": "mean", "independent": False},
    {"head": "mixture", "anchor": "period", "period": 3},
    {"head": "normal", "anchor": "season", "independent": False},
]
OTHER = [
    {"head": "negative_binomial"},
    {"head": "negative_binomial", "anchor": "difference", "period": 2, "independent": False},
    LOG,
    {"head": "normal", "anchor": "none"},
]
NETWORK = {"cell": "lstm", "units": 5, "layers": 2, "paths": 9}


def spec_of(build: dict, **more) -> Spec:
    return Spec(**(RICH | build | more))


@functools.cache
def _made(items: tuple, cell: str) -> keras.Model:
    model = build_autoregressive(spec_of(dict(items)), **(NETWORK | {"cell": cell}), lags=LAGS)
    return randomised(model)


def made(build: dict, cell: str = "gru") -> keras.Model:
    """A network that tests share: none of them changes it."""
    return _made(tuple(build.items()), cell)


def changed(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The first window as it was among others that are different altogether."""
    other = batch(len(inputs["target"]), seed=77)
    return {name: np.concatenate([inputs[name][:1], other[name][1:]]) for name in inputs}


@pytest.mark.parametrize("build", slowly(REAL), ids=names)
def test_the_laws_of_every_network(build):
    model, spec = made(build), spec_of(build)
    laws.check_newest_is_seen(model, spec)
    laws.check_batch_size_changes_nothing(model, spec)
    laws.check_affine(model, spec)
    laws.check_constant(model, spec)


@pytest.mark.parametrize("build", slowly([*REAL, *OTHER], (0, 4)), ids=names)
def test_padding_is_never_read(build):
    laws.check_padding_is_never_read(made(build), spec_of(build))


@pytest.mark.parametrize("build", slowly([*REAL, *OTHER], (0, 4)), ids=names)
def test_other_windows_change_nothing_to_the_last_bit(build):
    model, inputs = made(build), batch()
    assert (run(model, inputs)[0] == run(model, changed(inputs))[0]).all()


@pytest.mark.parametrize("build", slowly([*REAL, *OTHER], (0, 4)), ids=names)
def test_quantiles_are_those_of_the_paths_and_never_cross(build):
    model, inputs = made(build), batch(rows=20, seed=2)
    forecasts, paths = run(model, inputs), run(forms_of(model).paths, inputs)
    assert paths.shape == (20, 9, 4, 2) and forms_of(model).quantiles
    exact = np.moveaxis(np.quantile(paths, QUANTILES, axis=1, method="hazen"), 0, -1)
    np.testing.assert_allclose(forecasts, exact, rtol=1e-5)
    assert (np.diff(forecasts, axis=-1) >= 0).all() and np.ptp(forecasts, axis=-1).max() > 0


@pytest.mark.parametrize("build", slowly([*REAL, *OTHER[:3]]), ids=names)
def test_constant_window_gives_that_constant(build):
    inputs = batch() | {"target": np.full((5, 9, 2), 7.0)}
    paths = run(forms_of(made(build)).paths, inputs)
    np.testing.assert_allclose(paths, 7.0, rtol=1e-14 if wide() == "float64" else 1e-6)


@pytest.mark.parametrize("lengths", [[9, 9, 9, 9, 9], [9, 6, 3, 1, 2]], ids=["whole", "padded"])
@pytest.mark.parametrize("build", slowly([*REAL, *OTHER], (0, 4)), ids=names)
def test_a_path_is_drawn_from_what_the_training_form_forecasts_when_fed_with_it(build, lengths):
    """Sampling and teacher forcing are the same network: rows, lags, anchors, marks, covariates and scales."""
    model, inputs, spec = made(build), batch(), spec_of(build)
    inputs["length"] = np.array(lengths, dtype="int32")
    inputs["target"][1, 1] = np.nan
    inputs["lagged"][0, 9:] += 0.5
    paths = run(forms_of(model).paths, inputs)
    noise = common_noise(layer_seed(0, 70), 4, 9, 2, NOISE[spec.head]).astype(wide())
    for path in (0, 5):
        ahead = paths[:, path]
        forced = run(forms_of(model).training, inputs | {"ahead": ahead})
        assert forced.shape == (5, 12, 2, len(forced[0, 0, 0]))
        for step in range(4):
            parameters = np.stack([forced[i, length - 1 + step] for i, length in enumerate(lengths)])
            values = keras.ops.convert_to_numpy(draw(spec.head, parameters, noise[step, path][None]))
            values = np.exp(values) if spec.head == "lognormal" else values
            scales = np.nanstd(inputs["target"], axis=1)
            # A count may be rounded the other way; a single row has no scale to be drawn on.
            away = np.abs(values - ahead[:, step]) / (
                np.ones_like(scales) if spec.head == "lognormal" else scales
            )
            some = np.array(lengths) > 1
            if spec.head == "negative_binomial":
                assert np.mean(values[some] == ahead[some, step]) >= 0.8
            else:
                assert away[some].max() < 2e-3 * (1 + np.abs(values).max() * (spec.head == "lognormal"))


@pytest.mark.parametrize("build", slowly([REAL[0], REAL[2], OTHER[1]]), ids=names)
def test_the_training_form_sees_no_later_row(build):
    model, inputs = made(build), batch()
    inputs["target"][:, -1] = inputs["target"][:, 3]
    training, ahead = forms_of(model).training, batch(seed=5)["target"][:, :4]
    before = run(training, inputs | {"ahead": ahead})
    for step in range(4):
        nudged = ahead.copy()
        nudged[:, step] += 1
        moved = np.abs(run(training, inputs | {"ahead": nudged}) - before).max(axis=(0, 3))
        assert moved[: 9 + step].max() == 0
        assert step == 3 or moved[9 + step].min() > 1e-7
    # The scale of the window is that of all its rows; two rows exchanged leave it, and what is before them.
    other = inputs["target"].copy()
    other[:, [5, 6]] = other[:, [6, 5]]
    moved = np.abs(run(training, inputs | {"target": other, "ahead": ahead}) - before).max(axis=(0, 2, 3))
    assert moved[:4].max() < 1e-5 and moved[4:6].max() > 1e-4


def test_all_forms_share_their_weights():
    model = made(REAL[0])
    forms = forms_of(model)
    own = {id(weight) for weight in model.weights}
    for form in (forms.training, forms.paths, forms.longer(7), forms_of(forms.longer(7)).paths):
        assert {id(weight) for weight in form.weights} == own
    assert forms.rows == "next"


def lengthened(inputs: dict[str, np.ndarray], by: int) -> dict[str, np.ndarray]:
    rng, out = np.random.default_rng(8), dict(inputs)
    for name in ("known_future", "calendar", "lagged"):
        more = rng.normal(size=(len(inputs[name]), by, inputs[name].shape[2])).astype(inputs[name].dtype)
        out[name] = np.concatenate([inputs[name], more * np.nan if name == "lagged" else more], axis=1)
    return out


@pytest.mark.parametrize("build", slowly([REAL[0], REAL[2], OTHER[0]]), ids=names)
def test_a_longer_horizon_begins_with_the_shorter_one(build):
    model, inputs = made(build), batch()
    longer = forms_of(model).longer(11)
    forecasts, more = run(longer, lengthened(inputs, 7)), lengthened(inputs, 7)
    assert forecasts.shape == (5, 11, 2, 3) and np.isfinite(forecasts).all()
    assert (forecasts[:, :4] == run(model, inputs)).all()
    assert (run(forms_of(longer).paths, more)[:, :, :4] == run(forms_of(model).paths, inputs)).all()
    shorter = forms_of(longer).longer(2)
    first = {
        name: part[:, :11] if name in ("known_future", "calendar", "lagged") else part
        for name, part in more.items()
    }
    assert (run(shorter, first) == forecasts[:, :2]).all()


def test_lags_and_past_only_columns_are_used():
    model, inputs = made(REAL[0]), batch()
    before = run(model, inputs)
    for name in ("past_only", "static", "calendar", "known_future", "lagged"):
        assert np.abs(run(model, inputs | {name: inputs[name][::-1]}) - before).max() > 1e-6, name


def test_targets_apart_have_noise_of_their_own():
    model, inputs = made(REAL[0]), batch()
    inputs["target"][:, :, 1] = inputs["target"][:, :, 0]
    inputs["lagged"][..., 1::2] = inputs["lagged"][..., 0::2]
    paths = run(forms_of(model).paths, inputs)
    assert np.abs(paths[..., 0] - paths[..., 1]).min(axis=(0, 1)).max() > 0
    # Sorted, the two are draws from one distribution at the first step.
    first = np.sort(paths[:, :, 0], axis=1)
    spread = np.ptp(first, axis=1).max()
    assert np.abs(first[..., 0] - first[..., 1]).max() < spread


def test_plain_keras_opens_a_saved_model(tmp_path):
    model, inputs = made(REAL[0]), batch()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(run(again, inputs), run(model, inputs))


def test_seeds_decide_weights_and_noise():
    def built(seed: int) -> keras.Model:
        return build_autoregressive(Spec(**PLAIN, head="normal", seed=seed), units=4, paths=5)

    one, same, other = built(1), built(1), built(2)
    assert all((a == b).all() for a, b in zip(one.get_weights(), same.get_weights(), strict=True))
    inputs = {"target": batch()["target"]}
    assert (run(one, inputs) == run(same, inputs)).all()
    other.set_weights(one.get_weights())
    assert (run(forms_of(one).paths, inputs) != run(forms_of(other).paths, inputs)).all()


def linear_chain(phi: float, sigma: float, **spec) -> keras.Model:
    """A network whose next value is normal around phi times the value: an AR(1) process."""
    model = build_autoregressive(
        Spec(context=3, horizon=12, head="normal", anchor="none", quantiles=(0.1, 0.5, 0.9), **spec),
        cell="rnn",
        units=1,
        layers=1,
        paths=2_000,
    )
    small = 1e-2 if wide() == "float64" else 3e-2
    kernel, recurrent, bias, output, output_bias = model.weights
    kernel.assign([[small]])
    recurrent.assign([[0.0]])
    bias.assign([0.0])
    output.assign([[phi / small, 0.0]])
    # The scale is softplus(free + log(e - 1)) + 0.0001.
    output_bias.assign([0.0, np.log(np.expm1(sigma - 1e-4)) - np.log(np.e - 1)])
    return model


def test_paths_of_an_ar_process_have_its_distribution():
    phi, sigma, last = 0.8, 0.5, 2.0
    model = linear_chain(phi, sigma)
    inputs = {"target": np.array([[[9.0], [np.nan], [last]]])}
    paths, steps = run(forms_of(model).paths, inputs)[0, :, :, 0], np.arange(1, 13)
    spread = sigma * np.sqrt((1 - phi ** (2 * steps)) / (1 - phi**2))
    np.testing.assert_allclose(paths.mean(axis=0), last * phi**steps, atol=0.04)
    np.testing.assert_allclose(paths.std(axis=0), spread, rtol=0.04)
    for step in (1, 12):
        exact = scipy.stats.norm(last * phi**step, spread[step - 1])
        assert scipy.stats.kstest(paths[:, step - 1], exact.cdf).pvalue > 0.01
    jump = paths[:, 1:] - phi * paths[:, :-1]
    assert abs(np.corrcoef(paths[:, 3], paths[:, 4])[0, 1] - phi * spread[3] / spread[4]) < 0.03
    assert np.abs(np.corrcoef(jump.T) - np.eye(11)).max() < 0.1
    forecasts = run(model, inputs)[0, :, 0]
    exact = scipy.stats.norm(last * phi ** steps[:, None], spread[:, None]).ppf([0.1, 0.5, 0.9])
    np.testing.assert_allclose(forecasts, exact, atol=0.05)


def likelihood(actual, parameters):
    """The negative log likelihood of normal distributions, written out."""
    loc, scale = parameters[..., 0], parameters[..., 1]
    away = (keras.ops.cast(actual, parameters.dtype) - loc) / scale
    return keras.ops.mean(0.5 * keras.ops.square(away) + keras.ops.log(scale))


def whole(seen: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    return np.concatenate([seen, ahead], axis=1)[:, 1:]


@pytest.mark.slow
def test_a_trained_network_forecasts_an_ar_process():
    phi, rng = 0.7, np.random.default_rng(0)
    values = np.zeros((512, 40, 1))
    for i in range(1, 40):
        values[:, i] = phi * values[:, i - 1] + rng.normal(size=(512, 1))
    spec = Spec(context=16, horizon=8, head="normal", anchor="none", quantiles=(0.1, 0.5, 0.9))
    model = build_autoregressive(spec, cell="gru", units=12, layers=1, dropout=0.0, paths=400)
    training = forms_of(model).training
    training.compile(keras.optimizers.Adam(0.01), loss=likelihood)
    seen, ahead = values[:, 16:32], values[:, 32:]
    training.fit({"target": seen, "ahead": ahead}, whole(seen, ahead), epochs=15, batch_size=32, verbose=0)
    start = np.full((1, 16, 1), 0.0)
    start[:, -1] = 2.0
    forecasts = run(model, {"target": start})[0, :, 0]
    steps = np.arange(1, 9)
    spread = np.sqrt((1 - phi ** (2 * steps)) / (1 - phi**2))
    np.testing.assert_allclose(forecasts[:, 1], 2.0 * phi**steps, atol=0.35)
    np.testing.assert_allclose((forecasts[:, 2] - forecasts[:, 0]) / 2.563, spread, rtol=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("build", [REAL[0], REAL[2], OTHER[0], LOG], ids=names)
def test_training_lowers_the_loss(build):
    from forecast.models.distributions import distribution_of

    model = randomised(build_autoregressive(spec_of(build), **NETWORK, lags=LAGS))
    family, training = distribution_of(build["head"]), forms_of(model).training

    def loss(actual, parameters):
        return -keras.ops.mean(family.log_prob(keras.ops.cast(actual, parameters.dtype), parameters))

    training.compile(keras.optimizers.Adam(0.01), loss=loss)
    inputs = batch(rows=32)
    ahead = batch(rows=32, seed=4)["target"][:, :4]
    if build["head"] == "negative_binomial":
        inputs["target"], ahead = (np.maximum(np.round(part - 45), 0) for part in (inputs["target"], ahead))
    actual = whole(inputs["target"], ahead)
    history = training.fit(inputs | {"ahead": ahead}, actual, epochs=30, batch_size=32, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] - 0.05


def test_one_row_of_context_is_enough():
    spec = Spec(context=1, horizon=5, head="normal", anchor="none", quantiles=(0.5,), known_future=1)
    model = randomised(build_autoregressive(spec, units=4, paths=7))
    inputs = {"target": np.array([[[0.5]], [[-1.0]]]), "known_future": np.ones((2, 6, 1))}
    forecasts = run(model, inputs)
    assert forecasts.shape == (2, 5, 1, 1) and np.isfinite(forecasts).all()
    assert (forecasts[0] != forecasts[1]).all()
    assert run(forms_of(model).training, inputs | {"ahead": np.ones((2, 5, 1))}).shape == (2, 5, 1, 2)


def test_curves_are_generated_from_a_static_code():
    keras.utils.set_random_seed(0)
    steps = np.arange(12) / 12
    curves = np.stack([np.sin(2 * np.pi * steps), 1 - 2 * steps])[:, :, None]
    spec = Spec(context=1, horizon=12, head="normal", anchor="none", static=2)
    model = build_autoregressive(
        spec, cell="gru", units=16, layers=1, dropout=0.0, paths=20, from_static=True
    )
    rng, code = np.random.default_rng(0), np.arange(256) % 2
    ahead = curves[code] + rng.normal(scale=0.05, size=(256, 12, 1))
    inputs = {"target": np.zeros((256, 1, 1)), "static": np.eye(2, dtype="float32")[code]}
    training = forms_of(model).training
    training.compile(keras.optimizers.Adam(0.02), loss=likelihood)
    training.fit(inputs | {"ahead": ahead}, ahead, epochs=40, batch_size=64, verbose=0)
    both = {"target": np.zeros((2, 1, 1)), "static": np.eye(2, dtype="float32")}
    generated = run(model, both)
    assert generated.shape == (2, 12, 1)
    assert np.abs(generated - curves).mean() < 0.12
    # What is in the context is not read.
    assert (run(model, both | {"target": np.full((2, 1, 1), 99.0)}) == generated).all()
    assert (run(forms_of(model).longer(20), both)[:, :12] == generated).all()


def test_rows_by_hand():
    raw, one = np.array([[[2.0], [np.nan], [6.0], [8.0]]]), np.ones((1, 1, 1))
    bases = np.array([[[5.0], [7.0]]], "float32")
    features = np.zeros((1, 4, 1), "float32")
    ahead = np.array([[[10.0], [4.0]]])

    def laid(anchor: str, **given) -> list[list[float]]:
        layer = Rows(anchor, period=2, season=2)
        rows, nexts, newest = layer(raw, 2 * one, 2 * one, bases, features, **given)
        return [keras.ops.convert_to_numpy(part)[0].T.tolist() for part in (rows, nexts, newest[:, None])]

    rows, nexts, newest = laid("last", ahead=ahead)
    assert rows == [[0, 0, 2, 3, 4], [0, 0, 2, 1, 1]] and nexts == [[0, 0, 2, 3, 4]] and newest == [[3]]
    rows, nexts, _ = laid("period", ahead=ahead)
    assert nexts == [[0, 0, 0, 5, 7]]
    assert rows == [[0, 0, 2, 3, 4], [0, 0, 2, 3, -1], [0, 0, 0, 5, 7]]
    _, nexts, _ = laid("mean")
    assert nexts == [[0, 0, 1, 5]]
    _, nexts, _ = laid("season")
    assert nexts == [[0, 0, 2, 5]]
    rows, nexts, newest = laid("last", ahead=ahead, length=np.array([3], "int32"))
    assert rows[0][:4] == [0, 0, 2, 4] and newest == [[2]]


def test_path_quantiles_by_hand():
    values = np.arange(10.0).reshape(1, 10, 1)[:, ::-1].copy()
    halves = keras.ops.convert_to_numpy(PathQuantiles(5, (0.1, 0.5, 0.99))(values))
    assert halves.shape == (1, 2, 1, 3)
    # Five paths of two steps: 9 7 5 3 1 and 8 6 4 2 0.
    assert halves[0, :, 0].tolist() == [[1, 5, 9], [0, 4, 8]]
    assert keras.ops.convert_to_numpy(PathQuantiles(5)(values)).tolist() == [[[5.0], [4.0]]]


@pytest.mark.parametrize(
    ("spec", "wrong", "word"),
    [
        ({"head": "quantiles"}, {}, "one of normal, student, lognormal, mixture, negative_binomial"),
        ({"skip": True}, {}, "no skip"),
        ({}, {"lags": (1,)}, "lags must be 0 whole numbers"),
        ({"lags": 2}, {"lags": (1, 0)}, "lags must be 2 whole numbers"),
        ({}, {"paths": 0}, "paths"),
        ({}, {"paths": 10_001}, "10000"),
        ({}, {"cell": "gruu"}, "cell"),
        ({}, {"dropout": 1}, "dropout"),
        ({}, {"from_static": True}, "from_static needs static"),
        ({"static": 1}, {"from_static": True}, "context=1"),
    ],
)
def test_wrong_arguments_are_named(spec, wrong, word):
    with pytest.raises(ParameterError, match=word):
        build_autoregressive(Spec(**(PLAIN | {"head": "normal"} | spec)), **wrong)
