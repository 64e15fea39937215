"""What is chosen about the network, and on which rows."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.data.encoding import fit_static
from forecast.errors import ParameterError, TrainingDiverged
from forecast.estimators.choosing import choose_network, make_extras
from forecast.estimators.lessons import Lessons
from forecast.estimators.recipe import Options, make_plan, members_of, usual_model
from forecast.estimators.setting import Setting
from forecast.models import MODELS, Spec
from tests.tables import PLAIN, panel_of, shops

# A program that is quickly compiled, where any network will do.
QUICK = "linear"
SETTING = Setting(horizon=7, context=28, season=7, holdout=0, validation=20, short="error", period=7)


def growing(rows: int = 200) -> pd.DataFrame:
    """A season of 7 whose swing grows with its level, over a factor of fifty."""
    t = np.arange(rows)
    noise = np.random.default_rng(0).normal(size=rows)
    sold = np.exp(4 * t / rows + 0.5 * np.sin(2 * np.pi * t / 7) + 0.05 * noise)
    return pd.DataFrame({"shop": "a", "day": pd.date_range("2024-01-01", periods=rows), "sold": sold})


def lessons(table: pd.DataFrame, options: Options, setting: Setting = SETTING) -> Lessons:
    panel = panel_of(table)
    extras = make_extras(panel, setting, options)
    return Lessons(panel, setting, panel.ends, setting.validation, fit_static(panel.static), extras)


def test_a_logarithm_is_chosen_where_swings_grow_with_the_level():
    options = Options(model=QUICK)
    chosen = choose_network(lessons(growing(), options), options)
    assert chosen.spec.transform == "log" and chosen.spec.positive
    (told,) = chosen.choices
    assert told.what == "scaling" and "MASE on validation rows" in told.why and "of log" in told.value


@pytest.mark.parametrize("head", ["normal", "student"])
def test_networks_that_forecast_a_distribution_are_judged_by_its_median(head):
    table = growing().assign(sold=lambda t: 1_000 + np.sin(np.arange(len(t))))
    options = Options(model=QUICK, spec={"head": head}, steps=5)
    (told,) = choose_network(lessons(table, options), options).choices
    errors = [float(part.rsplit(" ", 1)[1]) for part in told.why.split(", ") if "." in part]
    assert len(errors) == 3 and max(errors) < 20  # a scale in place of a median would be off by a thousand


def test_the_choice_sees_nothing_behind_the_end_of_its_rows():
    options = Options(model=QUICK, steps=20)
    table = growing()
    panel = panel_of(table)
    stop = panel.ends - 30
    found = []
    for factor in (1.0, -100.0):
        changed = table.assign(
            sold=np.where(np.arange(len(table)) < stop[0], table["sold"], factor * table["sold"])
        )
        own = panel_of(changed)
        extras = make_extras(own, SETTING, options)
        taught = Lessons(own, SETTING, stop, SETTING.validation, fit_static(own.static), extras)
        found.append(choose_network(taught, options))
    assert found[0].spec == found[1].spec and found[0].choices == found[1].choices


def test_what_the_user_says_is_not_tried():
    options = Options(spec={"anchor": "season", "transform": "none"}, model="segment")
    chosen = choose_network(lessons(growing(), options), options)
    assert (chosen.spec.anchor, chosen.spec.transform, chosen.choices) == ("season", "none", ())


@pytest.mark.parametrize(
    ("spreads", "tried"), [((1, 1.5, 1.5), True), ((1, 1, 10), False), ((0, 0, 0), False)]
)
def test_a_common_spread_is_tried_where_series_are_alike(spreads, tried):
    noise = np.random.default_rng(0).normal(size=200)
    table = pd.concat(
        growing().assign(shop=str(j), sold=100 * j + by * noise) for j, by in enumerate(spreads)
    )
    options = Options(model=QUICK, spec={"anchor": "mean"}, steps=10)
    told = choose_network(lessons(table, options), options).choices
    assert bool(told) == tried
    assert not tried or "mean and training spread, 28 rows" in told[0].why


def test_the_spread_of_the_training_rows_is_taken_if_asked_for():
    noise = np.random.default_rng(0).normal(size=(2, 200))
    table = pd.concat(growing().assign(shop=str(j), sold=10 + 5 * noise[j]) for j in (0, 1))
    table.loc[table["day"] >= "2024-07-01", "sold"] += 1_000  # behind the rows to learn from
    for anchor in ("last", "mean"):
        options = Options(model="segment", spec={"anchor": anchor, "scale": "training", "transform": "none"})
        chosen = choose_network(lessons(table, options), options)
        assert chosen.spec.scale_by == pytest.approx((5,), rel=0.1) and chosen.choices == ()


def test_fast_takes_the_usual_scaling_untried():
    options = Options(preset="fast")
    chosen = choose_network(lessons(growing(), options), options)
    assert chosen.spec.anchor == "last" and [choice.what for choice in chosen.choices] == ["model"]


def test_members_of_an_ensemble_differ_and_then_have_other_seeds():
    options = Options(model=QUICK, ensemble=6, steps=20)
    setting = replace(SETTING, context=56)
    chosen = choose_network(lessons(growing(400), options, setting), options)
    members = chosen.architecture.options["members"]
    assert len(members) == 6 and len({str(member["spec"]) for member in members}) == 6
    assert [member["spec"]["seed"] for member in members] == list(range(6))
    assert members[0]["spec"] == {"seed": 0} and members[1]["spec"]["context"] == 14
    assert chosen.spec.context == max(spec.context for spec in chosen.architecture.specs(chosen.spec))


def test_auto_tries_smoothing_beside_segments_and_says_so():
    options = Options(arguments={"units": 8}, ensemble=3, spec={"transform": "none"}, steps=20)
    chosen = choose_network(lessons(growing(), options), options)
    told = {choice.what: choice for choice in chosen.choices}
    assert list(told) == ["model", "scaling", "members"]
    assert ": segment " in told["model"].why and ", esrnn " in told["model"].why
    assert told["members"].value.startswith(f"3: {told['model'].value} ")


def test_a_mean_of_networks_is_kept_in_a_file(tmp_path):
    model = forecast.Forecaster(
        horizon=3, context=8, model="rnn", preset="fast", epochs=1, ensemble=2, **PLAIN
    )
    model.fit(shops()).save(tmp_path / "mean.forecast")
    pd.testing.assert_frame_equal(
        forecast.load(tmp_path / "mean.forecast").predict(), model.predict(), check_exact=True
    )


def favour(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give networks of this name half the error of the others, untrained."""

    def rated(lessons, options, way, trials, listeners):
        return replace(way, errors=np.full(4, 0.5 if way.architecture.name == name else 1.0))

    monkeypatch.setattr("forecast.estimators.choosing.try_out", rated)


@pytest.mark.parametrize(
    ("wish", "found"), [("auto", "last"), ("period", "period"), ("difference", "difference")]
)
def test_an_anchor_asked_for_stays_with_the_better_network(wish, found, monkeypatch):
    favour("esrnn", monkeypatch)
    options = Options(spec={"anchor": wish, "transform": "none"})
    chosen = choose_network(lessons(growing(), options), options)
    assert (chosen.architecture.name, chosen.spec.anchor) == ("esrnn", found)


def test_the_scaling_that_is_told_is_that_of_the_network_taken(monkeypatch):
    favour("esrnn", monkeypatch)
    options = Options(spec={"transform": "none"})
    setting = replace(SETTING, period=14)
    monkeypatch.setattr("forecast.estimators.choosing._ANCHORS", (("mean",), ("period", "last")))
    chosen = choose_network(lessons(growing(), options, setting), options)
    told = {choice.what: choice.value for choice in chosen.choices}
    assert chosen.spec.anchor == "mean" and told == {"model": "esrnn", "scaling": "mean, 28 rows"}


def test_validation_rows_without_a_window_try_nothing():
    options = Options()
    short = lessons(growing(), options, replace(SETTING, validation=3))
    gap = lessons(
        growing().assign(sold=lambda t: t["sold"].where((t.index < 140) | (t.index >= 180))), options
    )
    for rows in (short, replace(gap, stop=gap.stop - 30)):
        chosen = choose_network(rows, options)
        assert [choice.what for choice in chosen.choices] == ["model"] and chosen.left == 1.0


def test_trials_take_their_part_of_a_budget_and_survive_divergence(monkeypatch):
    def diverge(*_, **__):
        raise TrainingDiverged("no end")

    monkeypatch.setattr("forecast.estimators.trials.train", diverge)
    options = Options(model="segment", arguments={"units": 4}, spec={"transform": "none"}, budget=100.0)
    chosen = choose_network(lessons(growing(), options), options)
    assert chosen.left == 0.8 and chosen.spec.anchor == "last"
    assert chosen.choices[0].why.count("diverged") == 3


def test_changes_are_repeated_with_other_seeds_where_there_are_no_more():
    members = members_of(
        Options(ensemble=3, seed=5), [{"model": "rnn", "spec": {}}, {"model": "segment", "spec": {}}]
    )
    assert [member["model"] for member in members] == ["rnn", "segment", "rnn"]
    assert [member["spec"] for member in members] == [{"seed": 5}, {"seed": 6}, {"seed": 7}]


@pytest.mark.parametrize(
    ("arguments", "model"),
    [({}, "segment"), ({"units": 8}, "segment"), ({"layers": 2}, "rnn"), ({"bidirectional": True}, "rnn")],
)
def test_auto_takes_the_network_that_has_the_options_asked_for(arguments, model):
    options = Options(arguments=arguments, preset="fast")
    assert choose_network(lessons(growing(), options), options).architecture.name == model


def test_auto_leaves_short_series_to_the_plain_network():
    assert usual_model(SETTING, rows=200) == "segment"
    assert usual_model(SETTING, rows=50) == "rnn"


def test_an_option_that_the_network_lacks_is_refused_with_those_it_has():
    with pytest.raises(ParameterError, match="segment network has no option 'layers'; it has segment"):
        forecast.Forecaster(horizon=7, model="segment", layers=2, **PLAIN).fit(shops())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"model": "segmnt"}, "model must be one of auto, "),
        ({"preset": "slow"}, "preset must be one of fast, good, best"),
        ({"sampling": "days"}, "sampling must be one of rows, series"),
        ({"steps": 10, "epochs": 2}, "Both steps and epochs"),
        ({"embed": ("shops",)}, "embed may hold"),
        ({"averaging": 1.0}, "averaging must lie between"),
        ({"weight_decay": -1.0}, "weight_decay must be a positive number"),
        ({"weight_decay": 0.1, "optimizer": keras.optimizers.SGD()}, "weight_decay belongs to the optimiser"),
        ({"head": "normal", "loss": "mae"}, "takes likelihood or crps"),
        ({"loss": "crps"}, "needs a distribution"),
        ({"loss": "mse"}, "point loss"),
        ({"head": "gauss"}, "head must be one of"),
        ({"target_transform": "root"}, "target_transform"),
        ({"anchor": "first"}, "anchor must be one of"),
        ({"scale": "row"}, "scale must be one of auto, window, training"),
        ({"anchor": "none", "scale": "training"}, "goes without scale='training'"),
    ],
)
def test_refusals(wrong, words):
    with pytest.raises(ParameterError, match=words):
        forecast.Forecaster(**({"horizon": 3, "context": 8, "preset": "fast"} | wrong | PLAIN)).fit(shops())


def test_a_transform_that_the_values_do_not_allow_is_refused_with_the_reason():
    table = shops().assign(sold=lambda t: t["sold"] - 20)
    with pytest.raises(ParameterError, match="target_transform='log' needs values above zero; 'sold' has -"):
        forecast.Forecaster(horizon=3, context=8, target_transform="log", **PLAIN).fit(table)


def test_many_series_are_drawn_equally_often_and_get_a_skip():
    options = Options(preset="fast")
    chosen = choose_network(lessons(shops(series=20, rows=160), options), options)
    assert chosen.spec.skip is True
    assert make_plan(1_000, options, chosen.spec, series=20).by_series
    assert not make_plan(1_000, options, chosen.spec, series=19).by_series


def test_steps_grow_with_the_windows_within_the_bounds_of_the_preset():
    spec = Spec(context=24, horizon=6)
    totals = {name: [make_plan(n, Options(preset=name), spec).total for n in (50, 20_000, 10**7)] for name in
              ("fast", "good", "best")}  # fmt: skip
    assert totals == {"fast": [200, 200, 500], "good": [300, 300, 1_500], "best": [600, 600, 4_000]}
    assert make_plan(10**6, Options(preset="best"), spec).averaging == 0.995
    assert make_plan(50, Options(steps=7), spec).total == 7


def test_architectures_of_the_command_line_are_those_there_are():
    from forecast.backtesting.names import ARCHITECTURES
    from forecast.cli import training_options

    assert set(training_options.ARCHITECTURES) == set(MODELS)
    assert set(ARCHITECTURES) == set(MODELS) - {"rnn"}


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        ({"recurrent_dropout": 0.2}, None),
        ({"activation": "relu"}, "--activation"),
        ({}, None),
    ],
)
def test_leaving_the_fast_path_is_told(options, flag):
    model = forecast.Forecaster(horizon=3, context=8, preset="fast", model="rnn", units=4, steps=1, **options)
    told = [choice.flag for choice in model.fit(shops()).choices_ if choice.what == "speed"]
    assert told == ([] if flag is None else [flag])
