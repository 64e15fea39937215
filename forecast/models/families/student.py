"""Student's t distribution with a location, a scale and learned degrees of freedom."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from forecast.models.families.family import (
    Distribution,
    positive,
    split,
    standardised,
)
from forecast.models.families.normal import affine, broaden_second, two_scaled
from forecast.models.special import log_rising, student_cdf, student_log_density

# Degrees of freedom stay above 2, where the variance ends, and start near 6.
_LEAST, _STEP = 2.01, 4.0


def _free_to_scaled(free: Any) -> Any:
    return ops.concatenate([two_scaled(free[..., :2]), _LEAST + _STEP * positive(free[..., 2:])], axis=-1)


def _restore(scaled: Any, level: Any, scale: Any) -> Any:
    return ops.concatenate([affine(scaled[..., :2], level, scale), scaled[..., 2:]], axis=-1)


def _log_prob(actual: Any, parameters: Any) -> Any:
    loc, scale, df = split(parameters)
    return student_log_density(standardised(actual, loc, scale), df) - ops.log(scale)


def _crps(actual: Any, parameters: Any) -> Any:
    # Jordan, Krueger and Lerch (2019), "Evaluating probabilistic forecasts with scoringRules", JSS 90(12).
    loc, scale, df = split(parameters)
    z = standardised(actual, loc, scale)
    tail = ops.exp(student_log_density(z, df) + ops.log(df + ops.square(z)))
    # log B(1/2, df - 1/2) - 2 log B(1/2, df/2), written so that large df do not cancel.
    betas = 2 * log_rising(df / 2, 0.5) - log_rising(df - 0.5, 0.5) - 0.5 * math.log(math.pi)
    betas = betas + ops.log(df / 2) - 0.5 * ops.log(df - 0.5)
    between = ops.sqrt(df) * ops.exp(betas)
    return scale * (z * (2 * student_cdf(z, df) - 1) + 2 * (tail - between) / (df - 1))


STUDENT = Distribution(
    name="student",
    parameters=("loc", "scale", "df"),
    located=(0,),
    support="real",
    free_to_scaled=_free_to_scaled,
    restore=_restore,
    log_prob=_log_prob,
    crps=_crps,
    broaden=broaden_second,
)
