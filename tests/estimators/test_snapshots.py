"""Snapshot ensembles: one training, its members where the rate had fallen."""

from __future__ import annotations

import numpy as np
import pytest

import forecast
from forecast.errors import ParameterError
from forecast.estimators import network as networks
from tests.tables import PLAIN, SMALL_NETWORK, shops

OPTIONS = SMALL_NETWORK | PLAIN | {"steps": 60, "refit": False, "seed": 3}


def test_members_go_on_from_each_other(monkeypatch):
    began, ended, plans = [], [], []

    def train(program, part, windows, judging, plan, **listeners):
        began.append(part.get_weights())
        record = real(program, part, windows, judging, plan, **listeners)
        ended.append(part.get_weights())
        plans.append(plan)
        return record

    real = networks.train_in
    monkeypatch.setattr(networks, "train_in", train)
    model = forecast.Forecaster(**OPTIONS, ensemble=3, snapshots=True).fit(shops(60, 2))
    assert len(began) == 3
    for before, after in zip(ended, began[1:], strict=False):
        for one, other in zip(before, after, strict=True):
            np.testing.assert_array_equal(one, other)
    assert any((one != other).any() for one, other in zip(ended[0], ended[2], strict=True))
    # All of them take the steps of one network, each along a cosine of its own.
    assert sum(plan.total for plan in plans) == pytest.approx(60, abs=6)
    (told,) = [choice for choice in model.choices_ if choice.what == "members"]
    assert told.why == "snapshots of one training"
    # The mean of the members forecasts.
    members = [part for part, _ in model.fitted_.network.parts]
    windows = model.fitted_.network.windows(model.fitted_.history)
    inputs = windows.inputs(np.arange(4))
    mean = np.mean([part.predict_on_batch(inputs) for part in members], axis=0)
    np.testing.assert_allclose(model.model_.predict_on_batch(inputs), mean, rtol=1e-5)


def test_they_are_of_an_ensemble():
    with pytest.raises(ParameterError, match="snapshots are members of a mean"):
        forecast.Forecaster(**OPTIONS, snapshots=True).fit(shops(60, 2))
