"""From a table or arrays to a fitted classifier or labeler; what both have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d

from forecast.data.examples import Examples, examples_of_arrays, examples_of_table
from forecast.data.labelled import LabelColumns, Labelled, Wanted, read_labelled, require
from forecast.data.labels import Classes
from forecast.data.sequences import Sequences, sequences_of
from forecast.data.sheet import Choice
from forecast.errors import InputError, ParameterError
from forecast.estimators.grouping import held_out
from forecast.estimators.sequence_network import Recipe, SequenceNetwork, fit_sequences
from forecast.evaluation.classification import NETWORK, compare_classes, confusion
from forecast.evaluation.simple_classifiers import compared_rows, compared_sequences
from forecast.training.course import NOBODY, Listeners, Progress

Announce = Callable[[tuple[Choice, ...]], None]


@dataclass(frozen=True, eq=False)
class Told:
    """What a network said of examples that it had not learned from.

    Args:
        comparison: Methods beside each other.
        confusion: Which class was taken for which.
        further: Of a classifier: accuracy by the share seen; of a labeler: how well segments were found.
    """

    comparison: pd.DataFrame
    confusion: pd.DataFrame
    further: pd.DataFrame


@dataclass(frozen=True, eq=False)
class FittedSequences:
    """Everything a fitted classifier or labeler knows.

    Args:
        network: Who decides.
        classes: What it decides between.
        columns: Of the training table; None after arrays.
        told: What it said of the held-out part; None without one.
        sequences: Number of sequences learned from.
        rows: Number of their rows.
        durations: Of a labeler: rows that a segment of each class lasts at least.
        background: Of a labeler: number of the class that is no event; None: all are.
    """

    network: SequenceNetwork
    classes: Classes
    columns: LabelColumns | None
    told: Told | None
    sequences: int
    rows: int
    durations: tuple[int, ...] = ()
    background: int | None = None


def is_arrays(X: Any) -> bool:
    """Tell arrays of sequences from a table."""
    return isinstance(X, np.ndarray | list | tuple)


def checked_array(X: Any) -> Any:
    """Return numbers in an array of two or three axes as float64; anything else, a table or a list, as it is.

    Raises:
        ValueError: The array is sparse, complex or empty; what scikit-learn says of it.
        TypeError: It holds something other than numbers.
    """
    if isinstance(X, pd.Series) or hasattr(X, "columns"):
        return X
    if issparse(X) or (hasattr(X, "__array__") and np.asarray(X).ndim >= 2):
        # Infinite values are told with the number of their sequence.
        return check_array(X, dtype=np.float64, allow_nd=True, ensure_all_finite=False)
    return X


def _one_label_each(y: Any) -> Any:
    """Return labels one after the other; those in one column are laid flat, with scikit-learn's warning."""
    y = np.asarray(y) if hasattr(y, "__array__") and not hasattr(y, "__iter__") else y
    return column_or_1d(y, warn=True) if isinstance(y, np.ndarray) and y.ndim == 2 and y.shape[1] == 1 else y


def listeners_of(
    estimator: Any, progress: Callable[[Progress], None] | None, interrupted: Callable[[], bool] | None
) -> Listeners:
    """Return who is told and asked while fitting."""
    return Listeners(progress, interrupted, tuple(estimator.callbacks))


def read_examples(
    estimator: Any, X: Any, y: Any = None, groups: Any = None
) -> tuple[Examples, Labelled | None, tuple[Choice, ...]]:
    """Read what an estimator is to learn: examples, their table if they came as one, and what was guessed.

    Raises:
        InputError: The table or the arrays make no sense.
    """
    by_row, X = estimator.by_row, checked_array(X)
    if isinstance(X, Labelled):
        return examples_of_table(X, by_row=by_row), X, X.choices
    if y is None and is_arrays(X):
        raise InputError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None: sequences as arrays need "
            "labels. A table brings its own."
        )
    if y is not None:
        X = X.to_numpy() if isinstance(X, pd.DataFrame) else X
        y = y if by_row else _one_label_each(y)
        return examples_of_arrays(X, y, by_row=by_row, groups=groups), None, ()
    features = (estimator.features,) if isinstance(estimator.features, str) else tuple(estimator.features)
    wanted = Wanted(estimator.label, estimator.id, estimator.time, features, estimator.groups)
    table = read_labelled(X, wanted, date_format=estimator.date_format)
    return examples_of_table(table, by_row=by_row), table, table.choices


def fit_examples(
    estimator: Any, examples: Examples, listeners: Listeners = NOBODY, announce: Announce | None = None
) -> tuple[FittedSequences, tuple[Choice, ...]]:
    """Learn from examples, by an estimator's arguments.

    Returns:
        What was learned, and what was chosen.
    """
    check_arguments(estimator)
    labelled = examples.labelled()
    share = float(estimator.holdout)
    parts = held_out(labelled, share, int(estimator.seed)) if share else None
    recipe = estimator.recipe()
    choices = _choices(examples, labelled, parts, recipe, asked=share > 0)
    if announce is not None:
        announce(choices)
    network, told = fit_sequences(labelled, parts, recipe, listeners, estimator.ask)
    rows = len(labelled.sequences.values)
    return FittedSequences(network, labelled.classes, None, told, len(labelled), rows), choices


def check_arguments(estimator: Any) -> None:
    """Refuse arguments that are out of range, before any work is done.

    Raises:
        ParameterError: For that reason.
    """
    share = estimator.holdout
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 0.5:
        raise ParameterError(f"holdout must be a share from 0 to 0.5; got {share!r}.")
    for name in ("steps", "batch_size"):
        value = getattr(estimator, name)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1
        ):
            raise ParameterError(f"{name} must be a whole number from 1 on, or None; got {value!r}.")
    rate = estimator.learning_rate
    known = isinstance(rate, int | float) and not isinstance(rate, bool)
    if rate is not None and not (known and 0 < rate < 10):
        raise ParameterError(f"learning_rate must be above 0 and below 10; got {rate!r}.")


def _choices(
    examples: Examples, labelled: Examples, parts: Any, recipe: Recipe, *, asked: bool
) -> tuple[Choice, ...]:
    counts = np.bincount(labelled.codes[labelled.codes >= 0], minlength=len(labelled.classes))
    names = [f"{name} ({count:,})" for name, count in zip(labelled.classes.names, counts, strict=True)]
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    found = [Choice("classes", shown, "")]
    unknown = int((examples.codes < 0).sum())
    if unknown:
        found.append(Choice("unlabelled", f"{unknown:,} {'rows' if examples.by_row else 'sequences'}", ""))
    if parts is not None:
        value = f"{len(parts[1]):,} of {len(parts[0]) + len(parts[1]):,} sequences"
        if len(parts[0]) == len(labelled):
            value = f"the last {len(parts[1].sequences.values):,} of {len(labelled.sequences.values):,} rows"
        found.append(Choice("held out", value, "--holdout", "to compare and to calibrate by"))
    elif asked:
        found.append(Choice("held out", "nothing", "--holdout", "too few sequences or labels of a class"))
    plan = recipe.plan(len(labelled))
    found.append(
        Choice("network", f"{recipe.name}, mean of {recipe.members}, {plan.total:,} steps", "--model")
    )
    return tuple(found)


def ask_rows_or_sequences(
    network: SequenceNetwork, training: Examples, judged: Examples, *, causal: bool = False, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Compare a network with simple classifiers on held-out examples.

    Returns:
        The comparison, the confusion table, and the network's probabilities of all held-out sequences or rows.
    """
    count = len(training.classes)
    weights = np.where(training.codes >= 0, 1.0, 0.0)
    codes = np.maximum(training.codes, 0)
    found = {NETWORK: network.probabilities(judged.sequences)}
    if training.by_row:
        options = {"causal": causal, "seed": seed}
        found |= compared_rows(training.sequences, codes, weights, judged.sequences, count, **options)
    else:
        found |= compared_sequences(training.sequences, codes, weights, judged.sequences, count)
    known = judged.codes >= 0
    truth = judged.codes[known]
    table = compare_classes(
        truth, {name: one[known] for name, one in found.items()}, "rows" if training.by_row else "sequences"
    )
    guess = found[NETWORK][known].argmax(axis=1)
    return table, confusion(truth, guess, training.classes.names), found[NETWORK]


def fitted_of(estimator: Any) -> FittedSequences:
    """Return what an estimator learned, or refuse one that is not fitted, as scikit-learn does."""
    check_is_fitted(estimator, "fitted_")
    return estimator.fitted_


def asked_sequences(estimator: Any, X: Any) -> tuple[Sequences, Labelled | None]:
    """Read sequences to predict: the columns of training, labels not needed.

    Raises:
        InputError: A column is missing, or a table is given to what learned arrays, or arrays have other channels.
    """
    fitted, X = fitted_of(estimator), checked_array(X)
    if is_arrays(X) or (fitted.columns is None and isinstance(X, pd.DataFrame)):
        sequences = sequences_of(X.to_numpy() if isinstance(X, pd.DataFrame) else X)
        _check_channels(estimator, sequences)
        return sequences, None
    if fitted.columns is None:
        raise InputError("The estimator learned arrays; pass sequences as arrays, not a table.")
    if isinstance(X, Labelled):
        return X.sequences, X
    table = read_labelled(
        X, replace(fitted.columns, label=None, groups=None), date_format=estimator.date_format
    )
    return table.sequences, table


def judged_examples(estimator: Any, X: Any, y: Any = None) -> tuple[Examples, Labelled | None]:
    """Read sequences with the labels that predictions are compared to.

    Raises:
        InputError: A label is unknown to training, or there is none.
    """
    fitted, X = fitted_of(estimator), checked_array(X)
    table = None
    if y is not None or is_arrays(X):
        if y is None:
            raise InputError("Labels are needed beside arrays to compare with.")
        X = X.to_numpy() if isinstance(X, pd.DataFrame) else X
        found = examples_of_arrays(X, y, by_row=estimator.by_row, classes=fitted.classes)
        _check_channels(estimator, found.sequences)
    elif fitted.columns is None:
        raise InputError("The estimator learned arrays; pass sequences and labels as arrays, not a table.")
    else:
        columns = replace(fitted.columns, groups=None)
        table = read_labelled(X, columns, classes=fitted.classes, date_format=estimator.date_format)
        found = examples_of_table(require(table, "a comparison"), by_row=estimator.by_row)
    if not (found.codes >= 0).any():
        raise InputError("No sequence has a label to compare with.")
    return found, table


def _check_channels(estimator: Any, sequences: Sequences) -> None:
    """Refuse sequences of another width, in the words of scikit-learn's estimators."""
    asked, known = sequences.values.shape[1], fitted_of(estimator).network.channels
    if asked != known:
        raise InputError(
            f"X has {asked} features, but {type(estimator).__name__} is expecting {known} features as input: a feature "
            "is a channel of the sequences."
        )


def id_frame(table: Labelled, *, rows: bool) -> pd.DataFrame:
    """Return the id of each sequence, or id and time of each row, under the table's names."""
    columns = table.columns
    if rows:
        kept = [name for name in (columns.id, columns.time) if name is not None]
        frame = table.frame[kept].reset_index(drop=True)
        return frame if kept else pd.DataFrame({"row": np.arange(len(table.frame))})
    if columns.id is None:
        return pd.DataFrame({"sequence": np.arange(len(table.sequences))})
    return pd.DataFrame({columns.id: list(table.ids)})
