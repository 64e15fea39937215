"""Labels: which column holds them, what its cells are, and codes for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from forecast.data.escaping import unescape
from forecast.data.guess import codes_of
from forecast.data.names import is_id_name, is_time_name, plain
from forecast.data.sheet import Sheet, listed
from forecast.errors import InputError, TableError, closest

LABEL_NAMES = (
    *("label", "labels", "class", "classes", "target", "category", "activity", "state", "event", "y"),
    *("species", "phase", "outcome", "diagnosis", "is_anomaly", "anomaly"),
)
UNLABELLED = -1
MOST_CLASSES = 10_000
# A column whose values are nearly all different tells rows apart; it names no classes.
MOST_GUESSED = 100


@dataclass(frozen=True)
class Classes:
    """The labels that training knew, in order: all text, all whole numbers, or False and True.

    Example:
        >>> classes, codes = learn_classes(["run", None, "walk", "run"])
        >>> classes.names, codes.tolist()
        (('run', 'walk'), [0, -1, 1, 0])
        >>> classes.codes(["walk", "swim"])
        Traceback (most recent call last):
        forecast.errors.InputError: Label 'swim' was not among the classes of training: 'run', 'walk'.
    """

    names: tuple[Any, ...]

    def __len__(self) -> int:
        """Number of classes."""
        return len(self.names)

    def codes(self, labels: Any) -> np.ndarray:
        """Return the number of each label's class, -1 for a missing label.

        Raises:
            InputError: A label was not among those of training.
        """
        found = [_cell(label) for label in _listed(labels)]
        place = {name: number for number, name in enumerate(self.names)}
        for label in found:
            if label is not None and (label not in place or isinstance(label, bool) != self.boolean):
                raise InputError(self._unknown(label))
        return np.array([UNLABELLED if label is None else place[label] for label in found], dtype=np.int64)

    @property
    def boolean(self) -> bool:
        """Whether the classes are False and True."""
        return all(isinstance(name, bool) for name in self.names)

    def array(self) -> np.ndarray:
        """Return the names as NumPy would hold them: text as objects."""
        kind = bool if self.boolean else np.int64 if isinstance(self.names[0], int) else object
        return np.array(self.names, dtype=kind)

    def labels(self, codes: np.ndarray) -> np.ndarray:
        """Return the labels of codes."""
        return self.array()[codes]

    def _unknown(self, label: Any) -> str:
        hint = closest(label, tuple(str(name) for name in self.names)) if isinstance(label, str) else ""
        return f"Label {label!r} was not among the classes of training: {listed(list(self.names))}.{hint}"


def learn_classes(labels: Any) -> tuple[Classes, np.ndarray]:
    """Return the classes among labels, sorted, and the code of each label.

    Args:
        labels: Text, whole numbers or truth values; None, NaN and an empty text are missing.

    Raises:
        InputError: They are of different kinds, hold fractions, or there is none.
    """
    found = [_cell(label) for label in _listed(labels)]
    distinct = {type(label): label for label in found if label is not None}
    if not distinct:
        raise InputError("No label was given: every one is missing.")
    if len(distinct) > 1:
        raise InputError(f"Labels are of different kinds: {listed(list(distinct.values()))}; use one kind.")
    names = tuple(sorted({label for label in found if label is not None}))
    if len(names) > MOST_CLASSES:
        raise InputError(f"There are {len(names):,} different labels; at most {MOST_CLASSES:,} are classes.")
    classes = Classes(names)
    return classes, classes.codes(found)


def _listed(labels: Any) -> list[Any]:
    return labels.tolist() if isinstance(labels, np.ndarray | pd.Series | pd.Index) else list(labels)


def _cell(label: Any) -> Any:
    """Return a label as text, int or bool, None if it is missing."""
    label = label.item() if isinstance(label, np.generic) else label
    if label is None or label is pd.NA or (isinstance(label, str) and label == "") or label != label:
        return None
    if isinstance(label, float):
        if not label.is_integer():
            raise InputError(
                f"Label {label!r} is a fraction, as of a continuous quantity; labels are text, whole numbers or truth "
                "values."
            )
        return int(label)
    return label if isinstance(label, str | int | bool) else str(label)


def label_column(sheet: Sheet, name: str) -> list[Any]:
    """Return the labels in a column: whole numbers or truth values if all cells are, text otherwise.

    Raises:
        TableError: The column holds fractions.
    """
    column = sheet.columns[name]
    if isinstance(column, pd.DatetimeIndex):
        raise TableError(
            f"{sheet.place(column=name)}: it holds times; labels are text, whole numbers or truth values."
        )
    read = sheet.numbers(name)
    missing = np.isnan(read.values)
    if read.kind in ("number", "boolean"):
        if not read.whole:
            row = int(np.argmax(np.where(missing, 0.0, read.values) % 1 != 0))
            raise TableError(
                f"{sheet.said(row, name)} is a fraction; labels are text, whole numbers or truth values."
            )
        kind: Any = bool if read.kind == "boolean" else int
        return [None if gone else kind(value) for gone, value in zip(missing, read.values, strict=True)]
    clean = unescape if sheet.escaped else str
    # Other words for "missing" are labels here: "none" and "-" may well name a class.
    return [None if not str(cell).strip() else clean(str(cell)) for cell in column]


def guess_label(sheet: Sheet, taken: frozenset[str]) -> tuple[str, str]:
    """Return the column of labels and the reason.

    Args:
        sheet: The raw table.
        taken: Columns that have another role.

    Raises:
        TableError: No column, or more than one, may hold labels.
    """
    free = [name for name in sheet.names if name not in taken and _may_be_label(sheet, name)]
    usual = [name for word in LABEL_NAMES for name in free if plain(name) == word]
    if usual:
        return usual[0], "of its name"
    free = [name for name in free if 2 * _distinct(sheet, name) <= len(sheet)]
    words = [n for n in free if not _is_number(sheet, n) and not is_id_name(n) and not is_time_name(n)]
    if len(words) == 1:
        return words[0], "it is the one column of few words"
    found = f"{listed(words)} could" if words else "none of few words or whole numbers has a usual name"
    raise TableError(
        f"{sheet.source}: which column holds the labels? {found}; the columns are {listed(sheet.names)}. "
        "Name it with --label."
    )


def _may_be_label(sheet: Sheet, name: str) -> bool:
    column = sheet.columns[name]
    if isinstance(column, pd.DatetimeIndex):
        return False
    read = sheet.numbers(name)
    if read.kind == "number" and not read.whole:
        return False
    distinct = _distinct(sheet, name)
    # Numbers that hardly repeat measure something, whatever they are called.
    repeated = not _is_number(sheet, name) or 2 * distinct <= len(sheet)
    return 2 <= distinct <= MOST_GUESSED and repeated


def _distinct(sheet: Sheet, name: str) -> int:
    return int(codes_of(sheet, name).max(initial=-1)) + 1


def _is_number(sheet: Sheet, name: str) -> bool:
    return sheet.numbers(name).kind in ("number", "mostly", "empty")
