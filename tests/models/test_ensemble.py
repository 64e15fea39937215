"""The mean of several networks as one model."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.errors import ParameterError
from forecast.models import Spec, build_ensemble
from forecast.models.forms import forms_of

MEMBERS = [
    {"model": "segment", "spec": {"context": 24}, "options": {"units": 8}},
    {"model": "rnn", "spec": {"seed": 1, "anchor": "mean"}, "options": {"units": 8}},
]
SPEC = Spec(
    context=48, horizon=12, targets=2, padded=True, known_future=1, past_only=1, quantiles=(0.1, 0.5, 0.9)
)


def batch(rows: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "target": rng.normal(size=(rows, 48, 2)),
        "known_future": rng.normal(size=(rows, 60, 1)),
        "past_only": rng.normal(size=(rows, 48, 1)),
        "length": np.array([48, 30, 24, 2], dtype="int32"),
    }


def newest(inputs: dict[str, np.ndarray], rows: int) -> dict[str, np.ndarray]:
    """The newest rows of each window by hand, right-padded again."""
    found = {"length": np.minimum(inputs["length"], rows)}
    for name, values in inputs.items():
        if name == "length":
            continue
        cut = []
        for one, length in zip(values, inputs["length"], strict=True):
            first = max(length - rows, 0)
            cut.append(np.concatenate([one[first : first + rows], one[48:]]))
        found[name] = np.stack(cut)
    return found


def test_the_forecast_is_the_mean_of_the_members_on_their_own_contexts():
    model, inputs = build_ensemble(SPEC, members=MEMBERS), batch()
    short, long = forms_of(model).members
    parts = [short.predict_on_batch(newest(inputs, 24)), long.predict_on_batch(inputs)]
    np.testing.assert_allclose(model.predict_on_batch(inputs), np.mean(parts, axis=0), rtol=0, atol=1e-6)


def test_members_share_their_weights_with_the_whole():
    model, inputs = build_ensemble(SPEC, members=MEMBERS), batch()
    before = np.asarray(model.predict_on_batch(inputs))
    for member in forms_of(model).members:
        member.set_weights([weight + 0.1 for weight in member.get_weights()])
    assert np.abs(np.asarray(model.predict_on_batch(inputs)) - before).min() > 0
    assert len(model.weights) == sum(len(member.weights) for member in forms_of(model).members)


def test_members_differ_by_seed():
    first, second = forms_of(build_ensemble(Spec(context=24, horizon=6), members=[
        {"model": "segment", "spec": {"seed": seed}, "options": {"units": 4}} for seed in (0, 1)
    ])).members  # fmt: skip
    assert any((a != b).any() for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


def test_distributions_have_no_mean_of_parameters():
    with pytest.raises(ParameterError, match="taken over quantiles"):
        build_ensemble(Spec(context=24, horizon=6, head="normal"), members=MEMBERS)


def test_the_mean_keeps_the_digits_of_raw_values():
    """At a level of 1e9 float32 has no digit left for what changes by 1."""
    model = build_ensemble(SPEC, members=MEMBERS)
    inputs = batch()
    high = inputs | {"target": inputs["target"] + 1e9}
    low, found = model.predict_on_batch(inputs), model.predict_on_batch(high)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found - 1e9, low, atol=1e-3)
