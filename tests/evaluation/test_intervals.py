"""Conformal calibration: ranks by hand, coverage on exchangeable data, no crossing, honest gaps."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from forecast.data.windows import make_windows
from forecast.errors import ParameterError
from forecast.evaluation.intervals import (
    ConformalShift,
    check_quantiles,
    conformal_rank,
    conformal_scores,
    coverage_table,
    reliability,
    smallest_n,
    sorted_around_gaps,
)
from forecast.evaluation.widths import Cases, cases_of
from tests.tables import panel_of, shops

NAN = float("nan")
LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


def _random(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


# ---- ranks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["0.01", "0.025", "0.05", "0.1", "0.35", "0.55", "0.8", "0.9", "0.95", "0.975", "0.99"]
)
def test_rank_is_exact_for_decimal_levels(text):
    level = Fraction(text)
    n = np.arange(0, 3000)
    exact = [
        math.ceil((k + 1) * level) if level > Fraction(1, 2) else math.floor((k + 1) * level)
        for k in n.tolist()
    ]
    np.testing.assert_array_equal(conformal_rank(n, float(text)), exact)
    assert conformal_rank(19, float(text)) == exact[19] and type(conformal_rank(19, 0.9)) is int


@pytest.mark.parametrize("level", [0.01, 0.025, 0.1, 1 - 0.9, 0.3, 0.7, 0.9, 0.975, 0.99])
def test_smallest_n_is_where_the_rank_first_exists(level):
    n = np.arange(0, 200)
    rank = conformal_rank(n, level)
    assert smallest_n(level) == n[(rank >= 1) & (rank <= n)][0]


def test_lower_and_upper_ranks_mirror_each_other():
    for n in range(1, 200):
        for level in (0.55, 0.8, 0.9, 0.975):
            assert conformal_rank(n, 1 - level) == n + 1 - conformal_rank(n, level)


# ---- fitting ------------------------------------------------------------------------------------


def test_the_correction_by_hand():
    # Nine scores; 80 % central: ranks floor(10 * 0.1) = 1 and ceil(10 * 0.9) = 9, the extremes.
    scores = np.array([4.0, -2.0, 0.5, 7.0, -1.0, 3.0, 2.0, -6.0, 1.0])[:, None]
    shift = ConformalShift.fit(scores, (0.1, 0.3, 0.5, 0.7, 0.9))
    # Ranks 3 and 7 for 30 % and 70 %: sorted -6 -2 -1 .5 1 2 3 4 7.
    np.testing.assert_array_equal(shift.shift, [[-6.0, -1.0, 0.0, 3.0, 7.0]])
    assert shift.unreachable == () and shift.needed == 9
    np.testing.assert_array_equal(shift.counts, np.full((1, 5), 9))
    # One score fewer: rank ceil(9 * 0.9) = 9 of 8 does not exist. The uncorrected quantile would be made up.
    short = ConformalShift.fit(scores[:8], (0.1, 0.3, 0.5, 0.7, 0.9))
    assert short.unreachable == (0.1, 0.9) and short.needed == 9
    np.testing.assert_array_equal(np.isnan(short.shift[0]), [True, False, False, False, True])


def test_missing_scores_are_not_counted_per_step():
    scores = _random(0, 12, 3)
    scores[:4, 1] = NAN
    scores[:, 2] = NAN
    shift = ConformalShift.fit(scores, (0.1, 0.5, 0.9))
    np.testing.assert_array_equal(shift.counts[:, 0], [12, 8, 0])
    assert shift.unreachable == (0.1, 0.9)
    np.testing.assert_array_equal(np.isnan(shift.shift[:, 2]), [False, True, True])
    np.testing.assert_array_equal(shift.shift[:, 1], 0.0)
    # Where a missing score stands among the windows does not matter.
    np.testing.assert_array_equal(ConformalShift.fit(scores[::-1], (0.1, 0.5, 0.9)).shift, shift.shift)


def test_no_window_at_all_reaches_nothing():
    shift = ConformalShift.fit(np.empty((0, 4)), (0.1, 0.5, 0.9))
    assert shift.unreachable == (0.1, 0.9) and shift.shift.shape == (4, 3)


def test_steps_and_targets_are_calibrated_on_their_own():
    scores = _random(1, 40, 5, 2) * np.arange(1, 11).reshape(5, 2)
    together = ConformalShift.fit(scores, LEVELS)
    assert together.shift.shape == (5, 2, 5)
    for step in range(5):
        for target in range(2):
            alone = ConformalShift.fit(scores[:, [step], target], LEVELS)
            np.testing.assert_array_equal(together.shift[step, target], alone.shift[0])


def test_quantile_scores_use_their_own_level():
    actual, base = _random(2, 60, 4), np.sort(_random(3, 60, 4, 5), axis=-1)
    scores = conformal_scores(actual, base)
    shift = ConformalShift.fit(scores, LEVELS, per_quantile=True)
    ordered = np.sort(actual[:, 2] - base[:, 2, 3])
    assert shift.shift[2, 3] == ordered[math.ceil(61 * 0.9) - 1]
    assert np.all(shift.shift[:, 2] == 0.0)


def test_scores_are_errors_over_the_scale():
    actual = np.array([[1.0, NAN], [4.0, 6.0]])
    np.testing.assert_array_equal(conformal_scores(actual, np.ones((2, 2)), 2.0), [[0.0, NAN], [1.5, 2.5]])
    by_series = conformal_scores(actual, np.ones((2, 2)), np.array([[0.0], [5.0]]))
    np.testing.assert_array_equal(by_series, [[NAN, NAN], [0.6, 1.0]])
    assert conformal_scores(actual, np.ones((2, 2, 3)), np.array([[1.0], [5.0]])).shape == (2, 2, 3)


# ---- applying -----------------------------------------------------------------------------------


def test_point_and_quantile_application_agree():
    shift = ConformalShift.fit(_random(4, 100, 6), LEVELS)
    point = _random(5, 3, 6)
    scale = np.array([[1.0], [0.0], [10.0]])
    got = shift.apply_point(point, scale)
    np.testing.assert_allclose(got, point[..., None] + scale[..., None] * shift.shift)
    np.testing.assert_array_equal(
        got[1], np.repeat(point[1][:, None], 5, axis=1)
    )  # constant history: no width
    np.testing.assert_array_equal(shift.apply(np.repeat(point[..., None], 5, axis=-1), scale), got)


@pytest.mark.parametrize("levels", [LEVELS, (0.1, 0.3, 0.7, 0.9), (0.5,), (0.6, 0.9)])
def test_quantiles_never_cross_and_the_median_stays(levels):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        # Wild base quantiles, crossing each other, and biased calibration errors.
        base = rng.normal(size=(20, 3, len(levels))) * 5
        scores = rng.normal(size=(60, 3, len(levels))) + rng.normal() * 3
        got = ConformalShift.fit(scores, levels, per_quantile=True).apply(base, 2.0)
        assert np.isfinite(got).all() and np.all(np.diff(got, axis=-1) >= 0)
        if 0.5 in levels:
            np.testing.assert_array_equal(got[..., levels.index(0.5)], base[..., levels.index(0.5)])


def test_unreachable_levels_stay_missing_and_the_rest_is_sorted_around_them():
    shift = ConformalShift.fit(_random(6, 12, 4), LEVELS)
    assert shift.unreachable == (0.025, 0.975) and shift.needed == 39
    base = _random(7, 10, 4, 5)
    before = base.copy()
    got = shift.apply(base)
    np.testing.assert_array_equal(base, before)
    assert np.isnan(got[..., [0, 4]]).all()
    inner = got[..., 1:4]
    assert np.isfinite(inner).all() and np.all(np.diff(inner, axis=-1) >= 0)
    np.testing.assert_array_equal(inner[..., 1], base[..., 2])


def test_a_missing_forecast_stays_missing():
    shift = ConformalShift.fit(_random(8, 60, 2), (0.1, 0.5, 0.9))
    got = shift.apply_point([[NAN, 1.0]])
    np.testing.assert_array_equal(np.isnan(got), [[[True] * 3, [False] * 3]])


# ---- coverage -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("lower", "upper"), [(0.1, 0.9), (0.025, 0.975)])
@pytest.mark.parametrize("windows", [39, 60, 199])
def test_central_intervals_cover_what_they_claim(lower, upper, windows):
    """2,000 exchangeable repetitions, each calibrated anew; skewed errors, of another size at each step."""
    rng = np.random.default_rng(windows)
    horizon, repetitions = 3, 2000
    spread = np.array([1.0, 2.0, 7.0])
    errors = (rng.lognormal(size=(repetitions, windows + 1, horizon)) - 1.0) * spread
    actual = errors[:, -1]
    bounds = [
        ConformalShift.fit(one[:-1], (lower, 0.5, upper)).apply_point(np.zeros(horizon))[:, [0, 2]]
        for one in errors
    ]
    low, high = np.moveaxis(np.array(bounds), -1, 0)
    table = coverage_table(actual, low, high)
    nominal = upper - lower
    # The (n + 1) correction promises at least the nominal share, at most 2 / (n + 1) more.
    exact = (conformal_rank(windows, upper) - conformal_rank(windows, lower)) / (windows + 1)
    assert nominal - 1e-9 <= exact <= nominal + 2 / (windows + 1)
    assert np.all(np.abs(table.coverage - exact) < 0.02)
    assert abs(table.overall - nominal) < 0.02 + (exact - nominal)
    assert np.all(np.diff(table.width) > 0)


@pytest.mark.parametrize("kind", ["point", "quantiles"])
def test_two_thousand_exchangeable_series_are_covered(kind):
    """Each series has its own calibration of 199 windows, spread, skew and bias; one later window is tested."""
    rng = np.random.default_rng(20)
    series, windows, horizon, targets = 2000, 199, 4, 2
    spread = 10.0 ** rng.uniform(-2, 3, size=(series, 1, 1, 1)) * np.arange(1, 5)[:, None]
    skew = rng.uniform(0.0, 0.8, size=(series, 1, 1, 1))
    errors = spread * (np.exp(skew * rng.normal(size=(series, windows + 1, horizon, targets))) - 0.9)
    scale = spread[:, :, :1]
    # Quantiles of a model that is far too sure of itself, another size in each window.
    base = (
        0.3
        * spread[..., None]
        * rng.lognormal(size=(series, windows + 1, 1, 1, 1))
        * (np.array(LEVELS) - 0.5)
    )
    base = np.broadcast_to(base, (*errors.shape, len(LEVELS)))
    bounds = np.empty((series, horizon, targets, len(LEVELS)))
    for k in range(series):
        given = base[k] if kind == "quantiles" else np.zeros_like(errors[k])
        scores = conformal_scores(errors[k, :-1], given[:-1], scale[k])
        shift = ConformalShift.fit(scores, LEVELS, per_quantile=kind == "quantiles")
        apply = shift.apply if kind == "quantiles" else shift.apply_point
        assert shift.unreachable == ()
        bounds[k] = apply(given[-1], scale[k, 0])
    for nominal, low, high in ((0.8, 1, 3), (0.95, 0, 4)):
        # 200 p is a whole number for these levels, so the correction costs nothing: exactly nominal.
        exact = (conformal_rank(windows, LEVELS[high]) - conformal_rank(windows, LEVELS[low])) / 200
        assert exact == pytest.approx(nominal)
        table = coverage_table(errors[:, -1], bounds[..., low], bounds[..., high])
        assert abs(table.overall - nominal) < 0.02
        np.testing.assert_array_equal(table.counted, [4000] * 4)
        # 3.5 standard errors of 4,000 cases, and half a point as a median outside its interval widens it.
        room = 3.5 * math.sqrt(nominal * (1 - nominal) / 4000)
        assert np.all(table.coverage > nominal - room) and np.all(table.coverage < nominal + room + 0.005)


@pytest.mark.parametrize(("windows", "reached"), [(8, ()), (9, (0.1, 0.9)), (38, (0.1, 0.9)), (39, LEVELS)])
def test_a_calibration_that_is_too_short_says_so(windows, reached):
    shift = ConformalShift.fit(_random(30, windows, 2), LEVELS)
    assert set(shift.unreachable) == set(LEVELS) - set(reached) - {0.5}
    assert shift.needed == 39
    got = shift.apply_point(np.zeros((1, 2)))
    np.testing.assert_array_equal(np.isnan(got[0, 0]), [level in shift.unreachable for level in LEVELS])
    # Where a bound is missing, its coverage is missing too instead of flattering.
    lost = windows < 39
    assert np.isnan(coverage_table(np.zeros((1, 2)), got[..., 0], got[..., 4]).overall) == lost


def test_a_median_outside_the_interval_only_widens_it():
    rng = np.random.default_rng(4)
    errors = rng.normal(size=(2000, 60, 1)) + 3.0  # forecasts far too low; the median is not corrected
    got = np.array([ConformalShift.fit(e[:-1], (0.1, 0.5, 0.9)).apply_point([0.0])[0] for e in errors])
    actual = errors[:, -1, 0]
    assert np.all(got[:, 0] == 0.0)
    assert abs(np.mean(actual > got[:, 2]) - 0.1) < 0.02
    assert np.mean((got[:, 0] <= actual) & (actual <= got[:, 2])) > 0.85


def test_each_side_misses_its_own_share():
    rng = np.random.default_rng(1)
    errors = rng.exponential(size=(2000, 100, 1))
    bounds = np.array([ConformalShift.fit(e[:-1], (0.1, 0.9)).apply_point([0.0])[0] for e in errors])
    actual = errors[:, -1, 0]
    assert abs(np.mean(actual < bounds[:, 0]) - 0.1) < 0.02
    assert abs(np.mean(actual > bounds[:, 1]) - 0.1) < 0.02


def test_quantile_forecasts_that_are_too_narrow_are_widened():
    rng = np.random.default_rng(2)
    base = np.tile([-0.1, 0.0, 0.1], (2000, 1, 1))  # claims 80 %, holds about 8 % of normal errors
    actual = rng.normal(size=(2000, 1))
    scores = conformal_scores(actual[:1000], base[:1000])
    got = ConformalShift.fit(scores, (0.1, 0.5, 0.9), per_quantile=True).apply(base[1000:])
    assert coverage_table(actual[1000:], base[1000:, :, 0], base[1000:, :, 2]).overall < 0.12
    assert abs(coverage_table(actual[1000:], got[..., 0], got[..., 2]).overall - 0.8) < 0.04


def test_pooled_series_of_different_scale_cover_alike():
    rng = np.random.default_rng(3)
    scale = 10.0 ** rng.uniform(-2, 3, size=(50, 1, 1))
    errors = rng.normal(size=(50, 40, 2)) * scale
    past, future = errors[:, :20].reshape(-1, 2), errors[:, 20:].reshape(-1, 2)
    rows = np.repeat(scale[:, 0], 20, axis=0)
    shift = ConformalShift.fit(conformal_scores(past, np.zeros_like(past), rows), (0.1, 0.5, 0.9))
    got = shift.apply_point(np.zeros_like(future), rows)
    covered = ((got[..., 0] <= future) & (future <= got[..., 2])).reshape(50, 20, 2)
    assert abs(covered.mean() - 0.8) < 0.03
    small, large = covered[scale[:, 0, 0] < 1].mean(), covered[scale[:, 0, 0] > 100].mean()
    assert abs(small - large) < 0.08


def test_coverage_table_counts_what_it_saw():
    actual = np.array([[[1.0, 2.0], [NAN, 5.0]], [[0.0, 9.0], [NAN, NAN]], [[1.0, 1.0], [1.0, 1.0]]])
    table = coverage_table(actual, np.zeros_like(actual), np.full_like(actual, 4.0))
    np.testing.assert_array_equal(table.step, [1, 2])
    np.testing.assert_array_equal(table.counted, [6, 3])
    np.testing.assert_allclose(table.coverage, [5 / 6, 2 / 3])
    np.testing.assert_allclose(table.width, [4.0, 4.0])
    assert table.overall == pytest.approx(7 / 9)


# ---- widths of each series ----------------------------------------------------------------------


def cases(series: int, windows: int, horizon: int, *, stretch: int = 1) -> Cases:
    """Windows of every series one behind the other, none of them overlapping."""
    ids = np.repeat([f"s{k}" for k in range(series)], windows)
    return Cases(list(ids), np.tile(np.arange(windows) * horizon, series), stretch)


def learned(scores: np.ndarray, levels: tuple[float, ...] = LEVELS, **more: int) -> ConformalShift:
    """Calibrate scores with axes series, windows, horizon."""
    series, windows, horizon = scores.shape
    whose = cases(series, windows, horizon, **more)
    return ConformalShift.fit(scores.reshape(-1, horizon), levels, cases=whose)


def factors_of(shift: ConformalShift, series: list[str] | None = None) -> np.ndarray:
    """Factors of these series, or of all."""
    assert shift.widths is not None
    return shift.widths.factors if series is None else shift.widths.of(series)


def covered(shift: ConformalShift, later: np.ndarray, series: list[str] | None) -> np.ndarray:
    """Share of later errors (axes: series, cases, horizon) inside the widest interval, of each series."""
    got = shift.apply_point(np.zeros(later[:, 0].shape), 1.0, series)
    inside = (got[:, None, :, 0] <= later) & (later <= got[:, None, :, -1])
    return inside.mean(axis=(1, 2))


@pytest.mark.parametrize("windows", [2, 10, 60])
def test_exchangeable_series_are_covered_as_promised(windows):
    rng = np.random.default_rng(40)
    names, reached = [f"s{k}" for k in range(20)], []
    for _ in range(40):
        past, later = rng.standard_t(5, size=(20, windows, 3)), rng.standard_t(5, size=(20, 50, 3))
        reached.append(covered(learned(past), later, names).mean())
    # The standard error of the mean of 40 repetitions is about 0.002.
    assert 0.95 - 0.006 < np.mean(reached) < 0.95 + 2 / (20 * windows + 1) + 0.015


def test_series_of_different_noise_are_covered_alike():
    rng = np.random.default_rng(41)
    noise = np.exp(rng.normal(size=(50, 1, 1)))
    past, later = rng.normal(size=(50, 30, 6)) * noise, rng.normal(size=(50, 400, 6)) * noise
    shift, names = learned(past, (0.1, 0.5, 0.9)), [f"s{k}" for k in range(50)]
    pooled, own = covered(shift, later, None), covered(shift, later, names)
    assert pooled.std() > 0.15 and own.std() < pooled.std() / 3
    # Shrunk widths of quiet series stay a little too wide, so that the pool is covered rather more than asked.
    assert abs(pooled.mean() - 0.8) < 0.02 and 0.79 < own.mean() < 0.85
    assert own.min() > 0.6 > pooled.min()


def test_the_weight_of_a_series_is_n_of_n_and_twenty():
    rng = np.random.default_rng(42)
    for windows, stretch in ((5, 1), (40, 1), (40, 4)):
        scores = rng.normal(size=(30, windows, 4)) * np.linspace(0.2, 3, 30)[:, None, None]
        shift = learned(scores, (0.1, 0.5, 0.9), stretch=stretch)
        n = windows * 4 / stretch
        for series in (0, 17, 29):
            ratios = np.sort((scores[series] / shift.shift[:, 2]).ravel())
            own = max(ratios[math.ceil((len(ratios) + 1) * 0.9) - 1], 0)
            expected = 1 + n / (n + 20) * (own - 1)
            assert factors_of(shift, [f"s{series}"])[0, 2] == pytest.approx(expected, rel=1e-6)


def test_rows_count_once_and_missing_ones_not():
    scores = np.abs(_random(43, 80, 4)) + 0.1
    scores[70:] *= 5
    ids, levels = ["a"] * 70 + ["b"] * 10, (0.1, 0.5, 0.9)
    origins = np.append(np.arange(70), np.arange(10))
    apart = ConformalShift.fit(scores, levels, cases=Cases(ids, origins * 4))
    over = ConformalShift.fit(scores, levels, cases=Cases(ids, origins))
    excess = factors_of(apart, ["b"])[0, 2] - 1, factors_of(over, ["b"])[0, 2] - 1
    # The same scores of 40 distinct rows, or of thirteen.
    assert excess[0] > 0.1 and excess[1] / excess[0] == pytest.approx((13 / 33) / (40 / 60), rel=1e-5)
    scores[71] = NAN
    gappy = ConformalShift.fit(scores, levels, cases=Cases(ids, origins * 4))
    ratios = (scores[70:] / gappy.shift[:, 2]).ravel()
    own = np.sort(ratios[~np.isnan(ratios)])[math.ceil(37 * 0.9) - 1]
    assert factors_of(gappy, ["b"])[0, 2] == pytest.approx(1 + 36 / 56 * (own - 1), rel=1e-6)


def test_few_scores_widen_and_never_narrow():
    scores = np.random.default_rng(44).normal(size=(40, 3, 1))
    scores[0], scores[1] = [[9.0], [-9.0], [8.0]], 0.001 * scores[1]
    factors = factors_of(learned(scores), ["s0", "s1"])
    assert factors[0, 0] > 1.1 and factors[0, 4] > 1.1
    np.testing.assert_array_equal(factors[1], np.ones(5))


@pytest.mark.parametrize("kind", ["point", "quantiles"])
def test_own_widths_neither_cross_nor_move_the_median(kind):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        noise = np.exp(2 * rng.normal(size=(6, 1, 1, 1)))
        actual, base = rng.normal(size=(6, 20, 3, 2)) * noise, rng.normal(size=(6, 20, 3, 2, 5)) * 3
        base = base if kind == "quantiles" else np.zeros_like(base)
        whose = cases(6, 20, 3)
        scores = conformal_scores(actual.reshape(-1, 3, 2), base.reshape(-1, 3, 2, 5), 1.0)
        shift = ConformalShift.fit(scores, LEVELS, per_quantile=True, cases=whose)
        names = [*(f"s{k}" for k in range(6)), "new"]
        ahead = rng.normal(size=(7, 3, 2, 5))
        got, pool = shift.apply(ahead, 2.0, names), shift.apply(ahead, 2.0)
        assert np.isfinite(got).all() and (np.diff(got, axis=-1) >= 0).all()
        np.testing.assert_array_equal(got[..., 2], ahead[..., 2])
        np.testing.assert_array_equal(got[6], pool[6])
        assert not np.allclose(got[:6], pool[:6])


def test_levels_out_of_reach_stay_so_for_every_series():
    shift = learned(_random(45, 4, 3, 2))  # 12 scores a step
    got = shift.apply_point(np.zeros((4, 2)), 1.0, ["s0", "s1", "s2", "s3"])
    assert np.isnan(got[..., [0, 4]]).all() and np.isfinite(got[..., 1:4]).all()
    np.testing.assert_array_equal(factors_of(shift)[:, [0, 4]], np.ones((4, 2)))


def test_relative_scores_are_judged_as_the_own_widths_are():
    rng = np.random.default_rng(46)
    noise = np.exp(rng.normal(size=(5, 1, 1)))
    shift = learned(rng.normal(size=(5, 40, 2)) * noise, (0.1, 0.5, 0.9))
    names = [f"s{k % 5}" for k in range(500)] + ["new"] * 100
    actual = rng.normal(size=(600, 2)) * 2
    got = shift.apply_point(np.zeros((600, 2)), 1.0, names)
    below = shift.relative(conformal_scores(actual, np.zeros((600, 2))), names) <= shift.shift
    np.testing.assert_array_equal(below, actual[..., None] <= got)
    pooled = replace(shift, widths=None)
    np.testing.assert_array_equal(pooled.relative(actual, names)[..., 0], actual)


def test_the_pool_of_one_series_is_its_own():
    one = Cases(["only"] * 40, np.arange(40))
    assert ConformalShift.fit(_random(47, 40, 3), LEVELS, cases=one).widths is None
    both = Cases(["a"] * 20 + ["b"] * 20, np.arange(40))
    assert ConformalShift.fit(_random(47, 40, 3), (0.5,), cases=both).widths is None


def test_a_distance_of_zero_is_no_unit():
    scores = np.zeros((40, 2))
    scores[:20] = _random(48, 20, 2)
    shift = ConformalShift.fit(
        scores, (0.3, 0.5, 0.7), cases=Cases(["busy"] * 20 + ["still"] * 20, np.arange(40))
    )
    assert (shift.shift[:, [0, 2]] == 0).any()
    assert np.isfinite(factors_of(shift)).all() and (factors_of(shift) > 0).all()


@pytest.mark.parametrize(
    ("season", "horizon", "stretch"), [(7, 14, 7), (1, 14, 14), (24, 12, 12), (12, 12, 12), (5, 1, 1)]
)
def test_a_stretch_is_a_season_or_a_shorter_horizon(season, horizon, stretch):
    panel = panel_of(shops())
    parts = [make_windows(panel, context=8, horizon=horizon, first=panel.ends - 20 - k) for k in (0, 9)]
    found = cases_of(parts, season)
    assert found.stretch == stretch
    assert len(found.series) == len(found.origins) == sum(map(len, parts))
    assert found.series[0] == "s0" and found.series[-1] == "s2"
    np.testing.assert_array_equal(found.origins, np.concatenate([part.origins for part in parts]))


def test_widths_that_do_not_fit_are_refused():
    scores = np.ones((6, 2))
    with pytest.raises(ParameterError, match="series of 5 windows"):
        ConformalShift.fit(scores, (0.1, 0.5, 0.9), cases=Cases(["a"] * 5, np.arange(6)))
    with pytest.raises(ParameterError, match=r"put 0\.5 among the quantiles"):
        ConformalShift.fit(scores, (0.1, 0.9), cases=Cases(["a", "b"] * 3, np.arange(6)))
    shift = learned(_random(49, 3, 20, 2))
    with pytest.raises(ParameterError, match="series names 2 series"):
        shift.apply_point(np.zeros((3, 2)), 1.0, ["s0", "s1"])
    with pytest.raises(ParameterError, match="series names 2 series"):
        shift.apply_point(np.zeros(2), 1.0, ["s0", "s1"])


# ---- reliability --------------------------------------------------------------------------------


def test_reliability_by_hand():
    actual = np.array([[1.0, 2.0], [NAN, 3.0], [4.0, 5.0]])
    forecasts = np.stack([np.full((3, 2), 2.0), np.full((3, 2), 4.0)], axis=-1)
    forecasts[1, 0] = NAN  # of an actual that is missing
    found = reliability(actual, forecasts, (0.2, 0.7), confidence=0.9)
    np.testing.assert_array_equal(found.quantile, [0.2, 0.7])
    np.testing.assert_array_equal(found.observed, [2 / 5, 4 / 5])  # an actual on the quantile counts as below
    assert found.counted == 5 and found.confidence == 0.9
    np.testing.assert_allclose(found.band, 1.6448536 * np.sqrt(np.array([0.16, 0.21]) / 5), rtol=1e-6)
    forecasts[0, 0, 1] = NAN
    np.testing.assert_array_equal(reliability(actual, forecasts, (0.2, 0.7)).observed, [2 / 5, NAN])


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_band_holds_as_often_as_it_says(confidence):
    rng = np.random.default_rng(31)
    levels = (0.1, 0.5, 0.9)
    quantiles = np.broadcast_to(np.quantile(rng.normal(size=1_000_000), levels), (400, 3))
    inside = []
    for _ in range(2000):
        found = reliability(rng.normal(size=400), quantiles, levels, confidence=confidence)
        inside.append(np.abs(found.observed - found.quantile) <= found.band)
    np.testing.assert_allclose(np.mean(inside, axis=0), confidence, atol=0.03)


def test_steps_of_one_window_are_no_independent_cases():
    rng = np.random.default_rng(32)
    held = {10: [], None: []}
    for _ in range(500):
        actual = np.repeat(rng.normal(size=(10, 1)), 30, axis=1)  # one error for all steps of a window
        for effective, inside in held.items():
            found = reliability(actual, np.zeros((10, 30, 1)), (0.5,), effective=effective)
            inside.append(abs(found.observed[0] - 0.5) <= found.band[0])
    assert np.mean(held[10]) > 0.93 and np.mean(held[None]) < 0.4


def test_forecasts_that_are_too_narrow_leave_the_band():
    rng = np.random.default_rng(33)
    narrow = np.broadcast_to([-0.6, 0.0, 0.6], (1000, 3))
    found = reliability(rng.normal(size=1000), narrow, (0.1, 0.5, 0.9))
    np.testing.assert_array_equal(np.abs(found.observed - found.quantile) > found.band, [True, False, True])


def test_reliability_of_nothing_is_nothing():
    found = reliability([NAN, NAN], np.ones((2, 2)), (0.1, 0.9))
    assert np.isnan(found.observed).all() and np.isnan(found.band).all() and found.counted == 0


def test_sorting_around_gaps():
    values = np.array([[3.0, NAN, 1.0, 2.0], [NAN, NAN, NAN, NAN], [1.0, 2.0, 3.0, 4.0]])
    expected = [[1.0, NAN, 2.0, 3.0], [NAN] * 4, [1.0, 2.0, 3.0, 4.0]]
    np.testing.assert_array_equal(sorted_around_gaps(values), expected)


# ---- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [(), (0.0, 0.5), (0.5, 1.0), (0.9, 0.1), (0.1, 0.1), (NAN,), (10, 90)])
def test_levels_must_ascend_inside_the_unit_interval(bad):
    with pytest.raises(ParameterError, match="--quantiles"):
        check_quantiles(bad)
    with pytest.raises(ParameterError, match="--quantiles"):
        ConformalShift.fit(np.ones((5, 2)), bad)


def test_shapes_must_fit():
    with pytest.raises(ParameterError, match=r"scores have shape \(5,\)"):
        ConformalShift.fit(np.ones(5), (0.1, 0.9))
    with pytest.raises(ParameterError, match="then 2 quantiles"):
        ConformalShift.fit(np.ones((5, 2, 3)), (0.1, 0.9), per_quantile=True)
    with pytest.raises(ParameterError, match="one more axis"):
        conformal_scores(np.ones((5, 2)), np.ones((5, 3)))
    with pytest.raises(ParameterError, match=r"scale has shape \(5,\)"):
        conformal_scores(np.ones((5, 5)), np.ones((5, 5)), np.ones(5))
    shift = ConformalShift.fit(np.ones((30, 4)), (0.1, 0.9))
    with pytest.raises(ParameterError, match=r"must end in \(4, 2\)"):
        shift.apply(np.ones((7, 3, 2)))
    with pytest.raises(ParameterError, match="windows, horizon"):
        coverage_table(np.ones(3), np.ones(3), np.ones(3))
    with pytest.raises(ParameterError, match="Put the quantiles on the last axis"):
        reliability(np.ones((4, 2)), np.ones((4, 2)), (0.1, 0.9))
    with pytest.raises(ParameterError, match="confidence is 95"):
        reliability(np.ones(4), np.ones((4, 2)), (0.1, 0.9), confidence=95)
    for effective in (0, -3, NAN):
        with pytest.raises(ParameterError, match="effective is"):
            reliability(np.ones(4), np.ones((4, 2)), (0.1, 0.9), effective=effective)
