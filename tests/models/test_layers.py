"""Layers around every architecture, by hand: scaling, masks, order of quantiles; and what a spec refuses."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from forecast.errors import ParameterError
from forecast.models import Spec
from forecast.models.dtypes import wide
from forecast.models.layers import MonotoneQuantiles
from forecast.models.layout import AlignRight, LengthMask
from forecast.models.scaling import LagScale, LastPeriod, WindowScale

GAPPY = np.array([[[1.0], [np.nan], [3.0], [8.0]]])


def numbers(tensors: object) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(tensor) for tensor in tensors]


def test_masks_are_right_padded_and_never_empty():
    mask = keras.ops.convert_to_numpy(LengthMask(6)(np.arange(0, 8)))
    assert mask.sum(axis=1).tolist() == [1, 1, 2, 3, 4, 5, 6, 6]
    assert (np.diff(mask.astype(int), axis=1) <= 0).all()


def test_aligned_windows_end_at_their_newest_row():
    rows = np.arange(1.0, 5.0).reshape(1, 4, 1).repeat(3, axis=0)
    moved = keras.ops.convert_to_numpy(AlignRight()(rows, np.array([4, 2, 1])))
    assert moved[:, :, 0].tolist() == [[1, 2, 3, 4], [0, 0, 1, 2], [0, 0, 0, 1]]


def test_window_scale_by_hand():
    scaled, observed, level, scale = numbers(WindowScale("last")(GAPPY))
    assert level.item() == 8.0 and scale.item() == pytest.approx(np.std([1, 3, 8]))
    np.testing.assert_allclose(scaled[0, :, 0], [-7 / scale.item(), 0, -5 / scale.item(), 0], rtol=1e-6)
    assert observed[0, :, 0].tolist() == [1, 0, 1, 1]
    levels = {"first": 1.0, "mean": 4.0, "period": 4.0, "none": 0.0}
    for anchor, expected in levels.items():
        assert numbers(WindowScale(anchor)(GAPPY))[2].item() == expected
    assert numbers(WindowScale("season", season=2)(GAPPY))[2].item() == 5.5
    assert numbers(WindowScale("none")(GAPPY))[3].item() == 1.0


def test_differences_are_scaled_by_their_spread_or_without_any_by_that_of_the_values():
    values = np.array([[[1.0], [5.0], [4.0], [9.0], [np.nan]]])
    scaled, _, _, scale = numbers(WindowScale("difference", period=2)(values))
    assert scale.item() == pytest.approx(np.sqrt((3**2 + 4**2) / 2))
    np.testing.assert_allclose(scaled[0, :, 0] * scale.item(), [0, 0, 3, 4, 0], rtol=1e-6)
    scaled, _, _, scale = numbers(WindowScale("difference", period=4)(values))
    assert scale.item() == pytest.approx(np.std([1, 5, 4, 9])) and not scaled.any()
    short = np.arange(5) < 2
    scaled, _, _, scale = numbers(WindowScale("difference", period=2)(values, short[None]))
    assert scale.item() == 2.0 and not scaled.any()


@pytest.mark.skipif(wide() != "float64", reason="this backend computes in float32 by default")
def test_window_scale_keeps_digits_beside_a_large_offset():
    values = 1e9 + np.array([[[1.0], [-1.0], [1.0], [-1.0]]])
    scaled, _, _, scale = numbers(WindowScale("mean")(values))
    assert scale.item() == pytest.approx(1.0)
    np.testing.assert_allclose(scaled[0, :, 0], [1, -1, 1, -1], rtol=1e-6)


@pytest.mark.parametrize("value", [0.1, 123.456, -7e5])
def test_what_rounding_leaves_of_a_constant_is_no_spread(value):
    for anchor in ("last", "mean", "season", "period", "difference"):
        assert not numbers(WindowScale(anchor, 3, 3)(np.full((2, 336, 1), value)))[3].any()


def test_the_last_period_goes_on_over_the_horizon():
    values = np.array([[[1.0], [2.0], [3.0], [np.nan], [5.0]]])
    again = LastPeriod(3, 7)(values, np.array([[[9.0]]]))
    assert numbers([again])[0][0, :, 0].tolist() == [3, 9, 5, 3, 9, 5, 3]
    short = LastPeriod(3, 4)(values, np.array([[[9.0]]]), np.array([2]))
    assert numbers([short])[0][0, :, 0].tolist() == [9, 1, 2, 9]


def test_lags_are_scaled_as_the_window_beside_them():
    lagged = np.array([[[10.0, 1.0, 14.0, np.nan]]])
    level, scale = np.array([[[8.0, 2.0]]]), np.array([[[2.0, 0.5]]])
    together = LagScale(2, apart=False)(lagged, level, scale)
    assert numbers([together])[0].tolist() == [[[1, -2, 3, 0]]]
    apart = LagScale(2, apart=True)(lagged, level.reshape(2, 1, 1), scale.reshape(2, 1, 1))
    assert numbers([apart])[0].tolist() == [[[1, 3]], [[-2, 0]]]


def test_monotone_quantiles_by_hand():
    free = np.zeros((1, 1, 1, 4), "float32")
    ordered = keras.ops.convert_to_numpy(MonotoneQuantiles(1)(free))[0, 0, 0]
    np.testing.assert_allclose(ordered, np.log(2) * np.array([-1, 0, 1, 2]), rtol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"context": 0}, "context"),
        ({"horizon": 0}, "horizon"),
        ({"quantiles": (0.9, 0.1)}, "quantiles"),
        ({"quantiles": (0.1, 1.0)}, "quantiles"),
        ({"anchor": "first"}, "anchor"),
        ({"transform": "sqrt"}, "transform"),
        ({"transform": "log", "targets": 2, "transform_by": (1.0,)}, "transform_by"),
        ({"scale_by": (1.0, 2.0)}, "scale_by"),
        ({"scale_by": (0.0,)}, "scale_by"),
        ({"scale_by": (1.0,), "anchor": "none"}, "scale_by"),
        ({"head": "gamma"}, "head"),
        ({"head": "normal", "transform": "asinh", "transform_by": (1.0,)}, "transform"),
    ],
)
def test_wrong_specs_are_named(wrong, word):
    with pytest.raises(ParameterError, match=word):
        Spec(**({"context": 3, "horizon": 2} | wrong))
