"""Transformers over patches of the context, to compare recurrent networks with."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from forecast.errors import ParameterError
from forecast.models.aligned import marked, newest_last
from forecast.models.frame import (
    LONGEST_SKIP,
    HorizonHead,
    dense,
    dropped,
    finish,
    layer_seed,
    linear_skip,
    prepare,
)
from forecast.models.patches import Patches, Positions
from forecast.models.rnn import check_shares, check_sizes
from forecast.models.spec import Spec


def build_transformer(
    spec: Spec,
    *,
    patch: int = 16,
    stride: int = 8,
    units: int = 64,
    heads: int = 4,
    layers: int = 2,
    dropout: float = 0.2,
) -> keras.Model:
    """Build a Transformer forecaster on patches (PatchTST): raw values in, raw values out.

    The scaled context is cut into overlapping patches that end at the newest row. Each becomes a token with a
    learned position; encoder layers let the tokens attend to each other, and the horizon is forecast from all
    of them. Tokens of nothing but padding are never attended to.

    Args:
        spec: Sizes of inputs and outputs, and scales.
        patch: Rows of a patch; half of the context if that is less.
        stride: Rows from one patch to the next, at most a patch.
        units: Width of a token; a multiple of ``heads``.
        heads: Number of attention heads.
        layers: Number of encoder layers.
        dropout: Share dropped behind the tokens, attention and feed-forward layers, and before the head.

    Returns:
        A ``keras.Model`` as ``build_rnn`` returns it.

    Raises:
        ParameterError: An argument is out of range.

    Example:
        >>> build_transformer(Spec(context=48, horizon=6), units=8, heads=2).output_shape
        (None, 6, 1)

    Source:
        Nie et al. (2023), "A time series is worth 64 words", arXiv 2211.14730; Vaswani et al. (2017) for the encoder.
    Differs:
        Layer normalisation before each part in place of batch normalisation behind it; patches are counted from
        the newest row, and the oldest is filled up with 0, where the paper repeats the newest value. Scaling,
        quantiles, known covariates and the skip are those of all networks here.
    """
    check_sizes(patch=patch, stride=stride, units=units, heads=heads, layers=layers)
    check_shares(dropout=dropout)
    _check_fit(patch, stride, units, heads)
    width = min(patch, max(spec.context // 2, 1))
    prepared = prepare(spec)
    tokens, real = _tokens(*newest_last(prepared), width, min(stride, width), units, spec.seed)
    tokens = dropped(tokens, dropout, layer_seed(spec.seed, 98), "dropout_tokens")
    for i in range(layers):
        tokens = _encoded(tokens, real, heads, dropout, i, spec.seed)
    tokens = _normalised(tokens, "normalised")
    state = ops.reshape(tokens if real is None else tokens * real, (-1, tokens.shape[1] * units))
    state = dropped(state, dropout, layer_seed(spec.seed, 99), "dropout")
    free = HorizonHead(spec, units)(state, prepared.future, prepared.static)
    skip = linear_skip(prepared, usual=spec.context <= LONGEST_SKIP)
    return finish(prepared, free, skip=skip, name="transformer")


def _check_fit(patch: int, stride: int, units: int, heads: int) -> None:
    if stride > patch:
        raise ParameterError(
            f"stride must be at most patch={patch}, or rows between two patches are never read; got {stride}."
        )
    if units % heads:
        raise ParameterError(f"units must be a multiple of heads={heads}; got {units}.")


def _tokens(rows: Any, real: Any, width: int, stride: int, units: int, seed: int) -> tuple[Any, Any]:
    """Turn rows into tokens ``(batch, tokens, units)``, and marks ``(batch, tokens, 1)`` if rows are padded."""
    cut = Patches(width, stride, name="patches")
    vectors = dense(units, layer_seed(seed, 0), "patch_vector")(cut(marked(rows, real)))
    tokens = Positions(seed=layer_seed(seed, 1), name="positions")(vectors)
    return tokens, None if real is None else ops.max(cut(real), axis=-1, keepdims=True)


def _encoded(tokens: Any, real: Any, heads: int, dropout: float, i: int, seed: int) -> Any:
    """Pass tokens through one encoder layer: attention, then a feed-forward network, each added to its input."""
    name, place, units = f"layer_{i + 1}", 10 * (i + 1), tokens.shape[2]
    seen = _attended(_normalised(tokens, f"{name}_before_attention"), real, heads, place, name, seed)
    tokens = tokens + dropped(seen, dropout, layer_seed(seed, 100 + place), f"{name}_attention_dropout")
    read = _normalised(tokens, f"{name}_before_reading")
    read = dense(2 * units, layer_seed(seed, place + 4), f"{name}_wide", activation="gelu")(read)
    read = dense(units, layer_seed(seed, place + 5), f"{name}_narrow")(read)
    return tokens + dropped(read, dropout, layer_seed(seed, 101 + place), f"{name}_reading_dropout")


def _attended(tokens: Any, real: Any, heads: int, place: int, name: str, seed: int) -> Any:
    """Let tokens attend to all real tokens: ``(batch, tokens, units)``."""
    count, units = tokens.shape[1:]
    width = units // heads

    def projected(j: int, part: str) -> Any:
        start = keras.initializers.GlorotUniform(seed=layer_seed(seed, place + j))
        # Without biases, as in the paper of 2017: a bias of the keys would cancel in the softmax.
        layer = keras.layers.Dense(units, use_bias=False, kernel_initializer=start, name=f"{name}_{part}")
        return ops.transpose(ops.reshape(layer(tokens), (-1, count, heads, width)), (0, 2, 1, 3))

    joined = dense(units, layer_seed(seed, place + 3), f"{name}_joined")
    value = projected(2, "value")
    if count == 1:
        # A token alone has nothing else to attend to.
        return joined(ops.reshape(value, (-1, 1, units)))
    query, key = projected(0, "query"), projected(1, "key")
    scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) / math.sqrt(width)
    if real is not None:
        # (batch, tokens, 1) to (batch, 1, 1, tokens): which keys may be seen.
        unseen = (1 - ops.transpose(real, (0, 2, 1)))[:, None]
        scores = scores - 1e9 * unseen
    seen = ops.transpose(ops.matmul(ops.softmax(scores, axis=-1), value), (0, 2, 1, 3))
    return joined(ops.reshape(seen, (-1, count, units)))


def _normalised(tokens: Any, name: str) -> Any:
    return keras.layers.LayerNormalization(epsilon=1e-5, name=name)(tokens)
