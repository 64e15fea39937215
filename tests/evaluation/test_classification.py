"""Segments, temperatures and comparisons of classifiers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss

from forecast.data.sequences import sequences_of
from forecast.errors import ParameterError
from forecast.evaluation.classification import compare_classes, confusion, verdict
from forecast.evaluation.segments import runs_of, segment_scores
from forecast.evaluation.simple_classifiers import compared_rows, compared_sequences, neighbourhoods
from forecast.evaluation.temperature import calibration_error, fit_temperature, tempered

RNG = np.random.default_rng(0)


def test_figures_are_those_of_scikit_learn():
    truth = RNG.integers(0, 3, 200)
    found = RNG.dirichlet(np.ones(3), 200)
    row = compare_classes(truth, {"network": found}, "rows").iloc[0]
    guess = found.argmax(axis=1)
    assert row["balanced"] == pytest.approx(balanced_accuracy_score(truth, guess))
    assert row["F1"] == pytest.approx(f1_score(truth, guess, average="macro"))
    assert row["log_loss"] == pytest.approx(log_loss(truth, found))
    assert confusion(truth, guess, ("a", "b", "c")).to_numpy().trace() == (truth == guess).sum()


@pytest.mark.parametrize(
    ("own", "words"), [(1, "the network is right"), (0, "use rival"), (None, "as often")]
)
def test_the_verdict_says_who_won(own, words):
    truth = np.array([0, 1, 0, 1])
    right, wrong = np.eye(2)[truth], np.eye(2)[[0, 0, 0, 1]]
    found = {"network": wrong if own == 0 else right, "rival": wrong if own == 1 else right}
    assert words in verdict(compare_classes(truth, found, "sequences"))


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_of_many_labels_is_found(true):
    honest = RNG.dirichlet(np.ones(3), 20_000)
    truth = (honest.cumsum(axis=1) > RNG.random((20_000, 1))).argmax(axis=1)
    told = tempered(honest, 1 / true)
    assert fit_temperature(told, truth) == pytest.approx(true, rel=0.1)
    after = calibration_error(tempered(told, fit_temperature(told, truth)), truth)
    assert after < 0.02
    assert true == 1.0 or after < calibration_error(told, truth) / 3


def test_few_labels_move_the_temperature_little_and_none_leaves_it():
    sure = np.array([[0.7, 0.3]] * 5)
    assert 0.3 < fit_temperature(sure, np.zeros(5, int)) < 1.0
    assert fit_temperature(np.empty((0, 2)), np.empty(0, int)) == 1.0


def test_tempering_keeps_the_order_and_sums_to_one():
    found = RNG.dirichlet(np.ones(4), 50)
    moved = tempered(found, 2.5)
    np.testing.assert_allclose(moved.sum(axis=1), 1)
    np.testing.assert_array_equal(moved.argsort(axis=1), found.argsort(axis=1))
    assert (moved.max(axis=1) <= found.max(axis=1)).all()


def test_perfect_and_missing_segments():
    events = [[(2, 5), (8, 12)], []]
    exact = segment_scores(events, events, [20, 5])
    assert (exact.f1, exact.onset_error, exact.matched) == (1.0, 0.0, 2)
    nothing = segment_scores([[], []], events, [20, 5])
    assert nothing.f1 == 0.0 and np.isnan(nothing.precision) and np.isnan(nothing.onset_error)
    with pytest.raises(ParameterError, match="overlap"):
        segment_scores(events, events, [20, 5], overlap=0.0)


def test_a_segment_is_in_one_pair_at_most():
    # One long found segment over two events pairs with the larger share of itself; pieces of one event pair once.
    scores = segment_scores([[(0, 10)]], [[(0, 6), (6, 10)]], [10])
    assert (scores.matched, scores.found, scores.events, scores.onsets, scores.ends) == (1, 1, 2, (0,), (4,))
    pieces = segment_scores([[(0, 5), (5, 10)]], [[(0, 10)]], [10])
    assert pieces.matched == 1 and pieces.precision == 0.5


def test_onsets_carry_their_sign():
    scores = segment_scores([[(1, 9), (22, 30)]], [[(2, 9), (20, 30)]], [40])
    assert scores.onsets == (-1, 2) and scores.onset_error == 1.5 and scores.onset_bias == 0.5


def test_runs_tile_the_rows():
    codes = RNG.integers(0, 3, 100)
    runs = runs_of(codes)
    np.testing.assert_array_equal(np.concatenate([np.full(b - a, code) for a, b, code in runs]), codes)
    assert runs_of(np.array([], int)) == []


def test_simple_classifiers_learn_what_is_simple():
    X = [RNG.normal(3 * (i % 2), 1, (int(RNG.integers(1, 9)), 2)) for i in range(40)]
    X[0][0, 0] = np.nan
    codes = np.arange(40) % 2
    found = compared_sequences(sequences_of(X[:30]), codes[:30], np.ones(30), sequences_of(X[30:]), 3)
    for name, probabilities in found.items():
        assert probabilities.shape == (10, 3)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        assert name == "majority" or (probabilities.argmax(axis=1) == codes[30:]).mean() >= 0.9


def test_the_causal_rival_sees_no_later_row():
    values = RNG.normal(size=(50, 2))
    other = values.copy()
    other[30:] = RNG.normal(size=(20, 2))
    one, two = (neighbourhoods(sequences_of([part]), causal=True) for part in (values, other))
    np.testing.assert_array_equal(one[:30], two[:30])
    both = neighbourhoods(sequences_of([other]), causal=False)
    assert not np.array_equal(both[:30], neighbourhoods(sequences_of([values]), causal=False)[:30])


def test_rows_of_one_class_leave_the_majority():
    one = sequences_of([RNG.normal(size=(20, 1))])
    found = compared_rows(one, np.zeros(20, int), np.ones(20), one, 2, causal=False, seed=0)
    assert (found["means around a row"].argmax(axis=1) == 0).all()
