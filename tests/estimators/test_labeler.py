"""The labeler of rows: laws, events, files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.data.examples import examples_of_arrays
from forecast.errors import InputError, ParameterError
from forecast.estimators.event_tables import background_of, durations_of, report_table
from forecast.models.committee import MembersCrossentropy
from forecast.training.labelling import Lesson, LessonBatches
from tests.labelled_tables import QUICK, coughs

TABLE = coughs()


@pytest.fixture(scope="module", params=[False, True], ids=["both ways", "causal"])
def fitted(request):
    """A labeler that reads in both directions, and one for streams."""
    return forecast.EventLabeler(**(QUICK | {"steps": 80}), causal=request.param).fit(TABLE)


def test_rows_in_rows_out(fitted):
    found = fitted.predict(TABLE)
    assert found.columns.tolist() == ["id", "time", "label", "probability"]
    assert len(found) == len(TABLE)
    shares = fitted.predict_proba(TABLE)
    np.testing.assert_allclose(shares[["cough", "normal"]].sum(axis=1), 1)
    each = fitted.predict(TABLE, decode=False)
    assert (each["probability"] >= 0.5).all()
    assert fitted.score(TABLE) > 0.9


def test_events_are_the_stretches_of_the_decoded_labels(fitted):
    events, rows = fitted.events(TABLE), fitted.predict(TABLE)
    assert events.columns.tolist() == ["id", "start", "end", "label", "probability", "rows"]
    assert set(events["label"]) == {"cough"}
    assert events["rows"].sum() == (rows["label"] == "cough").sum()
    assert (events["end"] - events["start"] + 1 == events["rows"]).all()
    ends = TABLE.groupby("id")["time"].max()
    inner = events[(events["start"] > 0) & (events["end"] < events["id"].map(ends))]
    assert (inner["rows"] >= fitted.durations_["cough"]).all() and fitted.durations_["cough"] > 1


def test_the_report_counts_events(fitted):
    table = fitted.report(TABLE)
    assert table["label"].tolist() == ["cough", "all"]
    assert table["events"].iloc[0] == 8 * 4
    assert table["F1"].iloc[0] > 0.85 and table["onset_error"].iloc[0] < 2
    assert fitted.report_["events"].iloc[0] < 8 * 4


def test_a_causal_labeler_knows_nothing_of_later_rows(fitted):
    cut = TABLE["time"] >= 30
    other = TABLE.copy()
    other.loc[cut, "level"] = np.random.default_rng(1).normal(0, 50, cut.sum())
    one, two = (fitted.predict_proba(table).loc[~cut.to_numpy(), "cough"] for table in (TABLE, other))
    assert np.array_equal(one, two) == fitted.causal


def test_order_and_company_change_nothing(fitted):
    whole = fitted.predict_proba(TABLE)
    mixed = fitted.predict_proba(TABLE.drop(columns="state").sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(mixed, whole, check_exact=True)
    alone = pd.concat([fitted.predict_proba(part) for _, part in TABLE.groupby("id")])
    np.testing.assert_allclose(alone["cough"], whole["cough"], atol=1e-6)


def test_longer_sequences_than_in_training_are_read(fitted):
    long = pd.DataFrame({"id": 0, "time": np.arange(1_500), "level": np.sin(np.arange(1_500) / 7)})
    assert len(fitted.predict(long)) == 1_500


def test_save_and_load_predict_the_same_bits(fitted, tmp_path):
    fitted.save(tmp_path / "m.forecast")
    again = forecast.load(tmp_path / "m.forecast")
    for method in ("predict", "predict_proba", "events", "report"):
        expected = getattr(fitted, method)(TABLE)
        pd.testing.assert_frame_equal(getattr(again, method)(TABLE), expected, check_exact=True)
    assert again.durations_ == fitted.durations_ and repr(again.get_params()) == repr(fitted.get_params())
    pd.testing.assert_frame_equal(again.report_, fitted.report_, check_exact=True)


@pytest.mark.slow
def test_two_fits_are_bit_equal():
    model = forecast.EventLabeler(**QUICK)
    one, two = (model.fit(TABLE).predict_proba(TABLE) for _ in range(2))
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_unlabelled_and_padded_rows_weigh_nothing():
    labels = [["a", None, "b"], ["b"]]
    examples = examples_of_arrays([[1.0, 2.0, 3.0], [4.0]], labels, by_row=True)
    weights = examples.weights("balanced")
    assert weights.tolist() == pytest.approx([1.5, 0.0, 0.75, 0.75])
    rows = examples.sequences.values.astype(np.float32)
    lesson = Lesson(rows, examples.sequences.offsets, np.maximum(examples.codes, 0), weights)
    inputs, codes, found = LessonBatches(lesson, 4, 2, 1, 0, by_row=True).batch(np.array([1, 0]))
    assert inputs["length"].tolist() == [1, 3] and inputs["rows"].shape == (2, 4, 1)
    assert found.tolist() == pytest.approx(np.array([[0.75, 0, 0, 0], [1.5, 0, 0.75, 0]]))
    scores = np.random.default_rng(0).normal(size=(2, 4, 1, 2)).astype(np.float32)
    loss = MembersCrossentropy()
    moved = scores + 9.0 * np.array([1.0, -1.0], np.float32) * (found == 0)[..., None, None]
    assert float(loss(codes, scores, found)) == pytest.approx(float(loss(codes, moved, found)))


@pytest.mark.slow
def test_class_weights_work_per_row():
    X, y = [[0.0]] * 40, [["a"]] * 30 + [["b"]] * 10
    options = {"units": 2, "steps": 80, "holdout": 0.0, "learning_rate": 0.05, "causal": True, "dropout": 0.0}
    shares = [
        forecast.EventLabeler(class_weight=weight, **options).fit(X, y).predict_proba([[0.0]])[0][0, 1]
        for weight in (None, "balanced")
    ]
    assert shares == pytest.approx([0.25, 0.5], abs=0.06)


def test_one_recording_is_held_out_in_time():
    one = TABLE[TABLE["id"] == 0].drop(columns="id")
    model = forecast.EventLabeler(**QUICK).fit(one)
    told = next(choice.value for choice in model.choices_ if choice.what == "held out")
    assert told.startswith("the last ")
    assert model.events(one).columns[0] == "sequence"


def test_the_background_is_no_event():
    examples = examples_of_arrays(
        [[1.0] * 6], [["cough", "cough", "normal", "normal", "cough", "normal"]], by_row=True
    )
    for asked, labels in ((None, {"cough"}), ("cough", {"normal"}), ("none at all", {"cough", "normal"})):
        background = background_of(asked, examples.classes)
        assert set(report_table(examples.codes, examples, background)["label"]) == labels | {"all"}
        assert durations_of(4, examples, background) == tuple(1 if i == background else 4 for i in range(2))
    assert durations_of({"cough": 9}, examples, None) == (9, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"durations": {"sneeze": 2}},
        {"durations": 0},
        {"background": "sneeze"},
        {"switch": -1.0},
        {"cell": "x"},
        {"class_weight": {"sneeze": 2.0}},
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ParameterError):
        forecast.EventLabeler(**(QUICK | wrong)).fit(TABLE)


def test_a_table_without_its_columns_is_refused(fitted):
    with pytest.raises(InputError, match="no column 'level'"):
        fitted.predict(TABLE.drop(columns="level"))
    with pytest.raises(InputError, match="no column 'state'"):
        fitted.report(TABLE.drop(columns="state"))
