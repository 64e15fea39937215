"""Alarms that came against alarms that were asked for, over many rates at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import beta

from forecast.detection.rarity import held
from forecast.detection.tables import Found
from forecast.errors import InputError

# Evidence much commoner than what is asked for does not count, so that it cannot be ranked.
_REACH = 3
LEVELS = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)


def calibration_table(
    found: Sequence[Found], rate: float, *, hold: int = 0, confidence: float = 0.9
) -> pd.DataFrame:
    """Count the alarms there would be at each rate.

    Args:
        found: From a detector.
        rate: The one it was asked for, which stands among the others.
        hold: Rows for which an alarm keeps back those that do not exceed it by a decade.
        confidence: Of the binomial intervals (Clopper and Pearson), as if rows were independent.

    Returns:
        One row a rate, from three times the one asked for down to what the rows can show: ``rate``, ``rows``,
        ``asked`` and ``alarms`` in them, ``realised`` as a share of rows with ``low`` and ``high``, and ``ratio`` of
        realised to asked.

    Raises:
        InputError: There are no rows.
    """
    rows = sum(int((~np.isnan(one.evidence.p)).sum()) for one in found)
    if not rows:
        raise InputError("There are no rows to count alarms in.")
    shown = (level for level in LEVELS if level <= _REACH * rate and level * rows >= 1)
    rates = np.array(sorted({rate, *shown}, reverse=True))
    alarms = np.array([sum(_alarms(one, level, hold) for one in found) for level in rates])
    tail = (1 - confidence) / 2
    # With no alarm the lower end is 0, with nothing but alarms the upper one is 1; the formula gives NaN there.
    low = np.nan_to_num(beta.ppf(tail, alarms, rows - alarms + 1))
    high = np.nan_to_num(beta.ppf(1 - tail, alarms + 1, rows - alarms), nan=1.0)
    table = {"rate": rates, "rows": rows, "asked": rates * rows, "alarms": alarms}
    realised = alarms / rows
    return pd.DataFrame(table | {"realised": realised, "low": low, "high": high, "ratio": realised / rates})


def _alarms(found: Found, rate: float, hold: int) -> int:
    rare = np.nan_to_num(found.evidence.p, nan=1.0) <= rate
    return int(np.count_nonzero(held(found.evidence.total, rare, hold)))
