"""Where sequences and networks meet: batches to train on, and scores of every sequence or row."""

from __future__ import annotations

from dataclasses import dataclass, replace

import keras
import numpy as np

from forecast.data.sequences import offsets_of, padded
from forecast.data.windows import order
from forecast.training.quiet import quiet_tracing
from forecast.training.sequence import Passes

# A call of a network reads no more rows than this, padding included, and no more sequences than that.
MOST_CELLS, MOST_SEQUENCES = 65_536, 64


@dataclass(frozen=True, eq=False)
class Lesson:
    """Sequences to learn from, scaled.

    Args:
        rows: float32, shape ``(rows, width)``.
        offsets: Where sequences begin, shape ``(sequences + 1,)``.
        codes: Class of each sequence ``(sequences,)``, or of each row ``(rows,)``.
        weights: Of the same shape; 0 counts for nothing.
    """

    rows: np.ndarray
    offsets: np.ndarray
    codes: np.ndarray
    weights: np.ndarray

    def cut(self, most: int) -> Lesson:
        """Cut sequences labelled row by row into pieces of at most ``most`` rows; pieces without a label go.

        Example:
            >>> lesson = Lesson(np.zeros((5, 1)), np.array([0, 5]), np.arange(5), np.ones(5))
            >>> lesson.cut(2).offsets.tolist()
            [0, 2, 4, 5]
        """
        begins = [np.arange(a, b, most) for a, b in zip(self.offsets[:-1], self.offsets[1:], strict=True)]
        offsets = np.append(np.concatenate(begins), self.offsets[-1])
        labelled = np.add.reduceat(self.weights, offsets[:-1]) > 0
        kept = np.repeat(labelled, np.diff(offsets))
        return replace(
            self,
            rows=self.rows[kept],
            offsets=offsets_of(np.diff(offsets)[labelled]),
            codes=self.codes[kept],
            weights=self.weights[kept],
        )


class LessonBatches(keras.utils.PyDataset):
    """Batches of padded sequences, in an order that is a function of seed and epoch alone.

    Args:
        lesson: The sequences.
        length: Rows that every sequence is padded to.
        batch_size: Sequences a batch.
        steps: Batches an epoch.
        seed: Seed of the order.
        by_row: Whether labels are of rows.
    """

    def __init__(self, lesson: Lesson, length: int, batch_size: int, steps: int, seed: int, *, by_row: bool):
        super().__init__(workers=1, use_multiprocessing=False)
        self.lesson, self.length, self.steps, self.by_row = lesson, length, steps, by_row
        count = len(lesson.offsets) - 1
        self.passes = Passes(count, batch_size, steps, lambda number: order(count, seed, number))
        self.epoch = 0

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        return self.batch(self.passes.members(self.epoch, index))

    def on_epoch_end(self) -> None:
        self.epoch += 1

    def batch(self, which: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """Return inputs, codes and weights of some sequences; weights of padded rows are 0."""
        lesson = self.lesson
        inputs = inputs_of(lesson.rows, lesson.offsets, which, self.length)
        if not self.by_row:
            return inputs, lesson.codes[which], lesson.weights[which]
        codes, weights = (
            padded(part, lesson.offsets, which, self.length) for part in (lesson.codes, lesson.weights)
        )
        return inputs, codes, weights

    def culprit(self, epoch: int, index: int) -> str:
        """Say what is largest in a batch whose loss is not finite."""
        rows = self.batch(self.passes.members(epoch, index))[0]["rows"]
        return f"Largest scaled value in that batch: {np.abs(rows).max():g}. Lower the learning rate."


def inputs_of(rows: np.ndarray, offsets: np.ndarray, which: np.ndarray, length: int) -> dict[str, np.ndarray]:
    """Return what a network of sequences takes: padded rows and lengths."""
    return {
        "rows": padded(rows, offsets, which, length),
        "length": np.diff(offsets)[which].astype(np.int32),
    }


def score_sequences(
    model: keras.Model, rows: np.ndarray, offsets: np.ndarray, least: int, *, by_row: bool
) -> np.ndarray:
    """Run a committee over sequences of any length.

    A sequence is padded to a length that depends on itself alone, and every call has a fixed number of sequences, so
    that its scores do not depend on which others were asked for.

    Args:
        model: From ``build_committee``.
        rows: Scaled, float32 ``(rows, width)``.
        offsets: Where sequences begin.
        least: Rows that short sequences are padded to; longer ones to twice that, four times …
        by_row: Whether scores are of rows.

    Returns:
        float64 ``(sequences, members, classes)``, or ``(rows, members, classes)``.
    """
    lengths = np.diff(offsets)
    sizes = least * 2 ** np.ceil(np.log2(np.maximum(lengths / least, 1))).astype(int)
    found: list[np.ndarray] = [np.empty(0)] * len(lengths)
    for size in np.unique(sizes):
        which = np.flatnonzero(sizes == size)
        capacity = int(np.clip(MOST_CELLS // size, 1, MOST_SEQUENCES))
        for begin in range(0, len(which), capacity):
            part = which[begin : begin + capacity]
            filled = np.pad(part, (0, capacity - len(part)), mode="edge")
            with quiet_tracing():
                scores = np.array(
                    model.predict_on_batch(inputs_of(rows, offsets, filled, int(size))), dtype=np.float64
                )
            for place, i in enumerate(part):
                found[i] = scores[place, : lengths[i]] if by_row else scores[place : place + 1]
    return np.concatenate(found)


def mean_probabilities(scores: np.ndarray) -> np.ndarray:
    """Return the members' mean probability of each class: logits ``(n, members, classes)`` to ``(n, classes)``.

    Example:
        >>> mean_probabilities(np.zeros((1, 2, 4))).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """
    free = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return (free / free.sum(axis=-1, keepdims=True)).mean(axis=1)
