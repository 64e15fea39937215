"""Classifiers side by side on the same held-out sequences or rows, and the sentence that goes with it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix, f1_score

from forecast.evaluation.temperature import calibration_error

NETWORK = "network"
LEAST_PROBABILITY = 1e-12


def compare_classes(truth: np.ndarray, probabilities: Mapping[str, np.ndarray], unit: str) -> pd.DataFrame:
    """Score every method on the same labels.

    Args:
        truth: Number of each one's class, shape ``(n,)``.
        probabilities: By method, ``(n, classes)``.
        unit: What is counted: ``"sequences"`` or ``"rows"``.

    Returns:
        One row a method, best accuracy first: ``method, accuracy, balanced`` (mean recall of the classes), ``F1`` (its
        mean over the classes), ``log_loss``, ``calibration_error``. ``attrs`` holds ``count``, ``unit`` and
        ``classes``, those that occur.

    Example:
        >>> truth = np.array([0, 1, 1])
        >>> table = compare_classes(truth, {"network": np.eye(2)[truth]}, "sequences")
        >>> table[["method", "accuracy"]].values.tolist()
        [['network', 1.0]]
    """
    present = np.unique(truth)
    rows = []
    for name, found in probabilities.items():
        guess = found.argmax(axis=1)
        likely = np.maximum(found[np.arange(len(truth)), truth], LEAST_PROBABILITY)
        # Classes that are guessed and never true have no recall; scikit-learn would warn of them.
        recalls = [float((guess[truth == number] == number).mean()) for number in present]
        row = {
            "method": name,
            "accuracy": float((guess == truth).mean()),
            "balanced": float(np.mean(recalls)),
        }
        row["F1"] = float(f1_score(truth, guess, labels=present, average="macro", zero_division=0))
        row["log_loss"] = float(-np.log(likely).mean())
        rows.append(row | {"calibration_error": calibration_error(found, truth)})
    table = pd.DataFrame(rows).sort_values(
        ["accuracy", "log_loss"], ascending=[False, True], ignore_index=True
    )
    table.attrs = {"count": len(truth), "unit": unit, "classes": len(present)}
    return table


def verdict(table: pd.DataFrame) -> str:
    """Say in one sentence whether the network is better than the best simple method.

    Example:
        >>> scores = {"method": ["logistic", "network"], "accuracy": [0.9, 0.8], "log_loss": [0.3, 0.2]}
        >>> table = pd.DataFrame(scores)
        >>> table.attrs = {"count": 10, "unit": "sequences", "classes": 2}
        >>> verdict(table)
        'On 10 held-out sequences logistic is right in 90.0 %, the network in 80.0 %: use logistic, or find more data.'
    """
    rows = table.set_index("method")
    own, others = rows.loc[NETWORK], rows.drop(index=NETWORK)
    best = others["accuracy"].idxmax()
    share, least = float(own["accuracy"]), float(others.loc[best, "accuracy"])
    where = f"On {table.attrs['count']:,} held-out {table.attrs['unit']}"
    if share > least:
        return f"{where} the network is right in {share:.1%}, {best} in {least:.1%}.".replace("%", " %")
    if share == least:
        return f"{where} the network and {best} are right as often, in {share:.1%}.".replace("%", " %")
    told = (
        f"{where} {best} is right in {least:.1%}, the network in {share:.1%}: use {best}, or find more data."
    )
    return told.replace("%", " %")


def confusion(truth: np.ndarray, guess: np.ndarray, names: tuple) -> pd.DataFrame:
    """Count how often each class (rows) was taken for each (columns).

    Example:
        >>> confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), ("down", "up")).to_numpy().tolist()
        [[1, 0], [1, 1]]
    """
    return named_confusion(confusion_matrix(truth, guess, labels=np.arange(len(names))), names)


def named_confusion(counts: np.ndarray, names: tuple) -> pd.DataFrame:
    """Name the rows and columns of counts by the classes."""
    return pd.DataFrame(
        counts, index=pd.Index(names, name="label"), columns=pd.Index(names, name="predicted")
    )
