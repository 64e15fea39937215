"""The part of a report that asks whether intervals hold as often as they claim."""

from __future__ import annotations

import numpy as np
import pandas as pd

from forecast.data.windows import Windows
from forecast.evaluation.comparison import NETWORK, Trial
from forecast.evaluation.intervals import CoverageTable, coverage_table, reliability
from forecast.evaluation.outcomes import central_pairs
from forecast.report.diagrams import plot_reliability
from forecast.report.html import Block, Facts, Grid, Picture, Section, Text, grid, picture
from forecast.reporting.material import Material
from forecast.reporting.rivals import SEEN, ordered, some_of
from forecast.reporting.wording import level, many, number, share

MOST_STEPS = 48


def calibration_section(material: Material) -> Section:
    """Tell what the intervals stand on, and what they reached."""
    if not material.fitted.network.spec.quantiles:
        return _section(Text("The model forecasts points, so there is no interval to judge."))
    blocks: list[Block] = [Facts((*_basis(material), *_reached(material)))]
    judgement = material.judgement
    if judgement is None or judgement.trial is None:
        told = "Realised shares by level and step are shown when the report is given a table with newer rows."
        return _section(*blocks, Text(told, quiet=True))
    trial = judgement.trial
    if not material.unseen:
        blocks.append(Text(SEEN))
    blocks.append(_reliability(trial, ordered(judgement.table, judgement.method)))
    blocks += _coverage(trial, judgement.method, judgement.rows)
    return _section(*blocks)


def _section(*blocks: Block) -> Section:
    return Section("calibration", "Calibration", blocks)


def _basis(material: Material) -> list[tuple[str, str]]:
    """Tell how many windows the calibration stands on, and which levels they cannot reach."""
    shift = material.fitted.network.shift
    if material.method != NETWORK:
        shift = material.fitted.shifts.get(material.method)
    if shift is None:
        return [("calibrated on", "nothing: quantiles are as the method made them")]
    low, high = int(shift.counts.min()), int(shift.counts.max())
    windows = many(low, "window") if low == high else f"{low:,} to {many(high, 'window')}"
    facts = [("calibrated on", f"{windows} for each step, not trained on")]
    if shift.unreachable:
        lost = ", ".join(level(q) for q in shift.unreachable)
        facts.append(
            ("out of reach", f"quantiles {lost}: too few windows, so they are left empty at some steps")
        )
    return facts


def _reached(material: Material) -> list[tuple[str, str]]:
    table = material.model.comparison_
    if table is None or not table.attrs.get("level") or material.method not in set(table["method"]):
        return []
    covered = float(table.set_index("method").loc[material.method, "coverage"])
    asked, windows = level(table.attrs["level"]), many(table.attrs["windows"], "window")
    return [("on held-out rows", f"the {asked} interval held {share(covered)} of the values ({windows})")]


def _reliability(trial: Trial, methods: list[str]) -> Picture:
    actual = trial.windows.actual(np.arange(len(trial.windows)))
    alone = _apart(trial.windows)
    rows = []
    for name in methods:
        found = reliability(actual, trial.forecasts[name], trial.levels, effective=alone)
        for q, observed, band in zip(found.quantile, found.observed, found.band, strict=True):
            rows.append((name, float(q), float(observed), found.counted, float(band)))
    table = pd.DataFrame(rows, columns=["method", "level", "observed", "count", "band"])
    caption = (
        f"How often values lay at or below the quantiles{some_of(methods)}. On the diagonal a quantile holds as often "
        "as it claims; above it, it is too high. The grey band is what chance alone explains for "
        f"{many(alone, 'window')} that do not overlap."
    )
    return picture(plot_reliability(table, title=""), "Observed shares against quantile levels", caption)


def _apart(windows: Windows) -> int:
    """Count windows that share no row: what may pass for independent cases."""
    found = 0
    for series in np.unique(windows.series):
        free = -1
        for origin in np.sort(windows.origins[windows.series == series]):
            if origin >= free:
                found, free = found + 1, origin + windows.horizon
    return found


def _coverage(trial: Trial, method: str, rows: str) -> list[Block]:
    actual = trial.windows.actual(np.arange(len(trial.windows)))
    values = trial.forecasts[method]
    found: list[tuple[float, CoverageTable]] = []
    for low, high in central_pairs(trial.levels):
        ends = (values[..., trial.levels.index(q)] for q in (low, high))
        found.append((high - low, coverage_table(actual, *ends)))
    if not found:
        return []
    overall = [
        (level(asked), share(table.overall), number(float(np.nanmean(table.width)))) for asked, table in found
    ]
    caption = f"Intervals of {method} on {rows}"
    first = grid(("interval", "held", "mean width"), overall, caption=caption)
    return [first, _by_step(found)]


def _by_step(found: list[tuple[float, CoverageTable]]) -> Grid:
    head = ["step", *(f"{level(asked)} held" for asked, _ in found), "values"]
    steps = found[0][1].step[:MOST_STEPS]
    rows = [
        [str(step), *(share(table.coverage[k]) for _, table in found), f"{found[0][1].counted[k]:,}"]
        for k, step in enumerate(steps)
    ]
    part = f", the first {MOST_STEPS}" if len(found[0][1].step) > MOST_STEPS else ""
    return grid(head, rows, words=0, caption=f"By step ahead{part}", folded=True)
