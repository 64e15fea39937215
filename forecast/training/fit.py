"""The one place where windows and models meet: training with early stopping on a validation tail."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np

from forecast.data.table import Choice
from forecast.data.windows import Windows
from forecast.errors import TrainingDiverged
from forecast.models.forms import forms_of
from forecast.training.arranging import arranged
from forecast.training.carrying import StretchBatches
from forecast.training.course import NOBODY, Listeners, Plan, Record
from forecast.training.keeper import Batches, Keeper, trained_form
from forecast.training.optimizer import GuardedAdam
from forecast.training.predict import in_batches, predict_windows
from forecast.training.quiet import quiet_tracing
from forecast.training.sequence import WindowSequence

# Validation windows looked at after each epoch: enough to choose the best epoch, few enough to be quick.
MOST_VALIDATION = 1_024
# Seconds that compiling a training step takes, about.
COMPILING = 4.0


def compile_model(model: keras.Model, loss: keras.Loss, plan: Plan, optimizer: Any = None) -> None:
    """Compile what is trained with a guarded Adam whose rate ``train`` sets step by step, unless one is given."""
    if optimizer is None:
        optimizer = GuardedAdam(
            plan.learning_rate, clip=plan.clip, averaging=plan.averaging, weight_decay=plan.weight_decay
        )
    compile_form(trained_form(model), loss, optimizer)


def compile_form(form: keras.Model, loss: keras.Loss, optimizer: Any) -> None:
    """Compile exactly what is trained, ready for its first step."""
    form.compile(optimizer=optimizer, loss=loss, jit_compile=False)
    if form.built:
        # TensorFlow traces a step twice if variables come into being in it.
        form.optimizer.build(form.trainable_variables)


def copied(optimizer: Any) -> Any:
    """Return an optimiser of the same settings that has not taken a step; None for None."""
    return None if optimizer is None else type(optimizer).from_config(optimizer.get_config())


def forget_moments(model: keras.Model) -> None:
    """Set an optimiser back to its first state but for the rate, so that a compiled model can be trained anew."""
    form = trained_form(model)
    optimizer = form.optimizer
    if not isinstance(optimizer, GuardedAdam):
        # What its first state is, it alone knows.
        compile_form(form, form.loss, copied(optimizer))
        return
    for variable in optimizer.variables:
        if variable is not optimizer.learning_rate:
            variable.assign(keras.ops.zeros(variable.shape, variable.dtype))


def at_half_rate(model: keras.Model, plan: Plan) -> Plan:
    """Return a plan of half the rate; an optimiser that no plan drives is slowed down, unless it has a schedule."""
    optimizer = trained_form(model).optimizer
    if not isinstance(optimizer, GuardedAdam) and isinstance(optimizer.learning_rate, keras.Variable):
        optimizer.learning_rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate)) / 2
    return replace(plan, learning_rate=plan.learning_rate / 2)


def train(
    model: keras.Model,
    windows: Windows,
    validation: Windows | None,
    plan: Plan,
    *,
    listeners: Listeners = NOBODY,
    retry: bool = True,
) -> Record:
    """Train a compiled model; the weights of the best validation loss are left in it.

    Args:
        model: Compiled with ``compile_model`` or otherwise.
        windows: Windows to learn from.
        validation: Windows to judge by, none of whose targets lie in a training window. Without them
            every epoch is run and the last weights are kept.
        plan: How long and how fast.
        listeners: Who is told and asked.
        retry: Go on once, at half the rate, where the loss becomes non-finite.

    Raises:
        TrainingDiverged: The loss became non-finite; the last good weights are left in the model.
    """
    batches = batches_of(model, windows, plan)
    thin = None if validation is None or not len(validation) else validation.thin(MOST_VALIDATION)
    judge = None if thin is None else partial(validation_loss, model, thin)
    return train_batches(model, batches, plan, judge=judge, listeners=listeners, retry=retry)


def batches_of(model: keras.Model, windows: Windows, plan: Plan) -> WindowSequence | StretchBatches:
    """Return the batches of a training: of windows, or for a model that carries its state of stretches of series."""
    forms = forms_of(model)
    if forms.carried is not None:
        return StretchBatches(windows, forms.carried, plan.steps, plan.seed)
    rows = None if forms.training is None else forms.rows
    return WindowSequence(
        windows, plan.batch_size, plan.steps, plan.seed, by_series=plan.by_series, rows=rows
    )


def train_batches(
    model: keras.Model,
    batches: Batches,
    plan: Plan,
    *,
    judge: Callable[[], float] | None = None,
    listeners: Listeners = NOBODY,
    retry: bool = True,
) -> Record:
    """Train a compiled model on batches of any kind.

    Args:
        model: Compiled with ``compile_model`` or otherwise.
        batches: ``(inputs, targets, weights)``, ``plan.steps`` an epoch.
        plan: How long and how fast.
        judge: Returns a validation loss after each epoch; None runs every epoch and keeps the last weights.
        listeners: Who is told and asked.
        retry: Go on once, at half the rate, where the loss becomes non-finite.

    Raises:
        TrainingDiverged: The loss became non-finite; the last good weights are left in the model.
    """
    form = trained_form(model)
    if not form.built:
        # A network of one's own may come into being on its first call.
        form(batches[0][0])
        form.optimizer.build(form.trainable_variables)
    keeper = Keeper(model, batches, plan, listeners, judge)
    keeper.go_back()
    _run(model, keeper)
    if retry and keeper.failed is not None:
        announce, said = listeners.announce, f"the loss became non-finite in {keeper.place}"
        if announce is not None:
            announce((Choice("training", "goes on at half the rate", "--learning-rate", said),))
        keeper.begin_again(at_half_rate(model, plan))
        forget_moments(model)
        _run(model, keeper)
    if keeper.failed is not None:
        halved = keeper.record.halved
        again = f", although the rate was halved in epoch {halved}" if halved else ""
        raise TrainingDiverged(
            f"The loss became non-finite in {keeper.place}{again}; the last good weights are kept. "
            f"{batches.culprit(batches.epoch, keeper.failed)}"
        )
    if not keeper.over:
        keeper.record.seconds = time.monotonic() - keeper.began
        keeper.keep(over=True)
    return keeper.record


def _run(model: keras.Model, keeper: Keeper) -> None:
    """Train from the batch at which the keeper stands; the weights to keep are left in the model."""
    form, epochs = trained_form(model), keeper.plan.epochs

    def fit(batches: Any, epochs: int) -> None:
        form.fit(
            batches,
            initial_epoch=keeper.epoch,
            epochs=epochs,
            verbose=0,
            shuffle=False,
            callbacks=[keeper, *keeper.listeners.callbacks],
        )

    if keeper.over:
        return
    form.stop_training = keeper.record.stopped != "epochs"
    # A batch may hold rows near 1e300 whose scaled values overflow: that is caught, not warned about.
    with np.errstate(over="ignore", invalid="ignore"), quiet_tracing():
        if keeper.first:
            fit(_Rest(keeper.batches, keeper.first), keeper.epoch + 1)
            if keeper.failed is None:
                # Keras ends a fit by putting the mean of the weights in their place.
                keeper.go_on()
        if not form.stop_training and keeper.epoch < epochs:
            fit(keeper.batches, epochs)
    keeper.restore()


def expected_seconds(model: keras.Model, windows: Windows, plan: Plan, *, compiled: bool = False) -> float:
    """Estimate how long training a compiled model will take on this machine, without training it.

    A forward pass of one batch is timed, after one that compiles it; a training step costs about three. Compiling
    the training step is taken to cost a few seconds, unless it will have been compiled by then.
    """
    form, inputs = model, windows.inputs(np.arange(min(plan.batch_size, len(windows))))
    if forms_of(model).carried is not None:
        form, inputs = trained_form(model), batches_of(model, windows, plan)[0][0]
    with quiet_tracing():
        form.predict_on_batch(inputs)
        began = time.perf_counter()
        for _ in range(2):
            form.predict_on_batch(inputs)
    step = 3 * (time.perf_counter() - began) / 2
    least = plan.total * step + (0.0 if compiled else COMPILING)
    return least if plan.budget is None else min(least, plan.budget)


def validation_loss(model: keras.Model, windows: Windows) -> float:
    """Mean loss over windows of a model that was compiled.

    The forecasting model is judged, unless its forecasts are not what the loss takes (sample paths of an
    autoregressive model): then the training form is.
    """
    forms, form = forms_of(model), trained_form(model)
    batch = windows.batch(np.arange(len(windows)))
    if forms.rows == "next":
        inputs, actual, weights = arranged(batch, forms.rows)
        forecasts = in_batches(form, inputs, len(windows))
    else:
        forecasts, (_, actual, weights) = predict_windows(model, windows), batch
    return float(keras.ops.convert_to_numpy(form.loss(actual, forecasts, sample_weight=weights)))


class _Rest(keras.utils.PyDataset):
    """Batches of an epoch from one on."""

    def __init__(self, batches: Batches, first: int):
        super().__init__(workers=1, use_multiprocessing=False)
        self.batches, self.first = batches, first

    def __len__(self) -> int:
        return len(self.batches) - self.first

    def __getitem__(self, index: int) -> Any:
        return self.batches[self.first + index]
