"""Networks that are built alike train one after the other in one compiled program: it is traced once."""

from __future__ import annotations

from contextlib import contextmanager

import keras

from forecast.data.windows import Windows
from forecast.training.checkpoint import assign, values_of
from forecast.training.course import NOBODY, Listeners, Plan, Record
from forecast.training.fit import forget_moments, train
from forecast.training.keeper import trained_form
from forecast.training.optimizer import GuardedAdam


def train_in(
    program: keras.Model,
    model: keras.Model,
    windows: Windows,
    validation: Windows | None,
    plan: Plan,
    *,
    listeners: Listeners = NOBODY,
) -> Record:
    """Train a network in the compiled program of one that is built like it; its weights end as they would in its own.

    Args:
        program: Compiled. Its weights are put back, its optimiser ends as it began; it may be the network itself.
        model: Compiled; it begins with its own weights and takes those that are learned.
        windows: As ``train`` takes them.
        validation: As ``train`` takes it.
        plan: How long and how fast.
        listeners: Who is told and asked.

    Raises:
        TrainingDiverged: The loss became non-finite; the last good weights are left in the model.
    """
    if program is model or not isinstance(trained_form(program).optimizer, GuardedAdam):
        # What the first state of another optimiser is, only compiling it anew tells.
        return train(model, windows, validation, plan, listeners=listeners)
    with _lent(program, model):
        return train(program, windows, validation, plan, listeners=listeners)


@contextmanager
def _lent(program: keras.Model, model: keras.Model):
    """Put a model's variables, random states among them, into a program, and take them out of it at the end."""
    inside, own = trained_form(program).variables, trained_form(model).variables
    before = values_of(inside)
    assign(inside, values_of(own))
    forget_moments(program)
    try:
        yield
    finally:
        assign(own, values_of(inside))
        assign(inside, before)
        forget_moments(program)
