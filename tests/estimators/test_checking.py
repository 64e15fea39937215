"""What a model file tells of past errors and updates is checked before it is used."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.estimators.checking import check_realised, check_template
from forecast.estimators.realised import Realised
from forecast.estimators.templates import MOST_CELLS, MOST_WINDOWS, kept_template


def test_what_a_fit_keeps_is_taken():
    scores = np.random.default_rng(0).normal(size=(900, 3, 2))
    assert check_template(kept_template(scores), 3, 2).shape == (MOST_WINDOWS, 3, 2)
    wide = kept_template(np.random.default_rng(0).normal(size=(900, 50, 4)))
    assert wide.size <= MOST_CELLS and len(wide) == MOST_CELLS // 200


def test_kept_errors_have_three_digits_and_their_order():
    scores = np.random.default_rng(0).normal(size=(150, 2, 1))
    kept = kept_template(scores)
    np.testing.assert_allclose(kept, scores, rtol=1e-3)
    # Truncation keeps the order of any two that it does not make equal.
    order = np.argsort(scores[:, 0, 0])
    assert (np.diff(kept[order, 0, 0]) >= 0).all()


@pytest.mark.parametrize(
    "template",
    [
        np.zeros((20, 3, 1), np.float32),
        np.zeros((20, 2, 2), np.float32),
        np.zeros((20, 3, 2)),
        np.zeros((MOST_WINDOWS + 1, 3, 2), np.float32),
        np.full((20, 3, 2), np.nan, np.float32),
        np.zeros((3, 2), np.float32),
    ],
    ids=["targets", "steps", "type", "many", "missing", "axes"],
)
def test_other_windows_are_refused(template):
    with pytest.raises(ValueError):
        check_template(template, 3, 2)


@pytest.mark.parametrize(
    ("below", "counts"),
    [(-1, 4), (5, 4), (2.0, 4)],
)
def test_counts_that_cannot_be_are_refused(below, counts):
    good = np.full((3, 1, 2), 4)
    assert check_realised(Realised(good, good), (3, 1, 2)).counts is good
    with pytest.raises(ValueError):
        check_realised(Realised(np.full((3, 1, 2), below), np.full((3, 1, 2), counts)), (3, 1, 2))
    with pytest.raises(ValueError):
        check_realised(Realised(good, good), (2, 1, 2))
