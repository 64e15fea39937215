"""Labelled sequences from a long table: which column is what, rows in order of time, labels as codes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from forecast.data.assembly import build, id_column, series_codes
from forecast.data.columns import Columns
from forecast.data.labels import UNLABELLED, Classes, guess_label, label_column, learn_classes
from forecast.data.names import is_id_name, is_time_name
from forecast.data.numbers import show
from forecast.data.roles import OFF, Asked, is_constant
from forecast.data.sequences import Sequences, offsets_of
from forecast.data.sheet import Choice, Sheet, listed
from forecast.data.table import open_sheet, settle_id, settle_time
from forecast.data.text import Format
from forecast.data.zones import to_zone
from forecast.errors import InputError, ParameterError, TableError


@dataclass(frozen=True)
class LabelColumns:
    """Names of a table's columns by role.

    Args:
        features: Columns of numbers that are read, one channel each.
        time: Column that orders the rows of a sequence; None: they are in order.
        id: Column that tells sequences apart; None: there is one.
        label: Column of labels; None: the table has none.
        groups: Column of what must not be parted in validation (a subject, a machine); None: each sequence by itself.
    """

    features: tuple[str, ...]
    time: str | None = None
    id: str | None = None
    label: str | None = None
    groups: str | None = None


@dataclass(frozen=True, eq=False)
class Labelled:
    """Sequences of a table with their labels.

    Args:
        sequences: The numbers.
        frame: The table's rows, sorted by id and time, with the columns that have a role.
        columns: Which is what.
        labels: A code for each row, -1 where unlabelled.
        classes: What the codes mean; None without a column of labels.
        ids: Id of each sequence; ``(None,)`` for a single one.
        groups: Group of each sequence; None: each by itself.
        choices: What was guessed.
        source: What messages call the table.
        lines: Line in the file of each row, if it was a text file.
    """

    sequences: Sequences
    frame: pd.DataFrame
    columns: LabelColumns
    labels: np.ndarray
    classes: Classes | None
    ids: tuple
    groups: tuple | None
    choices: tuple[Choice, ...]
    source: str
    lines: np.ndarray | None = None

    def of_sequences(self) -> np.ndarray:
        """Return the one label of each sequence, -1 where no row has one.

        Raises:
            TableError: A sequence has two.
        """
        number = self.sequences.number
        found = np.full(len(self.sequences), UNLABELLED, dtype=np.int64)
        given = np.flatnonzero(self.labels >= 0)
        # Backwards, so that the first row of each sequence is written last.
        found[number[given[::-1]]] = self.labels[given[::-1]]
        other = given[self.labels[given] != found[number[given]]]
        if len(other):
            row = int(other[0])
            first = int(given[number[given] == number[row]][0])
            raise TableError(f"{self._two(first, row)} A label for each row is what EventLabeler learns.")
        return found

    def constant(self) -> bool:
        """Tell whether no sequence has two labels, and there are two sequences or more."""
        if len(self.sequences) < 2:
            return False
        try:
            self.of_sequences()
        except TableError:
            return False
        return True

    def _two(self, first: int, second: int) -> str:
        assert self.classes is not None
        lines = "" if self.lines is None else f", lines {self.lines[first]} and {self.lines[second]}"
        who = "" if self.columns.id is None else f" {self.ids[self.sequences.number[second]]!r}"
        one, two = (self.classes.names[self.labels[row]] for row in (first, second))
        return f"{self.source}{lines}: sequence{who} has two labels, {one!r} and {two!r}."


@dataclass(frozen=True)
class Wanted:
    """What the user said about columns: None or empty to guess, ``"none"`` for there is none.

    Args:
        label: Of labels.
        id: That tells sequences apart.
        time: That orders rows.
        features: To read.
        groups: Of what must not be parted; never guessed.
    """

    label: str | None = None
    id: str | None = None
    time: str | None = None
    features: tuple[str, ...] = ()
    groups: str | None = None


def read_labelled(
    source: Any,
    wanted: Wanted | LabelColumns,
    *,
    classes: Classes | None = None,
    date_format: str | None = None,
    **form: Any,
) -> Labelled:
    """Read sequences and labels from a long table.

    Rows are sorted by id and time and then count as one step apart. Columns of numbers are read unless their name is
    that of an id or a time, or they are constant in every sequence.

    Args:
        source: Anything ``read_table`` reads.
        wanted: What the user said; the columns of training, so that nothing is guessed.
        classes: Those of training; None learns them.
        date_format: ``strptime`` format of the time column.
        form: ``delimiter, decimal, encoding, header, lenient`` as in ``read_table``.

    Raises:
        TableError: A column is missing, holds something else, or cannot be guessed.

    Example:
        >>> table = {"id": [7, 7, 8, 8], "x": [1.0, 2.0, 4.0, 3.0], "label": ["up", "up", "down", "down"]}
        >>> found = read_labelled(table, Wanted())
        >>> found.columns.features, found.classes.names, found.of_sequences().tolist()
        (('x',), ('down', 'up'), [1, 0])
    """
    sheet = open_sheet(source, Format(**form), Asked(id=_name(wanted.id), time=_name(wanted.time)))
    guessing = isinstance(wanted, Wanted)
    asked = _asked(sheet, wanted)
    sheet, asked, times = settle_time(sheet, asked, date_format)
    label, choices = _label(sheet, asked, wanted, guessing)
    asked = replace(asked, past_only=() if label is None else (label,))
    sheet, asked = settle_id(sheet, asked, times, None, "error")
    ids = id_column(sheet, asked.id[0]) if asked.id else None
    series = series_codes(ids, len(sheet))
    features = wanted.features
    if not features:
        features, more = _features(sheet, asked, series)
        choices += more
    codes = np.full(len(sheet), UNLABELLED)
    if label is not None:
        classes, codes = _codes(sheet, label, classes)
        sheet = _with(sheet, label, np.where(codes < 0, np.nan, codes))
    else:
        classes = None
    columns = LabelColumns(
        features, asked.time_name or None, asked.id[0] if asked.id else None, label, wanted.groups
    )
    frame, lines = build(
        sheet, _roles(columns), _moments(sheet, asked, times, series), ids, series, duplicates="error"
    )
    return _assembled(sheet, frame, lines, columns, classes, choices)


def _name(name: str | None) -> tuple[str, ...] | None:
    return None if name is None or name == OFF else (name,)


def _asked(sheet: Sheet, wanted: Wanted | LabelColumns) -> Asked:
    """Return what was said as ``read_table`` holds it; every name must be a column, and have one role."""

    def said(name: str | None) -> tuple[str, ...] | None:
        if name is None:
            return None if isinstance(wanted, Wanted) else ()
        return () if name == OFF else (name,)

    label = () if wanted.label in (None, OFF) else (wanted.label,)
    groups = () if wanted.groups is None else (wanted.groups,)
    for names, flag in ((label, "--label"), (groups, "--groups"), (wanted.features, "--features")):
        for name in names:
            sheet.check_name(name, flag)
    if {*label, *groups} & {*wanted.features} or (label and label == groups):
        raise ParameterError(f"{sheet.source}: a column was given two roles; one role only.")
    asked = Asked(said(wanted.time), said(wanted.id), None, wanted.features or None, label or None)
    asked.check(sheet)
    return asked


def _label(
    sheet: Sheet, asked: Asked, wanted: Wanted | LabelColumns, guessing: bool
) -> tuple[str | None, tuple[Choice, ...]]:
    if wanted.label is not None or not guessing:
        return (None if wanted.label in (None, OFF) else wanted.label), ()
    taken = asked.named | ({wanted.groups} if wanted.groups is not None else set())
    name, why = guess_label(sheet, frozenset(taken))
    return name, (Choice("label column", repr(name), "--label", why),)


def _features(sheet: Sheet, asked: Asked, series: np.ndarray) -> tuple[tuple[str, ...], tuple[Choice, ...]]:
    """Return the columns of numbers that tell something about a sequence."""
    free = [name for name in sheet.names if name not in asked.named]
    numeric = [n for n in free if sheet.numbers(n).kind in ("number", "mostly", "boolean")]
    usual = [name for name in numeric if not is_id_name(name) and not is_time_name(name)] or numeric
    several = len(series) > 0 and int(series.max()) > 0
    found = [n for n in usual if not (several and is_constant(sheet, n, series).all())] or usual
    if not found:
        raise TableError(
            f"{sheet.source}: no column of numbers to read; the columns are {listed(sheet.names)}. Name them with "
            "--features."
        )
    choices = [Choice("features", listed(found), "--features", "they are the columns of numbers")]
    left = [name for name in free if name not in found]
    if left:
        why = "they hold no numbers, are constant in every sequence, or are called like an id or a time"
        choices.append(Choice("ignored columns", listed(left), "--features", why))
    return tuple(found), tuple(choices)


def _codes(sheet: Sheet, label: str, classes: Classes | None) -> tuple[Classes, np.ndarray]:
    labels = label_column(sheet, label)
    try:
        return learn_classes(labels) if classes is None else (classes, classes.codes(labels))
    except InputError as error:
        raise TableError(f"{sheet.place(column=label)}: {error}") from error


def _with(sheet: Sheet, name: str, values: np.ndarray) -> Sheet:
    """Return the sheet with other values in a column."""
    columns = sheet.columns | {name: values}
    return Sheet(sheet.source, columns, sheet.lines, sheet.decimal, sheet.escaped, sheet.choices)


def _roles(columns: LabelColumns) -> Columns:
    """Return the roles under which ``build`` types the columns: features may hold truth values."""
    label = () if columns.label is None else (columns.label,)
    groups = () if columns.groups is None else (columns.groups,)
    return Columns(columns.time, columns.id, (), columns.features, label, groups)


def _moments(sheet: Sheet, asked: Asked, times: Any, series: np.ndarray) -> Any:
    return None if times is None else to_zone(sheet, asked.time_name, times, None, series)


def _assembled(
    sheet: Sheet,
    frame: pd.DataFrame,
    lines: np.ndarray | None,
    columns: LabelColumns,
    classes: Classes | None,
    choices: tuple[Choice, ...],
) -> Labelled:
    number, ids = np.zeros(len(frame), dtype=np.int64), (None,)
    if columns.id is not None:
        number, names = pd.factorize(frame[columns.id], sort=False)
        ids = tuple(names.tolist())
    offsets = offsets_of(np.bincount(number, minlength=len(ids)))
    values = frame[list(columns.features)].to_numpy(dtype=np.float64)
    labels = np.full(len(frame), UNLABELLED, dtype=np.int64)
    if columns.label is not None:
        codes = frame[columns.label].to_numpy(dtype=np.float64)
        labels = np.where(np.isnan(codes), UNLABELLED, codes).astype(np.int64)
    groups = None
    if columns.groups is not None:
        groups = tuple(frame[columns.groups].iloc[offsets[:-1]].tolist())
    return Labelled(
        Sequences(values, offsets),
        frame,
        columns,
        labels,
        classes,
        ids,
        groups,
        sheet.choices + choices,
        sheet.source,
        lines,
    )


def require(labelled: Labelled, what: str) -> Labelled:
    """Return a table with labels, or refuse one without.

    Raises:
        TableError: It has no column of labels.
    """
    if labelled.classes is None:
        raise TableError(
            f"{labelled.source}: {what} needs labels, and the table has no column {show('label')}."
        )
    return labelled
