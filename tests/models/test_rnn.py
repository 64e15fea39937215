"""Networks: shapes, and the laws that hold for any weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from forecast.errors import ParameterError
from forecast.models import Shapes, build_rnn
from forecast.models.layers import LengthMask, MonotoneQuantiles, WindowScale, wide
from forecast.models.recurrent import recurrent

QUANTILES = (0.1, 0.5, 0.9)
PLAIN = {"context": 9, "horizon": 4, "targets": 2, "quantiles": QUANTILES, "season": 3}
RICH = PLAIN | {"known_future": 2, "past_only": 1, "static": 3, "padded": True, "missing": True}
BUILDS = [
    {"cell": "gru"},
    {"cell": "lstm", "layers": 2, "dropout": 0.1},
    {"cell": "rnn", "activation": "relu", "start": "identity"},
    {"cell": "gru", "bidirectional": True, "layers": 2},
    {"cell": "lstm", "independent": False, "skip": False},
    {"cell": "rnn", "activation": "leaky_relu", "anchor": "season"},
    {"cell": "gru", "anchor": "mean", "bidirectional": True, "independent": False},
]


def names(build: dict) -> str:
    return "-".join(str(v) for v in build.values())


def make(build: dict, shapes: dict = RICH, seed: int = 0) -> keras.Model:
    """Build a network and give every weight a random value: zero biases would hide faults."""
    model = build_rnn(Shapes(**shapes), units=5, **build)
    rng = np.random.default_rng(seed)
    statistics = ("mean", "scale")
    for weight in model.weights:
        if weight.name not in statistics:
            weight.assign(rng.normal(scale=0.4, size=weight.shape))
    return model


def batch(shapes: dict = RICH, rows: int = 5, seed: int = 1) -> dict[str, np.ndarray]:
    rng, s = np.random.default_rng(seed), Shapes(**shapes)
    inputs = {"target": rng.normal(size=(rows, s.context, s.targets)).cumsum(axis=1) + 50}
    if s.past_only:
        inputs["past_only"] = rng.normal(size=(rows, s.context, s.past_only))
    if s.known_future:
        inputs["known_future"] = rng.normal(size=(rows, s.context + s.horizon, s.known_future))
    if s.static:
        inputs["static"] = rng.normal(size=(rows, s.static)).astype("float32")
    if s.padded:
        inputs["length"] = np.full(rows, s.context, dtype="int32")
    return inputs


def run(model: keras.Model, inputs: dict[str, np.ndarray]) -> np.ndarray:
    return np.asarray(model.predict_on_batch(inputs))


@pytest.mark.parametrize("build", BUILDS, ids=names)
def test_every_step_sees_the_newest_observation(build):
    model, inputs = make(build), batch()
    before = run(model, inputs)
    nudged = inputs["target"].copy()
    nudged[:, -1, :] += 0.5
    moved = np.abs(run(model, inputs | {"target": nudged}) - before)
    assert moved.shape == (5, 4, 2, 3)
    assert moved.min() > 1e-6


@pytest.mark.parametrize("build", BUILDS, ids=names)
def test_padding_is_never_read(build):
    model, inputs = make(build), batch()
    inputs["length"] = np.array([9, 6, 3, 1, 2], dtype="int32")
    before = run(model, inputs)
    filled = {k: v.copy() for k, v in inputs.items()}
    for row, length in enumerate(inputs["length"]):
        filled["target"][row, length:] = 1e6
        filled["past_only"][row, length:] = -1e6
        filled["known_future"][row, length:9] = 1e6
    assert np.isfinite(before).all()
    np.testing.assert_allclose(run(model, filled), before, rtol=0, atol=1e-6)


@pytest.mark.parametrize("build", BUILDS, ids=names)
def test_batch_size_changes_nothing(build):
    model, inputs = make(build), batch(rows=7)
    whole = run(model, inputs)
    alone = np.concatenate([run(model, {k: v[i : i + 1] for k, v in inputs.items()}) for i in range(7)])
    np.testing.assert_allclose(alone, whole, rtol=1e-6)


@pytest.mark.parametrize("build", BUILDS, ids=names)
def test_affine_input_gives_affine_output(build):
    model, inputs = make(build), batch()
    before = run(model, inputs)
    # Without float64 (JAX by default) there is no room for a large level beside small changes.
    shift, close = (1e9, 1e-4) if wide() == "float64" else (64.0, 1e-2)
    after = run(model, inputs | {"target": 3.5 * inputs["target"] + shift})
    np.testing.assert_allclose(after - shift, 3.5 * before, rtol=close, atol=close)


@pytest.mark.parametrize("build", BUILDS, ids=names)
def test_quantiles_cannot_cross(build):
    forecasts = run(make(build, seed=3), batch(rows=40, seed=2))
    assert (np.diff(forecasts, axis=-1) >= 0).all()
    assert np.ptp(forecasts) > 0


@pytest.mark.parametrize("build", BUILDS[:3], ids=names)
def test_constant_window_gives_that_constant(build):
    inputs = batch() | {"target": np.full((5, 9, 2), 0.1)}
    np.testing.assert_allclose(run(make(build), inputs), 0.1, rtol=1e-15 if wide() == "float64" else 1e-6)


@pytest.mark.parametrize("build", [BUILDS[0], BUILDS[4]], ids=names)
def test_missing_values_are_marked_not_read(build):
    model, inputs = make(build), batch()
    inputs["target"][:, 2:5] = np.nan
    inputs["past_only"][:, 3] = np.nan
    forecasts = run(model, inputs)
    assert np.isfinite(forecasts).all()
    filled = inputs["target"].copy()
    filled[:, 2:5] = filled[:, -1:]
    assert np.abs(run(model, inputs | {"target": filled}) - forecasts).max() > 1e-6


def test_independent_targets_do_not_inform_each_other():
    for independent in (True, False):
        model, inputs = make({"independent": independent}, PLAIN), batch(PLAIN)
        before = run(model, inputs)
        other = inputs["target"].copy()
        other[:, :, 1] = other[::-1, :, 1]
        moved = np.abs(run(model, {"target": other}) - before)[:, :, 0].max()
        assert (moved == 0) if independent else (moved > 1e-6)


def test_point_forecasts_of_several_targets():
    shapes = PLAIN | {"quantiles": ()}
    for independent in (True, False):
        model, inputs = make({"independent": independent}, shapes), batch(shapes)
        forecasts = run(model, inputs)
        assert forecasts.shape == (5, 4, 2)
        swapped = run(model, {"target": inputs["target"][:, :, ::-1]})
        assert np.allclose(swapped, forecasts[:, :, ::-1]) == independent


def test_future_covariates_reach_their_step():
    model, inputs = make({}), batch()
    before = run(model, inputs)
    for step in range(4):
        nudged = inputs["known_future"].copy()
        nudged[:, 9 + step] += 1
        moved = np.abs(run(model, inputs | {"known_future": nudged}) - before).max(axis=(0, 2, 3))
        assert moved[step] > 1e-6


def test_plain_keras_opens_a_saved_model(tmp_path):
    model, inputs = make(BUILDS[3]), batch()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(run(again, inputs), run(model, inputs))


def test_seeds_decide_the_first_weights():
    def weights(seed: int) -> list[np.ndarray]:
        return build_rnn(Shapes(**PLAIN), units=5, layers=2, seed=seed).get_weights()

    same = zip(weights(1), weights(1), strict=True)
    assert all((a == b).all() for a, b in same)
    kernels = [w for w in weights(1) if w.shape == (5, 15)]
    assert len(kernels) >= 2 and not np.array_equal(kernels[0], kernels[1])
    other = [a for a, b in zip(weights(1), weights(2), strict=True) if not np.array_equal(a, b)]
    assert len(other) >= 4


def test_masks_are_right_padded_and_never_empty():
    mask = np.asarray(LengthMask(6)(np.arange(0, 8)))
    assert mask.sum(axis=1).tolist() == [1, 1, 2, 3, 4, 5, 6, 6]
    assert (np.diff(mask.astype(int), axis=1) <= 0).all()


def test_window_scale_by_hand():
    values = np.array([[[1.0], [np.nan], [3.0], [8.0]]])
    scaled, observed, level, scale = (np.asarray(t) for t in WindowScale("last")(values))
    assert level.item() == 8.0 and scale.item() == pytest.approx(np.std([1, 3, 8]))
    np.testing.assert_allclose(scaled[0, :, 0], [-7 / scale.item(), 0, -5 / scale.item(), 0], rtol=1e-6)
    assert observed[0, :, 0].tolist() == [1, 0, 1, 1]
    assert np.asarray(WindowScale("mean")(values)[2]).item() == 4.0
    assert np.asarray(WindowScale("season", season=2)(values)[2]).item() == 5.5
    assert np.asarray(WindowScale("none")(values)[3]).item() == 1.0


@pytest.mark.skipif(wide() != "float64", reason="this backend computes in float32 by default")
def test_window_scale_keeps_digits_beside_a_large_offset():
    values = 1e9 + np.array([[[1.0], [-1.0], [1.0], [-1.0]]])
    scaled, _, _, scale = (np.asarray(t) for t in WindowScale("mean")(values))
    assert scale.item() == pytest.approx(1.0)
    np.testing.assert_allclose(scaled[0, :, 0], [1, -1, 1, -1], rtol=1e-6)


def test_monotone_quantiles_by_hand():
    free = np.zeros((1, 1, 1, 4), "float32")
    ordered = np.asarray(MonotoneQuantiles(1)(free))[0, 0, 0]
    np.testing.assert_allclose(ordered, np.log(2) * np.array([-1, 0, 1, 2]), rtol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"cell": "gruu"}, "cell"),
        ({"units": 0}, "units"),
        ({"units": True}, "units"),
        ({"layers": 99}, "layers"),
        ({"dropout": 1.0}, "dropout"),
        ({"activation": "sigmoid"}, "activation"),
        ({"start": "identity", "cell": "gru"}, "identity"),
        ({"anchor": "first"}, "anchor"),
    ],
)
def test_wrong_arguments_are_named(wrong, word):
    with pytest.raises(ParameterError, match=word):
        build_rnn(Shapes(**PLAIN), **wrong)


def test_wrong_shapes_are_named():
    with pytest.raises(ParameterError, match="quantiles"):
        Shapes(context=3, horizon=2, quantiles=(0.9, 0.1))
    with pytest.raises(ParameterError, match="context"):
        Shapes(context=0, horizon=2)


def test_recurrent_layer_is_the_stock_one():
    layer = recurrent("lstm", 4, bidirectional=True, sequences=True, seed=3)
    assert isinstance(layer, keras.layers.Bidirectional)
    assert layer(np.zeros((2, 5, 3), "float32")).shape == (2, 5, 8)
    forward, backward = (
        keras.ops.convert_to_numpy(one.cell.kernel) for one in (layer.forward_layer, layer.backward_layer)
    )
    assert not np.array_equal(forward, backward)
