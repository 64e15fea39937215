"""Architectures by name. A new one is one file and one line here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras

from forecast.errors import ParameterError, closest
from forecast.models.autoregressive import build_autoregressive
from forecast.models.conv import build_conv
from forecast.models.dense import build_dense
from forecast.models.esrnn import build_esrnn
from forecast.models.linear import build_linear
from forecast.models.rnn import build_rnn
from forecast.models.segment import build_segment
from forecast.models.seq2seq import build_seq2seq
from forecast.models.spec import Spec, check_word
from forecast.models.stateful import build_stateful
from forecast.models.transformer import build_transformer

MODELS: dict[str, Callable[..., keras.Model]] = {
    "rnn": build_rnn,
    "segment": build_segment,
    "esrnn": build_esrnn,
    "seq2seq": build_seq2seq,
    "autoregressive": build_autoregressive,
    "dense": build_dense,
    "linear": build_linear,
    "stateful": build_stateful,
    "conv": build_conv,
    "transformer": build_transformer,
}
"""Build function of each architecture, by name: ``build(spec, **options) -> keras.Model``."""


def build_model(name: str, spec: Spec, options: Mapping[str, Any]) -> keras.Model:
    """Build a network by the name of its architecture.

    Raises:
        ParameterError: There is no such architecture, or it has no such option.

    Example:
        >>> build_model("segment", Spec(context=48, horizon=12), {"units": 8}).name
        'segment'
    """
    build = MODELS[check_word("model", name, tuple(MODELS))]
    known = options_of(build)
    for option in options:
        if option not in known:
            raise ParameterError(
                f"The {name} network has no option {option!r}; it has {', '.join(known)}.{closest(option, known)}"
            )
    return build(spec, **options)


def options_of(build: Callable[..., Any]) -> tuple[str, ...]:
    """Name the options of a build function, all but the spec.

    Example:
        >>> options_of(build_segment)
        ('segment', 'cell', 'units', 'dropout', 'decoding')
    """
    return tuple(inspect.signature(build).parameters)[1:]
