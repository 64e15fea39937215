"""How long and how fast a network is trained, who is told, and what happened."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import keras

from forecast.data.table import Choice
from forecast.training.checkpoint import Checkpoint

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
        averaging: Momentum of the mean of the weights that is validated and kept; None for the weights themselves.
        weight_decay: Share of the rate by which each step shrinks the kernels; None for none.
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
    weight_decay: float | None = None
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
        history: One dict an epoch: epoch, steps, loss, val_loss, learning_rate, gradient_norm, clipped
            (share of its steps), seconds.
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
        checkpoint: Keeps where each training stands.
        diagnose: Whether to measure how far back gradients reach, before and after training.
    """

    progress: Callable[[Progress], None] | None = None
    interrupted: Callable[[], bool] | None = None
    callbacks: Sequence[keras.callbacks.Callback] = ()
    announce: Callable[[tuple[Choice, ...]], None] | None = None
    checkpoint: Checkpoint | None = None
    diagnose: bool = False


NOBODY = Listeners()


def joined(first: Record, second: Record) -> Record:
    """Join the records of a fit and of its continuation."""
    later = [row | {"epoch": row["epoch"] + len(first.history)} for row in second.history]
    stopped = second.stopped if second.stopped != "epochs" else first.stopped
    halved = first.halved or (second.halved and second.halved + len(first.history))
    return Record(first.history + later, first.best_epoch, stopped, first.seconds + second.seconds, halved)
