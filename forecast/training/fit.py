"""The one place where windows and models meet: training with early stopping on a validation tail."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import keras
import numpy as np

from forecast.data.table import Choice
from forecast.data.windows import Windows
from forecast.errors import TrainingDiverged
from forecast.models.forms import forms_of
from forecast.training.arranging import arranged
from forecast.training.optimizer import GuardedAdam
from forecast.training.predict import in_batches, predict_windows
from forecast.training.quiet import quiet_tracing
from forecast.training.sequence import WindowSequence

# Validation windows looked at after each epoch: enough to choose the best epoch, few enough to be quick.
MOST_VALIDATION = 1_024
WARM_UP = 0.05
# Seconds that compiling a training step takes, about.
COMPILING = 4.0


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train.

    Args:
        epochs: Number of epochs at most.
        steps: Batches an epoch.
        batch_size: Windows a batch.
        learning_rate: Highest rate; 5 % of the steps warm up to it, then a cosine falls to zero.
        patience: Epochs without a better validation loss before stopping.
        clip: Largest global gradient norm, None for no clipping.
        budget: Seconds of wall time at most, None for no limit.
        seed: Seed of the order of windows.
        averaging: Momentum of the mean of the weights that is validated and kept; None for the weights themselves.
        by_series: Draw every series equally often, not every window.

    Example:
        >>> plan = Plan(epochs=10, steps=10, batch_size=8, learning_rate=1.0, patience=5)
        >>> [round(plan.rate(step), 2) for step in (0, 4, 52, 99)]
        [0.2, 1.0, 0.51, 0.0]
    """

    epochs: int
    steps: int
    batch_size: int
    learning_rate: float
    patience: int
    clip: float | None = 1.0
    budget: float | None = None
    seed: int = 0
    averaging: float | None = None
    by_series: bool = False

    @property
    def total(self) -> int:
        """Steps of all epochs."""
        return self.epochs * self.steps

    def rate(self, step: int, seconds: float = 0.0) -> float:
        """Learning rate of a step: a linear warm-up, then a cosine to zero.

        Under a budget it falls by what is spent first, steps or seconds, so that it ends at zero either way.
        """
        warm = max(int(self.total * WARM_UP), 1)
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        done = (step - warm) / max(self.total - warm, 1)
        if self.budget is not None:
            done = max(done, seconds / self.budget)
        return self.learning_rate * (1 + math.cos(math.pi * min(done, 1.0))) / 2


@dataclass(frozen=True)
class Progress:
    """Where training stands, handed to the ``progress`` callable after every batch and epoch."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    val_loss: float | None
    seconds: float
    seconds_left: float


@dataclass
class Record:
    """What happened while training.

    Args:
        history: One dict an epoch: epoch, steps, loss, val_loss, learning_rate, gradient_norm, seconds.
        best_epoch: Number of the epoch whose weights were kept, from 1; 0 if none was validated.
        stopped: Why training ended: ``"epochs"``, ``"patience"``, ``"budget"`` or ``"interrupted"``.
        seconds: Wall time.
        halved: Epoch, from 1, in which the loss became non-finite, so that training went on from the last good
            weights at half the rate; 0 if it never did.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    stopped: str = "epochs"
    seconds: float = 0.0
    halved: int = 0


@dataclass(frozen=True)
class Listeners:
    """Who is told, and who is asked, while a fit goes on.

    Args:
        progress: Told after every batch and epoch.
        interrupted: Asked after every batch; True stops after it and keeps the best weights so far.
        callbacks: Further Keras callbacks.
        announce: Told what was chosen, before a training begins or goes on in another way.
    """

    progress: Callable[[Progress], None] | None = None
    interrupted: Callable[[], bool] | None = None
    callbacks: Sequence[keras.callbacks.Callback] = ()
    announce: Callable[[tuple[Choice, ...]], None] | None = None


NOBODY = Listeners()


def compile_model(model: keras.Model, loss: keras.Loss, plan: Plan, optimizer: Any = None) -> None:
    """Compile what is trained with a guarded Adam whose rate ``train`` sets step by step, unless one is given."""
    if optimizer is None:
        optimizer = GuardedAdam(plan.learning_rate, clip=plan.clip, averaging=plan.averaging)
    compile_form(trained_form(model), loss, optimizer)


def compile_form(form: keras.Model, loss: keras.Loss, optimizer: Any) -> None:
    """Compile exactly what is trained, ready for its first step."""
    form.compile(optimizer=optimizer, loss=loss, jit_compile=False)
    # TensorFlow traces a step twice if variables come into being in it.
    form.optimizer.build(form.trainable_variables)


def trained_form(model: keras.Model) -> keras.Model:
    """Return what is trained: the training form of a model, or the model itself."""
    form = forms_of(model).training
    return model if form is None else form


def forget_moments(model: keras.Model) -> None:
    """Set an optimiser back to its first state but for the rate, so that a compiled model can be trained anew."""
    optimizer = trained_form(model).optimizer
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
    forms = forms_of(model)
    batches = WindowSequence(
        windows,
        plan.batch_size,
        plan.steps,
        plan.seed,
        by_series=plan.by_series,
        rows=None if forms.training is None else forms.rows,
    )
    thin = None if validation is None or not len(validation) else validation.thin(MOST_VALIDATION)
    judge = None if thin is None else partial(validation_loss, model, thin)
    return train_batches(model, batches, plan, judge=judge, listeners=listeners, retry=retry)


class Batches(Protocol):
    """A ``keras.utils.PyDataset`` whose batches are a function of the number of the epoch, which training sets."""

    epoch: int

    def culprit(self, epoch: int, index: int) -> str:
        """Say what is known of a batch whose loss is not finite, as a sentence and advice."""
        ...


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
    keeper = _Keeper(model, batches, plan, listeners, judge)
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
        again = f", although the rate was halved after epoch {halved}" if halved else ""
        raise TrainingDiverged(
            f"The loss became non-finite in {keeper.place}{again}; the last good weights are kept. "
            f"{batches.culprit(batches.epoch, keeper.failed)}"
        )
    keeper.record.seconds = time.monotonic() - keeper.began
    return keeper.record


def _run(model: keras.Model, keeper: _Keeper) -> None:
    """Train from the epoch in which the keeper stands; the weights to keep are left in the model."""
    # A batch may hold rows near 1e300 whose scaled values overflow: that is caught, not warned about.
    with np.errstate(over="ignore", invalid="ignore"), quiet_tracing():
        trained_form(model).fit(
            keeper.batches,
            initial_epoch=keeper.epoch,
            epochs=keeper.plan.epochs,
            verbose=0,
            shuffle=False,
            callbacks=[keeper, *keeper.listeners.callbacks],
        )
    keeper.restore()


def joined(first: Record, second: Record) -> Record:
    """Join the records of a fit and of its continuation."""
    later = [row | {"epoch": row["epoch"] + len(first.history)} for row in second.history]
    stopped = second.stopped if second.stopped != "epochs" else first.stopped
    halved = first.halved or (second.halved and second.halved + len(first.history))
    return Record(first.history + later, first.best_epoch, stopped, first.seconds + second.seconds, halved)


def expected_seconds(model: keras.Model, windows: Windows, plan: Plan) -> float:
    """Estimate how long training a compiled model will take on this machine, without training it.

    A forward pass of one batch is timed, after one that compiles it; a training step costs about three. Compiling
    the training step is taken to cost a few seconds.
    """
    which = np.arange(min(plan.batch_size, len(windows)))
    inputs = windows.inputs(which)
    with quiet_tracing():
        model.predict_on_batch(inputs)
        began = time.perf_counter()
        for _ in range(2):
            model.predict_on_batch(inputs)
    step = 3 * (time.perf_counter() - began) / 2
    least = COMPILING + plan.total * step
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


class _Keeper(keras.callbacks.Callback):
    """Validates, keeps the best weights, stops, and remembers the batch that broke."""

    def __init__(self, trained, batches, plan, listeners, judge):
        super().__init__()
        self.forms, self.batches, self.plan = forms_of(trained), batches, plan
        self.listeners, self.judge = listeners, judge
        self.record, self.best, self.weights = Record(), np.inf, None
        # Weights before the epoch, and the number of the batch in it whose loss was not finite.
        self.good: list[np.ndarray] = []
        self.failed: int | None = None
        self.began = time.monotonic()
        self.compiled: float | None = None
        self.epoch, self.val_loss = 0, None

    @property
    def place(self):
        """Where the loss was not finite."""
        assert self.failed is not None
        return f"epoch {self.epoch + 1}, batch {self.failed + 1}"

    def begin_again(self, plan):
        """Go back to the beginning of the epoch that failed, with another plan."""
        self.plan, self.record.halved = plan, self.epoch + 1
        self.record.stopped, self.failed = "epochs", None

    def on_epoch_begin(self, epoch, logs=None):
        # Said here, as how often Keras looks at the data before it begins differs by backend.
        self.epoch, self.batches.epoch = epoch, epoch + 1
        if self.weights is None:
            self.good = self.model.get_weights()

    def on_train_batch_begin(self, batch, logs=None):
        # The rate is a variable of the compiled program, so that another plan needs no other program.
        step = self.epoch * self.plan.steps + batch
        if isinstance(self.model.optimizer, GuardedAdam):
            self.model.optimizer.learning_rate = self.plan.rate(step, time.monotonic() - self.began)
        if self.forms.sampling is not None and self.forms.schedule is not None:
            self.forms.sampling.assign(self.forms.schedule(step / self.plan.total))

    def on_train_batch_end(self, batch, logs=None):
        loss = float((logs or {}).get("loss", np.nan))
        if not np.isfinite(loss):
            self.failed = batch
            self._stop("diverged")
        elif self.listeners.interrupted is not None and self.listeners.interrupted():
            self._stop("interrupted")
        elif self.plan.budget is not None and time.monotonic() - self.began > self.plan.budget:
            self._stop("budget")
        self._tell(batch + 1, loss)

    def on_epoch_end(self, epoch, logs=None):
        if self.failed is not None:
            return
        logs = {} if logs is None else logs
        loss = float(logs.get("loss", np.nan))
        if self.judge is None:
            self.record.best_epoch = epoch + 1
        else:
            self._judge(epoch, logs)
        self.record.history.append(self._row(epoch, loss))
        if epoch + 1 - self.record.best_epoch >= self.plan.patience and not self.model.stop_training:
            self._stop("patience")
        self._tell(self.plan.steps, loss)

    def _judge(self, epoch, logs):
        with self._averaged():
            self.val_loss = logs["val_loss"] = self.judge()
            if self.val_loss < self.best:
                self.best, self.record.best_epoch = self.val_loss, epoch + 1
                self.weights = self.model.get_weights()

    @contextmanager
    def _averaged(self):
        """Put the mean of the weights in their place for a while, if one is kept."""
        if self.plan.averaging is None or not isinstance(self.model.optimizer, GuardedAdam):
            yield
            return
        own = self.model.get_weights()
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        yield
        self.model.set_weights(own)

    def restore(self):
        if self.weights is not None:
            self.model.set_weights(self.weights)
        elif self.failed is not None:
            self.model.set_weights(self.good)
        elif isinstance(self.model.optimizer, GuardedAdam):
            # Keras itself does this at the end of a fit on some backends only; twice changes nothing.
            self.model.optimizer.finalize_variable_values(self.model.trainable_variables)

    def _stop(self, why):
        self.record.stopped = why
        self.model.stop_training = True

    def _row(self, epoch, loss):
        optimizer = self.model.optimizer
        norm = getattr(optimizer, "largest_norm", None)
        row = {"epoch": epoch + 1, "steps": (epoch + 1) * self.plan.steps, "loss": loss}
        if self.val_loss is not None:
            row["val_loss"] = self.val_loss
        row["learning_rate"] = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
        if norm is not None:
            row["gradient_norm"] = float(keras.ops.convert_to_numpy(norm))
            norm.assign(0.0)
        row["seconds"] = time.monotonic() - self.began
        return row

    def _tell(self, step, loss):
        if self.listeners.progress is None:
            return
        gone = time.monotonic() - self.began
        done = self.epoch * self.plan.steps + step
        # The first step compiles the program: it says nothing about the others.
        self.compiled = gone if self.compiled is None else self.compiled
        pace = (gone - self.compiled) / (done - 1) if done > 1 else np.nan
        left = pace * (self.plan.total - done) if done < self.plan.total else 0.0
        if self.plan.budget is not None:
            left = min(left, max(self.plan.budget - gone, 0.0))
        where = (self.epoch + 1, self.plan.epochs, step, self.plan.steps)
        self.listeners.progress(Progress(*where, loss, self.val_loss, gone, left))
