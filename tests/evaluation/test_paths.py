"""Sample paths: margins, dependence, coverage of sums, and refusals."""

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import spearmanr

from forecast.errors import ParameterError
from forecast.evaluation.intervals import ConformalShift
from forecast.evaluation.paths import FEWEST_WINDOWS, METHODS, sample_paths, template_of

NAN = float("nan")
LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)
every_method = pytest.mark.parametrize("method", METHODS)


def _errors(kind, rng, *shape):
    """Errors of windows: steps that remember, or add up; axes: …, horizon, targets."""
    errors = rng.normal(size=shape)
    memory = {"ar1": 0.8, "walk": 1.0, "none": 0.0}[kind]
    for step in range(1, shape[-2]):
        errors[..., step, :] += memory * errors[..., step - 1, :]
    return errors


def _normal(scale, levels=LEVELS):
    """Quantiles of normal distributions; axes: those of the scale, levels."""
    return np.asarray(scale, float)[..., None] * ndtri(np.array(levels))


# ---- margins ------------------------------------------------------------------------------------


@every_method
def test_margins_are_the_quantile_forecasts(method):
    rng = np.random.default_rng(0)
    # Skewed and of many sizes; a template of other units must not matter.
    forecasts = np.sort(rng.lognormal(size=(2, 3, 2, 5)) * 10.0 ** rng.integers(-3, 4, size=(2, 3, 2, 1)))
    template = 1e5 * _errors("walk", rng, 150, 3, 2)
    paths = sample_paths(forecasts, LEVELS, template, 40_000, method=method)
    assert paths.shape == (2, 40_000, 3, 2) and paths.dtype == np.float64
    for k, level in enumerate(LEVELS):
        share = np.mean(paths <= forecasts[:, None, ..., k], axis=1)
        np.testing.assert_allclose(share, level, atol=0.003 if method == "schaake" else 0.015)


def test_shuffled_margins_are_stratified():
    template = _errors("ar1", np.random.default_rng(1), 60, 4, 1)
    paths = sample_paths(_normal(np.ones((1, 4, 1))), LEVELS, template, 1000)
    share = np.mean(paths[0, :, :, 0, None] <= ndtri(np.array(LEVELS)), axis=0)
    # One draw in each thousandth: the shares are exact, not only nearly so.
    np.testing.assert_allclose(share, np.tile(LEVELS, (4, 1)), atol=1.01e-3)


@every_method
def test_a_single_path_is_a_draw_of_its_margins(method):
    template = _errors("ar1", np.random.default_rng(15), 60, 2, 1)
    paths = sample_paths(_normal(np.ones((3000, 2, 1))), LEVELS, template, 1, method=method)
    for level in LEVELS:
        assert np.mean(paths <= ndtri(level)) == pytest.approx(level, abs=0.02)


@every_method
def test_tails_are_gaussian_and_the_middle_is_linear_in_the_normal_score(method):
    template = _errors("none", np.random.default_rng(2), 500, 2, 1)
    paths = sample_paths(
        _normal(np.full((1, 2, 1), 3.0), (0.1, 0.5, 0.9)), (0.1, 0.5, 0.9), template, 100_000, method=method
    )
    # Straight lines in the normal score give the normal distribution itself, far beyond the levels.
    for level in (0.001, 0.02, 0.3, 0.7, 0.98, 0.999):
        got = np.quantile(paths[0], level, axis=0)
        np.testing.assert_allclose(got, 3 * ndtri(level), rtol=0.08)


def test_unknown_levels_are_passed_over_cell_by_cell():
    template = _errors("walk", np.random.default_rng(3), 80, 4, 1)
    full = _normal(np.ones((1, 4, 1)))
    gappy = full.copy()
    gappy[0, 0, 0, [0, 4]] = NAN  # the outer levels follow from the inner ones, which are normal too
    gappy[0, 1, 0, [0, 1, 3, 4]] = NAN  # the median alone
    gappy[0, 2] = NAN
    gappy[0, 3, 0, 4] = np.inf
    expected, got = (sample_paths(f, LEVELS, template, 300) for f in (full, gappy))
    np.testing.assert_allclose(got[:, :, 0], expected[:, :, 0], rtol=1e-12)
    assert np.isnan(got[:, :, [1, 2]]).all()
    np.testing.assert_allclose(got[:, :, 3], expected[:, :, 3], rtol=1e-12)


def test_one_sided_levels_go_on_in_a_straight_line():
    template = _errors("none", np.random.default_rng(4), 50, 1, 1)
    paths = sample_paths([[[[NAN, 0.0, 2.0]]]], (0.1, 0.5, 0.9), template, 5000)
    assert np.quantile(paths, 0.1) == pytest.approx(-2.0, abs=0.05)


def test_no_width_stays_no_width_and_crossing_quantiles_are_sorted():
    template = _errors("ar1", np.random.default_rng(5), 50, 2, 1)
    flat = np.full((1, 2, 1, 5), 7.0)
    np.testing.assert_array_equal(sample_paths(flat, LEVELS, template, 40), np.full((1, 40, 2, 1), 7.0))
    crossing = _normal(np.ones((1, 2, 1)))
    mended = sample_paths(crossing[..., [1, 0, 2, 4, 3]], LEVELS, template, 40)
    np.testing.assert_array_equal(mended, sample_paths(crossing, LEVELS, template, 40))


# ---- dependence ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "close"), [("schaake", 0.01), ("copula", 0.05)])
@pytest.mark.parametrize("kind", ["ar1", "walk", "none"])
def test_steps_and_targets_go_together_as_in_the_template(method, close, kind):
    rng = np.random.default_rng(6)
    template = _errors(kind, rng, 400, 3, 2)
    template[..., 1] -= 0.7 * template[..., 0]
    forecasts = np.sort(rng.lognormal(size=(1, 3, 2, 5)), axis=-1)
    paths = sample_paths(forecasts, LEVELS, template, 8000, method=method)
    expected = spearmanr(template.reshape(400, 6)).statistic
    got = spearmanr(paths.reshape(8000, 6)).statistic
    np.testing.assert_allclose(got, expected, atol=close)
    assert expected[0, 1] < -0.4
    if kind == "walk":
        assert expected[2, 4] > 0.7


def test_the_copula_has_the_correlations_of_the_normal_scores():
    rng = np.random.default_rng(13)
    template = np.exp(_errors("ar1", rng, 90, 3, 1))
    scores = ndtri((template.argsort(axis=0).argsort(axis=0)[..., 0] + 0.5) / 90)
    paths = sample_paths(_normal(np.ones((1, 3, 1))), LEVELS, template, 300_000, method="copula")
    expected = scores.T @ scores / np.sum(scores[:, 0] ** 2)
    np.testing.assert_allclose(np.cov(paths[0, :, :, 0].T), expected, atol=0.01)


def test_a_copula_of_fewer_windows_than_cells_needs_no_inverse():
    template = _errors("walk", np.random.default_rng(14), 25, 60, 1)
    paths = sample_paths(_normal(np.ones((1, 60, 1))), LEVELS, template, 5000, method="copula")
    np.testing.assert_allclose(paths.std(axis=1), 1.0, atol=0.06)


def test_fewer_paths_than_windows_take_each_window_once():
    template = np.stack([np.arange(100.0), np.arange(100.0)[::-1]], axis=1)[..., None]
    paths = sample_paths(_normal(np.ones((3, 2, 1))), LEVELS, template, 30)
    for series in paths[..., 0]:
        order = series.argsort(axis=0)
        np.testing.assert_array_equal(order[:, 0], order[::-1, 1])  # one rises where the other falls


def test_ties_are_broken_at_random():
    rng = np.random.default_rng(7)
    counts = rng.poisson(0.3, size=(300, 2, 1)).astype(float)  # mostly zeros
    paths = sample_paths(_normal(np.ones((1, 2, 1))), LEVELS, counts, 4000)
    assert abs(spearmanr(paths[0, :, :, 0]).statistic) < 0.06
    constant = sample_paths(_normal(np.ones((1, 2, 1))), LEVELS, np.zeros((300, 2, 1)), 4000)
    assert abs(spearmanr(constant[0, :, :, 0]).statistic) < 0.06


@every_method
def test_series_are_drawn_independently_and_paths_stand_in_no_order(method):
    template = np.arange(50.0)[:, None, None] + np.zeros((50, 3, 1))
    paths = sample_paths(_normal(np.ones((2, 3, 1))), LEVELS, template, 5000, method=method)
    assert abs(np.corrcoef(paths[0, :, 0, 0], paths[1, :, 0, 0])[0, 1]) < 0.06
    assert abs(np.corrcoef(paths[0, :, 0, 0], np.arange(5000))[0, 1]) < 0.06
    assert spearmanr(paths[0, :, :, 0]).statistic.min() > 0.99


# ---- sums ---------------------------------------------------------------------------------------


def _covered(kind, method, *, dependent=True):
    """Share of sums over six steps inside their intervals: 400 templates of 200 windows, 5 new windows each."""
    rng = np.random.default_rng(8)
    hits = []
    for k in range(400):
        past, new = np.split(_errors(kind, rng, 205, 6, 1), [200])
        shift = ConformalShift.fit(past, LEVELS)
        template = past if dependent else rng.permuted(past, axis=0)
        paths = sample_paths(
            shift.apply_point(np.zeros((1, 6, 1))), LEVELS, template, 500, method=method, seed=k
        )
        low, lower, upper, high = np.quantile(paths.sum(axis=2), [0.025, 0.1, 0.9, 0.975])
        total = new.sum(axis=(1, 2))
        hits += [((lower <= total) & (total <= upper), (low <= total) & (total <= high))]
    hits = np.array(hits)
    assert hits.size == 2 * 2000
    return hits.mean(axis=(0, 2))


@every_method
@pytest.mark.parametrize("kind", ["ar1", "walk"])
def test_intervals_of_sums_cover_what_they_claim(kind, method):
    np.testing.assert_allclose(_covered(kind, method), [0.8, 0.95], atol=0.02)


@pytest.mark.parametrize("kind", ["ar1", "walk"])
def test_independent_draws_of_the_steps_do_not(kind):
    inner, outer = _covered(kind, "schaake", dependent=False)
    assert inner < 0.65 and outer < 0.83


# ---- seeds --------------------------------------------------------------------------------------


@every_method
def test_seeds_repeat_and_series_behind_do_not_matter(method):
    rng = np.random.default_rng(9)
    template, forecasts = _errors("ar1", rng, 60, 3, 1), _normal(rng.random((4, 3, 1)))
    before = template.copy(), forecasts.copy()
    first = sample_paths(forecasts, LEVELS, template, 50, method=method, seed=3)
    np.testing.assert_array_equal(sample_paths(forecasts, LEVELS, template, 50, method=method, seed=3), first)
    np.testing.assert_array_equal(
        sample_paths(forecasts[:2], LEVELS, template, 50, method=method, seed=3), first[:2]
    )
    assert not np.array_equal(sample_paths(forecasts, LEVELS, template, 50, method=method, seed=4), first)
    np.testing.assert_array_equal(template, before[0])
    np.testing.assert_array_equal(forecasts, before[1])


def test_the_unit_of_the_template_does_not_matter():
    template = _errors("walk", np.random.default_rng(10), 60, 3, 1)
    forecasts = _normal(np.ones((1, 3, 1)))
    expected = sample_paths(forecasts, LEVELS, template, 100)
    np.testing.assert_array_equal(sample_paths(forecasts, LEVELS, 1e-9 * template, 100), expected)
    np.testing.assert_array_equal(sample_paths(forecasts, LEVELS, template_of(template, 60), 100), expected)


# ---- templates ----------------------------------------------------------------------------------


def test_a_template_is_thinned_evenly_and_small():
    scores = _errors("walk", np.random.default_rng(11), 1000, 4, 2)
    scores[::3, 1, 0] = NAN
    template = template_of(scores, 100)
    whole = scores[~np.isnan(scores).any(axis=(1, 2))]
    assert template.dtype == np.float32 and template.shape == (100, 4, 2)
    places = [int(np.flatnonzero(np.float32(whole[:, 0, 0]) == row[0, 0])[0]) for row in template]
    assert places[0] == 0 and places[-1] == len(whole) - 1
    assert set(np.diff(places)) <= {6, 7}
    np.testing.assert_array_equal(template, whole[places].astype(np.float32))


def test_what_does_not_fit_into_a_template_is_left_out():
    scores = np.ones((30, 2, 1))
    scores[4, 0], scores[5, 1], scores[6, 0] = np.inf, 1e300, NAN
    assert template_of(scores, 50).shape == (27, 2, 1)
    assert template_of(np.full((30, 2, 1), NAN), 50).shape == (0, 2, 1)
    assert template_of(np.ones((0, 2, 1)), 50).shape == (0, 2, 1)


# ---- refusals -----------------------------------------------------------------------------------


def test_too_few_windows_are_refused_with_the_number_needed():
    template = np.random.default_rng(12).normal(size=(FEWEST_WINDOWS + 3, 2, 1))
    forecasts = _normal(np.ones((1, 2, 1)))
    template[:3, 1] = NAN
    assert sample_paths(forecasts, LEVELS, template, 5).shape == (1, 5, 2, 1)
    template[3, 0] = NAN
    with pytest.raises(ParameterError, match="19 windows without a gap; paths need 20"):
        sample_paths(forecasts, LEVELS, template, 5)


def test_arguments_that_do_not_fit_are_refused():
    template, forecasts = np.ones((30, 2, 1)), _normal(np.ones((1, 2, 1)))
    with pytest.raises(ParameterError, match="one level has no width"):
        sample_paths(forecasts[..., :1], (0.5,), template, 5)
    with pytest.raises(ParameterError, match=r"shape \(1, 2, 1, 5\); expected series, .* and 3 levels"):
        sample_paths(forecasts, (0.1, 0.5, 0.9), template, 5)
    with pytest.raises(ParameterError, match="the 2 steps and 1 targets"):
        sample_paths(forecasts, LEVELS, np.ones((30, 3, 1)), 5)
    with pytest.raises(ParameterError, match="n is 0"):
        sample_paths(forecasts, LEVELS, template, 0)
    with pytest.raises(ParameterError, match="Did you mean 'schaake'"):
        sample_paths(forecasts, LEVELS, template, 5, method="shaake")
    with pytest.raises(ParameterError, match="ascend between 0 and 1"):
        sample_paths(forecasts, LEVELS[::-1], template, 5)
    with pytest.raises(ParameterError, match="windows, horizon and targets"):
        template_of(np.ones((30, 2)), 50)
    with pytest.raises(ParameterError, match="most is 19; a template needs 20"):
        template_of(template, 19)
