"""Alarms that came against alarms that were asked for, over many rates at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import beta

from forecast.detection.tables import Found
from forecast.errors import InputError

# Evidence much commoner than what is asked for does not count, so that it cannot be ranked.
_REACH = 3
LEVELS = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)


def calibration_table(found: Sequence[Found], rate: float, *, confidence: float = 0.9) -> pd.DataFrame:
    """Count the rows whose p-value is at most each rate.

    Args:
        found: From a detector.
        rate: The one it was asked for, which stands among the others.
        confidence: Of the binomial intervals (Clopper and Pearson), as if rows were independent.

    Returns:
        One row a rate, from three times the one asked for down to what the rows can show: ``rate``, ``rows``,
        ``asked`` and ``alarms`` in them, ``realised`` as a share of rows with ``low`` and ``high``, and ``ratio`` of
        realised to asked.

    Raises:
        InputError: There are no rows.
    """
    p = np.concatenate([one.evidence.p for one in found]) if found else np.empty(0)
    p = p[~np.isnan(p)]
    if not len(p):
        raise InputError("There are no rows to count alarms in.")
    shown = (level for level in LEVELS if level <= _REACH * rate and level * len(p) >= 1)
    rates = np.array(sorted({rate, *shown}, reverse=True))
    alarms = (p[None, :] <= rates[:, None]).sum(axis=1)
    tail = (1 - confidence) / 2
    # With no alarm the lower end is 0, with nothing but alarms the upper one is 1; the formula gives NaN there.
    low = np.nan_to_num(beta.ppf(tail, alarms, len(p) - alarms + 1))
    high = np.nan_to_num(beta.ppf(1 - tail, alarms + 1, len(p) - alarms), nan=1.0)
    table = {"rate": rates, "rows": len(p), "asked": rates * len(p), "alarms": alarms}
    realised = alarms / len(p)
    return pd.DataFrame(table | {"realised": realised, "low": low, "high": high, "ratio": realised / rates})
