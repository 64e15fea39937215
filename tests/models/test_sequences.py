"""Networks of whole sequences: padding, members, weights told beforehand."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from forecast.errors import ParameterError
from forecast.models.committee import MembersCrossentropy, build_committee, least_weights
from forecast.models.fcn import MOST_STEPS
from forecast.models.sequence_layers import SegmentRows, SideBySide
from forecast.models.sequence_spec import SequenceSpec

NETWORKS = {
    "fcn": ("fcn", {"units": 4, "filters": (4, 8, 4)}),
    "rnn": ("rnn", {"units": 4, "layers": 2, "cell": "lstm", "bidirectional": True}),
    "rows": ("rows", {"units": 4, "cell": "gru"}),
    "rows-causal": ("rows", {"units": 4, "cell": "rnn", "causal": True}),
}
SPEC = SequenceSpec(width=2, classes=3, rows=2 * MOST_STEPS + 5)
RNG = np.random.default_rng(0)


def made(name, members=2):
    """A committee with weights of no special kind: fresh biases of zero would hide what padding does."""
    model = build_committee(NETWORKS[name][0], SPEC, NETWORKS[name][1], members)
    # Positive ones: among them are the variances of batch normalisation.
    model.set_weights(
        [np.abs(RNG.normal(0.3, 0.3, w.shape)) * np.where(w < 0, -1, 1) for w in model.get_weights()]
    )
    return model


def scores(model, rows, length):
    found = model.predict_on_batch({"rows": rows.astype(np.float32), "length": np.array(length, np.int32)})
    return keras.ops.convert_to_numpy(found)


@pytest.mark.parametrize("name", NETWORKS)
def test_padding_is_not_seen(name):
    model, length = made(name), [SPEC.rows, 1, 33, 40]
    rows = RNG.normal(size=(4, SPEC.rows, 2))
    longer = np.concatenate([rows, np.zeros((4, 30, 2))], axis=1)
    for i, real in enumerate(length):
        longer[i, real:] = 50 * RNG.normal(size=longer[i, real:].shape)
    one, two = scores(model, rows, length), scores(model, longer, length)
    assert np.abs(one).max() > 0.1
    if name.startswith("rows"):
        for i, real in enumerate(length):
            np.testing.assert_allclose(two[i, :real], one[i, :real], atol=1e-6)
    else:
        np.testing.assert_allclose(two, one, atol=1e-6)


@pytest.mark.parametrize("name", ["rows", "rows-causal"])
def test_only_a_causal_network_is_blind_to_later_rows(name):
    rows = RNG.normal(size=(2, 20, 2))
    other = rows.copy()
    other[:, 12:] = RNG.normal(size=(2, 8, 2))
    model = made(name)
    one, two = scores(model, rows, [20, 20]), scores(model, other, [20, 20])
    assert np.array_equal(one[:, :12], two[:, :12]) == (name == "rows-causal")


def test_statistics_in_training_are_those_of_real_rows():
    """Batch normalisation in training must not be moved by what stands in the padding."""
    model = build_committee("fcn", SPEC, {"units": 2, "dropout": 0.0}, 1)
    rows, length = RNG.normal(size=(4, 20, 2)), np.array([20, 3, 7, 9], np.int32)
    inputs = {"rows": rows.astype(np.float32), "length": length}
    noisy = rows.copy()
    for i, real in enumerate(length):
        noisy[i, real:] = 1e3
    other = inputs | {"rows": noisy.astype(np.float32)}
    one, two = (keras.ops.convert_to_numpy(model(each, training=True)) for each in (inputs, other))
    np.testing.assert_allclose(one, two, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_members_differ_and_learn_each_by_itself(name):
    model = build_committee(NETWORKS[name][0], SPEC, NETWORKS[name][1], 2)
    rows = RNG.normal(size=(3, 10, 2))
    found = scores(model, rows, [10, 10, 10])
    assert not np.allclose(found[..., 0, :], found[..., 1, :])
    assert found.shape == ((3, 10, 2, 3) if name.startswith("rows") else (3, 2, 3))
    assert least_weights(*NETWORKS[name][:1], SPEC, NETWORKS[name][1], 2) <= model.count_params()


def test_the_loss_is_the_mean_of_the_members_cross_entropies():
    logits = RNG.normal(size=(5, 2, 3)).astype(np.float32)
    codes, weights = np.array([0, 1, 2, 0, 1]), np.array([1.0, 0, 2, 0, 1], np.float32)
    shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    each = -np.log(shares[np.arange(5), :, codes]).mean(axis=1)
    expected = (each * weights).sum() / weights.sum()
    assert float(MembersCrossentropy()(codes, logits, weights)) == pytest.approx(expected, rel=1e-5)


def test_segments_hold_every_row_once():
    rows = np.arange(14.0, dtype=np.float32).reshape(1, 7, 2)
    found = keras.ops.convert_to_numpy(SideBySide(3)(rows))
    assert found.shape == (1, 3, 6)
    np.testing.assert_array_equal(found.ravel()[:14], np.arange(14))
    assert not found.ravel()[14:].any()
    real = keras.ops.convert_to_numpy(SegmentRows(3)(np.arange(7)[None] < 4))
    assert real.tolist() == [[True, True, False]]


@pytest.mark.parametrize(
    ("name", "options", "members"),
    [
        ("tree", {}, 1),
        ("fcn", {"filters": (0,)}, 1),
        ("rnn", {"dropout": 1.0}, 1),
        ("rows", {"cell": "x"}, 1),
        ("rnn", {}, 0),
    ],
)
def test_nonsense_is_refused(name, options, members):
    with pytest.raises(ParameterError):
        build_committee(name, SPEC, options, members)
