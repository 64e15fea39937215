"""Distributions against scipy, scoringrules and numerical integration; their gradients and fits."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from keras import ops
from scipy import integrate, optimize, special, stats

from forecast.errors import ParameterError
from forecast.evaluation import distributions as plain
from forecast.models.distributions import DISTRIBUTIONS, DistributionHead, distribution_of
from forecast.models.layers import wide
from forecast.models.losses import DISTRIBUTION_LOSSES, DistributionLoss
from forecast.models.special import log_gamma, log_rising, normal_cdf, student_cdf, student_log_density
from tests.models.differentiating import value_and_gradient
from tests.probabilities import cdf

NAMES = tuple(DISTRIBUTIONS)
FLOAT64 = wide() == "float64"

# Several distributions of each family, from sharp to broad.
EXAMPLES = {
    "normal": [[0.0, 1.0], [-3.0, 0.01], [250.0, 40.0]],
    "student": [[0.0, 1.0, 2.2], [5.0, 0.3, 4.0], [-80.0, 12.0, 30.0], [1.0, 2.0, 180.0]],
    "negative_binomial": [[0.02, 0.5], [1.5, 3.0], [7.0, 1e-6], [60.0, 0.2], [4_000.0, 0.01]],
    "lognormal": [[0.0, 0.5], [3.0, 0.05], [-1.0, 1.2]],
    "mixture": [
        [0.2, 0.5, 0.3, -2.0, 0.0, 5.0, 0.5, 1.0, 0.2],
        [0.98, 0.01, 0.01, 10.0, 0.0, 40.0, 0.1, 3.0, 3.0],
    ],
}
# Counts have no closed form: what is promised of them, and what float32 leaves of that.
CLOSE = {"negative_binomial": 2e-3 if FLOAT64 else 5e-3}
LEVELS = (0.001, 0.05, 0.3, 0.5, 0.8, 0.95, 0.999)


def tensor(values) -> keras.KerasTensor:
    return ops.convert_to_tensor(np.asarray(values, np.float64), dtype=wide())


def array(values) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(values), np.float64)


def restored(name: str, free, level, scale) -> np.ndarray:
    """Raw parameters by the head, from numbers that go in with all their digits."""
    return array(DistributionHead(name)(tensor(free), tensor(level), tensor(scale)))


def cases(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Each example with actuals all over it."""
    parameters = np.repeat(np.array(EXAMPLES[name]), len(LEVELS), axis=0)
    return plain.quantiles_of(name, EXAMPLES[name], LEVELS).ravel(), parameters


def log_prob_by_scipy(name: str, y: np.ndarray, p: np.ndarray) -> np.ndarray:
    if name == "normal":
        return stats.norm.logpdf(y, p[:, 0], p[:, 1])
    if name == "student":
        return stats.t.logpdf(y, p[:, 2], p[:, 0], p[:, 1])
    if name == "negative_binomial":
        return stats.nbinom.logpmf(y, 1 / p[:, 1], 1 / (1 + p[:, 0] * p[:, 1]))
    if name == "lognormal":
        return stats.lognorm.logpdf(y, p[:, 1], scale=np.exp(p[:, 0]))
    single = stats.norm.logpdf(y[:, None], p[:, 3:6], p[:, 6:])
    return special.logsumexp(single, b=p[:, :3], axis=1)


@pytest.mark.parametrize("name", NAMES)
def test_log_prob_is_scipys(name):
    y, p = cases(name)
    expected = log_prob_by_scipy(name, y, p)
    found = array(DISTRIBUTIONS[name].log_prob(tensor(y), tensor(p)))
    if FLOAT64:
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    else:
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(
    ("name", "outside"), [("lognormal", 0.0), ("lognormal", -1.0), ("negative_binomial", -1.0)]
)
def test_what_cannot_be_has_no_density(name, outside):
    p = EXAMPLES[name][0]
    assert float(DISTRIBUTIONS[name].log_prob(tensor(outside), tensor(p))) == -math.inf


def crps_by_integration(name: str, y: float, p: list[float]) -> float:
    """The integral of (F - [x >= y])^2, from the distribution functions of scipy."""
    if name == "negative_binomial":
        last = int(max(plain.quantiles_of(name, p, (1 - 1e-12,))[0], y)) + 2
        counts = np.arange(last)
        return float(np.sum((cdf(name, p, counts) - (counts >= y)) ** 2))
    tails = (1e-7, 1e-5, 1e-3, 0.05, 0.2, 0.5)
    breaks = np.unique([*plain.quantiles_of(name, p, [*tails, *(1 - q for q in tails)]), y])

    def squared(x):
        return (cdf(name, p, x) - (x >= y)) ** 2

    return sum(integrate.fixed_quad(squared, a, b, n=80)[0] for a, b in zip(breaks, breaks[1:]))


@pytest.mark.parametrize("name", NAMES)
def test_crps_is_the_integral_over_squared_errors_of_the_distribution_function(name):
    y, p = cases(name)
    y, p = y[::2], p[::2]
    expected = [crps_by_integration(name, *one) for one in zip(y, p.tolist())]
    found = array(DISTRIBUTIONS[name].crps(tensor(y), tensor(p)))
    np.testing.assert_allclose(found, expected, rtol=CLOSE.get(name, 1e-4 if FLOAT64 else 1e-3))


@pytest.mark.parametrize("name", NAMES)
def test_crps_agrees_with_scoringrules(name):
    scores = pytest.importorskip("scoringrules", reason="scoringrules is not installed")
    y, p = cases(name)
    if name == "negative_binomial":
        expected = scores.crps_negbinom(y, 1 / p[:, 1], 1 / (1 + p[:, 0] * p[:, 1]))
        # Its hypergeometric function has no digits left near the Poisson limit, and overflows for large means.
        keep = (p[:, 1] > 1e-3) & (p[:, 0] < 1e3)
        y, p, expected = y[keep], p[keep], expected[keep]
    elif name == "mixture":
        expected = scores.crps_mixnorm(y, p[:, 3:6], p[:, 6:], p[:, :3])
    elif name == "student":
        expected = scores.crps_t(y, p[:, 2], p[:, 0], p[:, 1])
    else:
        score = scores.crps_normal if name == "normal" else scores.crps_lognormal
        expected = score(y, p[:, 0], p[:, 1])
    found = array(DISTRIBUTIONS[name].crps(tensor(y), tensor(p)))
    np.testing.assert_allclose(found, expected, rtol=CLOSE.get(name, 1e-5 if FLOAT64 else 1e-3))


@pytest.mark.skipif(not FLOAT64, reason="the closeness promised is that of float64")
@pytest.mark.parametrize(
    ("mean", "dispersion"),
    [
        (1.0, 0.1), (1.0, 50.0), (33.0, 1e-6), (33.0, 1.0), (100.0, 50.0), (1e3, 1e-3), (1e3, 5.0),
        (1e5, 1e-6), (1e5, 1e-3), (1e5, 0.1),
    ],
)  # fmt: skip
def test_crps_of_counts_is_as_close_as_promised(mean, dispersion):
    p = [mean, dispersion]
    y = np.unique(plain.quantiles_of("negative_binomial", p, (0.001, 0.1, 0.4, 0.7, 0.99)))
    expected = [crps_by_integration("negative_binomial", one, p) for one in y]
    found = array(DISTRIBUTIONS["negative_binomial"].crps(tensor(y), tensor([p] * len(y))))
    np.testing.assert_allclose(found, expected, rtol=2e-3 if dispersion <= 5 else 1e-2)


@pytest.mark.skipif(not FLOAT64, reason="differences need the digits of float64")
@pytest.mark.parametrize("score", ["log_prob", "crps"])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_small_differences(name, score):
    y, p = cases(name)
    rule = getattr(DISTRIBUTIONS[name], score)
    _, gradient = value_and_gradient(lambda free: ops.sum(rule(tensor(y), free)), p, wide())
    counts = name == "negative_binomial"

    def valued(parameters):
        if counts and score == "crps":  # the sum that it stands for: its own points move with the parameters
            return np.array([crps_by_integration(name, *one) for one in zip(y, parameters.tolist())])
        return array(rule(tensor(y), tensor(parameters)))

    for i, what in enumerate(DISTRIBUTIONS[name].parameters):
        step = np.zeros_like(p)
        step[:, i] = 1e-4 * p[:, i] if counts else 1e-5 * np.maximum(np.abs(p[:, i]), 1e-4)
        slope = (valued(p + step) - valued(p - step)) / (2 * step[:, i])
        exact = {"rtol": 2e-2 if counts else 1e-3, "atol": 1e-4 * np.abs(slope).max()}
        np.testing.assert_allclose(gradient[:, i], slope, err_msg=what, **exact)


# Windows with (level, scale): ordinary, constant, all zero, huge with little spread, and tiny.
WINDOWS = [(40.0, 6.0), (5.0, 0.0), (0.0, 0.0), (1e9, 1.0), (1e-9, 1e-10)]


@pytest.mark.parametrize("kind", DISTRIBUTION_LOSSES)
@pytest.mark.parametrize("name", NAMES)
def test_extreme_numbers_and_constant_windows_keep_gradients_finite(name, kind):
    rng, size = np.random.default_rng(3), len(DISTRIBUTIONS[name].parameters)
    free = np.concatenate([rng.choice([-50.0, 0.0, 50.0], size=(120, size)), rng.normal(size=(40, size))])
    head, loss = DistributionHead(name), DistributionLoss(name, kind)
    for level, scale in WINDOWS:
        if name == "lognormal":
            scale = scale / (level or 1)
            level = math.log(level) if level > 0 else 0.0
        window = np.full((len(free), 1, 1), level), np.full((len(free), 1, 1), scale)
        for actual in (0.0, 1.0, 7.0, 3e3):
            if actual == 0 and name == "lognormal":
                continue
            weight = rng.choice([0.0, 0.5], size=(len(free), 1, 1))
            y = tensor(np.where(weight > 0, actual, 0.0))

            def score(numbers, window=window, y=y, weight=weight):
                parameters = head(numbers[:, None, None, :], *(tensor(part) for part in window))
                return loss(y, parameters, tensor(weight))

            value, gradient = value_and_gradient(score, free, "float32")
            assert np.isfinite(value), (level, scale, actual)
            assert np.isfinite(gradient).all(), (level, scale, actual)
            assert (gradient[weight[:, 0, 0] == 0] == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_scores_of_any_window_are_finite_without_a_loss_around_them(name):
    family, size = DISTRIBUTIONS[name], len(DISTRIBUTIONS[name].parameters)
    free = np.concatenate([np.full((1, size), x) for x in (-50.0, 0.0, 50.0)])
    for level, scale in WINDOWS:
        if name == "lognormal":
            level, scale = (math.log(level), scale / level) if level > 0 else (0.0, 0.0)
        p = family.restore(family.free_to_scaled(tensor(free)), tensor(level), tensor(scale))
        assert np.isfinite(array(p)).all()
        y = tensor(np.full(len(free), 3.0))
        assert np.isfinite(array(family.log_prob(y, p))).all(), (level, scale)
        assert np.isfinite(array(family.crps(y, p))).all(), (level, scale)


@pytest.mark.parametrize("name", NAMES)
def test_zero_free_numbers_are_about_the_window(name):
    size = len(DISTRIBUTIONS[name].parameters)
    level, scale = (math.log(200.0), 0.1) if name == "lognormal" else (200.0, 20.0)
    p = restored(name, np.zeros((1, 1, 1, size)), *(np.full((1, 1, 1), x) for x in (level, scale)))
    low, middle, high = plain.quantiles_of(name, p[0, 0, 0], (0.1587, 0.5, 0.8413))
    assert middle == pytest.approx(200, rel=0.02)
    assert (high - low) / 2 == pytest.approx(20, rel=0.35)


@pytest.mark.parametrize("level", [730.0, 1e-4, 1e9])
@pytest.mark.parametrize("name", [n for n in NAMES if n != "negative_binomial"])
def test_a_constant_window_is_forecast_with_its_constant(name, level):
    size = len(DISTRIBUTIONS[name].parameters)
    free = np.random.default_rng(0).normal(size=(1, 4, 1, size)) * 3
    stored = math.log(level) if name == "lognormal" else level
    p = restored(name, free, np.full((1, 1, 1), stored), np.zeros((1, 1, 1)))
    exact = 1e-10 if FLOAT64 else 1e-4
    np.testing.assert_allclose(plain.quantiles_of(name, p, (0.01, 0.5, 0.99)), level, rtol=exact)


def test_a_constant_window_of_counts_is_forecast_with_the_least_spread_of_counts():
    free = np.random.default_rng(0).normal(size=(1, 4, 1, 2)) * 3
    level = np.array([[[30.0]]])
    p = restored("negative_binomial", free, level, 0 * level)
    np.testing.assert_allclose(p[..., 0], 30.0, rtol=1e-4)
    poisson = stats.poisson.ppf((0.1, 0.9), 30.0)
    np.testing.assert_array_equal(plain.quantiles_of("negative_binomial", p, (0.1, 0.9))[0, 0, 0], poisson)
    zeros = restored("negative_binomial", free, 0 * level, 0 * level)
    assert (zeros > 0).all()
    assert (plain.quantiles_of("negative_binomial", zeros, (0.99,)) == 0).all()


@pytest.mark.parametrize("factor", [0.01, 3.0])
@pytest.mark.parametrize("name", ["normal", "student", "mixture"])
def test_an_affine_change_of_the_series_moves_the_forecast_likewise(name, factor):
    rng, size, shift = np.random.default_rng(5), len(DISTRIBUTIONS[name].parameters), -17.0
    free = rng.normal(size=(6, 3, 2, size))
    level, scale = rng.normal(size=(6, 1, 2)) * 10, rng.gamma(2.0, 3.0, size=(6, 1, 2))
    first = restored(name, free, level, scale)
    moved = restored(name, free, level * factor + shift, scale * factor)
    exact = {"rtol": 1e-9, "atol": 1e-9} if FLOAT64 else {"rtol": 1e-4, "atol": 1e-4}
    for i, what in enumerate(DISTRIBUTIONS[name].parameters):
        expected = first[..., i]
        if what.startswith(("loc", "scale")):
            expected = expected * factor + (shift if what.startswith("loc") else 0.0)
        np.testing.assert_allclose(moved[..., i], expected, **exact)
    levels = (0.1, 0.5, 0.9)
    expected = plain.quantiles_of(name, first, levels) * factor + shift
    np.testing.assert_allclose(plain.quantiles_of(name, moved, levels), expected, **exact)


@pytest.mark.parametrize("name", NAMES)
def test_located_numbers_are_only_shifted(name):
    family, rng = DISTRIBUTIONS[name], np.random.default_rng(1)
    free = rng.normal(size=(5, len(family.parameters)))
    path = np.zeros_like(free)
    path[:, family.located] = rng.normal(size=(5, 1))
    before, after = (array(family.free_to_scaled(tensor(x))) for x in (free, free + path))
    np.testing.assert_allclose(after - before, path, atol=1e-6)


# Free numbers of the truth; counts come from a window with level 20, the others with level 3.
TRUTH = {
    "normal": [0.5, -0.4],
    "student": [-0.3, 0.5, -1.0],
    "negative_binomial": [0.4, 0.3],
    "lognormal": [0.3, -0.5],
    "mixture": [0.5, 0.0, -0.5, -1.5, 0.0, 2.0, -1.0, -1.0, -0.5],
}


# The rest takes seconds each.
QUICK = {("normal", "likelihood"), ("normal", "crps"), ("student", "likelihood"), ("lognormal", "crps")}
FITS = [
    pytest.param(name, kind, marks=() if (name, kind) in QUICK else pytest.mark.slow)
    for name in NAMES
    for kind in DISTRIBUTION_LOSSES
]


@pytest.mark.parametrize(("name", "kind"), FITS)
def test_minimising_a_loss_finds_the_distribution_behind_20_000_values(name, kind):
    level, scale = {"negative_binomial": (20.0, 8.0), "lognormal": (3.0, 0.4)}.get(name, (3.0, 2.0))
    family, loss, n = DISTRIBUTIONS[name], DistributionLoss(name, kind), 20_000

    def raw(free):
        return family.restore(family.free_to_scaled(free), tensor(level), tensor(scale))

    truth = array(raw(tensor(TRUTH[name])))
    places = (np.arange(n) + 0.5) / n
    y = tensor(plain.quantiles_of(name, truth, places.tolist())[:, None, None])
    weight = tensor(np.full((n, 1, 1), 1 / scale))

    def score(free):
        parameters = ops.broadcast_to(raw(free), (n, 1, 1, free.shape[0]))
        return loss(y, parameters, weight)

    start = np.zeros(len(truth))
    found = optimize.minimize(
        lambda x: value_and_gradient(score, x, wide()), start, jac=True, method="L-BFGS-B"
    )
    assert found.fun <= value_and_gradient(score, np.array(TRUTH[name]), wide())[0] + 1e-6
    fitted = array(raw(tensor(found.x)))
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    got, expected = plain.quantiles_of(name, fitted, levels), plain.quantiles_of(name, truth, levels)
    allowed = 0.04 * (expected[-1] - expected[0]) if name != "negative_binomial" else 1.0
    np.testing.assert_allclose(got, expected, atol=allowed)
    if name != "mixture":
        np.testing.assert_allclose(fitted, truth, rtol=0.12 if name == "student" else 0.05)


def test_the_head_says_its_shape_and_survives_saving(tmp_path):
    inputs = {
        "free": keras.Input((4, 2, 3), name="free"),
        "level": keras.Input((1, 2), dtype=wide(), name="level"),
        "scale": keras.Input((1, 2), dtype=wide(), name="scale"),
    }
    output = DistributionHead("student")(inputs["free"], inputs["level"], inputs["scale"])
    assert output.shape == (None, 4, 2, 3)
    model = keras.Model(inputs, output)
    rng = np.random.default_rng(0)
    given = {
        "free": rng.normal(size=(5, 4, 2, 3)).astype("float32"),
        "level": rng.normal(size=(5, 1, 2)),
        "scale": rng.gamma(2.0, size=(5, 1, 2)),
    }
    first = model.predict(given, verbose=0)
    assert first.shape == (5, 4, 2, 3)
    assert str(first.dtype) == wide()
    model.save(tmp_path / "head.keras")
    again = keras.saving.load_model(tmp_path / "head.keras").predict(given, verbose=0)
    np.testing.assert_array_equal(first, again)


def test_a_level_for_each_step_is_taken_step_by_step():
    level = np.array([[[1.0], [100.0]]])
    p = restored("normal", np.zeros((1, 2, 1, 2)), level, np.ones((1, 1, 1)))
    np.testing.assert_allclose(p[0, :, 0, 0], [1.0, 100.0])


def test_an_unknown_distribution_is_named():
    with pytest.raises(ParameterError, match=r"got 'studnt'. Did you mean 'student'"):
        distribution_of("studnt")
    with pytest.raises(ParameterError, match="cauchy"):
        DistributionHead("cauchy")


def test_special_functions_are_scipys():
    exact = 1e-10 if FLOAT64 else 1e-4
    x = np.geomspace(1e-3, 1e6, 200)
    np.testing.assert_allclose(array(log_gamma(tensor(x))), special.gammaln(x), rtol=exact, atol=exact)
    for by in (0.0, 0.5, 3.0, 40.0):
        expected = special.gammaln(x + by) - special.gammaln(x) - by * np.log(x)
        np.testing.assert_allclose(
            array(log_rising(tensor(x), tensor(by))),
            expected,
            rtol=10 * exact,
            atol=1e-8 if FLOAT64 else 1e-3,
        )
    z = np.linspace(-7, 7, 101)
    np.testing.assert_allclose(array(normal_cdf(tensor(z))), special.ndtr(z), rtol=exact)
    for df in (2.01, 3.5, 20.0, 250.0):
        many = tensor(np.full(len(z), df))
        far = tensor(z * 3)
        allowed = 1e-6 if FLOAT64 else 1e-5
        np.testing.assert_allclose(array(student_cdf(far, many)), special.stdtr(df, z * 3), atol=allowed)
        found, expected = array(student_log_density(far, many)), stats.t.logpdf(z * 3, df)
        np.testing.assert_allclose(found, expected, rtol=exact, atol=exact)


def test_the_names_are_those_of_the_evaluation():
    assert {name: family.parameters for name, family in DISTRIBUTIONS.items()} == plain.PARAMETERS
