"""Go on training a fitted forecaster with newer rows, and keep what is better on the newest of them.

The last rows are kept out: the network before and the network after forecast them, beside the baselines. The new
network stays only if it was better there. Its calibration then follows those rows as in any update, which training
has not seen; what was learned from has nothing to say about errors to come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.data.panel import Panel
from forecast.data.scale import error_scales
from forecast.data.table import Choice
from forecast.data.windows import Windows, check_positive
from forecast.errors import InputError, ParameterError
from forecast.estimators.arguments import options_of, wishes_of
from forecast.estimators.contract import newer_panel
from forecast.estimators.fitting import Fitted, any_held_out, fit_panel, history_of, hold_trial
from forecast.estimators.joining import continued
from forecast.estimators.network import Network
from forecast.estimators.recipe import Options, loss_of, plan_of
from forecast.estimators.updating import updated
from forecast.evaluation.comparison import AUTO, BEST, NETWORK, compare
from forecast.training.course import Listeners, Progress, joined
from forecast.training.fit import at_half_rate, compile_model, copied, train

if TYPE_CHECKING:
    from forecast.estimators.forecaster import Forecaster

BEFORE, AFTER = "before", "after"
# Part of the older windows among those that a network goes on to learn from.
REPLAY = 0.5


@dataclass(frozen=True, eq=False)
class Continuation:
    """What came of training further.

    Args:
        way: ``"fine-tuned"`` or ``"refitted"``.
        taught: What it learned from, in words.
        replaced: Whether the new network took the place of the old one.
        forced: Whether it did so though it was no better.
        comparison: The network before and after beside the baselines, best first; see ``compare``.
        holdout: Newest rows of each series that judged.
        stopped: Why training ended: ``"epochs"``, ``"patience"``, ``"budget"`` or ``"interrupted"``.
    """

    way: str
    taught: str
    replaced: bool
    forced: bool
    comparison: pd.DataFrame
    holdout: int
    stopped: str

    def scores(self) -> tuple[float, float]:
        """Return the errors before and after by which was decided: MASE, or MAE where a series is constant."""
        column = self.comparison.set_index("method")[self.comparison.attrs["criterion"]]
        return float(column[BEFORE]), float(column[AFTER])

    def __str__(self) -> str:
        before, after = self.scores()
        criterion, best = self.comparison.attrs["criterion"], str(self.comparison["method"].iloc[0])
        figures = f"{criterion} {after:.3f} after, {before:.3f} before, on the last {self.holdout} rows"
        if self.stopped == "interrupted":
            decided = "training was interrupted, so the network stays as it was"
        elif not self.replaced:
            decided = "that is no better, so the network stays as it was"
        else:
            decided = "the network is replaced" + (", as was forced" if self.forced else "")
        rival = "" if best in (BEFORE, AFTER) else f" The {best} forecast beats both there."
        return f"{self.way.capitalize()} on {self.taught}; {figures}: {decided}.{rival}"


@dataclass(frozen=True, eq=False)
class _News:
    """A panel with new rows.

    Args:
        panel: Older and newer rows.
        known: Absolute row per series from which rows are new.
        stop: Absolute row per series from which rows judge.
        holdout: The most rows of a series that judge.
    """

    panel: Panel
    known: np.ndarray
    stop: np.ndarray
    holdout: int


def continue_training(
    self: Forecaster,
    X: Any,
    y: Any = None,
    *,
    refit: bool = False,
    force: bool = False,
    replay: float = REPLAY,
    holdout: int | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
    progress: Callable[[Progress], None] | None = None,
    interrupted: Callable[[], bool] | None = None,
    announce: Callable[[tuple[Choice, ...]], None] | None = None,
) -> Continuation:
    """Train on with newer rows, and keep the new network only if it forecasts the newest rows better.

    The rows are taken in any case, as by ``update``: the history grows and the intervals follow.

    Args:
        X: A table that continues the history, or the whole table; as for ``update``.
        y: Targets, after ``fit(X, y)``.
        refit: Train a new network of the same sizes on all rows at hand, instead of fine-tuning the weights; older
            rows than the history in the model count if the table holds them.
        force: Replace the network though it is no better.
        replay: Share of older windows among those that are learned from, 0 to less than 1; keeps a network from
            forgetting.
        holdout: Newest rows of each series that judge; None: a fifth of the new rows, at least a horizon.
        epochs: Passes over the windows; None: a third of the epochs that were best when it was fitted.
        learning_rate: Highest rate; None: half the usual one.
        progress: As for ``fit``.
        interrupted: As for ``fit``; a training that is interrupted replaces nothing.
        announce: As for ``fit``.

    Raises:
        InputError: There are too few new rows to learn from and to judge by, or as ``update`` raises.
        ParameterError: An argument is out of range, or the network cannot be fine-tuned.
        TrainingDiverged: The loss became non-finite; the forecaster stays as it was.

    Example:
        >>> import forecast
        >>> table = forecast.load_dataset("air_passengers")
        >>> model = forecast.Forecaster(horizon=3, context=24, units=8, epochs=1, preset="fast").fit(table[:-24])
        >>> found = model.continue_training(table)
        >>> found.holdout, sorted(found.comparison["method"])[:2], len(model.predict())
        (4, ['after', 'before'], 3)
    """
    fitted = self._fitted()
    _check(fitted, refit=refit, replay=replay, holdout=holdout, epochs=epochs, learning_rate=learning_rate)
    given = newer_panel(self, X, y)
    news = _news(fitted, given, holdout)
    listeners = Listeners(progress, interrupted, tuple(self.callbacks), announce)
    options = options_of(self)
    if refit:
        options = replace(options, learning_rate=learning_rate or options.learning_rate)
        options = options if epochs is None else replace(options, epochs=epochs, steps=None)
        new = _refitted(self, fitted, news, options, listeners)
        taught = f"{new.rows:,} rows"
    else:
        new, taught = _fine_tuned(fitted, news, replay, (epochs, learning_rate), options, listeners)
    comparison = _beside(fitted, new, news)
    stopped = new.network.record.stopped
    found = Continuation(
        "refitted" if refit else "fine-tuned", taught, False, False, comparison, news.holdout, stopped
    )
    before, after = found.scores()
    better = after < before
    if stopped == "interrupted" or not (better or force):
        self.fitted_ = updated(fitted, given)
        return found
    found = replace(found, replaced=True, forced=not better)
    why = f"{comparison.attrs['criterion']} {after:.3f} after, {before:.3f} before"
    told = (Choice("last training", f"{found.way} on {taught}", "", why),)
    new = updated(replace(new, comparison=_as_comparison(comparison)), news.panel)
    told = (*new.choices, *told) if refit else told
    chosen_anew = {choice.what for choice in told}
    self.choices_ = (*(choice for choice in self.choices_ if choice.what not in chosen_anew), *told)
    self.fitted_ = new
    return found


def _check(fitted: Fitted, *, refit: bool, replay: float, **numbers: Any) -> None:
    if not 0 <= replay < 1:
        raise ParameterError(f"replay must be at least 0 and less than 1; got {replay!r}.")
    check_positive(**{name: numbers[name] for name in ("holdout", "epochs") if numbers[name] is not None})
    rate = numbers["learning_rate"]
    if rate is not None and not 0 < rate < np.inf:
        raise ParameterError(f"learning_rate must be a positive number; got {rate!r}.")
    if fitted.network.stateful and not refit:
        raise ParameterError(
            "A network that carries its state is not fine-tuned: its weights and the states it keeps belong "
            "together. Pass refit=True (--refit), or update without training."
        )


def _news(fitted: Fitted, given: Panel, holdout: int | None) -> _News:
    """Find the rows that are new, and those of them that judge.

    Raises:
        InputError: They are too few.
    """
    stored, horizon = fitted.history, fitted.setting.horizon
    panel = continued(stored, given)
    if _holds(given, stored):
        # With rows older than those in the model.
        panel = given
    place, begin = {name: k for k, name in enumerate(stored.ids)}, panel.offsets[:-1]
    which = np.array([place.get(name, -1) for name in panel.ids])
    ends = stored.times_at(stored.ends)[which]
    rows = np.where(which >= 0, panel.step.positions(ends, panel.starts), 0)
    known = np.clip(begin + rows.astype(np.int64), begin, panel.ends)
    new = panel.ends - known
    most = int(new.max())
    if holdout is None:
        holdout = max(horizon, most // 5)
    stop = np.maximum(panel.ends - holdout, known)
    if most <= holdout or holdout < horizon or not any_held_out(panel, fitted.setting, stop):
        raise InputError(
            f"The table has {most:,} new rows; {max(holdout, horizon) + 1:,} are needed, the last "
            f"{max(holdout, horizon):,} to judge and those before to learn from. Take them without training (update, "
            "--no-training) until there are more."
        )
    return _News(panel, known, stop, holdout)


def _holds(given: Panel, stored: Panel) -> bool:
    """Say whether a table holds every stored series from its first stored row on, so that it can stand alone."""
    place = {name: i for i, name in enumerate(given.ids)}
    if not all(name in place for name in stored.ids):
        return False
    which = [place[name] for name in stored.ids]
    return bool((given.step.positions(stored.starts, given.starts[which]) >= 0).all())


def _fine_tuned(
    fitted: Fitted,
    news: _News,
    replay: float,
    wishes: tuple[int | None, float | None],
    options: Options,
    listeners: Listeners,
) -> tuple[Fitted, str]:
    """Train a copy of the network further on windows of new rows and of older ones."""
    old, (epochs, rate) = fitted.network, wishes
    model = old.architecture.build(old.spec, options.builder)
    model.set_weights(old.model.get_weights())
    tuned = replace(old, model=model, members=())
    windows, fresh = _lessons(tuned, news, replay)
    taught = f"{fresh:,} windows of new rows and {len(windows) - fresh:,} of older ones"
    if listeners.announce is not None:
        listeners.announce((Choice("fine-tuning", taught, "--refit", "for a new network"),))
    if epochs is None:
        epochs = -(-max(old.record.best_epoch, 1) // 3)
    records = []
    for part, spec in tuned.parts:
        # As many steps an epoch as a fit on these windows has; the preset decides.
        plan = replace(plan_of(part, windows, replace(options, epochs=None), spec), epochs=epochs)
        plan = plan if rate is None else replace(plan, learning_rate=rate)
        compile_model(part, loss_of(options, spec), plan, copied(options.optimizer))
        plan = at_half_rate(part, plan) if rate is None else plan
        own = replace(windows, context=spec.context)
        records.append(train(part, own, None, plan, listeners=listeners))
    tuned = replace(tuned, record=reduce(joined, records, old.record))
    cut = news.panel.cut(news.stop)
    new = replace(
        fitted,
        network=tuned,
        scales=fitted.scales_of(cut),
        history=history_of(cut, fitted.setting, tuned.extras),
        rows=fitted.rows + int((news.stop - news.known).sum()),
        trained=tuple(dict.fromkeys((*fitted.trained, *cut.ids))),
    )
    return new, taught


def _lessons(network: Network, news: _News, replay: float) -> tuple[Windows, int]:
    """Return windows to learn from, by series and time, and how many of them hold new rows."""
    panel, horizon = news.panel, network.spec.horizon
    scales = error_scales(panel, network.spec.season, news.stop)
    fresh = network.windows(panel, first=news.known - horizon + 1, stop=news.stop, scales=scales)
    older = network.windows(panel, stop=news.known, scales=scales)
    if not len(fresh):
        raise InputError(
            f"No window of context {network.spec.context} and horizon {horizon} holds new rows to learn from; give "
            "more rows, or update without training (--no-training)."
        )
    share = round(len(fresh) * replay / (1 - replay))
    older = older.thin(share) if share and len(older) else older.subset(np.arange(0))
    series, origins = (
        np.concatenate([getattr(w, name) for w in (older, fresh)]) for name in ("series", "origins")
    )
    sorted_ = np.lexsort((origins, series))
    return replace(fresh, series=series[sorted_], origins=origins[sorted_]), len(fresh)


def _refitted(
    self: Forecaster, fitted: Fitted, news: _News, options: Options, listeners: Listeners
) -> Fitted:
    """Fit anew, with the sizes of the old fit, on all rows before those that judge."""
    setting = fitted.setting
    wishes = replace(
        wishes_of(self, options, arrays=self.from_arrays_),
        horizon=setting.horizon,
        context=setting.context,
        season=setting.season,
        short=setting.short,
    )
    return fit_panel(
        news.panel.cut(news.stop),
        fitted.contract,
        options,
        wishes,
        listeners=listeners,
        refit=self.refit,
        blend=self.method == AUTO,
        gated=self.method == BEST,
    )


def _beside(fitted: Fitted, new: Fitted, news: _News) -> pd.DataFrame:
    """Set the network before, the network after and the baselines beside each other on the rows that judge."""
    trials = [hold_trial(one.network, news.panel, fitted.setting, news.stop) for one in (fitted, new)]
    before, after = trials
    forecasts = {BEFORE: before.forecasts.pop(NETWORK), AFTER: after.forecasts[NETWORK]} | before.forecasts
    return compare(replace(before, forecasts=forecasts), ours=(BEFORE, AFTER))


def _as_comparison(table: pd.DataFrame) -> pd.DataFrame:
    """Return a comparison of the network that stays with the baselines."""
    found = table[table["method"] != BEFORE].replace({"method": {AFTER: NETWORK}}).reset_index(drop=True)
    found.attrs = table.attrs
    return found
