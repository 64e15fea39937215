"""Choose what the user left open about the network: architecture, scaling, members; on validation rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import keras
import numpy as np

from forecast.data.calendar import Calendar, make_calendar
from forecast.data.lags import check_lags, choose_lags
from forecast.data.panel import Panel
from forecast.data.scale import spreads
from forecast.data.table import Choice
from forecast.data.transforms import choose_transform, wished_transform
from forecast.errors import ParameterError
from forecast.estimators.lessons import Lessons, learn_covariates
from forecast.estimators.presets import PRESETS
from forecast.estimators.recipe import (
    AUTO_MODEL,
    ENSEMBLE,
    MANY,
    Architecture,
    Extras,
    Options,
    frozen_options,
    make_plan,
    members_of,
    usual_model,
    with_budget,
)
from forecast.estimators.setting import Setting
from forecast.models.ensemble import member_spec
from forecast.models.losses import loss_for, step_weights
from forecast.models.registry import MODELS, options_of
from forecast.models.spec import TRANSFORMS, Spec, check_word
from forecast.models.transforms import Transform
from forecast.training.fit import NOBODY, Listeners, compile_model, train
from forecast.training.predict import predict_windows

# Steps of a trial of a scaling, and the windows and folds it is judged by.
TRIAL_STEPS, TRIAL_WINDOWS, TRIAL_FOLDS = 100, 400, 4
# Part of a time budget that all trials together may take.
TRIAL_SHARE = 0.2
# Anchors tried with a transform, and without one.
_ANCHORS = (("mean",), ("last", "mean", "period"))
# Whose spread windows are divided by: their own, or that of the training rows.
SCALES = ("auto", "window", "training")
# Series whose spreads differ by less (90th against 10th percentile) may share one.
_ALIKE = 2.0
# Shorter contexts of an ensemble's members, as shares of the first one's, as far as a season fits.
SHARES = (0.5, 0.15)
# A scaling joins an ensemble if its error on validation rows is at most this much larger than the best one's.
_NEAR = 1.1


@dataclass(frozen=True)
class Chosen:
    """What will be built: the spec of the whole, the architecture, and what was chosen on the way."""

    spec: Spec
    architecture: Architecture
    choices: tuple[Choice, ...] = ()


def make_extras(panel: Panel, setting: Setting, options: Options) -> Extras:
    """Work out calendar features, lags and embeddings from what was wished for."""
    calendar: Calendar | None = None
    if options.calendar or options.holidays:
        calendar = make_calendar(panel.step, options.calendar or (), options.holidays)
    lags = options.lags
    if lags is True:
        rows = int(np.median(panel.ends - panel.offsets[:-1]))
        lags = choose_lags(panel.step, setting.season, setting.context, rows)
    known = panel.ids if "series" in options.embed and panel.columns.id is not None else ()
    return Extras(calendar, check_lags(lags), tuple(known), "categories" in options.embed)


def tell_extras(extras: Extras) -> tuple[Choice, ...]:
    """Say what windows hold beside the columns of the table; nothing of it is needed at prediction."""
    told = []
    if extras.calendar is not None:
        holidays = f" of {extras.calendar.country}" if extras.calendar.country else ""
        names = ", ".join(extras.calendar.features) + holidays
        told.append(Choice("calendar", names, "--calendar, --holidays", "made from the times"))
    if extras.lags:
        told.append(
            Choice("lags", ", ".join(map(str, extras.lags)) + " rows", "--lags", "made from the targets")
        )
    if extras.ids or extras.embedded:
        what = [f"{len(extras.ids)} series"] * bool(extras.ids) + ["categories"] * extras.embedded
        told.append(Choice("embedded", ", ".join(what), "--embed", "with a vector for those not known"))
    return tuple(told)


def choose_network(lessons: Lessons, options: Options, listeners: Listeners = NOBODY) -> Chosen:
    """Decide architecture, scaling and members.

    Args:
        lessons: Rows to learn from and to judge by; the choice between scalings is made on the latter.
        options: What the user said; trials take a fifth of a time budget at most.
        listeners: Asked whether to stop; a trial that is stopped is judged as it stands.
    """
    setting = lessons.setting
    name = options.model if options.builder is None else "own"
    rows = int(np.median(lessons.turn - lessons.panel.offsets[:-1]))
    choices = []
    if name == AUTO_MODEL:
        # Options that only a row-wise network has are a wish for it.
        wished = set(options.arguments) <= set(options_of(MODELS["segment"]))
        name = usual_model(setting, rows) if wished else "rnn"
        choices.append(Choice("model", name, "--model", "what season, horizon and rows allow"))
    arguments = dict(options.arguments)
    if name == "autoregressive":
        arguments["lags"] = lessons.extras.lags
    architecture = Architecture(name, frozen_options(arguments))
    base = _base(lessons, options)
    scalings = _scalings(lessons, options)
    several = options.members > 1
    if len(scalings) > 1 and PRESETS[options.preset].trials and lessons.validation:
        few = _few(options, len(scalings))
        asked = Listeners(interrupted=listeners.interrupted)
        scalings, told = _tried(lessons, few, architecture, (base, scalings), asked)
        choices.append(told)
    first = replace(base, **scalings[0])
    if not several:
        return Chosen(first, architecture, tuple(choices))
    changes = members_of(options, {}, _alternatives(first, scalings[1:]))
    members = [{"model": name, "spec": change, "options": architecture.options} for change in changes]
    told = f"{len(members)}: " + "; ".join(_words(member_spec(first, member)) for member in members)
    choices.append(Choice("members", told, "--ensemble", "scaling and context first, then seeds"))
    return Chosen(first, Architecture(ENSEMBLE, {"members": members}), tuple(choices))


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


def _base(lessons: Lessons, options: Options) -> Spec:
    """Return the spec without what is tried out."""
    panel, setting = lessons.panel, lessons.setting
    columns = panel.columns
    past = np.arange(panel.rows) < np.repeat(panel.ends, panel.lengths)
    tried = ("anchor", "scale", "transform", "positive", "head")
    given = {k: v for k, v in options.spec.items() if v is not None and k not in tried}
    given.setdefault("skip", True if len(panel) >= MANY else None)
    return Spec(
        context=setting.context,
        horizon=setting.horizon,
        targets=len(columns.target),
        known_future=len(columns.known_future),
        past_only=len(columns.past_only),
        quantiles=options.quantiles,
        season=setting.season,
        period=setting.period,
        padded=setting.short == "pad",
        missing=bool((np.isnan(panel.targets).any(axis=1) & past).any()),
        seed=options.seed,
        **lessons.extras.sizes(lessons.encoder),
        **given,
    )


def _scalings(lessons: Lessons, options: Options) -> list[dict[str, Any]]:
    """List anchors and transforms that suit the values and were not ruled out, the usual one first."""
    setting = lessons.setting
    anchor, kind = options.spec.get("anchor", "auto"), options.spec.get("transform", "auto")
    if options.head != "quantiles" and kind == "auto":
        kind = "log" if options.head == "lognormal" else "none"
    found = choose_transform(lessons.panel, lessons.turn)
    candidates = list(found.candidates)
    if kind != "auto":
        candidates = [
            wished_transform(check_word("target_transform", kind, TRANSFORMS), lessons.panel, lessons.turn)
        ]
    if options.head == "negative_binomial" and not found.positive:
        raise ParameterError(
            "head='negative_binomial' is for counts, and there are values below zero. Pass head='student'."
        )
    positive = options.spec.get("positive")
    positive = found.positive if positive is None else bool(positive)
    scalings = []
    for candidate in candidates[:2]:
        anchors = [anchor] if anchor != "auto" else _ANCHORS[candidate.kind == "none"]
        for one in anchors:
            if (
                one != "period"
                or anchor == "period"
                or setting.season < setting.period <= setting.context // 2
            ):
                scale = {"transform": candidate.kind, "transform_by": candidate.by, "anchor": one}
                scalings += [scale | by for by in _divisors(lessons, scale, options)]
    return [scale | {"positive": positive, "head": options.head} for scale in scalings]


def _divisors(lessons: Lessons, scale: dict[str, Any], options: Options) -> list[dict[str, Any]]:
    """List what windows of this anchor and transform may be divided by."""
    wish = check_word("scale", options.spec.get("scale", "auto"), SCALES)
    usual = wish == "auto" and scale["anchor"] == "mean" and scale["transform"] == "none"
    found: list[dict[str, Any]] = [] if wish == "training" else [{}]
    if not usual and wish != "training":
        return found
    values = lessons.panel.targets
    if scale["transform"] != "none":
        values = keras.ops.convert_to_numpy(Transform(scale["transform"], scale["transform_by"])(values))
    each = spreads(values, lessons.panel, lessons.turn)
    low, high = np.quantile(each, (0.1, 0.9), axis=0)
    if wish == "training" or ((low > 0).all() and (high <= _ALIKE * low).all()):
        by = np.median(each, axis=0)
        found.append({"scale_by": tuple(np.where(by > 0, by, 1.0).tolist())})
    return found


def _alternatives(first: Spec, scalings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """List what further members of an ensemble change: another scaling, a shorter context, then both."""
    contexts = []
    for share in SHARES:
        context = int(first.context * share)
        context -= context % first.season
        if context >= max(first.period, 8):
            contexts.append({"context": context})
    both = [scaling | context for scaling, context in zip(scalings, contexts, strict=False)]
    mixed = [one for pair in zip_longest(scalings, contexts) for one in pair if one is not None]
    return mixed + both


def _tried(
    lessons: Lessons,
    options: Options,
    architecture: Architecture,
    candidates: tuple[Spec, list[dict[str, Any]]],
    listeners: Listeners,
) -> tuple[list[dict[str, Any]], Choice]:
    """Train each scaling for a few steps; the usual one stands unless another is better on the validation folds.

    Returns:
        The chosen scaling, then those that are nearly as good, the better ones first; and what was decided.
    """
    base, scalings = candidates
    specs = [replace(base, **one) for one in scalings]
    errors = np.array([_trial(lessons, options, architecture, spec, listeners) for spec in specs])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.log(errors / errors[0])
    mean = np.nanmean(ratios, axis=1)
    folds = np.sqrt(max(errors.shape[1], 1))
    spread = np.nanstd(ratios, axis=1, ddof=1) / folds if errors.shape[1] > 1 else np.zeros(len(scalings))
    better = np.where(mean + spread < 0, mean, np.inf)
    better[0] = 0.0
    best = int(better.argmin())
    told = ", ".join(f"{_words(spec)} {np.nanmean(row):.3f}" for spec, row in zip(specs, errors, strict=True))
    choice = Choice(
        "scaling",
        _words(specs[best]),
        "--anchor, --scale, --target-transform",
        f"MASE on validation rows: {told}",
    )
    near = [j for j in np.argsort(mean) if j != best and mean[j] <= mean[best] + np.log(_NEAR)]
    return [scalings[j] for j in (best, *near)], choice


def _few(options: Options, trials: int) -> Options:
    """Return the options of a trial: few steps, and its share of a budget."""
    steps = min(options.steps or TRIAL_STEPS, TRIAL_STEPS)
    return replace(with_budget(options, TRIAL_SHARE / trials), steps=steps, epochs=None, optimizer=None)


def _trial(
    lessons: Lessons, options: Options, architecture: Architecture, spec: Spec, listeners: Listeners
) -> np.ndarray:
    """Train a network of a spec for a few steps; return its scaled error on each validation fold."""
    teaching, judging = lessons.teaching(spec), lessons.judging(spec)
    assert judging is not None
    judging = judging.thin(TRIAL_WINDOWS)
    model = architecture.build(spec, options.builder)
    plan = make_plan(len(teaching), options, spec, len(lessons.panel))
    compile_model(model, loss_of(options, spec), plan)
    learn_covariates(model, lessons.panel, lessons.turn)
    train(model, teaching, None, plan, listeners=listeners)
    forecast = predict_windows(model, judging)
    forecast = forecast[..., spec.middle] if spec.quantiles else forecast
    error = (
        np.abs(judging.actual(np.arange(len(judging))) - forecast)
        / judging.scales[judging.series][:, None, :]
    )
    folds = np.array_split(
        np.argsort(judging.origins - lessons.panel.offsets[judging.series], kind="stable"), TRIAL_FOLDS
    )
    return np.array([np.nanmean(error[fold]) if len(fold) else np.nan for fold in folds])


def _words(spec: Spec) -> str:
    """Say how a network scales, in few words."""
    scale = spec.anchor if spec.transform == "none" else f"{spec.anchor} of {spec.transform}"
    scale += " and training spread" if spec.scale_by else ""
    return f"{scale}, {spec.context} rows"
