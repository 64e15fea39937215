"""Lay newer rows behind stored ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from forecast.data.panel import Panel, frozen
from forecast.errors import InputError

# Joined series this many times longer than their rows mean a wrong time, not a gap.
MOST_GAPS = 50

# Values and presence of one series' rows.
Rows = tuple[np.ndarray, np.ndarray]


def continued(stored: Panel, given: Panel) -> Panel:
    """Lay the rows of a table behind the stored ones of the same series; a gap between them is missing rows.

    What is known stays as it is: up to a series' last observed target only empty cells are filled. Behind it,
    where columns known ahead may stand already, the given cells count. Rows before the stored ones are passed
    over. Series that only one of the two panels has are kept as they are.

    Args:
        stored: The history.
        given: Newer rows of the same columns and step: those alone, or the whole table.

    Returns:
        A panel whose series begin where the stored ones do, sorted by id.

    Raises:
        InputError: A time lies between the steps of the history; nearly all rows would be missing; or there
            is no time column and the rows do not begin with the stored ones.
    """
    place = {name: k for k, name in enumerate(stored.ids)}
    rows = [_rows_of(stored, k) for k in range(len(stored))]
    shared = [i for i, name in enumerate(given.ids) if name in place]
    begins = _begins(stored, given, [(i, place[given.ids[i]]) for i in shared])
    _check_length(stored, given, [place[given.ids[i]] for i in shared], shared, begins)
    for i, begin in zip(shared, begins, strict=True):
        k = place[given.ids[i]]
        rows[k] = _laid(rows[k], int(stored.ends[k] - stored.offsets[k]), _rows_of(given, i), int(begin))
    fresh = [i for i, name in enumerate(given.ids) if name not in place]
    rows += [_rows_of(given, i) for i in fresh]
    ids = [*stored.ids, *(given.ids[i] for i in fresh)]
    rank = sorted(range(len(ids)), key=ids.__getitem__) if fresh else list(range(len(ids)))
    return replace(
        stored,
        values=frozen(np.concatenate([rows[k][0] for k in rank])),
        present=frozen(np.concatenate([rows[k][1] for k in rank])),
        offsets=frozen(np.cumsum([0, *(len(rows[k][0]) for k in rank)])),
        ids=tuple(ids[k] for k in rank),
        starts=stored.starts.append(given.starts[fresh]).take(rank) if fresh else stored.starts,
        static=pd.concat([stored.static, given.static.iloc[fresh]]).iloc[rank].reset_index(drop=True),
    )


def behind(stored: Panel, given: Panel) -> Panel:
    """Lay a table behind the stored rows of its series where it reaches as far as they do; else it stands alone.

    For networks that carry their state: with the stored rows they go on from the stored states.

    Args:
        stored: The history.
        given: Rows of the same columns and step.
    """
    place = {name: k for k, name in enumerate(stored.ids)}
    pairs = [(i, place[name]) for i, name in enumerate(given.ids) if name in place]
    if not pairs or stored.columns.time is None:
        return given
    own, older = np.array(pairs).T
    ends = stored.times_at(stored.ends)[older]
    if (given.step.positions(given.times_at(given.ends)[own], ends) < 0).any():
        return given
    return continued(stored.select(np.sort(older)), given)


def _rows_of(panel: Panel, i: int) -> Rows:
    return panel.series(i), panel.present[panel.offsets[i] : panel.offsets[i + 1]]


def _laid(old: Rows, known: int, new: Rows, begin: int) -> Rows:
    """Lay rows over older ones from row ``begin`` on; up to row ``known`` only empty cells are filled."""
    new, begin = (new[0][max(-begin, 0) :], new[1][max(-begin, 0) :]), max(begin, 0)
    if not len(new[0]):
        return old
    end = begin + len(new[0])
    longer = max(end - len(old[0]), 0)
    values = np.pad(old[0], ((0, longer), (0, 0)), constant_values=np.nan)
    present = np.pad(old[1], (0, longer))
    there = values[begin:end]
    stays = ~np.isnan(there) & ((np.arange(begin, end) < known)[:, None] | np.isnan(new[0]))
    values[begin:end] = np.where(stays, there, new[0])
    present[begin:end] |= new[1]
    return values, present


def _begins(stored: Panel, given: Panel, pairs: list[tuple[int, int]]) -> np.ndarray:
    """Return the row of a stored series at which each given series begins; negative before it."""
    of_given, of_stored = [i for i, _ in pairs], [k for _, k in pairs]
    found = stored.step.positions(given.starts[of_given], stored.starts[of_stored])
    if np.isnan(found).any():
        i, k = pairs[int(np.argmax(np.isnan(found)))]
        raise InputError(
            f"{_who(given, i)} begins at {given.starts[i]}, between two steps of {stored.step} of the stored "
            f"history, which ends at {_newest(stored, k)}; give rows on its steps."
        )
    if stored.columns.time is None:
        for (i, k), begin in zip(pairs, found.astype(np.int64), strict=True):
            # A table counts its rows from 0; only arrays are known to follow those stored.
            if begin <= 0:
                _check_overlap(stored, given, i, k, int(begin))
    return found.astype(np.int64)


def _check_overlap(stored: Panel, given: Panel, i: int, k: int, begin: int) -> None:
    """Refuse rows without times unless they repeat the stored ones: else where they belong is unknown."""
    old = stored.series(k)[: int(stored.ends[k] - stored.offsets[k])]
    new = given.series(i)[-begin:][: len(old)]
    same = len(new) == len(old) and ((old == new) | np.isnan(old) | np.isnan(new)).all()
    if not same:
        raise InputError(
            "The table has no time column, and its rows do not begin with the stored ones, so where they belong "
            "is unknown; give the whole table from its first row on."
        )


def _check_length(
    stored: Panel, given: Panel, of_stored: list[int], of_given: list[int], begins: np.ndarray
) -> None:
    """Refuse series that would consist of a gap."""
    lengths = stored.lengths[of_stored]
    if np.maximum(lengths, begins + given.lengths[of_given]).sum() <= MOST_GAPS * max(
        stored.rows + given.rows, 1_000
    ):
        return
    n = int(np.argmax(begins - lengths))
    raise InputError(
        f"{_who(given, of_given[n])} begins at {given.starts[of_given[n]]}, {begins[n] - lengths[n]:,} steps behind "
        f"the stored history, which ends at {_newest(stored, of_stored[n])}; correct these times, or fit again."
    )


def _who(panel: Panel, i: int) -> str:
    return f"Series {panel.ids[i]!r}" if panel.columns.id is not None else "The table"


def _newest(panel: Panel, k: int) -> object:
    return panel.time_at(k, int(panel.ends[k]) - 1)
