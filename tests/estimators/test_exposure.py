"""Exposure bias as a user asks for it."""

from __future__ import annotations

import numpy as np
import pytest

import forecast
from forecast.errors import InputError, ParameterError
from tests.tables import PLAIN, SMALL_NETWORK, shops

SEQ2SEQ = SMALL_NETWORK | PLAIN | {"model": "seq2seq", "steps": 2, "holdout": 0}


@pytest.fixture(scope="module")
def coder():
    return forecast.Forecaster(**SEQ2SEQ).fit(shops())


def test_errors_by_step_in_spreads_of_the_windows(coder, tmp_path):
    found = coder.exposure_bias(shops())
    assert found["step"].tolist() == [1, 2, 3]
    # The first step is fed the newest observation either way.
    assert found["forced"][0] == found["free"][0] and np.isfinite(found).all(axis=None)
    assert found["forced"][1] != found["free"][1]
    times = shops()
    times["sold"] *= 1000
    np.testing.assert_allclose(coder.exposure_bias(times), found, rtol=1e-4)
    coder.save(tmp_path / "coder.forecast")
    again = forecast.load(tmp_path / "coder.forecast")
    np.testing.assert_array_equal(again.exposure_bias(shops()), found)
    assert not np.array_equal(coder.exposure_bias(shops(), windows=2), found)


def test_what_has_no_decoder_and_what_is_too_short_is_told(coder):
    several = forecast.Forecaster(**SEQ2SEQ, ensemble=2).fit(shops())
    with pytest.raises(ParameterError, match="mean of networks has no decoder"):
        several.exposure_bias(shops())
    plain = forecast.Forecaster(**(SEQ2SEQ | {"model": "rnn"})).fit(shops())
    with pytest.raises(ParameterError, match="has no decoder"):
        plain.exposure_bias(shops())
    with pytest.raises(InputError, match="11 rows, as many as a window"):
        coder.exposure_bias(shops(rows=8, series=1).assign(shop="new"))
    with pytest.raises(ParameterError, match="windows"):
        coder.exposure_bias(shops(), windows=0)
