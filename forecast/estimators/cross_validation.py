"""Cross-validation of classifiers and labelers, group by group."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from forecast.data.examples import Examples
from forecast.errors import ParameterError
from forecast.estimators.grouping import check_parted, group_folds
from forecast.estimators.sequence_learning import fit_examples, read_examples
from forecast.estimators.sequence_network import SequenceNetwork


def cross_validate(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    groups: Any = None,
    folds: int | Iterable[tuple[Any, Any]] = 5,
    seed: int = 0,
) -> pd.DataFrame:
    """Judge a classifier or a labeler on sequences that it has not learned from, group by group.

    Args:
        model: A ``SequenceClassifier`` or ``EventLabeler``; a fresh copy is fitted for every fold.
        X: A table, or sequences as arrays.
        y: Labels, if ``X`` is no table.
        groups: Name of the table's column of what must not be parted (a subject, a machine), or the group of each
            sequence of arrays; None: what ``model.groups`` names, else each sequence by itself.
        folds: Number of folds, or pairs of numbers of sequences to learn from and to judge by.
        seed: Seed of the folds.

    Returns:
        One row a fold: ``fold, learned, judged`` (sequences), ``accuracy, log_loss`` and the accuracy of always naming
        the most frequent class, ``majority``. ``attrs`` holds their means and the standard error of the accuracy.

    Raises:
        InputError: A group is in both parts of a fold, changes within a sequence, or there are too few.

    Example:
        >>> import forecast
        >>> X = [[i % 2, 1, 0, i % 2] for i in range(8)]
        >>> y = ["even", "odd"] * 4
        >>> model = forecast.SequenceClassifier(model="rnn", units=2, steps=2, members=1)
        >>> forecast.cross_validate(model, X, y, folds=2)[["fold", "learned", "judged"]].to_numpy().tolist()
        [[1, 4, 4], [2, 4, 4]]
    """
    if y is None and groups is not None:
        model = clone(model).set_params(groups=groups)
    examples = read_examples(model, X, y, None if y is None else groups)[0].labelled()
    if isinstance(folds, int):
        if folds < 2:
            raise ParameterError(f"folds must be 2 or more; got {folds}.")
        everyone = np.arange(len(examples))
        pairs = [(np.setdiff1d(everyone, part), part) for part in group_folds(examples, folds, seed)]
    else:
        pairs = [(np.asarray(one, dtype=np.int64), np.asarray(other, dtype=np.int64)) for one, other in folds]
    rows = []
    for number, (learned, judged) in enumerate(pairs):
        check_parted(examples.groups, learned, judged)
        fitted, _ = fit_examples(clone(model), examples.take(learned))
        judgement = _judged(fitted.network, examples.take(learned), examples.take(judged))
        rows.append({"fold": number + 1} | judgement)
    table = pd.DataFrame(rows)
    spread = float(table["accuracy"].std(ddof=1)) if len(table) > 1 else float("nan")
    table.attrs = {name: float(table[name].mean()) for name in ("accuracy", "log_loss", "majority")}
    table.attrs["standard_error"] = spread / np.sqrt(len(table))
    return table


def _judged(network: SequenceNetwork, learned: Examples, judged: Examples) -> dict[str, float]:
    known = judged.codes >= 0
    found, truth = network.probabilities(judged.sequences)[known], judged.codes[known]
    usual = np.bincount(learned.codes[learned.codes >= 0]).argmax()
    likely = np.maximum(found[np.arange(len(truth)), truth], 1e-12)
    return {
        "learned": len(learned),
        "judged": len(judged),
        "accuracy": float((found.argmax(axis=1) == truth).mean()),
        "log_loss": float(-np.log(likely).mean()),
        "majority": float((truth == usual).mean()),
    }
