"""Layers on the native kernel give what Keras's own give: outputs, states and all gradients."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from forecast.errors import ParameterError
from forecast.models.native import choice, library, loops, operation
from forecast.models.recurrent import CELLS, recurrent
from tests.models.differentiating import value_and_gradient

pytestmark = pytest.mark.skipif(
    library.library() is None or not operation.is_there(),
    reason="the native kernel was not built or does not run on this backend",
)

# (batch, steps, inputs, units)
SMALL = [(1, 1, 1, 1), (2, 5, 1, 3), (7, 4, 3, 5), (5, 3, 17, 16), (40, 6, 2, 33)]
LARGE = [(1000, 3, 2, 7), (2, 700, 1, 3), (33, 96, 7, 65), (256, 24, 7, 64), (3, 336, 5, 31)]


def layer_of(cell, units, **options):
    kind = CELLS["rnn" if cell == "rnn_relu" else cell]
    activation = {"activation": "relu"} if cell == "rnn_relu" else {}
    return kind(units, bias_initializer="random_normal", seed=3, **activation, **options)


def values_of(layer, shape, mask, states, seed=0):
    """The gradient of a random sum of all that a layer gives, with regard to all that it reads, on either loop."""
    draw = np.random.default_rng(seed)
    batch, steps, inputs, units = shape
    layer.build((batch, steps, inputs))
    pieces = [draw.normal(size=(batch, steps, inputs))]
    if states:
        pieces += [draw.normal(size=(batch, units)) for _ in range(len(layer.state_size))]
    pieces += [np.array(w) for w in layer.get_weights()]
    at = np.concatenate([piece.ravel() for piece in pieces])
    cuts = np.cumsum([piece.size for piece in pieces])

    def parts(flat):
        return [
            ops.reshape(flat[end - piece.size : end], piece.shape)
            for piece, end in zip(pieces, cuts, strict=True)
        ]

    given, factors = {}, []

    def scalar(flat):
        x, *rest = parts(flat)
        first, weights = (rest[: -len(layer.weights)] or None, rest[-len(layer.weights) :])
        with keras.StatelessScope(state_mapping=list(zip(layer.weights, weights, strict=True))):
            found = layer(x, initial_state=first, mask=mask)
        found = found if isinstance(found, (list, tuple)) else [found]
        if not factors:
            factors.extend(draw.normal(size=tuple(f.shape)).astype("float32") for f in found)
        given["outputs"] = found
        return sum(ops.sum(ops.multiply(f, factor)) for f, factor in zip(found, factors, strict=True))

    answers = []
    for word in ("native", "keras"):
        with choice.kernel(word):
            _, gradient = value_and_gradient(scalar, at, "float32")
            with keras.StatelessScope():
                found = layer(parts(ops.convert_to_tensor(at, "float32"))[0], mask=mask)
            found = found if isinstance(found, (list, tuple)) else [found]
            answers.append(([np.asarray(ops.convert_to_numpy(f)) for f in found], gradient))
    return answers


def check(layer, shape, mask=None, states=True):
    (outputs, gradient), (expected, expected_gradient) = values_of(layer, shape, mask, states)
    assert len(outputs) == len(expected) > 0
    for one, other in zip(outputs, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert np.abs(expected_gradient).max() > 0 or shape == (1, 1, 1, 1)  # where a ReLU may be shut
    np.testing.assert_allclose(
        gradient, expected_gradient, atol=1e-5 * max(1.0, np.abs(expected_gradient).max())
    )


def mask_of(kind, batch, steps):
    draw = np.random.default_rng(1)
    if kind == "right":
        return np.arange(steps) < draw.integers(0, steps + 1, batch)[:, None]
    return draw.random((batch, steps)) < 0.6


@pytest.mark.parametrize("cell", library.CELLS)
@pytest.mark.parametrize("shape", SMALL)
@pytest.mark.parametrize("backwards", [False, True])
def test_all_that_a_layer_gives_and_its_gradients(cell, shape, backwards):
    options = {"return_sequences": True, "return_state": True, "go_backwards": backwards}
    check(layer_of(cell, shape[3], **options), shape)


@pytest.mark.parametrize("cell", library.CELLS)
@pytest.mark.parametrize("kind", ["right", "any"])
@pytest.mark.parametrize("backwards", [False, True])
def test_masks(cell, kind, backwards):
    shape, mask = (9, 7, 2, 5), mask_of(kind, 9, 7)
    options = {"return_sequences": True, "return_state": True, "go_backwards": backwards}
    # Outputs before the first real row are zero; Keras on JAX gives the first state there.
    states = keras.config.backend() != "jax"
    check(layer_of(cell, 5, **options), shape, mask, states=states)
    check(layer_of(cell, 5), shape, mask, states=False)
    check(layer_of(cell, 5, zero_output_for_mask=True, **options), shape, mask)


@pytest.mark.parametrize("cell", library.CELLS)
@pytest.mark.parametrize(
    "options", [{}, {"return_sequences": True}, {"return_state": True}, {"use_bias": False}]
)
def test_what_is_not_asked_for(cell, options):
    check(layer_of(cell, 6, **options), (4, 5, 2, 6), states=False)


@pytest.mark.slow
@pytest.mark.parametrize("cell", library.CELLS)
@pytest.mark.parametrize("shape", LARGE)
@pytest.mark.parametrize("kind", [None, "right"])
def test_large_shapes(cell, shape, kind):
    batch, steps, _, units = shape
    # Values that grow without end over hundreds of steps say nothing.
    more = {"recurrent_initializer": keras.initializers.Identity(0.5)} if cell == "rnn_relu" else {}
    layer = layer_of(cell, units, return_sequences=steps < 50, return_state=True, **more)
    check(layer, shape, None if kind is None else mask_of(kind, batch, steps))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_both_directions_stacked(cell):
    seen = keras.Input((6, 3))
    first = recurrent(cell, 5, sequences=True, bidirectional=True, seed=1)
    second = recurrent(cell, 4, bidirectional=True, seed=2)
    network = keras.Model(seen, second(first(seen)))
    x = np.random.default_rng(0).normal(size=(8, 6, 3))
    found = {}
    for word in ("native", "keras"):
        with choice.kernel(word):
            found[word] = value_and_gradient(lambda x: ops.sum(network(x) ** 2), x, "float32")
    assert found["native"][0] == pytest.approx(found["keras"][0], rel=1e-5)
    np.testing.assert_allclose(found["native"][1], found["keras"][1], atol=1e-5)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_weights_and_configuration_are_those_of_keras(cell):
    stock = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell](5)
    own = CELLS[cell].from_config(stock.get_config())
    stock.build((None, 4, 2))
    own.build((None, 4, 2))
    assert [w.path.split("/", 1)[1] for w in own.weights] == [w.path.split("/", 1)[1] for w in stock.weights]
    own.set_weights(stock.get_weights())
    x = np.random.default_rng(0).normal(size=(3, 4, 2)).astype("float32")
    with choice.kernel("native"):
        found = own(x)
    np.testing.assert_allclose(ops.convert_to_numpy(found), ops.convert_to_numpy(stock(x)), atol=1e-6)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_training_learns_the_same(cell):
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(64, 9, 2)).astype("float32"), draw.normal(size=(64, 1)).astype("float32")
    found = {}
    for word in ("native", "keras"):
        seen = keras.Input((9, 2))
        network = keras.Model(seen, keras.layers.Dense(1)(recurrent(cell, 6, seed=4)(seen)))
        network.layers[-1].set_weights([np.full((6, 1), 0.3, "float32"), np.zeros(1, "float32")])
        network.compile(keras.optimizers.Adam(0.01), "mse")
        with choice.kernel(word):
            network.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0)
        found[word] = network.get_weights()
    for one, other in zip(found["native"], found["keras"], strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


def test_dropout_of_inputs_is_drawn_and_left_out_when_forecasting():
    layer = CELLS["lstm"](4, dropout=0.5, seed=1)
    x = np.ones((50, 3, 6), "float32")
    with choice.kernel("native"):
        still, drawn = ops.convert_to_numpy(layer(x)), ops.convert_to_numpy(layer(x, training=True))
    assert np.ptp(still, axis=0).max() == 0 and np.ptp(drawn, axis=0).min() > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"activation": "elu"}, "its activation is elu"),
        ({"recurrent_activation": "hard_sigmoid"}, "its recurrent activation is not sigmoid"),
        ({"reset_after": False}, "it resets its state before the product"),
        ({"unroll": True}, "it is unrolled"),
        ({"recurrent_dropout": 0.5}, "has recurrent dropout"),
        ({"dtype": "bfloat16", "recurrent_initializer": "glorot_uniform"}, "it is not in float32"),
    ],
)
def test_what_the_kernel_does_not_know_is_left_to_keras(options, words):
    layer, x = CELLS["gru"](4, **options), np.ones((2, 3, 2))
    assert tuple(layer(x).shape) == (2, 4)
    with choice.kernel("native"), pytest.raises(ParameterError, match=f"cannot run layer.*{words}"):
        CELLS["gru"](4, **options)(x)


def test_the_switch(monkeypatch):
    layer = layer_of("lstm", 3)
    x = ops.ones((2, 3, 2))
    assert choice.asked() == "auto" and choice.why_not() is None
    monkeypatch.setenv("FORECAST_KERNEL", "keras")
    assert loops.cell_for(layer, x) is None and choice.why_not() == "switched off"
    with choice.kernel("native"):
        assert loops.cell_for(layer, x) == "lstm"
    monkeypatch.setenv("FORECAST_KERNEL", "fast")
    with pytest.raises(
        ParameterError, match="FORECAST_KERNEL must be one of auto, native, keras; got 'fast'"
    ):
        choice.asked()
    with pytest.raises(ParameterError, match="kernel must be one of"), choice.kernel("quick"):
        pass


def test_a_machine_without_the_kernel(monkeypatch):
    monkeypatch.setattr(library, "library", lambda: None)
    layer, x = layer_of("lstm", 3), ops.ones((2, 3, 2))
    assert tuple(layer(x).shape) == (2, 3)
    with choice.kernel("native"), pytest.raises(ParameterError, match="there was no C compiler"):
        layer(x)
