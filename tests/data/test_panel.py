"""The panel: every way of taking a part of it equals the same part of the table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.data.gridding import to_panel
from forecast.data.panel import Panel, grid_times
from forecast.data.step import parse_step
from forecast.data.table import read_table
from forecast.errors import ParameterError

ROLES = {
    "time": "when",
    "id": "shop",
    "target": ("sold",),
    "known_future": ("promo",),
    "past_only": ("seen",),
}


def make_panel(frame: pd.DataFrame, step: object = None, **roles: object) -> Panel:
    given = ROLES | {"static": ("none",)} | roles
    return to_panel(read_table(frame, **given), step=step)


@st.composite
def panels(draw: st.DrawFn) -> Panel:
    """Series of other starts and lengths, with gaps, missing cells and blank targets at their ends."""
    name = draw(st.sampled_from(("h", "D", "MS", "B", 1, 3)))
    step = parse_step(name)
    zone = draw(st.sampled_from((None, "Europe/Berlin"))) if step.kind != "integer" else None
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    first = 0 if step.kind == "integer" else pd.Timestamp("2024-03-01", tz=zone)
    parts = []
    for i in range(draw(st.integers(1, 5))):
        n, begin = int(rng.integers(1, 30)), int(rng.integers(0, 20))
        times = step.advance(first, np.arange(begin, begin + n))
        keep = rng.random(n) < 0.8
        keep[0] = True
        sold = np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n))
        sold[n - int(rng.integers(0, n + 1)) :] = np.nan
        part = {
            "shop": f"s{i}",
            "when": times,
            "sold": sold,
            "promo": rng.normal(size=n),
            "seen": rng.normal(size=n),
        }
        parts.append(pd.DataFrame(part)[keep])
    frame = pd.concat(parts, ignore_index=True)
    frame.loc[0, "sold"] = 1.0
    return make_panel(frame, name)


def check_sound(panel: Panel) -> None:
    """What every panel must be."""
    assert panel.offsets[0] == 0 and panel.offsets[-1] == panel.rows == len(panel.present)
    assert (panel.lengths > 0).all()
    assert len(panel) == len(panel.ids) == len(panel.starts) == len(panel.static) == len(panel.lengths)
    for array in (panel.values, panel.present, panel.offsets, panel.ends):
        assert not array.flags.writeable


def same_rows(panel: Panel, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(panel.to_table(), expected.reset_index(drop=True))


@given(panels(), st.integers(0, 10**6))
@settings(max_examples=70, deadline=None, derandomize=True)
def test_before_keeps_exactly_the_rows_before_the_cutoff(panel, seed):
    table = panel.to_table()
    rng = np.random.default_rng(seed)
    cutoff = table["when"].iloc[int(rng.integers(len(table)))]
    if panel.step.kind != "integer":
        cutoff += pd.Timedelta(int(rng.integers(-1, 2)), "min")
    expected = table[table["when"] < cutoff]
    if not len(expected):
        with pytest.raises(ParameterError, match="No row lies before the cutoff"):
            panel.before(cutoff)
        return
    kept = panel.before(cutoff)
    check_sound(kept)
    same_rows(kept, expected)
    assert (kept.times() < cutoff).all()


@given(panels(), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_cut_select_and_tail_equal_a_loop_over_series(panel, seed):
    rng = np.random.default_rng(seed)
    ends = panel.offsets[:-1] + rng.integers(0, panel.lengths + 3)
    ends[int(rng.integers(len(panel)))] += 1
    cut = panel.cut(ends)
    kept = [i for i in range(len(panel)) if ends[i] > panel.offsets[i]]
    check_parts(cut, panel, [(i, panel.offsets[i], min(ends[i], panel.offsets[i + 1])) for i in kept])
    which = rng.permutation(len(panel))[: int(rng.integers(1, len(panel) + 1))]
    check_parts(panel.select(which), panel, [(i, panel.offsets[i], panel.offsets[i + 1]) for i in which])
    rows = int(rng.integers(1, 12))
    begins = [max(panel.ends[i] - rows, panel.offsets[i]) for i in range(len(panel))]
    check_parts(panel.tail(rows), panel, [(i, begins[i], panel.offsets[i + 1]) for i in range(len(panel))])


def check_parts(part: Panel, panel: Panel, spans: list[tuple[int, int, int]]) -> None:
    check_sound(part)
    assert part.ids == tuple(panel.ids[i] for i, _, _ in spans)
    for k, (i, begin, end) in enumerate(spans):
        np.testing.assert_array_equal(part.series(k), panel.values[begin:end])
        own = slice(part.offsets[k], part.offsets[k + 1])
        np.testing.assert_array_equal(part.present[own], panel.present[begin:end])
        assert part.starts[k] == panel.time_at(i, begin)
        assert part.times()[own].tolist() == panel.times()[begin:end].tolist()


@given(panels(), st.integers(-5, 40))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_times_at_continue_every_series(panel, ahead):
    times = panel.times_at(panel.ends + ahead)
    assert times.tolist() == [panel.time_at(i, int(end) + ahead) for i, end in enumerate(panel.ends)]
    assert times.tolist() == [
        panel.step.shift(start, int(end + ahead - begin))
        for start, end, begin in zip(panel.starts, panel.ends, panel.offsets[:-1], strict=True)
    ]
    whole = grid_times(panel.step, panel.starts, panel.lengths)
    each = [t for i in range(len(panel)) for t in panel.step.times(panel.starts[i], int(panel.lengths[i]))]
    assert whole.tolist() == each == panel.times().tolist()


@given(panels())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_ends_lie_behind_the_last_observed_target(panel):
    for i, (begin, stop) in enumerate(zip(panel.offsets, panel.offsets[1:])):
        observed = [r for r in range(begin, stop) if not np.isnan(panel.targets[r]).all()]
        assert panel.ends[i] == (observed[-1] + 1 if observed else begin)


# ---------------------------------------------------------------- by hand


def two() -> pd.DataFrame:
    """Shop b begins two days later; three days of promotions are known ahead; b has a gap."""
    a = pd.DataFrame(
        {
            "shop": "a",
            "when": pd.date_range("2024-01-01", periods=6),
            "sold": [1.0, 2, 3, np.nan, np.nan, np.nan],
        }
    )
    b = pd.DataFrame(
        {
            "shop": "b",
            "when": pd.date_range("2024-01-03", periods=6),
            "sold": [7.0, 8, 9, np.nan, np.nan, np.nan],
        }
    )
    return pd.concat([a, b.drop(index=1)], ignore_index=True).assign(promo=1.0, seen=0.5)


def test_blank_targets_at_the_end_are_the_future():
    panel = make_panel(two())
    assert panel.ends.tolist() == [3, 9] and panel.offsets.tolist() == [0, 6, 12]
    assert panel.times_at(panel.ends).strftime("%d").tolist() == ["04", "06"]
    assert panel.cut(panel.ends).to_table()["sold"].tolist() == [1, 2, 3, 7, 9]


def test_several_targets_end_where_none_is_observed():
    frame = two().assign(other=np.nan)
    frame.loc[4, "other"] = 5.0
    panel = make_panel(frame, target=("sold", "other"), known_future=("promo",))
    assert panel.ends.tolist() == [5, 9]
    assert panel.targets.shape == (12, 2)


def test_tail_keeps_history_and_future():
    tail = make_panel(two()).tail(1)
    assert tail.to_table()["when"].dt.strftime("%d").tolist() == [
        "03",
        "04",
        "05",
        "06",
        "05",
        "06",
        "07",
        "08",
    ]
    assert tail.ends.tolist() == [1, 5]
    with pytest.raises(ParameterError, match="rows must be at least 1; got 0"):
        make_panel(two()).tail(0)


def test_tail_keeps_a_series_that_was_never_observed():
    frame = two()
    frame.loc[frame["shop"] == "b", "sold"] = np.nan
    panel = make_panel(frame)
    assert panel.tail(1).lengths.tolist() == [4, 6]
    check_sound(panel.tail(1))


def test_static_columns_follow_their_series():
    frame = two().assign(town=["Ulm"] * 6 + ["Bonn"] * 5, area=[1.5] * 6 + [2.5] * 5)
    panel = make_panel(frame, static=("town", "area"))
    turned = panel.select(np.array([1, 0]))
    assert turned.static["town"].tolist() == ["Bonn", "Ulm"] and turned.static["area"].tolist() == [2.5, 1.5]
    late = panel.before("2024-01-03")
    assert late.ids == ("a",) and late.static["town"].tolist() == ["Ulm"]
    assert turned.to_table()["town"].tolist() == ["Bonn"] * 5 + ["Ulm"] * 6


def test_selecting_nothing_and_selecting_twice():
    panel = make_panel(two())
    assert panel.select(np.array([0, 0])).ids == ("a", "a")
    assert len(panel.select(np.array([], dtype=int))) == 0


def test_cutting_one_series_copies_nothing():
    panel = make_panel(two()[lambda t: t["shop"] == "a"].drop(columns="shop"), id="none")
    cut = panel.cut(panel.ends)
    assert np.shares_memory(cut.values, panel.values) and cut.rows == 3
    check_sound(cut)


def test_cutting_everything_away_is_refused():
    panel = make_panel(two())
    with pytest.raises(ParameterError, match="No row of any series lies before the cut"):
        panel.cut(panel.offsets[:-1])


# ---------------------------------------------------------------- cutoffs


@pytest.mark.parametrize(
    "cutoff", ["2024-01-04", pd.Timestamp("2024-01-04"), np.datetime64("2024-01-04"), "4 Jan 2024"]
)
def test_cutoffs_are_read(cutoff):
    kept = make_panel(two()).before(cutoff)
    assert kept.to_table()["sold"].tolist() == [1, 2, 3, 7]


def zoned(zone: str = "Europe/Berlin") -> Panel:
    when = pd.date_range("2024-03-30 20:00", periods=12, freq="h", tz=zone)
    frame = pd.DataFrame({"when": when, "sold": np.arange(12.0)})
    return make_panel(frame, id="none", known_future=("none",), past_only=("none",))


@pytest.mark.parametrize(
    ("cutoff", "rows"),
    [
        ("2024-03-31 00:00", 4),
        ("2024-03-31 00:00Z", 5),
        ("2024-03-30 19:00-04:00", 4),
        (pd.Timestamp("2024-03-31 00:00", tz="Asia/Kolkata"), None),
        ("2024-03-31 02:30", 6),  # hidden: three o'clock is meant
        ("2024-03-31 03:00", 6),
        ("2024-03-31 03:30", 7),
    ],
)
def test_cutoffs_without_a_zone_are_local_and_others_absolute(cutoff, rows):
    if rows is None:
        with pytest.raises(ParameterError, match="No row lies before the cutoff"):
            zoned().before(cutoff)
    else:
        assert zoned().before(cutoff).rows == rows


def test_a_cutoff_in_the_hour_that_comes_twice_is_the_first():
    when = pd.date_range("2024-10-27 00:00", periods=6, freq="h", tz="Europe/Berlin")
    panel = make_panel(
        pd.DataFrame({"when": when, "sold": 1.0}), id="none", known_future=("none",), past_only=("none",)
    )
    assert panel.before("2024-10-27 02:00").rows == 2


def test_a_cutoff_with_a_zone_needs_times_with_one():
    with pytest.raises(
        ParameterError, match=r"has a time zone and the table's times have none; give it without one"
    ):
        make_panel(two()).before("2024-01-04 00:00Z")


@pytest.mark.parametrize("cutoff", ["tomorrow-ish", 5, 5.5, None, float("nan"), pd.NaT, "2024-13-01", [1]])
def test_a_cutoff_that_is_no_time_is_one_line(cutoff):
    with pytest.raises(ParameterError, match=r"is no time; give one such as 2024-01-31") as refusal:
        make_panel(two()).before(cutoff)
    assert "\n" not in str(refusal.value)


def test_cutoffs_of_integer_times_are_numbers():
    frame = pd.DataFrame({"when": [0, 10, 20], "sold": [1.0, 2.0, 3.0]})
    panel = make_panel(frame, id="none", known_future=("none",), past_only=("none",))
    assert (
        panel.before(10).rows == 1 and panel.before(10.5).rows == 2 and panel.before(np.int64(99)).rows == 3
    )
    for cutoff in ("10", pd.Timestamp("2024-01-01"), True, None):
        with pytest.raises(ParameterError, match="must be a number"):
            panel.before(cutoff)
