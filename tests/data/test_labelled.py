"""Labelled sequences from long tables and from arrays."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from forecast.data.examples import class_weights, examples_of_arrays, examples_of_table
from forecast.data.labelled import LabelColumns, Wanted, read_labelled
from forecast.data.labels import Classes, learn_classes
from forecast.data.sequences import fit_scaling, padded, sequences_of
from forecast.errors import InputError, ParameterError, TableError

TABLE = "who,t,x,z,activity,subject\n" + "".join(
    f"s{i},{k},{i * k},{k % 3},{'run' if i % 2 else 'walk'},p{i // 2}\n" for i in range(6) for k in range(4)
)


def read(text=TABLE, **wanted):
    return read_labelled(io.StringIO(text), Wanted(**wanted))


def test_columns_are_guessed_and_told():
    found = read(id="who")
    assert found.columns == LabelColumns(("x", "z"), "t", "who", "activity")
    assert {choice.flag for choice in found.choices} == {"--time", "--label", "--features"}
    assert found.of_sequences().tolist() == [1, 0] * 3
    assert found.classes is not None and found.classes.names == ("run", "walk")


def test_rows_are_sorted_by_id_and_time_with_their_labels():
    header, *rows = TABLE.splitlines(keepends=True)
    mixed = read(header + "".join(np.random.default_rng(0).permutation(rows)), id="who")
    np.testing.assert_array_equal(mixed.sequences.values, read(id="who").sequences.values)
    np.testing.assert_array_equal(mixed.labels, read(id="who").labels)


def test_a_label_on_one_row_is_that_of_the_sequence():
    frame = pd.DataFrame({"id": [1, 1, 2, 2], "x": [1.0, 2, 3, 4], "label": ["a", None, None, "b"]})
    found = read_labelled(frame, Wanted())
    assert found.of_sequences().tolist() == [0, 1]
    assert found.labels.tolist() == [0, -1, -1, 1]


def test_two_labels_in_a_sequence_are_told_with_their_lines():
    found = read(TABLE.replace("s3,2,6,2,run", "s3,2,6,2,walk"), id="who")
    assert not found.constant()
    with pytest.raises(TableError, match=r"lines 14 and 16: sequence 's3' has two labels, 'run' and 'walk'"):
        found.of_sequences()


def test_a_group_that_straddles_a_sequence_is_refused():
    with pytest.raises(TableError, match="changes within one series"):
        read(TABLE.replace("s3,2,6,2,run,p1", "s3,2,6,2,run,p7"), id="who", groups="subject")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": [1.5, 2.5, 1.0], "z": [2.5, 3.5, 1.0]}, "which column holds the labels"),
        ({"x": [1.0, 2.0], "label": [0.5, 1.5]}, "which column holds the labels"),
        ({"id": [1, 1, 2, 2], "label": ["a", "a", "b", "b"]}, "no column of numbers to read"),
    ],
)
def test_what_cannot_be_guessed_is_refused_in_one_sentence(columns, message):
    with pytest.raises(TableError, match=message):
        read_labelled(columns, Wanted())


def test_a_column_that_is_missing_or_named_twice_is_refused():
    with pytest.raises(TableError, match=r"no column 'lable' for --label\. Did you mean 'label'"):
        read_labelled({"label": ["a", "b"], "x": [1, 2]}, Wanted(label="lable"))
    with pytest.raises(ParameterError, match="two roles"):
        read_labelled({"label": ["a", "b"], "x": [1, 2]}, Wanted(label="label", features=("label",)))
    with pytest.raises(TableError, match="fraction"):
        read_labelled({"label": [0.5, 1.0], "x": [1, 2]}, Wanted(label="label"))


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["b", "a", "", None], ("a", "b")),
        ([1.0, 0.0, float("nan")], (0, 1)),
        (np.array([True, False]), (False, True)),
        (pd.Series(["x", pd.NA, "y"]), ("x", "y")),
    ],
)
def test_labels_are_text_whole_numbers_or_truth_values(labels, names):
    classes, codes = learn_classes(labels)
    assert classes.names == names
    assert sorted({*codes} - {-1}) == [0, 1]
    assert (codes < 0).sum() == len(labels) - 2


def test_labels_of_two_kinds_and_none_are_refused():
    with pytest.raises(InputError, match="different kinds"):
        learn_classes(["a", 1])
    with pytest.raises(InputError, match="No label"):
        learn_classes([None, ""])
    with pytest.raises(InputError, match="not among the classes"):
        Classes((0, 1)).codes([True])


def test_truth_values_of_a_file_are_truth_values():
    text = "id,x,label\n" + "".join(f"{i},{k},{i % 2 == 0}\n" for i in range(4) for k in range(2))
    found = read_labelled(io.StringIO(text), Wanted())
    assert found.classes is not None and found.classes.names == (False, True)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([], "no sequence"),
        ([[]], "neither 0"),
        ([[1.0], [[1.0, 2.0]]], "2 channels"),
        ([[float("inf")]], "infinite"),
        ([["a"]], "other than numbers"),
        (np.zeros((2, 2, 2, 2)), r"\(sequences, time, channels\)"),
    ],
)
def test_arrays_that_are_no_sequences_are_refused(X, message):
    with pytest.raises(InputError, match=message):
        sequences_of(X)


def test_scaling_is_exact_and_survives_odd_channels():
    values = np.array([[1e300, 5.0, np.nan], [-1e300, 5.0, np.nan], [1e300, 5.0, 2.0]])
    scaling = fit_scaling(sequences_of([values]))
    rows = scaling.rows(values)
    assert np.isfinite(rows).all() and rows.shape == (3, 4)
    assert scaling.spread[1] == 1.0 and scaling.marked == (False, False, True)
    np.testing.assert_array_equal(rows[:, 3], [0, 0, 1])
    plain = np.random.default_rng(0).normal(3, 2, (50, 1))
    np.testing.assert_allclose(
        fit_scaling(sequences_of([plain])).rows(plain)[:, 0],
        (plain[:, 0] - plain.mean()) / plain.std(),
        rtol=1e-5,
    )


def test_padding_takes_no_more_than_the_length():
    assert padded(np.arange(5), np.array([0, 3, 5]), [0, 1], 2).tolist() == [[0, 1], [3, 4]]


def test_class_weights():
    classes = Classes(("a", "b"))
    assert class_weights({"b": 3}, classes, np.array([1, 1])).tolist() == [1.0, 3.0]
    for wrong in ("even", {"c": 1.0}, {"a": -1.0}, {"a": "much"}, {"a": 0, "b": 0}):
        with pytest.raises(ParameterError):
            class_weights(wrong, classes, np.array([1, 1]))


def test_examples_by_row_keep_rows_together():
    examples = examples_of_table(read(id="who", groups="subject"), by_row=True)
    assert examples.groups.tolist() == [0, 0, 1, 1, 2, 2]
    taken = examples.take([4, 1])
    np.testing.assert_array_equal(taken.codes, [1] * 4 + [0] * 4)
    np.testing.assert_array_equal(taken.sequences.values[:4, 0], [0, 4, 8, 12])
    early, late = examples.split_in_time(0.25)
    assert early.sequences.lengths.tolist() == [3] * 6 and late.sequences.lengths.tolist() == [1] * 6
    np.testing.assert_array_equal(late.sequences.values[:, 0], [0, 3, 6, 9, 12, 15])


def test_labels_and_rows_that_differ_in_number_are_refused():
    with pytest.raises(InputError, match="Sequence 1 has 2 rows and 1 labels"):
        examples_of_arrays([[1], [1, 2]], [["a"], ["b"]], by_row=True)
    with pytest.raises(InputError, match="2 sequences and 1 labels"):
        examples_of_arrays([[1], [1, 2]], ["a"], by_row=False)
    with pytest.raises(InputError, match="all are 'a'"):
        examples_of_arrays([[1], [2]], ["a", "a"], by_row=False).labelled()
