"""One step of gradient descent from given weights, remembering nothing of earlier ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from forecast.data.windows import Batch, Windows
from forecast.models.forms import forms_of
from forecast.training.arranging import arranged
from forecast.training.fit import compile_form
from forecast.training.keeper import trained_form
from forecast.training.quiet import quiet_tracing
from forecast.training.window_batches import Examples

RATE = 0.05
"""Learning rate; gradients are cut off at a norm of 1, so no step is longer."""

WINDOWS = 16
"""Windows of a batch."""

_NAME = "fine_tuning"


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a step is made from.

    Args:
        model: The one that learns, or a part of it.
        loss: That the step lowers.
        examples: A batch.
    """

    model: keras.Model
    loss: keras.Loss
    examples: Examples | Batch


Lessons = Callable[[np.random.Generator], list[Lesson]]
"""Draws what a step is made from."""


def examples_of(model: keras.Model, windows: Windows, which: np.ndarray) -> Batch:
    """Return windows as a model learns from them."""
    forms, batch = forms_of(model), windows.batch(which)
    return batch if forms.training is None else arranged(batch, forms.rows)


def seeds_of(model: keras.Model) -> list[keras.Variable]:
    """Return the states of a model's random generators, which are no weights."""
    return [variable for variable in model.variables if "seed_generator_state" in variable.path]


def step(
    model: keras.Model, weights: list[np.ndarray], lessons: Lessons, draw: np.random.Generator
) -> list[np.ndarray]:
    """Return the weights after a step for each lesson; the same ones if a step leads out of what is finite.

    Args:
        model: That runs the weights; it is left with others.
        weights: To begin with.
        lessons: Of the model or its parts.
        draw: Decides on windows, and on what is dropped.
    """
    model.set_weights(weights)
    for lesson in lessons(draw):
        form = trained_form(lesson.model)
        # Whatever it was trained with: a model that was read from a file takes the same step.
        if not form.compiled or form.optimizer.name != _NAME:
            compile_form(form, lesson.loss, keras.optimizers.SGD(RATE, global_clipnorm=1.0, name=_NAME))
        for state in seeds_of(form):
            state.assign(draw.integers(0, 2**32, state.shape, np.uint32))
        with np.errstate(over="ignore", invalid="ignore"), quiet_tracing():
            form.train_on_batch(*lesson.examples)
    moved = model.get_weights()
    return moved if all(np.isfinite(array).all() for array in moved) else weights
