"""Sequences to learn from, with the class of each one or of each row, and who belongs together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from forecast.data.labelled import Labelled, require
from forecast.data.labels import Classes, learn_classes
from forecast.data.sequences import Sequences, offsets_of, sequences_of
from forecast.errors import InputError, ParameterError


@dataclass(frozen=True, eq=False)
class Examples:
    """What a classifier or a labeler learns from, or is judged by.

    Args:
        sequences: The numbers.
        codes: Class of each sequence ``(sequences,)``, or of each row ``(rows,)``; -1 where unlabelled.
        classes: What the codes mean.
        groups: Number of the group of each sequence: those of one group are never parted.
        by_row: Whether rows are labelled.
    """

    sequences: Sequences
    codes: np.ndarray
    classes: Classes
    groups: np.ndarray
    by_row: bool

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self.sequences)

    def take(self, which: Any) -> Examples:
        """Keep only the sequences with these numbers."""
        which = np.asarray(which, dtype=np.int64)
        rows = self.sequences.rows_of(which) if self.by_row else which
        return replace(
            self, sequences=self.sequences.take(which), codes=self.codes[rows], groups=self.groups[which]
        )

    def labelled(self) -> Examples:
        """Keep only the sequences that have a label, or a row with one.

        Raises:
            InputError: No class, or one only, is left.
        """
        known = np.flatnonzero(self.codes >= 0)
        kept = np.unique(self.sequences.number[known]) if self.by_row else known
        found = np.unique(self.codes[known])
        if len(found) < 2:
            told = (
                "there is none" if not len(found) else f"all are {self.classes.names[found[0]]!r}, one class"
            )
            raise InputError(f"Labels of two classes at least are needed; {told}.")
        return self.take(kept)

    def split_in_time(self, share: float) -> tuple[Examples, Examples]:
        """Cut every sequence labelled row by row in two: the last share of its rows becomes one of its own."""
        lengths = self.sequences.lengths
        late = np.minimum(np.maximum((share * lengths).astype(int), 1), lengths - 1)
        begins = self.sequences.offsets[:-1]
        parts = []
        for first, count in ((begins, lengths - late), (begins + lengths - late, late)):
            kept = count > 0
            rows = np.concatenate(
                [np.arange(a, a + n) for a, n in zip(first[kept], count[kept], strict=True)]
            )
            sequences = Sequences(self.sequences.values[rows], offsets_of(count[kept]))
            parts.append(replace(self, sequences=sequences, codes=self.codes[rows], groups=self.groups[kept]))
        return parts[0], parts[1]

    def weights(self, wanted: str | Mapping[Any, float] | None) -> np.ndarray:
        """Return the weight of each code: 0 where unlabelled.

        Args:
            wanted: None: 1 each; ``"balanced"``: every class weighs as much as another; or weights by label, 1 for
                those not named.

        Raises:
            ParameterError: A label is unknown, a weight is negative or no number, or none is above 0.
        """
        each = class_weights(
            wanted, self.classes, np.bincount(self.codes[self.codes >= 0], minlength=len(self.classes))
        )
        return np.where(self.codes >= 0, each[np.maximum(self.codes, 0)], 0.0).astype(np.float32)


def class_weights(
    wanted: str | Mapping[Any, float] | None, classes: Classes, counts: np.ndarray
) -> np.ndarray:
    """Return the weight of each class; see ``Examples.weights``.

    Example:
        >>> class_weights("balanced", Classes(("a", "b")), np.array([30, 10])).tolist()
        [0.6666666666666666, 2.0]
    """
    if wanted is None:
        return np.ones(len(classes))
    if isinstance(wanted, str):
        if wanted != "balanced":
            raise ParameterError(
                f"class_weight must be None, 'balanced' or weights by label; got {wanted!r}."
            )
        return counts.sum() / (np.maximum(counts, 1) * (counts > 0).sum())
    found = np.ones(len(classes))
    for label, weight in wanted.items():
        try:
            found[classes.codes([label])[0]] = float(weight)
        except InputError as error:
            raise ParameterError(f"class_weight: {error}") from error
        except (TypeError, ValueError):
            raise ParameterError(f"class_weight of {label!r} must be a number; got {weight!r}.") from None
    if not (np.isfinite(found).all() and (found >= 0).all() and found.any()):
        raise ParameterError(
            f"class_weight must be 0 or more, and above 0 for one class; got {dict(wanted)!r}."
        )
    return found


def examples_of_table(table: Labelled, *, by_row: bool) -> Examples:
    """Return the sequences of a table with the label of each, or of each row."""
    classes = require(table, "learning").classes
    assert classes is not None
    codes = table.labels if by_row else table.of_sequences()
    groups = np.arange(len(table.sequences)) if table.groups is None else group_numbers(table.groups)
    return Examples(table.sequences, codes, classes, groups, by_row)


def group_numbers(groups: Any) -> np.ndarray:
    """Number groups in the order in which they appear."""
    place: dict[Any, int] = {}
    return np.array([place.setdefault(group, len(place)) for group in groups], dtype=np.int64)


def examples_of_arrays(
    X: Any, y: Any, *, by_row: bool, groups: Any = None, classes: Classes | None = None
) -> Examples:
    """Return arrays as examples.

    Args:
        X: As ``sequences_of`` takes it.
        y: A label for each sequence; by row, an array of labels for each sequence.
        by_row: Which of both.
        groups: Of each sequence; None: each by itself.
        classes: Those of training; None learns them.

    Raises:
        InputError: Labels and sequences, or labels and rows, differ in number.

    Example:
        >>> examples_of_arrays([[1, 2], [3]], [["a", "b"], ["b"]], by_row=True).codes.tolist()
        [0, 1, 1]
    """
    sequences = sequences_of(X)
    labels = list(y)
    if len(labels) != len(sequences):
        raise InputError(f"There are {len(sequences):,} sequences and {len(labels):,} labels.")
    if by_row:
        sizes = [np.size(one) for one in labels]
        if sizes != sequences.lengths.tolist():
            i = next(i for i, (a, b) in enumerate(zip(sizes, sequences.lengths, strict=True)) if a != b)
            raise InputError(f"Sequence {i} has {sequences.lengths[i]} rows and {sizes[i]} labels.")
        labels = [label for one in labels for label in np.asarray(one).tolist()]
    known, codes = learn_classes(labels) if classes is None else (classes, classes.codes(labels))
    if groups is not None and len(groups) != len(sequences):
        raise InputError(f"There are {len(sequences):,} sequences and {len(groups):,} groups.")
    numbers = np.arange(len(sequences)) if groups is None else group_numbers(groups)
    return Examples(sequences, codes, known, numbers, by_row)
