"""Detectors whose networks make windows again: what they find, and that nothing leaks, moves or depends on company."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm
from sklearn.base import clone

import forecast
from forecast.data.panel import Panel, frozen
from forecast.errors import DamagedModelFile, InputError, ParameterError
from forecast.estimators.detector_saving import save_detector
from forecast.estimators.window_errors import METHODS, WindowErrors, _surprise
from forecast.modelfile import ModelFile, write_model
from tests.laws.test_detectors import WINDOWED, detector_of, early, learned, machines

# The networks of "reconstruction" are those of "joint" without the rows beyond.
QUICK = [pytest.param(m, marks=pytest.mark.slow) if m == "reconstruction" else m for m in METHODS]
LATER = 10**6
"""A row so far behind the first of training that it is behind the last as well."""
NONE = np.zeros(2, np.int64)


def errors_of(detector: forecast.Detector) -> WindowErrors:
    found = detector.fitted_.errors
    assert isinstance(found, WindowErrors)
    return found


def seasonal(rows: int = 560, series: int = 2) -> pd.DataFrame:
    """Twelve rows a season; two of the later ones are flat in each series, and two come half a season early."""
    parts = []
    for i in range(series):
        rng, t = np.random.default_rng((1, i)), np.arange(rows)
        wave = np.sin(2 * np.pi * t / 12 + i) + 0.4 * np.sin(4 * np.pi * t / 12)
        load = 50 * (i + 1) + 10 * (wave + 0.12 * rng.normal(size=rows))
        flat, moved = slice(440, 456), slice(500, 518)
        load[moved] = load[494:512]
        load[flat] = load[439]
        parts.append(pd.DataFrame({"machine": f"m{i}", "row": t, "load": load}))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("method", QUICK)
def test_what_breaks_the_pattern_ranks_above_all_clean_stretches(method):
    """Flat and displaced stretches stay within the range of the series; it is their shape that is wrong.

    Of the last window of rows. Single rows of a flat stretch may well be made again: each lies where others have lain.
    """
    table = seasonal()
    detector = forecast.Detector(
        method, id="machine", time="row", target="load", season=12, context=12, units=16, steps=150
    ).fit(table[table["row"] < 380])
    found = errors_of(detector).scores(detector.fitted_.contract.read(table), NONE, NONE)
    for one in found:
        (whole,) = (j for j, stream in enumerate(one.streams) if stream.rows == 12)
        for first, stop in ((440, 456), (500, 518)):
            stretches = np.lib.stride_tricks.sliding_window_view(one.values[:, whole], stop - first).max(
                axis=1
            )
            assert (stretches[first] > stretches[24 : 438 - (stop - first)]).mean() > 0.99
    events = detector.detect(table[table["row"] >= 380])
    for name in ("m0", "m1"):
        group = events[events["machine"] == name]
        assert ((group["start"] < 458) & (group["end"] >= 440)).any(), name


@pytest.mark.parametrize("method", QUICK)
def test_a_shock_is_told_of_its_channel_only(method):
    detector = learned(method)
    panel = detector.fitted_.contract.read(machines())
    row = int(panel.offsets[0]) + 120
    values = panel.values.copy()
    values[row, 1] += 40
    moved = replace(panel, values=frozen(values))
    assert list(panel.columns.target) == ["load", "heat"]
    before, after = (errors_of(detector).scores(p, np.full(2, LATER), NONE)[0] for p in (panel, moved))
    larger = after.values[120] - before.values[120]
    of = np.array([stream.channel for stream in after.streams])
    kinds = np.array([stream.kind for stream in after.streams])
    direct = (kinds != "backward") & np.array([stream.rows == 1 for stream in after.streams])
    assert larger[direct & (of == "heat")].min() > 10 * np.abs(larger[direct & (of == "load")]).max()
    np.testing.assert_allclose(after.actual[120, direct & (of == "heat")], panel.values[row, 1] + 40)


def part_of(panel: Panel, series: int, first: int, stop: int) -> Panel:
    one = panel.select(np.array([series]))
    return replace(
        one,
        values=frozen(one.values[first:stop].copy()),
        present=one.present[first:stop],
        offsets=np.array([0, stop - first]),
        starts=pd.DatetimeIndex([one.time_at(0, first)]),
    )


@pytest.mark.parametrize("method", QUICK)
def test_scores_are_the_same_bits_however_rows_are_handed_over(method):
    errors = errors_of(learned(method))
    panel = learned(method).fitted_.contract.read(machines())
    whole = errors.scores(panel, np.full(2, LATER), NONE)
    for series, first, stop in ((0, 60, 61), (1, 100, 103), (0, 150, 250), (1, 0, 1), (1, 7, 90)):
        begin = max(first - errors.lookback, 0)
        had = np.array([first - begin])
        part = errors.scores(part_of(panel, series, begin, stop), np.array([LATER]), had)[0]
        for name in ("values", "expected", "actual"):
            np.testing.assert_array_equal(getattr(part, name), getattr(whole[series], name)[first:stop])


@pytest.mark.parametrize("method", QUICK)
def test_units_do_not_matter_and_unseen_series_are_judged_like_any_other(method):
    errors, table = errors_of(learned(method)), machines()
    read = learned(method).fitted_.contract.read
    stranger = table.assign(machine=table["machine"].str.upper(), load=1_024 * table["load"])
    one, two = (errors.scores(read(t), np.full(2, LATER), NONE)[1] for t in (table, stranger))
    times = 1 if method == "variational" else 1_024
    loads = [j for j, stream in enumerate(one.streams) if stream.channel == "load"]
    np.testing.assert_allclose(two.values[:, loads], times * one.values[:, loads], rtol=1e-9)
    np.testing.assert_allclose(two.expected[:, loads], 1_024 * one.expected[:, loads], rtol=1e-9)
    assert np.isfinite(one.values[-1]).all()


def test_forward_errors_come_from_the_window_one_row_before():
    """The row itself moves its backward and reconstruction errors, not what was expected of it."""
    errors = errors_of(learned("joint"))
    panel = learned("joint").fitted_.contract.read(machines())
    values = panel.values.copy()
    values[100] += 3
    one, two = (
        errors.scores(p, np.full(2, LATER), NONE)[0].expected[100]
        for p in (panel, replace(panel, values=values))
    )
    kinds = [stream.kind for stream in errors.scores(panel, np.full(2, LATER), NONE)[0].streams]
    forward = np.array([kind == "forward" for kind in kinds])
    assert forward.sum() == 2
    np.testing.assert_array_equal(one[forward], two[forward])
    assert (one[~forward] != two[~forward]).all()


def test_the_backward_error_is_that_of_the_row_before_the_window():
    panel = learned("joint").fitted_.contract.read(machines())
    found = errors_of(learned("joint")).scores(panel, np.full(2, LATER), NONE)[0]
    rows = WINDOWED["context"]
    backward = [j for j, stream in enumerate(found.streams) if stream.kind == "backward"]
    values = panel.targets[: panel.offsets[1]]
    expected = np.where(np.isnan(values[rows:]), np.nan, values[:-rows])
    np.testing.assert_array_equal(found.actual[rows:, backward], expected)
    assert np.isnan(found.values[:rows, backward]).all()


def test_surprise_is_the_mean_log_density_over_draws():
    rng = np.random.default_rng(0)
    actual = rng.normal(size=(3, 4, 2))
    actual[1, 2, 0] = np.nan
    made = np.stack([rng.normal(size=(3, 5, 4, 2)), rng.uniform(0.1, 2, size=(3, 5, 4, 2))], axis=-1)
    found, expected = _surprise(actual, made)
    logs = norm.logpdf(actual[:, None], made[..., 0], made[..., 1])
    np.testing.assert_allclose(found, -logs.mean(axis=1))

    def nats(value: float) -> float:
        return -norm.logpdf(value, made[2, :, 1, 1, 0], made[2, :, 1, 1, 1]).mean()

    np.testing.assert_allclose(expected[2, 1, 1], minimize_scalar(nats).x, rtol=1e-5)


@cache
def alone(method: str, wild: bool) -> forecast.Detector:
    table = machines(series=1)
    if wild:
        table.loc[: len(table) // 2 - 20, ["load", "heat"]] *= 50
    return detector_of(method).fit(table)


@pytest.mark.parametrize("method", ["joint", pytest.param("variational", marks=pytest.mark.slow)])
def test_nothing_is_learned_from_the_rows_of_a_block(method):
    """Values of a block, however wild, do not change the network that judges it."""
    tame, wild = ([block.networks[0] for block in errors_of(alone(method, w)).blocks] for w in (False, True))
    assert all((a == b).all() for a, b in zip(tame[0], wild[0], strict=True))
    assert not all((a == b).all() for a, b in zip(tame[1], wild[1], strict=True))


def test_rows_learned_from_are_judged_by_their_block_and_later_rows_by_all():
    detector = learned("joint")
    errors, panel = errors_of(detector), detector.fitted_.contract.read(machines())
    alone = [
        replace(errors, blocks=(replace(block, stop={}),)).scores(panel, np.full(2, LATER), NONE)[0].expected
        for block in errors.blocks
    ]
    found = errors.scores(panel, NONE, NONE)[0].expected
    first, last = (block.stop["m0"] for block in errors.blocks)
    assert 60 < first < last < len(found)
    np.testing.assert_array_equal(found[:first], alone[0][:first])
    np.testing.assert_array_equal(found[first + 1 : last], alone[1][first + 1 : last])
    np.testing.assert_allclose(found[last + 1 :], np.mean(alone, axis=0)[last + 1 :], rtol=1e-9)


@pytest.mark.slow
def test_two_fits_are_equal_and_another_seed_is_not():
    table = machines(series=1)
    again = detector_of("joint").fit(table)
    for block, other in zip(errors_of(again).blocks, errors_of(alone("joint", False)).blocks, strict=True):
        assert all((a == b).all() for a, b in zip(block.networks[0], other.networks[0], strict=True))
    other = detector_of("joint", seed=1, ensemble=2, cell="lstm", bidirectional=True).fit(table)
    networks = [network for block in errors_of(other).blocks for network in block.networks]
    assert len(networks) == 4
    assert all((networks[0][0] != network[0]).any() for network in networks[1:])
    assert "lstm both ways" in str(other.choices_)
    pd.testing.assert_frame_equal(again.score(table), alone("joint", False).score(table), check_exact=True)


def test_arguments():
    detector = forecast.Detector("variational", bidirectional=True)
    assert clone(detector).get_params() == detector.get_params()
    table = early(machines())
    for wrong, named in (
        ({"method": "forecast", "bidirectional": True}, "bidirectional"),
        ({"method": "joint", "context": 0}, "context"),
        ({"method": "joint", "cell": "tru"}, "cell"),
        ({"method": "reconstruction", "units": 0}, "units"),
        ({"method": "reconstruction", "steps": 0}, "steps"),
    ):
        with pytest.raises(ParameterError, match=named):
            detector_of(**wrong).fit(table)
    with pytest.raises(InputError, match="folds"):
        detector_of("joint", folds=1).fit(table)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "forecast"},
        {"units": 5},
        {"units": 4_000},
        {"units": -4},
        {"code": 1},
        {"cell": "lstm"},
        {"bidirectional": True},
        {"bidirectional": 1},
        {"spec": {"rows": 0, "channels": 2, "beyond": 1, "seed": 0}},
        {"spec": {"rows": 10**9, "channels": 2, "beyond": 1, "seed": 0}},
        {"spec": {"rows": 12, "channels": 3, "beyond": 1, "seed": 0}},
        {"spec": {"rows": 12, "channels": 2, "beyond": 7, "seed": 0}},
        {"spec": {"rows": 12, "channels": 2, "beyond": 1, "seed": -1}},
    ],
)
def test_a_file_that_tells_of_another_network_is_refused(change, tmp_path):
    path = tmp_path / "watch.forecast"
    save_detector(learned("joint"), path)
    file = ModelFile(path)
    described = dict(file.description)
    described["errors"] = described["errors"] | {"recipe": described["errors"]["recipe"] | change}
    write_model(path, None, described, file.numbers())
    with pytest.raises(DamagedModelFile):
        forecast.load(path)
