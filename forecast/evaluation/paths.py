"""Joint sample paths from quantile forecasts, so that sums and extremes over a horizon have honest intervals.

Quantiles say how uncertain each step is, not how the errors of the steps go together: whether a month that
starts too low stays too low. Whole windows of past errors say it. Their ranks lend the paths their order,
the quantile forecasts lend them their values:

- Margins: between the levels, the forecast is linear in the normal score of the level, and it goes on in a
  straight line beyond the outer levels, which makes the tails Gaussian.
- ``"schaake"``: every path takes the ranks of one past window among the windows drawn.
- ``"copula"``: every path is a Gaussian draw with the correlations of the normal scores of past windows:
  smoother where windows are few, but extremes of the steps go together less than they may have done.

Series are drawn independently of each other: a sum over series is not covered.

Source: Clark, Gangopadhyay, Hay, Rajagopalan and Wilby (2004), "The Schaake shuffle", Journal of
    Hydrometeorology 5(1); Sklar (1959), "Fonctions de répartition à n dimensions et leurs marges", for copulas.
Differs: the shuffle's values are a stratified draw from the quantile forecasts, not an ensemble; the ranks come
    from errors of the same model, not from observations of the same season.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forecast.errors import ParameterError, closest
from forecast.evaluation.averaging import Floats
from forecast.evaluation.intervals import check_quantiles, sorted_around_gaps

__all__ = ["FEWEST_WINDOWS", "METHODS", "sample_paths", "template_of"]

FEWEST_WINDOWS = 20
"""Past windows without a gap that a dependence can be read from."""


def sample_paths(
    forecasts: ArrayLike,
    levels: Sequence[float],
    template: ArrayLike,
    n: int,
    *,
    method: str = "schaake",
    seed: int = 0,
) -> Floats:
    """Draw paths whose values follow quantile forecasts and whose steps go together as past errors did.

    Quantiles that cross are sorted. Levels that are out of reach (NaN) or infinite are passed over, in each cell
    of step and target on its own. A cell with fewer than two levels left is NaN in all paths: one level has no
    width, and none is made up.

    Args:
        forecasts: Quantile forecasts; axes: series, horizon, targets, levels.
        levels: The levels of the last axis, at least two, ascending inside (0, 1).
        template: Past errors of the point or median forecast in comparable units; axes: windows, horizon,
            targets. Windows with a gap are left out; see ``template_of``.
        n: Paths per series. A share of them, such as the 95 % interval of a sum, needs some hundreds.
        method: ``"schaake"`` or ``"copula"``.
        seed: Equal seeds give equal paths; a series' paths do not depend on the series behind it.

    Returns:
        float64; axes: series, paths, horizon, targets. Paths are in random order.

    Raises:
        ParameterError: If shapes or levels do not fit, fewer than 20 whole windows are left in the template,
            ``n`` is below 1 or the method is unknown.

    Example:
        >>> errors = np.cumsum(np.random.default_rng(1).normal(size=(500, 2, 1)), axis=1)  # they add up
        >>> quantiles = np.array([[[[-1.28, 0.0, 1.28]], [[-1.81, 0.0, 1.81]]]])
        >>> paths = sample_paths(quantiles, (0.1, 0.5, 0.9), errors, 1000)
        >>> paths.shape
        (1, 1000, 2, 1)
        >>> sums = np.quantile(paths.sum(axis=2), [0.1, 0.9], axis=1)  # as sqrt(5) * 1.28 = 2.87
        >>> bool(2.6 < sums[1, 0, 0] < 3.1)
        True
    """
    q, f, past = _checked(forecasts, levels, template)
    if n < 1:
        raise ParameterError(f"n is {n}; draw at least one path.")
    if method not in METHODS:
        raise ParameterError(
            f"there is no method {method!r} for paths; methods are {', '.join(METHODS)}."
            f"{closest(method, tuple(METHODS))}"
        )
    margins = sorted_around_gaps(f).reshape(len(f), -1, len(q))
    paths = np.empty((len(f), n, margins.shape[1]))
    first, *streams = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(1 + len(f)))
    draw = METHODS[method](past, first)
    for i, stream in enumerate(streams):
        paths[i] = _values(draw(n, stream), margins[i], _normal_score(np.array(q)))
    return paths.reshape(len(f), n, *f.shape[1:3])


def template_of(scores: ArrayLike, most: int) -> NDArray[np.float32]:
    """Choose whole windows of calibration scores for ``sample_paths``, few enough for a model file.

    Args:
        scores: Output of ``intervals.conformal_scores`` for the point or median forecast; axes: windows,
            horizon, targets. Windows with a gap are left out.
        most: Windows to keep at most, evenly spaced over the rest; at least 20.

    Returns:
        float32: only ranks are read from it. Fewer than 20 windows are no template yet.

    Raises:
        ParameterError: If the axes do not fit or ``most`` is below 20.

    Example:
        >>> scores = np.arange(100.0).reshape(100, 1, 1)
        >>> scores[3] = np.nan
        >>> template_of(scores, 25).ravel()[:4].tolist()
        [0.0, 5.0, 9.0, 13.0]
    """
    s = np.asarray(scores, np.float64)
    if s.ndim != 3:
        raise ParameterError(f"scores have shape {s.shape}; expected windows, horizon and targets.")
    if most < FEWEST_WINDOWS:
        raise ParameterError(
            f"most is {most}; a template needs {FEWEST_WINDOWS} windows. Keep at least as many."
        )
    # What float32 cannot hold becomes inf, and a window with it is left out as one with a gap.
    with np.errstate(over="ignore"):
        whole = _whole(s.astype(np.float32))
    kept = np.linspace(0, len(whole) - 1, min(most, len(whole))).round().astype(np.int64)
    return whole[kept]


def _checked(
    forecasts: ArrayLike, levels: Sequence[float], template: ArrayLike
) -> tuple[tuple[float, ...], Floats, Floats]:
    """Return levels, forecasts, and the template's whole windows with steps and targets on one axis."""
    q, f, past = check_quantiles(levels), np.asarray(forecasts, np.float64), np.asarray(template, np.float64)
    if len(q) < 2:
        raise ParameterError(
            f"quantiles are {q}; one level has no width to draw from. Pass at least two, such as 0.1,0.5,0.9."
        )
    if f.ndim != 4 or f.shape[-1] != len(q):
        raise ParameterError(
            f"forecasts have shape {f.shape}; expected series, horizon, targets and {len(q)} levels."
        )
    if past.ndim != 3 or past.shape[1:] != f.shape[1:3]:
        raise ParameterError(
            f"template has shape {past.shape}; expected windows, then the {f.shape[1]} steps and {f.shape[2]} "
            "targets of the forecasts."
        )
    past = _whole(past).reshape(-1, f.shape[1] * f.shape[2])
    if len(past) < FEWEST_WINDOWS:
        raise ParameterError(
            f"the template has {len(past)} windows without a gap; paths need {FEWEST_WINDOWS} to learn from how "
            "the steps go together. Calibrate on more rows, or shorten the horizon."
        )
    return q, f, past


def _whole(windows: NDArray) -> NDArray:
    return windows[np.isfinite(windows).all(axis=(1, 2))]


def _schaake(past: Floats, _: np.random.Generator) -> Draw:
    """Normal scores of n stratified draws per cell, in the order of n windows; axes: paths, cells."""

    def draw(n: int, rng: np.random.Generator) -> Floats:
        again, more = divmod(n, len(past))
        rows = np.r_[np.tile(np.arange(len(past)), again), rng.choice(len(past), more, replace=False)]
        rng.shuffle(rows)
        return _normal_score((_ranks(past[rows], rng) + rng.random((n, past.shape[1]))) / n)

    return draw


def _copula(past: Floats, rng: np.random.Generator) -> Draw:
    """Gaussian draws with the correlations of the template's normal scores; axes: paths, cells."""
    scores = _normal_score((_ranks(past, rng) + 0.5) / len(past))
    scores /= np.linalg.norm(scores, axis=0)
    # A root of the correlation matrix, singular or not: nothing is inverted.
    root = np.linalg.qr(scores, mode="r")
    return lambda n, rng: rng.normal(size=(n, len(root))) @ root


Draw = Callable[[int, np.random.Generator], Floats]
METHODS: dict[str, Callable[[Floats, np.random.Generator], Draw]] = {"schaake": _schaake, "copula": _copula}
"""How dependence is taken from a template, by name."""


def _ranks(values: Floats, rng: np.random.Generator) -> Floats:
    """Ranks from 0 within each column; ties are broken at random."""
    order = np.lexsort((rng.random(values.shape), values), axis=0)
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, np.arange(len(values), dtype=np.float64)[:, None], axis=0)
    return ranks


def _normal_score(share: Floats) -> Floats:
    from scipy.special import ndtri

    # Shares of exactly 0 or 1, which random numbers may be, have no finite score.
    least = np.finfo(np.float64).epsneg
    return ndtri(np.clip(share, least, 1.0 - least))


def _values(scores: Floats, margins: Floats, knots: Floats) -> Floats:
    """Read each cell's quantile function at normal scores.

    Args:
        scores: Axes: paths, cells.
        margins: Values at the knots, NaN where unknown; axes: cells, levels.
        knots: Normal scores of the levels; axes: levels.
    """
    result = np.full(scores.shape, np.nan)
    patterns, which = np.unique(np.isfinite(margins), axis=0, return_inverse=True)
    for k, known in enumerate(patterns):
        if known.sum() >= 2:
            cells = np.flatnonzero(which.reshape(-1) == k)
            result[:, cells] = _interpolated(scores[:, cells], margins[np.ix_(cells, known)], knots[known])
    return result


def _interpolated(scores: Floats, margins: Floats, knots: Floats) -> Floats:
    """Interpolate linearly between the knots and go on in a straight line beyond them."""
    slopes = np.diff(margins, axis=1) / np.diff(knots)
    left = np.clip(np.searchsorted(knots, scores) - 1, 0, len(knots) - 2)
    cell = np.arange(len(margins))
    return margins[cell, left] + slopes[cell, left] * (scores - knots[left])
