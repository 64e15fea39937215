"""Do forecasts depend on what they must not: padded rows, and the other windows of a batch?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.auditing.findings import Finding
from forecast.auditing.subjects import Inputs, Subject, full_windows
from forecast.auditing.wording import counted

Floats = NDArray[np.float64]

PADDING, BATCHES = "padding", "batches"
# Largest difference that rounding makes, relative to the forecast.
TOLERANCE = 1e-5
COMPARED, ALONE = 16, 3
JUNK = 1e3
# Inputs that have rows.
OF_ROWS = {"target", "past_only", "known_future", "calendar", "lagged"}


def batch_finding(subject: Subject, seed: int) -> Finding:
    """Forecast windows in a full batch, alone, and beside windows of noise: they must stay the same.

    Args:
        subject: What is audited.
        seed: Of the noise.
    """
    windows = subject.windows.thin(COMPARED)
    inputs = windows.inputs(np.arange(len(windows)))
    plain = subject.raw(inputs)
    scale = windows.scales[windows.series][:, None, :, None]
    beside = subject.raw(_joined(inputs, _noisy(inputs, seed), subject.batch))[: len(windows)]
    worst = {"beside others": relative(beside, plain, scale)}
    assert subject.single is not None
    alone = subject.single({name: values[:ALONE] for name, values in inputs.items()})
    worst["alone"] = relative(alone, plain[:ALONE], scale[:ALONE])
    figures = {"relative_difference": worst, "windows": len(windows)}
    largest = max(worst.values())
    if largest <= TOLERANCE:
        told = f"The same windows alone, in a full batch or beside noise agree to {largest:.1g} relative."
        return Finding(BATCHES, "ok", told, figures=figures)
    way = max(worst, key=lambda name: worst[name])
    return Finding(
        BATCHES,
        "serious",
        f"Forecasts depend on the batch: {way}, they differ by {largest:.2g} relative.",
        "Remove what mixes windows (batch statistics at prediction, a mean over the batch, kept state).",
        figures,
    )


def padding_finding(subject: Subject, seed: int) -> Finding:
    """Shorten windows to half their context and put junk into the padded rows: nothing may change.

    Args:
        subject: One whose inputs carry ``length``.
        seed: Of the junk.
    """
    windows = full_windows(subject.windows).thin(COMPARED)
    inputs = windows.inputs(np.arange(len(windows)))
    length = max(windows.context // 2, 1)
    clean, dirty = (_shortened(inputs, length, windows.context, junk, seed) for junk in (0.0, JUNK))
    scale = windows.scales[windows.series][:, None, :, None]
    worst = relative(subject.raw(dirty), subject.raw(clean), scale)
    return padding_result(worst, length, windows.context, "Junk in padded rows")


def padding_result(worst: float, length: int, context: int, what: str) -> Finding:
    """Word the largest relative difference that padding made."""
    figures = {"relative_difference": worst, "rows": length, "context": context}
    tried = f"{counted(length, 'row')} padded to {context}"
    if worst <= TOLERANCE:
        return Finding(
            PADDING, "ok", f"{what} changes nothing ({tried}; {worst:.1g} relative).", figures=figures
        )
    return Finding(
        PADDING,
        "serious",
        f"{what} changes forecasts by {worst:.2g} relative ({tried}).",
        "Pass a mask to every layer (and multiply by it after each convolution), or forecast short series unpadded.",
        figures,
    )


def relative(found: Floats, plain: Floats, scale: Floats) -> float:
    """Largest difference in relation to the forecast or the typical error, whichever is larger.

    Example:
        >>> relative(np.array([1.0, 10.1]), np.array([1.0, 10.0]), np.array([1.0, 1.0])).__round__(3)
        0.01
    """
    if (np.isnan(found) != np.isnan(plain)).any():
        return float("inf")
    size = np.maximum(np.abs(plain), scale)
    return float(np.nan_to_num(np.abs(found - plain) / size).max(initial=0.0))


def _shortened(inputs: Inputs, length: int, context: int, junk: float, seed: int) -> Inputs:
    """Keep the last ``length`` rows, laid at the left, and fill what is left of the context."""
    changed = dict(inputs)
    for name in OF_ROWS & set(inputs):
        values = inputs[name].copy()
        values[:, :length] = inputs[name][:, context - length : context]
        filling = np.random.default_rng(seed).normal(size=values[:, length:context].shape)
        size = 1 + abs(float(np.nanmean(values))) if np.isfinite(values).any() else 1.0
        # As windows are padded: what is observed is missing there, and the calendar is zero.
        clean = 0.0 if name == "calendar" else np.nan
        values[:, length:context] = junk * filling * size if junk else clean
        changed[name] = values
    changed["length"] = np.full_like(inputs["length"], length)
    return changed


def _noisy(inputs: Inputs, seed: int) -> Inputs:
    """Turn windows into others of the same shape: reversed in time and far off in level."""
    rng = np.random.default_rng(seed)
    noisy = {}
    for name, values in inputs.items():
        if values.dtype.kind != "f":
            noisy[name] = values
            continue
        spread = np.nanstd(values) if np.isfinite(values).any() else 1.0
        noisy[name] = (values[:, ::-1] + 10 * spread * rng.normal(size=values.shape)).astype(values.dtype)
    return noisy


def _joined(inputs: Inputs, others: Inputs, batch: int) -> Inputs:
    """Put windows in front and fill the batch with others."""
    count = len(next(iter(inputs.values())))
    fill = np.arange(max(batch - count, 1)) % count
    return {name: np.concatenate([values, others[name][fill]]) for name, values in inputs.items()}
