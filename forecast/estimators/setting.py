"""Choose what the user left open: season, horizon, context, and how many rows to keep back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecast.data.panel import Panel
from forecast.data.season import find_period, find_season
from forecast.data.table import Choice
from forecast.data.windows import SHORT, check_positive
from forecast.errors import InputError, ParameterError
from forecast.evaluation.intervals import smallest_n

FEWEST_ROWS = 20
LONGEST_CONTEXT = 336


@dataclass(frozen=True)
class Setting:
    """Sizes of a fit, all in rows.

    Args:
        horizon: Rows forecast.
        context: Rows seen.
        season: Rows of a season, 1 for none.
        holdout: Rows at each series' end kept for comparing methods; 0 for no comparison.
        validation: Rows before them (or at the end) kept for early stopping and calibration.
        short: What happens to series shorter than a window: error, drop or pad.
        period: Rows of the longest season that the context holds twice.
    """

    horizon: int
    context: int
    season: int
    holdout: int
    validation: int
    short: str
    period: int = 1


@dataclass(frozen=True)
class Wishes:
    """What the user fixed; None leaves it open.

    Args:
        model: Architecture; segment-wise ones see longer contexts, as they cost less.
    """

    horizon: int | None = None
    context: int | None = None
    season: int | None = None
    holdout: int | None = None
    short: str | None = None
    quantiles: tuple[float, ...] = ()
    validation: int | None = None
    model: str = "auto"


def choose_setting(panel: Panel, wishes: Wishes) -> tuple[Setting, tuple[Choice, ...]]:
    """Choose every size that the user left open.

    Args:
        panel: The whole table.
        wishes: What is fixed.

    Returns:
        The setting, and a choice for each size that was not fixed.

    Raises:
        InputError: There are too few rows for what is asked.

    Example:
        >>> from forecast.data.gridding import to_panel
        >>> from forecast.data.table import read_table
        >>> wave = np.sin(np.arange(240) * 2 * np.pi / 12)
        >>> panel = to_panel(read_table({"y": wave}, target=("y",)))
        >>> setting, choices = choose_setting(panel, Wishes(quantiles=(0.1, 0.5, 0.9)))
        >>> setting.season, setting.horizon, [c.flag for c in choices]
        (12, 12, ['--season', '--horizon', '--context', '--holdout'])
    """
    _check(wishes)
    lengths = panel.ends - panel.offsets[:-1]
    rows = int(np.quantile(lengths[lengths > 0], 0.1)) if (lengths > 0).any() else 0
    if not rows:
        raise InputError(f"No value of {', '.join(panel.columns.target)} is observed: every cell is empty.")
    if lengths.max() < FEWEST_ROWS and (wishes.horizon is None or wishes.context is None):
        raise InputError(
            f"The longest series has {lengths.max()} rows; at least {FEWEST_ROWS} are needed to learn from. "
            "Collect more, or give both --horizon and --context to try all the same."
        )
    season = find_season(panel) if wishes.season is None else wishes.season
    horizon, why = _horizon(panel, season, rows) if wishes.horizon is None else (wishes.horizon, "")
    period = find_period(panel, season)
    wanted = _wanted(wishes, horizon, season, period)
    holdout, validation, context = _sizes(wishes, rows, len(panel), horizon, season, wanted)
    short, padded = _short(wishes, lengths, context, horizon)
    period = period if 2 * period <= context else season
    setting = Setting(horizon, context, season, holdout, validation, short, period)
    open_choices = (
        (
            wishes.season,
            Choice("season", f"{season} rows" if season > 1 else "none", "--season", "found in the values"),
        ),
        (wishes.horizon, Choice("horizon", f"{horizon} rows ahead", "--horizon", why)),
        (
            wishes.context,
            Choice("context", f"{context} rows seen", "--context", "what season, horizon and rows allow"),
        ),
        (
            wishes.holdout,
            Choice("held out", f"last {holdout} rows", "--holdout", "to compare with the baselines"),
        ),
    )
    choices = [choice for wish, choice in open_choices if wish is None]
    if wishes.short is None and len(padded):
        named = ", ".join(repr(panel.ids[i]) for i in padded[:5]) + (" …" if len(padded) > 5 else "")
        choices.append(
            Choice("short series", f"{len(padded)} padded: {named}", "--short", "shorter than a window")
        )
    return setting, tuple(choices)


def _horizon(panel: Panel, season: int, rows: int) -> tuple[int, str]:
    ahead = panel.offsets[1:] - panel.ends
    if panel.columns.known_future and ahead.min() > 0:
        return int(ahead.min()), "rows given after the last target"
    if season == 1:
        horizon, why = 12, "no season"
    elif season <= 7:
        horizon, why = 2 * season, "two seasons"
    else:
        horizon, why = (season, "one season") if season <= 31 else (season // 4, "a quarter of the season")
    longest = max(rows // 6, 1)
    return (horizon, why) if horizon <= longest else (longest, "a sixth of the rows")


def _wanted(wishes: Wishes, horizon: int, season: int, period: int) -> int:
    """Return the context to use where the rows allow it: two of the longest season, or four horizons."""
    longest = season if wishes.model == "rnn" else period
    return min(max(2 * longest, 4 * horizon, 24), LONGEST_CONTEXT)


def _sizes(
    wishes: Wishes, rows: int, series: int, horizon: int, season: int, wanted: int
) -> tuple[int, int, int]:
    """Return (holdout, validation, context): the first split of the rows that leaves enough to learn from."""
    # A third more windows than calibration needs, and one: some series are short, some rows missing.
    needed = max(map(smallest_n, wishes.quantiles), default=0)
    need = -(-4 * needed // (3 * series)) + 1
    usual = max(2 * horizon if rows >= 12 * horizon else horizon, rows // 10)
    holdout = usual if wishes.holdout is None else wishes.holdout
    validation = max(min(max(horizon + need - 1, rows // 10), rows // 4), horizon)
    if wishes.validation is not None:
        validation = wishes.validation
    tries = [(holdout, validation), (min(holdout, horizon), horizon), (0, horizon), (0, 0)]
    for held, kept in tries:
        if wishes.holdout is not None and held != wishes.holdout:
            continue
        if wishes.validation is not None and kept != wishes.validation:
            continue
        context = _context(wishes, rows - held - kept - horizon, (horizon, season, wanted))
        if context is not None:
            return held, kept, context
    if wishes.holdout is None or series > 1:
        # Nothing fits the shorter series: keep the usual sizes, and let padding or an error deal with them.
        return holdout, validation, wishes.context or max(season, horizon)
    raise InputError(
        f"The series has {rows} rows: too few for horizon {horizon}, context {wishes.context or 1} and "
        f"{wishes.holdout} held-out rows. Lower --holdout, --context or --horizon."
    )


def _context(wishes: Wishes, left: int, sizes: tuple[int, int, int]) -> int | None:
    """Return a context that leaves training windows in ``left`` rows (less the horizon), or None."""
    if wishes.context is not None:
        return wishes.context if left >= wishes.context else None
    horizon, season, wanted = sizes
    context, least = min(wanted, left // 2), min(max(season, horizon), 8)
    whole_seasons = context - context % season
    if whole_seasons >= least:
        context = whole_seasons
    return context if context >= least else None


def _short(wishes: Wishes, lengths: np.ndarray, context: int, horizon: int) -> tuple[str, np.ndarray]:
    too_short = np.flatnonzero(lengths < context + horizon)
    if wishes.short is not None:
        return wishes.short, too_short
    # With a context of the user's own choice a short series is the user's to decide about.
    return ("pad" if len(too_short) and wishes.context is None else "error"), too_short


def _check(wishes: Wishes) -> None:
    given = {k: v for k, v in vars(wishes).items() if k in ("horizon", "context", "season") and v is not None}
    check_positive(**given)
    if wishes.validation is not None:
        check_positive(validation=wishes.validation)
    if wishes.holdout is not None:
        check_positive(holdout=wishes.holdout + 1 if isinstance(wishes.holdout, int) else wishes.holdout)
    if wishes.short is not None and wishes.short not in SHORT:
        raise ParameterError(f"short must be one of {', '.join(SHORT)}; got {wishes.short!r}.")
