"""What is particular to the comparison models: dense, linear, convolutional and Transformer networks."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from forecast.errors import ParameterError
from forecast.models import Spec, build_conv, build_dense, build_linear, build_transformer
from forecast.models.conv import enough_blocks
from forecast.models.dtypes import wide
from forecast.models.linear import MovingMean
from forecast.models.patches import Patches
from tests.models import laws
from tests.models.laws import PLAIN, RICH, UNSCALED, moved, nudged, randomised, run, small, windows

POINT = Spec(context=20, horizon=3, anchor="none", skip=False)
SHORT = {"known_future": 1, "past_only": 2, "static": 1, "quantiles": (0.2, 0.7), "skip": False}
CLOSE = 1e-5 if wide() == "float32" else 1e-6


def weights_of(model: keras.Model, layer: str) -> list[np.ndarray]:
    return model.get_layer(layer).get_weights()


def rows_read(model: keras.Model, window: np.ndarray) -> np.ndarray:
    """Return which rows of a window ``(1, context, 1)`` the forecast reacts to."""
    each = np.arange(window.shape[1])
    inputs = {"target": np.repeat(window, len(each), axis=0)}
    told = nudged(inputs, "target", (each, each))
    return moved(model, inputs, told).max(axis=(1, 2)) > 0


def test_dense_is_a_perceptron_over_all_rows():
    spec = replace(POINT, context=5)
    model, inputs = randomised(build_dense(spec, units=7, layers=2)), windows(replace(POINT, context=5))
    state = inputs["target"][:, :, 0]
    for layer in ("dense_1", "dense_2"):
        kernel, bias = weights_of(model, layer)
        state = np.maximum(state @ kernel + bias, 0)
    kernel, bias = weights_of(model, "horizon")
    np.testing.assert_allclose(run(model, inputs)[:, :, 0], state @ kernel + bias, rtol=1e-4, atol=1e-5)


def test_dense_reads_short_windows_from_the_newest_end():
    """A short window with marks of padding is the whole one whose older rows and marks are 0."""
    spec = replace(POINT, context=5, padded=True)
    model, inputs = randomised(build_dense(spec, units=7, layers=1)), windows(spec)
    inputs["length"] = np.full(5, 3, "int32")
    rows = np.zeros((5, 5, 2))
    rows[:, 2:, 0], rows[:, 2:, 1] = inputs["target"][:, :3, 0], 1
    kernel, bias = weights_of(model, "dense_1")
    state = np.maximum(rows.reshape(5, 10) @ kernel + bias, 0)
    kernel, bias = weights_of(model, "horizon")
    np.testing.assert_allclose(run(model, inputs)[:, :, 0], state @ kernel + bias, rtol=1e-4, atol=1e-5)


def trend_of(rows: np.ndarray, kernel: int) -> np.ndarray:
    """Moving average of ``(windows, rows)`` over repeated ends, by plain slices."""
    longer = np.pad(rows, ((0, 0), (kernel // 2, (kernel - 1) // 2)), mode="edge")
    return np.stack([longer[:, i : i + kernel].mean(axis=1) for i in range(rows.shape[1])], axis=1)


@pytest.mark.parametrize("kernel", [2, 5, 8, 25])
def test_moving_means_by_hand(kernel):
    rows = np.random.default_rng(0).normal(size=(3, 20)).astype("float32")
    found = keras.ops.convert_to_numpy(MovingMean(kernel)(rows[:, :, None]))[:, :, 0]
    np.testing.assert_allclose(found, trend_of(rows, kernel), atol=1e-6)


def test_linear_maps_trend_and_remainder():
    model, inputs = randomised(build_linear(POINT, kernel=5)), windows(POINT)
    rows = inputs["target"][:, :, 0]
    trend, expected = trend_of(rows, 5), 0
    for part, layer in ((trend, "trend_ahead"), (rows - trend, "remainder_ahead")):
        kernel, bias = weights_of(model, layer)
        expected = expected + part @ kernel + bias
    np.testing.assert_allclose(run(model, inputs)[:, :, 0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", [0, 5])
def test_linear_is_linear_in_everything_but_quantiles(kernel):
    spec = replace(UNSCALED, quantiles=(), categories=(), series=0, missing=False, padded=False)
    model = randomised(build_linear(spec, kernel=kernel))
    one, two = windows(spec), windows(spec, seed=2)
    middle = {k: (one[k] + two[k]) / 2 for k in one}
    np.testing.assert_allclose(run(model, middle), (run(model, one) + run(model, two)) / 2, atol=1e-4)


def test_a_fresh_linear_model_stays_close_to_its_anchor():
    spec = Spec(context=100, horizon=10, skip=False)
    rows = np.random.default_rng(3).normal(size=(200, 100, 1)).cumsum(axis=1)
    away = run(build_linear(spec), {"target": rows}) - rows[:, -1:]
    assert 0 < np.sqrt(np.square(away).mean()) < 0.3 * rows.std(axis=1).mean()


def dilated(model: keras.Model, rows: np.ndarray, blocks: int) -> np.ndarray:
    """The network of Bai et al. with these weights: every row of every block, by dilated causal convolutions."""

    def joined(values: np.ndarray, layer: str, apart: int) -> np.ndarray:
        kernel, bias = weights_of(model, layer)
        longer = np.pad(values, ((0, 0), ((len(kernel) - 1) * apart, 0), (0, 0)))
        taps = [longer[:, j * apart : j * apart + values.shape[1]] @ k for j, k in enumerate(kernel)]
        return np.maximum(sum(taps) + bias, 0)

    for i in range(blocks):
        inner = joined(joined(rows, f"conv_{i + 1}_1", 2**i), f"conv_{i + 1}_2", 2**i)
        if i == 0:
            kernel, bias = weights_of(model, "around_1")
            rows = rows @ kernel + bias
        rows = np.maximum(inner + rows, 0)
    kernel, bias = weights_of(model, "horizon")
    return rows[:, -1] @ kernel + bias


@pytest.mark.parametrize(("context", "kernel", "blocks"), [(20, 3, 3), (19, 2, 4), (17, 4, 2), (20, 3, 1)])
def test_halved_blocks_forecast_as_the_full_dilated_network(context, kernel, blocks):
    spec = replace(POINT, context=context)
    model = randomised(build_conv(spec, units=6, kernel=kernel, layers=blocks))
    inputs = windows(spec)
    expected = dilated(model, inputs["target"], blocks)
    np.testing.assert_allclose(run(model, inputs)[:, :, 0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kernel", [2, 3])
def test_enough_blocks_reach_the_oldest_row_and_one_less_does_not(kernel):
    window = np.abs(np.random.default_rng(1).normal(size=(1, 20, 1)))
    enough = enough_blocks(20, kernel)
    for blocks, reached in ((enough, True), (enough - 1, False)):
        model = build_conv(POINT, units=16, kernel=kernel, layers=blocks)
        # Weights above zero keep every unit at work.
        for weight in model.weights:
            weight.assign(np.full(weight.shape, 0.1))
        seen = rows_read(model, window)
        assert seen[-1] and seen[0] == reached


@pytest.mark.parametrize("length", [1, 4, 7])
def test_conv_forecasts_padded_windows_like_the_same_windows_unpadded(length):
    whole = Spec(context=9, horizon=4, padded=True, **SHORT)
    cut = Spec(context=length, horizon=4, **SHORT)
    inputs = windows(whole) | {"length": np.full(5, length, "int32")}
    known = np.concatenate([inputs["known_future"][:, :length], inputs["known_future"][:, 9:]], axis=1)
    same = {k: inputs[k][:, :length] for k in ("target", "past_only")}
    same |= {"static": inputs["static"], "known_future": known}
    padded = run(randomised(build_conv(whole, units=6, layers=2)), inputs)
    alone = run(randomised(build_conv(cut, units=6, layers=2)), same)
    np.testing.assert_allclose(padded, alone, rtol=CLOSE)


def test_patches_end_at_the_newest_row_and_cover_the_oldest():
    for rows, width, stride in ((336, 16, 8), (9, 4, 2), (10, 4, 4), (3, 4, 2), (7, 1, 1)):
        cut = Patches(width, stride)
        made = keras.ops.convert_to_numpy(cut(np.arange(1.0, rows + 1).reshape(1, rows, 1)))[0]
        assert (None, *made.shape) == cut(keras.Input((rows, 1))).shape
        assert made[-1, -1] == rows and 1 in made[0]
        assert set(range(1, rows + 1)) <= set(made.astype(int).ravel())
        assert (np.diff(made[:, -1]) == stride).all()


def test_tokens_of_padding_are_never_attended_to():
    """Moving the positions of tokens that hold nothing but padding changes no forecast of a short window."""
    model, inputs = small(build_transformer, RICH), windows(RICH)
    randomised(model)
    inputs["length"] = np.array([2, 2, 2, 9, 9], "int32")
    before = run(model, inputs)
    layer = model.get_layer("positions")
    place = layer.get_weights()[0]
    assert place.shape == (4, 16)
    # All units alike would be undone by the normalisation.
    layer.set_weights([place + np.array([[3.0], [3.0], [3.0], [0.0]]) * np.linspace(-1, 1, 16)])
    after = run(model, inputs)
    np.testing.assert_array_equal(after[:3], before[:3])
    assert np.abs(after[3:] - before[3:]).max() > 1e-3


def test_attention_is_that_of_the_stock_layer():
    spec = Spec(context=12, horizon=2, anchor="none", skip=False)
    model = randomised(build_transformer(spec, patch=4, stride=4, units=8, heads=2, layers=1))
    parts = {n: model.get_layer(f"layer_1_{n}").get_weights() for n in ("query", "key", "value", "joined")}
    stock = keras.layers.MultiHeadAttention(2, 4, use_bias=False, output_shape=8)
    tokens = np.random.default_rng(5).normal(size=(3, 3, 8)).astype("float32")
    stock(tokens, tokens)
    split = [parts[n][0].reshape(8, 2, 4) for n in ("query", "key", "value")]
    stock.set_weights([*split, parts["joined"][0].reshape(2, 4, 8)])
    ours = keras.Model(
        model.get_layer("layer_1_before_attention").output, model.get_layer("layer_1_joined").output
    )
    found = keras.ops.convert_to_numpy(ours(tokens)) - parts["joined"][1]
    np.testing.assert_allclose(found, keras.ops.convert_to_numpy(stock(tokens, tokens)), rtol=1e-4, atol=1e-5)


def test_short_contexts_still_have_two_tokens():
    model = build_transformer(replace(PLAIN, context=6), units=8)
    assert model.get_layer("positions").output.shape[1:] == (2, 8)
    laws.check_newest_is_seen(randomised(model), replace(PLAIN, context=6))


@pytest.mark.parametrize(
    ("build", "wrong", "word"),
    [
        (build_dense, {"units": 0}, "units"),
        (build_dense, {"layers": 17}, "layers"),
        (build_dense, {"dropout": 1.0}, "dropout"),
        (build_linear, {"kernel": 1}, "kernel"),
        (build_linear, {"kernel": -3}, "kernel"),
        (build_linear, {"kernel": False}, "kernel"),
        (build_conv, {"kernel": 1}, "kernel"),
        (build_conv, {"layers": 0}, "layers"),
        (build_conv, {"dropout": -0.1}, "dropout"),
        (build_transformer, {"heads": 3}, "heads"),
        (build_transformer, {"patch": 4, "stride": 5}, "stride"),
        (build_transformer, {"patch": 0}, "patch"),
    ],
)
def test_wrong_arguments_are_named(build, wrong, word):
    with pytest.raises(ParameterError, match=word):
        build(PLAIN, **wrong)
