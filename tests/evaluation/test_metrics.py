"""Metrics against independent oracles (scikit-learn, scoringrules, utilsforecast), and their contract."""

import re
import warnings
from functools import cache, partial
from importlib import import_module
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ParameterError
from forecast.evaluation import metrics as m

NAN = float("nan")
TABLES = 1000
SEASON = 3
QUANTILES = (0.05, 0.5, 0.9)
INTERVALS = (50, 80, 95)


class Table(NamedTuple):
    """One random table: values and their forecasts (rows), a history, and samples (rows, draws)."""

    actual: np.ndarray
    forecast: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    history: np.ndarray
    samples: np.ndarray


@cache
def tables():
    """Random tables of many sizes, scales and offsets; zeros, negative values, exact hits, ties, gaps in half."""
    rng = np.random.default_rng(20)
    return [_table(rng, k) for k in range(TABLES)]


def _table(rng, k):
    size, scale = int(rng.integers(1, 60)), 10.0 ** rng.uniform(-3, 6)
    actual = scale * (rng.normal(size=size) + rng.uniform(-3, 3))
    if k % 3 == 0:  # ties
        actual = scale * np.round(actual / scale)
    actual[1:][rng.random(size - 1) < 0.1] = 0.0
    forecast = np.where(rng.random(size) < 0.1, actual, actual + scale * rng.normal(size=size))
    ends = np.sort(actual + scale * rng.normal(size=(2, size)), axis=0)
    ends[0] = np.where(rng.random(size) < 0.1, actual, ends[0])  # on the edge of the interval
    history = scale * rng.normal(size=int(rng.integers(SEASON + 2, 50)))
    samples = actual[:, None] + scale * rng.normal(size=(size, int(rng.integers(2, 15))))
    samples[:, 0] = np.where(rng.random(size) < 0.1, actual, samples[:, 0])
    samples[:, -1] = np.where(rng.random(size) < 0.1, samples[:, 0], samples[:, -1])
    if actual[0] == 0:
        actual[0] = scale
    if k % 2:
        actual[1:][rng.random(size - 1) < 0.3] = NAN
    return Table(actual, forecast, *np.sort(ends, axis=0), history, samples)


@cache
def complete():
    """The same tables without the rows whose actual is missing."""
    return [_rows(t, ~np.isnan(t.actual)) for t in tables()]


def without_zeros(which):
    """The same tables without rows whose actual is zero: where a percentage is defined."""
    return [_rows(t, t.actual != 0) for t in which]


def _rows(t, keep):
    return Table(*(part[keep] for part in t[:4]), t.history, t.samples[keep])


def test_the_tables_hold_what_they_should():
    actual = np.concatenate([t.actual for t in tables()])
    assert len(tables()) == TABLES == 1000
    assert sum(np.isnan(t.actual).any() for t in tables()) > 400
    assert (actual == 0).sum() > 1000 and (actual < 0).sum() > 5000
    assert sum(len(np.unique(t.actual)) < len(t.actual) for t in complete()) > 300
    assert sum((t.actual == t.forecast).any() for t in tables()) > 500


# ---- oracles ------------------------------------------------------------------------------------


def _long(which):
    """One long frame, a series per table, under utilsforecast's default names."""
    size = [len(t.actual) for t in which]
    frame = {
        "unique_id": np.repeat(np.arange(len(which)), size),
        "ds": np.concatenate([np.arange(n) for n in size]),
        "y": np.concatenate([t.actual for t in which]),
        "model": np.concatenate([t.forecast for t in which]),
        "low": np.concatenate([t.lower for t in which]),
        "high": np.concatenate([t.upper for t in which]),
    }
    for level in INTERVALS:
        frame |= {f"model-lo-{level}": frame["low"], f"model-hi-{level}": frame["high"]}
    return pd.DataFrame(frame)


def _histories(which):
    size = [len(t.history) for t in which]
    return pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(len(which)), size),
            "ds": np.concatenate([np.arange(n) for n in size]),
            "y": np.concatenate([t.history for t in which]),
        }
    )


def _each(oracle, which):
    return [oracle(t.actual, t.forecast) for t in which]


def _per_series(oracle, which, *args, models=("model",), **kwargs):
    """Call a loss of utilsforecast on all tables at once."""
    models = models if isinstance(models, dict) else list(models)
    found = oracle(_long(which), models, *args, **kwargs).sort_values("unique_id")
    assert found["unique_id"].tolist() == list(range(len(which)))
    return found[next(iter(models))].to_numpy()


def _levels(t):
    return np.stack([t.lower, t.forecast, t.upper], -1)


def _ours(name, which, **kwargs):
    """Scores of a metric for every table; where it takes a level, for several."""
    call = partial(getattr(m, name), **kwargs)
    return np.array([OURS.get(name, lambda f, t: f(t.actual, t.forecast))(call, t) for t in which])


OURS = {
    "mase": lambda f, t: f(t.actual, t.forecast, m.seasonal_scale(t.history, SEASON)),
    "rmsse": lambda f, t: f(t.actual, t.forecast, m.seasonal_scale_squared(t.history, SEASON)),
    "pinball": lambda f, t: [f(t.actual, t.forecast, q) for q in QUANTILES],
    "weighted_quantile_loss": lambda f, t: f(t.actual, _levels(t), QUANTILES),
    "crps_quantile": lambda f, t: f(t.actual, _levels(t), QUANTILES),
    "crps_sample": lambda f, t: [f(t.actual, t.samples), f(t.actual, t.samples, fair=True)],
    "coverage": lambda f, t: f(t.actual, t.lower, t.upper),
    "width": lambda f, t: f(t.lower, t.upper),
    "winkler": lambda f, t: [f(t.actual, t.lower, t.upper, level / 100) for level in INTERVALS],
    "msis": lambda f, t: [
        f(t.actual, t.lower, t.upper, level / 100, m.seasonal_scale(t.history, SEASON)) for level in INTERVALS
    ],
}
MULTI = {"all": ["low", "model", "high"]}


def _intervals(oracle, which):
    """Interval scores by scoringrules, per table and level."""
    return np.array(
        [[np.mean(oracle(t.actual, t.lower, t.upper, 1 - v / 100)) for v in INTERVALS] for t in which]
    )


def _crps(oracle, which):
    return [[np.mean(oracle(t.actual, t.samples, estimator=e)) for e in ("nrg", "fair")] for t in which]


def _scaled(oracle, which):
    return _intervals(oracle, which) / np.array([[m.seasonal_scale(t.history, SEASON)] for t in which])


# By metric and oracle: what it returns for the tables, in our unit.
ORACLES = {
    "mae": {"sklearn.metrics.mean_absolute_error": _each, "utilsforecast.losses.mae": _per_series},
    "mse": {"sklearn.metrics.mean_squared_error": _each, "utilsforecast.losses.mse": _per_series},
    "rmse": {"sklearn.metrics.root_mean_squared_error": _each, "utilsforecast.losses.rmse": _per_series},
    "bias": {"utilsforecast.losses.bias": _per_series},
    "mape": {
        "sklearn.metrics.mean_absolute_percentage_error": lambda f, w: 100 * np.array(_each(f, w)),
        "utilsforecast.losses.mape": lambda f, w: 100 * _per_series(f, w),
    },
    "smape": {"utilsforecast.losses.smape": lambda f, w: 200 * _per_series(f, w)},
    "smape_100": {"utilsforecast.losses.smape": lambda f, w: 100 * _per_series(f, w)},
    "wape": {"utilsforecast.losses.wape": lambda f, w: 100 * _per_series(f, w)},
    "mase": {"utilsforecast.losses.mase": lambda f, w: _per_series(f, w, SEASON, _histories(w))},
    "rmsse": {"utilsforecast.losses.rmsse": lambda f, w: _per_series(f, w, SEASON, _histories(w))},
    "pinball": {
        "sklearn.metrics.mean_pinball_loss": lambda f, w: np.stack(
            [_each(partial(f, alpha=q), w) for q in QUANTILES], -1
        ),
        "scoringrules.quantile_score": lambda f, w: [
            [np.mean(f(t.actual, t.forecast, q)) for q in QUANTILES] for t in w
        ],
        "utilsforecast.losses.quantile_loss": lambda f, w: np.stack(
            [_per_series(f, w, models={"model": "model"}, q=q) for q in QUANTILES], -1
        ),
    },
    "weighted_quantile_loss": {
        "utilsforecast.losses.scaled_crps": lambda f, w: _per_series(f, w, np.array(QUANTILES), models=MULTI)
    },
    "crps_quantile": {
        "scoringrules.crps_quantile": lambda f, w: [
            np.mean(f(t.actual, _levels(t), np.array(QUANTILES))) for t in w
        ],
        "utilsforecast.losses.mqloss": lambda f, w: 2 * _per_series(f, w, np.array(QUANTILES), models=MULTI),
    },
    "crps_sample": {"scoringrules.crps_ensemble": _crps},
    "coverage": {"utilsforecast.losses.coverage": lambda f, w: _per_series(f, w, 80)},
    "winkler": {
        "scoringrules.interval_score": _intervals,
        "utilsforecast.losses.winkler_score": lambda f, w: np.stack(
            [_per_series(f, w, v) for v in INTERVALS], -1
        ),
    },
    "msis": {"scoringrules.interval_score": _scaled},
}
# Differences of larger numbers: compared on the scale of what they are the difference of.
CANCELLING = {
    "bias": lambda t: m.mae(t.actual, t.forecast),
    "crps_sample": lambda t: [np.nanmean(np.abs(t.samples - t.actual[:, None]))] * 2,
}


def _load(path):
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


@pytest.mark.parametrize(
    ("name", "path"), [(name, path) for name, paths in ORACLES.items() for path in paths]
)
def test_agrees_with_an_oracle_on_a_thousand_tables(name, path):
    given, cleaned = tables(), complete()
    if name == "mape":
        given, cleaned = without_zeros(given), without_zeros(cleaned)
    got, expected = _ours(name, given), np.asarray(ORACLES[name][path](_load(path), cleaned), float)
    assert len(got) == 1000 and got.shape == expected.shape and np.isfinite(expected).all()
    size = np.array([CANCELLING[name](t) for t in given]) if name in CANCELLING else np.abs(expected)
    assert np.all(np.abs(got - expected) <= 1e-12 * size)
    assert len(np.unique(got)) > 100


def test_the_docstrings_name_the_oracles_of_these_tests():
    for name, metric in m.METRICS.items():
        claimed = re.search(r"^    Agrees: (.*?)(?=^    [A-Z]|^$)", metric.__doc__, re.MULTILINE | re.DOTALL)
        named = set(
            re.findall(r"(?:sklearn|scoringrules|utilsforecast)(?:\.\w+)+", claimed[1] if claimed else "")
        )
        assert named == set(ORACLES.get(name, ())), name


@pytest.mark.parametrize("name", ["mae", "mse", "rmse", "bias", "smape", "wape", "mase", "rmsse", "pinball"])
def test_utilsforecast_leaves_missing_actuals_out_too(name):
    (path,) = [path for path in ORACLES[name] if path.startswith("utilsforecast")]
    expected = ORACLES[name][path](_load(path), tables())
    np.testing.assert_allclose(
        _ours(name, tables()), expected, rtol=1e-12, atol=1e-6 if name == "bias" else 0
    )


def test_width_agrees_with_plain_arithmetic():
    expected = [sum(t.upper - t.lower) / len(t.lower) for t in tables()]
    np.testing.assert_allclose(_ours("width", tables()), expected, rtol=1e-12)


def test_crps_of_midpoint_quantiles_is_that_of_the_samples():
    for t in complete()[:200]:
        n = t.samples.shape[1]
        levels = (np.arange(n) + 0.5) / n
        by_quantiles = m.crps_quantile(t.actual, np.sort(t.samples, axis=-1), levels)
        assert by_quantiles == pytest.approx(m.crps_sample(t.actual, t.samples), rel=1e-12)


def test_crps_of_many_samples_and_levels_is_that_of_the_distribution():
    import scoringrules
    from scipy.special import ndtri

    rng = np.random.default_rng(0)
    for actual in (-1.5, 0.0, 2.0):
        exact = float(scoringrules.crps_normal(actual, 0.0, 1.0))
        # A table of all differences of 400,000 samples would not fit into memory.
        assert m.crps_sample([actual], rng.normal(size=(1, 400_000))) == pytest.approx(exact, abs=5e-3)
        levels = (np.arange(1000) + 0.5) / 1000
        assert m.crps_quantile([actual], [ndtri(levels)], levels) == pytest.approx(exact, rel=1e-3)


def test_the_fair_crps_does_not_depend_on_the_number_of_samples():
    rng = np.random.default_rng(1)
    actual, draws = rng.normal(size=40_000), rng.normal(size=(40_000, 10))
    expected = 1 / np.sqrt(np.pi)  # E of the CRPS of a standard normal forecast of standard normal values
    fair = [m.crps_sample(actual, draws[:, :n], fair=True) for n in (2, 10)]
    plain = [m.crps_sample(actual, draws[:, :n]) for n in (2, 10)]
    np.testing.assert_allclose(fair, expected, atol=0.01)
    np.testing.assert_allclose(plain, expected * np.array([1.5, 1.1]), atol=0.01)


def test_samples_may_stand_in_any_order_and_share_an_offset():
    rng = np.random.default_rng(2)
    actual, draws = rng.normal(size=30), rng.normal(size=(30, 9))
    assert m.crps_sample(actual, draws[:, ::-1]) == m.crps_sample(actual, draws)
    # 1e9 costs nine digits of the values, no more.
    moved = m.crps_sample(actual + 1e9, draws + 1e9)
    assert moved == pytest.approx(m.crps_sample(actual, draws), rel=1e-6)


# ---- where others differ ------------------------------------------------------------------------


def _one(actual, forecast=None, lower=None, upper=None, history=(1.0, 3.0, 2.0, 5.0)):
    zero = np.zeros(len(actual))
    parts = [zero if part is None else np.array(part, float) for part in (forecast, lower, upper)]
    return [Table(np.array(actual, float), *parts, np.array(history, float), np.zeros((len(actual), 2)))]


def test_others_treat_zero_actuals_otherwise():
    from sklearn.metrics import mean_absolute_percentage_error
    from utilsforecast.losses import mape, scaled_crps, wape

    one = _one([0.0, 4.0], [1.0, 2.0])
    assert m.mape(one[0].actual, one[0].forecast) == np.inf
    assert _per_series(mape, one) == [0.5]  # the zero is dropped
    assert 1e14 < mean_absolute_percentage_error(one[0].actual, one[0].forecast) < np.inf
    zeros = _one([0.0, 0.0], [1.0, 2.0])
    assert m.wape(zeros[0].actual, zeros[0].forecast) == np.inf
    assert np.isnan(_per_series(wape, zeros)).all()
    assert m.weighted_quantile_loss(zeros[0].actual, _levels(zeros[0]), QUANTILES) == np.inf
    loss = _per_series(scaled_crps, zeros, np.array(QUANTILES), models=MULTI)
    assert 1e14 < loss[0] < np.inf


def test_utilsforecast_divides_by_a_constant_history():
    from utilsforecast.losses import mase, rmsse

    one = _one([1.0, 2.0], [2.0, 2.0], history=[5.0] * 9)
    for name, oracle in (("mase", mase), ("rmsse", rmsse)):
        assert _per_series(oracle, one, SEASON, _histories(one)) == [np.inf]
        assert np.isnan(_ours(name, one)).all()


def test_utilsforecast_judges_intervals_of_missing_actuals():
    from utilsforecast.losses import coverage, winkler_score

    one = _one([1.0, NAN], [1.0, 1.0], [0.0, 0.0], [2.0, 8.0])
    assert _ours("coverage", one) == [1.0] and _per_series(coverage, one, 80) == [0.5]
    assert _ours("winkler", one).tolist() == [[2.0, 2.0, 2.0]]
    assert _per_series(winkler_score, one, 80) == [5.0]


def test_others_refuse_pass_on_or_drop_missing_values():
    import scoringrules
    from sklearn.metrics import mean_absolute_error
    from utilsforecast.losses import mae

    one = _one([1.0, 2.0], [NAN, 5.0])
    assert np.isnan(m.mae(one[0].actual, one[0].forecast))
    assert _per_series(mae, one) == [3.0]
    with pytest.raises(ValueError, match="NaN"):
        mean_absolute_error(one[0].actual, one[0].forecast)
    assert np.isnan(scoringrules.quantile_score(NAN, 1.0, 0.5))


def test_spis_of_utilsforecast_is_another_measure_than_msis():
    from utilsforecast.losses import spis

    one = _one([1.0, 5.0], [2.0, 2.0], [0.0, 0.0], [6.0, 6.0])
    # Absolute errors are added up and divided by the mean of the history; the interval plays no part.
    assert _per_series(spis, one, _histories(one)) == pytest.approx([(1 + 3) / 2.75])
    assert _ours("msis", one)[0, 0] == 6 / m.seasonal_scale([1.0, 3.0, 2.0, 5.0], SEASON)


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
    "owa": lambda y, f, **k: m.owa(y, f, np.asarray(f) / 2 + 1, 2.0, **k),
    "pinball": lambda y, f, **k: m.pinball(y, f, 0.9, **k),
    "weighted_quantile_loss": lambda y, f, **k: m.weighted_quantile_loss(
        y, np.stack([f, f], -1), (0.1, 0.9), **k
    ),
    "crps_quantile": lambda y, f, **k: m.crps_quantile(
        y, np.stack([f, np.asarray(f) + 1], -1), (0.1, 0.9), **k
    ),
    "crps_sample": lambda y, f, **k: m.crps_sample(y, np.stack([f, np.asarray(f) - 1], -1), **k),
    "crps_sample_fair": lambda y, f, **k: m.crps_sample(
        y, np.stack([f, np.asarray(f) - 1], -1), fair=True, **k
    ),
    "coverage": lambda y, f, **k: m.coverage(y, f, np.asarray(f) + 1, **k),
    "winkler": lambda y, f, **k: m.winkler(y, f, np.asarray(f) + 1, 0.8, **k),
    "msis": lambda y, f, **k: m.msis(y, f, np.asarray(f) + 1, 0.8, 2.0, **k),
}
every_metric = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def test_every_public_metric_is_under_contract():
    others = {"METRICS", "POINT_METRICS", "counted", "missing", "seasonal_scale", "seasonal_scale_squared"}
    assert set(m.METRICS) == set(m.__all__) - others
    assert set(CALLS) == set(m.METRICS) - {"width"} | {"crps_sample_fair"}
    assert set(m.POINT_METRICS) < set(CALLS)
    assert all(metric is getattr(m, name) for name, metric in m.METRICS.items())


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


def test_the_median_alone_is_half_the_absolute_error():
    for t in tables()[:300]:
        assert m.pinball(t.actual, t.forecast, 0.5) == pytest.approx(
            m.mae(t.actual, t.forecast) / 2, rel=1e-12
        )
        loss = m.weighted_quantile_loss(t.actual, t.forecast[:, None], [0.5])
        assert loss == pytest.approx(m.wape(t.actual, t.forecast) / 100, rel=1e-12)


# ---- OWA and CRPS -------------------------------------------------------------------------------


def test_owa_divides_after_averaging_over_series():
    actual = np.array([[1.0, 3.0], [10.0, 30.0]])
    forecast, naive2 = actual * 1.5, actual * np.array([[2.0], [3.0]])
    scale = np.array([[1.0], [4.0]])
    smape = m.smape(actual, forecast) / m.smape(actual, naive2)
    mase = m.mase(actual, forecast, scale) / m.mase(actual, naive2, scale)
    assert m.owa(actual, forecast, naive2, scale) == pytest.approx((smape + mase) / 2, rel=1e-15)
    per_series = m.owa(actual, forecast, naive2, scale, axis=1)
    assert per_series.shape == (2,)
    assert np.mean(per_series) != pytest.approx(m.owa(actual, forecast, naive2, scale), rel=1e-3)
    assert m.owa(actual, naive2, naive2, scale) == 1.0


def test_owa_needs_a_yardstick():
    assert np.isnan(m.owa([1.0], [2.0], [3.0], 0.0))
    assert m.owa([1.0], [2.0], [1.0], 1.0) == np.inf
    assert np.isnan(m.owa([1.0], [2.0], [NAN], 1.0))
    assert m.owa([1.0, NAN], [2.0, 2.0], [3.0, NAN], 1.0) == m.owa([1.0], [2.0], [3.0], 1.0)
    with pytest.raises(ParameterError, match=r"naive2 \(1,\)"):
        m.owa([1.0, 2.0], [1.0, 2.0], [1.0], 1.0)


def test_one_missing_sample_or_level_is_never_dropped():
    assert np.isnan(m.crps_sample([1.0, 2.0], [[1.0, NAN, 2.0], [1.0, 1.0, 1.0]]))
    assert np.isnan(m.crps_sample([1.0], [[1.0, NAN]], fair=True))
    assert np.isnan(m.crps_quantile([1.0], [[0.0, NAN]], (0.1, 0.9)))
    assert m.crps_sample([NAN, 2.0], [[NAN, NAN], [1.0, 2.0]]) == m.crps_sample([2.0], [[1.0, 2.0]])


def test_too_few_samples_are_refused():
    assert m.crps_sample([1.0], [[3.0]]) == 2.0  # one sample: the absolute error
    with pytest.raises(ParameterError, match="1 samples; the score needs at least 2"):
        m.crps_sample([1.0], [[3.0]], fair=True)
    with pytest.raises(ParameterError, match="0 samples"):
        m.crps_sample([1.0], np.ones((1, 0)))
    with pytest.raises(ParameterError, match=r"samples have shape \(2,\), actual \(2,\)"):
        m.crps_sample([1.0, 2.0], [1.0, 2.0])
    with pytest.raises(ParameterError, match="Put the quantiles on the last axis"):
        m.crps_quantile([1.0, 2.0], [[1.0, 2.0]], (0.1, 0.9))
