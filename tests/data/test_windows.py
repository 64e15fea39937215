"""Windows: every batch equals what a plain loop over the table would gather."""

from __future__ import annotations

import dataclasses
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.data.columns import Columns
from forecast.data.panel import Panel, frozen
from forecast.data.step import parse_step
from forecast.data.windows import (
    Windows,
    check_positive,
    last_windows,
    make_windows,
    order,
    order_by_series,
)
from forecast.errors import InputError, ParameterError


def panel_of(
    parts: list[np.ndarray], *, targets: int = 1, known: int = 0, past: int = 0, named: bool = True
) -> Panel:
    """A panel of arrays ``(rows, channels)``."""
    names = [tuple(f"{kind}{j}" for j in range(n)) for kind, n in (("y", targets), ("k", known), ("p", past))]
    columns = Columns("when", "shop" if named else None, *names)
    values = frozen(np.concatenate([np.reshape(p, (len(p), -1)) for p in parts]).astype(np.float64))
    offsets = np.concatenate([[0], np.cumsum([len(p) for p in parts])])
    ids = tuple(f"s{i}" for i in range(len(parts))) if named else (None,)
    starts, static = pd.Index([0] * len(parts)), pd.DataFrame(index=range(len(parts)))
    return Panel(values, offsets, ids, starts, parse_step(1), columns, static, np.ones(len(values), bool))


@st.composite
def panels(draw: st.DrawFn) -> Panel:
    """Ragged series of one to three channels of each role, with gaps and blank ends."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    targets, known, past = draw(st.integers(1, 3)), draw(st.integers(0, 2)), draw(st.integers(0, 2))
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        n = int(rng.integers(1, 25))
        part = rng.normal(size=(n, targets + known + past))
        part[rng.random(part.shape) < draw(st.sampled_from((0.0, 0.1, 0.6)))] = np.nan
        part[rng.random(n) < draw(st.sampled_from((0.0, 0.3)))] = np.nan  # whole rows are gaps
        if rng.random() < 0.4:
            part[n - int(rng.integers(0, n + 1)) :, :targets] = np.nan
        parts.append(part)
    return panel_of(parts, targets=targets, known=known, past=past)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Panel, dict]:
    panel = draw(panels())
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    options: dict = {"context": draw(st.integers(1, 9)), "horizon": draw(st.integers(1, 5))}
    options["short"] = draw(st.sampled_from(("pad", "drop")))
    if draw(st.booleans()):
        options["first"] = panel.offsets[:-1] + rng.integers(0, panel.lengths + 1)
    if draw(st.booleans()):
        options["stop"] = panel.offsets[:-1] + rng.integers(0, panel.lengths + 1)
    if draw(st.booleans()):
        options["static"] = rng.normal(size=(len(panel), 2)).astype(np.float32)
    options["scales"] = rng.random((len(panel), len(panel.columns.target))) + 0.5
    options["partial"] = draw(st.none() | st.integers(1, 7))
    if draw(st.booleans()):
        options["calendar"] = calendar_of(panel, ahead=options["horizon"] + int(rng.integers(0, 3)))
        options["lags"] = draw(st.sampled_from(((), (1,), (2, 5), (3, 30))))
        options["categories"] = rng.integers(0, 9, (len(panel), 2), dtype=np.int32)
        options["numbers"] = rng.integers(0, 9, len(panel), dtype=np.int32)
    return panel, options


def calendar_of(panel: Panel, ahead: int, width: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Features that differ in every row of every series, and their offsets."""
    offsets = np.concatenate([[0], np.cumsum(panel.lengths + ahead)])
    return np.arange(1, offsets[-1] * width + 1, dtype=np.float32).reshape(-1, width), offsets


def expected_windows(panel: Panel, options: dict) -> list[tuple[int, int]]:
    """Series and origin of every window, one by one."""
    found, need = [], min(options["partial"] or options["horizon"], options["horizon"])
    for i, (begin, end) in enumerate(zip(panel.offsets, panel.offsets[1:])):
        stop = panel.ends[i] if "stop" not in options else min(options["stop"][i], end)
        first = begin if "first" not in options else options["first"][i]
        for origin in range(max(first, begin), end):
            history = panel.targets[max(begin, origin - options["context"]) : origin]
            ahead = panel.targets[origin : min(origin + options["horizon"], max(stop, origin))]
            long_enough = len(history) >= (1 if options["short"] == "pad" else options["context"])
            if origin + need > stop or not long_enough:
                continue
            if not np.isnan(history).all() and not np.isnan(ahead).all():
                found.append((i, origin))
    return found


def expected_batch(
    panel: Panel, windows: Windows, i: int, origin: int
) -> tuple[dict, np.ndarray, np.ndarray]:
    """Inputs, targets and weights of one window, row by row."""
    names, (begin, end) = panel.columns, panel.offsets[i : i + 2]
    if windows.stops is not None:
        end = min(end, windows.stops[i])
    context, horizon, channels = windows.context, windows.horizon, panel.values.shape[1]
    past, ahead = np.full((context, channels), np.nan), np.full((horizon, channels), np.nan)
    rows = range(max(begin, origin - context), origin)
    for k, row in enumerate(rows):
        past[k] = panel.values[row]
    for k in range(horizon):
        if origin + k < end:
            ahead[k] = panel.values[origin + k]
    t, f = len(names.target), len(names.target) + len(names.known_future)
    inputs = {"target": past[:, :t]}
    if f > t:
        inputs["known_future"] = np.concatenate([past[:, t:f], ahead[:, t:f]])
    if channels > f:
        inputs["past_only"] = past[:, f:]
    if windows.static.shape[1]:
        inputs["static"] = windows.static[i]
    if windows.padded:
        inputs["length"] = len(rows)
    inputs |= expected_extras(panel, windows, i, [*rows], origin)
    targets, weights = np.zeros((horizon, t)), np.zeros((horizon, t))
    for j in range(t):
        for k in range(horizon):
            if not np.isnan(ahead[k, j]) and not np.isnan(past[:, j]).all():
                targets[k, j], weights[k, j] = ahead[k, j], 1 / windows.scales[i, j]
    return inputs, targets, weights


def expected_extras(panel: Panel, windows: Windows, i: int, rows: list[int], origin: int) -> dict:
    """Calendar, lags and codes of one window, row by row."""
    extras, (context, horizon) = {}, (windows.context, windows.horizon)
    steps = dict(enumerate(rows)) | {context + k: origin + k for k in range(horizon)}
    if windows.calendar is not None:
        features, offsets = windows.calendar
        extras["calendar"] = np.zeros((context + horizon, features.shape[1]), np.float32)
        for place, row in steps.items():
            extras["calendar"][place] = features[offsets[i] + row - panel.offsets[i]]
    if windows.lags:
        targets = panel.targets.shape[1]
        extras["lagged"] = np.full((context + horizon, len(windows.lags) * targets), np.nan)
        for place, row in steps.items():
            for j, lag in enumerate(windows.lags):
                if panel.offsets[i] <= row - lag < origin:
                    extras["lagged"][place, j * targets : (j + 1) * targets] = panel.targets[row - lag]
    if windows.categories is not None:
        extras["categories"] = windows.categories[i]
    if windows.numbers is not None:
        extras["series"] = windows.numbers[i]
    return extras


def check_against_loop(case: tuple[Panel, dict], seed: int) -> None:
    panel, options = case
    windows = make_windows(panel, **options)
    expected = expected_windows(panel, options)
    assert list(zip(windows.series.tolist(), windows.origins.tolist())) == expected
    if not expected:
        return
    which = np.random.default_rng(seed).integers(0, len(windows), 6)
    inputs, targets, weights = windows.batch(which)
    for k, w in enumerate(which):
        own, actual, weight = expected_batch(panel, windows, *expected[w])
        assert inputs.keys() == own.keys()
        for name, value in own.items():
            np.testing.assert_array_equal(inputs[name][k], value, err_msg=name)
        np.testing.assert_array_equal(targets[k], actual)
        np.testing.assert_allclose(weights[k], weight, rtol=1e-15)
    assert targets.dtype == weights.dtype == inputs["target"].dtype == np.float64
    assert np.isfinite(targets).all()
    kinds = {"calendar": np.float32, "lagged": np.float64, "categories": np.int32, "series": np.int32}
    assert all(inputs[name].dtype == kind for name, kind in kinds.items() if name in inputs)
    if windows.padded:
        assert inputs["length"].dtype == np.int32
        assert (inputs["length"] >= 1).all() and (inputs["length"] <= windows.context).all()


@given(cases(), st.integers(0, 1_000))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_batches_equal_a_plain_loop(case, seed):
    check_against_loop(case, seed)


@pytest.mark.fuzz
@given(cases(), st.integers(0, 1_000))
@settings(max_examples=5_000, deadline=None)
def test_batches_equal_a_plain_loop_at_length(case, seed):
    check_against_loop(case, seed)


@given(cases(), st.integers(0, 20))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_no_training_horizon_reaches_into_validation(case, back):
    panel, options = case
    cut = np.maximum(panel.ends - back, panel.offsets[:-1])
    sizes = {name: options[name] for name in ("context", "horizon", "short")}
    training = make_windows(panel, stop=cut, **sizes)
    validation = make_windows(panel, first=cut, **sizes)
    assert (training.origins + training.horizon <= cut[training.series]).all()
    assert (validation.origins >= cut[validation.series]).all()
    seen = np.full(panel.rows, False)
    for origin in training.origins:
        seen[origin : origin + training.horizon] = True
    for origin in validation.origins:
        assert not seen[origin : origin + validation.horizon].any()


@given(cases(), st.integers(1, 5))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_nothing_behind_the_stop_is_read(case, partial):
    panel, options = case
    options |= {"partial": partial, "stop": options.get("stop", panel.ends)}
    behind = np.arange(panel.rows) >= np.repeat(options["stop"], panel.lengths)
    values = np.where(behind[:, None], np.random.default_rng(0).normal(size=panel.values.shape), panel.values)
    other = dataclasses.replace(panel, values=frozen(values))
    one, two = (make_windows(p, **options) for p in (panel, other))
    np.testing.assert_array_equal(one.origins, two.origins)
    which = np.arange(len(one))
    for a, b in zip(one.batch(which), two.batch(which)):
        for name in a if isinstance(a, dict) else [...]:
            np.testing.assert_array_equal(a[name], b[name])


def test_windows_by_hand():
    windows = make_windows(panel_of([np.arange(6.0)]), context=3, horizon=2)
    inputs, targets, weights = windows.batch(np.array([0, 1]))
    assert inputs["target"][:, :, 0].tolist() == [[0, 1, 2], [1, 2, 3]]
    assert targets[:, :, 0].tolist() == [[3, 4], [4, 5]]
    assert (weights == 1).all() and inputs.keys() == {"target"}
    assert str(windows) == "2 windows over 1 series: context 3 (rows -3..-1), horizon 2 (rows 0..1)"


def test_padding_stands_at_the_right():
    windows = make_windows(panel_of([np.arange(1.0, 4.0)]), context=5, horizon=1, short="pad")
    inputs = windows.inputs(np.arange(2))
    np.testing.assert_array_equal(inputs["target"][:, :, 0], [[1] + [np.nan] * 4, [1, 2] + [np.nan] * 3])
    assert inputs["length"].tolist() == [1, 2]


def test_a_channel_whose_context_is_missing_has_no_weight():
    values = np.array([[1, np.nan], [2, np.nan], [3, 30], [4, np.nan]])
    windows = make_windows(panel_of([values], targets=2), context=2, horizon=2)
    _, targets, weights = windows.batch(np.array([0]))
    assert weights[0].tolist() == [[1, 0], [1, 0]] and targets[0].tolist() == [[3, 0], [4, 0]]


def test_weights_are_the_reciprocal_scales_of_their_series():
    panel = panel_of([np.arange(3.0), np.arange(3.0)])
    windows = make_windows(panel, context=1, horizon=1, scales=np.array([[2.0], [10.0]]))
    _, _, weights = windows.batch(np.arange(len(windows)))
    assert weights[:, 0, 0].tolist() == [0.5, 0.5, 0.1, 0.1]


def test_known_future_values_beyond_the_table_are_missing():
    values = np.array([[1, 10], [2, 20], [np.nan, 30]])
    windows = last_windows(make_windows(panel_of([values, values], known=1), context=1, horizon=1))
    wide = Windows(windows.panel, 2, 3, windows.series, windows.origins, windows.scales, windows.static)
    np.testing.assert_array_equal(
        wide.inputs(np.array([0]))["known_future"][0, :, 0], [10, 20, 30, np.nan, np.nan]
    )
    assert np.isnan(wide.actual(np.array([0, 1]))).all()


# ---------------------------------------------------------------- partial horizons, calendar and lags


def test_partial_windows_by_hand():
    values = np.column_stack([np.arange(6.0), 10 * np.arange(6.0)])
    panel = panel_of([values], known=1)
    windows = make_windows(panel, context=2, horizon=3, stop=np.array([5]), partial=1)
    assert windows.origins.tolist() == [2, 3, 4]
    inputs, targets, weights = windows.batch(np.arange(3))
    assert targets[:, :, 0].tolist() == [[2, 3, 4], [3, 4, 0], [4, 0, 0]]
    assert weights[:, :, 0].tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 0]]
    np.testing.assert_array_equal(inputs["known_future"][2, :, 0], [20, 30, 40, np.nan, np.nan])
    whole = make_windows(panel, context=2, horizon=3, stop=np.array([5]))
    assert whole.origins.tolist() == [2] and whole.stops is None
    more = make_windows(panel, context=2, horizon=3, stop=np.array([5]), partial=9)
    assert more.origins.tolist() == [2]


def test_a_window_whose_only_observed_target_lies_behind_the_stop_is_left_out():
    panel = panel_of([np.array([1, 2, np.nan, 4, 5])])
    windows = make_windows(panel, context=1, horizon=2, stop=np.array([3]), partial=1)
    assert windows.origins.tolist() == [1]


def test_partial_windows_let_shorter_series_take_part():
    panel = panel_of([np.arange(5.0)])
    assert len(make_windows(panel, context=4, horizon=3, partial=1)) == 1
    with pytest.raises(
        InputError, match=r"'s0' has 5 rows; context 4 and 2 of the 3 rows of the horizon need at least 6\."
    ):
        make_windows(panel, context=4, horizon=3, partial=2)


def test_the_last_windows_look_at_everything_again():
    values = np.array([[1, 10], [2, 20], [np.nan, 30]])
    windows = make_windows(panel_of([values], known=1), context=1, horizon=1, partial=1)
    assert windows.stops is not None
    assert last_windows(windows).inputs(np.array([0]))["known_future"][0, :, 0].tolist() == [20, 30]


def test_lags_by_hand():
    values = np.column_stack([np.arange(10.0), 100 + np.arange(10.0)])
    windows = make_windows(panel_of([values], targets=2), context=2, horizon=3, lags=(2, 4))
    lagged = windows.inputs(np.array([1]))["lagged"][0]  # rows 1 and 2, then 3, 4 and 5
    gone = np.nan
    np.testing.assert_array_equal(lagged[:, 0], [gone, 0, 1, 2, gone])  # row 5 would need row 3, the origin
    np.testing.assert_array_equal(lagged[:, 1], [gone, 100, 101, 102, gone])
    np.testing.assert_array_equal(lagged[:, 2], [gone, gone, gone, 0, 1])
    np.testing.assert_array_equal(lagged[:, 3], [gone, gone, gone, 100, 101])


def test_lags_reach_into_no_other_series():
    panel = panel_of([np.arange(5.0), 50 + np.arange(5.0)])
    windows = make_windows(panel, context=2, horizon=1, lags=(3,))
    assert windows.series.tolist() == [0, 0, 0, 1, 1, 1]
    lagged = windows.inputs(np.array([3, 4]))["lagged"][:, :, 0]
    np.testing.assert_array_equal(lagged, [[np.nan, np.nan, np.nan], [np.nan, np.nan, 50]])


def test_the_horizon_of_a_padded_window_begins_behind_the_context():
    panel = panel_of([np.arange(1.0, 6.0)])
    windows = make_windows(
        panel, context=4, horizon=2, short="pad", calendar=calendar_of(panel, 2, 1), lags=(1,)
    )
    inputs = windows.inputs(np.array([1]))
    assert windows.origins[1] == 2 and inputs["length"].tolist() == [2]
    assert inputs["calendar"][0, :, 0].tolist() == [1, 2, 0, 0, 3, 4]
    gone = np.nan
    np.testing.assert_array_equal(inputs["lagged"][0, :, 0], [gone, 1, gone, gone, 2, gone])


def test_calendar_features_that_end_too_early_are_refused():
    panel = panel_of([np.arange(9.0), np.arange(9.0)])
    windows = last_windows(make_windows(panel, context=2, horizon=4, calendar=calendar_of(panel, ahead=1)))
    for series in (0, 1):
        with pytest.raises(ParameterError, match=r"^Calendar features end 3 rows before a window does"):
            windows.inputs(np.array([series]))


def test_subsets_and_last_windows_keep_calendar_lags_and_codes():
    panel = panel_of([np.arange(9.0), np.arange(9.0)])
    extras = {"calendar": calendar_of(panel, 3), "lags": (2,), "numbers": np.array([5, 0], np.int32)}
    windows = make_windows(panel, context=2, horizon=3, categories=np.ones((2, 1), np.int32), **extras)
    for some in (windows.subset(np.array([3, 1])), windows.thin(2), last_windows(windows)):
        inputs = some.inputs(np.arange(2))
        assert inputs.keys() == {"target", "calendar", "lagged", "categories", "series"}
        np.testing.assert_array_equal(inputs["series"], np.array([5, 0])[some.series])
    assert windows.inputs(np.array([3, 1]))["series"].tolist() == [5, 5]
    with pytest.raises(TypeError, match="lag"):
        make_windows(panel, context=2, horizon=3, lag=(2,))


# ---------------------------------------------------------------- series that are too short


def test_short_series_are_named_five_at_most_and_counted():
    panel = panel_of([np.arange(10.0)] + [np.arange(1.0 + i) for i in range(7)])
    with pytest.raises(InputError) as refusal:
        make_windows(panel, context=7, horizon=2)
    assert str(refusal.value) == (
        "7 of 8 series are too short: 's1' has 1 rows, 's2' has 2 rows, 's3' has 3 rows, 's4' has 4 rows, 's5' has 5 "
        "rows and 2 more; context 7 and horizon 2 need at least 9. Lower --context or --horizon, or pass --short pad "
        "or --short drop."
    )


def test_a_single_series_is_not_named():
    panel = panel_of([np.arange(4.0)], named=False)
    with pytest.raises(
        InputError, match=r"^The series has 4 rows; context 4 and horizon 1 need at least 5\."
    ):
        make_windows(panel, context=4, horizon=1)
    with pytest.raises(InputError, match=r"^The series has 3 rows; .* need at least 4\."):
        make_windows(panel, context=3, horizon=1, stop=np.array([3]))


def test_a_table_of_gaps_gives_one_line_and_not_an_empty_index():
    panel = panel_of([np.array([1.0, np.nan, np.nan, 2.0])])
    with pytest.raises(
        InputError, match=r"^No window has an observed target both in its context of 1 rows and in"
    ):
        make_windows(panel, context=1, horizon=1)
    assert len(make_windows(panel, context=1, horizon=1, short="drop")) == 0


def test_series_of_exactly_one_window_are_long_enough():
    panel = panel_of([np.arange(5.0), np.arange(6.0)])
    assert make_windows(panel, context=3, horizon=2).series.tolist() == [0, 1, 1]


def test_short_series_are_dropped_or_padded_when_asked():
    panel = panel_of([np.arange(3.0), np.arange(6.0)])
    assert set(make_windows(panel, context=3, horizon=2, short="drop").series) == {1}
    assert set(make_windows(panel, context=3, horizon=2, short="pad").series) == {0, 1}


def test_a_window_without_the_history_it_needs_is_refused_and_reads_no_other_series():
    panel = panel_of([np.arange(6.0), np.arange(2.0)])
    windows = last_windows(make_windows(panel, context=3, horizon=1, short="drop"))
    assert windows.inputs(np.array([0]))["target"][0, :, 0].tolist() == [3, 4, 5]
    with pytest.raises(InputError, match=r"^Series 's1' has 2 rows before a window; context 3 needs 3\."):
        windows.inputs(np.array([0, 1]))
    unseen = panel_of([np.full(4, np.nan)], named=False)
    padded = last_windows(make_windows(unseen, context=3, horizon=1, short="pad"))
    with pytest.raises(InputError, match=r"^The series has 0 rows before a window; context 3 needs 1\."):
        padded.batch(np.array([0]))


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "3", None])
def test_sizes_are_whole_and_positive(value):
    with pytest.raises(ParameterError, match="context must be a whole number of at least 1; got"):
        make_windows(panel_of([np.arange(9.0)]), context=value, horizon=1)
    with pytest.raises(ParameterError, match="thing must be"):
        check_positive(thing=value)


def test_an_unknown_way_with_short_series_is_refused():
    with pytest.raises(ParameterError, match="short must be one of error, drop, pad; got 'cut'"):
        make_windows(panel_of([np.arange(9.0)]), context=2, horizon=1, short="cut")


# ---------------------------------------------------------------- order and thinning


def test_the_order_is_a_function_of_seed_and_epoch():
    first = order(1_000, seed=3, epoch=0)
    np.testing.assert_array_equal(order(1_000, seed=3, epoch=0), first)
    assert sorted(first) == list(range(1_000))
    others = [order(1_000, seed=3, epoch=1), order(1_000, seed=4, epoch=0), order(1_000, seed=0, epoch=3)]
    assert all((other != first).mean() > 0.9 for other in others)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(0, 99), st.integers(0, 9))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_every_series_is_visited_equally_often(sizes, seed, epoch):
    rng = np.random.default_rng(seed)
    series = rng.permutation(np.repeat(3 * np.arange(len(sizes)), sizes))
    found = order_by_series(series, seed, epoch)
    np.testing.assert_array_equal(found, order_by_series(series, seed, epoch))
    assert len(found) == len(series)
    visits = np.bincount(series[found] // 3, minlength=len(sizes))
    assert visits.max() - visits.min() <= 1
    for i in range(len(sizes)):
        times = np.bincount(found, minlength=len(series))[series == 3 * i]
        assert times.max() - times.min() <= 1


def test_the_order_by_series_is_mixed_and_another_in_every_epoch():
    series = np.repeat(np.arange(4), [1, 20, 300, 679])
    first = order_by_series(series, seed=3, epoch=0)
    others = [order_by_series(series, 3, 1), order_by_series(series, 4, 0), order_by_series(series, 0, 3)]
    assert all((other != first).mean() > 0.7 for other in others)
    # Thinned series show other windows in another epoch, and no stretch belongs to one series.
    assert len(np.setdiff1d(others[0][series[others[0]] == 3], first)) > 100
    assert all(len(np.unique(series[part])) == 4 for part in np.split(first, 10))
    np.testing.assert_array_equal(np.bincount(series[first]), [250] * 4)


def test_no_windows_have_no_order():
    assert order_by_series(np.array([], dtype=np.int32), 0, 0).tolist() == []


@given(st.integers(2, 500), st.integers(2, 600))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_thinning_keeps_first_and_last_and_is_even(rows, most):
    windows = make_windows(panel_of([np.arange(rows + 2.0)]), context=1, horizon=1)
    thin = windows.thin(most)
    assert len(thin) == min(most, len(windows))
    assert thin.origins[0] == windows.origins[0] and thin.origins[-1] == windows.origins[-1]
    gaps = np.diff(thin.origins)
    assert gaps.min() >= 1 and gaps.max() - gaps.min() <= 1


def test_thinning_to_one_keeps_the_last():
    windows = make_windows(panel_of([np.arange(9.0)]), context=1, horizon=1)
    assert windows.thin(1).origins.tolist() == [8]
    with pytest.raises(ParameterError, match="most must be"):
        windows.thin(0)


def test_a_subset_is_gathered_as_the_whole():
    windows = make_windows(panel_of([np.arange(9.0)]), context=2, horizon=1)
    some = windows.subset(np.array([5, 2]))
    np.testing.assert_array_equal(some.actual(np.arange(2)), windows.actual(np.array([5, 2])))


# ---------------------------------------------------------------- memory


@pytest.mark.parametrize("missing", [0.0, 0.05, 0.999])
def test_windows_of_a_million_rows_are_an_index_and_no_copy(missing):
    rng = np.random.default_rng(0)
    values = rng.random((1_000_000, 7), dtype=np.float32).astype(np.float64)
    values[rng.random(len(values)) < missing] = np.nan
    panel = panel_of([values], targets=7)
    tracemalloc.start()
    windows = make_windows(panel, context=336, horizon=24)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    windows.batch(np.arange(0, len(windows), len(windows) // 63)[:64])
    gathered = tracemalloc.get_traced_memory()[1] - kept
    tracemalloc.stop()
    assert kept < 13e6 and peak < 40e6  # eight and four bytes a window
    # A batch of 64 windows is 1.2 MB of context and 0.1 MB of horizon.
    assert gathered < 6e6


def test_lags_partial_horizons_and_orders_copy_no_rows():
    panel = panel_of([np.arange(200_000.0)] * 5)
    calendar = calendar_of(panel, ahead=24)
    tracemalloc.start()
    windows = make_windows(panel, context=96, horizon=24, lags=(24, 168), partial=1, calendar=calendar)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    windows.batch(np.arange(0, len(windows), 20_000))
    gathered = tracemalloc.get_traced_memory()[1] - kept
    tracemalloc.reset_peak()
    order_by_series(windows.series, seed=0, epoch=0)
    ordering = tracemalloc.get_traced_memory()[1] - kept
    tracemalloc.stop()
    assert kept < 13e6 and gathered < 2e6 and ordering < 100e6
