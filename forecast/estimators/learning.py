"""From a forecaster's arguments and a table to what it learns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from forecast.data.table import Choice
from forecast.estimators.arguments import options_of, wishes_of
from forecast.estimators.contract import training_panel
from forecast.estimators.fitting import Fitted, fit_panel
from forecast.estimators.resuming import checkpoint_of
from forecast.evaluation.comparison import AUTO, BEST
from forecast.report.progress import ProgressLine
from forecast.training.course import Listeners

if TYPE_CHECKING:
    from forecast.estimators.forecaster import Forecaster


def learn(
    forecaster: Forecaster, X: Any, y: Any, listeners: Listeners, folder: Any = None, *, resume: bool = True
) -> tuple[Fitted, tuple[Choice, ...]]:
    """Read a table or arrays, choose what was left open, and fit; a verbose forecaster says so.

    Args:
        forecaster: Its arguments.
        X: Table or covariates.
        y: Targets, None for a table.
        listeners: Who is told and asked.
        folder: Of the checkpoint, None for none.
        resume: Whether to go on with what it holds.

    Returns:
        What was learnt, and all choices.
    """
    panel, contract, choices = training_panel(forecaster, X, y)
    options = options_of(forecaster)
    wishes = wishes_of(forecaster, options, arrays=y is not None)
    line = ProgressLine() if forecaster.verbose and listeners.progress is None else None
    if forecaster.verbose and listeners.announce is None:
        listeners = replace(listeners, announce=_print_choices)
    if listeners.announce is not None:
        listeners.announce(choices)
        if line is not None:
            listeners = replace(listeners, announce=line.around(listeners.announce))
    if line is not None:
        listeners = replace(listeners, progress=line)
    with checkpoint_of(folder, resume, forecaster, panel) as checkpoint:
        if checkpoint is not None and checkpoint.resumed and listeners.announce is not None:
            listeners.announce((checkpoint.told,))
        fitted = fit_panel(
            panel,
            contract,
            options,
            wishes,
            listeners=replace(listeners, checkpoint=checkpoint),
            refit=forecaster.refit,
            blend=forecaster.method == AUTO,
            gated=forecaster.method == BEST,
        )
    if line is not None:
        line.close()
    return fitted, choices + fitted.choices


def _print_choices(choices: tuple[Choice, ...]) -> None:
    for choice in choices:
        print(f"{choice.what}: {choice.value} ({choice.flag.lstrip('-').replace('-', '_')})")
