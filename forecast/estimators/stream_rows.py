"""Rows that come to a stream: whether their times fit, and how they lie over those that wait."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from forecast.data.panel import Panel
from forecast.errors import InputError

# A series that goes on more rows than this behind its newest one has a wrong time, not a gap.
LONGEST_GAP = 50_000


def check_times(given: Panel, expected: pd.Index, begins: np.ndarray) -> None:
    """Refuse times off the steps of a series, and such that nearly all rows would be missing.

    Args:
        given: New rows.
        expected: Time of the row that each of their series expects next.
        begins: Steps from there to the first of the rows given; NaN between two steps.

    Raises:
        InputError: It names series and time.
    """
    wrong = np.flatnonzero(np.isnan(begins) | (begins > LONGEST_GAP))
    if not len(wrong):
        return
    i = int(wrong[0])
    who = f"Series {given.ids[i]!r}" if given.columns.id is not None else "The table"
    if np.isnan(begins[i]):
        raise InputError(
            f"{who} has a row at {given.starts[i]}, between two steps of {given.step} from {expected[i]}; give rows "
            "on its steps."
        )
    raise InputError(
        f"{who} has a row at {given.starts[i]}, {int(begins[i]):,} steps behind {expected[i]}, which comes next; "
        "correct its time, or begin a new stream."
    )


def emptied(panel: Panel, starts: pd.Index) -> Panel:
    """Return a panel of the same series without rows, which begin at other times."""
    none = panel.values[:0], np.zeros(len(panel) + 1, np.int64), panel.present[:0]
    return replace(panel, values=none[0], offsets=none[1], present=none[2], starts=starts)


def laid_over(waiting: np.ndarray, rows: np.ndarray, begin: int) -> np.ndarray:
    """Lay rows over those that wait, from row ``begin`` on; empty cells leave what is there."""
    longer = max(begin + len(rows) - len(waiting), 0)
    found = np.pad(waiting, ((0, longer), (0, 0)), constant_values=np.nan)
    there = found[begin : begin + len(rows)]
    found[begin : begin + len(rows)] = np.where(np.isnan(rows), there, rows)
    return found
