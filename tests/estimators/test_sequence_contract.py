"""scikit-learn's own checks of the classifier of sequences and the labeler of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import issparse
from sklearn.utils.estimator_checks import parametrize_with_checks

import forecast

COUNTS_CHANNELS = (
    "rows of a 2-D array are sequences of one channel: n_features_in_ counts channels, not times"
)
OF_CLASSIFIER = {
    "check_n_features_in": COUNTS_CHANNELS,
    "check_n_features_in_after_fitting": COUNTS_CHANNELS,
    "check_classifiers_train": "sequences may be of any length, so that one with fewer times than in training is fine",
}
OF_LABELER = {
    "check_methods_sample_order_invariance": "rows are in order of time: another order is another sequence",
    "check_methods_subset_invariance": "a row is labelled by those around it",
}


class LabelerOfOneSequence(forecast.EventLabeler):
    """A labeler whose rows are those of one sequence: scikit-learn's checks know one label a row only."""

    def fit(self, X: Any, y: Any = None, **more: Any) -> LabelerOfOneSequence:
        return super().fit(_one(X), None if y is None else [y], **more)

    def predict(self, X: Any, *, decode: bool = True) -> Any:
        return super().predict(_one(X), decode=decode)[0]

    def predict_proba(self, X: Any) -> Any:
        return super().predict_proba(_one(X))[0]

    def score(self, X: Any, y: Any = None) -> float:
        return super().score(_one(X), None if y is None else [y])


def _one(X: Any) -> Any:
    # What is refused as it is needs no third axis.
    return X if issparse(X) or np.asarray(X).ndim < 2 or not np.size(X) else np.asarray(X)[None]


@pytest.mark.slow
@parametrize_with_checks(
    [forecast.SequenceClassifier(model="rnn", units=4, members=1, steps=20, holdout=0.0, learning_rate=0.02)],
    expected_failed_checks=lambda estimator: OF_CLASSIFIER,
)
def test_scikit_learns_contract_of_the_classifier(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [LabelerOfOneSequence(units=4, members=1, steps=20, holdout=0.0)],
    expected_failed_checks=lambda estimator: OF_LABELER,
)
def test_scikit_learns_contract_of_the_labeler(estimator, check):
    check(estimator)


@pytest.mark.parametrize("maker", [forecast.SequenceClassifier, forecast.EventLabeler])
def test_what_is_no_array_of_numbers_is_refused(maker):
    estimator = maker(units=4, steps=2, holdout=0.0)
    labels = np.tile([0, 1], 5)
    for wrong, named in (
        (np.ones((10, 3)) * 1j, "Complex data not supported"),
        ([[1j, 2.0]] * 10, "Complex data not supported"),
        (np.ones((10, 0)), "0 feature"),
        (np.ones(10), "Reshape your data"),
        (np.where(np.eye(10) > 0, np.inf, 0.0), "infinite"),
    ):
        with pytest.raises(ValueError, match=named):
            estimator.fit(wrong, labels)
    with pytest.raises(ValueError, match="requires y to be passed"):
        estimator.fit(np.ones((10, 3)))
