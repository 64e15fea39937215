"""Segment-wise recurrent networks: the recurrence runs over segments of rows, not over rows."""

from __future__ import annotations

from typing import Any

import keras

from forecast.models.frame import LONGEST_SKIP, dense, dropped, finish, layer_seed, linear_skip, prepare
from forecast.models.inputs import Prepared
from forecast.models.layers import Places
from forecast.models.layout import SegmentMask, Segments
from forecast.models.recurrent import recurrent
from forecast.models.rnn import check_shares, check_sizes
from forecast.models.spec import Spec, check_word

DECODING = ("parallel", "recurrent")


def build_segment(
    spec: Spec,
    *,
    segment: int | None = None,
    cell: str = "gru",
    units: int = 128,
    dropout: float = 0.3,
    decoding: str = "parallel",
) -> keras.Model:
    """Build a segment-wise forecaster: raw values in, raw values out.

    The context is cut into segments that end at the newest row. Each becomes one vector, one recurrent layer
    reads the vectors, and the horizon is decoded segment by segment from its final state: 336 rows are 14
    steps of recurrence, so gradients reach all of them and a step costs a fraction.

    Args:
        spec: Sizes of inputs and outputs, and scales.
        segment: Rows of a segment; None: the season if it has 12 to 48 rows, else the horizon up to 24 rows.
        cell: ``"gru"``, ``"lstm"`` or ``"rnn"``.
        units: Width of the vectors and of the state.
        dropout: Share dropped before each output segment.
        decoding: ``"parallel"``: one more recurrent step for each output segment, driven by a learned vector of
            its place; ``"recurrent"``: the output segments follow each other, the state going on from one to the next.

    Returns:
        A ``keras.Model`` as ``build_rnn`` returns it.

    Raises:
        ParameterError: An argument is unknown or out of range.

    Example:
        >>> model = build_segment(Spec(context=48, horizon=20, season=12), units=8)
        >>> model.output_shape
        (None, 20, 1)

    Source:
        Lin et al. (2023), "SegRNN: Segment recurrent neural network for long-term time series forecasting".
    Differs:
        The skip, the anchors, known covariates and quantiles; recurrent decoding carries the state on and feeds
        no forecast values back.
    """
    width = usual_segment(spec.season, spec.horizon) if segment is None else segment
    check_sizes(segment=width, units=units)
    check_shares(dropout=dropout)
    check_word("decoding", decoding, DECODING)
    prepared = prepare(spec)
    cut = Segments(width, name="segments")
    parts, mask = cut(prepared.features), None
    if prepared.length is not None:
        parts = cut(prepared.features, prepared.length)
        mask = SegmentMask(spec.context, width, name="segment_mask")(prepared.length)
    vectors = dense(units, layer_seed(spec.seed, 1), "segment_vector", activation="relu")(parts)
    layer = recurrent(cell, units, sequences=True, states=True, seed=layer_seed(spec.seed, 10), name=cell)
    _, *state = layer(vectors, mask=mask)
    free = segments_ahead(prepared, layer, state, width=width, dropout=dropout, decoding=decoding)
    skip = linear_skip(prepared, usual=spec.context <= LONGEST_SKIP)
    return finish(prepared, free, skip=skip, name="segment")


def usual_segment(season: int, horizon: int) -> int:
    """Choose the rows of a segment from season and horizon.

    Example:
        >>> usual_segment(24, 96), usual_segment(7, 14), usual_segment(1, 100)
        (24, 14, 24)
    """
    return season if 12 <= season <= 48 else min(horizon, 24)


def segments_ahead(
    prepared: Prepared, layer: Any, state: list[Any], *, width: int, dropout: float, decoding: str
) -> Any:
    """Decode the horizon segment by segment from a recurrent state: ``(batch, horizon, channels, outputs)``."""
    spec = prepared.spec
    ahead = _decoded(layer, state, _output_places(prepared, width, layer.units), decoding)
    ahead = dropped(ahead, dropout, layer_seed(spec.seed, 99), "dropout")
    free = dense(width * spec.channels * spec.outputs, layer_seed(spec.seed, 200), "segment_output")(ahead)
    free = keras.ops.reshape(free, (-1, ahead.shape[1] * width, spec.channels, spec.outputs))
    return free[:, : spec.horizon]


def _output_places(prepared: Prepared, width: int, units: int) -> Any:
    """Return what drives the decoder at each output segment: its place, and what is known about it."""
    spec, count = prepared.spec, -(-prepared.spec.horizon // width)
    targets = spec.targets if spec.apart else 1
    places = Places(count, targets, units, seed=layer_seed(spec.seed, 20), name="places")(prepared.scaled)
    if prepared.future is not None:
        behind = count * width - spec.horizon
        future = keras.ops.pad(prepared.future, ((0, 0), (0, behind), (0, 0)))
        known = keras.ops.reshape(future, (-1, count, width * future.shape[2]))
        places = places + dense(units, layer_seed(spec.seed, 30), "known_ahead", activation="relu")(known)
    if prepared.static is not None:
        static = dense(units, layer_seed(spec.seed, 31), "static_vector", activation="relu")(prepared.static)
        places = places + static[:, None]
    return places


def _decoded(layer: Any, state: list[Any], places: Any, decoding: str) -> Any:
    """Run the recurrent layer on from its final state: ``(batch, segments, units)``."""
    if decoding == "recurrent":
        return layer(places, initial_state=state)[0]
    count, units = places.shape[1:]
    each = [keras.ops.repeat(part, count, axis=0) for part in state]
    alone = layer(keras.ops.reshape(places, (-1, 1, units)), initial_state=each)[0]
    return keras.ops.reshape(alone, (-1, count, units))
