"""Does every forecast step use the newest observation, none the future, and some each covariate?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from forecast.auditing.findings import Finding
from forecast.auditing.reactions import Reactions
from forecast.auditing.subjects import Subject, on_panel
from forecast.auditing.wording import columns_named, counted, sentence
from forecast.data.panel import Panel
from forecast.data.windows import Windows
from forecast.training.predict import BATCH

NEWEST, FUTURE, COVARIATES, NUMBERS = "newest observation", "future", "covariates", "numbers"
# Windows behind whose origin the rows are scrambled.
SCRAMBLED = 4


def newest_finding(subject: Subject, reactions: Reactions) -> Finding:
    """Say which steps do not react to the newest observation, and how many of the newest each of them ignores."""
    ignored = reactions.ignored
    blind = np.flatnonzero(ignored)
    figures = {
        "blind_steps": (blind + 1).tolist(),
        "ignored": ignored.tolist(),
        "reach": reactions.reach,
        "context": reactions.context,
    }
    if not len(blind):
        reach = f"the oldest of the {reactions.context} rows that any step uses is lag {reactions.reach}"
        return Finding(
            NEWEST, "ok", f"Every one of {reactions.steps} steps reacts to it; {reach}.", figures=figures
        )
    told = _ignorance(ignored, reactions.context)
    if not subject.learned:
        return Finding(
            NEWEST, "note", f"By its definition {subject.name} passes it over: {told}.", "", figures
        )
    share = f"{len(blind)} of {reactions.steps} forecast steps do not react to the newest observation"
    return Finding(NEWEST, "serious", f"{share}: {told}.", _newest_remedy(ignored, reactions), figures)


def numbers_finding(subject: Subject) -> Finding | None:
    """Tell of forecasts that are no finite numbers, where the target was observed; None if there are none."""
    windows = subject.windows.thin(BATCH)
    inputs = windows.inputs(np.arange(len(windows)))
    observed = ~np.isnan(inputs["target"]).all(axis=1)
    finite = np.isfinite(subject.raw(inputs)).all(axis=(1, 3))
    lost = int(np.any(observed & ~finite, axis=1).sum())
    if not lost:
        return None
    told = f"In {lost} of {counted(len(windows), 'window')} the forecast is not all finite numbers"
    remedy = "Train again with a lower learning rate or clipped gradients; the checks below mean little until then."
    return Finding(NUMBERS, "serious", f"{told}.", remedy, {"windows": len(windows), "lost": lost})


def _ignorance(ignored: NDArray[np.int64], context: int) -> str:
    """Say what each blind step ignores: the first two and the last one, of many."""
    blind = np.flatnonzero(ignored).tolist()

    def what(step: int) -> str:
        return f"all {context}" if ignored[step] == context else f"the newest {ignored[step]}"

    if len(blind) > 1 and len(set(ignored[blind])) == 1:
        unbroken = blind[-1] - blind[0] + 1 == len(blind)
        which = f"steps {blind[0] + 1} to {blind[-1] + 1}" if unbroken else "they"
        return f"{which} ignore {what(blind[0])}"
    named = [f"step {step + 1} {'' if i else 'ignores '}{what(step)}" for i, step in enumerate(blind)]
    return ", ".join([*named[:2], "…", named[-1]] if len(named) > 4 else named)


def _newest_remedy(ignored: NDArray[np.int64], reactions: Reactions) -> str:
    steps = reactions.steps
    if (ignored == reactions.context).all():
        return "No observation moves the forecast: scale the inputs (saturated cells), and train longer."
    if steps > 1 and (np.diff(ignored) == -1).all():
        return (
            "Each step is decoded from a state of its own, of which only the last has read everything: decode "
            "the whole horizon from the last state (return_sequences=False before the head)."
        )
    return (
        "Let every step of the head read the last state of the network, not an earlier one or a slice of it."
    )


def covariate_finding(reactions: Reactions) -> Finding | None:
    """Name the covariates that no step reacts to; None if there are no covariates."""
    if not reactions.covariates:
        return None
    strength = {name: float(steps.max(initial=0.0)) for name, steps in reactions.covariates.items()}
    unused = [name for name, most in strength.items() if most == 0]
    idle = [name for name in unused if name in reactions.idle]
    late = [name for name, steps in reactions.ahead.items() if not steps.any() and name not in unused]
    figures = {"reaction": strength, "unused": unused, "unused_ahead": late, "constant": list(reactions.idle)}
    deaf = [name for name in unused if name not in idle]
    if deaf:
        told = f"No forecast step reacts to {columns_named(deaf)}"
        remedy = "Leave it out (less to supply when predicting), or train longer."
        return Finding(COVARIATES, "warning", f"{told}.", remedy, figures)
    if late:
        told = f"No step reacts to the values ahead of {columns_named(late)}, only to those of the past"
        remedy = "Name it past-only, and nothing of it need be supplied ahead."
        return Finding(COVARIATES, "warning", f"{told}.", remedy, figures)
    if idle:
        told = f"Nothing reacts to {columns_named(idle)}, which holds one value only in these rows"
        return Finding(COVARIATES, "note", f"{told}.", "Leave it out.", figures)
    return Finding(COVARIATES, "ok", f"{_strongest(strength)}.", figures=figures)


def _strongest(strength: dict[str, float]) -> str:
    """Say which covariates count most and least."""
    least = min(strength, key=lambda name: strength[name])
    most = max(strength, key=lambda name: strength[name])
    told = f"the strongest is {most!r} ({strength[most]:.2g} typical errors a standard deviation)"
    weakest = f", the weakest {least!r} ({strength[least]:.2g})" if least != most else ""
    return f"Forecasts react to {counted(len(strength), 'covariate')}: {told}{weakest}"


def future_finding(
    subject: Subject, seed: int, ahead: Callable[[Panel], NDArray[np.float64]] | None = None
) -> Finding:
    """Scramble targets and past-only columns behind the origin; forecasts must stay equal bit for bit.

    Args:
        subject: What is audited.
        seed: Of the noise.
        ahead: Forecasts the rows behind the last observed target of every series, as prediction does;
            None leaves that way out.
    """
    windows = subject.windows.thin(SCRAMBLED)
    changed, worst = 0, 0.0
    for i in range(len(windows)):
        one = windows.subset(np.array([i]))
        plain = subject.forecasts(one)
        for values in scrambled(one.panel, one.series[0], int(one.origins[0]), seed):
            moved = _difference(subject.forecasts(on_panel(one, values)), plain)
            changed, worst = changed + (moved > 0), max(worst, moved)
    tried = 2 * len(windows)
    if ahead is not None and subject.panel.columns.past_only:
        moved = _past_only_behind(subject, windows, seed, ahead)
        changed, worst, tried = changed + (moved > 0), max(worst, moved), tried + 1
    figures = {"scrambles": tried, "changed": int(changed), "largest_change": worst}
    if not changed:
        told = f"{sentence(counted(tried, 'scramble'))} of the rows behind an origin left every forecast bit-equal."
        return Finding(FUTURE, "ok", told, figures=figures)
    return Finding(
        FUTURE,
        "serious",
        f"Forecasts change with rows that lie behind their origin: in {changed} of {tried} scrambles, by up to "
        f"{worst:.4g}.",
        "Find what reads past the origin (shifted windows, a scaler or a filter over all rows) and cut it off.",
        figures,
    )


def scrambled(panel: Panel, series: int, origin: int, seed: int) -> list[np.ndarray]:
    """Return the values with one series' targets and past-only columns changed from ``origin`` on, in two ways.

    A hundredfold (and one more, so that zeros change too), and noise; what is known ahead stays.
    """
    columns = panel.columns
    unknown = [*range(len(columns.target))]
    unknown += range(len(columns.target) + len(columns.known_future), panel.values.shape[1])
    rows = slice(origin, int(panel.offsets[series + 1]))
    found = []
    for way in ("hundredfold", "noise"):
        values = panel.values.copy()
        old = values[rows, unknown]
        noise = np.random.default_rng(seed).normal(scale=1e3, size=old.shape)
        values[rows, unknown] = 100 * old + 1 if way == "hundredfold" else noise
        found.append(values)
    return found


def _past_only_behind(
    subject: Subject, windows: Windows, seed: int, ahead: Callable[[Panel], NDArray[np.float64]]
) -> float:
    """Predict after rows whose past-only columns go on behind the last target, and with those scrambled."""
    one = windows.subset(np.array([len(windows) - 1]))
    panel, series, origin = one.panel, int(one.series[0]), int(one.origins[0])
    blank = panel.values.copy()
    blank[origin : panel.offsets[series + 1], : len(panel.columns.target)] = np.nan
    noisy = scrambled(panel, series, origin, seed)[1]
    noisy[:, : len(panel.columns.target)] = blank[:, : len(panel.columns.target)]
    plain, moved = (
        ahead(on_panel(one, values).panel.select(np.array([series]))) for values in (blank, noisy)
    )
    return _difference(moved, plain)


def _difference(found: np.ndarray, plain: np.ndarray) -> float:
    """Largest difference; 0 only for equal bits, infinite where just one is missing."""
    if np.array_equal(found, plain, equal_nan=True):
        return 0.0
    if (np.isnan(found) != np.isnan(plain)).any():
        return float("inf")
    return float(np.nanmax(np.abs(found - plain)))
