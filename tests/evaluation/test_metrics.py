"""Metrics against independent oracles (scikit-learn, scoringrules, utilsforecast), and their contract."""

import warnings

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ParameterError
from forecast.evaluation import metrics as m

NAN = float("nan")
TABLES = 250
SEASON = 3


def _tables(gaps: bool):
    """Random tables of many sizes, scales and offsets: (actual, forecast, lower, upper, history)."""
    rng = np.random.default_rng(20 + gaps)
    tables = []
    for _ in range(TABLES):
        size, scale = int(rng.integers(1, 60)), 10.0 ** rng.uniform(-3, 6)
        actual = scale * (rng.normal(size=size) + rng.uniform(-3, 3))
        forecast = actual + scale * rng.normal(size=size)
        ends = np.sort(actual + scale * rng.normal(size=(2, size)), axis=0)
        history = scale * rng.normal(size=int(rng.integers(SEASON + 2, 50)))
        if gaps:
            actual[1:][rng.random(size - 1) < 0.3] = NAN
        tables.append((actual, forecast, ends[0], ends[1], history))
    return tables


@pytest.fixture(scope="module", params=[False, True], ids=["complete", "gaps"])
def tables(request):
    return _tables(request.param)


@pytest.fixture(scope="module")
def complete():
    return _tables(False)


def _long(tables, **columns):
    """One long frame, a series per table, under utilsforecast's default names."""
    parts = []
    for k, table in enumerate(tables):
        part = {"unique_id": k, "ds": np.arange(len(table[0])), "y": table[0], "model": table[1]}
        parts.append(pd.DataFrame(part | {name: make(table) for name, make in columns.items()}))
    return pd.concat(parts, ignore_index=True)


def _histories(tables):
    parts = [
        pd.DataFrame({"unique_id": k, "ds": np.arange(len(t[4])), "y": t[4]}) for k, t in enumerate(tables)
    ]
    return pd.concat(parts, ignore_index=True)


def _agree(got, expected, rtol=1e-12):
    got, expected = np.asarray(got, float), np.asarray(expected, float)
    assert got.shape == expected.shape and len(got) >= 200
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=0)


@pytest.mark.parametrize(
    ("ours", "theirs", "factor"),
    [
        ("mae", "mae", 1),
        ("mse", "mse", 1),
        ("rmse", "rmse", 1),
        ("bias", "bias", 1),
        ("mape", "mape", 100),
        ("smape", "smape", 200),
        ("smape_100", "smape", 100),
        ("wape", "wape", 100),
    ],
)
def test_point_metrics_agree_with_utilsforecast(tables, ours, theirs, factor):
    import utilsforecast.losses

    frame = _long(tables)
    expected = getattr(utilsforecast.losses, theirs)(frame, ["model"]).sort_values("unique_id")["model"]
    got = [getattr(m, ours)(t[0], t[1]) for t in tables]
    # A bias is a small difference of large sums, so it is compared on the scale of its terms.
    if ours == "bias":
        size = np.array([m.mae(t[0], t[1]) for t in tables])
        assert np.all(np.abs(np.array(got) - expected.to_numpy()) <= 1e-12 * size)
    else:
        _agree(got, factor * expected)


@pytest.mark.parametrize(
    ("ours", "theirs", "factor"),
    [
        ("mae", "mean_absolute_error", 1),
        ("mse", "mean_squared_error", 1),
        ("rmse", "root_mean_squared_error", 1),
        ("mape", "mean_absolute_percentage_error", 100),
    ],
)
def test_point_metrics_agree_with_scikit_learn(complete, ours, theirs, factor):
    import sklearn.metrics

    oracle = getattr(sklearn.metrics, theirs)
    _agree([getattr(m, ours)(t[0], t[1]) for t in complete], [factor * oracle(t[0], t[1]) for t in complete])


@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.9])
def test_pinball_agrees_with_scikit_learn_and_scoringrules(complete, quantile):
    import scoringrules
    from sklearn.metrics import mean_pinball_loss

    got = [m.pinball(t[0], t[1], quantile) for t in complete]
    _agree(got, [mean_pinball_loss(t[0], t[1], alpha=quantile) for t in complete])
    _agree(got, [np.mean(scoringrules.quantile_score(t[0], t[1], quantile)) for t in complete])


def test_weighted_quantile_loss_agrees_with_utilsforecast(complete):
    from utilsforecast.losses import mqloss

    levels = (0.1, 0.5, 0.9)
    frame = _long(complete, low=lambda t: t[2], high=lambda t: t[3])
    loss = mqloss(frame, {"all": ["low", "model", "high"]}, np.array(levels)).sort_values("unique_id")["all"]
    expected = [2 * value / np.mean(np.abs(t[0])) for value, t in zip(loss, complete, strict=True)]
    got = [m.weighted_quantile_loss(t[0], np.stack([t[2], t[1], t[3]], -1), levels) for t in complete]
    _agree(got, expected)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_winkler_and_msis_agree_with_scoringrules(complete, level):
    import scoringrules

    expected = [np.mean(scoringrules.interval_score(t[0], t[2], t[3], 1 - level)) for t in complete]
    _agree([m.winkler(t[0], t[2], t[3], level) for t in complete], expected)
    scales = [m.seasonal_scale(t[4], SEASON) for t in complete]
    got = [m.msis(t[0], t[2], t[3], level, scale) for t, scale in zip(complete, scales, strict=True)]
    _agree(got, np.array(expected) / np.array(scales))


def test_scaled_errors_agree_with_utilsforecast(tables):
    from utilsforecast.losses import mase, rmsse

    frame, histories = _long(tables), _histories(tables)
    expected = mase(frame, ["model"], SEASON, histories).sort_values("unique_id")["model"]
    _agree([m.mase(t[0], t[1], m.seasonal_scale(t[4], SEASON)) for t in tables], expected)
    expected = rmsse(frame, ["model"], SEASON, histories).sort_values("unique_id")["model"]
    _agree([m.rmsse(t[0], t[1], m.seasonal_scale_squared(t[4], SEASON)) for t in tables], expected)


def test_coverage_agrees_with_utilsforecast(complete):
    from utilsforecast.losses import coverage

    frame = _long(complete, **{"model-lo-80": lambda t: t[2], "model-hi-80": lambda t: t[3]})
    expected = coverage(frame, ["model"], 80).sort_values("unique_id")["model"]
    got = [m.coverage(t[0], t[2], t[3]) for t in complete]
    _agree(got, expected)
    assert 0 < np.mean(got) < 1


def test_width_agrees_with_plain_arithmetic(complete):
    _agree([m.width(t[2], t[3]) for t in complete], [sum(t[3] - t[2]) / len(t[2]) for t in complete])


# ---- the contract -------------------------------------------------------------------------------

Y = np.array([[1.0, 2.0, NAN], [4.0, NAN, 6.0]])
F = np.array([[2.0, 2.0, 9.0], [2.0, 9.0, 5.0]])
SCALE = np.array([[2.0], [4.0]])

CALLS = {
    "mae": lambda y, f, **k: m.mae(y, f, **k),
    "mse": lambda y, f, **k: m.mse(y, f, **k),
    "rmse": lambda y, f, **k: m.rmse(y, f, **k),
    "bias": lambda y, f, **k: m.bias(y, f, **k),
    "mape": lambda y, f, **k: m.mape(y, f, **k),
    "smape": lambda y, f, **k: m.smape(y, f, **k),
    "smape_100": lambda y, f, **k: m.smape_100(y, f, **k),
    "wape": lambda y, f, **k: m.wape(y, f, **k),
    "mase": lambda y, f, **k: m.mase(y, f, 2.0, **k),
    "rmsse": lambda y, f, **k: m.rmsse(y, f, 2.0, **k),
    "pinball": lambda y, f, **k: m.pinball(y, f, 0.9, **k),
    "weighted_quantile_loss": lambda y, f, **k: m.weighted_quantile_loss(
        y, np.stack([f, f], -1), (0.1, 0.9), **k
    ),
    "coverage": lambda y, f, **k: m.coverage(y, f, np.asarray(f) + 1, **k),
    "winkler": lambda y, f, **k: m.winkler(y, f, np.asarray(f) + 1, 0.8, **k),
    "msis": lambda y, f, **k: m.msis(y, f, np.asarray(f) + 1, 0.8, 2.0, **k),
}
every_metric = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def test_every_public_metric_is_under_contract():
    others = {"POINT_METRICS", "counted", "missing", "seasonal_scale", "seasonal_scale_squared", "width"}
    assert set(CALLS) == set(m.__all__) - others
    assert set(m.POINT_METRICS) < set(CALLS)


@every_metric
def test_a_missing_actual_is_left_out(call):
    seen = ~np.isnan(Y)
    assert call(Y, F) == pytest.approx(call(Y[seen], F[seen]), rel=1e-15)
    # What was forecast for it does not matter, not even NaN.
    assert call(Y, np.where(seen, F, NAN)) == call(Y, F)


@every_metric
def test_a_missing_forecast_is_never_dropped(call):
    assert np.isnan(call([1.0, 2.0, 3.0], [1.0, NAN, 3.0]))
    per_row = call(np.ones((2, 2)), np.array([[1.0, NAN], [1.0, 1.0]]), axis=1)
    assert np.isnan(per_row[0]) and not np.isnan(per_row[1])


@every_metric
def test_no_actual_gives_nan(call):
    assert np.isnan(call([NAN, NAN], [1.0, 2.0]))
    assert np.isnan(call([], []))


@every_metric
def test_axis_keeps_the_others(call):
    rng = np.random.default_rng(0)
    y, f = rng.normal(size=(2, 4, 5)), rng.normal(size=(2, 4, 5))
    got = call(y, f, axis=0)
    assert got.shape == (4, 5) and got.dtype == np.float64
    expected = [[call(y[:, i, j], f[:, i, j]) for j in range(5)] for i in range(4)]
    np.testing.assert_allclose(got, expected, rtol=1e-14)
    assert call(y, f, axis=(0, 2)).shape == (4,)
    assert isinstance(call(y, f), float)


@every_metric
def test_shapes_must_be_equal(call):
    with pytest.raises(ParameterError, match=r"shape \(3,\).*\(3, 1\)|shape \(3, 1, 2\)"):
        call(np.ones(3), np.ones((3, 1)))


@every_metric
def test_extreme_values_give_no_warning_and_leave_the_input_alone(call):
    y = np.array([0.0, 1e308, -1e308, np.inf, 1e-320, NAN])
    f = np.array([0.0, -1e308, 1e308, np.inf, 0.0, 1.0])
    before = y.copy(), f.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = call(y, f)
    assert not np.isfinite(result) or call is CALLS["coverage"]
    np.testing.assert_array_equal(y, before[0])
    np.testing.assert_array_equal(f, before[1])


@every_metric
def test_lists_and_frames_are_accepted(call):
    frame = pd.DataFrame({"y": [1, 2, 3], "f": [1, 3, 5]})
    assert call([1, 2, 3], [1, 3, 5]) == call(frame["y"], frame["f"])


def test_counts():
    assert m.counted(Y) == 4 and m.missing(Y) == 2
    assert type(m.counted(Y)) is int
    np.testing.assert_array_equal(m.counted(Y, axis=0), [2, 1, 1])
    np.testing.assert_array_equal(m.missing(Y, axis=1), [1, 1])


def test_zero_actuals():
    assert m.mape([0.0, 1.0], [0.0, 1.0]) == np.inf
    assert m.mape([0.0, 1.0], [5.0, 1.0]) == np.inf
    assert np.isnan(m.mape([0.0], [NAN]))
    assert m.wape([0.0, 0.0], [0.0, 1.0]) == np.inf
    assert np.isnan(m.wape([0.0], [NAN]))
    assert m.weighted_quantile_loss([0.0], [[1.0]], [0.5]) == np.inf
    assert m.smape([0.0, 0.0], [0.0, 3.0]) == 100.0
    assert m.smape([1.0], [-1.0]) == 200.0


def test_scales():
    assert np.isnan(m.mase([1.0], [2.0], m.seasonal_scale([5.0, 5.0, 5.0])))
    assert np.isnan(m.rmsse([1.0], [2.0], m.seasonal_scale_squared([5.0, 5.0, 5.0])))
    assert np.isnan(m.msis([1.0], [0.0], [2.0], 0.8, 0.0))
    assert np.isnan(m.mase([1.0], [2.0], NAN))
    np.testing.assert_allclose(m.mase(Y, F, SCALE, axis=1), [0.5 / 2, 1.5 / 4])
    # A scale of a series without any actual changes nothing.
    assert m.mase([[1.0], [NAN]], [[3.0], [1.0]], np.array([[2.0], [0.0]])) == 1.0


def test_scales_that_would_broadcast_by_accident_are_refused():
    square = np.ones((3, 3))
    with pytest.raises(ParameterError, match=r"scale\[:, None\]"):
        m.mase(square, square, np.ones(3))
    with pytest.raises(ParameterError, match=r"scale has shape \(2, 1\)"):
        m.rmsse(square, square, np.ones((2, 1)))


def test_seasonal_scale_skips_missing_pairs():
    history = [1.0, 2.0, NAN, 5.0, 8.0, 6.0]
    assert m.seasonal_scale(history, 2) == pytest.approx((3 + 1) / 2)
    assert m.seasonal_scale_squared(history, 2) == pytest.approx((9 + 1) / 2)
    assert np.isnan(m.seasonal_scale([1.0, 2.0], 2)) and np.isnan(m.seasonal_scale([], 1))
    both = np.array([history, history])
    np.testing.assert_allclose(m.seasonal_scale(both, 2), [2.0, 2.0])
    np.testing.assert_allclose(m.seasonal_scale(both.T, 2, axis=0), [2.0, 2.0])
    with pytest.raises(ParameterError, match="season is 0"):
        m.seasonal_scale(history, 0)


def test_intervals_are_closed_and_missing_bounds_count():
    assert m.coverage([1.0, 3.0], [1.0, 1.0], [3.0, 3.0]) == 1.0
    assert np.isnan(m.coverage([1.0], [0.0], [NAN])) and np.isnan(m.coverage([1.0], [NAN], [0.0]))
    assert np.isnan(m.width([0.0, NAN], [1.0, 1.0]))
    assert np.isnan(m.width([], []))
    np.testing.assert_array_equal(m.width([[0.0, 0.0]], [[1.0, 3.0]], axis=0), [1.0, 3.0])


def test_levels_must_lie_inside_the_unit_interval():
    for bad in (0.0, 1.0, 95, NAN):
        with pytest.raises(ParameterError, match="between 0 and 1"):
            m.pinball([1.0], [1.0], bad)
        with pytest.raises(ParameterError, match="between 0 and 1"):
            m.winkler([1.0], [1.0], [1.0], bad)
    with pytest.raises(ParameterError, match="quantiles is empty"):
        m.weighted_quantile_loss([1.0], np.ones((1, 0)), [])


def test_the_median_alone_is_half_the_absolute_error(complete):
    _agree([m.pinball(t[0], t[1], 0.5) for t in complete], [m.mae(t[0], t[1]) / 2 for t in complete])
    got = [m.weighted_quantile_loss(t[0], t[1][:, None], [0.5]) for t in complete]
    _agree(got, [m.wape(t[0], t[1]) / 100 for t in complete])
