"""A trained committee of sequence networks with what its probabilities need, and how it is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import keras
import numpy as np

from forecast.data.examples import Examples
from forecast.data.sequences import Scaling, Sequences, fit_scaling
from forecast.evaluation.temperature import fit_temperature, tempered
from forecast.models.committee import MembersCrossentropy, build_committee
from forecast.models.sequence_spec import SequenceSpec
from forecast.training.course import Listeners, Plan, Record
from forecast.training.fit import compile_model, forget_moments, train_batches
from forecast.training.labelling import Lesson, LessonBatches, mean_probabilities, score_sequences

# Sequences labelled row by row are learned from in pieces of so many rows.
MOST_PIECE = 256
# Steps of one training: about so many passes over the sequences, within bounds.
PASSES, LEAST_STEPS, MOST_STEPS = 40, 300, 800
FEW = 200
USUAL_RATE = 3e-3


@dataclass(frozen=True)
class Recipe:
    """What is trained, and how.

    Args:
        name: Of the network: ``"fcn"``, ``"rnn"`` or ``"rows"``.
        options: Of its build function.
        members: Networks whose mean probability counts.
        learning_rate: Highest rate; None: 3e-3.
        steps: Optimiser steps; None chooses.
        batch_size: Sequences a step; None chooses.
        class_weight: None, ``"balanced"`` or weights by label.
        calibrate: Whether a temperature is learned on what was held out.
        seed: Of weights, dropout and order.
    """

    name: str
    options: Mapping[str, Any]
    members: int
    learning_rate: float | None
    steps: int | None
    batch_size: int | None
    class_weight: Any
    calibrate: bool
    seed: int

    def plan(self, sequences: int) -> Plan:
        """Return how long to train on so many sequences."""
        usual = 16 if sequences <= FEW else 32
        rate = USUAL_RATE if self.learning_rate is None else float(self.learning_rate)
        size = min(usual if self.batch_size is None else self.batch_size, sequences)
        steps = self.steps
        if steps is None:
            steps = int(np.clip(PASSES * sequences / size, LEAST_STEPS, MOST_STEPS))
        epochs = min(20, steps)
        # Twenty points of a curve of losses; steps that do not divide are run in full epochs.
        return Plan(epochs, -(-steps // epochs), size, rate, patience=epochs, seed=self.seed)


@dataclass(frozen=True, eq=False)
class SequenceNetwork:
    """A trained committee and what belongs to it.

    Args:
        model: Scaled rows in, logits of every member out.
        spec: Its inputs and outputs.
        name: Of its architecture.
        options: Of its build function.
        members: How many networks it is.
        scaling: Of raw values.
        temperature: That its probabilities are taken at.
        record: How training went.
    """

    model: keras.Model
    spec: SequenceSpec
    name: str
    options: Mapping[str, Any]
    members: int
    scaling: Scaling
    temperature: float
    record: Record

    @property
    def channels(self) -> int:
        """Channels of the sequences."""
        return len(self.scaling.middle)

    def probabilities(self, sequences: Sequences) -> np.ndarray:
        """Return calibrated probabilities: float64 ``(sequences, classes)``, or ``(rows, classes)``."""
        scores = score_sequences(
            self.model,
            self.scaling.rows(sequences.values),
            sequences.offsets,
            self.spec.rows,
            by_row=self.name == "rows",
        )
        return tempered(mean_probabilities(scores), self.temperature)


Asked = TypeVar("Asked")


def fit_sequences(
    examples: Examples,
    parts: tuple[Examples, Examples] | None,
    recipe: Recipe,
    listeners: Listeners,
    ask: Callable[[SequenceNetwork, Examples, Examples], Asked],
) -> tuple[SequenceNetwork, Asked | None]:
    """Train a committee, first on one part to be judged by the other, then on all examples.

    The number of steps is known beforehand, so the held-out part chooses nothing but the temperature.

    Args:
        examples: All that is labelled.
        parts: What to learn from and what to judge by, or None.
        recipe: What is trained, and how.
        listeners: Who is told and asked.
        ask: Asks the first network, which has not learned from the held-out part, about it.

    Returns:
        The network, and what was asked of the first one.
    """
    whole = fit_scaling(examples.sequences)
    everything = _lesson(examples, whole, recipe)
    rows = int(np.diff(everything.offsets).max())
    spec = SequenceSpec(everything.rows.shape[1], len(examples.classes), rows, recipe.seed)
    model = build_committee(recipe.name, spec, recipe.options, recipe.members)
    compile_model(model, MembersCrossentropy(), recipe.plan(len(everything.offsets) - 1))
    blank = SequenceNetwork(model, spec, recipe.name, recipe.options, recipe.members, whole, 1.0, Record())
    if parts is None:
        return replace(blank, record=_train(blank, everything, recipe, listeners)), None
    untrained = model.get_weights()
    # Which channels carry a mark is the same for both trainings, so that they share their network.
    scaling = replace(fit_scaling(parts[0].sequences), marked=whole.marked)
    record = _train(blank, _lesson(parts[0], scaling, recipe), recipe, listeners)
    first = _calibrated(replace(blank, scaling=scaling, record=record), parts[1], recipe)
    told = ask(first, *parts)
    if record.stopped == "interrupted":
        return first, told
    model.set_weights(untrained)
    forget_moments(model)
    record = _train(blank, everything, recipe, listeners)
    return replace(blank, temperature=first.temperature, record=record), told


def _lesson(examples: Examples, scaling: Scaling, recipe: Recipe) -> Lesson:
    rows, weights = scaling.rows(examples.sequences.values), examples.weights(recipe.class_weight)
    lesson = Lesson(rows, examples.sequences.offsets, np.maximum(examples.codes, 0), weights)
    return lesson.cut(MOST_PIECE) if examples.by_row else lesson


def _train(network: SequenceNetwork, lesson: Lesson, recipe: Recipe, listeners: Listeners) -> Record:
    plan = recipe.plan(len(lesson.offsets) - 1)
    rows, by_row = network.spec.rows, network.name == "rows"
    batches = LessonBatches(lesson, rows, plan.batch_size, plan.steps, plan.seed, by_row=by_row)
    return train_batches(network.model, batches, plan, listeners=listeners)


def _calibrated(network: SequenceNetwork, judged: Examples, recipe: Recipe) -> SequenceNetwork:
    """Return the network at the temperature under which the labels of held-out examples were likeliest."""
    if not recipe.calibrate:
        return network
    known = judged.codes >= 0
    found = network.probabilities(judged.sequences)[known]
    return replace(network, temperature=fit_temperature(found, judged.codes[known]))
