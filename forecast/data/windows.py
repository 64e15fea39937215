"""Windows as an index of (series, row) into a panel; rows are gathered batch by batch, never copied."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from forecast.data.gathering import take, take_calendar, take_lagged
from forecast.data.panel import Panel, within
from forecast.errors import InputError, ParameterError

SHORT = ("error", "drop", "pad")
# Windows judged at once: keeps what is only needed for judging small.
_BLOCK = 65_536

# Inputs by name, targets and weights.
Batch = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Windows:
    """Training or prediction windows over a panel.

    Window ``i`` sees the ``context`` rows before ``origins[i]`` and is asked for the ``horizon``
    rows from ``origins[i]`` on. Series shorter than the context are laid at the left and padded at
    the right; ``length`` says how many rows are real.

    Args:
        panel: Where the rows are.
        context: Rows seen.
        horizon: Rows asked for.
        series: Series number of each window, int32, shape ``(windows,)``.
        origins: Absolute row of the first horizon step, int64, shape ``(windows,)``.
        scales: Size of a typical error per series and target, shape ``(series, targets)``: errors are
            divided by it in the loss, so that large series do not drown small ones.
        static: Encoded static covariates, float32, shape ``(series, features)``.
        padded: Whether batches carry ``length``.
        calendar: Features of every grid row and of enough rows behind each series' end, and their offsets (see
            ``Calendar.rows``); None for none.
        lags: How many rows earlier the target is shown beside each row of a window.
        categories: Code of each static category, 0 for an unseen one, int32, shape ``(series, columns)``.
        numbers: Place of each series' id among those that training knew, from 1; 0 if unseen. int32,
            shape ``(series,)``.
        stops: Absolute row per series from which on nothing of the panel is looked at; None for all of it.
        reach: Rows from each origin on that are looked at; None for the whole horizon.

    Example:
        >>> from forecast.data.gridding import to_panel
        >>> from forecast.data.table import read_table
        >>> panel = to_panel(read_table({"y": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]}, target=("y",)))
        >>> windows = make_windows(panel, context=3, horizon=2)
        >>> print(windows)
        2 windows over 1 series: context 3 (rows -3..-1), horizon 2 (rows 0..1)
        >>> inputs, targets, weights = windows.batch(np.array([1]))
        >>> inputs["target"][0, :, 0], targets[0, :, 0]
        (array([1., 2., 3.]), array([4., 5.]))
    """

    panel: Panel
    context: int
    horizon: int
    series: np.ndarray
    origins: np.ndarray
    scales: np.ndarray
    static: np.ndarray
    padded: bool = False
    calendar: tuple[np.ndarray, np.ndarray] | None = None
    lags: tuple[int, ...] = ()
    categories: np.ndarray | None = None
    numbers: np.ndarray | None = None
    stops: np.ndarray | None = None
    reach: int | None = None

    def __len__(self) -> int:
        return len(self.origins)

    def __str__(self) -> str:
        names = len(np.unique(self.series))
        return (
            f"{len(self):,} windows over {names:,} series: context {self.context} (rows -{self.context}..-1), "
            f"horizon {self.horizon} (rows 0..{self.horizon - 1})"
        )

    @cached_property
    def _targets(self) -> int:
        return len(self.panel.columns.target)

    def inputs(self, which: np.ndarray) -> dict[str, np.ndarray]:
        """Gather what the model may see.

        Rows of a short context stand at the left, those of the horizon always from index ``context`` on.

        Returns:
            ``target`` float64 ``(batch, context, targets)``; and where there are such
            ``past_only`` ``(batch, context, columns)``, ``known_future``
            ``(batch, context + horizon, columns)``, ``static`` ``(batch, features)``,
            ``length`` int32 ``(batch,)``, ``calendar`` float32 ``(batch, context + horizon, features)``, zero where
            padded; ``lagged`` float64 ``(batch, context + horizon, lags * targets)``, the target of all channels at
            the first lag, then at the second, missing before the series begins and from the origin on;
            ``categories`` int32 ``(batch, columns)``, ``series`` int32 ``(batch,)``. NaN marks missing values.

        Raises:
            InputError: A window has fewer rows before it than the context, and padding was not asked for.
            ParameterError: The calendar features end before a window does.
        """
        columns, values = self.panel.columns, self.panel.values
        origin, series = self.origins[which], self.series[which]
        length = np.minimum(origin - self.panel.offsets[series], self.context)
        self._check_history(series, length)
        seen = (origin - length)[:, None] + np.arange(self.context)
        real = np.arange(self.context) < length[:, None]
        past = take(values, seen, real if self.padded else None)
        known = slice(self._targets, self._targets + len(columns.known_future))
        batch = {"target": np.ascontiguousarray(past[:, :, : self._targets])}
        if columns.past_only:
            batch["past_only"] = np.ascontiguousarray(past[:, :, known.stop :])
        if columns.known_future:
            future = take(values[:, known], *self._ahead(which))
            batch["known_future"] = np.concatenate([past[:, :, known], future], axis=1)
        if self.calendar is not None or self.lags:
            steps = np.concatenate([seen, self._ahead(which)[0]], axis=1)
            real = np.pad(real, ((0, 0), (0, self.horizon)), constant_values=True)
            batch |= self._of_time(series, origin, steps, real)
        batch |= self.of_series(series)
        if self.padded:
            batch["length"] = length.astype(np.int32)
        return batch

    def actual(self, which: np.ndarray) -> np.ndarray:
        """Gather the target's true values over the horizon, NaN where missing, past the end or not to be looked at.

        Returns:
            float64, shape ``(batch, horizon, targets)``.
        """
        return take(self.panel.targets, *self._ahead(which))

    def _ahead(self, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of the horizon, ``(batch, horizon)``, and which of them may be looked at."""
        series = self.series[which]
        end = self.panel.offsets[series + 1]
        if self.stops is not None:
            end = np.minimum(end, self.stops[series])
        if self.reach is not None:
            end = np.minimum(end, self.origins[which] + self.reach)
        rows = self.origins[which][:, None] + np.arange(self.horizon)
        return rows, rows < end[:, None]

    def _of_time(
        self, series: np.ndarray, origin: np.ndarray, steps: np.ndarray, real: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Gather calendar features and lagged targets over context and horizon."""
        batch, begin = {}, self.panel.offsets[series]
        if self.calendar is not None and self.calendar[0].shape[1]:
            batch["calendar"] = take_calendar(self.calendar, series, steps - begin[:, None], real)
        if self.lags:
            # A padded row stands before the series as it were: whatever its lag, nothing is known there.
            steps = steps if real.all() else np.where(real, steps, -1)
            batch["lagged"] = take_lagged(self.panel.targets, steps, (begin, origin), self.lags)
        return batch

    def of_series(self, series: np.ndarray) -> dict[str, np.ndarray]:
        """Gather what is constant in each of some series."""
        batch = {}
        if self.static.shape[1]:
            batch["static"] = self.static[series]
        if self.categories is not None and self.categories.shape[1]:
            batch["categories"] = self.categories[series]
        if self.numbers is not None:
            batch["series"] = self.numbers[series]
        return batch

    def batch(self, which: np.ndarray) -> Batch:
        """Gather inputs, targets and weights.

        A missing target has weight 0 and value 0, and so has a target whose context holds no
        observed value; other weights are 1 / scale of the series.

        Returns:
            ``inputs`` (see there), ``targets`` and ``weights``, both float64 ``(batch, horizon, targets)``.
        """
        inputs, targets = self.inputs(which), self.actual(which)
        level_known = ~np.isnan(inputs["target"]).all(axis=1, keepdims=True)
        usable = ~np.isnan(targets) & level_known
        weights = usable / self.scales[self.series[which]][:, None, :]
        return inputs, np.where(usable, targets, 0.0), weights

    def subset(self, which: np.ndarray) -> Windows:
        """Keep only the windows with these numbers."""
        return replace(self, series=self.series[which], origins=self.origins[which])

    def thin(self, most: int) -> Windows:
        """Keep at most ``most`` windows, evenly spaced over all of them, the first (if not 1) and last included."""
        check_positive(most=most)
        if len(self) <= most:
            return self
        return self.subset(np.linspace(len(self) - 1, 0, most).round().astype(np.int64)[::-1])

    def _check_history(self, series: np.ndarray, length: np.ndarray) -> None:
        least = 1 if self.padded else self.context
        if (length >= least).all():
            return
        worst = int(length.argmin())
        name = self.panel.ids[series[worst]]
        who = f"Series {name!r}" if self.panel.columns.id is not None else "The series"
        raise InputError(
            f"{who} has {length[worst]} rows before a window; context {self.context} needs {least}."
        )


def make_windows(
    panel: Panel,
    *,
    context: int,
    horizon: int,
    first: np.ndarray | None = None,
    stop: np.ndarray | None = None,
    short: str = "error",
    scales: np.ndarray | None = None,
    static: np.ndarray | None = None,
    partial: int | None = None,
    **inputs: Any,
) -> Windows:
    """List every window whose horizon lies in ``[first, stop)`` of its series.

    Windows without any observed target in their context or in their horizon are left out.

    Args:
        panel: Series to look at.
        context: Rows seen, at least 1.
        horizon: Rows asked for, at least 1.
        first: Absolute row per series before which no horizon may begin; default: the series' start.
        stop: Absolute row per series that no horizon may pass; default: after its last observed target.
        short: Series without a single window are an error (``"error"``, unless ``first`` is given), left out
            (``"drop"``), or used with whatever history they have (``"pad"``).
        scales: Typical error per series and target; default 1.
        static: Encoded static covariates per series; default none.
        partial: List windows too whose horizon runs past ``stop``, as long as so many of its rows lie before it.
            What lies at ``stop`` and behind is then missing in every window, known-future covariates included.
            Default: the whole horizon must.
        inputs: ``calendar``, ``lags``, ``categories`` and ``numbers``, see ``Windows``.

    Returns:
        Windows by series, then by time; possibly none unless ``short`` is ``"error"``.

    Raises:
        InputError: Series are too short, named with what they need; or no window is left (unless that was allowed).
    """
    need = horizon if partial is None else partial
    check_positive(context=context, horizon=horizon, partial=need)
    if short not in SHORT:
        raise ParameterError(f"short must be one of {', '.join(SHORT)}; got {short!r}.")
    need = min(need, horizon)
    begin, stop = panel.offsets[:-1], panel.ends if stop is None else np.minimum(stop, panel.offsets[1:])
    least = np.maximum(begin + (1 if short == "pad" else context), begin if first is None else first)
    counts = np.maximum(stop - need + 1 - least, 0)
    if short == "error" and first is None:
        _check_lengths(
            panel, stop - begin, context + need, f"context {context} and {_rows_ahead(need, horizon)}"
        )
    series = np.repeat(np.arange(len(panel), dtype=np.int32), counts)
    origins = within(counts)
    origins += np.repeat(least, counts)
    keep = _useful(panel, stop, series, origins, (context, horizon))
    if not keep.all():
        series, origins = series[keep], origins[keep]
    if short == "error" and first is None and not len(origins):
        raise InputError(
            f"No window has an observed target both in its context of {context} rows and in its horizon of {horizon}; "
            "raise --context or --horizon, or fill gaps."
        )
    if scales is None:
        scales = np.ones((len(panel), len(panel.columns.target)))
    if static is None:
        static = np.zeros((len(panel), 0), dtype=np.float32)
    found = Windows(panel, context, horizon, series, origins, scales, static, short == "pad", **inputs)
    return found if partial is None else replace(found, stops=stop)


def last_windows(windows: Windows) -> Windows:
    """Return one window per series of the same panel, asking for the rows after its last observed target.

    Series that have no history for it are refused once the window is gathered.
    """
    series = np.arange(len(windows.panel), dtype=np.int32)
    return replace(windows, series=series, origins=windows.panel.ends.astype(np.int64), stops=None)


def order(windows: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order in which an epoch visits its windows: a function of (seed, epoch) alone.

    Example:
        >>> (order(5, seed=1, epoch=0) == order(5, seed=1, epoch=0)).all()
        np.True_
    """
    return np.random.default_rng((seed, epoch)).permutation(windows)


def order_by_series(series: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """Return an order in which every series is visited equally often: a function of (seed, epoch) alone.

    As many windows are visited as there are. A series with few windows has all of them visited again and again,
    none once more than another; of one with many only some are, others in every epoch.

    Args:
        series: Series number of each window.
        seed: Seed of the order.
        epoch: Which pass.

    Example:
        >>> series = np.array([0, 0, 0, 0, 0, 1])
        >>> np.bincount(series[order_by_series(series, seed=0, epoch=0)])
        array([3, 3])
    """
    draw = np.random.default_rng((seed, epoch))
    _, number, sizes = np.unique(series, return_inverse=True, return_counts=True)
    quota = np.full(len(sizes), len(series) // max(len(sizes), 1))
    quota[draw.permutation(len(sizes))[: len(series) - int(quota.sum())]] += 1
    # Whole passes over the windows of a series, each shuffled; of the last only as many as are still due.
    passes = -(-quota // sizes)
    entry, owner = within(passes * sizes), np.repeat(np.arange(len(sizes)), passes * sizes)
    begins = np.cumsum(sizes) - sizes
    window = np.argsort(number, kind="stable")[begins[owner] + entry % sizes[owner]]
    turn = (np.cumsum(passes) - passes)[owner] + entry // sizes[owner]
    shuffled = window[np.argsort(turn + draw.random(len(turn)))]
    return draw.permutation(shuffled[entry < quota[owner]])


def check_positive(**numbers: int) -> None:
    """Refuse numbers that are not whole and at least 1."""
    for name, value in numbers.items():
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
            raise ParameterError(f"{name} must be a whole number of at least 1; got {value!r}.")


def _useful(
    panel: Panel, stop: np.ndarray, series: np.ndarray, origins: np.ndarray, sizes: tuple[int, int]
) -> np.ndarray:
    """Say which windows have something observed both in their context and in their horizon before ``stop``."""
    context, horizon = sizes
    keep = np.ones(len(origins), dtype=bool)
    observed = ~np.isnan(panel.targets).all(axis=1)
    if observed.all():
        return keep
    count = np.zeros(panel.rows + 1, dtype=np.int64)
    np.cumsum(observed, out=count[1:])
    for block in range(0, len(origins), _BLOCK):
        part = slice(block, block + _BLOCK)
        origin = origins[part]
        begin = np.maximum(origin - context, panel.offsets[series[part]])
        end = np.minimum(origin + horizon, stop[series[part]])
        keep[part] = (count[origin] > count[begin]) & (count[end] > count[origin])
    return keep


def _rows_ahead(need: int, horizon: int) -> str:
    return f"horizon {horizon}" if need == horizon else f"{need} of the {horizon} rows of the horizon"


def _check_lengths(panel: Panel, rows: np.ndarray, least: int, sizes: str) -> None:
    """Refuse series with fewer rows to learn from than one window has."""
    short = np.flatnonzero(np.asarray(rows) < least)
    if not len(short):
        return
    need = f"{sizes} need at least {least}. Lower --context or --horizon"
    if panel.columns.id is None:
        raise InputError(f"The series has {rows[0]} rows; {need}, or pass --short pad.")
    named = ", ".join(f"{panel.ids[i]!r} has {rows[i]} rows" for i in short[:5])
    more = f" and {len(short) - 5:,} more" if len(short) > 5 else ""
    raise InputError(
        f"{len(short):,} of {len(panel):,} series are too short: {named}{more}; {need}, or pass --short pad or "
        "--short drop."
    )
