"""Which transforms of the target are possible and worth trying; validation rows decide between them later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecast.data.panel import Panel, within
from forecast.errors import ParameterError

# Levels that span less, and spread that grows less with the level, are left to the scaling of each window.
_SPAN, _GROWTH = 5.0, 0.25
# A slope that is known no better says nothing about the exponent.
_UNSURE = 0.25
# Crow and Siddiqui's ratio: 2.91 for a normal distribution, 4.3 for Laplace's.
_HEAVY = 4.0
# With zeros among the values small exponents would set them far apart from the smallest others.
_LEAST_WITH_ZEROS, _LEAST = 0.25, 0.05
_BLOCK = 12


@dataclass(frozen=True)
class Candidate:
    """A transform worth trying.

    Args:
        kind: ``"none"``, ``"log"``, ``"power"`` or ``"asinh"``.
        by: A number for each target: the smallest value seen (log), the exponent (power), the size of an ordinary
            value (asinh); none for ``"none"``.
    """

    kind: str
    by: tuple[float, ...] = ()


@dataclass(frozen=True)
class Transforms:
    """What the rules found.

    Args:
        candidates: ``"none"`` first, then what is possible and worth trying.
        positive: Whether no observed value is negative, so that forecasts may be cut off at zero.
    """

    candidates: tuple[Candidate, ...]
    positive: bool


def choose_transform(panel: Panel, stop: np.ndarray | None = None) -> Transforms:
    """Say which transforms of the targets are worth a trial, from the rows before ``stop``.

    A transform is worth a trial where the levels of stretches of a season differ by more than a factor of five (95th
    against 5th percentile), or where their spread (of changes from row to row) grows with their level: the logarithm
    of one is regressed on that of the other within each series. Then log is possible if all values are above zero,
    and a power if none is negative: its exponent is 1 less the slope, between 0 and 1, to the nearest twentieth, and
    at least a quarter where there are zeros. Where values are zero or negative and their tails are heavy, asinh is
    worth a trial.
    All targets get the same kind of transform, so each must allow it.

    Args:
        panel: Series to look at.
        stop: Absolute row per series from which on nothing is looked at; default: after its last observed target.

    Returns:
        Candidates, the choice between which needs validation rows.

    Example:
        >>> from forecast.data.gridding import to_panel
        >>> from forecast.data.table import read_table
        >>> season = 2 + np.sin(np.arange(240.0))
        >>> panel = to_panel(read_table({"riders": season * np.exp(np.arange(240) / 60)}, target=("riders",)))
        >>> found = choose_transform(panel)
        >>> [one.kind for one in found.candidates], found.positive
        (['none', 'log'], True)

    Source:
        Guerrero (1993), "Time-series analysis supported by power transformations", Journal of Forecasting 12: the
        exponent at which local spread, over seasons, no longer depends on local level. Box and Cox (1964), "An analysis
        of transformations". Crow and Siddiqui (1967), "Robust estimation of location", for the weight of the tails.

    Differs:
        Guerrero minimises the coefficient of variation of spread / level ** (1 - exponent); least squares on
        logarithms, without outliers, minimise the same on a scale on which a single odd season counts for less. His
        spread is the standard deviation, in which a level that moves within the season counts as spread.
    """
    seen = _seen(panel, stop)
    positive = all(target.least >= 0 for target in seen)
    tried = [_log(seen), _power(seen)] if any(target.uneven for target in seen) else []
    found = (Candidate("none"), *(one for one in (*tried, _asinh(seen)) if one is not None))
    return Transforms(found, positive)


def wished_transform(kind: str, panel: Panel, stop: np.ndarray | None = None) -> Candidate:
    """Return a transform that was asked for, worth a trial or not, if the values allow it.

    An exponent that the values do not tell is one half.

    Raises:
        ParameterError: Values are too small for it, named by target.

    Example:
        >>> from forecast.data.gridding import to_panel
        >>> from forecast.data.table import read_table
        >>> panel = to_panel(read_table({"riders": np.arange(1.0, 50.0)}, target=("riders",)))
        >>> wished_transform("log", panel).by
        (1.0,)
    """
    seen = _seen(panel, stop)
    if kind == "none":
        return Candidate(kind)
    if kind == "asinh":
        return Candidate(kind, tuple(target.unit for target in seen))
    for name, target in zip(panel.columns.target, seen, strict=True):
        if target.least < 0 or (kind == "log" and target.least == 0):
            wanted = "above zero" if kind == "log" else "of zero or more"
            raise ParameterError(
                f"target_transform={kind!r} needs values {wanted}; {name!r} has {target.least:g}. "
                "Pass 'asinh' or 'none'."
            )
    if kind == "log":
        return Candidate(kind, tuple(target.least for target in seen))
    powers = tuple(max(target.exponent if target.exponent < 1 else 0.5, _LEAST) for target in seen)
    return Candidate(kind, powers)


def _seen(panel: Panel, stop: np.ndarray | None) -> list[_Target]:
    stop = panel.ends if stop is None else np.asarray(stop)
    inside = np.arange(panel.rows) < np.repeat(stop, panel.lengths)
    return [_look(panel, np.where(inside, column, np.nan)) for column in panel.targets.T]


@dataclass(frozen=True)
class _Target:
    """What was seen in one target; ``least`` is NaN where nothing was.

    Args:
        least: Smallest value.
        unit: Median size of the values that are not zero.
        span: Ratio of the highest levels to the lowest.
        growth: Slope of log spread on log level, NaN where it cannot be known.
        error: Standard error of the slope.
        tail: Crow and Siddiqui's ratio.
    """

    least: float
    unit: float = 1.0
    span: float = 1.0
    growth: float = np.nan
    error: float = np.inf
    tail: float = 0.0

    @property
    def uneven(self) -> bool:
        """Whether a transform that evens out levels or spread is worth a trial."""
        return self.span > _SPAN or (self.growth >= _GROWTH and self.growth > 2 * self.error)

    @property
    def exponent(self) -> float:
        """Exponent in [0, 1] that makes spread independent of level; 1 where that is not known."""
        if not self.error <= _UNSURE:
            return 1.0
        least = _LEAST_WITH_ZEROS if self.least == 0 else 0.0
        return round(min(max(round(20 * (1 - self.growth)) / 20, least), 1.0), 2)


def _log(seen: list[_Target]) -> Candidate | None:
    if not all(target.least > 0 for target in seen):
        return None
    return Candidate("log", tuple(target.least for target in seen))


def _power(seen: list[_Target]) -> Candidate | None:
    exponents = [target.exponent for target in seen]
    # With an exponent of 0 it is the logarithm, with nearly 1 nothing at all.
    useful = any(0 < exponent <= 0.9 for exponent in exponents)
    if not useful or not all(target.least >= 0 for target in seen):
        return None
    return Candidate("power", tuple(max(exponent, _LEAST) for exponent in exponents))


def _asinh(seen: list[_Target]) -> Candidate | None:
    known = not any(np.isnan(target.least) for target in seen)
    if not known or not any(target.least <= 0 and target.tail >= _HEAVY for target in seen):
        return None
    return Candidate("asinh", tuple(target.unit for target in seen))


def _look(panel: Panel, values: np.ndarray) -> _Target:
    """Describe one target; ``values`` are NaN from the stop on."""
    values = np.where(np.isfinite(values), values, np.nan)
    known = values[~np.isnan(values)]
    if not len(known):
        return _Target(np.nan)
    least, largest = float(known.min()), float(np.abs(known).max())
    if largest == 0:
        return _Target(least)
    # Nothing below depends on the unit, and numbers near 1 do not overflow when squared.
    values = values / largest
    unit = float(np.median(np.abs(known[known != 0]) / largest) * largest)
    tail = _tail(panel, values)
    if least < 0:
        return _Target(least, unit, tail=tail)
    level, spread, series = _blocks(panel, values)
    low, high = np.quantile(level, (0.05, 0.95)) if len(level) else (1.0, 1.0)
    return _Target(least, unit, float(high / low), *_growth(level, spread, series), tail=tail)


def _tail(panel: Panel, values: np.ndarray) -> float:
    """Ratio of the middle 95 % of the values to their middle half, each series by its own mean and mean deviation."""
    away = values - np.repeat(_mean(values, panel.offsets[:-1])[0], panel.lengths)
    size = np.repeat(_mean(np.abs(away), panel.offsets[:-1])[0], panel.lengths)
    away = away[size > 1e-12] / size[size > 1e-12]
    away = away[~np.isnan(away)]
    if not len(away):
        return 0.0
    lowest, low, high, highest = np.quantile(away, (0.025, 0.25, 0.75, 0.975))
    return float((highest - lowest) / (high - low)) if high > low else np.inf


def _blocks(panel: Panel, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Level, spread and series of stretches about a season long that are observed by half and not all zero."""
    usual = panel.step.seasons[0] if panel.step.seasons else _BLOCK
    size = max(4, min(usual, int(panel.lengths.max()) // 8))
    counts = -(-panel.lengths // size)
    series = np.repeat(np.arange(len(panel)), counts)
    begins = within(counts) * size + panel.offsets[series]
    level, known = _mean(values, begins)
    # Changes from row to row, unlike deviations from the mean, hardly take a level that moves for spread.
    changes = np.diff(values, prepend=np.nan)
    changes[panel.offsets[:-1]] = np.nan
    variance, pairs = _mean(changes**2, begins)
    keep = (known >= max(3, size / 2)) & (pairs >= 2) & (level > 0)
    return level[keep], np.sqrt(variance[keep] / 2), series[keep]


def _mean(values: np.ndarray, begins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each stretch over what is observed, 0 without any, and how many rows that is."""
    known = ~np.isnan(values)
    count = np.add.reduceat(known.astype(np.int64), begins)
    return np.add.reduceat(np.where(known, values, 0.0), begins) / np.maximum(count, 1), count


def _growth(level: np.ndarray, spread: np.ndarray, series: np.ndarray) -> tuple[float, float]:
    """Slope of log spread on log level and its standard error: within series, or between them if surer."""
    varying = spread > 1e-9 * level
    x, y, series = np.log(level[varying]), np.log(spread[varying]), series[varying]
    own, between = _slope(x, y, series), _slope(x, y, np.zeros_like(series))
    return own if own[1] <= _UNSURE else min(own, between, key=lambda found: found[1])


def _slope(x: np.ndarray, y: np.ndarray, group: np.ndarray) -> tuple[float, float]:
    """Least squares with an intercept for each group, repeated without outliers."""
    keep, found = np.ones(len(x), dtype=bool), (np.nan, np.inf)
    for _ in range(2):
        dx, dy = _centred(x[keep], group[keep]), _centred(y[keep], group[keep])
        free = int(keep.sum()) - len(np.unique(group[keep])) - 1
        power = float(dx @ dx)
        if free < 4 or power < 1e-9 * len(dx):
            return found
        slope = float(dx @ dy) / power
        rest = dy - slope * dx
        found = (slope, float(np.sqrt(rest @ rest / free / power)))
        # 1.4826 median deviations are a standard deviation where errors are normal.
        keep[keep] = np.abs(rest) <= 3 * 1.4826 * np.median(np.abs(rest)) + 1e-12
    return found


def _centred(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    _, number, sizes = np.unique(group, return_inverse=True, return_counts=True)
    return values - (np.bincount(number, weights=values) / sizes)[number]
