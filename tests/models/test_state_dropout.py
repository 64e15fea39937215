"""State dropout: a mask on the recurrent kernel, one a batch, and the same fast path."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

import forecast
from forecast.models.recurrent import recurrent
from tests.models.differentiating import value_and_gradient
from tests.tables import PLAIN, SMALL_NETWORK, shops

RATE, UNITS = 0.5, 12
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
ROWS = np.random.default_rng(0).standard_normal((3, 7, 2)).astype("float32")
MASK = np.arange(7) < np.array([7, 4, 1])[:, None]


def layer_of(cell, rate, **options):
    layer = recurrent(cell, UNITS, recurrent_dropout=rate, seed=1, name="layer", **options)
    layer.build((None, 7, 2))
    return layer


def kept(cell, seed):
    """Return the mask of the first batch: what Keras drops from ones by that seed."""
    ones = ops.ones((UNITS, GATES[cell]))
    return ops.convert_to_numpy(keras.random.dropout(ones, RATE, seed=keras.random.SeedGenerator(seed)))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("cell", GATES)
def test_it_is_the_layer_with_a_kernel_of_which_rows_are_left_out(cell, masked):
    dropped, plain = layer_of(cell, RATE, sequences=True), layer_of(cell, 0.0, sequences=True)
    mask = {"mask": ops.convert_to_tensor(MASK)} if masked else {}
    plain.set_weights(dropped.get_weights())
    # Not in training, nothing is dropped.
    np.testing.assert_array_equal(
        *(ops.convert_to_numpy(layer(ROWS, training=False, **mask)) for layer in (dropped, plain))
    )
    kernel, rows, bias = dropped.get_weights()
    found = kept(cell, 3)
    assert set(np.unique(found)) == {0, 2}
    plain.set_weights([kernel, rows * np.repeat(found, UNITS, axis=1), bias])
    one, other = (ops.convert_to_numpy(layer(ROWS, training=True, **mask)) for layer in (dropped, plain))
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    # The next batch has another mask, and the weights are those they were.
    assert np.abs(ops.convert_to_numpy(dropped(ROWS, training=True, **mask)) - one).max() > 1e-3
    np.testing.assert_array_equal(dropped.get_weights()[1], rows)


@pytest.mark.parametrize("cell", GATES)
def test_gradients_are_those_of_what_is_left(cell):
    dropped, plain = layer_of(cell, RATE), layer_of(cell, 0.0)
    kernel, rows, bias = dropped.get_weights()
    plain.set_weights([kernel, rows * np.repeat(kept(cell, 3), UNITS, axis=1), bias])
    (value, gradient), (wanted, likewise) = (
        value_and_gradient(lambda x, layer=layer: ops.sum(layer(x, training=True) ** 2), ROWS, "float32")
        for layer in (dropped, plain)
    )
    assert value == pytest.approx(wanted, rel=1e-5)
    np.testing.assert_allclose(gradient, likewise, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("cell", GATES)
def test_training_moves_every_weight_but_those_that_were_dropped(cell):
    rows = keras.Input((7, 2))
    layer = recurrent(cell, UNITS, recurrent_dropout=RATE, seed=1, name="layer")
    model = keras.Model(rows, keras.layers.Dense(1)(layer(rows)))
    before = model.get_weights()
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.train_on_batch(ROWS, np.ones((3, 1), "float32"))
    moved = [np.abs(one - other) for one, other in zip(model.get_weights(), before, strict=True)]
    assert moved[0].max() > 0 and moved[2].max() > 0
    # Columns of a unit that moves nothing further are left as they are, too; rows that were dropped must be.
    gone = np.repeat(kept(cell, 3), UNITS, axis=1) == 0
    assert moved[1][gone].max() == 0 and (moved[1][~gone] > 0).mean() > 0.9


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="looks into what Keras does on TensorFlow")
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_it_keeps_the_fast_path(monkeypatch, cell):
    import keras.src.backend as backend

    asked = []
    monkeypatch.setenv("FORECAST_KERNEL", "keras")

    def fast(*given, recurrent_kernel, **options):
        asked.append(np.array(recurrent_kernel))
        raise NotImplementedError

    monkeypatch.setattr(backend, cell, fast)
    layer = layer_of(cell, RATE)
    layer(ROWS, training=True)
    assert len(asked) == 1 and (asked[0] == 0).mean() > 0.2


@pytest.mark.parametrize("options", [{"cell": "lstm", "bidirectional": True}, {"cell": "rnn", "layers": 2}])
def test_a_forecaster_learns_saves_and_runs_without_keras(tmp_path, options):
    table = shops(84, 2)
    model = forecast.Forecaster(**SMALL_NETWORK | PLAIN, epochs=1, recurrent_dropout=0.3, **options).fit(
        table
    )
    model.save(tmp_path / "model.forecast")
    wanted, read = model.predict(), forecast.load(tmp_path / "model.forecast")
    np.testing.assert_allclose(read.predict()["forecast"], wanted["forecast"], rtol=1e-6)
    runner = forecast.load_runner(tmp_path / "model.forecast")
    np.testing.assert_allclose(runner.predict()["forecast"], wanted["forecast"], rtol=1e-5)
    again = forecast.Forecaster(**SMALL_NETWORK | PLAIN, epochs=1, recurrent_dropout=0.3, **options).fit(
        table
    )
    np.testing.assert_array_equal(again.predict()["forecast"], wanted["forecast"])
