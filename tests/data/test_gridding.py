"""Table to panel and back: nothing lost, nothing invented, and every refusal names its row."""

from __future__ import annotations

import io
import warnings
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.data.gridding import infer, step_choice, to_panel
from forecast.data.step import Step, parse_step
from forecast.data.table import Table, read_table
from forecast.errors import InputError, TableError

STEPS = ("15min", "h", "7h", "D", "2D", "W", "B", "MS", "ME", "M-15", "QE", "YS", 1, 5)
ZONES = (None, "UTC", "Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Asia/Kolkata")
IDS = ("007", "7", "NA", "Zürich", " b", "a,b", "x" * 40, "é", "-1")
ROLES = {
    "time": "when",
    "id": "which shop",
    "target": ("sold", "gone"),
    "known_future": ("promo",),
    "past_only": ("visits",),
    "static": ("town", "area"),
}


@st.composite
def frames(draw: st.DrawFn) -> tuple[pd.DataFrame, dict, str | int]:
    """A tidy frame in the order of ``read_table``, its roles and its step."""
    name = draw(st.sampled_from(STEPS))
    step = parse_step(name)
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    numeric = draw(st.booleans())
    ids = sorted(
        draw(st.sets(st.integers(-5, 99) if numeric else st.sampled_from(IDS), min_size=1, max_size=5))
    )
    zone, one = draw(st.sampled_from(ZONES)), draw(st.booleans()) and len(ids) == 1
    parts = []
    for shop in ids:
        times = _times(rng, step, zone, int(rng.integers(1, 40)))
        n = len(times)
        part = {"when": times, "which shop": [shop] * n}
        for column in ("sold", "gone", "promo", "visits"):
            values = rng.normal(size=n) * 10 ** float(rng.integers(-3, 9))
            part[column] = np.where(rng.random(n) < 0.2, np.nan, values)
        if rng.random() < 0.5:
            part["sold"][n // 2 :] = part["gone"][n // 2 :] = np.nan
        part["town"], part["area"] = [rng.choice(["Ulm", "Bonn"])] * n, float(rng.integers(1, 9)) * 2.5
        parts.append(pd.DataFrame(part))
    frame = pd.concat(parts, ignore_index=True)
    roles = dict(ROLES)
    if one:
        frame, roles = (
            frame.drop(columns=["which shop", "town", "area"]),
            roles | {"id": "none", "static": ("none",)},
        )
    return frame, roles, name


def _times(rng: np.random.Generator, step: Step, zone: str | None, n: int) -> pd.Index:
    if step.kind == "integer":
        times = step.times(int(rng.integers(-100, 100)) * step.count, n)
    else:
        day = pd.Timestamp("2017-09-01") + pd.Timedelta(int(rng.integers(0, 400)), "D")
        if step.kind == "month":
            day = day + pd.offsets.MonthBegin(0)
            day += pd.Timedelta(min(step.day, day.days_in_month) - 1, "D")
        if step.kind == "business":
            day = day + pd.offsets.BDay(0)
        zoned = (
            day
            if zone is None
            else day.tz_localize(ZoneInfo(zone), nonexistent="shift_forward", ambiguous=True)
        )
        times = step.times(zoned, n)
    keep = rng.random(n) < rng.choice([0.5, 0.9, 1.0])
    keep[0] = True
    return times[keep]


def check_round_trip(given: tuple[pd.DataFrame, dict, str | int], seed: int) -> None:
    frame, roles, name = given
    shuffled = frame.sample(frac=1.0, random_state=seed)
    untouched = shuffled.copy(deep=True)
    table = read_table(shuffled, **roles)
    panel = to_panel(table, step=name)
    back = panel.to_table()
    pd.testing.assert_frame_equal(back, table.frame)
    expected = frame.astype({"which shop": object, "town": object} if "town" in frame else {})
    if "which shop" in frame and pd.api.types.is_integer_dtype(frame["which shop"].dtype):
        expected["which shop"] = expected["which shop"].astype(np.int64)
    pd.testing.assert_frame_equal(back[frame.columns], expected, check_index_type=False)
    pd.testing.assert_frame_equal(shuffled, untouched)
    # Every grid row is a row of the table or wholly missing, and the first and last are rows of the table.
    assert panel.present.sum() == len(frame)
    assert np.isnan(panel.values[~panel.present]).all()
    assert panel.present[panel.offsets[:-1]].all() and panel.present[panel.offsets[1:] - 1].all()
    again = to_panel(read_table(frame, **roles), step=name)
    np.testing.assert_array_equal(again.values, panel.values)
    np.testing.assert_array_equal(again.offsets, panel.offsets)
    assert again.ids == panel.ids and again.starts.equals(panel.starts)


@given(frames(), st.integers(0, 1_000))
@settings(max_examples=70, deadline=None, derandomize=True)
def test_a_table_survives_the_panel(given, seed):
    check_round_trip(given, seed)


@pytest.mark.fuzz
@given(frames(), st.integers(0, 1_000))
@settings(max_examples=2_000, deadline=None)
def test_a_table_survives_the_panel_at_length(given, seed):
    check_round_trip(given, seed)


def small(**columns: object) -> pd.DataFrame:
    return pd.DataFrame(
        {"when": ["2024-01-01", "2024-01-02", "2024-01-04"], "sold": [1.0, 2.0, 4.0], **columns}
    )


def panel_of(frame: pd.DataFrame, step=None, snapped=False, **roles):
    given = {"time": "when", "target": ("sold",), "known_future": ("none",), "past_only": ("none",)} | roles
    return to_panel(read_table(frame, **given), step=step, snapped=snapped)


def test_a_missing_row_is_a_gap_and_not_a_row():
    panel = panel_of(small())
    np.testing.assert_array_equal(panel.values[:, 0], [1, 2, np.nan, 4])
    assert panel.present.tolist() == [True, True, False, True]
    assert panel.times().strftime("%d").tolist() == ["01", "02", "03", "04"]
    assert len(panel.to_table()) == 3


def test_a_missing_cell_is_not_a_gap():
    panel = panel_of(small(sold=[1.0, np.nan, 4.0]))
    assert panel.present.tolist() == [True, True, False, True]
    assert len(panel.to_table()) == 3


def test_channels_stand_in_the_order_of_roles():
    frame = small(b=[5.0, 6.0, 7.0], a=[8.0, 9.0, 10.0], z=[11.0, 12.0, 13.0])
    panel = panel_of(frame, known_future=("z",), past_only=("a", "b"))
    assert panel.columns.numeric == ("sold", "z", "a", "b")
    np.testing.assert_array_equal(panel.values[0], [1, 11, 8, 5])


def test_rows_in_falling_order_are_read_as_well():
    frame = small()
    down = panel_of(frame.iloc[::-1])
    np.testing.assert_array_equal(down.values, panel_of(frame).values)
    assert str(down.step) == "D"


def test_a_table_without_times_counts_its_rows_in_each_series():
    frame = pd.DataFrame({"shop": ["b", "a", "b", "a", "b"], "sold": [1.0, 2, 3, 4, 5]})
    panel = panel_of(frame, time="none", id="shop")
    assert panel.ids == ("a", "b") and panel.starts.tolist() == [0, 0]
    assert panel.values[:, 0].tolist() == [2, 4, 1, 3, 5]
    assert panel.times().tolist() == [0, 1, 0, 1, 2]
    assert panel.to_table().columns.tolist() == ["shop", "sold"]


def test_series_of_one_row_lie_beside_others():
    frame = pd.DataFrame(
        {"when": ["2024-01-01", "2024-01-03", "2024-01-01"], "shop": ["a", "a", "b"], "sold": [1.0, 2, 3]}
    )
    panel = panel_of(frame, id="shop", step="D")
    assert panel.lengths.tolist() == [3, 1]


def test_series_with_other_phases_keep_them():
    when = pd.date_range("2024-01-01", periods=4, freq="h")
    frame = pd.DataFrame(
        {"when": [*when, *(when + pd.Timedelta("30min"))], "shop": [1] * 4 + [2] * 4, "sold": 1.0}
    )
    panel = panel_of(frame, id="shop")
    assert str(panel.step) == "h" and panel.lengths.tolist() == [4, 4] and panel.present.all()
    assert panel.starts.minute.tolist() == [0, 30]


def test_the_panel_shares_no_memory_with_table_or_caller():
    frame = pd.DataFrame({"when": np.arange(5), "sold": np.arange(5.0), "seen": np.arange(5.0)})
    table = read_table(frame, time="when", target=("sold",), past_only=("seen",))
    panel = to_panel(table)
    before = panel.values.copy()
    for shared in (frame, table.frame):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pandas 2 warns where it would write through a view
            shared.loc[:, "sold"] = -1.0
            for column in ("sold", "seen"):
                cells = shared[column].to_numpy()
                if cells.flags.writeable:
                    cells[:] = -1.0
    np.testing.assert_array_equal(panel.values, before)
    assert not np.shares_memory(panel.values, table.frame["seen"].to_numpy())


def test_values_are_read_only():
    panel = panel_of(small())
    for array in (panel.values, panel.offsets, panel.present, panel.ends, panel.targets, panel.series(0)):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


# ---------------------------------------------------------------- the step


def test_a_given_step_may_be_finer_than_the_rows():
    assert panel_of(small(), step="12h").lengths.tolist() == [7]
    assert panel_of(small(), step=Step("day", 1)).lengths.tolist() == [4]


@pytest.mark.parametrize(("times", "step"), [(["2024-01-01", "2024-01-02"], 1), ([1, 2], "D")])
def test_a_step_of_the_other_kind_is_refused(times, step):
    with pytest.raises(TableError, match=r"Step .* does not suit a time column of .*--step"):
        panel_of(pd.DataFrame({"when": times, "sold": [1.0, 2.0]}), step=step)


def test_one_row_needs_a_step():
    frame = small().iloc[:1]
    with pytest.raises(
        TableError, match=r"the table, column 'when': .*fewer than two different times.*--step"
    ):
        panel_of(frame)
    assert panel_of(frame, step="D").rows == 1


def test_the_choice_names_the_step_in_words():
    assert step_choice(parse_step("MS")).value == "MS (monthly)"
    assert step_choice(infer(read_table(small(), time="when", target=("sold",)))).value == "D (daily)"


# ---------------------------------------------------------------- refusals


def hourly(n: int = 100, shop: str | None = None) -> pd.DataFrame:
    frame = pd.DataFrame({"when": pd.date_range("2024-01-01", periods=n, freq="h"), "sold": 1.0})
    return frame if shop is None else frame.assign(shop=shop)


def test_a_row_between_two_steps_is_named_by_line_and_time():
    frame = hourly()
    frame.loc[41, "when"] += pd.Timedelta("7min")
    text = io.StringIO(frame.to_csv(index=False))
    with pytest.raises(
        TableError, match=r"line 43: time 2024-01-02 17:07:00 lies between two steps of h"
    ) as refusal:
        to_panel(read_table(text))
    assert (
        "--step" in str(refusal.value) and "--snap" in str(refusal.value) and "\n" not in str(refusal.value)
    )


def test_a_row_between_two_steps_is_named_by_series():
    frame = pd.concat([hourly(shop="a"), hourly(shop="b")], ignore_index=True)
    frame.loc[150, "when"] += pd.Timedelta("7min")
    with pytest.raises(TableError, match=r"the table, series 'b': time 2024-01-03 02:07:00 lies between"):
        panel_of(frame, id="shop")
    numbers = frame.assign(shop=frame["shop"].map({"a": 1, "b": 2}))
    with pytest.raises(TableError, match="series 2: time"):
        panel_of(numbers, id="shop")


def test_a_first_row_that_is_odd_is_named_itself():
    frame = hourly()
    frame.loc[0, "when"] -= pd.Timedelta("7min")
    with pytest.raises(TableError, match="time 2023-12-31 23:53:00 lies between"):
        panel_of(frame)


def test_two_rows_that_snap_to_one_step_are_refused():
    frame = hourly(20)
    frame.loc[5, "when"] -= pd.Timedelta("50min")
    with pytest.raises(TableError, match="two rows fall on the same step 2024-01-01 04:00:00 of h"):
        panel_of(frame, step="h", snapped=True)


def test_jitter_is_refused_with_the_way_out_and_taken_with_it():
    off = pd.to_timedelta(np.random.default_rng(0).integers(-300, 300, 100), unit="s")
    frame = hourly()
    frame["when"] += off
    with pytest.raises(TableError, match=r"the table, column 'when': No step fits .*--snap"):
        panel_of(frame)
    with pytest.raises(TableError, match=r"lies between two steps of h.*--snap"):
        panel_of(frame, step="h")
    for step in (None, "h"):
        panel = panel_of(frame, step=step, snapped=True)
        assert str(panel.step) == "h"
        assert (panel.times() == hourly()["when"]).all()


def test_a_snapped_table_is_not_told_to_snap():
    frame = pd.DataFrame({"when": ["2024-01-01", "2024-01-03", "2024-01-06"], "sold": 1.0})
    with pytest.raises(TableError, match=r"time 2024-01-06 .*lies between two steps of B") as refusal:
        panel_of(frame, step="B", snapped=True)
    assert "--snap" not in str(refusal.value)


def test_days_of_a_local_clock_told_in_utc_hint_at_the_time_zone():
    frame = pd.DataFrame(
        {"when": pd.date_range("2024-01-01", periods=300, freq="D", tz="Europe/Berlin"), "sold": 1.0}
    )
    frame["when"] = frame["when"].dt.tz_convert("UTC")
    with pytest.raises(TableError, match=r"2024-03-31 22:00:00.* lies between two steps of 24h .*--timezone"):
        panel_of(frame)
    assert str(panel_of_zone(frame).step) == "D"


def panel_of_zone(frame: pd.DataFrame):
    table = read_table(frame, time="when", target=("sold",), timezone="Europe/Berlin")
    return to_panel(table)


def test_a_time_far_from_all_others_is_refused_instead_of_filling_memory():
    frame = hourly(1_000)
    frame.loc[999, "when"] = pd.Timestamp("2204-01-01")
    with pytest.raises(TableError, match=r"longest gap is from 2024-02-11 14:00:00 to 2204-01-01 00:00:00"):
        panel_of(frame)
    numbers = pd.DataFrame({"when": [1, 2, 3, 2**61], "sold": 1.0})
    with pytest.raises(TableError, match="nearly all of them missing"):
        panel_of(numbers)
    with pytest.raises(InputError, match="too far apart"):
        panel_of(pd.DataFrame({"when": [-(2**62), 2**62, 2**62 + 1], "sold": 1.0}))


def test_any_table_object_will_do():
    frame = pd.DataFrame({"t": [3, 4, 6], "y": [1.0, 2.0, 3.0]})
    table = read_table(frame, time="t", target=("y",))
    bare = Table(frame, table.columns, (), "mine", None)
    assert to_panel(bare).lengths.tolist() == [4]
