"""Decoding against a search through all label sequences."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from forecast.errors import InputError, ParameterError
from forecast.evaluation.segments import runs_of
from forecast.evaluation.viterbi import decode, shortest_durations


def worth(path, probabilities, switch):
    changes = sum(a != b for a, b in pairwise(path))
    return float(np.log(probabilities[np.arange(len(path)), list(path)]).sum()) - switch * changes


def long_enough(path, durations):
    """Every segment but the first and the last lasts as long as it must."""
    return all(b - a >= durations[code] for a, b, code in runs_of(np.array(path))[1:-1])


@pytest.mark.parametrize("seed", range(40))
def test_the_best_of_all_allowed_sequences_is_found(seed):
    rng = np.random.default_rng(seed)
    rows, classes = int(rng.integers(1, 9)), int(rng.integers(1, 4))
    probabilities = rng.dirichlet(np.full(classes, 0.5), rows) + 1e-6
    durations = rng.integers(1, 5, classes)
    switch = float(rng.choice([0.0, 0.7]))
    found = decode(probabilities, durations.tolist(), switch)
    assert long_enough(found, durations)
    allowed = [p for p in product(range(classes), repeat=rows) if long_enough(p, durations)]
    best = max(worth(path, probabilities, switch) for path in allowed)
    assert worth(found, probabilities, switch) == pytest.approx(best, abs=1e-9)


def test_without_durations_each_row_takes_its_likeliest_label():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 200)
    np.testing.assert_array_equal(decode(probabilities, [1, 1, 1]), probabilities.argmax(axis=1))


def test_unknown_rows_follow_their_neighbours():
    probabilities = np.array([[0.9, 0.1], [np.nan, np.nan], [0.9, 0.1], [0.1, 0.9]])
    assert decode(probabilities, [2, 1]).tolist() == [0, 0, 0, 1]
    assert decode(np.empty((0, 2)), [1, 1]).tolist() == []


def test_nonsense_is_refused():
    with pytest.raises(InputError, match="shape"):
        decode(np.ones((3, 2)), [1])
    with pytest.raises(ParameterError, match="durations"):
        decode(np.ones((3, 2)), [1, 0])


def test_durations_learned_are_below_those_seen():
    assert shortest_durations([[20] * 100, [2], []]) == (10, 1, 1)
