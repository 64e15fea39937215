"""Errors of forecasts at every row: what they are, that they look back only, and what files of them must hold."""

from __future__ import annotations

import json
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.estimators.running_errors import Running, learn_running_errors
from forecast.models.running import RunningSpec
from forecast.training.course import Listeners
from forecast.training.running import TOGETHER, bend, means_behind, straighten


def waves(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    t = np.arange(rows)
    return pd.DataFrame({"row": t, "load": 20 + 3 * np.sin(2 * np.pi * t / 8) + 0.1 * rng.normal(size=rows)})


def detector_of(**options) -> forecast.Detector:
    usual = {"time": "row", "target": "load", "horizons": (1, 4), "context": 24, "units": 8}
    return forecast.Detector("forecast", **(usual | {"season": 8, "steps": 150} | options))


@pytest.fixture(scope="module")
def learned() -> forecast.Detector:
    return detector_of(ensemble=2).fit(waves())


def test_means_of_the_next_rows_by_hand():
    bent = np.array([1.0, np.nan, 5.0, 7.0, np.nan, np.nan])[None, :, None]
    assert means_behind(bent, 2)[0, :, 0].tolist()[:3] == [5.0, 6.0, 7.0]
    assert np.isnan(means_behind(bent, 2)[0, 3:, 0]).all()
    assert means_behind(bent, 1)[0, :, 0].tolist()[1:3] == [5.0, 7.0]


def test_bending_is_undone():
    values = np.array([-1e12, -3.0, 0.0, 2.0, 1e200])
    centre, unit = np.full(5, 1.5), np.full(5, 0.25)
    np.testing.assert_allclose(
        straighten(bend(values, centre, unit), centre, unit), values, rtol=1e-9, atol=1e-12
    )


def test_a_pattern_is_expected_and_what_breaks_it_is_an_error(learned):
    table = waves(600, seed=0)
    errors, contract = learned.fitted_.errors, learned.fitted_.contract
    (scores,) = errors.scores(contract.read(table), np.zeros(1, np.int64), np.zeros(1, np.int64))
    one = scores.expected[:, 0]
    assert np.nanmean(np.abs(one - table["load"])[450:]) < 0.6
    assert np.nanmean(np.abs(np.diff(table["load"]))[450:]) > 1.2
    broken = table.copy()
    broken.loc[500:, "load"] = broken["load"].to_numpy()[496:596]
    (after,) = errors.scores(contract.read(broken), np.zeros(1, np.int64), np.zeros(1, np.int64))
    assert after.values[501:504, 0].max() > 2 * np.nanquantile(scores.values[450:, 0], 0.99)
    np.testing.assert_array_equal(after.values[:500], scores.values[:500])


def test_expected_values_are_on_the_scale_of_the_errors(learned):
    table = waves(300, seed=2)
    (scores,) = learned.fitted_.errors.scores(
        learned.fitted_.contract.read(table), np.full(1, 10_000), np.zeros(1, np.int64)
    )
    assert scores.centre is not None and scores.unit is not None
    both = (bend(part, scores.centre, scores.unit) for part in (scores.actual, scores.expected))
    actual, expected = both
    np.testing.assert_allclose(np.abs(actual - expected), scores.values, atol=1e-9)
    np.testing.assert_allclose(scores.actual[20:, 0], table["load"].to_numpy()[20:])


@pytest.mark.parametrize("cut", [1, 7, TOGETHER, 3 * TOGETHER + 5])
def test_rows_in_parts_have_the_scores_of_all_rows(learned, cut):
    table = waves(560, seed=3)
    whole = learned.score(pd.concat([waves(), table.assign(row=table["row"] + 400)], ignore_index=True))
    again, parts = deepcopy(learned), []
    for first in range(0, 120, cut):
        part = table[first : first + cut]
        fitted = again.fitted_
        found, again.fitted_ = fitted.newer(fitted.contract.read(part.assign(row=part["row"] + 400)))
        parts.append(found[0].evidence.total)
    np.testing.assert_array_equal(
        np.concatenate(parts)[:120],
        whole["evidence"].to_numpy()[400 : 400 + len(np.concatenate(parts))][:120],
    )


def test_networks_learn_from_the_other_blocks_only(learned):
    read = learned.fitted_.contract.read
    recipe = Running(RunningSpec(24 + TOGETHER - 1, (1, 4)), "gru", 4)
    options = {"folds": 2, "members": 1, "steps": 10, "listeners": Listeners()}
    changed = waves()
    changed.loc[210:, "load"] = 99.0
    usual, other = (learn_running_errors(read(table), recipe, **options) for table in (waves(), changed))
    # The second block is judged by what the first says, which did not change.
    for a, b in zip(usual.blocks[1].networks[0], other.blocks[1].networks[0], strict=True):
        np.testing.assert_array_equal(a, b)
    pairs = zip(usual.blocks[0].networks[0], other.blocks[0].networks[0], strict=True)
    assert not all((a == b).all() for a, b in pairs)


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"rows": 39, "horizons": [], "seed": 0}},
        {"spec": {"rows": 0, "horizons": [1, 4], "seed": 0}},
        {"units": 9_999},
        {"cell": "lstm"},
        {"units": "8"},
    ],
)
def test_altered_files_are_refused(learned, change, tmp_path, monkeypatch):
    from forecast.errors import ModelFileError
    from forecast.estimators import detector_saving

    path = tmp_path / "watch.forecast"
    plain = detector_saving.describe

    def altered(fitted):
        described, numbers = plain(fitted)
        described["errors"]["running"] = json.loads(json.dumps(described["errors"]["running"])) | change
        return described, numbers

    monkeypatch.setattr(detector_saving, "describe", altered)
    learned.save(path)
    with pytest.raises(ModelFileError):
        forecast.load(path)


def test_a_file_without_networks_is_not_fine_tuned(tmp_path, monkeypatch):
    from forecast.errors import ModelFileError
    from forecast.estimators import detector_saving

    plain = detector_saving.describe

    def altered(fitted):
        described, numbers = plain(fitted)
        return described | {"online": True}, numbers

    detector = forecast.Detector("ewma").fit(waves())
    monkeypatch.setattr(detector_saving, "describe", altered)
    detector.save(tmp_path / "watch.forecast")
    with pytest.raises(ModelFileError):
        forecast.load(tmp_path / "watch.forecast")
