"""Pictures of a fitted forecaster's tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from forecast.data.panel import Panel
from forecast.report.plots import plot_forecast


def forecast_picture(panel: Panel, forecast: pd.DataFrame, season: int, *, ax: Any = None) -> Any:
    """Draw the end of a panel's history and the forecast behind it.

    Args:
        panel: History.
        forecast: From ``Forecaster.predict``.
        season: Rows of a season, so that at least two are shown.
        ax: Axes to draw into, for one series and one target.

    Returns:
        The Matplotlib figure.
    """
    columns = panel.columns
    past = panel.cut(panel.ends)
    history = past.to_table()
    time = columns.time
    if time is None:
        # The forecast counts its steps from the first row of the history.
        time = "step"
        rows = np.arange(past.rows) - np.repeat(past.offsets[:-1], past.lengths)
        history = history.assign(step=rows[past.present])
    target = columns.target[0] if len(columns.target) == 1 else columns.target
    return plot_forecast(history, forecast, time=time, target=target, id=columns.id, season=season, ax=ax)
