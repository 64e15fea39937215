"""Parts for training and for judging that share no group."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from forecast.data.examples import Examples
from forecast.errors import InputError

# Beyond this many labelled rows, every second, third … of them tells the shares of the classes as well.
MOST_LABELS = 100_000
# Fewer groups than this of sequences labelled row by row cannot be parted; their last rows are kept back instead.
LEAST_GROUPS = 4


def group_folds(examples: Examples, folds: int, seed: int) -> list[np.ndarray]:
    """Part sequences so that no group stands in two parts and classes are as even as groups allow.

    Returns:
        The numbers of the sequences of each part.

    Raises:
        InputError: There are fewer groups than parts.

    Source:
        scikit-learn's ``StratifiedGroupKFold``.
    """
    count = len(np.unique(examples.groups))
    if count < folds:
        raise InputError(
            f"{folds} folds need as many groups; there are {count}. Lower folds, or give more groups."
        )
    which = np.flatnonzero(examples.codes >= 0)
    which = which[:: -(-len(which) // MOST_LABELS)]
    number = examples.sequences.number[which] if examples.by_row else which
    groups = examples.groups[number]
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # a class with fewer groups than folds is missing in some, which is as it is
        try:
            parts = [test for _, test in splitter.split(which, examples.codes[which], groups)]
        except ValueError as error:
            raise InputError(
                f"{folds} folds need a class with as many labels; lower folds ({error})."
            ) from error
    return [np.flatnonzero(np.isin(examples.groups, np.unique(groups[part]))) for part in parts]


def held_out(examples: Examples, share: float, seed: int) -> tuple[Examples, Examples] | None:
    """Keep whole groups back to judge by; None where too few labels allow it.

    A part is held out only if every class is left to learn from. Where rows are labelled and there are fewer than four
    groups, the last rows of every sequence are held out.

    Returns:
        What to learn from, and what to judge by.
    """
    if examples.by_row and len(np.unique(examples.groups)) < LEAST_GROUPS:
        parts = examples.split_in_time(share) if (examples.sequences.lengths > 1).all() else None
        return parts if parts is not None and _usable(*parts) else None
    folds = max(round(1 / share), 2)
    try:
        found = group_folds(examples, folds, seed)
    except InputError:
        return None
    everyone = np.arange(len(examples))
    for part in found:
        parts = examples.take(np.setdiff1d(everyone, part)), examples.take(part)
        if _usable(*parts):
            return parts
    return None


def _usable(training: Examples, judged: Examples) -> bool:
    known = {*training.codes[training.codes >= 0]}
    asked = {*judged.codes[judged.codes >= 0]}
    return len(known) > 1 and bool(asked) and asked <= known


def check_parted(groups: np.ndarray, training: np.ndarray, judged: np.ndarray) -> None:
    """Refuse parts that share a group, or a sequence.

    Raises:
        InputError: For that reason; the message counts them.
    """
    both = np.intersect1d(groups[training], groups[judged])
    if len(both):
        raise InputError(
            f"{len(both)} of the groups stand both in the training part and in the part that judges it; what is alike "
            "within a group would be taken for skill. Part whole groups."
        )
