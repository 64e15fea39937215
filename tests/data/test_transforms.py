"""Rules for target transforms: what is possible, what is worth a trial, and nothing read behind the stop."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecast.data.columns import Columns
from forecast.data.panel import Panel, frozen
from forecast.data.sources import load_dataset
from forecast.data.step import parse_step
from forecast.data.transforms import Candidate, Transforms, choose_transform, wished_transform


def panel_of(*parts: np.ndarray, step: str | int = "h") -> Panel:
    """A panel of arrays ``(rows, targets)``."""
    values = np.concatenate([np.reshape(p, (len(p), -1)) for p in parts]).astype(np.float64)
    offsets = np.concatenate([[0], np.cumsum([len(p) for p in parts])])
    columns = Columns("when", "shop", tuple(f"y{j}" for j in range(values.shape[1])))
    ids, static = tuple(f"s{i}" for i in range(len(parts))), pd.DataFrame(index=range(len(parts)))
    begin = 0 if step == 1 else pd.Timestamp("2024-01-01")
    starts, present = pd.Index([begin] * len(parts)), np.ones(len(values), bool)
    return Panel(frozen(values), offsets, ids, starts, parse_step(step), columns, static, present)


def wandering(rows: int, seed: int = 0) -> np.ndarray:
    """Levels that wander over decades, never below zero."""
    return np.exp(np.cumsum(0.05 * np.random.default_rng(seed).normal(size=rows)))


def kinds(found: Transforms) -> tuple[str, ...]:
    return tuple(candidate.kind for candidate in found.candidates)


def exponent(panel: Panel) -> float:
    found = [candidate.by for candidate in choose_transform(panel).candidates if candidate.kind == "power"]
    return found[0][0]


# ---------------------------------------------------------------- exponents that are known


@pytest.mark.parametrize("growth", [0.3, 0.5, 0.7])
def test_the_exponent_undoes_the_growth_of_the_spread(growth):
    level = 1e4 * np.exp(2 * np.sin(np.linspace(0, 2 * np.pi, 20_000)))
    noise = np.random.default_rng(1).normal(size=len(level))
    values = level + level**growth * noise
    assert values.min() > 0
    assert exponent(panel_of(values, step=1)) == pytest.approx(1 - growth, abs=0.051)
    assert exponent(panel_of(values, step=1)) * 20 % 1 == pytest.approx(0, abs=1e-9)


def test_counts_have_the_square_root():
    counts = np.random.default_rng(0).poisson(4 * wandering(6_000))
    found = choose_transform(panel_of(counts))
    assert (counts == 0).any() and found.positive
    assert [(c.kind, c.by) for c in found.candidates[:2]] == [("none", ()), ("power", (0.5,))]
    assert kinds(found)[2:] in ((), ("asinh",))


def test_relative_noise_asks_for_the_logarithm_and_no_power():
    values = wandering(5_000) * np.exp(0.3 * np.random.default_rng(1).normal(size=5_000))
    found = choose_transform(panel_of(values))
    assert kinds(found) == ("none", "log")
    assert found.candidates[1].by == (values.min(),)


def test_zeros_keep_the_exponent_at_a_quarter_or_more():
    values = wandering(5_000) * np.exp(0.3 * np.random.default_rng(1).normal(size=5_000))
    values[::50] = 0
    found = choose_transform(panel_of(values))
    assert "log" not in kinds(found) and exponent(panel_of(values)) == 0.25


def test_even_data_are_left_alone():
    rng = np.random.default_rng(0)
    for values in (
        100 + rng.normal(size=3_000),
        rng.normal(size=3_000),
        500 + rng.normal(size=3_000).cumsum(),
    ):
        assert kinds(choose_transform(panel_of(values))) == ("none",)


def test_series_of_unlike_levels_are_worth_a_trial_though_each_is_even():
    rng = np.random.default_rng(0)
    parts = [size * (10 + rng.normal(size=200)) for size in (1, 10, 100, 1_000)]
    assert kinds(choose_transform(panel_of(*parts))) == ("none", "log")
    assert kinds(choose_transform(panel_of(*parts[:1]))) == ("none",)


def test_growth_is_judged_within_series_and_not_between_them():
    """Big series with big noise and small ones with small noise: noise of each is even nevertheless."""
    rng = np.random.default_rng(0)
    parts = [size * (10 + 9 * np.linspace(0, 1, 900) + rng.normal(size=900)) for size in (1, 2, 3, 4)]
    # Between them spread grows as the level itself, for which the exponent would be next to zero.
    assert wished_transform("power", panel_of(*parts)).by[0] >= 0.5


def test_heavy_tails_around_zero_ask_for_asinh_in_units_of_an_ordinary_value():
    prices = 30 * np.random.default_rng(0).standard_t(1.5, size=4_000)
    found = choose_transform(panel_of(prices))
    assert kinds(found) == ("none", "asinh") and not found.positive
    assert found.candidates[1].by[0] == pytest.approx(np.median(np.abs(prices)))
    assert kinds(choose_transform(panel_of(np.abs(prices) + 50)))[-1] != "asinh"


def test_unlike_series_have_no_heavy_tails_for_being_unlike():
    rng = np.random.default_rng(0)
    found = choose_transform(panel_of(*(10.0**k * rng.normal(size=400) for k in range(5))))
    assert kinds(found) == ("none",)


def test_air_passengers_are_logarithmic():
    """Guerrero's exponent for this series is below zero (Box and Jenkins take the logarithm)."""
    table = load_dataset("air_passengers")
    found = choose_transform(panel_of(table["passengers"].to_numpy(), step="MS"))
    assert kinds(found) == ("none", "log") and found.positive
    assert found.candidates[1].by == (104.0,)


# ---------------------------------------------------------------- several targets


def test_every_target_must_allow_the_transform():
    log = wandering(3_000) * np.exp(0.3 * np.random.default_rng(1).normal(size=3_000))
    even = 100 + np.random.default_rng(2).normal(size=3_000)
    both = choose_transform(panel_of(np.column_stack([log, even])))
    assert kinds(both) == ("none", "log") and len(both.candidates[1].by) == 2 and both.positive
    mixed = choose_transform(panel_of(np.column_stack([log, even - 100])))
    assert kinds(mixed) == ("none",) and not mixed.positive


def test_each_target_has_its_own_exponent():
    rng = np.random.default_rng(0)
    counts, even = rng.poisson(4 * wandering(6_000)), 100 + rng.normal(size=6_000) * 5
    found = choose_transform(panel_of(np.column_stack([counts, even])))
    assert found.candidates[1].kind == "power" and found.candidates[1].by == (0.5, 1.0)


# ---------------------------------------------------------------- odd data


@pytest.mark.parametrize("value", [0.0, 5.0, -5.0, 1e-300, 1e308])
def test_constants_are_left_alone(value):
    found = choose_transform(panel_of(np.full(60, value)))
    assert kinds(found) == ("none",) and found.positive == (value >= 0)


def test_without_any_value_nothing_is_known():
    found = choose_transform(panel_of(np.full(60, np.nan)))
    assert found == Transforms((Candidate("none"),), positive=False)


@pytest.mark.parametrize("rows", [1, 2, 5, 9])
def test_tiny_series_are_left_alone_or_tried_without_failing(rows):
    assert kinds(choose_transform(panel_of(np.arange(1.0, rows + 1))))[0] == "none"
    assert choose_transform(panel_of(-np.arange(1.0, rows + 1), step=1)).positive is False


def test_the_unit_does_not_matter():
    counts = np.random.default_rng(0).poisson(4 * wandering(3_000))
    want = choose_transform(panel_of(counts))
    for unit in (1e-200, 1e-3, 1e300):
        found = choose_transform(panel_of(counts * unit))
        assert kinds(found) == kinds(want)
        assert found.candidates[1].by == want.candidates[1].by


def test_gaps_and_ragged_series_do_not_matter_much():
    rng = np.random.default_rng(0)
    parts = [rng.poisson(4 * wandering(n, seed=n)).astype(float) for n in (3, 40, 700, 1_500, 3_000)]
    for part in parts:
        part[rng.random(len(part)) < 0.2] = np.nan
        part[: len(part) // 10] = np.nan
    assert exponent(panel_of(*parts)) == pytest.approx(0.5, abs=0.11)


def test_the_order_of_the_series_does_not_matter():
    rng = np.random.default_rng(0)
    parts = [10.0**k * (5 + rng.random(8)) for k in (0, 3, 1, 4, 2) * 4]
    assert choose_transform(panel_of(*parts)) == choose_transform(panel_of(*parts[::-1]))


def test_infinite_values_count_as_missing():
    values = wandering(500) + 1
    values[7] = np.inf
    assert choose_transform(panel_of(values)).candidates[0].kind == "none"


def test_nothing_behind_the_stop_is_looked_at():
    parts = [1 + wandering(n, seed=n) for n in (300, 500)]
    panel, stop = panel_of(*parts), np.array([200, 700])
    noise = 1e6 * np.random.default_rng(0).normal(size=(panel.rows, 1))
    behind = (np.arange(panel.rows) >= np.repeat(stop, panel.lengths))[:, None]
    assert behind.sum() == 200
    want = choose_transform(panel, stop)
    assert choose_transform(panel_of(*np.split(np.where(behind, noise, panel.values), [300])), stop) == want
    assert choose_transform(panel_of(*np.split(np.where(behind, noise, panel.values), [300]))) != want
    nothing = choose_transform(panel, panel.offsets[:-1])
    assert nothing == Transforms((Candidate("none"),), positive=False)


def test_the_default_stop_is_behind_the_last_observed_target():
    panel = panel_of(np.append(wandering(400), np.full(50, np.nan)))
    assert choose_transform(panel) == choose_transform(panel, panel.ends)
