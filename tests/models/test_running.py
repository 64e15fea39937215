"""The network that forecasts at every row: shapes, what it knows before it learned, and that it looks back only."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from forecast.errors import ParameterError
from forecast.models.running import PAST, RunningMeans, RunningSpec, build_running, least_weights

RNG = np.random.default_rng(0)


def inputs_of(rows: int = 30, windows: int = 3) -> dict[str, np.ndarray]:
    known = (RNG.random((windows, rows, 1)) < 0.8).astype(np.float32)
    return {"rows": (RNG.normal(size=known.shape) * known).astype(np.float32), "known": known}


def made(model, inputs):
    return keras.ops.convert_to_numpy(model.predict_on_batch(inputs))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_shapes_and_valid_distributions(cell):
    spec = RunningSpec(rows=30, horizons=(1, 6, 24))
    found = made(build_running(spec, cell=cell, units=4), inputs_of())
    assert found.shape == (3, 30, 3, 3) and np.isfinite(found).all()
    assert (found[..., 1] > 0).all() and (found[..., 2] > 2).all()
    assert least_weights(spec, units=4) <= build_running(spec, cell=cell, units=4).count_params()


def test_before_it_has_learned_anything_it_forecasts_the_mean_of_the_means():
    inputs = inputs_of()
    found = made(build_running(RunningSpec(rows=30, horizons=(1, 5)), units=4), inputs)
    rows, known = (inputs[name][..., 0].astype(float) for name in ("rows", "known"))
    for row in (0, 4, 29):
        means = [rows[:, row]]
        for span in (*PAST, 30):
            part = slice(max(row - span + 1, 0), row + 1)
            means.append(rows[:, part].sum(axis=1) / np.maximum(known[:, part].sum(axis=1), 1))
        np.testing.assert_allclose(found[:, row, 0, 0], np.mean(means, axis=0), atol=1e-5)
        np.testing.assert_array_equal(found[:, row, 0], found[:, row, 1])


def test_later_rows_change_nothing_before_them():
    model = build_running(RunningSpec(rows=20, horizons=(1, 3)), units=4)
    model.set_weights([weights + RNG.normal(size=weights.shape) for weights in model.get_weights()])
    before = inputs_of(20)
    after = {name: values.copy() for name, values in before.items()}
    after["rows"][:, 12:], after["known"][:, 12:] = 50.0, 1.0
    one, other = made(model, before), made(model, after)
    np.testing.assert_array_equal(one[:, :12], other[:, :12])
    assert not np.allclose(one[:, 12:], other[:, 12:])


def test_equal_seeds_give_equal_weights_and_others_do_not():
    one, same, other = (
        build_running(RunningSpec(5, (1,), seed), units=3).get_weights() for seed in (0, 0, 1)
    )
    assert all((a == b).all() for a, b in zip(one, same, strict=True))
    assert not all((a == b).all() for a, b in zip(one, other, strict=True))


def test_spans_longer_than_the_window_are_all_of_it():
    inputs = inputs_of(5)
    found = keras.ops.convert_to_numpy(RunningMeans((9, None))(inputs["rows"], inputs["known"]))
    np.testing.assert_array_equal(found[..., 1], found[..., 2])


def test_sizes_that_are_none_are_refused():
    with pytest.raises(ParameterError, match="units"):
        build_running(RunningSpec(5, (1,)), units=0)
    with pytest.raises(ParameterError, match="rows"):
        build_running(RunningSpec(0, (1,)))
