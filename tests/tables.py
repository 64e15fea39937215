"""Small tables for tests; column names are never the defaults."""

from __future__ import annotations

import numpy as np
import pandas as pd

from forecast.data.gridding import to_panel
from forecast.data.panel import Panel
from forecast.data.table import read_table


def wavy(rows: int, *, seed: int = 0, level: float = 10.0) -> np.ndarray:
    """A season of 7, a trend, and noise."""
    t = np.arange(rows)
    noise = np.random.default_rng(seed).normal(size=rows)
    return level + 0.05 * t + 2 * np.sin(2 * np.pi * t / 7) + 0.3 * noise


def shops(rows: int = 60, series: int = 3, *, covariates: bool = False, ahead: int = 0) -> pd.DataFrame:
    """Daily sales of a few shops in long format; ``ahead`` rows with blank sales behind the history."""
    parts = []
    for i in range(series):
        n = rows - 5 * i
        day = pd.date_range("2024-01-01", periods=n + ahead, freq="D")
        sold = np.append(wavy(n, seed=i, level=10.0 * (i + 1)), np.full(ahead, np.nan))
        part = pd.DataFrame({"shop": f"s{i}", "day": day, "sold": sold})
        if covariates:
            rng = np.random.default_rng(100 + i)
            part["promo"] = rng.integers(0, 2, n + ahead).astype(float)
            part["visits"] = np.append(rng.normal(size=n), np.full(ahead, np.nan))
            part["town"] = ["Ulm", "Bonn", "Kiel"][i % 3]
            part["area"] = 10.0 * (i + 1)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


SMALL_NETWORK = {"horizon": 3, "context": 8, "season": 7, "model": "rnn", "preset": "fast", "units": 4}
"""Arguments of a forecaster that takes next to no time to train; say how many epochs."""

NOISE_NETWORK = {"horizon": 4, "context": 24, "season": 1, "model": "rnn", "preset": "fast", "units": 16}
"""Arguments of a forecaster of series that hold nothing to learn."""

ROLES = {"time": "day", "id": "shop", "target": ("sold",)}
COVARIATES = ROLES | {"known_future": ("promo",), "past_only": ("visits",), "static": ("town", "area")}
PLAIN = ROLES | {"known_future": ("none",), "past_only": ("none",), "static": ("none",)}


def panel_of(frame: pd.DataFrame, **roles: object) -> Panel:
    """Read a frame into a panel."""
    return to_panel(read_table(frame, **(roles or PLAIN)))
