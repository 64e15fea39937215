"""Exponential smoothing with weights of each series, and a shared dilated recurrent network on what it leaves."""

from __future__ import annotations

from typing import Any

import keras

from forecast.models.frame import LONGEST_SKIP, dense, finish, layer_seed, linear_skip, prepare
from forecast.models.inputs import Prepared
from forecast.models.layout import AlignRight, Segments
from forecast.models.recurrent import recurrent
from forecast.models.rnn import check_shares, check_sizes
from forecast.models.segment import segments_ahead, usual_segment
from forecast.models.smoothing import Smoothing, SmoothingWeights
from forecast.models.spec import Spec


def build_esrnn(
    spec: Spec,
    *,
    segment: int | None = None,
    cell: str = "gru",
    units: int = 128,
    dropout: float = 0.3,
    dilations: int | tuple[int, ...] | list[int] = (1,),
) -> keras.Model:
    """Build a hybrid of exponential smoothing and a recurrent network: raw values in, raw values out.

    The context is smoothed into a level and a seasonal profile, whose rates are learned with the network: of each
    series where series are embedded, else shared, or moved by static columns. The network reads what smoothing
    leaves, segment by segment, through a stack of recurrent layers of which each looks further back, and its
    forecast is added to that of the smoothing. With the anchors ``"period"`` and ``"difference"``, forecasts start
    from the last period, and smoothing only prepares what the network reads.

    Args:
        spec: Sizes of inputs and outputs, and scales.
        segment: Rows of a segment; None: the season if it has 12 to 48 rows, else the horizon up to 24 rows.
        cell: ``"gru"``, ``"lstm"`` or ``"rnn"``.
        units: Width of the vectors and of the state.
        dropout: Share dropped before each output segment.
        dilations: Segments that each recurrent layer steps back, such as ``(1, 7)``: one layer a number.

    Returns:
        A ``keras.Model`` as ``build_rnn`` returns it.

    Raises:
        ParameterError: An argument is unknown or out of range.

    Example:
        >>> model = build_esrnn(Spec(context=48, horizon=20, season=12), units=8)
        >>> model.output_shape
        (None, 20, 1)

    Source:
        Smyl (2020), "A hybrid method of exponential smoothing and recurrent neural networks for time series
        forecasting"; Chang et al. (2017), "Dilated recurrent neural networks".
    Differs:
        Additive smoothing in closed form (see ``Smoothing``), on the logarithm if the spec says so; recurrence over
        segments with parallel decoding, as in ``build_segment``.
    """
    width = usual_segment(spec.season, spec.horizon) if segment is None else segment
    dilations = dilations if isinstance(dilations, tuple | list) else (dilations,)
    each = {f"dilations[{i}]": step for i, step in enumerate(dilations)}
    check_sizes(segment=width, units=units, dilations=len(dilations), **each)
    check_shares(dropout=dropout)
    prepared = prepare(spec)
    values, observed, further = _aligned(prepared)
    static = () if prepared.static is None else (prepared.static,)
    rates = SmoothingWeights(spec.targets, spec.apart, name="rates")(values, *static)
    left, ahead = Smoothing(spec.season, spec.period, spec.horizon, name="smoothing")(values, observed, rates)
    read = keras.layers.Concatenate(name="read")([left, *further]) if further else left
    parts = Segments(width, name="segments")(read)
    vectors = dense(units, layer_seed(spec.seed, 1), "segment_vector", activation="relu")(parts)
    for i, step in enumerate(dilations):
        seed = layer_seed(spec.seed, 10 + 1_000 * i)
        layer = recurrent(cell, units, sequences=True, seed=seed, name=f"{cell}_{i + 1}")
        deeper = dilated(layer, vectors, step)
        vectors = deeper if i == 0 else vectors + deeper
    decoder = recurrent(
        cell, units, sequences=True, states=True, seed=layer_seed(spec.seed, 19), name="decoder"
    )
    state = [vectors[:, -1]] * (2 if cell == "lstm" else 1)
    free = segments_ahead(prepared, decoder, state, width=width, dropout=dropout, decoding="parallel")
    skip = linear_skip(prepared, usual=spec.context <= LONGEST_SKIP)
    if spec.anchor not in ("period", "difference"):
        ahead = keras.layers.Reshape((spec.horizon, spec.channels, 1), name="smoothed")(ahead)
        skip = ahead if skip is None else keras.layers.Add(name="smoothed_and_skip")([skip, ahead])
    return finish(prepared, free, skip=skip, name="esrnn")


def dilated(layer: keras.layers.Layer, vectors: Any, step: int) -> Any:
    """Run a recurrent layer over every ``step``-th vector, from each start: ``(batch, count, units)`` in and out."""
    count, width = vectors.shape[1:]
    if step == 1:
        return layer(vectors)
    rows = -(-count // step)
    padded = keras.ops.pad(vectors, ((0, 0), (rows * step - count, 0), (0, 0)))
    lanes = keras.ops.transpose(keras.ops.reshape(padded, (-1, rows, step, width)), (0, 2, 1, 3))
    read = layer(keras.ops.reshape(lanes, (-1, rows, width)))
    units = read.shape[-1]
    woven = keras.ops.transpose(keras.ops.reshape(read, (-1, step, rows, units)), (0, 2, 1, 3))
    return keras.ops.reshape(woven, (-1, rows * step, units))[:, rows * step - count :]


def _aligned(prepared: Prepared) -> tuple[Any, Any, list[Any]]:
    """Return scaled values, what of them is observed, and further features if any, the newest row last."""
    values, observed = prepared.scaled, prepared.observed
    features = prepared.features[..., prepared.spec.channels :]
    further = [features] if features.shape[2] else []
    if prepared.length is None:
        return values, observed, further
    align = AlignRight(name="align_right_context")
    values, observed, *further = (align(part, prepared.length) for part in (values, observed, *further))
    return values, observed, further
