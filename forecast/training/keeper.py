"""What goes on beside a training: it is judged, its best weights and where it stands are kept, it is stopped."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any, Protocol

import keras
import numpy as np

from forecast.models.forms import forms_of
from forecast.training.checkpoint import Standing, assign, values_of
from forecast.training.course import Progress, Record
from forecast.training.optimizer import GuardedAdam


class Batches(Protocol):
    """A ``keras.utils.PyDataset`` whose batches are a function of the number of the epoch, which training sets."""

    epoch: int

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...

    def culprit(self, epoch: int, index: int) -> str:
        """Say what is known of a batch whose loss is not finite, as a sentence and advice."""
        ...


def trained_form(model: keras.Model) -> keras.Model:
    """Return what is trained: the training form of a model, or the model itself."""
    form = forms_of(model).training
    return model if form is None else form


class Keeper(keras.callbacks.Callback):
    """Validates, keeps the best weights and where training stands, stops, and remembers the batch that broke."""

    def __init__(self, trained, batches, plan, listeners, judge):
        super().__init__()
        self.forms, self.form = forms_of(trained), trained_form(trained)
        self.batches, self.plan = batches, plan
        self.listeners, self.judge = listeners, judge
        self.record, self.best, self.weights = Record(), np.inf, None
        # Weights before the epoch, and the number of the batch in it whose loss was not finite.
        self.good: list[np.ndarray] = []
        self.failed: int | None = None
        self.began = time.monotonic()
        self.compiled: float | None = None
        self.epoch, self.val_loss = 0, None
        # Number of this training in its fit, batches of the epoch and steps that were done in an earlier life, and the
        # metrics and weights with which that ended.
        self.number, self.first, self.before, self.over = 0, 0, 0, False
        self.metrics: list[np.ndarray] = []
        self.last: list[np.ndarray] = []

    @property
    def place(self):
        """Where the loss was not finite."""
        assert self.failed is not None
        return f"epoch {self.epoch + 1}, batch {self.failed + 1}"

    def begin_again(self, plan):
        """Go back to the beginning of the epoch that failed, with another plan."""
        self.plan, self.record.halved = plan, self.epoch + 1
        self.record.stopped, self.failed, self.first = "epochs", None, 0

    def go_back(self):
        """Stand where this training stood when it was kept, if it was."""
        if self.listeners.checkpoint is None:
            return
        self.number, standing = self.listeners.checkpoint.training()
        if standing is None:
            return
        told, groups = standing.told, standing.groups
        assign(self.form.variables, groups["model"])
        assign(self.form.optimizer.variables, groups["optimizer"])
        self.over, self.record = standing.over, Record(**told["record"])
        if self.over:
            return
        self.epoch, self.first = told["epoch"], told["batch"]
        self.best, self.val_loss = told["best"], told["val_loss"]
        self.weights, self.good = groups.get("best"), groups.get("good", [])
        self.metrics = groups["metrics"]
        self.began = time.monotonic() - told["seconds"]
        self.before = self.epoch * self.plan.steps + self.first
        if self.record.halved:
            self.plan = replace(self.plan, learning_rate=self.plan.learning_rate / 2)

    def go_on(self):
        """Put back the weights with which the last epoch ended, and stand before the next."""
        self.form.set_weights(self.last)
        self.epoch += 1

    def keep(self, batch=0, *, over=False):
        """Keep where training stands: behind so many batches of the epoch, 0 for behind all of it."""
        checkpoint = self.listeners.checkpoint
        if checkpoint is None:
            return
        interrupted = self.record.stopped == "interrupted"
        if hasattr(self.form, "jax_state_sync"):
            self.form.jax_state_sync()
        told = {"record": asdict(self.record)}
        groups = {
            "model": values_of(self.form.variables),
            "optimizer": values_of(self.form.optimizer.variables),
        }
        if not over:
            if interrupted:
                worn = not batch and self._patience_is_over
                told["record"]["stopped"] = "patience" if worn else "epochs"
            told |= {"epoch": self.epoch + (not batch), "batch": batch}
            told |= {"best": float(self.best), "val_loss": self.val_loss}
            told["seconds"] = time.monotonic() - self.began
            groups["metrics"] = values_of(self.form.metrics_variables)
            groups |= {"good": self.good} if self.weights is None else {"best": self.weights}
        checkpoint.keep(self.number, Standing(told, groups, over), last=interrupted)

    @property
    def _to_be_kept(self):
        """Whether an epoch that is not over is kept now."""
        checkpoint, stopped = self.listeners.checkpoint, self.record.stopped
        return stopped == "interrupted" or (stopped == "epochs" and checkpoint is not None and checkpoint.due)

    @property
    def _patience_is_over(self):
        return self.epoch + 1 - self.record.best_epoch >= self.plan.patience

    def on_epoch_begin(self, epoch, logs=None):
        # Said here, as how often Keras looks at the data before it begins differs by backend.
        self.epoch, self.batches.epoch = epoch, epoch + 1
        if self.first:
            # Keras has just set them back.
            assign(self.form.metrics_variables, self.metrics)
        elif self.weights is None:
            # A loss is finite before the step that breaks the weights.
            now = self.form.get_weights()
            self.good = now if all(np.isfinite(part).all() for part in now) else self.good

    def on_train_batch_begin(self, batch, logs=None):
        # The rate is a variable of the compiled program, so that another plan needs no other program.
        step = self.epoch * self.plan.steps + self.first + batch
        if isinstance(self.form.optimizer, GuardedAdam):
            self.form.optimizer.learning_rate = self.plan.rate(step, time.monotonic() - self.began)
        if self.forms.sampling is not None and self.forms.schedule is not None:
            self.forms.sampling.assign(self.forms.schedule(step / self.plan.total))

    def on_train_batch_end(self, batch, logs=None):
        loss = float((logs or {}).get("loss", np.nan))
        batch += self.first
        if not np.isfinite(loss):
            self.failed = batch
            self._stop("diverged")
        elif self.listeners.interrupted is not None and self.listeners.interrupted():
            self._stop("interrupted")
        elif self.plan.budget is not None and time.monotonic() - self.began > self.plan.budget:
            self._stop("budget")
        # Behind the last batch there is the epoch's end to come.
        if self.failed is None and batch + 1 < self.plan.steps and self._to_be_kept:
            self.keep(batch + 1)
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
        if self._patience_is_over and not self.form.stop_training:
            self._stop("patience")
        if self.first:
            self.first, self.last = 0, self.form.get_weights()
        self.keep()
        self._tell(self.plan.steps, loss)

    def _judge(self, epoch, logs):
        with self._averaged():
            self.val_loss = logs["val_loss"] = self.judge()
            if self.val_loss < self.best:
                self.best, self.record.best_epoch = self.val_loss, epoch + 1
                self.weights = self.form.get_weights()

    @contextmanager
    def _averaged(self):
        """Put the mean of the weights in their place for a while, if one is kept."""
        if self.plan.averaging is None or not isinstance(self.form.optimizer, GuardedAdam):
            yield
            return
        own = self.form.get_weights()
        self.form.optimizer.finalize_variable_values(self.form.trainable_variables)
        yield
        self.form.set_weights(own)

    def restore(self):
        if self.weights is not None:
            self.form.set_weights(self.weights)
        elif self.failed is not None:
            self.form.set_weights(self.good)
        elif isinstance(self.form.optimizer, GuardedAdam):
            # Keras itself does this at the end of a fit on some backends only; twice changes nothing.
            self.form.optimizer.finalize_variable_values(self.form.trainable_variables)

    def _stop(self, why):
        self.record.stopped = why
        self.form.stop_training = True

    def _row(self, epoch, loss):
        optimizer = self.form.optimizer
        norm = getattr(optimizer, "largest_norm", None)
        row = {"epoch": epoch + 1, "steps": (epoch + 1) * self.plan.steps, "loss": loss}
        if self.val_loss is not None:
            row["val_loss"] = self.val_loss
        row["learning_rate"] = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
        if norm is not None:
            row["gradient_norm"] = float(keras.ops.convert_to_numpy(norm))
            row["clipped"] = float(keras.ops.convert_to_numpy(optimizer.clipped)) / self.plan.steps
            norm.assign(0.0)
            optimizer.clipped.assign(0.0)
        row["seconds"] = time.monotonic() - self.began
        return row

    def _tell(self, step, loss):
        if self.listeners.progress is None:
            return
        gone = time.monotonic() - self.began
        done = self.epoch * self.plan.steps + step
        # The first step compiles the program: it says nothing about the others.
        self.compiled = gone if self.compiled is None else self.compiled
        own = done - self.before
        pace = (gone - self.compiled) / (own - 1) if own > 1 else np.nan
        left = pace * (self.plan.total - done) if done < self.plan.total else 0.0
        if self.plan.budget is not None:
            left = min(left, max(self.plan.budget - gone, 0.0))
        where = (self.epoch + 1, self.plan.epochs, step, self.plan.steps)
        self.listeners.progress(Progress(*where, loss, self.val_loss, gone, left))
