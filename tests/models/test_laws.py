"""Laws over every architecture that is registered, for any weights."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache

import keras
import numpy as np
import pytest

from forecast.models import MODELS, Spec, stateful
from forecast.models.dtypes import wide
from forecast.models.forms import forms_of
from forecast.models.spec import ANCHORS
from tests.models import laws
from tests.models.laws import PLAIN, RICH, UNSCALED, moved, nudged, randomised, run, short, small, windows


def slow(value: object) -> object:
    """Leave a case to ``-m slow``."""
    return pytest.param(value, marks=pytest.mark.slow)


def fuzz(value: object) -> object:
    """Leave a case to ``-m fuzz``: wide products that single tests cover each part of."""
    return pytest.param(value, marks=pytest.mark.fuzz)


every = pytest.mark.parametrize("name", MODELS)
SCALED = ("last", "difference", slow("mean"), slow("season"), slow("period"))
POINT = replace(PLAIN, quantiles=())
OPTIONS = {
    "several targets": POINT,
    "everything": RICH,
    "one row each": Spec(context=1, horizon=1),
}
MORE_OPTIONS = {
    "one target": replace(POINT, targets=1),
    "one target, quantiles": replace(PLAIN, targets=1),
    "joined targets": replace(PLAIN, independent=False),
    "joined targets, one number": replace(POINT, independent=False),
    "everything, joined": replace(RICH, independent=False),
    "everything, one number": replace(RICH, quantiles=()),
    "everything, one row each": replace(RICH, context=1, horizon=1),
}
ALONE = {
    "known_future": 2,
    "past_only": 1,
    "static": 3,
    "padded": True,
    "missing": True,
    "calendar": 2,
    "lags": 2,
    "categories": (4, 3),
    "series": 4,
    "skip": True,
    "positive": True,
    "scale_by": (2.0, 30.0),
}
HEADS = {
    "normal": POINT,
    "student": RICH,
    "negative_binomial": POINT,
    "mixture": replace(RICH, independent=False),
    "lognormal": replace(POINT, transform="log", transform_by=(1e-3, 1e-3)),
}
TRANSFORMS = {"log": (1e-6, 1e-6), "asinh": (0.5, 3.0), "power": (0.5, 0.3)}


def fitting(name: str, spec: Spec) -> Spec:
    """Return the spec as an architecture can have it, or skip the test with the reason that it cannot."""
    if name == "stateful":
        return once(spec)
    if name != "autoregressive":
        return spec
    if spec.skip:
        pytest.skip("an autoregressive network forecasts one row at a time, so it has no skip to the horizon")
    if spec.head != "quantiles":
        return spec
    if spec.transform not in ("none", "log"):
        pytest.skip("an autoregressive network forecasts a distribution, which goes with no such transform")
    return replace(spec, head="normal" if spec.transform == "none" else "lognormal")


def once(spec: Spec) -> Spec:
    """Return the spec as a network that reads each row once can have it."""
    if spec.anchor not in stateful.ANCHORS:
        pytest.skip(f"a stateful network has no anchor {spec.anchor!r}: that looks back on many rows")
    if spec.scale_by:
        pytest.skip("a stateful network divides by what it has seen of a series, not by a given spread")
    return replace(spec, lags=0, skip=None)


def fresh(name: str, spec: Spec) -> keras.Model:
    return small(MODELS[name], fitting(name, spec))


@cache
def network(name: str, spec: Spec, weights: int = 0) -> keras.Model:
    """Build with random weights; tests share what is built."""
    return randomised(fresh(name, spec), weights)


def transformed(kind: str, **changes) -> Spec:
    by = TRANSFORMS.get(kind, ())
    return replace(PLAIN, transform=kind, transform_by=by, **changes)


def check_shape(name: str, spec: Spec) -> None:
    forecasts = run(network(name, spec), short(spec))
    several = (len(spec.quantiles),) if spec.quantiles else ()
    if spec.head != "quantiles" and not forms_of(network(name, spec)).quantiles:
        several = (spec.outputs,)
    assert forecasts.shape == (5, spec.horizon, spec.targets, *several)
    assert network(name, spec).output_shape == (None, *forecasts.shape[1:])
    assert forecasts.dtype == wide()
    assert np.isfinite(forecasts).all()


@every
@pytest.mark.parametrize("options", [*OPTIONS, *(slow(o) for o in MORE_OPTIONS)])
def test_shapes(name, options):
    check_shape(name, (OPTIONS | MORE_OPTIONS)[options])


@pytest.mark.slow
@every
@pytest.mark.parametrize("option", ALONE)
def test_shapes_with_one_option_alone(name, option):
    for spec in (POINT, replace(PLAIN, independent=False)):
        check_shape(name, replace(spec, **{option: ALONE[option]}))


@every
@pytest.mark.parametrize("head", ["normal", *(slow(head) for head in HEADS if head != "normal")])
def test_heads_give_parameters_that_move_with_the_newest_observation(name, head):
    spec = replace(HEADS[head], head=head, quantiles=())
    check_shape(name, spec)
    model, inputs = network(name, spec), short(spec)
    length = inputs.get("length", np.full(5, spec.context))
    # Draws of counts are whole numbers, which a small change may leave as they are.
    change = moved(model, inputs, nudged(inputs, "target", (np.arange(5), length - 1), by=20.0))
    each = change.reshape(5, spec.horizon, spec.targets, -1)
    assert (each.max(axis=-1) > 1e-6).all()


@every
def test_every_step_sees_the_newest_observation(name):
    laws.check_newest_is_seen(network(name, UNSCALED), UNSCALED)


@every
def test_every_step_sees_the_newest_row_of_past_only_columns(name):
    inputs = windows(UNSCALED)
    change = moved(network(name, UNSCALED), inputs, nudged(inputs, "past_only", np.s_[:, -1]))
    assert (change.max(axis=(0, 3)) > 1e-6).all()


@every
@pytest.mark.parametrize("spec", [RICH, slow(UNSCALED)], ids=["last", "none"])
def test_padding_is_never_read(name, spec):
    laws.check_padding_is_never_read(network(name, spec), spec)


@every
def test_batch_size_changes_nothing(name):
    laws.check_batch_size_changes_nothing(network(name, RICH), RICH)


@every
def test_one_window_alone_is_as_among_others_where_axes_are_equally_long(name):
    """Keras takes a summand with one long axis for a bias if the last axis is as long: lengths that can be mistaken."""
    for targets in (1, 3):
        spec = replace(PLAIN, horizon=3, targets=targets, independent=targets == 1)
        laws.check_batch_size_changes_nothing(network(name, spec), spec)


@every
@pytest.mark.parametrize("anchor", SCALED)
def test_affine_input_gives_affine_output(name, anchor):
    spec = replace(RICH, anchor=anchor)
    laws.check_affine(network(name, spec), spec)


@every
@pytest.mark.parametrize(
    "anchor", ["last", *(slow(anchor) for anchor in ANCHORS if anchor not in ("last", "none"))]
)
def test_constant_window_gives_that_constant(name, anchor):
    spec = replace(RICH, anchor=anchor)
    laws.check_constant(network(name, spec), spec)


@every
def test_quantiles_cannot_cross(name):
    laws.check_quantiles_rise(network(name, PLAIN, weights=3), PLAIN)


@every
def test_missing_values_are_marked_not_read(name):
    model, inputs = network(name, UNSCALED), windows(UNSCALED)
    inputs["target"][:, 2:5] = np.nan
    forecasts = run(model, inputs)
    assert np.isfinite(forecasts).all()
    # Unscaled, a missing value counts as 0: only the marks tell it from an observed 0.
    inputs["target"][:, 2:5] = 0
    assert (np.abs(run(model, inputs) - forecasts).max(axis=(0, 1, 3)) > 1e-6).all()


@every
def test_one_observed_value_is_enough(name):
    inputs = windows(RICH, rows=9)
    kept = np.eye(9, dtype=bool)
    inputs["target"] = np.where(kept[:, :, None], inputs["target"], np.nan)
    for covariate in ("past_only", "known_future", "lagged"):
        inputs[covariate] = np.full_like(inputs[covariate], np.nan)
    forecasts = run(network(name, RICH), inputs)
    value = inputs["target"][kept][:, None, :, None]
    np.testing.assert_allclose(forecasts, np.broadcast_to(value, forecasts.shape), rtol=1e-6)


@every
def test_the_seed_decides_the_first_weights(name):
    def kernels(seed: int) -> dict[str, np.ndarray]:
        model = fresh(name, replace(RICH, seed=seed))
        made = {w.path: keras.ops.convert_to_numpy(w) for w in model.weights}
        return {path: w for path, w in made.items() if w.ndim > 1 and np.ptp(w) > 0}

    first, again, other = kernels(1), kernels(1), kernels(2)
    assert len(first) > 1 and first.keys() == again.keys() == other.keys()
    for path, kernel in first.items():
        np.testing.assert_array_equal(kernel, again[path])
        assert not np.array_equal(kernel, other[path]), path
    for (one, a), (two, b) in itertools.combinations(first.items(), 2):
        assert a.shape != b.shape or not np.array_equal(a, b), (one, two)


@every
@pytest.mark.parametrize("independent", [True, False])
def test_only_joined_targets_inform_each_other(name, independent):
    spec = replace(RICH, independent=independent)
    model, inputs, other = network(name, spec), windows(spec), windows(spec, seed=4)
    for target in range(spec.targets):
        changed = {k: other[k].copy() for k in ("target", "lagged")}
        for k, values in changed.items():
            values[:, :, target :: spec.targets] = inputs[k][:, :, target :: spec.targets]
        change = moved(model, inputs, inputs | changed)[:, :, target]
        assert (change == 0).all() if independent else (change.max(axis=(1, 2)) > 1e-6).all()


@every
def test_what_is_known_of_a_step_reaches_its_forecast(name):
    steps = np.arange(UNSCALED.horizon)
    one = {k: v[:1] for k, v in windows(UNSCALED).items()}
    same = {k: np.repeat(v, UNSCALED.horizon, axis=0) for k, v in one.items()}
    for covariate in {"known_future", "calendar", "lagged"} & set(network(name, UNSCALED).input):
        # Window k is told something else of step k alone.
        told = nudged(same, covariate, (steps, UNSCALED.context + steps))
        change = moved(network(name, UNSCALED), same, told)[steps, steps]
        assert (change.max(axis=(1, 2)) > 1e-6).all(), covariate


@every
def test_what_describes_a_series_reaches_every_step(name):
    model, inputs = network(name, UNSCALED), windows(UNSCALED)
    others = {
        "static": inputs["static"] + 1,
        "categories": (inputs["categories"] + 1) % np.array(UNSCALED.categories, "int32"),
        "series": (inputs["series"] + 1) % (UNSCALED.series + 1),
    }
    for covariate, other in others.items():
        change = moved(model, inputs, inputs | {covariate: other.astype(inputs[covariate].dtype)})
        assert (change.max(axis=(0, 3)) > 1e-6).all(), covariate


@every
def test_unseen_series_and_categories_are_forecast_alike(name):
    model, inputs = network(name, RICH), windows(RICH)
    unseen = {k: np.zeros_like(inputs[k]) for k in ("categories", "series")}
    forecasts = run(model, inputs | unseen)
    assert np.isfinite(forecasts).all()
    negative = {k: np.full_like(inputs[k], -1) for k in unseen}
    np.testing.assert_array_equal(run(model, inputs | negative), forecasts)


@every
@pytest.mark.parametrize("kind", ["asinh", slow("log"), slow("power")])
def test_transforms_are_inverted_exactly(name, kind):
    """A network that adds nothing to its anchor repeats the last period, whatever the transform."""
    spec = transformed(kind, quantiles=(), anchor="period")
    model, inputs = fresh(name, spec), windows(spec)
    if forms_of(model).quantiles:
        pytest.skip("its forecasts are quantiles of draws, which spread around the anchor")
    for weight in model.weights:
        weight.assign(np.zeros(weight.shape))
    expected = inputs["target"][:, [-3, -2, -1, -3]]
    close = 1e-12 if wide() == "float64" else 1e-4
    np.testing.assert_allclose(run(model, inputs), expected, rtol=close)


@every
@pytest.mark.parametrize("kind", ["log", slow("asinh"), slow("power")])
def test_other_units_of_positive_data_change_only_the_units(name, kind):
    spec = transformed(kind)
    inputs = windows(spec)
    by = tuple(3 * b for b in spec.transform_by) if kind == "asinh" else spec.transform_by
    other = randomised(fresh(name, replace(spec, transform_by=by)))
    expected = 3 * run(network(name, spec), inputs)
    close = 1e-6 if wide() == "float64" else 1e-2
    np.testing.assert_allclose(run(other, {"target": 3 * inputs["target"]}), expected, rtol=close)
    if kind != "asinh":
        assert expected.min() >= 0


@every
@pytest.mark.parametrize("anchor", ["mean", slow("last"), slow("difference")])
def test_targets_divided_by_their_own_spread_keep_their_own_units(name, anchor):
    spec = replace(PLAIN, anchor=anchor, scale_by=(2.0, 30.0))
    model, inputs = network(name, spec), windows(spec)
    times = np.array([1.0, 10.0])
    other = randomised(fresh(name, replace(spec, scale_by=(2.0, 300.0))))
    close = 1e-6 if wide() == "float64" else 1e-2
    expected = run(model, inputs) * times[:, None]
    np.testing.assert_allclose(run(other, {"target": inputs["target"] * times}), expected, rtol=close)
    # What each window is divided by does not depend on what is in it.
    wider = run(model, {"target": inputs["target"] * 2}) / 2
    assert np.abs(wider - run(model, inputs)).max() > 1e-3


@every
def test_positive_forecasts_are_cut_off_at_zero(name):
    inputs = windows(PLAIN, level=0.5, rows=20)
    free = run(network(name, PLAIN), inputs)
    cut = run(network(name, replace(PLAIN, positive=True)), inputs)
    assert free.min() < 0
    # No more than that for all steps: what a network feeds back is cut off too.
    assert cut.min() == 0 and cut.max() > 1
    assert (cut[:, 0] >= np.maximum(free[:, 0], 0)).all()


@every
def test_weights_are_all_of_a_model(name):
    model, inputs = network(name, RICH), short(RICH)
    again = fresh(name, RICH)
    assert np.abs(run(again, inputs) - run(model, inputs)).max() > 1e-3
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(run(again, inputs), run(model, inputs))


@every
def test_plain_keras_opens_a_saved_model(name, tmp_path):
    spec = transformed("log", padded=True, known_future=1, series=2, positive=True)
    model, inputs = network(name, spec), short(spec)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(run(again, inputs), run(model, inputs))


@every
def test_training_moves_every_weight(name):
    model, inputs = fresh(name, RICH), short(RICH, rows=20)
    trained = forms_of(model).training or model
    examples = 20
    if forms_of(model).rows == "carried":
        inputs["fresh"] = np.ones(20, "int32")
        examples *= RICH.context
    elif trained is not model:
        inputs["ahead"] = windows(RICH, rows=20, seed=5)["target"][:, : RICH.horizon]

    def away_from_51(_, forecasts):
        return keras.ops.mean(keras.ops.square(forecasts - 51))

    before = [keras.ops.convert_to_numpy(w) + 0 for w in trained.trainable_weights]
    trained.compile(keras.optimizers.SGD(0.02), loss=away_from_51, run_eagerly=True)
    for _ in range(2):
        trained.train_on_batch(
            {name: inputs[name] for name in trained.input},
            np.zeros((examples, RICH.horizon, RICH.targets, 1)),
        )
    assert len(before) > 3
    for weight, old in zip(trained.trainable_weights, before, strict=True):
        new = keras.ops.convert_to_numpy(weight)
        assert np.isfinite(new).all(), weight.path
        assert not np.array_equal(new, old), weight.path


LAYOUTS = {
    "everything": RICH,
    "plain": PLAIN,
    "joined": replace(PLAIN, independent=False, missing=True, skip=True),
    "padded, one number": replace(PLAIN, quantiles=(), padded=True, known_future=1, positive=True),
}


@every
@pytest.mark.parametrize("layout", [slow("everything"), *(fuzz(layout) for layout in list(LAYOUTS)[1:])])
@pytest.mark.parametrize("anchor", ANCHORS)
@pytest.mark.parametrize("kind", ["none", *TRANSFORMS])
def test_laws_hold_for_every_anchor_transform_and_layout(name, layout, anchor, kind):
    by = TRANSFORMS.get(kind, ())
    spec = replace(LAYOUTS[layout], anchor=anchor, transform=kind, transform_by=by)
    check_shape(name, spec)
    model = network(name, spec)
    # Past the floor at zero, and outside of where a transform is defined, nothing moves and nothing should.
    if spec.anchor != "none" or (not spec.positive and kind in ("none", "asinh")):
        laws.check_newest_is_seen(model, spec)
    if spec.padded:
        laws.check_padding_is_never_read(model, spec)
    if spec.anchor != "none":
        laws.check_constant(model, spec)
    if spec.quantiles:
        assert (np.diff(run(model, windows(spec, rows=20)), axis=-1) >= 0).all()
