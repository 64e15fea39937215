"""Numbers and words about gradients."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from forecast.training.gradients import (
    AFTER,
    BEFORE,
    Health,
    LayerHealth,
    advice_of,
    factor_of,
    health_of,
    lines_of,
    memory_of,
)


def layer(lags, held=None, **other):
    given = {
        "name": "gru_1",
        "cell": "gru",
        "activation": "tanh",
        "units": 8,
        "gates": {"update": (0.0, 0.0), "reset": (0.0, 0.0)},
        "radii": {"candidate": 0.9},
        "dead": 0,
        "norm": 1.0,
    } | other
    return LayerHealth(lags=tuple(lags), held=tuple(lags if held is None else held), **given)


def falling(factor, steps=168):
    return [factor**k for k in range(steps)]


def test_memory_is_where_nine_tenths_are_reached():
    assert memory_of([1.0] * 10) == 9
    assert memory_of([9.0, 1.0]) == 1
    assert memory_of([0.0, 0.0]) == 0
    # A geometric series reaches 90 % behind log(0.1) / log(factor) steps.
    assert memory_of(falling(0.9)) == int(np.ceil(np.log(0.1) / np.log(0.9)))


def test_factor_of_a_geometric_fall_and_where_nothing_can_be_told():
    assert factor_of(falling(0.8, 30)) == pytest.approx(0.8)
    # Below what a float32 can tell, the fall is not looked at.
    assert factor_of([*falling(0.5, 20), *[0.0] * 20]) == pytest.approx(0.5)
    assert np.isnan(factor_of([1.0, 0.0, 0.0]))
    assert np.isnan(factor_of([0.0, 0.0]))


def test_share_inside_goes_on_as_the_oldest_quarter_does():
    # Of a geometric series, 1 - factor ** steps lies within the first steps.
    assert layer(falling(0.98, 60)).inside() == pytest.approx(1 - 0.98**60)
    assert layer(falling(0.98, 60)).inside(20) == pytest.approx(1 - 0.98**20)
    assert np.isnan(layer([1.0] * 10).inside())
    assert layer([1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]).inside() == 1.0


def test_the_advice_of_the_texts():
    (found,) = advice_of(Health(AFTER, (layer(falling(0.94), cell="rnn", gates={}, name="rnn_1"),), 168))
    assert found.startswith("rnn_1: 90 % of the gradient lies within 38 steps; the context is 168 steps; ")
    assert found.endswith(
        "use GRU or LSTM or ReLU with an identity start, or segments, or shorten the context."
    )


def test_gates_that_could_hold_the_gradient_are_told_of_before_training_only():
    found = layer(falling(0.5), falling(0.999))
    (before,) = advice_of(Health(BEFORE, (found,), 168))
    assert "Held open, its gates keep it for 150" in before
    (after,) = advice_of(Health(AFTER, (found,), 168))
    assert after.endswith("the context is 168 steps: use segments, or shorten the context.")
    assert "Held open" not in advice_of(Health(BEFORE, (layer(falling(0.5)),), 168))[0]


def test_segments_are_named_with_their_rows():
    (found,) = advice_of(Health(AFTER, (layer(falling(0.3, 7)),), 168))
    assert "within 2 steps; the context is 7 steps of 24 rows" in found


def test_a_gradient_that_grows_explodes():
    (found,) = advice_of(Health(AFTER, (layer(falling(1.2)),), 168))
    assert "explodes" in found
    (found,) = advice_of(Health(AFTER, (layer([1.0, np.inf, np.nan]),), 3))
    assert "explodes" in found


def test_a_long_memory_asks_for_a_longer_context_behind_training_only():
    found = layer(falling(0.999))
    assert advice_of(Health(AFTER, (found,), 168))[0].endswith("a longer context may tell more.")
    assert advice_of(Health(BEFORE, (found,), 168)) == [
        "Gradients reach as far back as the context does; nothing stands out."
    ]


def test_saturated_gates_dead_units_and_clipping():
    found = layer(falling(0.98), gates={"update": (0.4, 0.2), "reset": (0.1, 0.1)}, dead=3)
    health = Health(AFTER, (found,), 168, clipped=0.8)
    gate, dead, clipped = advice_of(health)
    assert "the update gate is saturated 60%" in gate
    assert "3 of 8 units never move" in dead
    assert "clipped in 80%" in clipped
    assert "clipped in 80% of the steps" in lines_of(health)[0]


@pytest.mark.parametrize(("factor", "said"), [(0.5, "a shorter"), (0.96, None), (0.99, "a longer")])
def test_carried_states_are_advised_on_how_far_training_goes_back(factor, said):
    found = advice_of(Health(AFTER, (layer(falling(factor, 200)),), 200, tbptt=100))
    if said is None:
        assert "nothing stands out" in found[0]
    else:
        assert f"training goes back 100: {said} --tbptt" in found[0]


def test_a_network_without_recurrent_layers():
    assert str(Health(AFTER, (), 24)).splitlines() == [
        "Gradients after training",
        "No layer is a SimpleRNN, LSTM or GRU of Keras: gradients through time are not looked at.",
    ]


def test_a_report_is_read_again_from_plain_values():
    health = Health(AFTER, (layer(falling(0.9, 5)), layer([1.0, np.inf])), 24, 0.25, 12)
    assert health_of(asdict(health)) == health
    assert health.document()["layers"][0]["memory"] == 5
    assert replace(health, layers=()).document()["advice"]
    with pytest.raises(TypeError):
        health_of(asdict(health) | {"layers": [{"lags": [], "held": [], "gates": {}}]})
