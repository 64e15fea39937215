"""The part of a report that sets the methods beside each other."""

from __future__ import annotations

import numpy as np
import pandas as pd

from forecast.evaluation import metrics
from forecast.evaluation.comparison import Trial, verdict
from forecast.report.diagrams import plot_scores_by_step
from forecast.report.html import Block, Grid, Picture, Section, Text, grid, picture
from forecast.report.methods import COLOURS
from forecast.reporting.material import Material
from forecast.reporting.wording import level, many, number, share

SEEN = "Training has seen these rows: the figures flatter the network."


def methods_section(material: Material) -> Section:
    """Show the comparison of the fit and, if the table has newer rows, the one on those."""
    table, blocks = material.model.comparison_, []
    if table is None:
        blocks.append(Text("No rows were held out when the model was fitted, so nothing was compared then."))
    else:
        blocks += [Text(verdict(table)), comparison_grid(table, material.method, "Held-out rows")]
    blocks += _on_given(material)
    blocks.append(
        Text(
            "MASE is the mean absolute error in units of the naive error within the history; sMAPE runs from 0 to 200; "
            "coverage is the share of values inside the interval; skill is against the best baseline. Lower errors "
            "are better.",
            quiet=True,
        )
    )
    return Section("methods", "Against simple methods", tuple(blocks))


def _on_given(material: Material) -> list[Block]:
    if material.given is None:
        return []
    judgement = material.judgement
    if judgement is None:
        return [Text("The table has no rows newer than training to compare the methods on.", quiet=True)]
    name = f"On {judgement.rows}"
    blocks: list[Block] = [
        Text(f"{name}: {verdict(judgement.table)}"),
        comparison_grid(judgement.table, judgement.method, name),
    ]
    if not material.unseen:
        blocks.append(Text(SEEN))
    assert judgement.trial is not None
    return [*blocks, errors_by_step(judgement.trial, ordered(judgement.table, judgement.method))]


def comparison_grid(table: pd.DataFrame, marked: str, rows: str) -> Grid:
    """Lay a comparison out, the method that forecasts marked, with what it was measured on.

    Args:
        table: From ``evaluation.comparison.compare``.
        marked: Name of the method to mark.
        rows: What it was measured on.
    """
    attrs = table.attrs
    covered = f"{level(attrs['level'])} coverage" if attrs.get("level") else "coverage"
    cells = [
        (
            row["method"],
            *(number(row[name]) for name in ("MAE", "RMSE", "MASE")),
            number(row["sMAPE"]),
            share(row["coverage"]),
            share(row["skill"], signed=True),
        )
        for row in table.to_dict("records")
    ]
    names = table["method"].tolist()
    return grid(
        ("method", "MAE", "RMSE", "MASE", "sMAPE", covered, "skill"),
        cells,
        marked=names.index(marked) if marked in names else None,
        caption=f"{rows}: {_measured_on(attrs)}",
    )


def _measured_on(attrs: dict) -> str:
    season = f"season {attrs['season']}" if attrs["season"] > 1 else "no season"
    left_out = f", {many(attrs['missing'], 'missing value')} left out" if attrs["missing"] else ""
    left_out += (
        f", {many(attrs['constant'], 'value')} of constant series not in MASE" if attrs["constant"] else ""
    )
    windows, series = many(attrs["windows"], "window"), many(attrs["series"], "series", "series")
    return f"{many(attrs['points'], 'value')} in {windows} of {series}{left_out}; {season}"


def ordered(table: pd.DataFrame, first: str) -> list[str]:
    """Return the methods, best first, but for the one that is judged, which leads."""
    names = [str(name) for name in table["method"]]
    return sorted(names, key=lambda name: name != first)


def errors_by_step(trial: Trial, methods: list[str]) -> Picture:
    """Draw the mean absolute error of each method by step ahead."""
    actual = trial.windows.actual(np.arange(len(trial.windows)))
    middle = min(range(len(trial.levels)), key=lambda k: abs(trial.levels[k] - 0.5))
    rows = []
    for name in methods:
        point = trial.forecasts[name][..., middle]
        errors = metrics.mae(actual, point, axis=(0, 2))
        rows += [(name, k + 1, error) for k, error in enumerate(errors)]
    table = pd.DataFrame(rows, columns=["method", "step", "MAE"])
    figure = plot_scores_by_step(table, score="MAE", title="")
    caption = f"Mean absolute error by step ahead{some_of(methods)}; lower is better."
    return picture(figure, "Mean absolute error of the methods by step ahead", caption)


def some_of(methods: list[str]) -> str:
    """Say that a picture leaves methods out, if it does.

    Example:
        >>> some_of(["a", "b"]), some_of(["a", "b", "c", "d", "e", "f"])
        ('', ' of the first 5 of 6 methods')
    """
    return f" of the first {len(COLOURS)} of {len(methods)} methods" if len(methods) > len(COLOURS) else ""
