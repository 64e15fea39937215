"""Losses against plain arithmetic."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from forecast.errors import ParameterError
from forecast.evaluation import metrics
from forecast.models.distributions import DISTRIBUTIONS, DistributionHead
from forecast.models.layers import wide
from forecast.models.losses import (
    DISTRIBUTION_LOSSES,
    POINT_LOSSES,
    DistributionLoss,
    PinballLoss,
    PointLoss,
    loss_for,
    step_weights,
)
from tests import probabilities
from tests.models.differentiating import value_and_gradient


def sample(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(4, 3, 2)), rng.normal(size=(4, 3, 2, 3)), rng.uniform(0.5, 2, size=(4, 3, 2))


def test_pinball_is_twice_the_metric_averaged_over_levels():
    actual, forecast, _ = sample()
    levels = (0.1, 0.5, 0.8)
    expected = np.mean([2 * metrics.pinball(actual, forecast[..., k], q) for k, q in enumerate(levels)])
    assert float(PinballLoss(levels)(actual, forecast)) == pytest.approx(expected, rel=1e-6)


def test_pinball_weights_are_per_value():
    actual, forecast, weight = sample()
    weight[0] = 0
    plain = PinballLoss((0.1, 0.5, 0.8))
    each = np.array([[[float(plain(actual[i, j, k].reshape(1, 1, 1), forecast[i, j, k].reshape(1, 1, 1, 3)))
                       for k in range(2)] for j in range(3)] for i in range(4)])  # fmt: skip
    expected = (each * weight).mean()
    assert float(plain(actual, forecast, sample_weight=weight)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "rule"),
    [("mae", np.abs), ("mse", np.square), ("mixed", lambda e: np.abs(e) + np.square(e) / 2)],
)
def test_point_losses_scale_before_they_square(kind, rule):
    actual, forecast, weight = sample()
    forecast = forecast[..., 0]
    expected = rule((actual - forecast) * weight).mean()
    assert float(PointLoss(kind)(actual, forecast, sample_weight=weight)) == pytest.approx(expected, rel=1e-6)


def test_unknown_loss_is_named():
    with pytest.raises(ParameterError, match="huber"):
        PointLoss("huber")


def tensor(values):
    return ops.convert_to_tensor(np.asarray(values, np.float64), dtype=wide())


def positive(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Actuals and forecasts far from zero, and weights of 1 / scale."""
    rng = np.random.default_rng(seed)
    return (
        rng.uniform(5, 9, size=(4, 3, 2)),
        rng.uniform(5, 9, size=(4, 3, 2)),
        rng.uniform(0.5, 2, size=(4, 3, 2)),
    )


def test_mase_is_another_name_of_the_scaled_absolute_error():
    actual, forecast, weight = positive()
    first, second = (float(PointLoss(kind)(actual, forecast, weight)) for kind in ("mae", "mase"))
    assert first == second == pytest.approx(metrics.mase(actual, forecast, 1 / weight), rel=1e-6)


def test_smape_is_the_metric_and_has_no_unit():
    actual, forecast, weight = positive()
    expected = metrics.smape(actual, forecast) / 100
    assert float(PointLoss("smape")(actual, forecast, weight)) == pytest.approx(expected, rel=1e-6)
    larger = PointLoss("smape")(1e6 * actual, 1e6 * forecast, weight / 1e6)
    assert float(larger) == pytest.approx(expected, rel=1e-6)


def test_owa_is_half_of_mase_and_the_ratio_of_smape():
    actual, forecast, weight = positive()
    expected = metrics.mase(actual, forecast, 1 / weight) / 2 + metrics.smape(actual, forecast) / 100
    assert float(PointLoss("owa")(actual, forecast, weight)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", POINT_LOSSES)
def test_missing_actuals_count_for_nothing(kind):
    actual, forecast, weight = positive()
    full = float(PointLoss(kind)(actual[:2], forecast[:2], weight[:2]))
    actual[2:], weight[2:] = 0, 0
    assert float(PointLoss(kind)(actual, forecast, weight)) == pytest.approx(full / 2, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_smape_has_a_sound_gradient_at_and_around_zero(scale):
    sizes = np.array([0.0, 1e-30, 1e-6, 1e-3, 1.0, 1e3])
    actual, forecast = (part * scale for part in np.meshgrid(sizes, np.concatenate([-sizes, sizes])))
    actual, forecast = (part.ravel()[:, None, None] for part in (actual, forecast))
    weight = tensor(np.full(actual.shape, 1 / scale))
    loss = PointLoss("smape")
    value, gradient = value_and_gradient(lambda f: loss(tensor(actual), f, weight), forecast, wide())
    assert 0 < value <= 2
    # In units of the series' scale no step of the forecast changes the ratio by more than 2 / 0.01, twice over.
    assert np.isfinite(gradient).all()
    assert np.abs(gradient * scale * len(actual)).max() <= 400 * (1 + 1e-6)
    assert (gradient != 0).any()
    assert float(loss(tensor(0 * actual), tensor(0 * actual), weight)) == 0


def test_pinball_adds_the_smape_of_the_median():
    actual, _, weight = positive()
    forecast = np.stack([positive(seed)[1] for seed in (1, 2, 3)], axis=-1)
    weight[0] = 0
    plain = float(PinballLoss((0.1, 0.5, 0.9))(actual, forecast, weight))
    added = float(PointLoss("smape")(actual, forecast[..., 1], weight))
    both = float(PinballLoss((0.1, 0.5, 0.9), smape=0.7)(actual, forecast, weight))
    assert both == pytest.approx(plain + 0.7 * added, rel=1e-6)


@pytest.mark.parametrize("horizons", [(3,), (1, 3), (3, 2, 1), (1, 2, 2, 3)])
def test_step_weights_average_over_the_horizons(horizons):
    actual, forecast, weight = positive()
    weights = step_weights(horizons, horizon=3)
    assert np.mean(weights) == pytest.approx(1)
    error = np.abs(actual - forecast) * weight
    expected = np.mean([error[:, :h].mean() for h in horizons])
    assert float(PointLoss("mae", steps=weights)(actual, forecast, weight)) == pytest.approx(
        expected, rel=1e-6
    )


@pytest.mark.parametrize("horizons", [(), (0, 3), (2,), (3, 5)])
def test_step_weights_refuse_horizons_that_do_not_fit(horizons):
    with pytest.raises(ParameterError, match="the largest must be the 3 steps"):
        step_weights(horizons, horizon=3)


def parameters_of(name: str, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Raw parameters ``(batch, 2, 1, P)`` and actuals drawn from them."""
    example = {
        "normal": [4.0, 2.0],
        "student": [4.0, 2.0, 5.0],
        "negative_binomial": [6.0, 0.3],
        "lognormal": [1.0, 0.4],
        "mixture": [0.2, 0.5, 0.3, 1.0, 4.0, 9.0, 0.5, 1.0, 2.0],
    }[name]
    parameters = np.tile(example, (batch, 2, 1, 1))
    return parameters, probabilities.draw(name, parameters, seed=3)


EACH = list(itertools.product(DISTRIBUTIONS, DISTRIBUTION_LOSSES))


@pytest.mark.parametrize(("name", "kind"), EACH)
def test_a_distribution_is_scored_per_value_and_gaps_not_at_all(name, kind):
    parameters, actual = parameters_of(name, 6)
    weight = np.full(actual.shape, 0.5)
    family = DISTRIBUTIONS[name]
    score = np.asarray(
        getattr(family, "crps" if kind == "crps" else "log_prob")(tensor(actual), tensor(parameters))
    )
    each = score * 0.5 if kind == "crps" else (0 if name == "negative_binomial" else np.log(0.5)) - score
    weight[1], actual[1], each[1] = 0, 0, 0
    found, gradient = value_and_gradient(
        lambda p: DistributionLoss(name, kind)(tensor(actual), p, tensor(weight)), parameters, wide()
    )
    assert found == pytest.approx(each.mean(), rel=1e-5)
    assert np.isfinite(gradient).all()
    assert (gradient[1] == 0).all()
    assert (gradient[0] != 0).any()


@pytest.mark.parametrize("kind", DISTRIBUTION_LOSSES)
@pytest.mark.parametrize("name", ["normal", "student", "mixture", "lognormal"])
def test_the_unit_of_a_series_does_not_matter(name, kind):
    parameters, actual = parameters_of(name, 5)
    weight, factor = np.full(actual.shape, 0.5), 1e3
    moved = parameters.copy()
    if name == "lognormal":
        moved[..., 0] += np.log(factor)
    else:
        moving = [
            i for i, what in enumerate(DISTRIBUTIONS[name].parameters) if what.startswith(("loc", "scale"))
        ]
        moved[..., moving] *= factor
    loss = DistributionLoss(name, kind)
    first, second = loss(actual, parameters, weight), loss(actual * factor, moved, weight / factor)
    assert float(second) == pytest.approx(float(first), rel=1e-4)


def test_what_follows_a_constant_window_cannot_outweigh_everything():
    actual, weight = np.full((1, 1, 1), 6.0), np.ones((1, 1, 1))
    collapsed = np.array([[[[5.0, 1e-80 if wide() == "float64" else 1e-15]]]])
    least = np.array([[[[5.0, 1e-3]]]])
    loss = DistributionLoss("normal")
    assert float(loss(actual, collapsed, weight)) == pytest.approx(
        float(loss(actual, least, weight)), rel=1e-6
    )


def test_steps_weigh_every_loss():
    actual, forecast, weight = positive()
    steps = (2.0, 1.0, 0.0)
    quantiles = np.stack([forecast, forecast + 1], axis=-1)
    losses = [
        (lambda s: PointLoss("owa", steps=s), forecast),
        (lambda s: PinballLoss((0.5, 0.9), smape=1.0, steps=s), quantiles),
        (lambda s: DistributionLoss("normal", steps=s), quantiles),
        (lambda s: DistributionLoss("normal", "crps", steps=s), quantiles),
    ]
    for make, predicted in losses:
        single = [float(make(None)(actual[:, [i]], predicted[:, [i]], weight[:, [i]])) for i in range(3)]
        expected = np.dot(steps, single) / 3
        assert float(make(steps)(actual, predicted, weight)) == pytest.approx(expected, rel=1e-6)


def test_losses_are_made_by_name():
    assert loss_for("mixed").kind == "mixed"
    assert loss_for("pinball", quantiles=(0.1, 0.5)).smape == 0
    assert loss_for("owa", quantiles=(0.1, 0.5)).smape == 1
    made = loss_for("crps", head="student", steps=(1, 1))
    assert (made.kind, made.distribution, made.steps) == ("crps", "student", (1.0, 1.0))


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("crsp", {"head": "normal"}),
        ("pinball", {}),
        ("mse", {"quantiles": (0.5,)}),
        ("mae", {"head": "normal"}),
    ],
)
def test_a_loss_that_does_not_fit_is_named(kind, given):
    with pytest.raises(ParameterError, match=repr(kind)):
        loss_for(kind, **given)


LOSSES = [
    PinballLoss((0.1, 0.5), smape=0.5, steps=(1.0, 2.0)),
    PointLoss("owa", steps=(1.0, 2.0)),
    DistributionLoss("student", "crps", steps=(1.0, 2.0)),
    *(DistributionLoss(name) for name in DISTRIBUTIONS),
]


def model_for(loss) -> keras.Model:
    """Two steps and one target from three numbers, in the form that the loss takes."""
    outputs = len(DISTRIBUTIONS[loss.distribution].parameters) if isinstance(loss, DistributionLoss) else 2
    inputs = [keras.Input((3,)), keras.Input((1, 1), dtype=wide()), keras.Input((1, 1), dtype=wide())]
    last = (2, 1) if isinstance(loss, PointLoss) else (2, 1, outputs)
    output = keras.layers.Reshape(last)(keras.layers.Dense(int(np.prod(last)))(inputs[0]))
    if isinstance(loss, DistributionLoss):
        output = DistributionHead(loss.distribution)(output, *inputs[1:])
    return keras.Model(inputs, output)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: getattr(loss, "distribution", loss.name))
def test_a_model_is_trained_with_it_and_remembers_it(loss, tmp_path):
    model, rng = model_for(loss), np.random.default_rng(0)
    model.compile(keras.optimizers.Adam(0.05), loss=loss, jit_compile=False)
    given = [rng.normal(size=(32, 3)).astype("float32"), np.full((32, 1, 1), 3.0), np.full((32, 1, 1), 2.0)]
    actual = rng.poisson(2.0, size=(32, 2, 1)) + 1.0
    weight = rng.choice([0.0, 1.0], size=actual.shape)
    actual[weight == 0] = 0
    losses = model.fit(given, actual, sample_weight=weight, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "any.keras")
    again = keras.saving.load_model(tmp_path / "any.keras")
    assert again.loss.get_config() == loss.get_config()
    first, second = (float(again.loss(actual, m.predict(given, verbose=0), weight)) for m in (model, again))
    assert first == second
