"""Choose what the user left open about the network: architecture, scaling, members; on validation rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import keras
import numpy as np

from forecast.data.calendar import Calendar, make_calendar
from forecast.data.lags import check_lags, choose_lags
from forecast.data.panel import Panel
from forecast.data.scale import spreads
from forecast.data.stretches import find_pieces, stretch_sizes
from forecast.data.table import Choice
from forecast.data.transforms import choose_transform, wished_transform
from forecast.errors import ParameterError
from forecast.estimators.lessons import Lessons
from forecast.estimators.presets import PRESETS
from forecast.estimators.recipe import (
    AUTO_MODEL,
    ENSEMBLE,
    MANY,
    STATEFUL,
    Architecture,
    Extras,
    Options,
    frozen_options,
    members_of,
    usual_model,
)
from forecast.estimators.setting import Setting
from forecast.estimators.trials import TRIAL_SHARE, Tried, compared, nearly_best, try_out
from forecast.models.ensemble import member_spec
from forecast.models.registry import MODELS, options_of
from forecast.models.spec import TRANSFORMS, Spec, check_word
from forecast.models.transforms import Transform
from forecast.training.course import NOBODY, Listeners

# Anchors tried with a transform, and without one; and those of networks that carry their state, which have no window.
_ANCHORS = (("mean",), ("last", "mean", "period"))
_STATEFUL_ANCHORS = ("last", "period")
# Whose spread windows are divided by: their own, or that of the training rows.
SCALES = ("auto", "window", "training")
# Series whose spreads differ by less (90th against 10th percentile) may share one.
_ALIKE = 2.0
# Shorter context of an ensemble's member, as a share of the others', as far as the longest season fits.
_SHARE = 0.29


@dataclass(frozen=True)
class Chosen:
    """What will be built.

    Args:
        spec: Of the whole.
        architecture: What is built of it.
        choices: What was chosen on the way.
        left: Share of a time budget that trials left for training.
    """

    spec: Spec
    architecture: Architecture
    choices: tuple[Choice, ...] = ()
    left: float = 1.0


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
        lessons: Rows to learn from and to judge by; the choices between scalings, and between architectures that
            suit the rows alike, are made on the latter.
        options: What the user said; trials take a fifth of a time budget at most.
        listeners: Asked whether to stop; a trial that is stopped is judged as it stands.
    """
    base, scalings = _base(lessons, options), _scalings(lessons, options)
    architectures = [
        Architecture(name, _arguments(name, lessons, options)) for name in _names(lessons, options)
    ]
    near = [Tried(architectures[0], replace(base, **scaling)) for scaling in scalings]
    choices, why, left = [], "what season, horizon and rows allow", 1.0
    trials = len(near) + len(architectures) - 1
    if trials > 1 and PRESETS[options.preset].trials and _judged(lessons, base):
        run = partial(try_out, lessons, options, trials=trials, listeners=listeners)
        tried, left = [run(way) for way in near], 1.0 - TRIAL_SHARE
        near = nearly_best(tried)
        for other in architectures[1:]:
            spec = near[0].spec if _named(options, "anchor") else _standing(near[0].spec)
            rival = run(Tried(other, spec))
            why += "; " + compared([near[0], rival], lambda one: one.architecture.name)
            near = nearly_best([near[0], rival, *near[1:]])
        if len(tried) > 1:
            told = compared(tried, lambda one: one.scaling)
            choices.append(Choice("scaling", near[0].scaling, "--anchor, --scale, --target-transform", told))
    first = near[0]
    if options.builder is None and options.model == AUTO_MODEL:
        choices.insert(0, Choice("model", first.architecture.name, "--model", why))
    if options.members == 1:
        return Chosen(first.spec, first.architecture, tuple(choices), left)
    members = members_of(options, [_member(way, first) for way in _mixed(near)])
    told = "; ".join(_words(first.spec, member) for member in members)
    why = "snapshots of one training" if options.snapshots else "what differs first, then seeds"
    choices.append(Choice("members", f"{len(members)}: {told}", "--ensemble", why))
    return Chosen(first.spec, Architecture(ENSEMBLE, {"members": members}), tuple(choices), left)


def _judged(lessons: Lessons, spec: Spec) -> bool:
    """Say whether the validation rows hold a window to judge by."""
    judging = lessons.judging(spec)
    return judging is not None and len(judging) > 0


def _named(options: Options, name: str) -> bool:
    """Say whether the user chose this part of the scaling."""
    return options.spec.get(name, "auto") != "auto"


def _names(lessons: Lessons, options: Options) -> tuple[str, ...]:
    """Name the architecture, or those to choose between, the usual one first."""
    if options.builder is not None:
        return ("own",)
    if options.model != AUTO_MODEL:
        return (options.model,)
    rows = int(np.median(lessons.turn - lessons.panel.offsets[:-1]))
    # Options that only some networks have are a wish for those.
    fitting = [
        name for name in ("segment", "esrnn") if set(options.arguments) <= set(options_of(MODELS[name]))
    ]
    return tuple(fitting) if fitting and usual_model(lessons.setting, rows) == "segment" else ("rnn",)


def _arguments(name: str, lessons: Lessons, options: Options) -> dict[str, Any]:
    """Return the options of an architecture as JSON holds them."""
    found: dict[str, Any] = {}
    if name == "autoregressive":
        found["lags"] = lessons.extras.lags
    if name == STATEFUL:
        teaching = lessons.teaching(_base(lessons, options))
        lengths = find_pieces(teaching, lessons.setting.context).lengths
        found["chunk"], found["lanes"] = stretch_sizes(lengths, options.tbptt, options.batch_size)
    return frozen_options({**options.arguments, **found})


def _standing(spec: Spec) -> Spec:
    """Return the spec with a level that smoothing can add to."""
    return replace(spec, anchor="mean") if spec.anchor in ("period", "difference") else spec


def _mixed(near: list[Tried]) -> list[Tried]:
    """List members of an ensemble that differ: architecture, then context, then scaling."""
    first = near[0]
    others = [way for way in near[1:] if way.architecture.name != first.architecture.name]
    scalings = [way for way in near[1:] if way.architecture.name == first.architecture.name]
    context = int(first.spec.context * _SHARE)
    context -= context % first.spec.season
    short = []
    if context >= max(first.spec.period, 8):
        # On ETTh1's validation months a short context did best with the smoothing one.
        way = next((way for way in (first, *others) if way.architecture.name == "esrnn"), first)
        short = [replace(way, spec=replace(way.spec, context=context))]
    return [first, *others, *short, *scalings]


def _member(way: Tried, first: Tried) -> dict[str, Any]:
    """Say what a member is and what its spec changes."""
    whole = asdict(first.spec)
    changes = {name: value for name, value in asdict(way.spec).items() if value != whole[name]}
    return {"model": way.architecture.name, "spec": changes, "options": way.architecture.options}


def _words(first: Spec, member: dict[str, Any]) -> str:
    way = Tried(Architecture(member["model"]), member_spec(first, member))
    return f"{member['model']} {way.scaling}"


def _base(lessons: Lessons, options: Options) -> Spec:
    """Return the spec without what is tried out."""
    panel, setting = lessons.panel, lessons.setting
    columns = panel.columns
    past = np.arange(panel.rows) < np.repeat(panel.ends, panel.lengths)
    tried = ("anchor", "scale", "transform", "positive", "head")
    given = {k: v for k, v in options.spec.items() if v is not None and k not in tried}
    given.setdefault("skip", True if len(panel) >= MANY and options.model != STATEFUL else None)
    given.setdefault("missing", bool((np.isnan(panel.targets).any(axis=1) & past).any()))
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
        for one in [anchor] if anchor != "auto" else _anchors(setting, options, candidate.kind):
            scale = {"transform": candidate.kind, "transform_by": candidate.by, "anchor": one}
            if options.model == STATEFUL and options.spec.get("scale", "auto") == "auto":
                scalings.append(scale)
            else:
                scalings += [scale | by for by in _divisors(lessons, scale, options)]
    return [scale | {"positive": positive, "head": options.head} for scale in scalings]


def _anchors(setting: Setting, options: Options, transform: str) -> list[str]:
    """List the anchors to try with a transform."""
    if options.model == STATEFUL:
        seasonal, anchors = setting.period > 1, _STATEFUL_ANCHORS
    else:
        seasonal = setting.season < setting.period <= setting.context // 2
        anchors = _ANCHORS[transform == "none"]
    return [anchor for anchor in anchors if anchor != "period" or seasonal]


def _divisors(lessons: Lessons, scale: dict[str, Any], options: Options) -> list[dict[str, Any]]:
    """List what windows of this anchor and transform may be divided by."""
    wish = check_word("scale", options.spec.get("scale", "auto"), SCALES)
    if wish == "training" and scale["anchor"] == "none":
        raise ParameterError("anchor='none' is no scaling at all: it goes without scale='training'.")
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
