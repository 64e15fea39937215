"""Measure how far back gradients reach in the recurrent layers of a network, and what stops them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from forecast.models.recurrent import cell_of
from forecast.training.gates import BLOCKS, KEEPING, dead_units, gates, saturation, spectral_radii
from forecast.training.gradients import Health, LayerHealth
from forecast.training.probing import Probe, Probed

# What is added to the bias of the gate that keeps a state to hold it open: it then keeps 99.75 % a step.
HELD_OPEN = 6.0


def gradient_health(
    model: keras.Model,
    inputs: Any,
    targets: Any,
    *,
    loss: Any = "mse",
    weights: Any = None,
    moment: str = "",
    context: int | None = None,
) -> Health:
    """Measure how far back gradients reach in the recurrent layers of a network, with nothing dropped out.

    For every ``SimpleRNN``, ``LSTM`` and ``GRU``, in a ``Bidirectional`` or not: the norm of the gradient of the loss
    by the state at each step, counted back from the last real one in the order in which the layer reads; gates that
    are shut or open; units that never move; the spectral radius of the recurrent kernel. The network is left as
    it is.

    Args:
        model: Made with Keras's functional API; compiled or not.
        inputs: Of one batch, 64 windows or so.
        targets: Of the batch.
        loss: That is differentiated, a mean over the batch: a Keras loss or its name.
        weights: Of the targets, None for equal ones.
        moment: What the report calls the time of this measurement.
        context: Rows of a window, where the layers do not read them one by one; None: the most that a layer reads.

    Returns:
        One ``LayerHealth`` for each recurrent layer and direction that takes more than one step; printed, a report.

    Raises:
        ParameterError: The network is of another kind, so that its layers cannot be looked into.

    Example:
        >>> seen = keras.Input((30, 1))
        >>> model = keras.Model(seen, keras.layers.Dense(1)(keras.layers.GRU(4)(seen)))
        >>> windows = np.random.default_rng(0).standard_normal((16, 30, 1))
        >>> layer, = gradient_health(model, windows, windows[:, -1]).layers
        >>> layer.cell, layer.steps, layer.memory < layer.reach
        ('gru', 30, True)

    Source:
        Bengio, Simard and Frasconi (1994), Pascanu, Mikolov and Bengio (2013) on vanishing and exploding gradients.
    """
    probe = Probe(model, loss, (inputs, targets, weights))
    now, held = probe.measure(), None
    if any(part.cell in KEEPING for part in now):
        held = _held_open([part.layer for part in now], probe.measure)
    pairs = zip(now, held or now, strict=True)
    layers = tuple(_layer(part, other) for part, other in pairs if part.real.shape[1] > 1)
    return Health(moment, layers, context or max((layer.steps for layer in layers), default=0))


def _held_open(layers: list[Any], measure: Callable[[], list[Probed]]) -> list[Probed]:
    """Measure with the gates that keep states held open; the weights are put back whatever happens."""
    kept = [layer.get_weights() for layer in layers]
    try:
        for layer, weights in zip(layers, kept, strict=True):
            cell = cell_of(layer) or ""
            if cell in KEEPING and layer.use_bias:
                place, units = BLOCKS[cell].index(KEEPING[cell]), layer.units
                bias = weights[2].copy()
                first = bias if bias.ndim == 1 else bias[0]
                first[place * units : (place + 1) * units] += HELD_OPEN
                layer.set_weights([*weights[:2], bias])
        return measure()
    finally:
        for layer, weights in zip(layers, kept, strict=True):
            layer.set_weights(weights)


def _layer(now: Probed, held: Probed) -> LayerHealth:
    weights, real = now.layer.get_weights(), now.real
    found = gates(now.cell, weights, now.rows, now.states)
    return LayerHealth(
        name=now.name,
        cell=now.cell,
        activation=now.layer.activation.__name__,
        units=now.layer.units,
        lags=_by_lag(now),
        held=_by_lag(held) if now.cell in KEEPING else _by_lag(now),
        gates={name: saturation(gate, real[:, 1:]) for name, gate in found.items()},
        radii=spectral_radii(now.cell, weights[1]),
        dead=dead_units(now.states, real),
        norm=now.weights,
    )


def _by_lag(probed: Probed) -> tuple[float, ...]:
    """Return the mean norm of the gradient by steps before the last real one, as far as any window reaches."""
    norms = np.sqrt(np.square(probed.gradients).sum(axis=(2, 3)))
    count = probed.real.sum(axis=1)
    first = probed.real.argmax(axis=1)
    place = (first + count)[:, None] - 1 - np.arange(count.max())
    there = place >= first[:, None]
    laid = np.take_along_axis(norms, np.maximum(place, 0), axis=1)
    return tuple(float(x) for x in np.where(there, laid, 0.0).sum(axis=0) / there.sum(axis=0))
