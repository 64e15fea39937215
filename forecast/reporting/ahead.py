"""The part of a report that forecasts: pictures and figures of the first series."""

from __future__ import annotations

import numpy as np
import pandas as pd

from forecast.data.panel import Panel
from forecast.errors import InputError
from forecast.estimators.prediction import predict_panel
from forecast.report.html import Block, Grid, Section, Text, grid, picture
from forecast.report.plots import plot_forecast
from forecast.reporting.material import Material
from forecast.reporting.wording import level, many, moment, number

MOST_PICTURES, MOST_ROWS = 4, 48


def forecast_section(material: Material) -> Section:
    """Forecast from the last observed rows at hand, and draw the first series."""
    try:
        panel = _ready(material)
        table = predict_panel(
            material.fitted, panel, None, levels=material.fitted.levels, method=material.method
        )
    except InputError as error:
        told = f"No forecast can be made from these rows alone: {error}"
        return Section("forecast", "Forecast", (Text(told),))
    columns = panel.columns
    keys = [(i, target) for i in range(len(panel)) for target in columns.target]
    blocks: list[Block] = [Text(_told(material, panel))]
    for i, target in keys[:MOST_PICTURES]:
        blocks.append(_drawn(material, panel, table, i, target))
    if len(keys) > MOST_PICTURES:
        blocks.append(Text(f"Drawn are the first {MOST_PICTURES} of {len(keys):,}.", quiet=True))
    blocks.append(_figures(table))
    return Section("forecast", "Forecast", tuple(blocks))


def _ready(material: Material) -> Panel:
    """Return the rows to forecast from: those given (completed by stored ones), else the stored ones."""
    fitted = material.fitted
    return fitted.history if material.table is None else fitted.panel(material.table)


def _told(material: Material, panel: Panel) -> str:
    levels = material.fitted.levels
    ends = panel.times_at(panel.ends)
    told = (
        f"The next {many(material.fitted.setting.horizon, 'row')} of each series by {_who(material.method)}"
    )
    if panel.columns.time is not None:
        told += f", from {moment(ends.min())} on"
    if levels and levels[0] < 0.5 < levels[-1]:
        told += f"; the widest interval runs from the {level(levels[0])} to the {level(levels[-1])} quantile"
    return f"{told}."


def _who(method: str) -> str:
    return {"network": "the network", "auto": "the weighted mean of network and baselines"}.get(
        method, method
    )


def _drawn(material: Material, panel: Panel, table: pd.DataFrame, i: int, target: str) -> Block:
    columns = panel.columns
    one = panel.select(np.array([i]))
    past = one.cut(one.ends)
    history, time = past.to_table(), columns.time
    if time is None:
        # The forecast counts its steps from the first row of the history.
        time = "step"
        history = history.assign(step=np.flatnonzero(past.present))
    if columns.id is not None:
        table = table.loc[table[columns.id] == panel.ids[i]]
    if len(columns.target) > 1:
        table = table.loc[table["target"] == target]
    figure = plot_forecast(
        history,
        table,
        time=time,
        target=target,
        id=columns.id,
        season=material.fitted.setting.season,
        title="",
    )
    who = f"{target}, {panel.ids[i]}" if columns.id is not None else target
    return picture(figure, f"History, forecast and intervals of {who}", who)


def _figures(table: pd.DataFrame) -> Grid:
    behind = list(table.columns)[list(table.columns).index("forecast") :]
    # What a forecast stands on ("source") is told in words too.
    numbers = [name for name in behind if pd.api.types.is_numeric_dtype(table[name])]
    words = [str(name) for name in table.columns if name not in numbers]
    rows = [
        [*(moment(row[name]) for name in words), *(number(row[name]) for name in numbers)]
        for row in table.head(MOST_ROWS).to_dict("records")
    ]
    part = (
        f"the first {MOST_ROWS} of {len(table):,} rows" if len(table) > MOST_ROWS else many(len(table), "row")
    )
    return grid([*words, *numbers], rows, words=len(words), caption=f"In figures: {part}", folded=True)
