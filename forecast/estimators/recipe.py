"""What a network is made of and how long it is trained: the user's wishes, and what fills the gaps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from forecast.data.calendar import Calendar
from forecast.data.encoding import StaticEncoder, numbers_of
from forecast.data.panel import Panel
from forecast.data.stretches import find_pieces
from forecast.data.windows import Windows
from forecast.errors import ParameterError
from forecast.estimators.presets import PRESETS, networks
from forecast.estimators.setting import Setting
from forecast.models import MODELS, Spec, build_ensemble, build_model
from forecast.models.ensemble import member_spec
from forecast.models.forms import forms_of
from forecast.models.losses import loss_for, step_weights
from forecast.models.segment import usual_segment
from forecast.training.course import Plan

AUTO_MODEL = "auto"
STATEFUL = "stateful"
ENSEMBLE = "ensemble"
# Anchors beside the networks' own: what the choice on validation rows is made of.
LEVEL_OF_SEASON, LEVEL_OF_WINDOW = "season", "mean"


# Rows through which gradients go back in a network that carries its state.
TBPTT = 256
# How many epochs the steps of a fit are seen as: the validation rows are looked at after each.
EPOCHS = 20
# From here on a running mean of the weights is kept and validated.
LONG_RUN, MOMENTUM = 2_000, 0.995
# From so many series on they are drawn equally often, and a linear skip no longer overfits long contexts.
MANY = 20


@dataclass(frozen=True)
class Architecture:
    """Which network: a name among ``MODELS`` or ``"ensemble"``, and the options of its build function."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def build(self, spec: Spec, own: Callable[..., keras.Model] | None = None) -> keras.Model:
        """Build it; ``own`` is the user's build function, which takes the place of a name."""
        if own is not None:
            return own(spec)
        if self.name == ENSEMBLE:
            return build_ensemble(spec, **self.options)
        return build_model(self.name, spec, self.options)

    def specs(self, spec: Spec) -> list[Spec]:
        """Return the specs of its members, or its own."""
        return [member_spec(spec, member) for member in self._members]

    def alike(self, spec: Spec) -> list[int]:
        """Return for each of them the place of the first one that differs in its seed at most."""
        forms = [
            (member.get("model"), member.get("options"), replace(own, seed=0))
            for member, own in zip(self._members, self.specs(spec), strict=True)
        ]
        return [forms.index(form) for form in forms]

    @property
    def _members(self) -> Sequence[Mapping[str, Any]]:
        return self.options["members"] if self.name == ENSEMBLE else ({},)


@dataclass(frozen=True)
class Extras:
    """What windows hold beside the columns of the table.

    Args:
        calendar: Calendar features, or None.
        lags: Rows of the lags.
        ids: Known series that are embedded, in order; none if they are not.
        embedded: Whether static categories are embedded.
    """

    calendar: Calendar | None = None
    lags: tuple[int, ...] = ()
    ids: tuple = ()
    embedded: bool = False

    def windows(self, panel: Panel, horizon: int, encoder: StaticEncoder) -> dict[str, Any]:
        """Return the arguments of ``make_windows`` that hold them."""
        found: dict[str, Any] = {"static": encoder.encode(panel.static), "lags": self.lags}
        if self.calendar is not None:
            found["calendar"] = self.calendar.rows(panel, horizon)
        if self.embedded:
            found["categories"] = encoder.codes(panel.static)
        if self.ids:
            found["numbers"] = numbers_of(panel.ids, self.ids)
        return found

    def sizes(self, encoder: StaticEncoder) -> dict[str, Any]:
        """Return the fields of a spec that tell of them."""
        return {
            "static": encoder.width,
            "calendar": 0 if self.calendar is None else self.calendar.width,
            "lags": len(self.lags),
            "categories": encoder.sizes if self.embedded else (),
            "series": len(self.ids),
        }


@dataclass(frozen=True)
class Options:
    """What the user may say about the network and its training.

    Args:
        model: Name of an architecture, or ``"auto"``.
        arguments: Options of its build function that were given.
        builder: The user's own ``f(spec) -> keras.Model``, or None.
        spec: Fields of the spec that were given (anchor, transform, independent, skip, head …); others are chosen.
        calendar: Calendar features wished for (see ``make_calendar``), or False.
        holidays: Country of the holidays, or None.
        lags: Lags in rows, True to have them chosen, or none.
        embed: ``"series"``, ``"categories"``, both or none.
        quantiles: Levels forecast, the median among them; empty for a point forecast.
        wanted: Levels the user asked to see.
        loss: ``"auto"`` or one that suits the head.
        horizons: Horizons that the loss serves alike; empty for the longest alone.
        calibrate: Shift the quantiles by what the validation windows show.
        preset: How much work: a name of ``PRESETS``.
        ensemble: Networks in the mean; None as the preset says.
        snapshots: Whether each of them goes on from the one before.
        steps: Optimiser steps in all; None lets the number of windows decide.
        epochs: Passes over the windows, in place of ``steps``.
        batch_size: Windows a batch; None chooses.
        learning_rate: Highest rate; None chooses.
        tbptt: Rows of a stretch for a network that carries its state.
        sampling: ``"rows"`` or ``"series"``: which of them are drawn equally often; None chooses.
        patience: Epochs without improvement before stopping.
        clip: Largest gradient norm.
        averaging: Momentum of the mean of the weights; None: on long runs.
        weight_decay: Share of the rate by which each step shrinks the kernels; None for none.
        budget: Seconds of training at most.
        optimizer: A Keras optimiser (copied for every fit), or None.
        seed: Seed of everything.
    """

    model: str = AUTO_MODEL
    arguments: Mapping[str, Any] = field(default_factory=dict)
    builder: Callable[..., keras.Model] | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)
    calendar: Any = False
    holidays: str | None = None
    lags: Any = ()
    embed: tuple[str, ...] = ()
    quantiles: tuple[float, ...] = (0.1, 0.5, 0.9)
    wanted: tuple[float, ...] = (0.1, 0.9)
    loss: str = "auto"
    horizons: tuple[int, ...] = ()
    calibrate: bool = True
    preset: str = "good"
    ensemble: int | None = None
    snapshots: bool = False
    steps: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    tbptt: int = TBPTT
    sampling: str | None = None
    patience: int = 10
    clip: float | None = 1.0
    averaging: float | None = None
    weight_decay: float | None = None
    budget: float | None = None
    optimizer: Any = None
    seed: int = 0

    @property
    def members(self) -> int:
        """Networks in the mean."""
        single = self.builder is not None or self.head != "quantiles" or self.model == STATEFUL
        return 1 if single and self.ensemble is None else networks(self.preset, self.ensemble)

    @property
    def head(self) -> str:
        """Head of the network."""
        return str(self.spec.get("head", "quantiles"))


def settled(options: Options) -> Options:
    """Fill in what an autoregressive network needs: a distribution, and the lags that the step suggests.

    Example:
        >>> options = settled(Options(model="autoregressive"))
        >>> options.head, options.lags
        ('student', True)
    """
    if options.model != "autoregressive" or options.builder is not None:
        return options
    head = options.head if options.head != "quantiles" else "student"
    lags = options.lags if options.lags else True
    return replace(options, spec={**options.spec, "head": head}, lags=lags)


def check_options(options: Options) -> None:
    """Refuse what contradicts itself or does not exist, before any work is done.

    Raises:
        ParameterError: For that reason.
    """
    if options.snapshots and options.members < 2:
        raise ParameterError("snapshots are members of a mean: pass ensemble=4 or so with them.")
    if options.weight_decay is not None and options.optimizer is not None:
        raise ParameterError("weight_decay belongs to the optimiser: set it in the one that is given.")
    known = {"preset": (options.preset, tuple(PRESETS)), "model": (options.model, (AUTO_MODEL, *MODELS))}
    known["sampling"] = (options.sampling, (None, "rows", "series"))
    for name, (given, words) in known.items():
        if given not in words:
            listed = ", ".join(str(word) for word in words if word is not None)
            raise ParameterError(f"{name} must be one of {listed}; got {given!r}.")
    if options.steps is not None and options.epochs is not None:
        raise ParameterError("Both steps and epochs say how long to train; give one of them.")
    if not set(options.embed) <= {"series", "categories"}:
        raise ParameterError(f"embed may hold 'series' and 'categories'; got {options.embed}.")


def make_plan(windows: int, options: Options, spec: Spec, series: int = 1) -> Plan:
    """Decide the number of steps, the batch and the rate from the number of windows, unless they are given.

    A batch holds 32 sequences (targets that are apart count each), up to 256 where there are many: a hundredth
    of them all, so that a pass is a hundred steps or more. Rates are lower for long contexts.

    Example:
        >>> plan = make_plan(65, Options(), Spec(context=24, horizon=6))
        >>> plan.total, plan.batch_size, plan.learning_rate
        (300, 32, 0.003)
        >>> plan = make_plan(100_000, Options(preset="best"), Spec(context=336, horizon=48))
        >>> plan.total, plan.batch_size, plan.learning_rate, plan.averaging
        (1580, 256, 0.002, None)
    """
    sequences = windows * spec.targets if spec.apart else windows
    usual = int(np.clip(sequences // 100, 32, 256)) // (spec.targets if spec.apart else 1)
    batch = min(max(usual, 4) if options.batch_size is None else options.batch_size, windows)
    epochs, steps = _length(windows, batch, options)
    rate = options.learning_rate
    averaging = options.averaging
    if averaging is None and options.optimizer is None and epochs * steps >= LONG_RUN:
        averaging = MOMENTUM
    return Plan(
        epochs=epochs,
        steps=steps,
        batch_size=batch,
        learning_rate=(2e-3 if spec.context > 170 else 3e-3) if rate is None else rate,
        patience=options.patience,
        clip=options.clip,
        budget=options.budget,
        seed=spec.seed,
        averaging=averaging,
        weight_decay=options.weight_decay,
        by_series=series >= MANY if options.sampling is None else options.sampling == "series",
    )


def plan_of(model: keras.Model, windows: Windows, options: Options, spec: Spec) -> Plan:
    """Decide how long to train a model on windows; see ``make_plan``. One that carries its state counts stretches."""
    carried = forms_of(model).carried
    if carried is None:
        return make_plan(len(windows), options, spec, len(windows.panel))
    lengths = find_pieces(windows, carried.gap).lengths
    stretches = int(np.maximum(lengths // carried.chunk, 1).sum())
    return make_plan(stretches, replace(options, batch_size=carried.lanes), replace(spec, independent=False))


def _length(windows: int, batch: int, options: Options) -> tuple[int, int]:
    """Return epochs and steps of each."""
    if options.epochs is not None:
        return options.epochs, max(windows // batch, 1)
    preset = PRESETS[options.preset]
    total = options.steps
    if total is None:
        total = int(np.clip(preset.passes * windows // batch, preset.fewest, preset.most))
    epochs = min(EPOCHS, total)
    return epochs, -(-total // epochs)


def usual_model(setting: Setting, rows: int) -> str:
    """Choose the architecture: segment-wise where the rows hold a dozen segments, else a plain recurrent network."""
    width = usual_segment(setting.season, setting.horizon)
    return "segment" if setting.context >= 2 * width and rows >= 12 * width else "rnn"


def members_of(options: Options, members: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """List as many members of an ensemble as were asked for: those that differ, then the same with other seeds.

    Snapshots are of the best one: they differ by what training makes of them.

    Args:
        options: How many.
        members: What differs, best first: ``"model"``, ``"spec"`` and ``"options"`` (see ``build_ensemble``).
    """
    members = members[:1] if options.snapshots else members
    each = [members[i % len(members)] for i in range(options.members)]
    return [one | {"spec": one["spec"] | {"seed": options.seed + i}} for i, one in enumerate(each)]


def loss_of(options: Options, spec: Spec) -> Any:
    """Return the loss that suits the head, weighted for the horizons it serves."""
    kind = options.loss
    if kind == "auto":
        kind = "pinball" if spec.quantiles else "mae"
        kind = kind if spec.head == "quantiles" else "likelihood"
    steps = None
    if options.horizons:
        steps = step_weights(options.horizons, spec.horizon)
    return loss_for(kind, quantiles=spec.quantiles, head=spec.head, steps=steps)


def frozen_options(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as JSON holds them."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in arguments.items()}


def with_budget(options: Options, share: float) -> Options:
    """Return the options with a share of the budget, if there is one."""
    return options if options.budget is None else replace(options, budget=options.budget * share)
