"""Baselines: hand-computed values, slow transcriptions of the published definitions, and laws."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from forecast.errors import ParameterError
from forecast.evaluation import metrics
from forecast.evaluation.baselines import (
    BASELINES,
    COMPARISON,
    drift,
    holt_winters,
    mean,
    naive,
    naive2,
    rolling,
    seasonal_naive,
    ses,
    theta,
)
from forecast.evaluation.damped_trend import HoltWinters, fit_holt_winters
from forecast.evaluation.smoothing import LATTICE, decompose, fit_simple, is_seasonal

NAN = float("nan")
every_baseline = pytest.mark.parametrize("name", BASELINES)
SIMPLE = ("naive", "seasonal-naive", "drift", "mean")
FITTED = ("ses", "theta", "holt-winters")


def _series(seed: int, size: int = 200, season: int = 12, positive: bool = True, gaps: float = 0.0):
    rng = np.random.default_rng(seed)
    t = np.arange(size)
    y = (
        50
        + 0.05 * t
        + 10 * np.sin(2 * np.pi * t / season)
        + np.cumsum(rng.normal(size=size))
        + rng.normal(size=size)
    )
    y = np.abs(y) + 1 if positive else y - y.mean()
    y[rng.random(size) < gaps] = NAN
    return y


# ---- values -------------------------------------------------------------------------------------


def test_naive_takes_the_last_observed_value():
    np.testing.assert_array_equal(naive([3.0, 7.0, NAN, NAN], 3), [7.0, 7.0, 7.0])


def test_seasonal_naive_repeats_the_last_season():
    np.testing.assert_array_equal(seasonal_naive([9, 9, 9, 1, 2, 3], 5, 3), [1, 2, 3, 1, 2])
    # Five rows: the next one has the phase of row 2.
    np.testing.assert_array_equal(seasonal_naive([9, 9, 7, 1, 2], 4, 3), [7, 1, 2, 7])


def test_seasonal_naive_walks_back_whole_seasons_over_gaps():
    history = [1.0, 2.0, 3.0, 4.0, NAN, 6.0, 7.0, NAN, NAN]
    np.testing.assert_array_equal(seasonal_naive(history, 4, 3), [7.0, 2.0, 6.0, 7.0])
    # A phase never observed takes the last value of any phase.
    np.testing.assert_array_equal(seasonal_naive([1.0, NAN, 3.0, NAN], 4, 2), [3.0, 3.0, 3.0, 3.0])


def test_seasonal_naive_without_a_full_season_is_naive():
    np.testing.assert_array_equal(seasonal_naive([1.0, 2.0, 5.0], 6, 4), np.full(6, 5.0))


def test_drift_counts_missing_rows_as_time():
    np.testing.assert_array_equal(drift([NAN, 1.0, NAN, 5.0], 2), [7.0, 9.0])
    np.testing.assert_array_equal(drift([NAN, 1.0, NAN, 5.0, NAN], 2), [9.0, 11.0])
    np.testing.assert_array_equal(drift([4.0], 2), [4.0, 4.0])


def test_mean_leaves_gaps_out():
    np.testing.assert_allclose(mean([1.0, NAN, 4.0, 7.0], 2), [4.0, 4.0])


@pytest.mark.parametrize("seed", range(10))
def test_seasonal_naive_equals_a_slow_search(seed):
    rng = np.random.default_rng(seed)
    season, size = int(rng.integers(1, 8)), int(rng.integers(8, 40))
    history = rng.normal(size=size)
    history[rng.random(size) < 0.5] = NAN
    history[0] = 1.0
    expected = []
    for target in range(size, size + 11):
        same_phase = [
            row for row in range(size) if (target - row) % season == 0 and not np.isnan(history[row])
        ]
        anywhere = np.flatnonzero(~np.isnan(history))[-1]
        expected.append(history[same_phase[-1] if same_phase else anywhere])
    np.testing.assert_array_equal(seasonal_naive(history, 11, season), expected)


# ---- slow transcriptions of the definitions -----------------------------------------------------


def _slow_ses(values):
    """Best level by brute force: least squares for the start, every weight near the optimum."""

    def run(weight, start):
        level, error = start, 0.0
        for value in values:
            error += (value - level) ** 2
            level += weight * (value - level)
        return level, error

    def best_start(weight):
        keep = (1 - weight) ** np.arange(len(values))
        zero = np.array([run_level(values[:k], weight) for k in range(len(values))])
        return keep @ (np.array(values) - zero) / (keep @ keep)

    def run_level(some, weight):
        level = 0.0
        for value in some:
            level += weight * (value - level)
        return level

    weights = np.unique(np.r_[1, np.arange(100, LATTICE, 100), LATTICE - 1])
    for step in (10, 1):
        errors = [run(k / LATTICE, best_start(k / LATTICE))[1] for k in weights]
        centre = weights[int(np.argmin(errors))]
        weights = np.arange(max(1, centre - 12 * step), min(LATTICE, centre + 12 * step), step)
    errors = [run(k / LATTICE, best_start(k / LATTICE))[1] for k in weights]
    weight = weights[int(np.argmin(errors))] / LATTICE
    return run(weight, best_start(weight))[0], weight


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ses_equals_brute_force(seed):
    values = (
        np.random.default_rng(seed).normal(size=40).cumsum() + np.random.default_rng(9).normal(size=40) * 2
    )
    level, weight = _slow_ses(values.tolist())
    assert fit_simple(values).weight == pytest.approx(weight)
    np.testing.assert_allclose(ses(values, 3), np.full(3, level), rtol=1e-10)


def _slow_theta(y, horizon, season):
    """The M4 code, line by line, for a complete positive series longer than three seasons."""
    n = len(y)
    x = y - y.mean()
    r = [sum(x[k:] * x[: n - k]) / sum(x * x) for k in range(1, season + 1)]
    limit = 1.645 / n**0.5 * (1 + 2 * sum(v * v for v in r[:-1])) ** 0.5
    figure = np.ones(season)
    if season > 1 and abs(r[-1]) > limit:
        half = season // 2
        ends = 0.5 if season % 2 == 0 else 1.0
        ratio = np.full(n, NAN)
        for t in range(half, n - half):
            window = y[t - half : t + half + 1].copy()
            window[0], window[-1] = window[0] * ends, window[-1] * ends
            ratio[t] = y[t] / (sum(window) / season)
        figure = np.array([np.nanmean(ratio[k::season]) for k in range(season)])
        figure /= figure.mean()
    flat = y / figure[np.arange(n) % season]
    slope, intercept = np.polyfit(np.arange(n), flat, 1)
    line = intercept + slope * np.arange(n + horizon)
    level, _ = _slow_ses((2 * flat - line[:n]).tolist())
    ahead = np.arange(n, n + horizon)
    return (line[n:] / 2 + level / 2) * figure[ahead % season], flat[-1] * figure[ahead % season]


@pytest.mark.parametrize("season", [1, 5, 12])
def test_theta_and_naive2_equal_the_published_code(season):
    y = _series(season, size=66, season=season)
    expected_theta, expected_naive2 = _slow_theta(y, 15, season)
    np.testing.assert_allclose(theta(y, 15, season), expected_theta, rtol=1e-8)
    np.testing.assert_allclose(naive2(y, 15, season), expected_naive2, rtol=1e-12)


def test_the_seasonality_test_tells_season_from_noise():
    rng = np.random.default_rng(4)
    noise = rng.normal(size=240)
    assert is_seasonal(noise + 3 * np.sin(np.arange(240) * np.pi / 6), 12)
    found = [is_seasonal(rng.normal(size=240), 12) for _ in range(400)]
    assert 0.04 < np.mean(found) < 0.16  # 10 % by design


def test_the_seasonal_figure_survives_gaps():
    t = np.arange(120)
    figure = np.array([-2.0, 1.0, 4.0, -3.0])
    y = 0.5 * t + figure[t % 4]
    y[[5, 17, 18, 40, 77]] = NAN
    np.testing.assert_allclose(decompose(y, 4, multiplicative=False).figure, figure, atol=0.1)
    factors = np.array([0.5, 1.0, 1.5, 1.0])
    found = decompose((100 + t) * factors[t % 4], 4, multiplicative=True).figure
    np.testing.assert_allclose(found, factors, atol=1e-2)


@pytest.mark.parametrize("kind", ["add", "mul"])
def test_holt_winters_equals_statsmodels_for_given_weights(kind):
    smoothing = pytest.importorskip("statsmodels.tsa.holtwinters")
    y, season = _series(3, size=60, season=4), 4
    figure = (-3.0, 1.0, 4.0, -2.0) if kind == "add" else (0.9, 1.0, 1.2, 0.9)
    model = HoltWinters(0, 0.4, 0.4 * 0.2, 0.3, 0.9, 45.0, 0.7, figure, kind == "mul")
    origins = list(range(60))
    got = [model.forecast(s, k, 1)[0] for k, s in zip(origins, model.states(y, origins), strict=True)]
    theirs = smoothing.ExponentialSmoothing(
        y,
        trend="add",
        damped_trend=True,
        seasonal=kind,
        seasonal_periods=season,
        initialization_method="known",
        initial_level=45.0,
        initial_trend=0.7,
        initial_seasonal=np.array(figure),
    )
    fitted = theirs.fit(
        smoothing_level=0.4,
        smoothing_trend=0.2,
        smoothing_seasonal=0.3,
        damping_trend=0.9,
        optimized=False,
    )
    np.testing.assert_allclose(got, fitted.fittedvalues, rtol=1e-10)


def test_holt_winters_picks_the_kind_of_season():
    t = np.arange(240)
    wave = np.sin(2 * np.pi * t / 12)
    rng = np.random.default_rng(0)
    grows = (20 + 2 * t) * (1 + 0.4 * wave) + rng.normal(size=240)
    steady = 500 + 2 * t + 40 * wave + rng.normal(size=240)
    assert fit_holt_winters(grows, 12).multiplicative
    assert not fit_holt_winters(steady, 12).multiplicative
    assert not fit_holt_winters(grows - 300, 12).multiplicative  # factors need positive data


def test_holt_winters_starts_from_the_decomposed_season():
    figure = np.array([4.0, -1.0, -5.0, 2.0])
    t = np.arange(24)
    model = fit_holt_winters(-10 + 0.5 * t + figure[t % 4], 4)
    np.testing.assert_allclose(model.figure, figure, atol=1e-9)
    np.testing.assert_allclose([model.level, model.slope], [-10.5, 0.5], atol=1e-9)


def test_holt_winters_beats_the_other_methods_on_its_own_kind_of_series():
    t = np.arange(276)
    y = 200 + 0.8 * t + 30 * np.sin(2 * np.pi * t / 12) + np.random.default_rng(1).normal(size=276)
    error = {name: metrics.mae(y[264:], f(y[:264], 12, 12)) for name, f in BASELINES.items()}
    # The damped slope gives a little away; anything else misses trend, season or both.
    assert error["holt-winters"] < 2.5
    assert error["holt-winters"] < min(error[k] for k in ("naive", "seasonal-naive", "drift", "mean", "ses"))


def test_a_missing_value_updates_nothing_in_ses():
    y = _series(8, size=80)
    gappy = np.concatenate([y[:50], [NAN] * 7, y[50:], [NAN]])
    np.testing.assert_array_equal(ses(gappy, 4), ses(y, 4))


# ---- laws ---------------------------------------------------------------------------------------


def test_the_registry_is_complete():
    assert set(COMPARISON) == set(BASELINES) - {"naive2"}
    assert [f.__name__.replace("_", "-") for f in BASELINES.values()] == list(BASELINES)


@every_baseline
@pytest.mark.parametrize("season", [1, 4, 12])
@pytest.mark.parametrize("constant", [0.0, 0.1, -7.3, 1e9 + 0.7])
def test_a_constant_stays_exactly_constant(name, season, constant):
    history = np.full(60, constant)
    history[[3, 30, 59]] = NAN
    np.testing.assert_array_equal(BASELINES[name](history, 5, season), np.full(5, constant))


@every_baseline
@pytest.mark.parametrize("history", [[], [NAN], [NAN] * 50])
def test_without_an_observation_the_forecast_is_missing(name, history):
    got = BASELINES[name](history, 3, 4)
    assert got.shape == (3,) and np.isnan(got).all()


@every_baseline
def test_short_histories_never_raise(name):
    rng = np.random.default_rng(2)
    for size in range(1, 30):
        for season in (1, 2, 5, 7, 24):
            history = rng.normal(size=size) + 3
            history[1:][rng.random(size - 1) < 0.3] = NAN
            got = BASELINES[name](history, 9, season)
            assert got.shape == (9,) and got.dtype == np.float64 and np.isfinite(got).all()


@pytest.mark.parametrize("name", FITTED)
def test_too_little_to_fit_gives_the_naive_forecast_exactly(name):
    few = np.array([NAN, 3.0, NAN, 8.0, 5.5])
    np.testing.assert_array_equal(BASELINES[name](few, 4, 2), np.full(4, 5.5))
    assert not np.array_equal(BASELINES[name]([*few, 7.0], 4, 2), np.full(4, 7.0))
    # The same at the edge inside ``rolling``: the row before the fourth value, the first unequal value.
    np.testing.assert_array_equal(rolling(name, [*few, 7.0], [5], 4, 2), np.full((1, 4), 5.5))
    steady = np.full(30, 0.1)
    steady[29] = 9.0
    np.testing.assert_array_equal(rolling(name, steady, [29], 4, 2), np.full((1, 4), 0.1))


@every_baseline
def test_gaps_anywhere_give_finite_forecasts_of_the_right_size(name):
    for seed in range(6):
        y = _series(seed, gaps=0.4, positive=seed % 2 == 0)
        y[:10], y[120:140], y[-5:] = NAN, NAN, NAN
        got = BASELINES[name](y, 24, 12)
        assert np.isfinite(got).all()
        assert np.nanmin(y) - 40 < got.min() and got.max() < np.nanmax(y) + 40


@pytest.mark.parametrize("name", [*SIMPLE, "ses"])
@pytest.mark.parametrize(("a", "b"), [(3.0, 0.0), (0.001, 7.0), (1234.5, -9876.5), (1.7, 1e5)])
def test_affine_law(name, a, b):
    for seed in range(5):
        y = _series(seed, gaps=0.1)
        got, expected = BASELINES[name](a * y + b, 24, 12), a * BASELINES[name](y, 24, 12) + b
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9 * a)


@every_baseline
@pytest.mark.parametrize("a", [3.0, 0.00123, 7654.3])
def test_scale_law(name, a):
    for seed in range(5):
        y = _series(seed, gaps=0.1, positive=seed != 4)
        np.testing.assert_allclose(BASELINES[name](a * y, 24, 12), a * BASELINES[name](y, 24, 12), rtol=1e-9)


@pytest.mark.parametrize("name", ["naive2", "theta", "holt-winters"])
def test_affine_law_of_the_additive_methods(name):
    for seed in range(5):
        y = _series(seed, positive=False)
        shifted = 2.5 * y + 3.0
        assert y.min() < 0 and shifted.min() < 0  # neither is positive: differences, not factors
        got, expected = BASELINES[name](shifted, 24, 12), 2.5 * BASELINES[name](y, 24, 12) + 3.0
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-8)


@every_baseline
def test_future_scramble(name):
    y = _series(5, size=300, gaps=0.05)
    origins = [100, 150, 151, 220]
    before = rolling(name, y, origins, 10, 12)
    rng = np.random.default_rng(0)
    for k, origin in enumerate(origins):
        for future in (NAN, y[origin:] * 100, rng.normal(size=300 - origin)):
            scrambled = y.copy()
            scrambled[origin:] = future
            after = rolling(name, scrambled, origins, 10, 12)
            np.testing.assert_array_equal(after[: k + 1], before[: k + 1])
        np.testing.assert_array_equal(rolling(name, y[:origin], origins[: k + 1], 10, 12), before[: k + 1])


@pytest.mark.parametrize("name", [*SIMPLE, "naive2"])
def test_rolling_equals_single_forecasts_bit_for_bit(name):
    y = _series(6, size=120, gaps=0.2)
    y[:3] = NAN
    origins = np.arange(121)
    got = rolling(name, y, origins, 15, 12)
    for origin in origins:
        np.testing.assert_array_equal(got[origin], BASELINES[name](y[:origin], 15, 12))


@pytest.mark.parametrize("name", FITTED)
def test_rolling_keeps_the_weights_of_the_first_origin(name):
    y = _series(7, size=240, gaps=0.1)
    origins = [0, 2, 120, 150, 240]
    got = rolling(name, y, origins, 15, 12)
    assert np.isnan(got[0]).all()
    np.testing.assert_array_equal(got[1], naive(y[:2], 15))  # too short: naive
    np.testing.assert_array_equal(got[2], BASELINES[name](y[:120], 15, 12))
    # Later origins keep the weights but see the newest values.
    for k in (3, 4):
        refitted = BASELINES[name](y[: origins[k]], 15, 12)
        assert np.abs(got[k] - refitted).mean() < 0.1 * np.abs(refitted).mean()
        assert not np.array_equal(got[k], got[2])
    moved = y.copy()
    moved[235:240] += 1000.0
    assert np.all(rolling(name, moved, origins, 15, 12)[4] > got[4])


@every_baseline
def test_the_order_of_origins_does_not_matter(name):
    y = _series(9, size=150)
    up = rolling(name, y, [60, 90, 90, 140], 5, 12)
    mixed = rolling(name, y, [90, 140, 60, 90], 5, 12)
    np.testing.assert_array_equal(mixed, up[[1, 3, 0, 2]])


@every_baseline
def test_inputs_are_not_touched_and_results_repeat(name):
    y = _series(11, gaps=0.1)
    before = y.copy()
    y.flags.writeable = False
    first = BASELINES[name](y, 8, 12)
    np.testing.assert_array_equal(first, BASELINES[name](y, 8, 12))
    np.testing.assert_array_equal(y, before)
    np.testing.assert_array_equal(BASELINES[name](y.tolist(), 8, 12), first)


@every_baseline
def test_a_longer_horizon_only_appends(name):
    y = _series(12, gaps=0.1)
    np.testing.assert_array_equal(BASELINES[name](y, 30, 12)[:7], BASELINES[name](y, 7, 12))


@every_baseline
def test_missing_rows_at_the_end_shift_the_phase(name):
    y = _series(13, size=144)
    longer = np.concatenate([y, [NAN] * 3])
    got, base = BASELINES[name](longer, 9, 12), BASELINES[name](y, 12, 12)[3:]
    np.testing.assert_allclose(got, base, rtol=1e-9)


def test_positive_data_never_give_negative_theta_or_holt_winters():
    falling = np.linspace(100, 1, 60) + np.tile([0.2, 0.5, 0.0, 0.1], 15)
    assert theta(falling, 200, 4).min() == 0.0
    assert holt_winters(falling, 200, 4).min() >= 0.0
    assert theta(falling - 50, 200, 4).min() < -100


def test_a_season_of_factors_is_fitted_anew_when_data_stop_being_positive():
    t = np.arange(600)
    rng = np.random.default_rng(15)
    y = (20 + 2 * t) * (1 + 0.4 * np.sin(2 * np.pi * t / 12)) + rng.normal(size=600)
    assert fit_holt_winters(y[:200], 12).multiplicative
    for tail in (np.zeros(400), np.full(400, -50.0), rng.normal(size=400), 1e3 * rng.normal(size=400)):
        y[210:] = tail[10:]
        got = rolling("holt-winters", y, [200, 203, 260, 600], 24, 12)
        assert np.isfinite(got).all() and np.abs(got).max() < 2 * np.abs(y).max()
        np.testing.assert_array_equal(got[2], holt_winters(y[:260], 24, 12))


def test_long_seasons_count_as_none_in_holt_winters():
    y = _series(14, size=4200, season=2100)
    assert fit_holt_winters(y, 2100).figure == (0.0,)
    assert len(fit_holt_winters(y, 1000).figure) == 1000


def test_refusals():
    with pytest.raises(ParameterError, match=r"no baseline 'naiv'\. Did you mean 'naive'"):
        rolling("naiv", [1.0], [1], 1)
    with pytest.raises(ParameterError, match="horizon is 0"):
        naive([1.0], 0)
    with pytest.raises(ParameterError, match="season is 0"):
        theta([1.0], 1, 0)
    with pytest.raises(ParameterError, match=r"shape \(2, 1\)"):
        mean([[1.0], [2.0]], 1)
    for origins in ([4], [-1], [[1]]):
        with pytest.raises(ParameterError, match="from 0 to 3"):
            rolling("naive", [1.0, 2.0, 3.0], origins, 1)


# ---- published figures --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def m4_hourly():
    folder = Path(os.environ.get("FORECAST_DATA_DIR", "")) / "m4"
    if not (folder / "Hourly-train.csv").exists():
        pytest.skip("FORECAST_DATA_DIR has no m4/Hourly-train.csv")
    parts = []
    for part in ("train", "test"):
        with open(folder / f"Hourly-{part}.csv", newline="") as file:
            rows = list(csv.reader(file))[1:]
        parts.append([np.array([float(x) for x in row[1:] if x not in ("", "NA")]) for row in rows])
    return parts[0], np.array(parts[1])


def _m4_scores(data, name):
    train, test = data
    forecast = np.array([BASELINES[name](y, 48, 24) for y in train])
    scale = np.array([metrics.seasonal_scale(y, 24) for y in train])
    return metrics.smape(test, forecast), metrics.mase(test, forecast, scale[:, None])


@pytest.mark.parametrize(
    ("name", "smape", "mase"),
    [
        ("naive", 43.003, 11.608),
        ("seasonal-naive", 13.912, 1.193),
        ("naive2", 18.383, 2.395),
        ("theta", 18.138, 2.455),
    ],
)
def test_m4_hourly_equals_the_published_figures(m4_hourly, name, smape, mase):
    got = _m4_scores(m4_hourly, name)
    assert (round(got[0], 3), round(got[1], 3)) == (smape, mase)


@pytest.mark.slow
def test_m4_hourly_holt_winters_beats_naive2(m4_hourly):
    smape, mase = _m4_scores(m4_hourly, "holt-winters")
    assert smape < 18.0 and mase < 1.8
