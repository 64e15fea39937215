"""The NAB score equals the published scorer's, and what can be reckoned by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.errors import InputError
from forecast.evaluation.nab import PROFILES, Profile, nab_score, probation_rows

DATA = Path(os.environ.get("FORECAST_DATA_DIR", "missing")) / "nab"
published = pytest.mark.skipif(not DATA.is_dir(), reason="the benchmark's files are not in FORECAST_DATA_DIR")


def labelled() -> dict[str, list[tuple[int, int]]]:
    """Windows of each file as rows."""
    found = {}
    for name, windows in json.loads((DATA / "windows.json").read_text()).items():
        times = pd.to_datetime(pd.read_csv(DATA / "data" / name)["timestamp"])
        found[name] = [
            (int(times.searchsorted(pd.Timestamp(a))), int(times.searchsorted(pd.Timestamp(b), "right")))
            for a, b in windows
        ]
    return found


@published
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("detector", ["numenta", "randomCutForest", "windowedGaussian"])
def test_published_scores_are_reproduced(detector, profile):
    expected = json.loads((DATA / "results" / "expected.json").read_text())[detector][profile]
    table = pd.read_csv(DATA / "results" / f"{detector}.csv.gz")
    scores = {name: part["anomaly_score"].to_numpy() for name, part in table.groupby("file")}
    windows = labelled()
    found = nab_score([scores[name] for name in windows], list(windows.values()), profile=profile)
    assert found.score == pytest.approx(expected["score"], abs=1e-4)
    assert (found.true_positives, found.false_positives, found.windows) == (
        expected["TP"],
        expected["FP"],
        expected["windows"],
    )
    assert found.threshold == pytest.approx(expected["threshold"], abs=1e-6) and found.chosen
    fixed = nab_score(
        [scores[name] for name in windows],
        list(windows.values()),
        profile=profile,
        threshold=found.threshold,
    )
    assert fixed.score == found.score and not fixed.chosen


def flags(rows: int, *at: int) -> np.ndarray:
    found = np.zeros(rows)
    found[list(at)] = 1.0
    return found


def test_the_scale():
    windows = [[(300, 350), (600, 640)], []]
    both = nab_score([flags(1_000, 300, 600), flags(50)], windows, threshold=0.5)
    assert both.score == pytest.approx(100) and both.windows == 2
    assert nab_score([flags(1_000), flags(50)], windows, threshold=0.5).score == 0
    assert nab_score([flags(1_000, 300, 310, 349), flags(50)], windows, threshold=0.5).score == 50


def test_worth_falls_along_the_window_and_behind_it():
    def score(row: int) -> float:
        return nab_score([flags(1_000, row)], [[(300, 350)]], threshold=0.5).score

    def sigmoid(place: float) -> float:
        return 2 / (1 + np.exp(5 * place)) - 1

    assert score(325) == pytest.approx(50 * (1 + sigmoid(-0.5) / sigmoid(-1.0)))
    assert score(349) == pytest.approx(50 * (1 + sigmoid(-1 / 50) / sigmoid(-1.0)))
    assert score(350) == pytest.approx(50 * 0.11 * sigmoid(1 / 49))
    assert score(200) == score(900) == pytest.approx(-50 * 0.11)


def test_probation_is_not_scored():
    assert [probation_rows(n) for n in (0, 6, 7, 100, 10_000)] == [0, 0, 1, 15, 750]
    found = nab_score([flags(1_000, 10, 149, 150)], [[(300, 350)]], threshold=0.5)
    assert found.false_positives == 1
    # A window that lies there cannot be found: it is a hit that is missing, but no miss.
    early = nab_score([flags(1_000, 20, 300)], [[(10, 40), (300, 350)]], threshold=0.5)
    assert early.score == pytest.approx(100 * 2 / 3) and early.windows == 1


def test_every_threshold_is_scored_as_if_it_were_fixed():
    rng = np.random.default_rng(0)
    scores = [rng.integers(0, 8, 400) / 8 for _ in range(3)]
    windows = [[(100, 140), (300, 301)], [], [(350, 400)]]
    best = nab_score(scores, windows)
    fixed = {level: nab_score(scores, windows, threshold=level).score for level in np.arange(9) / 8}
    assert best.score == max(*fixed.values(), 0.0)
    own = Profile(hit=1.0, miss=1.0, false_alarm=0.0)
    assert nab_score(scores, windows, profile=own, threshold=0.0).score == pytest.approx(100)


def test_missing_scores_are_never_flagged():
    scores = flags(1_000, 300)
    scores[500:] = np.nan
    found = nab_score([scores], [[(300, 350), (600, 650)]], threshold=-1.0)
    assert found.windows == 1 and found.true_positives == 50
    assert nab_score([np.full(100, np.nan)], [[(50, 60)]]).score == 0


@pytest.mark.parametrize(
    ("scores", "windows", "message"),
    [
        ([np.zeros(9)], [], "scores of 1 series and windows of 0"),
        ([np.zeros(9)], [[]], "no labelled window"),
        ([np.zeros(9)], [[(5, 10)]], "outside its 9 rows"),
        ([np.zeros(9)], [[(5, 5)]], "empty, overlap"),
        ([np.zeros(9)], [[(3, 6), (5, 8)]], "empty, overlap"),
    ],
)
def test_windows_that_make_no_sense_are_refused(scores, windows, message):
    with pytest.raises(InputError, match=message):
        nab_score(scores, windows)
