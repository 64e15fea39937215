"""Seasons: found where they are, not found where nothing repeats."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.data.columns import Columns
from forecast.data.gridding import to_panel
from forecast.data.panel import Panel
from forecast.data.season import find_season
from forecast.data.step import parse_step
from forecast.data.table import read_table

DATASETS = Path(__file__).parents[2] / "datasets"
NATURAL = {"h": 24, "D": 7, "MS": 12, "ME": 12, "W": 52, "30min": 48, "B": 5, "QS": 4}


def panel_of(*parts: object, step: object = 1) -> Panel:
    """One series an argument, each ``(rows,)`` or ``(rows, targets)``."""
    arrays = [np.reshape(np.asarray(p, dtype=np.float64), (len(p), -1)) for p in parts]  # type: ignore[arg-type]
    values, offsets = np.concatenate(arrays), np.concatenate([[0], np.cumsum([len(a) for a in arrays])])
    columns = Columns("t", "shop", tuple(f"y{j}" for j in range(values.shape[1])))
    known = parse_step(step)  # type: ignore[arg-type]
    first = 0 if known.kind == "integer" else pd.Timestamp("2024-01-01")
    ids, starts = tuple(f"s{i}" for i in range(len(arrays))), pd.Index([first] * len(arrays))
    static = pd.DataFrame(index=range(len(arrays)))
    return Panel(values, offsets, ids, starts, known, columns, static, np.ones(len(values), bool))


def pattern(season: int, rows: int, seed: int = 0, noise: float = 0.3) -> np.ndarray:
    """A random pattern that repeats, on a trend, with noise."""
    rng = np.random.default_rng(seed)
    shape = rng.normal(size=season)
    return shape[np.arange(rows) % season] + 0.02 * np.arange(rows) + noise * rng.normal(size=rows)


@pytest.mark.parametrize("step", [*NATURAL, 1])
@pytest.mark.parametrize("seed", range(3))
def test_a_repeating_pattern_is_found(step, seed):
    season = NATURAL.get(step, 24)
    assert find_season(panel_of(pattern(season, 6 * season + 40, seed), step=step)) == season


@pytest.mark.parametrize(("step", "season"), [("h", 24), ("D", 7), ("MS", 12), (1, 12), (1, 24)])
@pytest.mark.parametrize("noise", [0.0, 0.1, 0.4])
def test_a_smooth_wave_is_found_under_noise(step, season, noise):
    rng = np.random.default_rng(1)
    rows = 12 * season
    wave = np.sin(2 * np.pi * np.arange(rows) / season) + noise * rng.normal(size=rows)
    assert find_season(panel_of(wave, step=step)) == season
    assert find_season(panel_of(wave + rng.normal(size=rows).cumsum() * 0.05, step=step)) == season


def test_the_longer_season_wins_only_where_it_says_more():
    hours = np.arange(24 * 7 * 8)
    daily = np.sin(2 * np.pi * hours / 24)
    assert find_season(panel_of(daily, step="h")) == 24
    weekly = daily * np.where(hours // 24 % 7 < 5, 1.0, -1.0)
    assert find_season(panel_of(weekly, step="h")) == 168


@pytest.mark.parametrize("step", ["h", "D", "MS", 1])
@pytest.mark.parametrize("rows", [60, 120, 500])
@pytest.mark.parametrize("kind", ["noise", "walk", "slow"])
def test_what_does_not_repeat_has_no_season(step, rows, kind):
    found = [find_season(panel_of(wander(kind, rows, seed), step=step)) for seed in range(100)]
    assert sum(season != 1 for season in found) <= (4 if kind != "slow" else 8)


def wander(kind: str, rows: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=rows)
    if kind == "slow":  # changes of this walk last: each is 0.7 of the one before, and chance
        for t in range(1, rows):
            noise[t] += 0.7 * noise[t - 1]
    return noise if kind == "noise" else noise.cumsum()


@pytest.mark.parametrize(
    ("name", "season"), [("air_passengers", 12), ("elnino", 12), ("shops", 7), ("co2", 52)]
)
def test_seasons_of_real_tables(name, season):
    assert find_season(to_panel(read_table(DATASETS / f"{name}.csv"))) == season


@pytest.mark.parametrize("name", ["nile", "sunspots"])
def test_yearly_tables_have_no_season(name):
    assert find_season(to_panel(read_table(DATASETS / f"{name}.csv"))) == 1


@pytest.mark.skipif(not os.environ.get("FORECAST_DATA_DIR"), reason="FORECAST_DATA_DIR is not set")
@pytest.mark.parametrize("column", ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"])
def test_the_transformer_has_a_daily_season_in_every_column(column):
    path = Path(os.environ["FORECAST_DATA_DIR"]) / "ett" / "ETTh1.csv"
    assert find_season(to_panel(read_table(path, target=column))) == 24


def test_gaps_do_not_hide_a_season():
    values = pattern(24, 600)
    values[np.random.default_rng(0).random(600) < 0.2] = np.nan
    values[200:260] = np.nan
    assert find_season(panel_of(values, step="h")) == 24


def test_most_series_decide():
    walks = [wander("walk", 200, seed) for seed in range(5)]
    waves = [pattern(7, 200, seed) for seed in range(5)]
    assert find_season(panel_of(*waves, *walks[:2], step="D")) == 7
    assert find_season(panel_of(*waves[:2], *walks, step="D")) == 1


def test_series_without_values_do_not_vote():
    empty = [np.full(200, np.nan)] * 101
    assert find_season(panel_of(*empty, pattern(7, 200), *empty, step="D")) == 7


@pytest.mark.parametrize(("step", "season"), [("h", 24), ("MS", 12), ("W", 52)])
def test_three_seasons_of_a_clear_pattern_are_enough(step, season):
    found = [find_season(panel_of(pattern(season, 3 * season + 5, seed), step=step)) for seed in range(20)]
    assert found.count(season) >= 18


@pytest.mark.parametrize("values", [[], [5.0], [1.0, 2.0], [3.0] * 300, [np.nan] * 300])
def test_too_little_has_no_season(values):
    assert find_season(panel_of(values or [np.nan], step="D")) == 1


def test_enormous_values_do_not_overflow():
    assert find_season(panel_of(pattern(7, 200) * 1e300, step="D")) in (1, 7)
    assert find_season(panel_of(np.resize([1.7e308, -1.7e308], 99), step="D")) == 1


def test_steps_without_usual_seasons_have_none():
    assert find_season(panel_of(pattern(12, 200), step="YS")) == 1
