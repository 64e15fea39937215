"""The labeler of rows: a label for each row of a sequence, and the events these make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from forecast.data.examples import Examples
from forecast.data.labels import Classes
from forecast.data.sequences import Sequences
from forecast.data.sheet import Choice
from forecast.errors import ParameterError
from forecast.estimators.event_tables import (
    background_of,
    decoded,
    durations_of,
    event_frame,
    report_table,
)
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
from forecast.training.course import Progress


class EventLabeler(BaseEstimator):
    """Recurrent network that labels every row of a sequence, and decodes the labels to events.

    The probabilities of the rows are calibrated; from them the likeliest labels are found in which every segment lasts
    as long as segments of its class do at least (Viterbi). A share of the sequences, whole groups at a time, is held
    out first to compare and calibrate by; then everything is learned. Rows without a label are read and weigh nothing.

    Args:
        label: Column of labels, one a row, empty where unknown; None guesses.
        id: Column that tells sequences apart; None guesses; ``"none"``: there is one.
        time: Column that orders the rows of a sequence; None guesses; ``"none"``: they are in order.
        features: Columns to read; empty: all columns of numbers that vary within a sequence.
        groups: Column of what must not be parted when some is held out: a subject, a machine.
        background: The label that is no event; None: ``False``, ``0``, or a text such as ``"none"`` or ``"normal"``, if
            there is one; ``"none at all"``: every label is an event.
        durations: Rows that a segment lasts at least: one number for all events, or by label; None learns them.
        switch: What a change of label costs, in units of log probability.
        cell: ``"rnn"`` (SimpleRNN), ``"lstm"`` or ``"gru"``.
        units: Width of its layers, in each direction.
        layers: Number of its layers.
        causal: Read forwards only, so that a row's probabilities know nothing of later rows: for streams.
        dropout: Share dropped.
        members: Networks, alike but for their seeds, whose mean probability counts.
        class_weight: None, ``"balanced"``, or weights by label; of every row.
        holdout: Share of the sequences held out, up to 0.5 (of fewer than four groups: the last rows of each sequence);
            0: none, and then nothing is compared or calibrated.
        calibrate: Learn the temperature of the probabilities on the rows held out.
        steps: Optimiser steps; None: some forty passes over the sequences, 300 to 800.
        batch_size: Pieces of up to 256 rows a step; None: 16, or 32 if there are more than 200.
        learning_rate: Highest rate; it warms up to it and falls to zero along a cosine.
        date_format: How times are written, such as ``"%d/%m/%Y"``.
        callbacks: Further Keras callbacks.
        seed: Seed of weights, dropout, order and of what is held out; two fits are equal bit for bit on a CPU.
        verbose: 1 prints the comparison; 0 nothing.

    Attributes:
        classes_: The labels, sorted.
        comparison_: Methods beside each other on the rows held out, best first; None without any.
        confusion_: How often each label (rows) was taken for each (columns) among them.
        report_: How well events were found there; see ``report``.
        durations_: Rows that a segment of each label lasts at least.
        choices_: What was chosen, with the flag or argument that changes it.
        model_: The trained ``keras.Model``: scaled rows in, logits of every member and row out.
        history_: One row an epoch: loss, learning_rate, gradient_norm, clipped, seconds.

    Example:
        >>> import forecast
        >>> X = [[0, 0, 0, 5, 5, 5, 0, 0], [5, 5, 0, 0, 0, 0, 5, 5]] * 3
        >>> y = [[value == 5 for value in one] for one in X]
        >>> model = forecast.EventLabeler(units=4, steps=60, holdout=0.0, learning_rate=0.03).fit(X, y)
        >>> model.predict([[0, 0, 5, 5]])[0].tolist()
        [False, False, True, True]
        >>> model.events([[0, 0, 5, 5]])[["start", "end", "label"]].to_dict("list")
        {'start': [2], 'end': [3], 'label': [True]}
    """

    by_row = True

    def __init__(
        self,
        *,
        label: str | None = None,
        id: str | None = None,
        time: str | None = None,
        features: Sequence[str] = (),
        groups: str | None = None,
        background: Any = None,
        durations: int | Mapping[Any, int] | None = None,
        switch: float = 0.0,
        cell: str = "gru",
        units: int = 32,
        layers: int = 1,
        causal: bool = False,
        dropout: float = 0.2,
        members: int = 1,
        class_weight: str | Mapping[Any, float] | None = None,
        holdout: float = 0.25,
        calibrate: bool = True,
        steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = 5e-3,
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
    ) -> EventLabeler:
        """Learn from a table, or from arrays.

        Args:
            X: A long table (anything ``read_table`` reads) with a column of labels. With ``y``: a list of
                ``(time_i, channels)`` or ``(time_i,)``, or an array of sequences.
            y: An array of labels for each sequence; None if ``X`` is a table.
            groups: Group of each sequence of arrays.
            progress: Called with a ``Progress`` after every batch.
            interrupted: Asked after every batch; True ends training.
            announce: Called with what was chosen, before training begins.

        Raises:
            InputError: The table, the arrays or an argument are wrong.
            TrainingDiverged: The loss became non-finite.
        """
        examples, table, choices = read_examples(self, X, y, groups)
        background = background_of(self.background, examples.classes)
        durations = durations_of(self.durations, examples, background)
        tell = None if announce is None else (lambda more: announce((*choices, *more)))
        fitted, more = fit_examples(self, examples, listeners_of(self, progress, interrupted), tell)
        fitted = replace(fitted, durations=durations, background=background)
        self.choices_ = (*choices, *more, *_told(examples.classes, durations, background))
        self.fitted_ = replace(fitted, columns=None if table is None else table.columns)
        self.n_features_in_ = examples.sequences.values.shape[1]
        if self.verbose and self.comparison_ is not None:
            print(self.comparison_.to_string(index=False), self.verdict_, sep="\n")
        return self

    def recipe(self) -> Recipe:
        """Return what is trained, and how, by the arguments."""
        if not isinstance(self.switch, int | float) or not 0 <= self.switch < float("inf"):
            raise ParameterError(f"switch must be 0 or more; got {self.switch!r}.")
        options = {"cell": self.cell, "units": self.units, "layers": self.layers}
        options |= {"causal": bool(self.causal), "dropout": self.dropout}
        return Recipe(
            *("rows", options, self.members, self.learning_rate, self.steps, self.batch_size),
            *(self.class_weight, bool(self.calibrate), int(self.seed)),
        )

    def ask(self, network: SequenceNetwork, training: Examples, judged: Examples) -> Told:
        """Ask a network about rows it has not learned from; durations are those of the rows it has."""
        causal, seed = bool(self.causal), int(self.seed)
        comparison, confused, found = ask_rows_or_sequences(
            network, training, judged, causal=causal, seed=seed
        )
        background = background_of(self.background, training.classes)
        durations = durations_of(self.durations, training, background)
        codes = decoded(found, judged.sequences, durations, float(self.switch))
        return Told(comparison, confused, report_table(codes, judged, background))

    def predict(self, X: Any, *, decode: bool = True) -> Any:
        """Label every row.

        Args:
            X: A table with the columns of training (labels are not looked at), or arrays as in ``fit``.
            decode: Take the labels of ``events``, which last long enough and look at later rows; False takes the
                likeliest label of each row by itself.

        Returns:
            For arrays, a list of labels ``(time_i,)``. For a table, one row each: id, time, ``label``,
            ``probability``.

        Raises:
            InputError: A column is missing, or channels differ in number.
        """
        found, sequences, table = self._probabilities(X)
        fitted = fitted_of(self)
        codes = self._codes(found, sequences) if decode else found.argmax(axis=1)
        labels = fitted.classes.labels(codes)
        if table is None:
            return np.split(labels, sequences.offsets[1:-1])
        return id_frame(table, rows=True).assign(
            label=labels, probability=found[np.arange(len(codes)), codes]
        )

    def predict_proba(self, X: Any) -> Any:
        """Return each row's probability of each class: a list of arrays, or a table of id, time, a column a class."""
        found, sequences, table = self._probabilities(X)
        if table is None:
            return np.split(found, sequences.offsets[1:-1])
        names = [str(name) for name in fitted_of(self).classes.names]
        return pd.concat([id_frame(table, rows=True), pd.DataFrame(found, columns=pd.Index(names))], axis=1)

    def events(self, X: Any) -> pd.DataFrame:
        """Find the events of each sequence.

        Args:
            X: As for ``predict``.

        Returns:
            One row an event, in order: id (``sequence`` without one), ``start`` and ``end`` (time of the first and the
            last row; their numbers without a time column), ``label``, ``probability`` (mean over its rows), ``rows``.
        """
        found, sequences, table = self._probabilities(X)
        fitted = fitted_of(self)
        return event_frame(
            self._codes(found, sequences), found, sequences, table, fitted.classes, fitted.background
        )

    def report(self, X: Any, y: Any = None, *, overlap: float = 0.5) -> pd.DataFrame:
        """Tell how well events are found: event by event, never row by row.

        Args:
            X: A table with labels, or arrays; what was learned from flatters.
            y: Labels of arrays.
            overlap: Rows in a found and a labelled event divided by rows in either, that make them a pair at least.

        Returns:
            One row a label that is an event, and one for all: ``label, events, found, matched, precision, recall, F1,
            onset_error`` (mean distance of the starts of pairs, in rows) and ``onset_bias`` (with its sign).
        """
        examples, _ = judged_examples(self, X, y)
        fitted = fitted_of(self)
        codes = self._codes(fitted.network.probabilities(examples.sequences), examples.sequences)
        return report_table(codes, examples, fitted.background, overlap=overlap)

    def score(self, X: Any, y: Any = None) -> float:
        """Return the share of the labelled rows whose likeliest label is right."""
        examples, _ = judged_examples(self, X, y)
        known = examples.codes >= 0
        found = fitted_of(self).network.probabilities(examples.sequences)
        return float((found.argmax(axis=1) == examples.codes)[known].mean())

    @property
    def classes_(self) -> np.ndarray:
        """The labels, sorted."""
        return fitted_of(self).classes.array()

    @property
    def durations_(self) -> dict[Any, int]:
        """Rows that a segment of each label lasts at least."""
        fitted = fitted_of(self)
        return dict(zip(fitted.classes.names, fitted.durations, strict=True))

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
        """Methods beside each other on the rows held out, best first."""
        told = fitted_of(self).told
        return None if told is None else told.comparison

    @property
    def confusion_(self) -> pd.DataFrame | None:
        """How often each label was taken for each."""
        told = fitted_of(self).told
        return None if told is None else told.confusion

    @property
    def report_(self) -> pd.DataFrame | None:
        """How well events were found in what was held out."""
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

    def _probabilities(self, X: Any) -> tuple[np.ndarray, Sequences, Any]:
        sequences, table = asked_sequences(self, X)
        return fitted_of(self).network.probabilities(sequences), sequences, table

    def _codes(self, found: np.ndarray, sequences: Sequences) -> np.ndarray:
        return decoded(found, sequences, fitted_of(self).durations, float(self.switch))


def _told(classes: Classes, durations: tuple[int, ...], background: int | None) -> tuple[Choice, ...]:
    none = "none: every label is an event" if background is None else repr(classes.names[background])
    lasting = ", ".join(f"{name} {rows}" for name, rows in zip(classes.names[:8], durations[:8], strict=True))
    return (
        Choice("background", none, "--background"),
        Choice("shortest events", f"{lasting} rows", "--durations"),
    )
