"""Encoder-decoder networks: one reads the context, the other goes over the horizon step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from forecast.errors import ParameterError
from forecast.models.decoding import Decoder, Feeding, Newest, Scaled
from forecast.models.forms import Forms, with_forms
from forecast.models.frame import LONGEST_SKIP, dropped, layer_seed, linear_skip, prepare, restored
from forecast.models.inputs import Prepared
from forecast.models.layout import Fold
from forecast.models.recurrent import recurrent, states_of
from forecast.models.rnn import check_shares, check_sizes
from forecast.models.schedules import SCHEDULES, scheduled
from forecast.models.spec import Spec, check_word
from forecast.models.transforms import Transform

ATTENTION = ("none", "bahdanau", "luong")


def build_seq2seq(
    spec: Spec,
    *,
    cell: str = "gru",
    units: int = 64,
    layers: int = 1,
    dropout: float = 0.0,
    attention: str = "none",
    schedule: str = "none",
    sampling: float = 0.0,
) -> keras.Model:
    """Build an encoder-decoder forecaster: raw values in, raw values out.

    An encoder reads the context; a decoder starts from its final state and goes over the horizon. Each step is
    fed the value of the step before, what is known ahead about the step, and the static features. The model itself
    runs freely: what is fed is its own forecast, the median or the location. Its training form
    (``forms_of(model).training``), with the same weights, is fed the true values (teacher forcing), or its own
    ones with probability ``sampling`` (scheduled sampling).

    Values are fed relative to the level that forecasts start from; with the anchors ``"period"`` and
    ``"difference"`` that is another one at each step, so what is fed is the change since a period before.

    Args:
        spec: Sizes of inputs and outputs, and scales.
        cell: ``"gru"``, ``"lstm"`` or ``"rnn"``.
        units: Width of each recurrent layer.
        layers: Number of recurrent layers, of the encoder and of the decoder.
        dropout: Share dropped between the layers and before the output.
        attention: Over the states of the encoder: ``"none"``, ``"bahdanau"`` (additive) or ``"luong"``
            (multiplicative). It takes memory for batch times horizon times context times units in training with
            ``"bahdanau"``.
        schedule: How the share of own forecasts grows to ``sampling`` over the training: ``"none"`` (it is
            constant), ``"linear"``, ``"exponential"`` or ``"sigmoid"``.
        sampling: Largest share of own forecasts fed while training, 0 to 1.

    Returns:
        A ``keras.Model`` as ``build_rnn`` returns it, with its ``Forms``.

    Raises:
        ParameterError: An argument is unknown or out of range.

    Example:
        >>> model = build_seq2seq(Spec(context=24, horizon=6), units=8, attention="luong")
        >>> model.predict({"target": np.zeros((2, 24, 1))}, verbose=0).shape
        (2, 6, 1)

    Source:
        Sutskever, Vinyals and Le (2014); Bahdanau et al. (2015); Luong et al. (2015); Bengio et al. (2015).
    Differs:
        Luong's attention is not fed back into the next step.
    """
    check_sizes(units=units, layers=layers)
    check_shares(dropout=dropout)
    check_word("attention", attention, ATTENTION)
    _check_sampling(schedule, sampling)
    prepared = prepare(spec)
    states, memory = _encoded(
        prepared, cell, units, layers=layers, dropout=dropout, attend=attention != "none"
    )
    skip = linear_skip(prepared, usual=spec.context <= LONGEST_SKIP)
    known = _known(prepared)
    decoder = Decoder(
        cell,
        units,
        layers=layers,
        horizon=spec.horizon,
        channels=spec.channels,
        outputs=spec.outputs,
        fed=_fed(spec),
        width=0 if known is None else known.shape[2],
        attention=attention,
        dropout=dropout,
        seed=layer_seed(spec.seed, 50),
        name="decoder",
    )
    given = _given(prepared, known, skip) | memory
    free, weights = _parted(decoder(_start(prepared), states, **given))
    model = keras.Model(prepared.inputs, _finished(prepared, free, skip), name="seq2seq")

    ahead, feeding = (
        _ahead(prepared),
        Feeding(sampling if schedule == "none" else 0.0, layer_seed(spec.seed, 60)),
    )
    truth, told = feeding(_scaled_ahead(prepared, ahead))
    forced, _ = _parted(decoder(_start(prepared), states, truth=truth, told=told, **given))
    training = keras.Model(
        prepared.inputs | {"ahead": ahead}, _finished(prepared, forced, skip), name="seq2seq_training"
    )
    looking = None if weights is None else keras.Model(prepared.inputs, weights, name="attention")
    model.__dict__["decoding"] = _Decoding(spec, training, feeding.share, looking)
    forms = Forms(training, "horizon", sampling=feeding.share, schedule=scheduled(schedule, sampling))
    return with_forms(model, forms)


def attention_of(model: keras.Model, inputs: dict[str, Any]) -> np.ndarray:
    """Return what each step of the horizon looked at in the context.

    Args:
        model: From ``build_seq2seq`` with attention.
        inputs: As the model takes them.

    Returns:
        ``(batch, horizon, context)``, each row summing to 1; ``(batch, targets, horizon, context)`` if several
        targets are sequences of their own.

    Raises:
        ParameterError: The model has no attention.

    Example:
        >>> model = build_seq2seq(Spec(context=8, horizon=3), units=4, attention="bahdanau")
        >>> weights = attention_of(model, {"target": np.arange(16.0).reshape(2, 8, 1)})
        >>> weights.shape, np.allclose(weights.sum(axis=-1), 1)
        ((2, 3, 8), True)
    """
    decoding = _decoding(model)
    if decoding.looking is None:
        raise ParameterError(
            "This network has no attention; build it with attention='bahdanau' or attention='luong'."
        )
    weights = np.asarray(keras.ops.convert_to_numpy(decoding.looking.predict_on_batch(inputs)))
    if not decoding.spec.apart:
        return weights
    return weights.reshape(-1, decoding.spec.targets, *weights.shape[1:])


@dataclass(frozen=True)
class ExposureBias:
    """How much worse a decoder forecasts when it has to live on its own forecasts.

    Args:
        step: 1 to horizon.
        forced: Mean absolute error by step, in spreads of the windows, with the true values fed.
        free: The same when its own forecasts are fed, as when it forecasts.
    """

    step: np.ndarray
    forced: np.ndarray
    free: np.ndarray

    @property
    def excess(self) -> np.ndarray:
        """By how much the free error exceeds the forced one, by step."""
        return self.free - self.forced


def exposure_bias(model: keras.Model, inputs: dict[str, Any], actual: np.ndarray) -> ExposureBias:
    """Compare the errors of a decoder that is fed true values with those of one that runs freely, by step.

    Args:
        model: From ``build_seq2seq``.
        inputs: Of some windows, as the model takes them.
        actual: What came, ``(batch, horizon, targets)``, NaN where missing. Windows that are constant have no
            scale and are left out.

    Returns:
        Errors divided by the standard deviation of each window, averaged over windows and targets; NaN at a step
        without any actual value.

    Raises:
        ParameterError: The model has no decoder.

    Example:
        >>> model = build_seq2seq(Spec(context=8, horizon=3), units=4)
        >>> seen = np.arange(16.0).reshape(2, 8, 1)
        >>> bias = exposure_bias(model, {"target": seen}, seen[:, -3:] + 3)
        >>> bool(bias.forced[0] == bias.free[0])  # the first step is fed the newest observation either way
        True
    """
    decoding = _decoding(model)
    spec, training, sampling = decoding.spec, decoding.training, decoding.sampling
    before = float(keras.ops.convert_to_numpy(sampling))
    sampling.assign(0.0)
    try:
        forced = training.predict_on_batch(inputs | {"ahead": actual})
    finally:
        sampling.assign(before)
    scale = _window_scale(inputs)
    errors = [
        _by_step(np.abs(_middle(spec, forecast) - actual) / scale)
        for forecast in (forced, model.predict_on_batch(inputs))
    ]
    return ExposureBias(np.arange(1, spec.horizon + 1), *errors)


@dataclass(frozen=True)
class _Decoding:
    """What goes with a model: what it was built from, its training form, and its view of the attention."""

    spec: Spec
    training: keras.Model
    sampling: keras.Variable
    looking: keras.Model | None


def _decoding(model: keras.Model) -> _Decoding:
    found = model.__dict__.get("decoding")
    if found is None:
        raise ParameterError(f"The network {model.name!r} has no decoder; build one with build_seq2seq.")
    return found


def _check_sampling(schedule: str, sampling: float) -> None:
    check_word("schedule", schedule, ("none", *SCHEDULES))
    if not 0 <= sampling <= 1:
        raise ParameterError(f"sampling must be from 0 to 1; got {sampling!r}.")
    if schedule != "none" and sampling == 0:
        raise ParameterError(
            f"schedule={schedule!r} grows to sampling=0, which is nothing; give the largest share, like sampling=0.5."
        )


def _encoded(
    prepared: Prepared, cell: str, units: int, *, layers: int, dropout: float, attend: bool
) -> tuple[list[Any], dict[str, Any]]:
    """Read the context; return the final states of all layers, and what there is to attend to."""
    rows, final = prepared.features, []
    for i in range(layers):
        layer = recurrent(
            cell,
            units,
            sequences=attend or i + 1 < layers,
            states=True,
            seed=layer_seed(prepared.spec.seed, 10 * i),
            name=f"encoder_{i + 1}",
        )
        before = dropped(rows, dropout if i else 0.0, layer_seed(prepared.spec.seed, 100 + i), f"dropout_{i}")
        rows, *states = layer(before, mask=prepared.mask)
        final.extend(states[: states_of(cell)])
    if not attend:
        return final, {}
    return final, {"memory": rows} | ({} if prepared.mask is None else {"real": prepared.mask})


def _start(prepared: Prepared) -> Any:
    """Return the newest value on the scale of what is fed."""
    spec = prepared.spec
    period = spec.period if spec.anchor in ("period", "difference") else 0
    length = () if prepared.length is None else (prepared.length,)
    return Newest(period, name="newest")(prepared.raw, prepared.first, prepared.scale, *length)


def _known(prepared: Prepared) -> Any:
    """Return what is known about each step: covariates, and what describes the series as a whole."""
    parts = [] if prepared.future is None else [prepared.future]
    if prepared.static is not None:
        parts.append(keras.ops.repeat(prepared.static[:, None], prepared.spec.horizon, axis=1))
    return parts[0] if len(parts) == 1 else keras.ops.concatenate(parts, axis=-1) if parts else None


def _given(prepared: Prepared, known: Any, skip: Any) -> dict[str, Any]:
    """Collect what the decoder is told about each step."""
    spec, given = prepared.spec, {}
    if known is not None:
        given["known"] = known
    if skip is not None:
        given["skip"] = skip[..., 0]
    if (spec.positive or spec.head == "negative_binomial") and spec.transform != "log":
        # What is fed back ends at zero, as forecasts do.
        zero = keras.ops.zeros_like(prepared.level)
        floor = Scaled(name="floor")(zero, prepared.level, prepared.scale)
        given["floor"] = floor if floor.shape[1] > 1 else keras.ops.repeat(floor, spec.horizon, axis=1)
    return given


def _fed(spec: Spec) -> int:
    """Return the place of the number that is fed back: the median or the location."""
    if spec.head == "mixture":
        return -1
    return spec.middle if spec.head == "quantiles" else 0


def _parted(found: Any) -> tuple[Any, ...]:
    return tuple(found) if isinstance(found, (tuple, list)) else (found, None)


def _finished(prepared: Prepared, free: Any, skip: Any) -> Any:
    spec = prepared.spec
    free = keras.ops.reshape(free, (-1, spec.horizon, spec.channels, spec.outputs))
    return restored(prepared, free, skip)


def _ahead(prepared: Prepared) -> Any:
    spec = prepared.spec
    return keras.Input((spec.horizon, spec.targets), dtype=prepared.raw.dtype, name="ahead")


def _scaled_ahead(prepared: Prepared, ahead: Any) -> Any:
    """Scale the true values of the horizon like the forecasts of them."""
    spec = prepared.spec
    if spec.transform != "none":
        ahead = Transform(spec.transform, spec.transform_by, name="transform_ahead")(ahead)
    if spec.apart:
        ahead = Fold(spec.targets, name="fold_ahead")(ahead)
    return Scaled(name="scaled_ahead")(ahead, prepared.level, prepared.scale)


def _middle(spec: Spec, forecast: Any) -> np.ndarray:
    """Return the point among quantiles or parameters: ``(batch, horizon, targets)``."""
    forecast = np.asarray(keras.ops.convert_to_numpy(forecast), dtype=np.float64)
    if spec.head == "mixture":
        count = spec.outputs // 3
        return (forecast[..., :count] * forecast[..., count : 2 * count]).sum(axis=-1)
    if spec.head == "lognormal":
        return np.exp(forecast[..., 0])
    if spec.head != "quantiles":
        return forecast[..., 0]
    return forecast[..., spec.middle] if spec.quantiles else forecast


def _window_scale(inputs: dict[str, Any]) -> np.ndarray:
    """Return the standard deviation of what was observed in each window, NaN where there is none."""
    seen = np.asarray(inputs["target"], dtype=np.float64)
    if "length" in inputs:
        rows = np.arange(seen.shape[1])[None, :, None]
        seen = np.where(rows < np.asarray(inputs["length"])[:, None, None], seen, np.nan)
    known = ~np.isnan(seen)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    mean = np.where(known, seen, 0).sum(axis=1, keepdims=True) / count
    spread = np.sqrt((np.where(known, seen - mean, 0) ** 2).sum(axis=1, keepdims=True) / count)
    return np.where(spread > 1e-13 * np.abs(mean), spread, np.nan)


def _by_step(errors: np.ndarray) -> np.ndarray:
    """Average ``(batch, horizon, targets)`` over all that is known of each step."""
    known = ~np.isnan(errors)
    count = known.sum(axis=(0, 2))
    total = np.where(known, errors, 0).sum(axis=(0, 2))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
