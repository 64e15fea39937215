"""Usual column names, and what they say about a column's part."""

from __future__ import annotations

import re


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


STEP_NAMES = frozenset(
    _words("t step steps index idx period time time_step timestep tick obs cycle time_idx")
)
DATE_NAMES = frozenset(_words("date datetime date_time timestamp time_stamp ds day datum time dt"))
TIME_NAMES = STEP_NAMES | DATE_NAMES | set(_words("month year week quarter hour minute yearmonth year_month"))
TARGET_NAMES = _words(  # the first of them that occurs is the target
    "y target value values sales unit_sales units_sold demand load consumption total_load count cnt ot "
    "quantity qty volume revenue turnover orders passengers traffic flow power usage energy price close "
    "amount total"
)
_ID_WORDS = frozenset(
    _words(
        "id ids uid uuid series unique_id item store shop product sku key name code group entity unit "
        "region country county city state province location site station sensor device meter machine "
        "customer client user household ticker symbol stock asset account category department dept family "
        "plant zone area district node channel tag brand warehouse market currency school hospital vehicle "
        "line route building room branch article"
    )
)
_ID_ENDS = ("_id", "_ids", "_key", "_name", "_code", "_nbr", "_no", "_number")


def plain(name: str) -> str:
    """Return a column name in lower case with ``_`` for anything that is no letter or digit.

    Example:
        >>> plain(" Time Stamp"), plain("unitsSold"), plain("OT")
        ('time_stamp', 'units_sold', 'ot')
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def is_time_name(name: str) -> bool:
    """Tell whether a column of that name usually holds times."""
    return plain(name) in TIME_NAMES


def is_id_name(name: str) -> bool:
    """Tell whether a column of that name usually tells series apart.

    Example:
        >>> is_id_name("Store"), is_id_name("item_id"), is_id_name("sales")
        (True, True, False)
    """
    word = plain(name)
    return word in _ID_WORDS or word.endswith(_ID_ENDS)


def is_text_by_name(name: str) -> bool:
    """Tell whether a column must be kept as written, because it may hold ids or times."""
    return is_time_name(name) or is_id_name(name)


def target_rank(name: str) -> int | None:
    """Return the place of a name among the usual names of targets, or None."""
    word = plain(name)
    return TARGET_NAMES.index(word) if word in TARGET_NAMES else None
