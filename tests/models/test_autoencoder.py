"""Networks that make windows again: shapes, marks of what is known, the bound, and what weights tell beforehand."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from scipy.stats import norm

from forecast.errors import ParameterError
from forecast.models.autoencoder import (
    LEAST_SCALE,
    DrawCodes,
    MeanAndScale,
    RepeatedCode,
    WindowSpec,
    build_autoencoder,
    build_variational,
    divergence,
    least_weights,
)
from forecast.models.losses import DistributionLoss

BUILDS = {"autoencoder": build_autoencoder, "variational": build_variational}
RNG = np.random.default_rng(0)


def inputs_of(spec, windows=3, draws=0, code=3):
    known = (RNG.random((windows, spec.rows, spec.channels)) < 0.8).astype(np.float32)
    rows = (RNG.normal(size=known.shape) * known).astype(np.float32)
    noise = {"noise": RNG.normal(size=(windows, draws, code)).astype(np.float32)} if draws else {}
    return {"rows": rows, "known": known} | noise


def made(model, inputs):
    return keras.ops.convert_to_numpy(model.predict_on_batch(inputs))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("beyond", [0, 1])
def test_shapes(cell, bidirectional, beyond):
    spec = WindowSpec(rows=6, channels=2, beyond=beyond)
    options = {"cell": cell, "units": 4, "code": 3, "bidirectional": bidirectional}
    found = made(build_autoencoder(spec, **options), inputs_of(spec))
    assert found.shape == (3, 6 + 2 * beyond, 2) and np.isfinite(found).all()
    found = made(build_variational(spec, **options), inputs_of(spec, draws=5))
    assert found.shape == (15, 6 + 2 * beyond, 2, 2) and (found[..., 1] > LEAST_SCALE).all()


@pytest.mark.parametrize("name", BUILDS)
def test_equal_seeds_give_equal_weights_and_others_do_not(name):
    weights = [
        BUILDS[name](WindowSpec(rows=4, channels=1, seed=seed), units=3, code=2).get_weights()
        for seed in (0, 0, 1)
    ]
    assert all((a == b).all() for a, b in zip(weights[0], weights[1], strict=True))
    assert not all((a == b).all() for a, b in zip(weights[0], weights[2], strict=True))


@pytest.mark.parametrize("name", BUILDS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_every_row_and_its_mark_are_read(name, bidirectional):
    spec = WindowSpec(rows=5, channels=2)
    model = BUILDS[name](spec, units=4, code=3, bidirectional=bidirectional)
    inputs = inputs_of(spec, windows=1, draws=int(name == "variational"))
    before = made(model, inputs)
    for field in ("rows", "known"):
        for row in range(spec.rows):
            changed = {key: value.copy() for key, value in inputs.items()}
            changed[field][0, row, 1] += 1
            assert np.abs(made(model, changed) - before).max() > 1e-6, (field, row)


@pytest.mark.parametrize("name", BUILDS)
def test_nothing_but_the_code_reaches_the_decoder(name):
    """Windows of one code come out alike, whatever they hold."""
    spec = WindowSpec(rows=5, channels=1)
    model = BUILDS[name](spec, units=4, code=3)
    for layer in ("code",) if name == "autoencoder" else ("mean", "log_variance"):
        kernel, bias = model.get_layer(layer).get_weights()
        model.get_layer(layer).set_weights([0 * kernel, bias + 0.3])
    inputs = inputs_of(spec, windows=2)
    if name == "variational":
        inputs["noise"] = np.repeat(RNG.normal(size=(1, 1, 3)), 2, axis=0).astype(np.float32)
    one, two = made(model, inputs)
    # Products of one batch may round by the row.
    np.testing.assert_allclose(one, two, atol=1e-6)


@pytest.mark.parametrize("draws", [1, 4])
def test_draws_of_a_window_follow_each_other(draws):
    mean, log_variance = RNG.normal(size=(2, 3, 2)).astype(np.float32)
    noise = RNG.normal(size=(3, draws, 2)).astype(np.float32)
    codes = keras.ops.convert_to_numpy(DrawCodes(cells=4)(mean, log_variance, noise))
    expected = mean[:, None] + np.exp(log_variance / 2)[:, None] * noise
    np.testing.assert_allclose(codes, expected.reshape(-1, 2), rtol=1e-5)


def test_the_divergence_is_that_of_normal_distributions():
    mean, log_variance = RNG.normal(size=(2, 4, 3))
    sd = np.exp(log_variance / 2)
    found = keras.ops.convert_to_numpy(divergence(mean, log_variance))
    points, weights = np.polynomial.hermite_e.hermegauss(60)
    values = mean[..., None] + sd[..., None] * points
    logs = norm.logpdf(values, mean[..., None], sd[..., None]) - norm.logpdf(values)
    np.testing.assert_allclose(found, (logs @ weights / weights.sum()).sum(axis=-1), rtol=1e-6)
    assert not keras.ops.convert_to_numpy(divergence(np.zeros((2, 3)), np.zeros((2, 3)))).any()


def test_the_loss_is_the_negative_evidence_lower_bound_by_number():
    """Missing numbers say nothing; the rest is set against NumPy, window by window."""
    spec = WindowSpec(rows=5, channels=2)
    model = build_variational(spec, units=4, code=3)
    inputs = inputs_of(spec, windows=3, draws=1)
    model.compile(loss=DistributionLoss("normal", dtype="float32"))
    truth, known = inputs["rows"], inputs["known"]
    loss = float(model.test_on_batch(inputs, truth, known))
    codes = keras.Model(model.inputs, [model.get_layer(n).output for n in ("mean", "log_variance")])
    mean, log_variance = (keras.ops.convert_to_numpy(part) for part in codes(inputs))
    rows = made(model, inputs)
    surprise = -(norm.logpdf(truth, rows[..., 0], rows[..., 1]) * known).sum(axis=(1, 2))
    distance = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(axis=1)
    assert distance.max() > 1e-3
    np.testing.assert_allclose(loss, (surprise + distance).mean() / 10, rtol=1e-4)


def test_means_and_scales_stand_beside_each_other():
    free = RNG.normal(size=(2, 3, 4)).astype(np.float32)
    found = keras.ops.convert_to_numpy(MeanAndScale()(free))
    assert found.shape == (2, 3, 2, 2)
    np.testing.assert_allclose(found[..., 0], free[..., ::2], rtol=1e-6)
    softplus = np.log1p(np.exp(free[..., 1::2] + np.log(np.e - 1)))
    np.testing.assert_allclose(found[..., 1], softplus + 1e-4 + LEAST_SCALE, rtol=1e-5)


def test_the_clock_is_the_same_for_every_code():
    codes = RNG.normal(size=(2, 3)).astype(np.float32)
    found = keras.ops.convert_to_numpy(RepeatedCode(rows=6, waves=2)(codes)).reshape(2, 6, 3, 3)
    np.testing.assert_allclose(found[:, :, 0], np.repeat(codes[:, None], 6, axis=1))
    clock = found[0] / codes[0]
    np.testing.assert_allclose(found[1] / codes[1], clock, rtol=1e-5)
    np.testing.assert_allclose((clock[:, 0] * clock[:, 1]).sum(axis=0), 0, atol=1e-5)  # waves are orthogonal


@pytest.mark.parametrize("name", BUILDS)
def test_a_network_survives_being_described(name):
    spec = WindowSpec(rows=4, channels=2, beyond=1)
    model = BUILDS[name](spec, units=3, code=2)
    again = type(model).from_config(model.get_config())
    again.set_weights(model.get_weights())
    inputs = inputs_of(spec, draws=2 * int(name == "variational"), code=2)
    np.testing.assert_allclose(made(again, inputs), made(model, inputs), rtol=1e-6)


@pytest.mark.parametrize("name", BUILDS)
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_least_number_of_weights_is_a_bound_near_the_truth(name, cell):
    spec = WindowSpec(rows=9, channels=3)
    count = BUILDS[name](spec, cell=cell, units=16, code=4).count_params()
    assert count / 8 < least_weights(spec, units=16, code=4) <= count


@pytest.mark.parametrize(
    "options", [{"cell": "x"}, {"units": 0}, {"code": 0}, {"units": 10_000}, {"code": 1.5}]
)
@pytest.mark.parametrize("name", BUILDS)
def test_nonsense_is_refused(name, options):
    with pytest.raises(ParameterError):
        BUILDS[name](WindowSpec(rows=4, channels=1), **options)
