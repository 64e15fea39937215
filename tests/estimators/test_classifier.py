"""The classifier of sequences: laws, refusals, files."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import forecast
from forecast.errors import InputError, ParameterError
from forecast.estimators.grouping import check_parted, group_folds, held_out
from forecast.estimators.sequence_learning import read_examples
from tests.labelled_tables import QUICK, gestures

KINDS = {
    "fcn": {"model": "fcn", "members": 2, "steps": 40},
    "rnn-lstm-both-ways": {"model": "rnn", "cell": "lstm", "bidirectional": True, "layers": 2},
}
TABLE = gestures()


@pytest.fixture(scope="module", params=["fcn", pytest.param("rnn-lstm-both-ways", marks=pytest.mark.slow)])
def fitted(request):
    """One classifier of each kind, fitted to the gestures."""
    return forecast.SequenceClassifier(**(QUICK | KINDS[request.param]), groups="subject").fit(TABLE)


def arrays(table=TABLE):
    groups = table.groupby("id", sort=True)
    return [part[["x", "z"]].to_numpy() for _, part in groups], [part["label"].iloc[0] for _, part in groups]


def test_tables_in_tables_out(fitted):
    found = fitted.predict(TABLE)
    assert found.columns.tolist() == ["id", "label", "probability"]
    assert found["id"].tolist() == sorted(TABLE["id"].unique())
    shares = fitted.predict_proba(TABLE)
    assert shares.columns.tolist() == ["id", "down", "up"]
    np.testing.assert_allclose(shares[["down", "up"]].sum(axis=1), 1)
    np.testing.assert_array_equal(shares[["down", "up"]].max(axis=1), found["probability"])
    assert fitted.classes_.tolist() == ["down", "up"]


def test_predictions_do_not_depend_on_labels_order_or_company(fitted):
    whole = fitted.predict_proba(TABLE)
    blind = fitted.predict_proba(TABLE.drop(columns=["label", "subject"]).sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(blind, whole, check_exact=True)
    alone = [fitted.predict_proba(part) for _, part in TABLE.groupby("id")]
    np.testing.assert_allclose(pd.concat(alone)[["down", "up"]], whole[["down", "up"]], atol=1e-6)


def test_padding_changes_nothing(fitted):
    """A longer sequence beside them pads all others further in the same network."""
    X, _ = arrays()
    network = fitted.fitted_.network
    from forecast.data.sequences import sequences_of
    from forecast.training.labelling import score_sequences

    sequences = sequences_of(X)
    rows = network.scaling.rows(sequences.values)
    short, long = (
        score_sequences(network.model, rows, sequences.offsets, least, by_row=False)
        for least in (network.spec.rows, 3 * network.spec.rows)
    )
    np.testing.assert_allclose(long, short, atol=1e-6)


def test_the_held_out_part_parts_no_subject_and_decides_the_comparison(fitted):
    table = fitted.comparison_
    assert {"network", "majority", "summary statistics", "nearest neighbour"} == set(table["method"])
    assert table.attrs["count"] == int(fitted.confusion_.to_numpy().sum()) == 6
    assert fitted.verdict_.startswith("On 6 held-out sequences")
    assert fitted.early_["share"].tolist()[-1] == 1.0
    own = table.set_index("method").loc["network", "accuracy"]
    assert fitted.early_["accuracy"].iloc[-1] == own


def test_save_load_and_pickle_predict_the_same_bits(fitted, tmp_path):
    path = tmp_path / "m.forecast"
    fitted.save(path)
    again = forecast.load(path)
    assert repr(again.get_params()) == repr(fitted.get_params())
    for name in ("comparison_", "confusion_", "early_", "history_"):
        found, expected = (getattr(one, name) for one in (again, fitted))
        pd.testing.assert_frame_equal(found, expected, check_exact=True, check_dtype=name != "history_")
    for other in (again, pickle.loads(pickle.dumps(fitted))):
        pd.testing.assert_frame_equal(
            other.predict_proba(TABLE), fitted.predict_proba(TABLE), check_exact=True
        )
    assert again.verdict_ == fitted.verdict_ and again.choices_ == fitted.choices_


def test_two_fits_are_bit_equal_and_a_copy_is_unfitted():
    model = forecast.SequenceClassifier("rnn", **QUICK)
    shuffled = TABLE.sample(frac=1, random_state=3)
    one, two = (clone(model).fit(table).predict_proba(TABLE) for table in (TABLE, shuffled))
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    other = clone(model).set_params(seed=1).fit(TABLE).predict_proba(TABLE)
    assert not np.allclose(other[["up"]], one[["up"]])
    assert not hasattr(model, "fitted_")


def test_arrays_and_the_table_of_them_give_the_same():
    X, y = arrays()
    model = forecast.SequenceClassifier("rnn", **QUICK).fit(X, y)
    table = forecast.SequenceClassifier("rnn", **QUICK).fit(TABLE)
    np.testing.assert_array_equal(model.predict_proba(X), table.predict_proba(TABLE)[["down", "up"]])
    assert model.score(X, y) == table.score(TABLE)
    with pytest.raises(InputError, match="learned arrays"):
        model.predict({"x": [1.0]})
    with pytest.raises(InputError, match="X has 1 features, but SequenceClassifier is expecting 2 features"):
        model.predict([[1.0, 2.0]])


@pytest.mark.parametrize(
    "X",
    [
        pytest.param(np.random.default_rng(0).normal(size=(12, 1, 2)), id="one row", marks=pytest.mark.slow),
        pytest.param([np.full((n, 1), 3.0) for n in range(1, 13)], id="constant"),
        pytest.param([[np.nan, 1.0, i] for i in range(12)], id="missing", marks=pytest.mark.slow),
        pytest.param([[1e300 * (-1) ** i, 1.0] for i in range(12)], id="huge", marks=pytest.mark.slow),
    ],
)
def test_odd_sequences_are_learned(X):
    model = forecast.SequenceClassifier("fcn", **(QUICK | {"steps": 4})).fit(X, [True, False] * 6)
    found = model.predict_proba(X)
    assert np.isfinite(found).all() and found.shape == (12, 2)
    assert model.predict(X).dtype == bool


def test_a_class_with_one_sequence_stays_in_training():
    X, y = arrays()
    y[0] = "sideways"
    model = forecast.SequenceClassifier("rnn", **QUICK).fit(X, y)
    assert model.classes_.tolist() == ["down", "sideways", "up"]
    assert model.comparison_ is not None and model.confusion_.loc["sideways"].sum() == 0


def test_five_rows_are_enough_to_learn_and_too_few_to_compare():
    table = {"id": [1, 1, 2, 3, 3], "x": [1.0, 2.0, 5.0, 2.0, 1.0], "label": ["a", "a", "b", "a", "a"]}
    model = forecast.SequenceClassifier("rnn", **QUICK).fit(table)
    assert model.comparison_ is None and model.verdict_.startswith("Nothing was held out")
    assert len(model.predict(table)) == 3


def test_unlabelled_sequences_are_left_out_and_told():
    table = TABLE.copy()
    table.loc[table["id"] > "g19", "label"] = ""
    model = forecast.SequenceClassifier("rnn", **QUICK).fit(table)
    assert any(choice.what == "unlabelled" and choice.value == "4 sequences" for choice in model.choices_)
    assert model.fitted_.sequences == 20
    assert len(model.predict(table)) == 24


def test_labels_of_training_only_are_compared_with(fitted):
    with pytest.raises(InputError, match="'sideways' was not among the classes"):
        fitted.score(TABLE.assign(label="sideways"))
    with pytest.raises(InputError, match="no column 'z'"):
        fitted.predict(TABLE.drop(columns="z"))
    with pytest.raises(InputError, match="No sequence has a label"):
        fitted.score(TABLE.assign(label=""))


@pytest.mark.slow
def test_class_weights_move_the_decision():
    X, y = [[0.0]] * 40, ["a"] * 30 + ["b"] * 10
    usual = forecast.SequenceClassifier("rnn", units=2, steps=60, members=1, holdout=0.0, learning_rate=0.05)
    shares = [
        clone(usual).set_params(class_weight=weight).fit(X, y).predict_proba([[0.0]])[0, 1]
        for weight in (None, "balanced", {"b": 9.0})
    ]
    assert shares == pytest.approx([0.25, 0.5, 0.75], abs=0.06)


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "tree"},
        {"cell": "grue"},
        {"holdout": 0.9},
        {"steps": 0},
        {"members": 0},
        {"units": -1},
        {"learning_rate": "fast"},
        {"layers": 2},
        {"class_weight": "even"},
        {"dropout": 1.5},
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ParameterError):
        forecast.SequenceClassifier(**(QUICK | wrong)).fit(TABLE)


def test_folds_part_no_group_and_every_sequence_is_judged_once():
    examples, _, _ = read_examples(forecast.SequenceClassifier(groups="subject"), TABLE)
    parts = group_folds(examples, 4, seed=0)
    assert sorted(np.concatenate(parts)) == list(range(24))
    for part in parts:
        check_parted(examples.groups, np.setdiff1d(np.arange(24), part), part)
    kept = held_out(examples, 0.25, seed=0)
    assert kept is not None and not {*kept[0].groups} & {*kept[1].groups}
    with pytest.raises(InputError, match="9 folds need as many groups; there are 8"):
        group_folds(examples, 9, seed=0)


def test_cross_validation_refuses_folds_that_share_a_group():
    model = forecast.SequenceClassifier("rnn", **QUICK)
    with pytest.raises(InputError, match="1 of the groups stand both"):
        forecast.cross_validate(model, TABLE, groups="subject", folds=[(np.arange(1, 24), [0])])
    found = forecast.cross_validate(model, TABLE, groups="subject", folds=2)
    assert found["judged"].sum() == 24 and found.attrs["accuracy"] == pytest.approx(found["accuracy"].mean())


def test_what_is_read_first_is_less(fitted):
    table = fitted.early_accuracy(TABLE, shares=(0.01, 1.0))
    assert table["rows"].tolist() == [1.0, TABLE.groupby("id").size().mean()]
    assert table["accuracy"].iloc[-1] == fitted.score(TABLE)
    with pytest.raises(ParameterError, match="shares"):
        fitted.early_accuracy(TABLE, shares=(0.0,))
