"""Training: what is kept, what stops it, what it says."""

from __future__ import annotations

import random
from dataclasses import replace

import keras
import numpy as np
import pytest

from forecast.data.gridding import to_panel
from forecast.data.scale import error_scales
from forecast.data.table import read_table
from forecast.data.windows import Windows, make_windows
from forecast.errors import TrainingDiverged
from forecast.models import Spec, build_rnn
from forecast.models.losses import PinballLoss
from forecast.training.course import Listeners, Plan, Record, joined
from forecast.training.fit import compile_model, forget_moments, train, train_batches, validation_loss
from forecast.training.optimizer import GuardedAdam
from forecast.training.predict import predict_windows
from forecast.training.sequence import WindowSequence
from tests.tables import panel_of, shops

PLAN = Plan(epochs=4, steps=5, batch_size=16, learning_rate=1e-2, patience=10)
QUANTILES = (0.1, 0.5, 0.9)


def windows(frame=None) -> tuple[Windows, Windows]:
    panel = panel_of(shops() if frame is None else frame)
    cut = panel.ends - 10
    common = {"context": 8, "horizon": 3, "scales": error_scales(panel, 7, cut)}
    return make_windows(panel, stop=cut, **common), make_windows(panel, first=cut, **common)


def model(plan: Plan = PLAN, optimizer=None, **options) -> keras.Model:
    built = build_rnn(Spec(context=8, horizon=3, quantiles=QUANTILES), units=4, **options)
    compile_model(built, PinballLoss(QUANTILES), plan, optimizer)
    return built


def test_training_learns_and_keeps_the_best_epoch():
    learn, judge = windows()
    trained = model()
    before = validation_loss(trained, judge)
    record = train(trained, learn, judge, PLAN)
    losses = [row["val_loss"] for row in record.history]
    assert len(losses) == 4 and min(losses) < before
    assert record.best_epoch == 1 + int(np.argmin(losses))
    assert validation_loss(trained, judge) == pytest.approx(min(losses), rel=1e-9)
    assert record.stopped == "epochs" and record.history[0]["gradient_norm"] > 0


def test_two_runs_are_equal_bit_for_bit_and_touch_no_global_generator():
    states = random.getstate(), np.random.get_state()[1].copy()
    found = []
    for _ in range(2):
        learn, judge = windows()
        trained = model(dropout=0.2, layers=2)
        train(trained, learn, judge, PLAN)
        found.append(trained.get_weights())
    assert all((a == b).all() for a, b in zip(*found, strict=True))
    assert states[0] == random.getstate()
    assert (states[1] == np.random.get_state()[1]).all()


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow compiles a step by tracing it"
)
def test_a_step_is_traced_once(monkeypatch):
    traced, old = [], keras.Model.train_step
    monkeypatch.setattr(keras.Model, "train_step", lambda self, data: traced.append(1) or old(self, data))
    learn, judge = windows()
    train(model(), learn, judge, PLAN)
    assert len(traced) == 1


def test_patience_stops_and_the_best_weights_stay():
    learn, judge = windows()
    plan = Plan(epochs=30, steps=2, batch_size=16, learning_rate=5.0, patience=2, clip=None)
    record = train(model(plan), learn, judge, plan)
    assert record.stopped == "patience"
    assert len(record.history) == record.best_epoch + 2


@pytest.mark.parametrize(("why", "extra"), [("interrupted", {}), ("budget", {"budget": 1e-9})])
def test_stops_after_the_batch(why, extra):
    learn, judge = windows()
    plan = Plan(**(vars(PLAN) | extra))
    seen = []
    stop = Listeners(progress=seen.append, interrupted=lambda: why == "interrupted")
    record = train(model(plan), learn, judge, plan, listeners=stop)
    assert record.stopped == why
    assert seen[0].step == 1 and len({p.step for p in seen if p.step < PLAN.steps}) == 1


def test_non_finite_loss_names_value_column_series_and_times_and_keeps_finite_weights():
    frame = shops()
    frame.loc[(frame["shop"] == "s1") & (frame["day"] == "2024-01-20"), "sold"] = 1e300
    learn, judge = windows(frame)
    trained = model()
    before = trained.get_weights()
    words = (
        r"epoch 1, batch 1, although the rate was halved in epoch 1; .*: 1e\+300 in column 'sold' "
        r"\(series 's1', 2024-01-20 00:00:00, window at 2024-01-\d\d 00:00:00\), \d\S* times"
    )
    with pytest.raises(TrainingDiverged, match=words):
        train(trained, learn, judge, Plan(**(vars(PLAN) | {"batch_size": 10_000})))
    assert all((a == b).all() for a, b in zip(before, trained.get_weights(), strict=True))


class Spoilt(WindowSequence):
    """Batches of which one, by its number, weighs its windows NaN; once or whenever it is drawn."""

    def __init__(self, windows: Windows, batch: int, times: int):
        super().__init__(windows, PLAN.batch_size, PLAN.steps, PLAN.seed)
        self.batch, self.times = batch, times

    def __getitem__(self, index):
        inputs, targets, weights = super().__getitem__(index)
        if (self.epoch - 1) * self.steps + index == self.batch and self.times:
            self.times -= 1
            weights = np.full_like(weights, np.nan)
        return inputs, targets, weights


@pytest.mark.parametrize(
    "batches", [(0, 1, 14, 29), pytest.param(range(30), marks=pytest.mark.slow)], ids=["some", "every"]
)
def test_nan_in_any_of_thirty_batches_leaves_the_last_good_weights(batches):
    learn, _ = windows()
    plan = replace(PLAN, epochs=6, clip=None)
    trained, told = model(plan), []
    first = trained.get_weights()
    for batch in batches:
        trained.set_weights(first)
        forget_moments(trained)
        listeners = Listeners(announce=told.append)
        with pytest.raises(
            TrainingDiverged, match=rf"epoch {batch // 5 + 1}, batch {batch % 5 + 1}, although"
        ):
            train_batches(trained, Spoilt(learn, batch, 10_000), plan, listeners=listeners)
        weights = trained.get_weights()
        assert all(np.isfinite(part).all() for part in weights)
        assert batch >= 5 or all((a == b).all() for a, b in zip(first, weights, strict=True))
    assert len(told) == len(batches) and "at half the rate" in told[0][0].value


@pytest.mark.parametrize("optimizer", [None, keras.optimizers.SGD(0.1)], ids=["usual", "given"])
def test_training_goes_on_once_from_the_last_good_weights_at_half_the_rate(optimizer):
    learn, _ = windows()
    trained = model(optimizer=optimizer)
    record = train_batches(trained, Spoilt(learn, 7, 1), PLAN)
    assert record.halved == 2 and record.stopped == "epochs"
    assert [row["epoch"] for row in record.history] == [1, 2, 3, 4]
    usual = train_batches(model(optimizer=None), Spoilt(learn, 7, 0), PLAN)
    rates = [[row["learning_rate"] for row in one.history] for one in (record, usual)]
    if optimizer is None:
        np.testing.assert_allclose(np.divide(*rates), [1, 0.5, 0.5, 0.5], rtol=1e-6)
    else:
        np.testing.assert_allclose(rates[0], [0.1, 0.05, 0.05, 0.05], rtol=1e-6)
    assert usual.halved == 0


def test_user_callbacks_see_the_validation_loss():
    class Witness(keras.callbacks.Callback):
        seen: list = []

        def on_epoch_end(self, epoch, logs=None):
            self.seen.append(logs["val_loss"])

    learn, judge = windows()
    record = train(model(), learn, judge, PLAN, listeners=Listeners(callbacks=(Witness(),)))
    assert Witness.seen == [row["val_loss"] for row in record.history]


def test_without_validation_the_last_weights_are_kept():
    learn, _ = windows()
    record = train(model(), learn, None, PLAN)
    assert record.best_epoch == 4 and "val_loss" not in record.history[0]


def test_progress_counts_down():
    learn, judge = windows()
    seen = []
    train(model(), learn, judge, PLAN, listeners=Listeners(progress=seen.append))
    assert seen[-1].epoch == 4 and seen[-1].seconds_left == pytest.approx(0)
    assert np.isnan(seen[0].seconds_left)  # the first step compiles; it is no pace
    assert 0 < seen[1].seconds_left < np.inf
    assert len(seen) == 4 * 5 + 4 and seen[-1].val_loss is not None


def test_records_join():
    first = Record([{"epoch": 1, "loss": 2.0}], 1, "patience", 1.0)
    both = joined(first, Record([{"epoch": 1, "loss": 1.0}], 1, "epochs", 0.5))
    assert [row["epoch"] for row in both.history] == [1, 2]
    assert (both.stopped, both.seconds, both.best_epoch, both.halved) == ("patience", 1.5, 1, 0)
    assert joined(first, Record([], 1, "epochs", 0.5, halved=2)).halved == 3


def test_rate_warms_up_and_falls_to_zero():
    plan = Plan(epochs=10, steps=10, batch_size=1, learning_rate=0.5, patience=1)
    rates = [plan.rate(step) for step in range(100)]
    assert max(rates) == 0.5 and rates[0] == 0.1 and rates[-1] < 1e-3
    assert all(a >= b for a, b in zip(rates[4:], rates[5:], strict=False))


def test_every_window_once_a_pass_and_order_by_seed_and_epoch():
    learn, _ = windows()
    batches = WindowSequence(learn, batch_size=10, steps=7, seed=3)
    total = len(learn)
    drawn = np.concatenate([batches.members(e, i) for e in range(6) for i in range(7)])
    assert sorted(drawn[:total]) == list(range(total))
    assert sorted(drawn[total : 2 * total]) == list(range(total))
    again = WindowSequence(learn, batch_size=10, steps=7, seed=3)
    assert (again.members(4, 2) == batches.members(4, 2)).all()
    other = WindowSequence(learn, batch_size=10, steps=7, seed=4)
    assert (other.members(0, 0) != batches.members(0, 0)).any()
    inputs, targets, weights = batches[0]
    assert inputs["target"].shape == (10, 8, 1) and targets.shape == weights.shape == (10, 3, 1)


def test_a_forecast_does_not_depend_on_its_neighbours():
    learn, _ = windows()
    trained = model()
    whole = predict_windows(trained, learn)
    assert len(learn) > 64
    for some in ([0], [5, 3], range(10, 90)):
        which = np.array(some)
        np.testing.assert_array_equal(predict_windows(trained, learn.subset(which)), whole[which])


def test_unknown_level_forecasts_nothing():
    frame = shops()
    learn, _ = windows(frame)
    values = learn.panel.values.copy()
    values[: learn.origins[0]] = np.nan
    blank = Windows(
        **{**vars(learn), "panel": type(learn.panel)(**{**_fields(learn.panel), "values": values})}
    )
    forecasts = predict_windows(model(), blank.subset(np.array([0, 20])))
    assert np.isnan(forecasts[0]).all() and np.isfinite(forecasts[1]).all()


def _fields(panel) -> dict:
    return {name: getattr(panel, name) for name in panel.__dataclass_fields__}


def step(optimizer: keras.Optimizer, gradient: np.ndarray, start: float = 1.0, steps: int = 3) -> np.ndarray:
    variable = keras.Variable(np.full(gradient.shape, start, "float32"))
    for _ in range(steps):
        optimizer.apply([keras.ops.convert_to_tensor(gradient.astype("float32"))], [variable])
    return keras.ops.convert_to_numpy(variable)


def test_guarded_adam_is_adam_when_nothing_is_wrong():
    gradient = np.array([0.3, -0.1])
    ours, stock = (step(o, gradient) for o in (GuardedAdam(0.1, clip=None), keras.optimizers.Adam(0.1)))
    np.testing.assert_allclose(ours, stock, rtol=1e-6)


def test_guarded_adam_clips_by_the_global_norm():
    gradient = np.array([30.0, 40.0])
    ours, stock = GuardedAdam(0.1, clip=1.0), keras.optimizers.Adam(0.1, global_clipnorm=1.0)
    np.testing.assert_allclose(step(ours, gradient), step(stock, gradient), rtol=1e-6)
    assert float(ours.largest_norm) == pytest.approx(50.0)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_guarded_adam_leaves_weights_alone_when_a_gradient_is_not_finite(broken):
    optimizer = GuardedAdam(0.1)
    variable = keras.Variable(np.ones(2, "float32"))
    optimizer.apply([keras.ops.convert_to_tensor([0.5, 0.5])], [variable])
    before = keras.ops.convert_to_numpy(variable).copy()
    optimizer.apply([keras.ops.convert_to_tensor([0.5, broken])], [variable])
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), before)


def test_weights_that_break_behind_a_finite_loss_are_not_the_last_good_ones():
    """What an optimiser of one's own does to them shows in the loss of the next batch only."""

    class Broken(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                self.model.set_weights([np.full_like(part, np.nan) for part in self.model.get_weights()])

    learn, _ = windows()
    trained = model()
    batches, listeners = WindowSequence(learn, 16, 5), Listeners(callbacks=(Broken(),))
    record = train_batches(trained, batches, PLAN, listeners=listeners)
    assert record.halved == 3 and record.stopped == "epochs"
    assert all(np.isfinite(part).all() for part in trained.get_weights())


def test_a_network_that_is_built_on_its_first_call_is_trained():
    @keras.saving.register_keras_serializable(package="tests")
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = keras.layers.Dense(3 * len(QUANTILES))

        def call(self, inputs):
            values = keras.ops.nan_to_num(inputs["target"])
            return keras.ops.reshape(self.inner(values[..., 0]), (-1, 3, 1, len(QUANTILES)))

    learn, judge = windows()
    trained = Own()
    compile_model(trained, PinballLoss(QUANTILES), PLAN)
    record = train(trained, learn, judge, PLAN)
    assert record.history[-1]["loss"] < record.history[0]["loss"]


@pytest.mark.parametrize("kind", [keras.optimizers.Nadam, keras.optimizers.Adagrad])
def test_an_optimiser_of_ones_own_begins_again_where_it_began(kind):
    """Its first state is not zero everywhere."""
    learn, _ = windows()
    trained = model(optimizer=kind(0.02))
    first = [np.array(keras.ops.convert_to_numpy(v.value)) for v in trained.optimizer.variables]
    train(trained, learn, None, PLAN)
    forget_moments(trained)
    again = [keras.ops.convert_to_numpy(v.value) for v in trained.optimizer.variables]
    assert any((a != 0).any() for a in first[2:])
    for a, b in zip(first, again, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_the_culprit_is_a_value_that_the_network_was_shown():
    """What is known of the past only is not looked at behind the origin, nor anything behind the end of teaching."""
    frame = {"sold": np.sin(np.arange(40.0)), "seen": np.cos(np.arange(40.0)), "never": np.full(40, np.nan)}
    frame["seen"][15], frame["sold"][25] = 1e9, 1e6
    panel = to_panel(read_table(frame, target=("sold",), past_only=("seen", "never")))
    cut = np.array([20])
    made = replace(make_windows(panel, context=8, horizon=10, stop=np.array([40])), stops=cut)
    made = replace(made, series=np.zeros(1, np.int64), origins=np.array([12]))
    said = WindowSequence(made, 1).culprit(0, 0)
    assert "in column 'sold'" in said and "1e+06" not in said


def test_weight_decay_shrinks_kernels_alone():
    """With a zero gradient, what moves is what decays."""
    optimizer = GuardedAdam(0.1, weight_decay=0.5)
    kernel, bias, vectors = (
        keras.Variable(np.full(shape, 2.0, "float32"), name=name)
        for name, shape in (("recurrent_kernel", (2, 2)), ("bias", (2,)), ("vectors", (2, 2)))
    )
    optimizer.build([kernel, bias, vectors])
    optimizer.apply([keras.ops.zeros_like(v) for v in (kernel, bias, vectors)])
    np.testing.assert_allclose(np.asarray(kernel), 2.0 * (1 - 0.1 * 0.5), rtol=1e-6)
    assert (np.asarray(bias) == 2).all() and (np.asarray(vectors) == 2).all()
    # A gradient that is not finite leaves everything as it was.
    optimizer.apply([keras.ops.full((2, 2), np.nan), keras.ops.zeros((2,)), keras.ops.zeros((2, 2))])
    np.testing.assert_allclose(np.asarray(kernel), 2.0 * (1 - 0.1 * 0.5), rtol=1e-6)
    assert GuardedAdam.from_config(optimizer.get_config()).weight_decay == 0.5
