"""The hybrid: smoothing against a plain loop, and recurrence that steps back further."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from forecast.errors import ParameterError
from forecast.models import Spec, build_esrnn
from forecast.models.esrnn import dilated
from forecast.models.recurrent import recurrent
from forecast.models.smoothing import FASTEST, PRIOR, START, Smoothing, SmoothingWeights
from tests.models.laws import PLAIN, randomised, run, windows


def smooth(values, observed, weights, season, period, horizon):
    layer = Smoothing(season, period, horizon)
    found = layer(*(np.asarray(part, "float32") for part in (values, observed, weights)))
    return [keras.ops.convert_to_numpy(part) for part in found]


def by_hand(values, observed, weights, season, period, horizon):
    """One channel of one window, in loops."""
    rates = FASTEST / (1 + np.exp(-weights))
    season = season if len(values) >= season else 1
    count = len(values) // season
    first = len(values) - count * season
    means, share = np.zeros(count), np.zeros(count)
    for d in range(count):
        rows = range(first + d * season, first + (d + 1) * season)
        seen = [values[t] for t in rows if observed[t]]
        means[d], share[d] = (np.mean(seen), len(seen) / season) if seen else (0.0, 0.0)
    newest = max((d for d in range(count) if share[d]), default=0)
    profile = np.zeros(season)
    for j in range(season):
        up, down = 0.0, PRIOR
        for d in range(count):
            t = first + d * season + j
            if observed[t]:
                trust = share[d] * (1 - rates[1]) ** (newest - d)
                up, down = up + trust * (values[t] - means[d]), down + trust
        profile[j] = up / down
    level, total = 0.0, 0.0
    for t in range(first, len(values)):
        if observed[t]:
            trust = (1 - rates[0]) ** (newest - (t - first) // season)
            level, total = level + trust * (values[t] - profile[(t - first) % season]), total + trust
    level /= total if total else 1.0
    ahead = np.array([level + profile[h % season] for h in range(horizon)])
    long = period // season if season > 1 or period > season else 1
    if 1 < long <= count:
        share = 1 / (1 + np.exp(-weights[2]))
        for h in range(horizon):
            d = count - long + (h // season) % long
            t = first + d * season + h % season
            if observed[t]:
                ahead[h] += share * (values[t] - level - profile[h % season])
    left = [
        (values[t] - level - profile[(t - first) % season]) if observed[t] else 0.0
        for t in range(len(values))
    ]
    return np.array(left), ahead


@pytest.mark.parametrize(
    ("rows", "season", "period", "horizon"),
    [(24, 4, 4, 6), (24, 4, 12, 14), (23, 4, 8, 3), (5, 1, 1, 3), (3, 4, 8, 2), (4, 4, 4, 9), (24, 4, 28, 5)],
)
def test_smoothing_is_weighted_means(rows, season, period, horizon):
    rng = np.random.default_rng(rows + horizon)
    values, weights = rng.normal(size=(6, rows, 2)), rng.normal(size=(6, 2, 3))
    observed = rng.random((6, rows, 2)) > 0.3
    observed[5] = False
    values = values * observed
    left, ahead = smooth(values, observed, weights, season, period, horizon)
    for i in range(6):
        for c in range(2):
            expected = by_hand(values[i, :, c], observed[i, :, c], weights[i, c], season, period, horizon)
            np.testing.assert_allclose(left[i, :, c], expected[0], atol=1e-5)
            np.testing.assert_allclose(ahead[i, :, c], expected[1], atol=1e-5)
    assert (left[5] == 0).all() and (ahead[5] == 0).all()


def test_a_season_without_noise_goes_on_exactly():
    time = np.arange(60)
    week = np.where(time // 4 % 3 == 2, 1.0, 0.0)  # every third season is another
    for size in (0, 1):
        wave = (5 + np.array([0.0, 2, -1, -1])[time % 4] + size * week)[None, :, None]
        weights = np.array(
            [[[-30.0, -30.0, 30.0]]]
        )  # nothing is forgotten, and the long period counts in full
        left, ahead = smooth(wave[:, :48], np.ones((1, 48, 1)), weights, 4, 12, 12)
        np.testing.assert_allclose(ahead[0, :, 0], wave[0, 48:, 0], atol=1e-5)
        assert (np.abs(left).max() < 0.1) == (size == 0)


@pytest.mark.parametrize("seen", [range(96), range(63, 96), range(23, 96), [*range(72), 78]])
def test_a_season_seen_in_part_does_not_move_the_level(seen):
    wave = np.sin(np.arange(120) * 2 * np.pi / 24)
    observed = np.isin(np.arange(96), list(seen))[None, :, None]
    ahead = smooth((wave[:96] * observed[0, :, 0])[None, :, None], observed, np.zeros((1, 1, 3)), 24, 24, 24)[
        1
    ]
    assert np.abs(ahead[0, :, 0] - wave[96:]).mean() < 0.15


def test_a_series_silent_for_long_keeps_its_level():
    values, observed = np.zeros((1, 336, 1)), np.zeros((1, 336, 1))
    values[0, :60, 0], observed[0, :60, 0] = 5.0, 1.0
    fast = np.full((1, 1, 3), 30.0)  # only the newest season counts
    for weights in (fast, np.zeros((1, 1, 3))):
        np.testing.assert_allclose(smooth(values, observed, weights, 1, 1, 3)[1], 5.0, atol=1e-5)


def test_rates_begin_alike_and_are_moved_by_what_is_known_of_the_series():
    layer = SmoothingWeights(2, apart=True)
    like, static = np.zeros((6, 3, 1), "float32"), np.arange(12, dtype="float32").reshape(6, 2)
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(layer(like, static)), np.broadcast_to(START, (6, 1, 3))
    )
    layer.moves.assign(np.ones((2, 3)))
    layer.usual.assign([[0, 0, 0], [7, 7, 7]])
    moved = keras.ops.convert_to_numpy(layer(like, static))[:, 0]
    expected = np.array(START) + static.sum(axis=1)[:, None] + np.array([0, 7] * 3)[:, None]
    np.testing.assert_allclose(moved, expected)


@pytest.mark.parametrize(("count", "step"), [(7, 3), (6, 3), (5, 1), (2, 4)])
def test_a_dilated_layer_reads_every_so_manieth_vector(count, step):
    vectors = np.random.default_rng(0).normal(size=(2, count, 3)).astype("float32")
    layer = recurrent("gru", 4, sequences=True, seed=1)
    read = keras.ops.convert_to_numpy(dilated(layer, vectors, step))
    for t in range(count):
        lane = vectors[:, t % step : t + 1 : step]
        before = -(-count // step) - (count - 1 - t) // step - lane.shape[1]
        lane = np.pad(lane, ((0, 0), (before, 0), (0, 0)))
        np.testing.assert_allclose(read[:, t], keras.ops.convert_to_numpy(layer(lane))[:, -1], atol=1e-6)


def test_series_that_are_embedded_are_smoothed_each_in_its_own_way():
    spec = replace(PLAIN, targets=1, series=3, quantiles=(), anchor="mean", skip=False)
    model = randomised(build_esrnn(spec, units=4))
    for weight in model.weights:  # only the smoothing is left
        if weight.path.startswith("segment_output"):
            weight.assign(np.zeros(weight.shape))
    inputs = windows(spec, rows=1)
    made = [run(model, inputs | {"series": np.array([j], "int32")}) for j in range(4)]
    assert len({part.tobytes() for part in made}) == 4


def test_dilations_are_those_asked_for():
    spec = Spec(context=336, horizon=48, season=24, period=168)
    for given, names in (
        ({}, ["gru_1"]),
        ({"dilations": 7}, ["gru_1"]),
        ({"dilations": (1, 1), "cell": "lstm"}, ["lstm_1", "lstm_2"]),
    ):
        layers = [part.name for part in build_esrnn(spec, units=2, **given).layers]
        assert [name for name in layers if name.startswith(("lstm", "gru"))] == names
    inputs = windows(replace(spec, padded=False), rows=2)
    made = [run(randomised(build_esrnn(spec, units=2, dilations=(1, far))), inputs) for far in (1, 7)]
    assert not np.allclose(*made)
    for wrong in ((), (1, 0), 2.5, "far"):
        with pytest.raises(ParameterError, match="dilations"):
            build_esrnn(spec, dilations=wrong)
