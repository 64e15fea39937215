"""A trained network with everything its forecasts need: shapes, encoder and calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from forecast.data.encoding import StaticEncoder, fit_static
from forecast.data.panel import Panel
from forecast.data.scale import error_scales
from forecast.data.table import Choice
from forecast.data.windows import Windows, make_windows
from forecast.errors import InputError
from forecast.estimators.setting import Setting
from forecast.evaluation.intervals import ConformalShift, conformal_scores
from forecast.models import build_rnn
from forecast.models.frame import Shapes
from forecast.models.layers import Standardise
from forecast.models.losses import PinballLoss, PointLoss
from forecast.training.fit import Plan, Progress, Record, compile_model, train
from forecast.training.predict import predict_windows

# Calibration looks at no more windows than this: beyond it the quantiles no longer move.
MOST_CALIBRATION = 4_000


@dataclass(frozen=True)
class Options:
    """What the user may say about the network and its training.

    Args:
        model: Arguments of the builder (cell, units, …).
        builder: ``(shapes, **model) -> keras.Model``.
        quantiles: Levels forecast, the median among them; empty for a point forecast.
        wanted: Levels the user asked to see.
        loss: ``"pinball"`` or one of ``POINT_LOSSES``.
        calibrate: Shift the quantiles by what the validation windows show.
        epochs: Passes over the windows; None lets the number of windows decide.
        batch_size: Windows a batch.
        learning_rate: Highest rate.
        patience: Epochs without improvement before stopping.
        clip: Largest gradient norm.
        budget: Seconds of training at most.
        optimizer: A Keras optimiser (copied for every fit), or None.
        seed: Seed of everything.
    """

    model: dict[str, Any] = field(default_factory=dict)
    builder: Callable[..., keras.Model] = build_rnn
    quantiles: tuple[float, ...] = (0.1, 0.5, 0.9)
    wanted: tuple[float, ...] = (0.1, 0.9)
    loss: str = "pinball"
    calibrate: bool = True
    epochs: int | None = None
    batch_size: int = 64
    learning_rate: float = 2e-3
    patience: int = 10
    clip: float | None = 1.0
    budget: float | None = None
    optimizer: Any = None
    seed: int = 0


@dataclass(frozen=True)
class Network:
    """A trained model and what belongs to it.

    Args:
        model: Raw values in, raw values out.
        shapes: Its inputs and outputs.
        encoder: Of the static covariates.
        shift: Calibration of the quantiles, or None.
        record: How training went.
        fresh: Every variable as it was before training, so that another fit can begin there.
    """

    model: keras.Model
    shapes: Shapes
    encoder: StaticEncoder
    shift: ConformalShift | None
    record: Record
    fresh: list[np.ndarray] | None = None

    def forecasts(self, windows: Windows) -> np.ndarray:
        """Forecast windows, calibrated: float64 ``(windows, horizon, targets, levels)``, one level if none asked."""
        raw = predict_windows(self.model, windows)
        if not self.shapes.quantiles:
            return raw[..., None]
        if self.shift is None:
            return raw
        return self.shift.apply(raw, windows.scales[windows.series][:, None, :])

    def windows(self, panel: Panel, **limits: Any) -> Windows:
        """Make windows of this network's shapes over a panel, scaled and encoded."""
        scales = limits.pop("scales", None)
        return make_windows(
            panel,
            context=self.shapes.context,
            horizon=self.shapes.horizon,
            short="pad" if self.shapes.padded else "drop",
            scales=error_scales(panel, self.shapes.season) if scales is None else scales,
            static=self.encoder.encode(panel.static),
            **limits,
        )


@dataclass(frozen=True)
class Listeners:
    """Who is told, and who is asked, while training goes on."""

    progress: Callable[[Progress], None] | None = None
    interrupted: Callable[[], bool] | None = None
    callbacks: Sequence[keras.callbacks.Callback] = ()
    announce: Callable[[tuple[Choice, ...]], None] | None = None


def fit_network(
    panel: Panel, setting: Setting, options: Options, stop: np.ndarray, *, listeners: Listeners, reuse: Network | None = None
) -> Network:
    """Train a network on the rows before ``stop``; nothing at or behind it is looked at.

    The last ``setting.validation`` rows before ``stop`` of each series choose the best epoch and
    calibrate the quantiles; no training window's horizon reaches into them.

    Args:
        panel: All rows.
        setting: Sizes.
        options: Of network and training.
        stop: Absolute row per series.
        listeners: Progress and interruption.
        reuse: A network of the same shapes to begin anew, which spares compiling a second time.

    Raises:
        InputError: No series is long enough for a single training window.
        TrainingDiverged: The loss became non-finite.
    """
    begin = panel.offsets[:-1]
    stop = np.maximum(stop, begin)
    learn_stop = np.maximum(stop - setting.validation, begin)
    encoder = fit_static(panel.static)
    scales = error_scales(panel, setting.season, stop)
    common: dict[str, Any] = {"context": setting.context, "horizon": setting.horizon, "scales": scales}
    common |= {"short": setting.short, "static": encoder.encode(panel.static)}
    windows = make_windows(panel, stop=learn_stop, first=begin, **common)
    if not len(windows):
        raise InputError(_too_short(panel, setting))
    validation = make_windows(panel, first=learn_stop, stop=stop, **common) if setting.validation else None
    shapes = _shapes(panel, setting, options, encoder, stop)
    plan = make_plan(len(windows), options)
    model, fresh = _ready(shapes, options, plan, reuse)
    learn_covariates(model, panel, stop)
    record = train(
        model,
        windows,
        validation,
        plan,
        progress=listeners.progress,
        interrupted=listeners.interrupted,
        callbacks=listeners.callbacks,
    )
    network = Network(model, shapes, encoder, None, record, fresh)
    if not options.calibrate or not shapes.quantiles or validation is None or not len(validation):
        return network
    return replace(network, shift=_calibrate(network, validation.thin(MOST_CALIBRATION)))


def make_plan(windows: int, options: Options) -> Plan:
    """Decide the number of steps from the number of windows, unless epochs are given.

    Without ``epochs``: three passes, but at least 400 steps and at most 1,500, seen as 30 epochs.

    Example:
        >>> make_plan(65, Options()).epochs, make_plan(100_000, Options(epochs=2)).steps
        (30, 1562)
    """
    batch = min(options.batch_size, windows)
    if options.epochs is not None:
        epochs, steps = options.epochs, max(windows // batch, 1)
    else:
        epochs = 30
        steps = -(-int(np.clip(3 * windows // batch, 400, 1_500)) // epochs)
    return Plan(
        epochs=epochs,
        steps=steps,
        batch_size=batch,
        learning_rate=options.learning_rate,
        patience=options.patience,
        clip=options.clip,
        budget=options.budget,
        seed=options.seed,
    )


def learn_covariates(model: keras.Model, panel: Panel, stop: np.ndarray) -> None:
    """Set mean and spread of the covariates from the rows before ``stop``, in float64."""
    columns = panel.columns
    targets = len(columns.target)
    spans = {
        "known_future": slice(targets, targets + len(columns.known_future)),
        "past_only": slice(targets + len(columns.known_future), None),
    }
    before = None
    for role, span in spans.items():
        if not getattr(columns, role) or not _has_layer(model, f"{role}_scale"):
            continue
        if before is None:
            before = np.arange(panel.rows) < np.repeat(stop, panel.lengths)
        values = panel.values[before, span]
        known = ~np.isnan(values)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, values, 0.0).sum(axis=0) / count
        spread = np.sqrt((np.where(known, values - mean, 0.0) ** 2).sum(axis=0) / count)
        layer = model.get_layer(f"{role}_scale")
        assert isinstance(layer, Standardise)
        layer.learn(mean, np.where(spread > 0, spread, 1.0))


def _ready(
    shapes: Shapes, options: Options, plan: Plan, reuse: Network | None
) -> tuple[keras.Model, list[np.ndarray] | None]:
    """Return a compiled model with fresh weights: a new one, or an earlier one set back."""
    if reuse is not None and reuse.shapes == shapes and reuse.fresh is not None and options.optimizer is None:
        model = reuse.model
        for variable, value in zip(_variables(model), reuse.fresh, strict=True):
            variable.assign(value)
        return model, reuse.fresh
    model = options.builder(shapes, **options.model)
    loss = PinballLoss(shapes.quantiles) if shapes.quantiles else PointLoss(options.loss)
    optimizer = options.optimizer
    if optimizer is not None:
        optimizer = type(optimizer).from_config(optimizer.get_config())
    compile_model(model, loss, plan, optimizer)
    model.optimizer.build(model.trainable_variables)
    return model, [np.array(keras.ops.convert_to_numpy(v)) for v in _variables(model)]


def _variables(model: keras.Model) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]


def _shapes(panel: Panel, setting: Setting, options: Options, encoder: StaticEncoder, stop: np.ndarray) -> Shapes:
    columns = panel.columns
    before = np.arange(panel.rows) < np.repeat(stop, panel.lengths)
    missing = bool((np.isnan(panel.targets).any(axis=1) & before).any())
    return Shapes(
        context=setting.context,
        horizon=setting.horizon,
        targets=len(columns.target),
        known_future=len(columns.known_future),
        past_only=len(columns.past_only),
        static=encoder.width,
        quantiles=options.quantiles,
        season=setting.season,
        padded=setting.short == "pad",
        missing=missing,
    )


def _calibrate(network: Network, windows: Windows) -> ConformalShift:
    forecasts = predict_windows(network.model, windows)
    actual = windows.actual(np.arange(len(windows)))
    scores = conformal_scores(actual, forecasts, windows.scales[windows.series][:, None, :])
    return ConformalShift.fit(scores, network.shapes.quantiles, per_quantile=True)


def _has_layer(model: keras.Model, name: str) -> bool:
    return any(layer.name == name for layer in model.layers)


def _too_short(panel: Panel, setting: Setting) -> str:
    longest = int((panel.ends - panel.offsets[:-1]).max())
    need = setting.context + setting.horizon + setting.validation + setting.holdout
    return (
        f"No series is long enough to learn from: the longest has {longest} rows, and context {setting.context}, "
        f"horizon {setting.horizon}, {setting.validation} validation rows and {setting.holdout} held-out rows need "
        f"{need}. Lower --context, --horizon or --holdout."
    )
