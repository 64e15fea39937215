"""Members of an ensemble that are built alike train in one program, and learn what they would learn in their own."""

from __future__ import annotations

import numpy as np
import pytest

import forecast
from forecast.errors import TrainingDiverged
from forecast.estimators import network as networks
from forecast.estimators.recipe import Architecture
from forecast.models.spec import Spec
from forecast.training import lending
from tests.tables import PLAIN, SMALL_NETWORK, shops

OPTIONS = SMALL_NETWORK | PLAIN | {"steps": 20, "seed": 3}
# Said, so that members differ in their seeds only.
OPTIONS |= {"anchor": "last", "scale": "window", "target_transform": "none"}
WAYS = {
    "dropout": {"model": "rnn", "dropout": 0.3, "ensemble": 2},
    "mean of the weights": {
        "model": "segment",
        "averaging": 0.9,
        "weight_decay": 0.1,
        "ensemble": 2,
        "refit": True,
    },
    "teacher forcing": {"model": "seq2seq", "ensemble": 2},
    "snapshots": {"model": "rnn", "ensemble": 2, "snapshots": True},
}


def weights(**options):
    return forecast.Forecaster(**OPTIONS | {"refit": False} | options).fit(shops(60, 2)).model_.get_weights()


@pytest.mark.parametrize("way", WAYS)
def test_members_learn_what_they_learn_in_programs_of_their_own(monkeypatch, way):
    programs = set()

    def train(program, *job, **listeners):
        programs.add(id(program))
        return real(program, *job, **listeners)

    real = lending.train
    monkeypatch.setattr(lending, "train", train)
    lent = weights(**WAYS[way])
    assert len(programs) == 1
    monkeypatch.setattr(Architecture, "alike", lambda self, spec: list(range(len(self.specs(spec)))))
    apart = weights(**WAYS[way])
    assert len(programs) == 3
    for one, other in zip(lent, apart, strict=True):
        np.testing.assert_array_equal(one, other)


def test_only_networks_that_differ_in_their_seed_alone_are_alike():
    members = [
        {"model": "rnn", "spec": {"context": 8}, "options": {"units": 4}},
        {"model": "rnn", "spec": {"context": 6}, "options": {"units": 4}},
        {"model": "rnn", "spec": {"context": 8, "seed": 5}, "options": {"units": 4}},
        {"model": "rnn", "spec": {"context": 8, "seed": 5}, "options": {"units": 5}},
        {"model": "segment", "spec": {"context": 8}, "options": {"units": 4}},
    ]
    assert Architecture("ensemble", {"members": members}).alike(Spec(context=8, horizon=2)) == [0, 1, 0, 3, 4]
    assert Architecture("rnn").alike(Spec(context=8, horizon=2)) == [0]


def test_an_optimiser_of_ones_own_has_a_program_for_each(monkeypatch):
    import keras

    alike = weights(model="rnn", ensemble=2, optimizer=keras.optimizers.SGD(0.1, momentum=0.9))
    monkeypatch.setattr(Architecture, "alike", lambda self, spec: list(range(len(self.specs(spec)))))
    apart = weights(model="rnn", ensemble=2, optimizer=keras.optimizers.SGD(0.1, momentum=0.9))
    for one, other in zip(alike, apart, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_program_gets_its_weights_back_where_training_fails(monkeypatch):
    model = forecast.Forecaster(**OPTIONS | {"refit": False, "model": "rnn", "ensemble": 2}).fit(shops(60, 2))
    (first, _), (second, _) = model.fitted_.network.parts
    before = first.get_weights()

    def fails(program, *job, **listeners):
        program.set_weights([part + 1 for part in program.get_weights()])
        raise TrainingDiverged("The loss became non-finite.")

    monkeypatch.setattr(lending, "train", fails)
    learned = second.get_weights()
    with pytest.raises(TrainingDiverged):
        networks.train_in(first, second, None, None, None)
    for one, other in zip(first.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(second.get_weights(), learned, strict=True):
        np.testing.assert_array_equal(one, other + 1)
