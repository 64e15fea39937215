"""Covariates of a detector: what is known ahead or up to now makes errors small, is asked for by name, and is kept."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.errors import InputError

# In so many rows a coin falls both ways: windows are scaled by what they show.
NETWORK = {"model": "rnn", "units": 8, "steps": 150, "horizons": (1,), "context": 24, "season": 1}
ROLES = {"plan": "known_future", "valve": "past_only"}


def plant(rows: int = 500) -> pd.DataFrame:
    """A load that follows today's plan, or the valve as it stood one row before; both jump at random."""
    rng = np.random.default_rng(0)
    plan, valve = rng.integers(0, 2, rows), rng.integers(0, 2, rows)
    noise = 0.1 * rng.normal(size=(2, rows))
    return pd.DataFrame(
        {
            "hour": pd.date_range("2024-01-01", periods=rows, freq="h"),
            "by_plan": 3.0 * plan + noise[0],
            "by_valve": 3.0 * np.append(0, valve[:-1]) + noise[1],
            "plan": plan.astype(float),
            "valve": valve.astype(float),
        }
    )


def fitted(column: str | None, target: str, method: str = "forecast") -> forecast.Detector:
    roles = {"known_future": ("none",), "past_only": ("none",), "static": ("none",)}
    roles |= {} if column is None else {ROLES[column]: (column,)}
    return forecast.Detector(method, time="hour", target=target, **roles, **NETWORK).fit(plant()[:350])


def errors(detector: forecast.Detector, table: pd.DataFrame) -> np.ndarray:
    """Absolute error of each row's forecast, from the row before."""
    panel = detector.fitted_.contract.read(table)
    scores = detector.fitted_.errors.scores(panel, np.zeros(1, np.int64), np.zeros(1, np.int64))[0]
    assert [(s.kind, s.rows) for s in scores.streams] == [("forecast", 1)]
    return np.abs(scores.actual - scores.expected)[:, 0]


def error(detector: forecast.Detector) -> float:
    """Mean of them behind the rows that were learned from."""
    return float(np.nanmean(errors(detector, plant())[350:]))


@pytest.fixture(scope="module", params=["plan", "valve"])
def both(request):
    """A detector that has the column that drives its target, and the name of the column."""
    return fitted(request.param, f"by_{request.param}"), request.param


@pytest.mark.slow
def test_the_column_that_drives_the_series_makes_its_errors_small(both):
    detector, column = both
    without = error(fitted(None, f"by_{column}"))
    # A coin: half of a jump of three is all that can be known without.
    assert without > 1.2
    assert error(detector) < without / 2


@pytest.mark.parametrize("column", ROLES)
def test_a_missing_column_is_refused_by_name(column):
    detector = fitted(column, f"by_{column}", "novelty")
    for look in (detector.detect, detector.score, detector.update):
        with pytest.raises(InputError, match=f"'{column}'"):
            look(plant().drop(columns=column))


def check_file(detector: forecast.Detector, column: str, path: Path) -> None:
    detector.save(path)
    again = forecast.load(path)
    assert getattr(again.fitted_.contract.columns, ROLES[column]) == (column,)
    pd.testing.assert_frame_equal(again.score(plant()), detector.score(plant()), check_exact=True)
    with pytest.raises(InputError, match=f"'{column}'"):
        again.score(plant().drop(columns=column))
    forecast.assert_online(again, plant())


@pytest.mark.parametrize("column", ROLES)
def test_columns_are_kept_in_the_file_and_none_looks_ahead(column, tmp_path):
    check_file(fitted(column, f"by_{column}", "novelty"), column, tmp_path / "watch.forecast")


@pytest.mark.slow
def test_columns_of_networks_are_kept_and_none_looks_ahead(both, tmp_path):
    check_file(*both, tmp_path / "watch.forecast")


@pytest.mark.slow
def test_an_unusual_row_is_told_from_a_planned_one(both):
    """The load jumps though what drives it did not: no error before is as large, while usual jumps make none.

    Those behind may be: the network looks back at the row.
    """
    detector, column = both
    table = plant()
    idle = int(np.flatnonzero((table["plan"] == 0) & (table["valve"].shift() == 0) & (table.index > 400))[0])
    table.loc[idle, f"by_{column}"] += 3.0
    found = errors(detector, table)[350 : idle + 1]
    assert int(np.nanargmax(found)) == idle - 350
    assert found[-1] > 2 * np.nanmax(found[:-1])


@pytest.mark.slow
@pytest.mark.parametrize("model", ["rnn", "segment", "seq2seq", "transformer", "conv"])
def test_what_is_known_ahead_counts_up_to_the_row_that_is_judged(model):
    """So that it makes no difference whether rows come one by one or together."""
    options = {"context": 24, "horizons": (1, 6), "season": 6, "model": model, "units": 8, "steps": 5}
    roles = {"known_future": ("plan",), "past_only": ("valve",), "static": ("none",)}
    options = {k: v for k, v in options.items() if k != "units" or model in ("rnn", "segment", "seq2seq")}
    detector = forecast.Detector(time="hour", target="by_plan", **roles, **options).fit(plant()[:350])
    bits = deepcopy(detector)
    detector.update(plant()[350:370])
    for row in range(350, 370):
        bits.update(plant()[row : row + 1])
    pasts = [one.fitted_.states[None].chain.pasts for one in (detector, bits)]
    assert len(pasts[0]) > 2
    for one, two in zip(*pasts, strict=True):
        np.testing.assert_array_equal(one.scores, two.scores)
