"""Gradients by states, against other ways to compute them."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from forecast.errors import ParameterError
from forecast.models.esrnn import build_esrnn
from forecast.models.recurrent import recurrent
from forecast.models.rnn import build_rnn
from forecast.models.segment import build_segment
from forecast.models.seq2seq import build_seq2seq
from forecast.models.spec import Spec
from forecast.runner.cells import make_cells
from forecast.training.gates import BLOCKS, gates
from forecast.training.health import gradient_health
from forecast.training.probing import Probe

STEPS, UNITS = 12, 5


def network(cell="rnn", *, masked=False, **options):
    """A recurrent layer and a sum with random weights on top."""
    seen = keras.Input((STEPS, 3))
    rows = keras.layers.Masking()(seen) if masked else seen
    state = recurrent(cell, UNITS, name=cell, **options)(rows)
    model = keras.Model(seen, keras.layers.Dense(1, name="end")(state))
    draw = np.random.default_rng(0)
    model.set_weights([0.5 * draw.standard_normal(w.shape) for w in model.get_weights()])
    return model


def rows(count=4):
    return np.random.default_rng(1).standard_normal((count, STEPS, 3)).astype("float32")


def test_gradients_of_a_simple_rnn_are_those_of_the_textbook():
    model, x = network(), rows()
    (probed,) = Probe(model, "mse", (x, np.zeros((4, 1)), None)).measure()
    _, kernel, _ = (np.float64(w) for w in model.get_layer("rnn").get_weights())
    end, offset = (np.float64(w) for w in model.get_layer("end").get_weights())
    gradient = 2 * (probed.states[:, -1] @ end + offset) @ end.T
    for step in reversed(range(STEPS)):
        assert probed.gradients[:, step, 0] == pytest.approx(gradient, rel=1e-4, abs=1e-6)
        gradient = (gradient * (1 - probed.states[:, step] ** 2)) @ kernel.T


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_gradients_are_what_a_nudge_of_the_state_does(cell):
    model, x = network(cell), rows(1)
    (probed,) = Probe(model, "mse", (x, np.zeros((1, 1)), None)).measure()
    weights = {f"{cell}_1": [np.float64(w) for w in model.get_layer(cell).get_weights()]}
    end, offset = (np.float64(w) for w in model.get_layer("end").get_weights())

    def loss(step, which, unit, nudge):
        (steps,) = make_cells({"cell": cell, "units": UNITS}, weights, (1,))
        for t in range(STEPS):
            steps.advance(slice(None), [np.float64(x[:, t])])
            if t == step:
                steps.states[which][:, unit] += nudge
        return float(((steps.state @ end + offset) ** 2)[0, 0])

    assert probed.gradients.shape == (1, STEPS, 2 if cell == "lstm" else 1, UNITS)
    for step, which, unit in [(STEPS - 1, 0, 1), (7, 0, 2), (2, probed.gradients.shape[2] - 1, 3)]:
        slope = (loss(step, which, unit, 5e-3) - loss(step, which, unit, -5e-3)) / 1e-2
        assert probed.gradients[0, step, which, unit] == pytest.approx(slope, rel=1e-2, abs=2e-4)


def test_the_gradient_by_the_weights_is_that_of_a_training_step():
    model, x = network("gru"), rows()
    (probed,) = Probe(model, "mse", (x, np.zeros((4, 1)), None)).measure()
    before = model.get_layer("gru").get_weights()
    model.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=False)
    model.train_on_batch(x, np.zeros((4, 1)))
    moved = [a - b for a, b in zip(before, model.get_layer("gru").get_weights(), strict=True)]
    assert probed.weights == pytest.approx(np.sqrt(sum(np.square(m).sum() for m in moved)), rel=1e-4)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_gates_are_those_of_the_layer(cell):
    model, x = network(cell), rows()
    (probed,) = Probe(model, "mse", (x, np.zeros((4, 1)), None)).measure()
    layer = model.get_layer(cell)
    found = gates(cell, layer.get_weights(), probed.rows, probed.states)
    assert set(found) == set(BLOCKS[cell]) - {"candidate"}
    if cell == "gru":
        # h = z h' + (1 - z) c with c in [-1, 1]: where a gate is open the state stays.
        weights = layer.get_weights()
        bias = weights[2].copy()
        bias[0, :UNITS] += 50.0
        layer.set_weights([*weights[:2], bias])
        (held,) = Probe(model, "mse", (x, np.zeros((4, 1)), None)).measure()
        opened = gates(cell, layer.get_weights(), held.rows, held.states)
        assert opened["update"].min() > 0.999
        assert np.ptp(held.states, axis=1).max() < 1e-3


def test_padding_is_not_counted():
    model, x = network("gru", masked=True), rows(2)
    short = x.copy()
    short[:, 8:] = 0.0
    full = gradient_health(network("gru"), x[:, :STEPS], np.zeros((2, 1))).layers[0]
    (found,) = gradient_health(model, short, np.zeros((2, 1))).layers
    assert (found.steps, full.steps) == (8, STEPS)
    assert found.lags[0] > 0


def test_both_directions_are_told_apart_and_counted_as_they_read():
    seen = keras.Input((STEPS, 3))
    model = keras.Model(
        seen, keras.layers.Dense(1)(recurrent("rnn", UNITS, bidirectional=True, name="both")(seen))
    )
    forward, backward = gradient_health(model, rows(), np.zeros((4, 1))).layers
    assert (forward.name, backward.name) == ("both_forward", "both_backward")
    # Each ends with the state that is read: the gradient is largest there and falls from there on.
    assert forward.lags[0] > 3 * forward.lags[-1]
    assert backward.lags[0] > 3 * backward.lags[-1]


@pytest.mark.parametrize(
    ("build", "names"),
    [
        (lambda spec: build_rnn(spec, cell="lstm", units=4, layers=2, bidirectional=True, dropout=0.5), 4),
        (lambda spec: build_rnn(spec, cell="gru", units=4, recurrent_dropout=0.5), 1),
        (lambda spec: build_segment(spec, units=4), 1),
        (lambda spec: build_esrnn(spec, units=4, dilations=(1, 2)), 2),
        (lambda spec: build_seq2seq(spec, units=4, layers=2), 2),
    ],
)
def test_networks_of_the_house_forecast_as_before(build, names):
    model = build(Spec(context=48, horizon=24, targets=2, season=12, padded=True))
    draw = np.random.default_rng(3)
    inputs = {
        "target": draw.standard_normal((6, 48, 2)),
        "length": np.array([48, 48, 48, 40, 30, 13], "int32"),
    }
    weights, before = model.get_weights(), model.predict_on_batch(inputs)
    health = gradient_health(model, inputs, np.zeros_like(before), context=48)
    assert len(health.layers) == names
    for layer in health.layers:
        assert np.isfinite(layer.lags).all()
        assert max(layer.lags) > 0
        assert layer.reach >= 1
    assert all((a == b).all() for a, b in zip(weights, model.get_weights(), strict=True))
    assert np.array_equal(model.predict_on_batch(inputs), before)


def test_a_cell_that_cannot_hold_and_one_that_can():
    tanh = gradient_health(network("rnn"), rows(), np.zeros((4, 1))).layers[0]
    assert tanh.held == tanh.lags
    assert tanh.gates == {}
    gru = gradient_health(network("gru"), rows(), np.zeros((4, 1))).layers[0]
    assert gru.reach > gru.memory


def test_units_that_never_move_are_counted():
    model = network("rnn", activation="relu")
    layer = model.get_layer("rnn")
    kernel, recurrent_kernel, bias = layer.get_weights()
    bias[:2] = -1e3
    layer.set_weights([kernel, np.abs(recurrent_kernel) * 0.1, bias])
    assert gradient_health(model, rows(), np.zeros((4, 1))).layers[0].dead == 2


def test_networks_that_cannot_be_looked_into():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs[:, -1]

    with pytest.raises(ParameterError, match="functional API"):
        gradient_health(Own(), rows(), np.zeros((4, 3)))
    seen = keras.Input((STEPS, 3))
    flat = keras.Model(seen, keras.layers.Dense(1)(keras.layers.Flatten()(seen)))
    assert gradient_health(flat, rows(), np.zeros((4, 1))).layers == ()
