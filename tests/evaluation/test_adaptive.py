"""Online adaptation: coverage when errors change, the delay, many series, and what never moves."""

import numpy as np
import pytest
from scipy.special import ndtri

from forecast.errors import ParameterError
from forecast.evaluation.adaptive import RATE, adapted, typical_score
from forecast.evaluation.intervals import ConformalShift, conformal_scores

NAN = float("nan")
LEVELS = (0.1, 0.5, 0.9)
WIDE = (0.025, 0.1, 0.5, 0.9, 0.975)


def _normal_shift(horizon=1, levels=LEVELS, targets=()):
    shape = (horizon, *targets, len(levels))
    shift = np.broadcast_to(ndtri(np.array(levels)), shape).copy()
    shift[..., levels.index(0.5)] = 0.0
    return ConformalShift(levels, shift, np.full(shape, 500))


def _overlapping(rng, rows, horizon):
    """Errors of unit variance h steps ahead, from one random walk: windows share most of their rows."""
    walk = np.concatenate([[0.0], np.cumsum(rng.normal(size=rows + horizon))])
    return np.stack([(walk[h : h + rows] - walk[:rows]) / np.sqrt(h) for h in range(1, horizon + 1)], axis=1)


# ---- coverage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("quantiles", [False, True], ids=["point", "quantiles"])
def test_noise_that_doubles_is_followed(quantiles):
    rng = np.random.default_rng(0)
    rows, half = 8000, 4000
    noise = rng.normal(size=(rows, 2)) * np.where(np.arange(rows) < half, 1.0, 2.0)[:, None]
    base = np.broadcast_to(ndtri(np.array(LEVELS)), (rows, 2, 3)) if quantiles else np.zeros((rows, 2))
    past = rng.normal(size=(999, 2))
    calibration = conformal_scores(past, base[:999])
    static = ConformalShift.fit(calibration, LEVELS, per_quantile=quantiles)
    scores = conformal_scores(noise, base)
    found = adapted(static, scores)
    by_level = scores if quantiles else scores[..., None]
    shares = [
        np.mean((by_level[half:, ..., 0] > low[..., 0]) & (by_level[half:, ..., -1] <= high), axis=0)
        for low, high in (
            (static.shift, static.shift[..., 2]),
            (found.used[half:], found.used[half:, :, 2]),
        )
    ]
    assert np.all((shares[0] > 0.43) & (shares[0] < 0.55))  # the static interval claims 0.8
    np.testing.assert_allclose(shares[1], 0.8, atol=0.02)
    np.testing.assert_allclose(found.coverage(0.1, 0.9), 0.8, atol=0.02)
    np.testing.assert_allclose(found.below, [LEVELS] * 2, atol=0.02 if quantiles else 0.03)
    # The shift has gone where it should be: quantiles of noise of twice the size.
    base_end = ndtri(np.array(LEVELS)) if quantiles else 0.0
    np.testing.assert_allclose(
        (base_end + found.shift.shift)[:, [0, 2]], np.tile([-2.56, 2.56], (2, 1)), atol=0.5
    )


def test_stationary_noise_moves_the_shift_little():
    rng = np.random.default_rng(1)
    start = _normal_shift(3, WIDE)
    found = adapted(start, rng.normal(size=(5000, 3)))
    np.testing.assert_allclose(found.coverage(0.1, 0.9), 0.8, atol=0.02)
    np.testing.assert_allclose(found.coverage(0.025, 0.975), 0.95, atol=0.02)
    away = found.used - start.shift
    assert np.abs(away).mean() < 0.15 and np.abs(away).max() < 0.8
    assert np.abs(away[1000:].mean(axis=0)).max() < 0.1


def test_errors_that_stay_on_one_side_are_followed():
    found = adapted(_normal_shift(), np.random.default_rng(2).normal(size=(6000, 1)) + 3.0)
    np.testing.assert_allclose(found.below[0, [0, 2]], [0.1, 0.9], atol=0.02)
    assert found.used[-1000:, 0, 0].mean() == pytest.approx(3.0 + ndtri(0.1), abs=0.15)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_the_share_realised_is_bounded_whatever_the_errors_do(rate):
    """The moves add up: T (q - share) is the distance the shift has gone, in moves."""
    rng = np.random.default_rng(3)
    scores = np.cumsum(rng.standard_cauchy(size=(500, 1)), axis=0)  # nothing stationary about it
    start = _normal_shift()
    found = adapted(start, scores, rate=rate)
    gone = found.shift.shift - start.shift
    np.testing.assert_allclose(
        500 * (np.array(LEVELS) - found.below)[0, [0, 2]], gone[0, [0, 2]] / rate, rtol=1e-9
    )


def test_far_steps_do_not_swing():
    """A move is seen h rows later: the bound of 1 / h on it keeps far steps from over-correcting."""
    scores = _overlapping(np.random.default_rng(4), 6000, 100)
    start, far = _normal_shift(100), 99
    found = adapted(start, scores, rate=0.1)
    # The same moves without the bound: a unit that undoes it.
    swinging = adapted(start, scores, rate=0.1, unit=0.1 * np.maximum(np.arange(1, 101), 10))
    np.testing.assert_array_equal(swinging.used[:, 0], found.used[:, 0])
    assert found.used[500:, far, 2].std() < 0.6
    assert swinging.used[500:, far, 2].std() > 2.0
    widths = [np.mean(f.used[:, far, 2] - f.used[:, far, 0]) for f in (found, swinging)]
    assert widths[0] < 3.2 and widths[1] > 1.5 * widths[0]
    assert abs(found.coverage(0.1, 0.9)[far] - 0.8) < 0.04


# ---- the rule -----------------------------------------------------------------------------------


def test_moves_by_hand():
    start = ConformalShift(LEVELS, np.array([[-1.0, 0.0, 1.0]]), np.full((1, 3), 20))
    found = adapted(start, [[0.5], [3.0], [-2.0]], rate=0.1, unit=2.0)
    # Above neither, above both, below both: the upper end moves by .2 (.9 - 1), .2 (.9 - 0), .2 (.9 - 1).
    np.testing.assert_allclose(found.used[:, 0], [[-1, 0, 1], [-0.98, 0, 0.98], [-0.96, 0, 1.16]], rtol=1e-12)
    np.testing.assert_allclose(found.shift.shift, [[-1.14, 0.0, 1.14]], rtol=1e-12)
    np.testing.assert_allclose(found.below, [[1 / 3, 1 / 3, 2 / 3]])
    np.testing.assert_array_equal(found.counts, [[3, 3, 3]])
    np.testing.assert_array_equal(found.shift.counts, [[23, 23, 23]])
    np.testing.assert_array_equal(found.times, [0, 1, 2])
    np.testing.assert_array_equal(start.shift, [[-1.0, 0.0, 1.0]])


def test_a_score_on_the_shift_lies_below():
    start = ConformalShift((0.1, 0.9), np.array([[-1.0, 1.0]]), np.full((1, 2), 20))
    found = adapted(start, [[1.0]], rate=0.1)
    np.testing.assert_array_equal(found.below, [[0.0, 1.0]])
    np.testing.assert_allclose(found.shift.shift, [[-0.99, 0.99]])


def test_a_step_is_known_only_that_many_rows_later():
    start = _normal_shift(3)
    scores = np.full((6, 3), 50.0)  # all above: every move is rate * q, at most q / h
    found = adapted(start, scores, rate=0.1)
    moves = (found.used - start.shift)[..., 2] / (0.1 * 0.9)
    # At the origin of window t, step h of the windows t - h and before is known.
    np.testing.assert_allclose(moves, np.maximum(np.arange(6)[:, None] - np.arange(3), 0).clip(0), atol=1e-9)
    np.testing.assert_allclose((found.shift.shift - start.shift)[..., 2], 6 * 0.1 * 0.9)


@pytest.mark.parametrize("spacing", [1, 4])
def test_the_shift_at_an_origin_depends_on_nothing_unknown_then(spacing):
    rng = np.random.default_rng(5)
    horizon, windows = 6, 40
    times = 100 + spacing * np.arange(windows)
    scores, start = rng.normal(size=(windows, horizon)), _normal_shift(horizon)
    before = adapted(start, scores, times=times).used
    for origin in (0, 7, 23):
        known = times[:, None] + np.arange(1, horizon + 1) <= times[origin]
        for future in (NAN, 100 * scores, rng.normal(size=scores.shape)):
            scrambled = np.where(known, scores, future)
            after = adapted(start, scrambled, times=times).used
            np.testing.assert_array_equal(after[: origin + 1], before[: origin + 1])
        # And on everything that was known: the last row to become known moves its step.
        h = 2
        newest = np.flatnonzero(known[:, h])
        if len(newest):
            changed = scores.copy()
            changed[newest[-1], h] = 99.0 if scores[newest[-1], h] < 0 else -99.0
            moved = adapted(start, changed, times=times).used
            assert not np.array_equal(moved[origin, h], before[origin, h])
            np.testing.assert_array_equal(moved[origin, [0, 5]], before[origin, [0, 5]])


def test_windows_far_apart_know_all_steps_of_the_one_before():
    start = _normal_shift(3)
    found = adapted(start, np.full((4, 3), 50.0), times=np.array([0, 3, 6, 9]), rate=0.1)
    np.testing.assert_allclose(
        (found.used - start.shift)[:, :, 2], 0.09 * np.arange(4)[:, None] * np.ones(3), rtol=1e-9
    )


def test_series_that_share_a_time_move_the_shift_once_by_their_mean():
    rng = np.random.default_rng(6)
    scores, start = rng.normal(size=(300, 8, 2)), _normal_shift(2)
    times = np.repeat(np.arange(300), 8)
    order = rng.permutation(2400)
    together = adapted(start, scores.reshape(-1, 2)[order], times=times[order])
    np.testing.assert_array_equal(together.times, np.arange(300))
    by_hand = start.shift.copy()
    for t in range(300):  # step 1, which is known one row later
        np.testing.assert_allclose(together.used[t, 0], by_hand[0], rtol=1e-9)
        share = (scores[t, :, 0, None] <= by_hand[0]).mean(axis=0)
        by_hand[0, [0, 2]] += RATE * (np.array(LEVELS) - share)[[0, 2]]
    # Eight copies of a series say no more than one.
    copies = adapted(start, np.repeat(scores[:, 0], 8, axis=0), times=times)
    alone = adapted(start, scores[:, 0])
    np.testing.assert_allclose(copies.used, alone.used, rtol=1e-12)
    np.testing.assert_array_equal(copies.counts, 8 * alone.counts)
    # Many series shake the shift less than one does.
    assert together.used[50:, 0, 2].std() < 0.7 * alone.used[50:, 0, 2].std()


def test_missing_scores_move_nothing():
    rng = np.random.default_rng(7)
    scores, start = rng.normal(size=(200, 2)), _normal_shift(2)
    gaps = np.arange(400) % 2 == 1
    spread = np.full((400, 2), NAN)
    spread[~gaps] = scores
    found = adapted(start, spread, times=np.arange(400) // 2)
    np.testing.assert_array_equal(found.shift.shift, adapted(start, scores).shift.shift)
    nothing = adapted(start, np.full((9, 2), NAN))
    np.testing.assert_array_equal(nothing.shift.shift, start.shift)
    assert np.isnan(nothing.below).all() and not nothing.counts.any()
    # Nor do they count among the series of a time.
    pair = np.stack([scores, np.full((200, 2), NAN)], axis=1).reshape(-1, 2)
    by_pair = adapted(start, pair, times=np.repeat(np.arange(200), 2))
    np.testing.assert_array_equal(by_pair.used, adapted(start, scores).used)


def test_no_score_at_all_changes_nothing():
    start = _normal_shift(2)
    found = adapted(start, np.empty((0, 2)))
    np.testing.assert_array_equal(found.shift.shift, start.shift)
    assert found.used.shape == (0, 2, 3) and np.isnan(found.below).all()


def test_the_median_never_moves():
    rng = np.random.default_rng(8)
    found = adapted(_normal_shift(2, WIDE), rng.normal(size=(500, 2)) + 5.0)
    assert np.all(found.used[..., 2] == 0.0) and np.all(found.shift.shift[..., 2] == 0.0)
    assert np.all(found.shift.shift[..., 3] > 3.0)
    assert np.all(found.below[:, 2] < 0.01)  # and its share is told all the same


def test_a_level_out_of_reach_stays_there():
    start = ConformalShift.fit(np.random.default_rng(9).normal(size=(12, 2)), WIDE)
    assert start.unreachable == (0.025, 0.975)
    found = adapted(start, np.random.default_rng(10).normal(size=(2000, 2)))
    assert found.shift.unreachable == (0.025, 0.975)
    assert np.isnan(found.below[:, [0, 4]]).all() and np.isfinite(found.below[:, 1:4]).all()
    assert np.isnan(found.coverage(0.025, 0.975)).all()
    np.testing.assert_allclose(found.coverage(0.1, 0.9), 0.8, atol=0.02)


def test_targets_and_steps_are_adapted_on_their_own():
    rng = np.random.default_rng(11)
    scores = rng.normal(size=(300, 3, 2)) * [1.0, 4.0]
    start = _normal_shift(3, LEVELS, (2,))
    unit = typical_score(scores)
    together = adapted(start, scores, unit=unit)
    for target in range(2):
        one = ConformalShift(LEVELS, start.shift[:, target], start.counts[:, target])
        alone = adapted(one, scores[:, :, target], unit=unit[:, target])
        np.testing.assert_array_equal(together.used[:, :, target], alone.used)
        np.testing.assert_array_equal(together.below[:, target], alone.below)
    # In units of the scores it makes no difference how large they are.
    thousand = ConformalShift(LEVELS, 1000 * start.shift, start.counts)
    np.testing.assert_allclose(
        adapted(thousand, 1000 * scores, unit=1000 * unit).used, 1000 * together.used, rtol=1e-9
    )


# ---- the unit -----------------------------------------------------------------------------------


def test_a_typical_score_is_robust():
    rng = np.random.default_rng(12)
    scores = rng.normal(size=(4000, 2, 1)) * [[1.0], [5.0]]
    scores[::20] = 1e9
    scores[1::7, 1] = NAN
    np.testing.assert_allclose(typical_score(scores), [[1.0], [5.0]], rtol=0.12)
    assert typical_score(scores).shape == (2, 1)


def test_without_a_spread_a_typical_score_is_one():
    np.testing.assert_array_equal(typical_score(np.zeros((50, 2))), [1.0, 1.0])
    np.testing.assert_array_equal(typical_score(np.full((50, 2), NAN)), [1.0, 1.0])
    np.testing.assert_array_equal(typical_score(np.empty((0, 3, 1))), np.ones((3, 1)))
    np.testing.assert_array_equal(typical_score([[7.0]]), [1.0])


# ---- refusals -----------------------------------------------------------------------------------


def test_arguments_that_do_not_fit_are_refused():
    start = _normal_shift(2)
    with pytest.raises(ParameterError, match=r"shape \(5, 3\); they must be windows, then \(2, 3\)"):
        adapted(start, np.ones((5, 3)))
    with pytest.raises(ParameterError, match="they must be windows"):
        adapted(start, np.ones(5))
    for times in (np.arange(4), np.arange(5.0), [[1]] * 5):
        with pytest.raises(ParameterError, match="expected 5 whole numbers"):
            adapted(start, np.ones((5, 2)), times=times)
    for rate in (0.0, 1.0, NAN, -0.1):
        with pytest.raises(ParameterError, match="rate is"):
            adapted(start, np.ones((5, 2)), rate=rate)
    for unit in (0.0, -1.0, NAN, np.inf, [1.0, 0.0]):
        with pytest.raises(ParameterError, match="typical_score gives one"):
            adapted(start, np.ones((5, 2)), unit=unit)
    with pytest.raises(ParameterError, match=r"unit has shape \(3,\)"):
        adapted(start, np.ones((5, 2)), unit=np.ones(3))
    with pytest.raises(ParameterError, match=r"no quantile 0\.2; the shift has 0\.1, 0\.5, 0\.9"):
        adapted(start, np.ones((5, 2))).coverage(0.2, 0.9)
