"""Batches as training forms take them."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.training.arranging import arranged

NAN = np.nan


def batch(*, lengths: list[int] | None = None):
    """Two windows of four rows seen and two asked for; the second one has a gap in each part."""
    seen = np.array([[1, 2, 3, 4], [1, NAN, 3, 4]], dtype=float)[..., None]
    asked = np.array([[5, 6], [5, 0]], dtype=float)[..., None]
    weights = np.array([[0.5, 0.5], [0.25, 0]], dtype=float)[..., None]
    inputs = {"target": seen}
    if lengths is not None:
        inputs["length"] = np.array(lengths, dtype="int32")
    return inputs, asked, weights


def test_horizon_leaves_targets_alone_and_shows_what_comes():
    inputs, targets, weights = arranged(batch(), "horizon")
    np.testing.assert_array_equal(inputs["ahead"][..., 0], [[5, 6], [5, NAN]])
    assert targets.shape == weights.shape == (2, 2, 1)


def test_next_asks_for_every_row_but_the_first():
    _, targets, weights = arranged(batch(), "next")
    np.testing.assert_array_equal(targets[..., 0], [[2, 3, 4, 5, 6], [0, 3, 4, 5, 0]])
    np.testing.assert_array_equal(weights[..., 0], [[0.5] * 5, [0, 0.25, 0.25, 0.25, 0]])


def test_every_asks_for_the_horizon_behind_every_row():
    _, targets, weights = arranged(batch(), "every")
    assert targets.shape == (8, 2, 1)
    np.testing.assert_array_equal(targets[:4, :, 0], [[2, 3], [3, 4], [4, 5], [5, 6]])
    np.testing.assert_array_equal(weights[4:, :, 0], [[0, 0.25], [0.25, 0.25], [0.25, 0.25], [0.25, 0]])


@pytest.mark.parametrize("rows", ["next", "every"])
def test_behind_a_short_context_the_horizon_follows_at_once(rows):
    _, targets, weights = arranged(batch(lengths=[4, 2]), rows)
    if rows == "next":
        # The second window is 1, missing, then its horizon 5, missing; what padding holds counts for nothing.
        np.testing.assert_array_equal(weights[1, :, 0], [0, 0.25, 0, 0, 0])
        assert targets[1, 1, 0] == 5
    else:
        np.testing.assert_array_equal(weights[4:, :, 0], [[0, 0.25], [0.25, 0], [0, 0], [0, 0]])


def test_nothing_is_asked_for_before_the_first_value():
    inputs, targets, weights = batch()
    inputs["target"][0, :2] = NAN
    _, _, weights = arranged((inputs, targets, weights), "next")
    np.testing.assert_array_equal(weights[0, :, 0], [0, 0, 0.5, 0.5, 0.5])
