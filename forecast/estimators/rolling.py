"""Forecasts from the end of every series, as far ahead as asked, by feeding forecasts back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecast.data.panel import Panel
from forecast.data.windows import last_windows
from forecast.errors import InputError
from forecast.estimators.network import Network
from forecast.models.forms import forms_of
from forecast.training.predict import in_batches


def forecast_ahead(network: Network, panel: Panel, horizon: int, scales: np.ndarray) -> np.ndarray:
    """Forecast the ``horizon`` rows after each series' last observed target.

    Beyond the trained horizon the median is fed back as if it had been observed, past-only columns
    are unknown, and each further stretch adds the width of the one before it to its own, as
    independent errors add (square root of the sum of squares). Those widths are not calibrated. Networks that
    forecast step by step go on as far as is asked; the calibration of the last trained step goes on with them.

    Args:
        network: Trained network.
        panel: History, and known-future columns over the horizon.
        horizon: Rows ahead.
        scales: Typical error per series and target.

    Returns:
        float64, shape ``(series, horizon, targets, levels)``.

    Raises:
        InputError: A series is shorter than the context and the network was not trained to take that.
    """
    _check_history(network, panel)
    if horizon > network.spec.horizon:
        network = network.longer(horizon)
    extended, origins = extended_by(network, panel, horizon)
    windows = last_windows(network.windows(extended, scales=scales))
    targets, step, middle = len(panel.columns.target), network.spec.horizon, network.spec.middle
    parts: list[np.ndarray] = []
    for done in range(0, horizon, step):
        part = network.forecasts(replace(windows, origins=origins + done))
        if parts:
            part = widened(part, parts[-1][:, -1:], middle)
        parts.append(part)
        ahead = min(step, horizon - done)
        rows = (origins + done)[:, None] + np.arange(ahead)
        extended.values[rows, :targets] = part[:, :ahead, :, middle]
    return np.concatenate(parts, axis=1)[:, :horizon]


def paths_ahead(network: Network, panel: Panel, horizon: int) -> np.ndarray | None:
    """Draw the paths of a step-by-step network: ``(series, paths, horizon, targets)``; None of other networks."""
    paths = forms_of(network.model).paths
    if paths is None:
        return None
    extended, origins = extended_by(network, panel, network.spec.horizon)
    windows = replace(last_windows(network.windows(extended)), origins=origins)
    return in_batches(paths, windows.inputs(np.arange(len(windows))), len(windows))[:, :, :horizon]


def widened(part: np.ndarray, before: np.ndarray, middle: int) -> np.ndarray:
    """Add the spread reached at the end of the stretch before to that of this one."""
    centre = part[..., middle : middle + 1]
    own, earlier = part - centre, before - before[..., middle : middle + 1]
    return centre + np.sign(own) * np.hypot(own, earlier)


def extended_by(network: Network, panel: Panel, horizon: int) -> tuple[Panel, np.ndarray]:
    """Copy each series' last context rows, all of them for a stateful network, and make room for the rows ahead."""
    reach = network.spec.context + max(network.extras.lags, default=0)
    begins = panel.offsets[:-1] if network.stateful else np.maximum(panel.ends - reach, panel.offsets[:-1])
    kept = panel.ends - begins
    offsets = np.concatenate([[0], np.cumsum(kept + horizon)])
    values = np.full((offsets[-1], panel.values.shape[1]), np.nan)
    targets = len(panel.columns.target)
    for i, (begin, end) in enumerate(zip(begins, panel.ends, strict=True)):
        values[offsets[i] : offsets[i] + kept[i]] = panel.values[begin:end]
        # What is known ahead stays; a target behind the last observed one is empty by definition.
        known = panel.values[end : min(end + horizon, panel.offsets[i + 1]), targets:]
        values[offsets[i] + kept[i] : offsets[i] + kept[i] + len(known), targets:] = known
    extended = replace(
        panel,
        values=values,
        offsets=offsets,
        present=np.ones(len(values), bool),
        starts=panel.times_at(begins),
    )
    return extended, offsets[:-1] + kept


def _check_history(network: Network, panel: Panel) -> None:
    lengths = panel.ends - panel.offsets[:-1]
    least = 1 if network.spec.padded else network.spec.context
    short = np.flatnonzero(lengths < least)
    if not len(short):
        return
    named = ", ".join(f"{panel.ids[i]!r} ({lengths[i]})" for i in short[:5]) + (
        " …" if len(short) > 5 else ""
    )
    who = f"{len(short)} series have" if panel.columns.id is not None else "The table has"
    listed = f": {named}" if panel.columns.id is not None else f" ({lengths[0]})"
    raise InputError(f"{who} fewer observed rows than the context of {least}{listed}. Give more history.")
