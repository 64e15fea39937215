"""Find how many rows a season has."""

from __future__ import annotations

import numpy as np

from forecast.data.panel import Panel

# Lags tried when the step itself suggests none (integer time): days, weeks, years in usual units.
_ANONYMOUS = (24, 12, 7, 4, 52, 96, 168)
_LOOKED_AT = 20_000
_SERIES = 50


def find_season(panel: Panel) -> int:
    """Return the season length that the data support, 1 if none.

    Candidates come from the step (hours: 24, 168; days: 7; months: 12 …). A candidate counts if the
    step-to-step changes correlate with themselves one season earlier, in the median over series;
    the strongest wins, the shorter one if two are close.

    Args:
        panel: Series to look at; at most 50 of them, and their last 20,000 rows.

    Example:
        >>> from forecast.data.gridding import to_panel
        >>> from forecast.data.table import read_table
        >>> wave = np.sin(2 * np.pi * np.arange(200) / 24)
        >>> find_season(to_panel(read_table({"y": wave}, target=("y",))))
        24
    """
    candidates = panel.step.seasons or (_ANONYMOUS if panel.step.kind == "integer" else ())
    chosen, best = 1, 0.0
    for season in sorted(candidates):
        strength = _strength(panel, season)
        if strength > max(0.15, best + 0.1):
            chosen, best = season, strength
    return chosen


def _strength(panel: Panel, season: int) -> float:
    found = []
    for i in np.unique(np.linspace(0, len(panel) - 1, _SERIES).astype(int)):
        begin = max(panel.offsets[i], panel.ends[i] - _LOOKED_AT)
        history = panel.targets[begin : panel.ends[i]]
        if len(history) < 2 * season + 3:
            continue
        changes = np.diff(history, axis=0)
        found += [_correlation(column[season:], column[:-season]) for column in changes.T]
    return float(np.median(found)) if found else 0.0


def _correlation(now: np.ndarray, then: np.ndarray) -> float:
    known = ~np.isnan(now) & ~np.isnan(then)
    if known.sum() < 3:
        return 0.0
    now, then = now[known] - now[known].mean(), then[known] - then[known].mean()
    size = np.sqrt((now**2).sum() * (then**2).sum())
    # A correlation of white noise has a spread of 1 / sqrt(n): below twice that it counts for nothing.
    value = float((now * then).sum() / size) if size > 0 else 0.0
    return value if value > 2 / np.sqrt(known.sum()) else 0.0
