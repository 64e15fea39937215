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
from forecast.data.windows import Windows, make_windows
from forecast.errors import InputError
from forecast.estimators.setting import Setting
from forecast.evaluation.intervals import ConformalShift, conformal_scores
from forecast.models import build_rnn
from forecast.models.frame import Shapes
from forecast.models.layers import Standardise
from forecast.models.losses import PinballLoss, PointLoss
from forecast.training.fit import Listeners, Plan, Record, compile_model, forget_moments, joined, train
from forecast.training.predict import predict_windows

# Calibration looks at no more windows than this: beyond it the quantiles no longer move.
MOST_CALIBRATION = 4_000
# Steps of a fit whose epochs are not given, and how many epochs they are seen as. Validation loss on eight
# tables: 200 steps were 1 % worse than 300 (rate 2e-3); 300 at the default 3e-3 were 2 % better than 400 at
# 2e-3. Batches of 32 windows were within 0.3 % of batches of 64, for two thirds of the CPU time.
FEWEST_STEPS, MOST_STEPS, EPOCHS = 300, 1_500, 20


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
        batch_size: Windows a batch; None: 32, fewer (16 at least) for more than eight targets.
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
    batch_size: int | None = None
    learning_rate: float = 3e-3
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
    """

    model: keras.Model
    shapes: Shapes
    encoder: StaticEncoder
    shift: ConformalShift | None
    record: Record

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


def fit_network(
    panel: Panel, setting: Setting, options: Options, stop: np.ndarray, *, listeners: Listeners
) -> tuple[Network, Windows | None]:
    """Train a network on the rows before ``stop``; nothing at or behind it is looked at.

    The last ``setting.validation`` rows before ``stop`` of each series choose the best epoch; no
    training window's horizon reaches into them.

    Args:
        panel: All rows.
        setting: Sizes.
        options: Of network and training.
        stop: Absolute row per series.
        listeners: Progress and interruption.

    Returns:
        The network, not calibrated, and its validation windows.

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
    shapes = _shapes(panel, setting, options, encoder)
    plan = make_plan(len(windows), options, len(panel.columns.target))
    model = _compiled(shapes, options, plan)
    learn_covariates(model, panel, stop)
    record = train(model, windows, validation, plan, listeners=listeners)
    return Network(model, shapes, encoder, None, record), validation


def go_on(
    network: Network, panel: Panel, setting: Setting, options: Options, *, listeners: Listeners
) -> Network:
    """Train a network further on all rows: a third of the epochs that were best, at half the rate.

    There is no validation tail, so nothing stops it early; the calibration stays what it was.
    """
    common: dict[str, Any] = {"context": setting.context, "horizon": setting.horizon, "short": setting.short}
    common["scales"] = error_scales(panel, setting.season)
    windows = make_windows(
        panel, first=panel.offsets[:-1], static=network.encoder.encode(panel.static), **common
    )
    plan = make_plan(len(windows), options, len(panel.columns.target))
    epochs = -(-max(network.record.best_epoch, 1) // 3)
    plan = replace(plan, epochs=epochs, learning_rate=plan.learning_rate / 2)
    forget_moments(network.model)
    record = train(network.model, windows, None, plan, listeners=listeners)
    return replace(network, record=joined(network.record, record))


def calibration_scores(network: Network, parts: Sequence[Windows | None]) -> np.ndarray | None:
    """Score the uncalibrated quantiles on windows that were not trained on.

    Returns:
        ``conformal_scores``; axes: windows, horizon, targets, quantiles. None without windows or quantiles.
    """
    parts = [part.thin(MOST_CALIBRATION) for part in parts if part is not None and len(part)]
    if not parts or not network.shapes.quantiles:
        return None
    scores = []
    for windows in parts:
        forecasts = predict_windows(network.model, windows)
        actual = windows.actual(np.arange(len(windows)))
        scores.append(conformal_scores(actual, forecasts, windows.scales[windows.series][:, None, :]))
    return np.concatenate(scores)


def calibrated(network: Network, parts: Sequence[Windows | None]) -> Network:
    """Calibrate the quantiles on windows that were not trained on; without any, leave them as they are."""
    return shifted(network, calibration_scores(network, parts))


def shifted(network: Network, scores: np.ndarray | None) -> Network:
    """Calibrate the quantiles by scores of theirs; without any, leave them as they are."""
    if scores is None:
        return network
    return replace(network, shift=ConformalShift.fit(scores, network.shapes.quantiles, per_quantile=True))


def make_plan(windows: int, options: Options, targets: int = 1) -> Plan:
    """Decide the number of steps from the number of windows, unless epochs are given.

    Without ``epochs``: three passes, but at least 300 steps and at most 1,500, seen as 20 epochs.

    Example:
        >>> make_plan(65, Options()).steps, make_plan(100_000, Options(epochs=2)).steps
        (15, 3125)
    """
    usual = int(np.clip(256 // targets, 16, 32)) if options.batch_size is None else options.batch_size
    batch = min(usual, windows)
    if options.epochs is not None:
        epochs, steps = options.epochs, max(windows // batch, 1)
    else:
        epochs = EPOCHS
        steps = -(-int(np.clip(3 * windows // batch, FEWEST_STEPS, MOST_STEPS)) // epochs)
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


def _compiled(shapes: Shapes, options: Options, plan: Plan) -> keras.Model:
    model = options.builder(shapes, **options.model)
    loss = PinballLoss(shapes.quantiles) if shapes.quantiles else PointLoss(options.loss)
    optimizer = options.optimizer
    if optimizer is not None:
        optimizer = type(optimizer).from_config(optimizer.get_config())
    compile_model(model, loss, plan, optimizer)
    return model


def _shapes(panel: Panel, setting: Setting, options: Options, encoder: StaticEncoder) -> Shapes:
    columns = panel.columns
    past = np.arange(panel.rows) < np.repeat(panel.ends, panel.lengths)
    missing = bool((np.isnan(panel.targets).any(axis=1) & past).any())
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
