"""Feed-forward networks over the whole context, to compare recurrent ones with."""

from __future__ import annotations

import keras

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
from forecast.models.rnn import check_shares, check_sizes
from forecast.models.spec import Spec


def build_dense(spec: Spec, *, units: int = 128, layers: int = 2, dropout: float = 0.1) -> keras.Model:
    """Build a feed-forward forecaster (multi-layer perceptron): raw values in, raw values out.

    All rows of the scaled context lie side by side as one vector; hidden layers read it, and the horizon is
    forecast from the last of them. A short window stands at the newest end, with padding 0 and marked as such.

    Args:
        spec: Sizes of inputs and outputs, and scales.
        units: Width of each hidden layer.
        layers: Number of hidden layers.
        dropout: Share dropped behind each hidden layer.

    Returns:
        A ``keras.Model`` as ``build_rnn`` returns it.

    Raises:
        ParameterError: An argument is out of range.

    Example:
        >>> build_dense(Spec(context=24, horizon=6, quantiles=(0.1, 0.5, 0.9)), units=8).output_shape
        (None, 6, 1, 3)

    Source:
        Rumelhart, Hinton and Williams (1986), "Learning representations by back-propagating errors".
    Differs:
        Scaling of each window, quantiles, known covariates and the skip are those of all networks here.
    """
    check_sizes(units=units, layers=layers)
    check_shares(dropout=dropout)
    prepared = prepare(spec)
    state = keras.layers.Flatten(name="flat")(marked(*newest_last(prepared)))
    for i in range(layers):
        state = dense(units, layer_seed(spec.seed, 10 * i), f"dense_{i + 1}", activation="relu")(state)
        state = dropped(state, dropout, layer_seed(spec.seed, 100 + i), f"dropout_{i + 1}")
    free = HorizonHead(spec, units)(state, prepared.future, prepared.static)
    skip = linear_skip(prepared, usual=spec.context <= LONGEST_SKIP)
    return finish(prepared, free, skip=skip, name="dense")
