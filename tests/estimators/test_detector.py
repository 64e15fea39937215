"""The detector as an estimator: its contract, its rates, its refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import forecast
from forecast.errors import InputError, ParameterError
from tests.laws.test_detectors import detector_of, early, machines

INHERENT = {
    "check_methods_sample_order_invariance": "rows are in order of time: another order is another series",
    "check_methods_subset_invariance": "a row is weighed among those before it",
}


@parametrize_with_checks(
    [forecast.Detector("novelty")],
    expected_failed_checks=lambda estimator: INHERENT,
)
def test_scikit_learns_contract(estimator, check):
    check(estimator)


def test_predict_says_minus_one_where_the_p_value_is_below_the_rate():
    table = machines()
    detector = detector_of("novelty", alarms="1 per 50 rows").fit(early(table))
    scores = detector.score(table)
    predicted = detector.predict(table)
    np.testing.assert_array_equal(predicted == -1, (scores["p_value"] <= detector.rate_).to_numpy())
    assert predicted.dtype.kind == "i" and set(predicted) == {-1, 1}
    np.testing.assert_allclose(detector.score_samples(table), np.log10(scores["p_value"].fillna(1)))


def test_rows_learned_from_are_weighed_by_networks_that_had_not_seen_them():
    table = machines(series=1)
    detector = detector_of("rnn").fit(table)
    errors, none = detector.fitted_.errors, np.zeros(1, np.int64)
    one, two = (block.networks[0] for block in errors.blocks)
    panel, network = detector.fitted_.contract.read(table), errors.network
    scores = errors.scores(panel, none, none)[0]
    stop = errors.blocks[0].stop["m0"]
    for weights, span in ((one, slice(20, stop)), (two, slice(stop, len(table)))):
        network.model.set_weights(weights)
        windows = network.windows(panel, partial=1)
        made = np.full((panel.rows, 2), np.nan)
        made[windows.origins] = network.forecasts(windows)[:, 0, :, network.spec.middle]
        expected = scores.expected[span, :2]
        known = ~np.isnan(expected)
        np.testing.assert_allclose(expected[known], made[span][known], rtol=1e-5)


def test_nothing_is_learned_from_the_rows_of_a_block():
    """Values of a block, however wild, do not change the network that weighs it."""
    table, wild = machines(series=1), machines(series=1)
    half = len(table) // 2
    wild.loc[: half - 8, ["load", "heat"]] *= 50
    weights = []
    for one in (table, wild):
        detector = detector_of("rnn").fit(one)
        weights.append([network for block in detector.fitted_.errors.blocks for network in block.networks])
    assert all((a == b).all() for a, b in zip(weights[0][0], weights[1][0], strict=True))
    assert not all((a == b).all() for a, b in zip(weights[0][1], weights[1][1], strict=True))


def test_two_fits_are_equal():
    table = machines()
    one, two = (detector_of("forecast", seed=3).fit(early(table)).score(table) for _ in range(2))
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_the_rate_is_what_was_asked_or_what_the_rows_can_show():
    table = machines(series=1)
    assert detector_of("ewma").fit(table).rate_ == pytest.approx(3 / (len(table) + 3))
    assert detector_of("ewma", alarms="2 per hour").fit(table).rate_ == pytest.approx(1 / 30)
    told = detector_of("ewma", alarms="1 per day", engine="conformal").fit(table).choices_[-1]
    assert "1 in 1,440: more than 260 rows can show" in told.value


def test_an_event_that_goes_on_behind_training_is_told_once():
    table = forecast.load_dataset("nile")
    detector = forecast.Detector("novelty", alarms="1 per 20 rows").fit(table[:30])
    before, after = detector.detect(table[:30]), detector.detect(table)
    assert before["open"].iloc[-1] and before["end"].iloc[-1].year == 1900
    assert after["start"].is_unique
    went_on = after[after["start"] == before["start"].iloc[-1]]
    assert went_on["end"].dt.year.tolist() == [1908]


def test_scores_stand_in_the_order_of_series_and_time():
    table = machines()
    scores = detector_of("novelty").fit(early(table)).score(table)
    assert scores["machine"].ne(scores["machine"].shift()).sum() == 2
    assert all(part["minute"].is_monotonic_increasing for _, part in scores.groupby("machine"))
    assert not scores.duplicated(["machine", "minute"]).any()


def test_a_new_series_is_weighed_among_those_known():
    table = machines()
    detector = detector_of("novelty").fit(early(table))
    stranger = early(table)[early(table)["machine"] == "m1"].assign(machine="m9")
    scores = detector.score(stranger)
    assert scores["machine"].unique().tolist() == ["m9"] and scores["evidence"].max() > 0


def test_an_unknown_column_and_wrong_arguments_are_refused():
    table = machines()
    with pytest.raises(InputError, match="weight"):
        forecast.Detector("ewma", target="weight").fit(table)
    detector = detector_of("ewma").fit(early(table))
    with pytest.raises(InputError, match="heat"):
        detector.detect(table.drop(columns="heat"))
    for wrong, named in (
        ({"method": "ewna"}, "Did you mean"),
        ({"engine": "ranks"}, "engine"),
        ({"missing": "drop"}, "missing"),
        ({"hold": -1}, "hold"),
        ({"folds": 0}, "folds"),
        ({"release": 2.0}, "release"),
        ({"quiet": "noon"}, "quiet"),
        ({"alarms": "often"}, "alarms"),
    ):
        with pytest.raises(ParameterError, match=named):
            forecast.Detector(**({"method": "ewma"} | wrong)).fit(early(table), None)


def test_five_rows_are_too_few():
    with pytest.raises(InputError, match="at least 10"):
        forecast.Detector("ewma").fit({"load": np.arange(5.0)})


def test_quiet_times_floors_and_lengths_hold_alarms_back():
    table = machines(1_000, series=1)
    shock = table["minute"].iloc[748]
    usual = {"method": "ewma", "alarms": "1 per 100 rows", "target": "load"}

    def found(**options):
        events = detector_of(**(usual | options)).fit(table[:600]).detect(table[600:])
        return ((events["start"] <= shock) & (events["end"] >= shock)).any()

    assert found() and found(floor=5.0) and found(quiet="02:00-03:00")
    assert not found(quiet=shock.strftime("%H:00-23:59"))
    assert not found(floor=50.0) and not found(min_rows=20)


def test_irregular_times_are_laid_on_the_step():
    table = machines(series=1).drop(columns="machine")
    detector = forecast.Detector("ewma", time="minute", target="load").fit(table)
    assert detector.score(table)["evidence"].isna().sum() == 5
