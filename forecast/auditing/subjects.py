"""What is audited, seen alike: a function from inputs to forecasts, and windows to try it on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecast.data.encoding import StaticEncoder
from forecast.data.panel import Panel
from forecast.data.windows import Windows, make_windows
from forecast.errors import InputError
from forecast.estimators.baseline import FittedBaseline
from forecast.estimators.fitting import Fitted
from forecast.estimators.network import Network
from forecast.estimators.outputs import as_levels, is_distribution
from forecast.evaluation.baselines import BASELINES
from forecast.evaluation.comparison import baseline_forecasts
from forecast.evaluation.distributions import mean_of
from forecast.models.forms import forms_of
from forecast.models.spec import Spec
from forecast.training.predict import BATCH

Floats = NDArray[np.float64]
Inputs = dict[str, np.ndarray]

# What the rows at hand are.
TRAINED, GIVEN = "rows that training has seen", "the rows given"
# Windows that inputs are changed in. Smoothing methods are fitted anew for every change, so fewer for them.
SAMPLE, BASELINE_SAMPLE = 8, 2
# Rows that a baseline is probed with: three seasons, but no fewer and no more than this.
SHORTEST_PROBE, LONGEST_PROBE = 24, 336


@dataclass(frozen=True)
class Covariate:
    """A covariate column and where it stands in the inputs.

    Args:
        name: Of the column.
        role: ``"known_future"``, ``"past_only"``, ``"static"`` or ``"categories"`` (codes to embed), which is also
            the name of the input.
        columns: Places on the last axis of the input; several for text that is not embedded, one a category.
        mean: Of the column, put where a value is missing.
        spread: Its standard deviation; 0 if it holds one value only.
        text: Whether the columns are categories, one of which is 1.
        codes: How many codes an embedded column has, 0 for an unseen category among them.
    """

    name: str
    role: str
    columns: tuple[int, ...]
    mean: float = 0.0
    spread: float = 1.0
    text: bool = False
    codes: int = 0

    def changed(self, inputs: Inputs, context: int, seed: int, *, ahead: bool = False) -> Inputs:
        """Return the input with this column changed by about a standard deviation, in the horizon only if ``ahead``."""
        values = inputs[self.role].copy()
        chosen = list(self.columns)
        if self.role == "categories":
            values[:, chosen] = (values[:, chosen] + 1) % self.codes
            return {self.role: values}
        if self.role == "static":
            old = values[:, chosen]
            values[:, chosen] = np.roll(old, 1, axis=1) if self.text else old + 1.0
            return {self.role: values}
        rows = slice(context, None) if ahead else slice(None)
        old = np.where(np.isnan(values[:, rows, chosen]), self.mean, values[:, rows, chosen])
        noise = np.random.default_rng(seed).normal(size=old.shape)
        values[:, rows, chosen] = old + (self.spread or 1.0) * noise
        return {self.role: values}


@dataclass(frozen=True, eq=False)
class Subject:
    """A model under audit.

    Args:
        name: What sentences call it: ``"the network"``, ``"theta"``, ``"the model"``.
        raw: From inputs (see ``Windows.inputs``) to forecasts ``(batch, horizon, targets, levels)``.
        forecasts: From windows to forecasts, by the way that forecasts are made in earnest.
        windows: Every window of the rows at hand.
        rows: What these rows are: rows that training has seen, or the rows given.
        season: Rows of a season, 1 for none.
        single: As ``raw``, in batches of one; None where there are no batches.
        middle: Place of the point forecast among the levels.
        covariates: Columns that it is given beside the targets.
        sample: Windows that inputs are changed in.
        batch: Windows that ``raw`` is best asked for at once.
        learned: Whether it learned what to look at; a baseline looks where its definition says.
    """

    name: str
    raw: Callable[[Inputs], Floats]
    forecasts: Callable[[Windows], Floats]
    windows: Windows
    rows: str
    season: int
    single: Callable[[Inputs], Floats] | None = None
    middle: int = 0
    covariates: tuple[Covariate, ...] = ()
    sample: int = SAMPLE
    batch: int = BATCH
    learned: bool = True

    @property
    def panel(self) -> Panel:
        """The rows at hand."""
        return self.windows.panel

    def point(self, windows: Windows) -> Floats:
        """Forecast one number a step: ``(windows, horizon, targets)``."""
        return self.forecasts(windows)[..., self.middle]


def forecaster_subject(fitted: Fitted, panel: Panel, rows: str) -> Subject:
    """Look at the network of a fitted forecaster over some rows, and say what these are.

    Raises:
        InputError: No window of context and horizon fits the rows.
    """
    network = fitted.network
    windows = network.windows(panel, scales=fitted.scales_of(panel))
    check_some(windows)

    def raw(inputs: Inputs, size: int = BATCH) -> Floats:
        return _raw(network, inputs, size)

    return Subject(
        name="the network",
        raw=raw,
        forecasts=network.forecasts,
        windows=windows,
        rows=rows,
        season=fitted.setting.season,
        single=lambda inputs: raw(inputs, 1),
        middle=_middle(network.spec),
        covariates=(*row_covariates(panel), *static_covariates(network.encoder, windows)),
    )


def _middle(spec: Spec) -> int:
    return spec.middle if spec.quantiles else 0


def _raw(network: Network, inputs: Inputs, size: int) -> Floats:
    """Forecast quantiles, not calibrated; of counts the mean stands for the median, which hides small moves."""
    model, spec = network.model, network.spec
    output = in_batches(model.predict_on_batch, inputs, size)
    found = as_levels(model, spec, output)
    if spec.head != "negative_binomial":
        return found
    if is_distribution(model, spec):
        mean = mean_of(spec.head, output)
    else:
        paths = forms_of(model).paths
        assert paths is not None, "what turns a distribution into quantiles has paths"
        mean = in_batches(paths.predict_on_batch, inputs, size).mean(axis=1)
    found[..., _middle(spec)] = mean
    return found


def baseline_subject(name: str, fitted: FittedBaseline, panel: Panel, scales: Floats, rows: str) -> Subject:
    """Look at a fitted baseline.

    Raises:
        InputError: The rows are too few for a single window.
    """
    season, horizon = fitted.setting.season, fitted.setting.horizon
    longest = int((panel.ends - panel.offsets[:-1]).max())
    context = min(int(np.clip(3 * season, SHORTEST_PROBE, LONGEST_PROBE)), longest - horizon)
    if context < 1:
        raise InputError(
            f"No series of the table has more than {longest} rows; horizon {horizon} and some history need more."
        )
    windows = make_windows(panel, context=context, horizon=horizon, short="drop", scales=scales)
    check_some(windows)
    method = BASELINES[name]

    def raw(inputs: Inputs) -> Floats:
        found = [[method(column, horizon, season) for column in rows.T] for rows in inputs["target"]]
        return np.array(found).swapaxes(1, 2)[..., None]

    def forecasts(chosen: Windows) -> Floats:
        return baseline_forecasts(name, chosen, season)[..., None]

    return Subject(
        name, raw, forecasts, windows, rows, season, sample=BASELINE_SAMPLE, batch=1, learned=False
    )


def row_covariates(panel: Panel) -> tuple[Covariate, ...]:
    """List the known-future and past-only columns of a panel with their mean and spread."""
    found = []
    targets, known = len(panel.columns.target), panel.columns.known_future
    for j, name in enumerate((*known, *panel.columns.past_only)):
        role, place = ("known_future", j) if j < len(known) else ("past_only", j - len(known))
        column = panel.values[:, targets + j]
        column = column[~np.isnan(column)]
        mean, spread = (float(column.mean()), float(column.std())) if len(column) else (0.0, 0.0)
        found.append(Covariate(name, role, (place,), mean, spread))
    return tuple(found)


def static_covariates(encoder: StaticEncoder, windows: Windows) -> tuple[Covariate, ...]:
    """List the static columns; their spread is that of the series at hand."""
    found, begin = [], 0
    named = [(name, 1, False) for name, _, _ in encoder.numbers]
    if windows.categories is None:
        named += [(name, len(values), True) for name, values in encoder.categories]
    else:
        for j, ((name, _), size) in enumerate(zip(encoder.categories, encoder.sizes, strict=True)):
            spread = float(windows.categories[:, j].std())
            found.append(Covariate(name, "categories", (j,), spread=spread, codes=size))
    for name, width, text in named:
        places = tuple(range(begin, begin + width))
        spread = float(windows.static[:, begin : begin + width].std(axis=0).max(initial=0.0))
        found.append(Covariate(name, "static", places, spread=spread, text=text))
        begin += width
    return tuple(found)


def in_batches(predict: Callable[[Inputs], np.ndarray], inputs: Inputs, size: int = BATCH) -> Floats:
    """Call a model on batches of one size, the last filled up with its last window; float64.

    Example:
        >>> in_batches(lambda batch: batch["x"] + len(batch["x"]), {"x": np.arange(3)}, size=2)
        array([2., 3., 4.])
    """
    count = len(next(iter(inputs.values())))
    parts = []
    for begin in range(0, count, size):
        which = np.arange(begin, min(begin + size, count))
        full = np.pad(which, (0, size - len(which)), mode="edge")
        found = np.array(predict({name: values[full] for name, values in inputs.items()}), dtype=np.float64)
        parts.append(found[: len(which)])
    return np.concatenate(parts)


def tail_windows(windows: Windows, most: int, least: int) -> Windows:
    """Keep neighbouring windows: the last ones of some series, evenly chosen, at most ``most`` in all.

    Args:
        windows: By series, then by time.
        most: Windows in all.
        least: Windows of a series, where it has so many: series are left out rather than cut shorter.
    """
    series, counts = np.unique(windows.series, return_counts=True)
    kept = max(most // max(least, -(-most // len(series))), 1)
    chosen = series[np.unique(np.linspace(0, len(series) - 1, min(kept, len(series))).round().astype(int))]
    each = most // len(chosen)
    stops = np.cumsum(counts)
    which = []
    for k in np.searchsorted(series, chosen).tolist():
        stop, count = int(stops[k]), int(counts[k])
        which.append(np.arange(stop - min(each, count), stop))
    return windows.subset(np.concatenate(which))


def check_some(windows: Windows) -> None:
    """Refuse rows that hold no window.

    Raises:
        InputError: For that reason.
    """
    if not len(windows):
        need = windows.context + windows.horizon
        raise InputError(
            f"No series of the table has {need} observed rows, which one window of context {windows.context} and "
            f"horizon {windows.horizon} needs. Give more history."
        )


def on_panel(windows: Windows, values: np.ndarray) -> Windows:
    """Put other values under the same windows."""
    return replace(windows, panel=replace(windows.panel, values=values))


def full_windows(windows: Windows) -> Windows:
    """Keep the windows whose context is not padded, if there are any."""
    full = windows.origins - windows.panel.offsets[windows.series] >= windows.context
    return windows.subset(np.flatnonzero(full)) if full.any() else windows
