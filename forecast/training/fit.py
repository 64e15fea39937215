"""The one place where windows and models meet: training with early stopping on a validation tail."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from forecast.data.windows import Windows
from forecast.errors import TrainingDiverged
from forecast.training.optimizer import GuardedAdam
from forecast.training.predict import predict_windows
from forecast.training.sequence import WindowSequence

# Validation windows looked at after each epoch: enough to choose the best epoch, few enough to be quick.
MOST_VALIDATION = 1_024
WARM_UP = 0.05


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
    """

    epochs: int
    steps: int
    batch_size: int
    learning_rate: float
    patience: int
    clip: float | None = 1.0
    budget: float | None = None
    seed: int = 0


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
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    stopped: str = "epochs"
    seconds: float = 0.0


def compile_model(model: keras.Model, loss: keras.Loss, plan: Plan, optimizer: Any = None) -> None:
    """Compile with Adam, warm-up and cosine decay, unless an optimiser is given."""
    total = plan.epochs * plan.steps
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=plan.learning_rate * WARM_UP,
        decay_steps=max(total - int(total * WARM_UP), 1),
        warmup_target=plan.learning_rate,
        warmup_steps=int(total * WARM_UP),
    )
    chosen = GuardedAdam(schedule, clip=plan.clip) if optimizer is None else optimizer
    model.compile(optimizer=chosen, loss=loss, jit_compile=False)


def train(
    model: keras.Model,
    windows: Windows,
    validation: Windows | None,
    plan: Plan,
    *,
    progress: Callable[[Progress], None] | None = None,
    interrupted: Callable[[], bool] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Record:
    """Train a compiled model; the weights of the best validation loss are left in it.

    Args:
        model: Compiled with ``compile_model`` or otherwise.
        windows: Windows to learn from.
        validation: Windows to judge by, none of whose targets lie in a training window; None judges
            by the training loss.
        plan: How long and how fast.
        progress: Called after every batch and epoch.
        interrupted: Asked after every batch; True stops after it and keeps the best weights so far.
        callbacks: Further Keras callbacks.

    Raises:
        TrainingDiverged: The loss became non-finite; the best finite weights are left in the model.
    """
    batches = WindowSequence(windows, plan.batch_size, plan.steps, plan.seed)
    thin = None if validation is None or not len(validation) else validation.thin(MOST_VALIDATION)
    keeper = _Keeper(batches, thin, plan, progress, interrupted)
    # A batch may hold rows near 1e300 whose scaled values overflow: that is caught, not warned about.
    with np.errstate(over="ignore", invalid="ignore"):
        model.fit(batches, epochs=plan.epochs, verbose=0, shuffle=False, callbacks=[keeper, *callbacks])
    keeper.restore()
    if keeper.culprit is not None:
        raise TrainingDiverged(keeper.culprit)
    keeper.record.seconds = time.monotonic() - keeper.began
    return keeper.record


def validation_loss(model: keras.Model, windows: Windows) -> float:
    """Mean loss of a compiled model over windows."""
    forecasts = predict_windows(model, windows)
    _, actual, weights = windows.batch(np.arange(len(windows)))
    return float(keras.ops.convert_to_numpy(model.loss(actual, forecasts, sample_weight=weights)))


class _Keeper(keras.callbacks.Callback):
    """Validates, keeps the best weights, stops, and names the batch that broke."""

    def __init__(self, batches, validation, plan, progress, interrupted):
        super().__init__()
        self.batches, self.validation, self.plan = batches, validation, plan
        self.progress, self.interrupted = progress, interrupted
        self.record, self.best, self.weights = Record(), np.inf, None
        self.culprit: str | None = None
        self.began = time.monotonic()
        self.epoch, self.val_loss = 0, None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        loss = float((logs or {}).get("loss", np.nan))
        if not np.isfinite(loss):
            self.culprit = self._name(batch)
            self._stop("diverged")
        elif self.interrupted is not None and self.interrupted():
            self._stop("interrupted")
        elif self.plan.budget is not None and time.monotonic() - self.began > self.plan.budget:
            self._stop("budget")
        self._tell(batch + 1, loss)

    def on_epoch_end(self, epoch, logs=None):
        if self.culprit is not None:
            return
        logs = {} if logs is None else logs
        loss = float(logs.get("loss", np.nan))
        judged = loss if self.validation is None else validation_loss(self.model, self.validation)
        if self.validation is not None:
            self.val_loss = logs["val_loss"] = judged
        if judged < self.best:
            self.best, self.weights, self.record.best_epoch = judged, self.model.get_weights(), epoch + 1
        self.record.history.append(self._row(epoch, loss))
        if epoch + 1 - self.record.best_epoch >= self.plan.patience and not self.model.stop_training:
            self._stop("patience")
        self._tell(self.plan.steps, loss)

    def restore(self):
        if self.weights is not None:
            self.model.set_weights(self.weights)

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
        if self.progress is None:
            return
        gone = time.monotonic() - self.began
        share = (self.epoch * self.plan.steps + step) / (self.plan.epochs * self.plan.steps)
        left = gone / share - gone if share > 0 else np.nan
        if self.plan.budget is not None:
            left = min(left, max(self.plan.budget - gone, 0.0))
        where = (self.epoch + 1, self.plan.epochs, step, self.plan.steps)
        self.progress(Progress(*where, loss, self.val_loss, gone, left))

    def _name(self, batch):
        """Say which windows were in the batch, and the largest value among them."""
        windows = self.batches.windows
        members = self.batches.members(self.epoch, batch)
        panel, series = windows.panel, windows.series[members]
        inputs, targets, _ = windows.batch(members)
        sizes = np.nanmax(np.abs(np.concatenate([inputs["target"], targets], axis=1)), axis=(1, 2), initial=0.0)
        worst = int(sizes.argmax())
        i, origin = int(series[worst]), int(windows.origins[members[worst]])
        who = f"series {panel.ids[i]!r}, " if panel.columns.id is not None else ""
        return (
            f"The loss became non-finite in epoch {self.epoch + 1}, batch {batch + 1}; the last finite weights are "
            f"kept. Largest value in that batch: {sizes[worst]:g} ({who}window at {panel.time_at(i, origin)}). "
            "Check that value, or lower --learning-rate."
        )
