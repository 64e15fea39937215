"""From a detector's arguments and a table to what it learns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.data.panel import Panel
from forecast.data.season import find_season
from forecast.data.table import Choice
from forecast.data.windows import check_positive
from forecast.detection.engines import Engine
from forecast.detection.evidence import TAILED, Chain
from forecast.detection.policy import Policy
from forecast.detection.rates import read_rate
from forecast.detection.simple import SIMPLE, Simple
from forecast.errors import InputError, ParameterError, closest
from forecast.estimators.arguments import options_of
from forecast.estimators.contract import training_panel
from forecast.estimators.detecting import FittedDetector
from forecast.estimators.forecast_errors import ForecastErrors, learn_errors
from forecast.estimators.forecaster import Forecaster
from forecast.estimators.setting import Setting
from forecast.training.fit import Listeners

if TYPE_CHECKING:
    from forecast.estimators.detector import Detector

METHODS = ("forecast", *SIMPLE)
"""Names of the methods."""

USUAL_RATE = 1e-3
FEWEST_ROWS = 10
_CONTEXT = 96
_STEPS = 200
_BATCH = 64


def learn_detector(detector: Detector, X: Any, listeners: Listeners | None = None) -> FittedDetector:
    """Read a table, choose what was left open, train, and weigh the rows that were learned from."""
    _check(detector)
    panel, contract, choices = training_panel(detector, X, None)
    rows = int(np.median(panel.ends - panel.offsets[:-1]))
    if rows < FEWEST_ROWS:
        raise InputError(
            f"The table has {rows} rows a series; at least {FEWEST_ROWS} are needed to know what is usual."
        )
    season = find_season(panel) if detector.season is None else detector.season
    errors = None
    if detector.method == "forecast":
        errors, made = _networks(detector, panel, season, rows, listeners or Listeners())
        choices = (*choices, *made)
    simple = Simple(
        "novelty" if errors is not None else detector.method, season, gaps=detector.missing == "evidence"
    )
    rate, told = _rate(detector, panel, rows)
    quiet = (detector.quiet,) if isinstance(detector.quiet, str) else tuple(detector.quiet)
    fitted = FittedDetector(
        contract=contract,
        errors=errors,
        simple=simple,
        chain=Chain(Engine(detector.engine, detector.window, rate), rate, detector.hold),
        policy=Policy(rate, detector.release, detector.min_rows, detector.merge, quiet, detector.floor),
        history=panel,
        states={},
        pool=np.empty(0),
        choices=(*choices, *told),
    )
    return _seen(fitted, panel)


def _seen(fitted: FittedDetector, panel: Panel) -> FittedDetector:
    """Let the detector see the rows it learned from; what it thought of them is what later rows are ranked among."""
    found, states = fitted.begin(panel)
    pool = np.sort(np.concatenate([one.evidence.peaks for one in found])) if len(panel) > 1 else np.empty(0)
    return replace(
        fitted,
        history=panel.tail(fitted.lookback),
        states=dict(zip(panel.ids, states, strict=True)),
        pool=pool,
    )


def _networks(
    detector: Detector, panel: Panel, season: int, rows: int, listeners: Listeners
) -> tuple[ForecastErrors, tuple[Choice, ...]]:
    """Train the networks of method ``forecast``."""
    horizons = _horizons(detector, season, rows)
    context = min(_CONTEXT, max(rows // 6, 4)) if detector.context is None else detector.context
    options = options_of(
        Forecaster(
            horizon=max(horizons),
            context=context,
            model=_model(detector, context, horizons),
            cell=detector.cell,
            units=detector.units,
            quantiles=(),
            loss="mae",
            horizons=horizons,
            anchor="last",
            scale="window",
            target_transform="none",
            positive=False,
            preset="fast",
            steps=_STEPS if detector.steps is None else detector.steps,
            batch_size=_BATCH,
            ensemble=detector.ensemble,
            seed=detector.seed,
        )
    )
    setting = Setting(max(horizons), context, season, 0, 0, "pad", season)
    errors = learn_errors(panel, setting, options, horizons, folds=detector.folds, listeners=listeners)
    return errors, (
        Choice(
            "horizons", ", ".join(map(str, horizons)) + " rows", "--horizons", "of which the mean is forecast"
        ),
        Choice("context", f"{context} rows seen", "--context", "what the rows allow"),
        Choice("network", errors.blocks[0].networks[0].architecture.name, "--model"),
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
    if rate * (known + 1) >= 1 or detector.engine in TAILED:
        return rate, ()
    more = int(1 / rate) - known
    said = f"{known:,} rows cannot show 1 in {1 / rate:,.0f}: no alarm before {more:,} more rows were seen"
    return rate, (Choice("alarm rate", said, "--alarms", "or take --engine hybrid"),)


def _check(detector: Detector) -> None:
    if detector.method not in METHODS:
        raise ParameterError(
            f"method must be one of {', '.join(METHODS)}; got {detector.method!r}.{closest(detector.method, METHODS)}"
        )
    if detector.missing not in ("ignore", "evidence"):
        raise ParameterError(f"missing must be ignore or evidence; got {detector.missing!r}.")
    check_positive(folds=detector.folds, ensemble=detector.ensemble, window=detector.window)
    check_positive(hold=detector.hold + 1)
