"""Columns: names by role, each with one role only."""

from __future__ import annotations

import dataclasses

import pytest

from forecast.data.columns import Columns
from forecast.errors import ParameterError

ALL = Columns("when", "shop", ("sold", "gone"), ("promo",), ("visits", "rain"), ("town",))


def test_channels_are_targets_then_known_then_past():
    assert ALL.numeric == ("sold", "gone", "promo", "visits", "rain")
    assert ALL.names == ("when", "shop", *ALL.numeric, "town")


def test_roles_name_every_column():
    assert ALL.roles == {
        "when": "time",
        "shop": "id",
        "sold": "target",
        "gone": "target",
        "promo": "known_future",
        "visits": "past_only",
        "rain": "past_only",
        "town": "static",
    }


def test_time_and_id_may_be_absent():
    bare = Columns(None, None, ("sold",))
    assert bare.names == ("sold",) and bare.roles == {"sold": "target"}


@pytest.mark.parametrize(
    "names",
    [
        {"time": "sold"},
        {"id": "when"},
        {"target": ("sold", "sold")},
        {"past_only": ("sold",)},
        {"static": ("promo",), "known_future": ("promo",)},
    ],
)
def test_a_column_has_one_role(names):
    with pytest.raises(ParameterError, match=r"^Column '(sold|when|promo)' was given two roles"):
        Columns(**{"time": "when", "id": "shop", "target": ("sold",)} | names)


@pytest.mark.parametrize("target", ["sold", ["sold"], None])
def test_names_stand_in_a_tuple(target):
    with pytest.raises(ParameterError, match="target must be a tuple of column names; got"):
        Columns("when", None, target)


def test_columns_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ALL.time = "day"  # type: ignore[misc]


def test_many_columns_are_checked_quickly():
    names = tuple(f"x{i}" for i in range(50_000))
    assert len(Columns(None, None, ("y",), past_only=names).names) == 50_001
