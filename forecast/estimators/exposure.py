"""How much worse an encoder-decoder forecasts when it is fed its own forecasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.data.windows import check_positive
from forecast.errors import InputError, ParameterError

if TYPE_CHECKING:
    from forecast.estimators.forecaster import Forecaster


def exposure_bias(self: Forecaster, X: Any, *, windows: int = 100) -> pd.DataFrame:
    """Measure the exposure bias of an encoder-decoder (``model="seq2seq"``), by step.

    Trained with teacher forcing, its decoder has seen true values before each step; forecasting, it sees its own.

    Args:
        X: A table with the columns of the training table.
        windows: Windows of it that are looked at, at most, evenly spaced.

    Returns:
        One row a step: ``step``, and the mean absolute error in standard deviations of each window, ``forced``
        (fed with true values) and ``free`` (fed with its own).

    Raises:
        InputError: The table is too short for a window.
        ParameterError: The network has no decoder.

    Example:
        >>> import forecast
        >>> table = forecast.load_dataset("nile")
        >>> options = {"horizon": 3, "context": 12, "model": "seq2seq", "units": 8, "steps": 2, "preset": "fast"}
        >>> model = forecast.Forecaster(**options).fit(table)
        >>> model.exposure_bias(table).columns.tolist()
        ['step', 'forced', 'free']

    Source:
        Ranzato et al. (2016), "Sequence level training with recurrent neural networks", for the name.
    """
    from forecast.models.forms import forms_of
    from forecast.models.seq2seq import exposure_bias as measured
    from forecast.training.quiet import quiet_tracing

    check_positive(windows=windows)
    fitted = self._fitted()
    network = fitted.network
    if forms_of(network.model).members:
        raise ParameterError("A mean of networks has no decoder of its own: fit one with --ensemble 1.")
    made = network.windows(fitted.panel(X)).thin(windows)
    if not len(made):
        raise InputError(
            f"No series of the table has {network.spec.context + network.spec.horizon} rows, as many as a window."
        )
    which = np.arange(len(made))
    with quiet_tracing():
        found = measured(network.model, made.inputs(which), made.actual(which))
    return pd.DataFrame({"step": found.step, "forced": found.forced, "free": found.free})
