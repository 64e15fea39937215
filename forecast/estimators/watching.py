"""From a detector's arguments and a table to what it learns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.data.panel import Panel
from forecast.data.season import find_season
from forecast.data.table import Choice
from forecast.data.windows import check_positive
from forecast.detection.engines import Engine
from forecast.detection.evidence import Chain
from forecast.detection.policy import Policy
from forecast.detection.rates import read_rate
from forecast.detection.simple import SIMPLE, Simple
from forecast.errors import InputError, ParameterError, closest
from forecast.estimators.arguments import options_of
from forecast.estimators.contract import training_panel
from forecast.estimators.detecting import Errors, FittedDetector
from forecast.estimators.forecast_errors import LOSS, learn_errors
from forecast.estimators.forecaster import Forecaster
from forecast.estimators.running_errors import Running, learn_running_errors
from forecast.estimators.setting import Setting
from forecast.estimators.window_errors import METHODS as WINDOW_METHODS
from forecast.estimators.window_errors import Recipe, WindowErrors, learn_window_errors
from forecast.models.autoencoder import WindowSpec
from forecast.models.running import RunningSpec
from forecast.training.course import Listeners
from forecast.training.running import TOGETHER

if TYPE_CHECKING:
    from forecast.estimators.detector import Detector

METHODS = ("forecast", *WINDOW_METHODS, *SIMPLE)
"""Names of the methods."""

USUAL_RATE = 1e-3
FEWEST_ROWS = 10
# Most rows that an alarm holds back others for.
_HOLD = 30
_CONTEXT = 96
_STEPS = 200
_RUNNING_STEPS = 100
_BATCH = 64
# Windows that are made again: a season if it has so many rows, else as many as the third number says.
_SHORT, _LONG, _WINDOW = 12, 48, 24
_WINDOW_STEPS = 250
_UNITS = 32
# Numbers of a code at most: four, and four more for each channel, which brings what it has beside the others.
_CODE = 32


def learn_detector(detector: Detector, X: Any, listeners: Listeners | None = None) -> FittedDetector:
    """Read a table, choose what was left open, train, and weigh the rows that were learned from."""
    _check(detector)
    panel, contract, choices = training_panel(detector, X, None)
    rows = int(np.median(panel.ends - panel.offsets[:-1]))
    if rows < FEWEST_ROWS:
        raise InputError(
            f"There are {rows} rows a series to learn from; at least {FEWEST_ROWS} are needed to know what is usual."
        )
    season = find_season(panel) if detector.season is None else detector.season
    if detector.season is None:
        told = f"{season} rows" if season > 1 else "none"
        choices = (*choices, Choice("season", told, "--season", "what recurs in the rows"))
    errors = None
    if detector.method == "forecast":
        errors, made = _networks(detector, panel, season, rows, listeners or Listeners())
        choices = (*choices, *made)
    elif detector.method in WINDOW_METHODS:
        errors, made = _window_networks(detector, panel, season, rows, listeners or Listeners())
        choices = (*choices, *made)
    simple = Simple(
        "novelty" if errors is not None else detector.method, season, gaps=detector.missing == "evidence"
    )
    rate, told = _rate(detector, panel, rows)
    quiet = (detector.quiet,) if isinstance(detector.quiet, str) else tuple(detector.quiet)
    untaught = FittedDetector(
        contract=contract,
        errors=errors,
        simple=simple,
        chain=Chain(Engine(detector.engine, detector.window, rate), rate, _hold(detector, rate)),
        policy=Policy(detector.release, detector.min_rows, detector.merge, quiet, detector.floor),
        history=panel,
        states={},
        online=bool(detector.online),
        choices=(*choices, *told),
    )
    return untaught.begin(panel)


def _networks(
    detector: Detector, panel: Panel, season: int, rows: int, listeners: Listeners
) -> tuple[Errors, tuple[Choice, ...]]:
    """Train the networks of method ``forecast``."""
    horizons = _horizons(detector, season, rows)
    context = min(_CONTEXT, max(rows // 6, 4)) if detector.context is None else detector.context
    check_positive(context=context)
    told = (
        Choice(
            "horizons", ", ".join(map(str, horizons)) + " rows", "--horizons", "of which the mean is forecast"
        ),
        Choice("context", f"{context} rows seen", "--context", "what the rows allow"),
    )
    if detector.model == "auto" and not _covariates(panel):
        units = _UNITS if detector.units is None else detector.units
        recipe = Running(RunningSpec(context + TOGETHER - 1, horizons, detector.seed), detector.cell, units)
        learned = learn_running_errors(
            panel,
            recipe,
            folds=detector.folds,
            members=detector.ensemble,
            steps=_RUNNING_STEPS if detector.steps is None else detector.steps,
            listeners=listeners,
        )
        name = f"{detector.cell} of {units} units, forecasts at every row"
        return learned, (*told, Choice("network", name, "--model"))
    options = options_of(
        Forecaster(
            horizon=max(horizons),
            context=context,
            model=_model(detector, context, horizons),
            cell=detector.cell,
            units=detector.units,
            quantiles=(),
            loss=LOSS,
            horizons=horizons,
            anchor="last",
            scale="window",
            target_transform="none",
            positive=False,
            preset="fast",
            steps=_STEPS if detector.steps is None else detector.steps,
            batch_size=_BATCH,
            seed=detector.seed,
        )
    )
    setting = Setting(max(horizons), context, season, 0, 0, "pad", season)
    errors = learn_errors(
        panel,
        setting,
        options,
        horizons,
        folds=detector.folds,
        members=detector.ensemble,
        listeners=listeners,
    )
    return errors, (*told, Choice("network", errors.network.architecture.name, "--model"))


def _covariates(panel: Panel) -> bool:
    """Say whether there are columns beside the targets."""
    columns = panel.columns
    return bool(columns.known_future or columns.past_only or columns.static)


def _window_networks(
    detector: Detector, panel: Panel, season: int, rows: int, listeners: Listeners
) -> tuple[WindowErrors, tuple[Choice, ...]]:
    """Train the networks of the methods that make windows again."""
    usual = min(season if _SHORT <= season <= _LONG else _WINDOW, max(rows // 6, 4))
    context = usual if detector.context is None else detector.context
    channels = len(panel.columns.target)
    check_positive(context=context)
    recipe = Recipe(
        detector.method,
        WindowSpec(context, channels, int(detector.method == "joint"), detector.seed),
        detector.cell,
        _UNITS if detector.units is None else detector.units,
        min(4 + 4 * channels, _CODE, max(context * channels // 3, 1)),
        bool(detector.bidirectional),
    )
    errors = learn_window_errors(
        panel,
        recipe,
        folds=detector.folds,
        members=detector.ensemble,
        steps=_WINDOW_STEPS if detector.steps is None else detector.steps,
        listeners=listeners,
    )
    ways = "both ways" if recipe.bidirectional else "one way"
    return errors, (
        Choice("context", f"{context} rows made again", "--context", "what season and rows allow"),
        Choice("network", f"{recipe.cell} {ways}, {recipe.units} units, code of {recipe.code}", "--units"),
    )


def _model(detector: Detector, context: int, horizons: tuple[int, ...]) -> str:
    if detector.model != "auto":
        return detector.model
    return "segment" if context >= 48 and max(horizons) >= 24 else "rnn"


def _horizons(detector: Detector, season: int, rows: int) -> tuple[int, ...]:
    """One row, and a quarter, one and three of a season (of 24 rows without one), as far as the rows allow."""
    if len(tuple(detector.horizons)):
        check_positive(**{f"horizons[{i}]": h for i, h in enumerate(detector.horizons)})
        return tuple(sorted(set(detector.horizons)))
    unit = season if 4 <= season <= 48 else 24
    usual = (1, max(unit // 4, 2), unit, 3 * unit)
    return tuple(h for h in usual if h == 1 or h <= rows // 8)


def _rate(detector: Detector, panel: Panel, rows: int) -> tuple[float, tuple[Choice, ...]]:
    """Return the alarms asked for as a share of rows, and what there is to say about it."""
    known = rows if len(panel) == 1 else rows + panel.rows
    if detector.alarms is None:
        rate = max(USUAL_RATE, min(3 / (known + 1), 0.25))
        return rate, (Choice("alarms", f"1 per {1 / rate:,.0f} rows", "--alarms", "what the rows can show"),)
    rate = read_rate(detector.alarms, panel.step)
    if rate * known >= 1:
        return rate, ()
    said = f"1 in {1 / rate:,.0f}: more than {known:,} rows can show, so how rare that is, is extrapolated"
    return rate, (Choice("alarms", said, "--alarms", "what was asked for"),)


def _hold(detector: Detector, rate: float) -> int:
    """Return the rows that an alarm holds back others for: at most half of those between two that were asked for."""
    return min(_HOLD, round(0.5 / rate)) if detector.hold is None else detector.hold


def _check(detector: Detector) -> None:
    if detector.method not in METHODS:
        raise ParameterError(
            f"method must be one of {', '.join(METHODS)}; got {detector.method!r}.{closest(detector.method, METHODS)}"
        )
    if detector.bidirectional and detector.method == "forecast":
        raise ParameterError(
            f"bidirectional is of the methods {', '.join(WINDOW_METHODS)}, whose windows are complete; "
            "method 'forecast' reads forwards."
        )
    if detector.online and detector.method in SIMPLE:
        raise ParameterError(
            f"online fine-tunes networks; method {detector.method!r} has none. Take one of "
            f"{', '.join(m for m in METHODS if m not in SIMPLE)}."
        )
    if detector.missing not in ("ignore", "evidence"):
        raise ParameterError(f"missing must be ignore or evidence; got {detector.missing!r}.")
    check_positive(folds=detector.folds, members=detector.ensemble, window=detector.window)
    check_positive(hold=1 if detector.hold is None else detector.hold + 1)
