"""Find how many rows a season has."""

from __future__ import annotations

import numpy as np

from forecast.data.panel import Panel

# Lags tried when the step itself suggests none (integer time): days, weeks, years in usual units.
_ANONYMOUS = (24, 12, 7, 4, 52, 96, 168)
_LOOKED_AT = 20_000
_SERIES = 50
# A season must correlate at least so much, and by so much more than a shorter one.
_LEAST, _BETTER = 0.2, 0.1
# A longer season repeats nearly as well as the short one it consists of: a week of days, a year of weeks.
_NEARLY = 0.75


def find_season(panel: Panel) -> int:
    """Return the season length that the data support, 1 if none.

    Candidates come from the step (hours: 24, 168; days: 7; months: 12 …). A candidate counts if the
    changes from row to row, or over a third of the season, correlate with themselves one season earlier
    and do not throughout the season (which slow wandering would do), in the median over series; the
    strongest wins, the shorter one if two are close.

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
    histories = _histories(panel)
    chosen, best = 1, 0.0
    for season in sorted(candidates):
        # Values near the largest float overflow when squared: they then correlate with nothing.
        with np.errstate(over="ignore", invalid="ignore"):
            strength = _strength(histories, season)
        if strength > max(_LEAST, best + _BETTER):
            chosen, best = season, strength
    return chosen


def find_period(panel: Panel, season: int) -> int:
    """Return the longest season made of whole shorter ones: 168 rows where a week of days repeats like a day.

    Args:
        panel: Series to look at.
        season: The season found or given.

    Returns:
        A multiple of ``season`` that the step suggests, that fits three times into nine of ten series, and at
        which changes correlate nearly as well as at ``season``; ``season`` itself if there is none.

    Example:
        >>> from forecast.data.gridding import to_panel
        >>> from forecast.data.table import read_table
        >>> hours = np.arange(1000)
        >>> wave = np.sin(2 * np.pi * hours / 24) + 3 * np.sin(2 * np.pi * hours / 168)
        >>> find_period(to_panel(read_table({"y": wave}, target=("y",))), season=24)
        168
    """
    rows = panel.ends - panel.offsets[:-1]
    room = int(np.quantile(rows[rows > 0], 0.1)) // 3 if (rows > 0).any() else 0
    candidates = panel.step.seasons or (_ANONYMOUS if panel.step.kind == "integer" else ())
    longer = [c for c in candidates if season > 1 and c > season and c % season == 0 and c <= room]
    if not longer:
        return season
    histories = _histories(panel)
    with np.errstate(over="ignore", invalid="ignore"):
        least = _NEARLY * max(_strength(histories, season), _LEAST)
        return next((c for c in sorted(longer, reverse=True) if _strength(histories, c) >= least), season)


def _histories(panel: Panel) -> list[np.ndarray]:
    """Return the last rows of some series, evenly chosen among those with an observed target."""
    known = np.flatnonzero(panel.ends > panel.offsets[:-1])
    chosen = known[np.unique(np.linspace(0, len(known) - 1, _SERIES).astype(int))] if len(known) else known
    begins = np.maximum(panel.offsets[chosen], panel.ends[chosen] - _LOOKED_AT)
    return [panel.targets[begin:end] for begin, end in zip(begins, panel.ends[chosen], strict=True)]


def _strength(histories: list[np.ndarray], season: int) -> float:
    # Noise drowns the small changes of a long smooth season, wandering those over a third of a season.
    reaches = {1, max(1, season // 3)}
    found = [
        max(_repetition(column[reach:] - column[:-reach], season, reach) for reach in reaches)
        for history in histories
        if len(history) >= 2 * season + 3
        for column in history.T
    ]
    return float(np.median(found)) if found else 0.0


def _repetition(changes: np.ndarray, season: int, reach: int) -> float:
    """Return how well changes repeat after a season; 0 if that may be chance or mere slowness."""
    strength, pairs = _correlation(changes, season)
    # Changes over ``reach`` rows overlap, so fewer of them are independent.
    chance = np.sqrt(max(1.5, 2 * reach / 3) / max(pairs, 1))
    if strength < 3 * chance:
        return 0.0
    between = {season // 4, season // 3, season // 2, 2 * season // 3, 3 * season // 4}
    return strength if min(_correlation(changes, lag)[0] for lag in between) < strength / 2 else 0.0


def _correlation(values: np.ndarray, lag: int) -> tuple[float, int]:
    """Return how values correlate with those ``lag`` rows earlier, and over how many observed pairs."""
    now, then = values[lag:], values[:-lag]
    known = ~np.isnan(now) & ~np.isnan(then)
    pairs = int(known.sum())
    if pairs < 3:
        return 0.0, pairs
    now, then = now[known] - now[known].mean(), then[known] - then[known].mean()
    size = np.sqrt((now**2).sum() * (then**2).sum())
    return (float((now * then).sum() / size) if 0 < size < np.inf else 0.0), pairs
