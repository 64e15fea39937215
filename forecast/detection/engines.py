"""P-values of one stream of scores, each against the scores before it: how unusual a score is, in terms of chance.

Every engine looks back only, at most ``window`` scores, and carries on where it stopped: what it returns for a row
does not depend on how rows are handed over, nor on any row behind it.

    conformal   rank among the past scores. Under exchangeability P(p <= a) <= a, whatever the distribution; never
                below 1 / (scores + 1)
    gpd         a generalised Pareto tail beyond the 95 % point: it goes beyond one in the scores seen
    censored    such a tail beyond the 80 % point, in whose fit the largest scores only count: a history of which two
                in a hundred are wrong keeps its tail. Where bursts are usual it calls them unusual
    hybrid      the rank, or three times what the censored tail says, whichever is smaller: the rank decides wherever
                the past is clean; where it is not, or too short, scores far beyond its bulk stand out all the same
    aci         the rank, its level moved after every row so that the share of alarms comes out at ``rate``
    gaussian, quantile, dynamic, likelihood     for comparison: what tools commonly use

Source: Vovk, Gammerman, Shafer (2005), "Algorithmic learning in a random world" (conformal); Siffer et al. (2017),
"Anomaly detection in streams with extreme value theory", KDD (gpd); Gibbs and Candès (2021), "Adaptive conformal
inference under distribution shift", NeurIPS (aci); Hundman et al. (2018), "Detecting spacecraft anomalies using LSTMs
and nonparametric dynamic thresholding", KDD (dynamic); Lavin and Ahmad (2015), arXiv 1510.03336 (likelihood).
Differs: aci moves the logarithm of the level, which therefore stays above 0.
dynamic looks at the window behind each row, not around it, and prunes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc

from forecast.data.windows import check_positive
from forecast.detection.ranks import rolling_counts
from forecast.detection.tails import Tail, fit_tail
from forecast.errors import ParameterError, closest

Floats = NDArray[np.float64]

SMALLEST = 1e-12
"""No p-value is below: tails are not known farther out."""

# Scores between two fits of a tail or threshold to the window.
_REFIT = 64
_FEWEST = 30
_SHORT = 10
_ACI_STEP = 0.1
# How far the censored tail is trusted beside ranks: it is known roughly, and must not double the alarms where these
# suffice.
_TRUST = 3.0
# A tail is fitted to at least so many scores.
_FEWEST_BEYOND = 12
_NO_SCORES = np.empty(0)


@dataclass(frozen=True, eq=False)
class Past:
    """What an engine remembers of a stream.

    Args:
        scores: The newest scores, in order of time, at most a window.
        seen: Scores seen in all.
        numbers: What the engine fitted last; empty before its first fit.
    """

    scores: Floats = field(default_factory=lambda: _NO_SCORES)
    seen: int = 0
    numbers: Floats = field(default_factory=lambda: _NO_SCORES)


@dataclass(frozen=True)
class Engine:
    """How p-values are made; ``ENGINES`` lists the names.

    Args:
        name: Of the engine.
        window: Most scores to look back at.
        rate: Share of alarms that ``aci`` steers to.

    Example:
        >>> p, past = Engine("conformal", window=100).advance(Past(), np.array([1.0, 2.0, np.nan, 3.0, 0.5]))
        >>> p.round(2), past.seen
        (array([1.  , 0.5 ,  nan, 0.33, 1.  ]), 4)
    """

    name: str = "conformal"
    window: int = 8_000
    rate: float = 1e-3

    def __post_init__(self) -> None:
        check_positive(window=self.window)
        if self.name not in ENGINES:
            known = ", ".join(ENGINES)
            raise ParameterError(
                f"engine must be one of {known}; got {self.name!r}.{closest(self.name, list(ENGINES))}"
            )

    def advance(self, past: Past, scores: Floats) -> tuple[Floats, Past]:
        """Return the p-values of new rows, and what is remembered after them.

        Args:
            past: What is remembered of the rows before.
            scores: float64 ``(rows,)``, large where unusual; NaN where there is none.

        Returns:
            float64 ``(rows,)`` between 1e-12 and 1, NaN where there is no score; and the new past.
        """
        observed = ~np.isnan(scores)
        p = np.full(len(scores), np.nan)
        found, numbers = ENGINES[self.name](self, past, scores[observed])
        p[observed] = np.clip(found, SMALLEST, 1.0)
        kept = np.concatenate([past.scores, scores[observed]])[-self.window :]
        return p, replace(past, scores=kept, seen=past.seen + int(observed.sum()), numbers=numbers)

    def limit(self, scores: Floats, rate: float) -> float:
        """Return the score from which on the p-value is at most the rate, or the smallest there can be.

        Args:
            scores: Of the past, without NaN.
            rate: Between 0 and 1.
        """
        if not len(scores):
            return np.inf
        ranked = float(np.quantile(scores, 1 - max(rate, 1 / (len(scores) + 1)), method="higher"))
        tail = _tail(scores, censored=self.name != "gpd") if self.name in TAILED else None
        if tail is None:
            return ranked
        trust = _TRUST if self.name == "hybrid" else 1.0
        tailed = tail.quantile(min(rate / trust, tail.share))
        return min(ranked, tailed) if self.name == "hybrid" else tailed


def _conformal(engine: Engine, past: Past, scores: Floats) -> tuple[Floats, Floats]:
    larger, seen = rolling_counts(past.scores, scores, engine.window)
    return (larger + 1) / (seen + 1), past.numbers


def _gpd(engine: Engine, past: Past, scores: Floats, *, censored: bool = False) -> tuple[Floats, Floats]:
    """Below the start of the tail the rank, beyond it the tail; before there are enough scores the rank."""
    ranks, _ = _conformal(engine, past, scores)
    tails, numbers = _refitted(engine, past, scores, partial(_tail_numbers, censored=censored), _beyond)
    return np.where(np.isnan(tails), ranks, tails), numbers


def _hybrid(engine: Engine, past: Past, scores: Floats) -> tuple[Floats, Floats]:
    ranks, _ = _conformal(engine, past, scores)
    tails, numbers = _refitted(engine, past, scores, partial(_tail_numbers, censored=True), _beyond)
    return np.fmin(ranks, _TRUST * tails), numbers


def _aci(engine: Engine, past: Past, scores: Floats) -> tuple[Floats, Floats]:
    """Divide the rank by how far the level has moved: it is below the rate where the rank is below the level."""
    ranks, _ = _conformal(engine, past, scores)
    moved = float(past.numbers[0]) if len(past.numbers) else 0.0
    found = np.empty(len(scores))
    for row, rank in enumerate(ranks):
        found[row] = rank * np.exp(-moved)
        moved += _ACI_STEP * (engine.rate - (found[row] <= engine.rate))
    return found, np.array([moved])


def _gaussian(engine: Engine, past: Past, scores: Floats) -> tuple[Floats, Floats]:
    return _or_one(_refitted(engine, past, scores, _spread, lambda numbers, x: _two_sided(x / numbers[0])))


def _quantile(engine: Engine, past: Past, scores: Floats) -> tuple[Floats, Floats]:
    """Share of past scores as large, which is 0 for one larger than all: what an empirical quantile alarms at."""
    larger, seen = rolling_counts(past.scores, scores, engine.window)
    return np.where(seen == 0, 1.0, larger / np.maximum(seen, 1)), past.numbers


def _dynamic(engine: Engine, past: Past, scores: Floats) -> tuple[Floats, Floats]:
    """0 beyond the threshold that separates best, else 1: the rule knows no level."""
    return _or_one(
        _refitted(engine, past, scores, _separating, lambda numbers, x: np.where(x > numbers[0], 0.0, 1.0))
    )


def _likelihood(engine: Engine, past: Past, scores: Floats) -> tuple[Floats, Floats]:
    """Compare the mean of the last 10 scores with a normal distribution fitted to the window."""
    every = np.concatenate([past.scores[1 - _SHORT :], scores])
    lead = len(every) - len(scores)
    sums = np.array([every[max(i - _SHORT + 1, 0) : i + 1].mean() for i in range(lead, len(every))])
    return _or_one(_refitted(engine, past, scores, _moments, _upper, looked_at=sums))


ENGINES: dict[str, Callable[[Engine, Past, Floats], tuple[Floats, Floats]]] = {
    "conformal": _conformal,
    "gpd": _gpd,
    "censored": partial(_gpd, censored=True),
    "hybrid": _hybrid,
    "aci": _aci,
    "gaussian": _gaussian,
    "quantile": _quantile,
    "dynamic": _dynamic,
    "likelihood": _likelihood,
}
"""P-values of new scores and what is remembered, by name."""

TAILED = ("gpd", "censored", "hybrid")
"""Engines whose p-values mean something below one in the scores seen."""


def _refitted(
    engine: Engine,
    past: Past,
    scores: Floats,
    fit: Callable[[Floats], Floats],
    value: Callable[[Floats, Floats], Floats],
    *,
    looked_at: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Fit to the window whenever so many scores have been seen, and value the scores up to the next fit.

    Returns:
        Values, NaN before the first fit; and the numbers fitted last.
    """
    looked_at = scores if looked_at is None else looked_at
    every = np.concatenate([past.scores, scores])
    lead, numbers = len(past.scores), past.numbers
    found = np.full(len(scores), np.nan)
    row = 0
    while row < len(scores):
        seen = past.seen + row
        if seen >= _FEWEST and (not len(numbers) or seen % _REFIT == 0):
            numbers = fit(every[max(lead + row - engine.window, 0) : lead + row])
        stop = min(row + (1 if seen < _FEWEST else _REFIT - seen % _REFIT), len(scores))
        if len(numbers):
            found[row:stop] = value(numbers, looked_at[row:stop])
        row = stop
    return found, numbers


def _or_one(found: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Nothing is unusual before there is enough to compare with."""
    values, numbers = found
    return np.where(np.isnan(values), 1.0, values), numbers


def _tail(scores: Floats, *, censored: bool) -> Tail | None:
    """Fit the censored tail, or the plain one that begins lower as long as there are few scores."""
    if censored:
        return fit_tail(scores, start=0.8, censor=0.97, prior=0.15)
    start = min(0.95, 1 - _FEWEST_BEYOND / max(len(scores), _FEWEST))
    return fit_tail(scores, start=start, censor=None, prior=None)


def _tail_numbers(scores: Floats, *, censored: bool) -> Floats:
    tail = _tail(scores, censored=censored)
    return np.full(4, np.nan) if tail is None else np.array([tail.start, tail.share, tail.shape, tail.scale])


def _beyond(numbers: Floats, scores: Floats) -> Floats:
    """Survival of scores in the tail, NaN for the others."""
    if np.isnan(numbers[0]):
        return np.full(len(scores), np.nan)
    return np.where(scores > numbers[0], Tail(*numbers).survival(scores), np.nan)


def _spread(scores: Floats) -> Floats:
    """Root of the mean square; the smallest number where all are 0."""
    return np.array([max(float(np.sqrt(np.mean(scores**2))), np.finfo(float).tiny)])


def _moments(scores: Floats) -> Floats:
    return np.array([scores.mean(), max(float(scores.std()), np.finfo(float).tiny)])


def _two_sided(z: Floats) -> Floats:
    return erfc(np.abs(z) / np.sqrt(2.0))


def _upper(numbers: Floats, means: Floats) -> Floats:
    return 0.5 * erfc((means - numbers[0]) / numbers[1] / np.sqrt(2.0))


def _separating(scores: Floats) -> Floats:
    """Return the threshold, mean and 2 to 10 deviations, beyond which the fewest scores explain the most spread."""
    mean, deviation = _moments(scores)
    best, threshold = -np.inf, np.inf
    for z in np.arange(2.0, 10.5, 0.5):
        beyond = scores > mean + z * deviation
        if not beyond.any() or beyond.all():
            continue
        rest = scores[~beyond]
        pieces = int(np.diff(np.concatenate([[0], beyond.astype(int)])).clip(0).sum())
        gain = (mean - rest.mean()) / max(mean, 1e-300) + (deviation - rest.std()) / deviation
        gain /= beyond.sum() + pieces**2
        if gain >= best:
            best, threshold = gain, mean + z * deviation
    return np.array([threshold])
