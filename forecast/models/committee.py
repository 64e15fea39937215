"""Several networks of one kind behind the same inputs, trained together, each by itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import keras

from forecast.models.dtypes import REGISTER
from forecast.models.fcn import build_fcn
from forecast.models.inputs import layer_seed
from forecast.models.many_to_many import build_many_to_many
from forecast.models.many_to_one import build_many_to_one
from forecast.models.rnn import check_sizes
from forecast.models.sequence_spec import SequenceSpec
from forecast.models.spec import check_word

SEQUENCE_MODELS: dict[str, Callable[..., keras.Model]] = {
    "fcn": build_fcn,
    "rnn": build_many_to_one,
    "rows": build_many_to_many,
}
"""Build function of each network of sequences, by name: ``build(spec, **options) -> keras.Model``."""
MOST_MEMBERS = 64


def build_committee(
    name: str, spec: SequenceSpec, options: Mapping[str, Any], members: int = 1
) -> keras.Model:
    """Build networks that differ in their seeds only, side by side.

    Args:
        name: ``"fcn"``, ``"rnn"`` (many to one) or ``"rows"`` (many to many).
        spec: Sizes of inputs and outputs.
        options: Of the build function.
        members: How many.

    Returns:
        A ``keras.Model`` that takes what each of them takes, and returns the scores of all:
        ``(batch, members, classes)``, or ``(batch, time, members, classes)``.

    Example:
        >>> spec = SequenceSpec(width=1, classes=2, rows=5)
        >>> build_committee("rnn", spec, {"units": 3}, members=2).output_shape
        (None, 2, 2)
    """
    check_word("model", name, tuple(SEQUENCE_MODELS))
    check_sizes(members=members, most=MOST_MEMBERS)
    seeds = [spec.seed if k == 0 else layer_seed(spec.seed, 1_000 + k) for k in range(members)]
    parts = [SEQUENCE_MODELS[name](replace(spec, seed=seed), **options) for seed in seeds]
    for k, part in enumerate(parts):
        part.name = f"member_{k + 1}"
    inputs = {
        "rows": keras.Input((None, spec.width), dtype="float32", name="rows"),
        "length": keras.Input((), dtype="int32", name="length"),
    }
    scores = keras.ops.stack([part(inputs) for part in parts], axis=-2)
    return keras.Model(inputs, scores, name=name)


@REGISTER
class MembersCrossentropy(keras.losses.Loss):
    """Cross-entropy of each member of a committee, averaged over them.

    Weights of rows or sequences are divided by their sum, so that those of weight 0 count for nothing.

    Args:
        smoothing: Share of certainty that is spread over all classes.

    Call:
        Codes ``(batch,)`` or ``(batch, time)``, and logits ``(batch[, time], members, classes)``.
    """

    def __init__(self, smoothing: float = 0.0, name: str = "members_crossentropy", **kwargs):
        super().__init__(name=name, **({"reduction": "mean_with_sample_weight"} | kwargs))
        self.smoothing = smoothing

    def call(self, y_true, y_pred):
        count = y_pred.shape[-1]
        truth = keras.ops.one_hot(keras.ops.cast(y_true, "int32"), count, dtype=y_pred.dtype)
        truth = truth * (1 - self.smoothing) + self.smoothing / count
        each = -keras.ops.sum(truth[..., None, :] * keras.ops.log_softmax(y_pred, axis=-1), axis=-1)
        return keras.ops.mean(each, axis=-1)

    def get_config(self):
        return super().get_config() | {"smoothing": self.smoothing}


def least_weights(name: str, spec: SequenceSpec, options: Mapping[str, Any], members: int) -> int:
    """Return how many weights a committee has at least, told without building it.

    Example:
        >>> spec = SequenceSpec(width=1, classes=2, rows=5)
        >>> model = build_committee("fcn", spec, {}, members=2)
        >>> least_weights("fcn", spec, {}, 2) <= model.count_params()
        True
    """
    build = SEQUENCE_MODELS[check_word("model", name, tuple(SEQUENCE_MODELS))]
    usual = {k: p.default for k, p in inspect.signature(build).parameters.items()} | dict(options)
    units, layers, filters = usual["units"], usual.get("layers", 1), usual.get("filters", ())
    check_sizes(units=units, layers=layers, members=members)
    inside = sum(3 * one * other for one, other in pairwise(filters))
    return members * (layers * units * (units + 1) + inside + spec.width * units + spec.classes * (units + 1))
