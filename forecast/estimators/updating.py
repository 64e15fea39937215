"""Let a fitted estimator's calibration follow the errors that newer rows show; nothing is trained.

A score is new if its row is: of the windows from every origin that rows of this update decide, each step is
used once, in the update that brings its row. Where columns must be known ahead, a window waits until they are
known over its whole horizon, since its forecast could not be made before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.data.panel import Panel, within
from forecast.data.scale import error_scales
from forecast.data.windows import Windows, make_windows
from forecast.estimators.fitting import Fitted, history_of, standing_rows
from forecast.estimators.joining import continued
from forecast.estimators.realised import Realised
from forecast.evaluation.adaptive import Adaptation, adapted, typical_score
from forecast.evaluation.blending import blended
from forecast.evaluation.comparison import AUTO, NETWORK, baseline_forecasts, memory_of
from forecast.evaluation.intervals import ConformalShift, conformal_scores
from forecast.evaluation.widths import series_of

if TYPE_CHECKING:
    from forecast.estimators.baseline import FittedBaseline


@dataclass(frozen=True, eq=False)
class News:
    """Windows that newer rows decide.

    Args:
        windows: From every origin one of whose steps is new.
        new: Which steps are; axes: windows, horizon.
        times: Origin of each window on one clock for all series; axes: windows.
    """

    windows: Windows
    new: NDArray[np.bool_]
    times: NDArray[np.int64]

    def scores(self, base: np.ndarray, shift: ConformalShift) -> np.ndarray:
        """Score base forecasts of the windows where they are new, as if of the pool's widths; NaN elsewhere."""
        windows = self.windows
        actual = np.where(self.new[:, :, None], windows.actual(np.arange(len(windows))), np.nan)
        scores = conformal_scores(actual, base, windows.scales[windows.series][:, None, :])
        return shift.relative(scores, series_of(windows))


def updated(fitted: Fitted, given: Panel) -> Fitted:
    """Lay newer rows behind the history, and let the calibration of every method follow their errors.

    Args:
        fitted: A fitted forecaster; its network stays as it is.
        given: Newer rows, or the whole table.

    Returns:
        The same with a longer history, moved shifts and more realised; series that are new begin with this
        history, and their later rows count.
    """
    panel = continued(fitted.history, given)
    scales, spec = fitted.scales_of(panel), fitted.network.spec
    none = fitted.network.windows(panel, scales=scales, first=panel.ends)
    news = find_news(fitted.history, none, 1 if spec.padded else spec.context)
    stands = fitted.network.standing_at(panel, standing_rows(panel, spec.horizon))
    history = history_of(panel, fitted.setting, fitted.network.extras)
    fitted = replace(fitted, history=history, scales=scales)
    if not len(news.windows) or len(spec.quantiles) < 2:
        return replace(fitted, network=stands)
    found = adaptations(fitted, news)
    shift = found[NETWORK].shift if NETWORK in found else fitted.network.shift
    shifts = {name: found[name].shift for name in fitted.shifts}
    return replace(
        fitted,
        network=replace(stands, shift=shift),
        shifts=shifts,
        realised=_grown(fitted.realised, found),
    )


def updated_baseline(fitted: FittedBaseline, method: str, given: Panel) -> FittedBaseline:
    """Do for a baseline what ``updated`` does for a forecaster."""
    panel, setting = continued(fitted.history, given), fitted.setting
    place = {name: k for k, name in enumerate(fitted.history.ids)}
    measured = error_scales(panel, setting.season)
    scales = np.array(
        [fitted.scales[place[n]] if n in place else measured[i] for i, n in enumerate(panel.ids)]
    )
    none = make_windows(
        panel, context=1, horizon=setting.horizon, first=panel.ends, short="drop", scales=scales
    )
    news = find_news(fitted.history, none, max(setting.season, 1))
    kept = memory_of(setting.season) + setting.horizon
    fitted = replace(fitted, history=panel.tail(kept), scales=scales)
    if not len(news.windows) or fitted.shift is None:
        return fitted
    point = baseline_forecasts(method, news.windows, setting.season)
    found = _adapt(fitted.shift, news, point, fitted.template)
    return replace(fitted, shift=found.shift, realised=_grown(fitted.realised, {method: found}))


def find_news(stored: Panel, windows: Windows, least: int) -> News:
    """Find the windows and steps that rows behind the stored ones decide.

    Args:
        stored: The history before.
        windows: Over the longer panel, of the right sizes and scales; its own origins, if any, do not matter.
        least: Rows that must precede an origin.
    """
    panel, horizon = windows.panel, windows.horizon
    begin, place = panel.offsets[:-1], {name: k for k, name in enumerate(stored.ids)}
    which = np.array([place.get(name, -1) for name in panel.ids])
    known = np.where(which >= 0, begin + (stored.ends - stored.offsets[:-1])[which], panel.ends)
    # Up to where columns known ahead are known: everywhere if there are none.
    reached = np.where(which >= 0, begin + stored.lengths[which], panel.offsets[1:])
    reaches = panel.offsets[1:]
    if not panel.columns.known_future:
        reached = reaches = np.full(len(panel), np.iinfo(np.int64).max)
    first = np.maximum(known - horizon + 1, begin + least)
    counts = np.maximum(panel.ends - first, 0)
    series = np.repeat(np.arange(len(panel), dtype=np.int32), counts)
    origins = within(counts) + first[series]
    row = origins[:, None] + np.arange(horizon)
    last = row[:, -1]
    now = (row < panel.ends[series][:, None]) & (last < reaches[series])[:, None]
    before = (row < known[series][:, None]) & (last < reached[series])[:, None]
    new = now & ~before
    useful = new.any(axis=1)
    windows = replace(windows, series=series[useful], origins=origins[useful])
    times = _clock(panel)[windows.series] + windows.origins - begin[windows.series]
    return News(windows, new[useful], times)


def adaptations(fitted: Fitted, news: News) -> dict[str, Adaptation]:
    """Adapt every calibration of a forecaster.

    The weighted mean is judged as it was forecast: by its parts with the shifts known at each origin.

    Returns:
        By method; a network that is not calibrated is left out.
    """
    network, season = fitted.network, fitted.setting.season
    bases: dict[str, np.ndarray] = {NETWORK: network.quantiles(news.windows)}
    shifts = ({NETWORK: network.shift} if network.shift is not None else {}) | fitted.shifts
    found: dict[str, Adaptation] = {}
    for name, shift in shifts.items():
        if name == AUTO:
            continue
        if name != NETWORK:
            bases[name] = baseline_forecasts(name, news.windows, season)
        found[name] = _adapt(shift, news, bases[name], fitted.templates.get(name))
    if AUTO in shifts:
        parts = {name: _as_forecast(bases[name], found.get(name), news) for name in fitted.weights}
        mean = blended(parts, fitted.weights)
        found[AUTO] = _adapt(shifts[AUTO], news, mean, fitted.templates.get(AUTO))
    return found


def _adapt(shift: ConformalShift, news: News, base: np.ndarray, template: np.ndarray | None) -> Adaptation:
    unit = 1.0 if template is None else typical_score(template)
    return adapted(shift, news.scores(base, shift), times=news.times, unit=unit)


def _as_forecast(base: np.ndarray, found: Adaptation | None, news: News) -> np.ndarray:
    """Return quantile forecasts of the windows with the shift that was known at each origin."""
    if found is None:
        return base
    used = found.used[np.searchsorted(found.times, news.times)]
    shift = replace(found.shift, shift=used)
    scales, series = news.windows.scales[news.windows.series][:, None, :], series_of(news.windows)
    apply = shift.apply if base.ndim == used.ndim else shift.apply_point
    return apply(base, scales, series)


def _grown(realised: dict[str, Realised], found: dict[str, Adaptation]) -> dict[str, Realised]:
    more = {name: Realised.of(adaptation) for name, adaptation in found.items()}
    return {name: realised[name] + seen if name in realised else seen for name, seen in more.items()}


def _clock(panel: Panel) -> NDArray[np.int64]:
    """Return the step at which each series begins, counted from the earliest."""
    earliest = panel.starts.min()
    found = panel.step.positions(panel.starts, earliest)
    if np.isnan(found).any():
        # Series whose steps lie between those of others: the whole steps since the earliest.
        distance = panel.starts - earliest
        seconds = distance.total_seconds() if hasattr(distance, "total_seconds") else np.asarray(distance)
        length = panel.step.seconds if hasattr(distance, "total_seconds") else panel.step.count
        found = np.where(np.isnan(found), np.floor(np.asarray(seconds) / length), found)
    return found.astype(np.int64)
