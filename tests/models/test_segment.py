"""What is particular to segment-wise networks: cutting, decoding, padding."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from forecast.errors import ParameterError
from forecast.models import Spec, build_segment
from forecast.models.layout import SegmentMask, Segments
from forecast.models.segment import DECODING, usual_segment
from tests.models import laws
from tests.models.laws import PLAIN, RICH, UNSCALED, moved, nudged, randomised, run, windows

decodings = pytest.mark.parametrize("decoding", DECODING)


def network(spec: Spec, seed: int = 0, **options) -> keras.Model:
    return randomised(build_segment(spec, **({"segment": 3, "units": 16} | options)), seed)


@decodings
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_every_step_sees_the_newest_observation(cell, decoding):
    laws.check_newest_is_seen(network(UNSCALED, cell=cell, decoding=decoding, segment=2), UNSCALED)


@decodings
@pytest.mark.parametrize("segment", [1, 2, 4, 9, 20])
def test_any_segment_fits_any_context_and_horizon(segment, decoding):
    model = network(RICH, segment=segment, decoding=decoding)
    assert run(model, windows(RICH)).shape == (5, 4, 2, 3)
    laws.check_padding_is_never_read(model, RICH)


@decodings
@pytest.mark.parametrize("length", [1, 3, 5, 6])
def test_padded_windows_are_forecast_like_the_same_windows_unpadded(length, decoding):
    options = {"quantiles": (0.2, 0.5), "targets": 2, "known_future": 2, "static": 1, "skip": False}
    whole, cut = (
        Spec(context=9, horizon=4, padded=True, **options),
        Spec(context=length, horizon=4, **options),
    )
    inputs = windows(whole) | {"length": np.full(5, length, "int32")}
    known = np.concatenate([inputs["known_future"][:, :length], inputs["known_future"][:, 9:]], axis=1)
    same = {"target": inputs["target"][:, :length], "static": inputs["static"], "known_future": known}
    padded = run(network(whole, decoding=decoding), inputs)
    np.testing.assert_allclose(padded, run(network(cut, decoding=decoding), same), rtol=1e-6)


def test_segments_end_at_the_newest_row():
    rows = np.arange(1.0, 8.0, dtype="float32").reshape(1, 7, 1)
    cut = keras.ops.convert_to_numpy(Segments(3)(rows))
    assert cut[0].tolist() == [[0, 0, 1], [2, 3, 4], [5, 6, 7]]
    lengths = np.array([5, 3, 1, 7], "int32")
    padded = keras.ops.convert_to_numpy(Segments(3)(np.repeat(rows, 4, axis=0), lengths))
    mask = keras.ops.convert_to_numpy(SegmentMask(7, 3)(lengths))
    assert mask.tolist() == [[True, True, False], [True, False, False], [True, False, False], [True] * 3]
    real = [segments[marks].tolist() for segments, marks in zip(padded, mask)]
    assert real == [[[0, 1, 2], [3, 4, 5]], [[1, 2, 3]], [[0, 0, 1]], [[0, 0, 1], [2, 3, 4], [5, 6, 7]]]


def test_recurrent_decoding_hands_its_state_on_and_parallel_decoding_does_not():
    """What is known of the first output segment reaches the later ones only along the recurrence."""
    spec = replace(UNSCALED, horizon=6)
    for decoding in DECODING:
        model, inputs = network(spec, decoding=decoding), windows(spec)
        first, last = (nudged(inputs, "known_future", np.s_[:, spec.context + step]) for step in (0, 5))
        onward = moved(model, inputs, first).max(axis=(0, 2, 3))
        assert (onward[:3] > 1e-6).all()
        assert (onward[3:] > 1e-6).all() if decoding == "recurrent" else (onward[3:] == 0).all()
        assert (moved(model, inputs, last)[:, :3] == 0).all()


def test_places_tell_output_segments_and_targets_apart():
    spec = replace(PLAIN, horizon=9, skip=False, quantiles=())
    model, inputs = network(spec), windows(spec)
    inputs["target"][:, :, 1] = inputs["target"][:, :, 0]
    segments = run(model, inputs).reshape(5, 3, 3, 2)
    assert np.abs(np.diff(segments, axis=1)).min() > 1e-6
    assert np.abs(np.diff(segments, axis=3)).min() > 1e-6


def test_the_usual_segment_is_a_season_of_some_length_or_the_horizon():
    assert [usual_segment(season, 30) for season in (1, 11, 12, 48, 49)] == [24, 24, 12, 48, 24]
    assert [usual_segment(7, horizon) for horizon in (1, 14, 24, 25)] == [1, 14, 24, 24]
    assert build_segment(replace(PLAIN, season=12), units=4).get_layer("segments").width == 12


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"segment": 0}, "segment"),
        ({"segment": 2.5}, "segment"),
        ({"units": -1}, "units"),
        ({"dropout": 1.0}, "dropout"),
        ({"cell": "gruu"}, "cell"),
        ({"decoding": "sideways"}, "decoding"),
    ],
)
def test_wrong_arguments_are_named(wrong, word):
    with pytest.raises(ParameterError, match=word):
        build_segment(PLAIN, **wrong)
