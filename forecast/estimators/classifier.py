"""The classifier of sequences: one label for each, from a table or from arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

from forecast.data.examples import Examples
from forecast.data.sheet import Choice
from forecast.errors import ParameterError
from forecast.estimators.sequence_learning import (
    Told,
    ask_rows_or_sequences,
    asked_sequences,
    fit_examples,
    fitted_of,
    id_frame,
    judged_examples,
    listeners_of,
    read_examples,
)
from forecast.estimators.sequence_network import Recipe, SequenceNetwork
from forecast.evaluation.classification import verdict
from forecast.models.spec import check_word
from forecast.training.course import Progress

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
MODELS = ("fcn", "rnn")


class SequenceClassifier(ClassifierMixin, BaseEstimator):
    """Recurrent network that names the class of a whole sequence, with calibrated probabilities.

    Sequences may differ in length and have several channels and missing values. A share of them, whole groups at a
    time, is held out first: it compares the network with simple classifiers (``comparison_``) and calibrates its
    probabilities. Then everything is learned. Unlabelled sequences of a table are left out.

    Args:
        model: ``"fcn"``, a recurrent branch beside a fully convolutional one, or ``"rnn"``, recurrent layers alone.
        label: Column of labels, one a sequence; None guesses.
        id: Column that tells sequences apart; None guesses.
        time: Column that orders the rows of a sequence; None guesses; ``"none"``: they are in order.
        features: Columns to read; empty: all columns of numbers that vary within a sequence.
        groups: Column of what must not be parted when some is held out: a subject, a machine.
        cell: ``"rnn"`` (SimpleRNN), ``"lstm"`` or ``"gru"`` of the recurrent part.
        units: Width of its layers; None: 32 beside convolutions, 64 alone.
        layers: Number of its layers (``model="rnn"``).
        bidirectional: Read in both directions.
        dropout: Share dropped; None: the network's usual one.
        members: Networks, alike but for their seeds, whose mean probability counts.
        class_weight: None, ``"balanced"``, or weights by label.
        holdout: Share of the sequences held out, up to 0.5; 0: none, and then nothing is compared or calibrated.
        calibrate: Learn the temperature of the probabilities on the sequences held out.
        steps: Optimiser steps; None: some forty passes over the sequences, 300 to 800.
        batch_size: Sequences a step; None: 16, or 32 if there are more than 200.
        learning_rate: Highest rate; it warms up to it and falls to zero along a cosine. None: 3e-3.
        date_format: How times are written, such as ``"%d/%m/%Y"``.
        callbacks: Further Keras callbacks.
        seed: Seed of weights, dropout, order and of what is held out; two fits are equal bit for bit on a CPU.
        verbose: 1 prints the comparison; 0 nothing.

    Attributes:
        classes_: The labels, sorted.
        comparison_: Methods beside each other on the sequences held out, best first; None without any.
        confusion_: How often each label (rows) was taken for each (columns) among them.
        early_: Accuracy there, when only the first share of each sequence was seen.
        choices_: What was chosen, with the flag or argument that changes it.
        model_: The trained ``keras.Model``: scaled rows in, logits of every member out.
        history_: One row an epoch: loss, learning_rate, gradient_norm, clipped, seconds.

    Example:
        >>> import forecast
        >>> X = [[0, 1, 2, 3], [3, 2, 1], [1, 2, 3], [2, 1, 0, -1]] * 4
        >>> model = forecast.SequenceClassifier(model="rnn", steps=60, members=1, holdout=0.0, learning_rate=0.01)
        >>> model = model.fit(X, ["up", "down", "up", "down"] * 4)
        >>> model.predict([[0, 1, 2], [3, 2, 1, 0]]).tolist()
        ['up', 'down']
    """

    by_row = False

    def __init__(
        self,
        model: str = "fcn",
        *,
        label: str | None = None,
        id: str | None = None,
        time: str | None = None,
        features: Sequence[str] = (),
        groups: str | None = None,
        cell: str = "gru",
        units: int | None = None,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float | None = None,
        members: int = 2,
        class_weight: str | Mapping[Any, float] | None = None,
        holdout: float = 0.25,
        calibrate: bool = True,
        steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        date_format: str | None = None,
        callbacks: Sequence[Any] = (),
        seed: int = 0,
        verbose: int = 0,
    ):
        for name, value in list(locals().items()):
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        groups: Any = None,
        progress: Callable[[Progress], None] | None = None,
        interrupted: Callable[[], bool] | None = None,
        announce: Callable[[tuple[Choice, ...]], None] | None = None,
    ) -> SequenceClassifier:
        """Learn from a table, or from arrays.

        Args:
            X: A long table (anything ``read_table`` reads) whose labels are constant within a sequence. With ``y``:
                ``(sequences, time, channels)``, ``(sequences, time)``, or a list of ``(time_i, channels)``.
            y: A label for each sequence: text, whole numbers or truth values; None if ``X`` is a table.
            groups: Group of each sequence of arrays.
            progress: Called with a ``Progress`` after every batch.
            interrupted: Asked after every batch; True ends training.
            announce: Called with what was chosen, before training begins.

        Raises:
            InputError: The table, the arrays or an argument are wrong.
            TrainingDiverged: The loss became non-finite.
        """
        examples, table, choices = read_examples(self, X, y, groups)
        tell = None if announce is None else (lambda more: announce((*choices, *more)))
        fitted, more = fit_examples(self, examples, listeners_of(self, progress, interrupted), tell)
        self.choices_ = (*choices, *more)
        self.fitted_ = replace(fitted, columns=None if table is None else table.columns)
        self.n_features_in_ = examples.sequences.values.shape[1]
        if self.verbose and self.comparison_ is not None:
            print(self.comparison_.to_string(index=False), self.verdict_, sep="\n")
        return self

    def recipe(self) -> Recipe:
        """Return what is trained, and how, by the arguments.

        Raises:
            ParameterError: An argument is unknown, or goes with another network.
        """
        check_word("model", self.model, MODELS)
        options: dict[str, Any] = {"cell": self.cell, "bidirectional": bool(self.bidirectional)}
        if self.model == "rnn":
            options["layers"] = self.layers
        elif self.layers != 1:
            raise ParameterError(
                f"layers is of model='rnn'; the recurrent branch of fcn has one, not {self.layers!r}."
            )
        options |= {k: v for k, v in (("units", self.units), ("dropout", self.dropout)) if v is not None}
        return Recipe(
            *(self.model, options, self.members, self.learning_rate, self.steps, self.batch_size),
            *(self.class_weight, bool(self.calibrate), int(self.seed)),
        )

    def ask(self, network: SequenceNetwork, training: Examples, judged: Examples) -> Told:
        """Ask a network about sequences it has not learned from."""
        comparison, confused, _ = ask_rows_or_sequences(network, training, judged)
        return Told(comparison, confused, accuracy_by_share(network, judged, SHARES))

    def predict(self, X: Any) -> Any:
        """Name the class of each sequence.

        Args:
            X: A table with the columns of training (labels are not looked at), or arrays as in ``fit``.

        Returns:
            For arrays, labels ``(sequences,)``. For a table, one row a sequence: id, ``label``, ``probability``.

        Raises:
            InputError: A column is missing, or channels differ in number.
        """
        found, table = self._probabilities(X)
        labels = fitted_of(self).classes.labels(found.argmax(axis=1))
        if table is None:
            return labels
        return id_frame(table, rows=False).assign(label=labels, probability=found.max(axis=1))

    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class: ``(sequences, classes)``, or a table of id and one column a class."""
        found, table = self._probabilities(X)
        if table is None:
            return found
        names = [str(name) for name in fitted_of(self).classes.names]
        return pd.concat([id_frame(table, rows=False), pd.DataFrame(found, columns=pd.Index(names))], axis=1)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the share of the labelled sequences that are named rightly; unlabelled ones do not count."""
        examples, _ = judged_examples(self, X, y)
        known = examples.codes >= 0
        right = (fitted_of(self).network.probabilities(examples.sequences).argmax(axis=1) == examples.codes)[
            known
        ]
        weights = None if sample_weight is None else np.asarray(sample_weight, np.float64)[known]
        return float(np.average(right, weights=weights))

    def early_accuracy(self, X: Any, y: Any = None, *, shares: Sequence[float] = SHARES) -> pd.DataFrame:
        """Tell how early the class is known: accuracy when only the first share of each sequence is seen.

        Args:
            X: A table with labels, or arrays; sequences that were learned from flatter.
            y: Labels of arrays.
            shares: Of the rows of each sequence, rounded up; above 0 and at most 1.

        Returns:
            One row a share: ``share, rows`` (their mean), ``accuracy``, ``log_loss``.
        """
        examples, _ = judged_examples(self, X, y)
        return accuracy_by_share(fitted_of(self).network, examples.labelled(), shares)

    @property
    def classes_(self) -> np.ndarray:
        """The labels, sorted."""
        return fitted_of(self).classes.array()

    @property
    def model_(self) -> Any:
        """The trained Keras model."""
        return fitted_of(self).network.model

    @property
    def history_(self) -> pd.DataFrame:
        """One row an epoch of the final fit."""
        return pd.DataFrame(fitted_of(self).network.record.history)

    @property
    def comparison_(self) -> pd.DataFrame | None:
        """Methods beside each other on the sequences held out, best first."""
        told = fitted_of(self).told
        return None if told is None else told.comparison

    @property
    def confusion_(self) -> pd.DataFrame | None:
        """How often each label was taken for each."""
        told = fitted_of(self).told
        return None if told is None else told.confusion

    @property
    def early_(self) -> pd.DataFrame | None:
        """Accuracy on the sequences held out by the share of each that was seen."""
        told = fitted_of(self).told
        return None if told is None else told.further

    @property
    def verdict_(self) -> str:
        """One sentence: whether the network is better than the best simple classifier."""
        table = self.comparison_
        return "Nothing was held out, so nothing was compared." if table is None else verdict(table)

    def save(self, path: Any) -> None:
        """Write everything to one file (``.forecast``), atomically; ``forecast.load`` reads it."""
        from forecast.estimators.sequence_saving import save_sequences

        save_sequences(self, path)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "fitted_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _probabilities(self, X: Any) -> tuple[np.ndarray, Any]:
        sequences, table = asked_sequences(self, X)
        return fitted_of(self).network.probabilities(sequences), table


def accuracy_by_share(network: SequenceNetwork, judged: Examples, shares: Sequence[float]) -> pd.DataFrame:
    """Return the accuracy of a network by the share of each sequence it has seen.

    Raises:
        ParameterError: A share is not above 0 and at most 1.
    """
    lengths, rows = judged.sequences.lengths, []
    if not len(shares) or not all(0 < share <= 1 for share in shares):
        raise ParameterError(f"shares must be above 0 and at most 1; got {list(shares)}.")
    for share in shares:
        seen = np.maximum(np.ceil(share * lengths - 1e-9).astype(np.int64), 1)
        found = network.probabilities(judged.sequences.first(seen))
        likely = np.maximum(found[np.arange(len(judged)), judged.codes], 1e-12)
        right = float((found.argmax(axis=1) == judged.codes).mean())
        rows.append(
            {
                "share": share,
                "rows": float(seen.mean()),
                "accuracy": right,
                "log_loss": -float(np.log(likely).mean()),
            }
        )
    return pd.DataFrame(rows)
