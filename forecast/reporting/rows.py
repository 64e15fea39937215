"""The parts of a report about the data: columns, series, spans, gaps."""

from __future__ import annotations

import numpy as np

from forecast.report.html import Block, Facts, Grid, Section, Text, grid
from forecast.reporting.material import Material
from forecast.reporting.wording import many, moment, number

MOST_SERIES = 20


def data_section(material: Material) -> Section:
    """Tell of columns, rows and gaps."""
    blocks: list[Block] = [Facts(_facts(material)), _columns(material), _series(material)]
    if material.given is None:
        blocks.append(
            Text(
                "Counted on the rows that are stored with the model: the last ones of each series, as many as its "
                "forecasts need. Give a table for the whole.",
                quiet=True,
            )
        )
    return Section("data", "Data", tuple(blocks))


def _facts(material: Material) -> tuple[tuple[str, str], ...]:
    fitted, panel = material.fitted, material.panel
    columns, setting = panel.columns, fitted.setting
    ends = fitted.history.times_at(fitted.history.ends - 1)
    trained_until = (
        moment(ends.min()) if ends.min() == ends.max() else f"{moment(ends.min())} to {moment(ends.max())}"
    )
    rows = [
        ("target", ", ".join(columns.target)),
        ("series", f"{len(fitted.history):,}" if columns.id is not None else "1, no id column"),
        ("trained on", many(fitted.rows, "row")),
        ("trained until", trained_until if columns.time is not None else f"row {trained_until} of the table"),
        ("step", f"{panel.step} ({panel.step.words})"),
        ("season", many(setting.season, "row") if setting.season > 1 else "none"),
    ]
    if material.given is not None:
        rows.append(
            (
                "table given",
                f"{many(material.given.rows, 'row')} of {many(len(material.given), 'series', 'series')}",
            )
        )
    return tuple(rows)


def _columns(material: Material) -> Grid:
    needed = material.panel.columns.needed(material.fitted.setting.horizon)
    return grid(("column", "role", "needed to forecast"), list(needed), words=3)


def _series(material: Material) -> Grid:
    """List the series with their spans, missing rows and missing values."""
    panel = material.panel
    past = material.observed
    gaps = np.add.reduceat(past & ~panel.present, panel.offsets[:-1])
    blank = (np.isnan(panel.targets) & (past & panel.present)[:, None]).sum(axis=1)
    blanks = np.add.reduceat(blank, panel.offsets[:-1])
    rows = []
    for i in range(min(len(panel), MOST_SERIES)):
        begin, end = int(panel.offsets[i]), int(panel.ends[i])
        values = panel.targets[begin:end]
        seen = values[~np.isnan(values)]
        span = (moment(panel.time_at(i, begin)), moment(panel.time_at(i, end - 1)))
        cells = (f"{end - begin:,}", f"{gaps[i]:,}", f"{blanks[i]:,}")
        rows.append(
            ((panel.ids[i] if panel.columns.id is not None else "all rows"), *span, *cells, *_spread(seen))
        )
    shown = f"The first {MOST_SERIES} of {len(panel):,} series. " if len(panel) > MOST_SERIES else ""
    total = f"{many(int(gaps.sum()), 'row')} missing, {many(int(blanks.sum()), 'cell')} empty in all; none is filled."
    head = ("series", "from", "to", "rows", "missing rows", "empty cells", "lowest", "mean", "highest")
    return grid(head, rows, words=3, caption=shown + total)


def _spread(values: np.ndarray) -> tuple[str, str, str]:
    if not len(values):
        return "–", "–", "–"
    return number(values.min()), number(values.mean()), number(values.max())
