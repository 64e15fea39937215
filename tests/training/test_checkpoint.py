"""Checkpoints of training: a fit that was stopped anywhere ends as if nothing had happened."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from forecast.errors import ForecastWarning, InputError
from forecast.models import Spec, build_rnn
from forecast.models.losses import PinballLoss
from forecast.storage import TEMPORARY, write_atomic
from forecast.training import checkpoint as module
from forecast.training.checkpoint import FILE, Checkpoint, Standing, assign, values_of
from forecast.training.course import Listeners, Plan, Record
from forecast.training.fit import compile_model, train_batches, validation_loss
from tests.training.test_fit import PLAN, QUANTILES, Spoilt, model, windows

WHOLE = {"units": 4, "column 'sold'": "digest 1"}


class Stop:
    """Asks to stop behind one batch, counted from 1."""

    def __init__(self, batch: int):
        self.left = batch

    def __call__(self) -> bool:
        self.left -= 1
        return self.left == 0


class Life:
    """A training that can be begun again and again with the same first state, as a new process would."""

    def __init__(self, plan: Plan = PLAN, judge: Any = None, optimizer: Any = None, spoilt: int = -1):
        self.plan, self.spoilt = plan, spoilt
        self.windows, validation = windows()
        self.model = model(plan, optimizer, dropout=0.2)
        self.judge = (lambda: validation_loss(self.model, validation)) if judge == "validation" else judge
        self.variables = [*self.model.variables, *self.model.optimizer.variables]
        self.first = values_of(self.variables)

    def run(self, **listeners: Any) -> tuple[list[np.ndarray], Record]:
        assign(self.variables, self.first)
        batches = Spoilt(self.windows, self.spoilt, 1)
        record = train_batches(
            self.model, batches, self.plan, judge=self.judge, listeners=Listeners(**listeners)
        )
        return self.model.get_weights(), record

    def resumed(self, folder: Path, moments: list[int]) -> tuple[list[np.ndarray], Record]:
        """Stop one life after the other behind some of its batches, then let it end."""
        for moment in moments:
            with Checkpoint(folder, WHOLE) as kept:
                assert self.run(interrupted=Stop(moment), checkpoint=kept)[1].stopped == "interrupted"
        with Checkpoint(folder, WHOLE) as kept:
            assert kept.resumed
            return self.run(checkpoint=kept)


def without_seconds(record: Record) -> dict[str, Any]:
    history = [{k: v for k, v in row.items() if k != "seconds"} for row in record.history]
    return vars(record) | {"history": history, "seconds": 0.0}


CASES = {
    "validated": lambda: Life(judge="validation"),
    "averaged": lambda: Life(replace(PLAN, averaging=0.9), "validation"),
    "averaged to the end": lambda: Life(replace(PLAN, averaging=0.9)),
    "own optimiser": lambda: Life(judge="validation", optimizer=keras.optimizers.RMSprop(0.01)),
    "out of patience": lambda: Life(replace(PLAN, patience=1), lambda: 1.0),
}


@pytest.mark.parametrize("case", CASES)
def test_stopped_anywhere_and_resumed_it_ends_bit_equal(tmp_path, case):
    life = CASES[case]()
    weights, record = life.run()
    assert (record.stopped == "patience") == (case == "out of patience")
    # Behind the first batch, behind the last of an epoch, twice in one epoch.
    for moments in ([1], [5], [2, 1, 5]):
        folder = tmp_path / "-".join(map(str, moments))
        again, other = life.resumed(folder, moments)
        assert all((a == b).all() for a, b in zip(weights, again, strict=True)), moments
        assert without_seconds(record) == without_seconds(other), moments
        assert not folder.exists(), "what is over is not kept"


def test_a_loss_that_breaks_after_a_stop_goes_on_at_half_the_rate(tmp_path):
    life = Life(spoilt=8)
    weights, record = life.run()
    assert record.halved == 2
    # Before the batch that breaks, in its epoch.
    again, other = life.resumed(tmp_path / "c", [7])
    assert without_seconds(record) == without_seconds(other)
    assert all((a == b).all() for a, b in zip(weights, again, strict=True))


def test_a_fit_at_half_the_rate_is_resumed_at_half_the_rate(tmp_path):
    life = Life(spoilt=8)
    weights, record = life.run()
    with Checkpoint(tmp_path / "c", WHOLE) as kept:
        life.run(interrupted=Stop(9 + 4), checkpoint=kept)
    # What breaks is behind it.
    life.spoilt = -1
    with Checkpoint(tmp_path / "c", WHOLE) as kept:
        again, other = life.run(checkpoint=kept)
    assert without_seconds(record) == without_seconds(other)
    assert all((a == b).all() for a, b in zip(weights, again, strict=True))


def test_an_epoch_that_takes_long_is_kept_in_its_middle(tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def progress(now: Any) -> None:
        if (now.epoch, now.step) == (2, 4):
            raise Killed

    life, steps = Life(judge="validation"), {}
    weights, _ = life.run()
    for every in (0.0, 1e6):
        monkeypatch.setattr(module, "EVERY", every)
        folder, seen = tmp_path / str(every), []
        with pytest.raises(Killed), Checkpoint(folder, WHOLE) as kept:
            life.run(checkpoint=kept, progress=progress)
        with Checkpoint(folder, WHOLE) as kept:
            again, _ = life.run(checkpoint=kept, progress=seen.append)
        assert all((a == b).all() for a, b in zip(weights, again, strict=True))
        steps[every] = (seen[0].epoch, seen[0].step)
    # What raised came behind what was kept of the fourth batch.
    assert steps == {0.0: (2, 5), 1e6: (2, 1)}


def test_trainings_that_are_over_are_not_run_again(tmp_path):
    lives, seen = (Life(), Life(judge="validation")), []

    def fit(**listeners: Any) -> list[np.ndarray]:
        return [part for life in lives for part in life.run(**listeners)[0]]

    whole = fit()
    with Checkpoint(tmp_path / "c", WHOLE) as kept:
        fit(checkpoint=kept, interrupted=Stop(20 + 7))
    with Checkpoint(tmp_path / "c", WHOLE) as kept:
        assert kept.told.value == "1 training is over, one goes on in epoch 2"
        again = fit(checkpoint=kept, progress=seen.append)
    assert (seen[0].epoch, seen[0].step) == (2, 3)
    assert all((a == b).all() for a, b in zip(whole, again, strict=True))


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> bytes:
    """The file of a fit that was stopped."""
    folder = tmp_path_factory.mktemp("kept")
    with Checkpoint(folder, WHOLE) as kept:
        Life().run(interrupted=Stop(7), checkpoint=kept)
    return (folder / FILE).read_bytes()


@pytest.fixture
def folder(tmp_path, content) -> Path:
    """A folder that holds it."""
    made = tmp_path / "c"
    made.mkdir()
    (made / FILE).write_bytes(content)
    return made


def test_another_fit_is_refused_by_name(folder, content):
    words = r"is of another fit: units was 4, is 8; column 'sold' was digest 1, is digest 2\. Give the same"
    with pytest.raises(InputError, match=words):
        Checkpoint(folder, {"units": 8, "column 'sold'": "digest 2"}).__enter__()
    assert (folder / FILE).read_bytes() == content
    with Checkpoint(folder, {"units": 8}, resume=False) as kept:
        assert not kept.resumed


def test_networks_of_another_shape_are_refused(folder):
    life = Life()
    life.model = build_rnn(Spec(context=8, horizon=3, quantiles=QUANTILES), units=5)
    compile_model(life.model, PinballLoss(QUANTILES), PLAN)
    life.variables = []
    life.first = []
    with pytest.raises(InputError, match="holds other networks"), Checkpoint(folder, WHOLE) as kept:
        life.run(checkpoint=kept)
    assert (folder / FILE).exists()


def test_one_fit_at_a_time(tmp_path):
    with Checkpoint(tmp_path / "c", WHOLE):
        with pytest.raises(InputError, match="another fit is using"):
            Checkpoint(tmp_path / "c", WHOLE).__enter__()
        assert (tmp_path / "c").is_dir()
    with Checkpoint(tmp_path / "c", WHOLE):
        pass
    assert not (tmp_path / "c").exists()


def test_what_is_damaged_or_no_folder_is_refused(tmp_path, folder, content):
    dice = np.random.default_rng(0)
    for size in (0, 1, 100, len(content) // 2, len(content) - 1):
        (folder / FILE).write_bytes(content[:size])
        with pytest.raises(InputError, match=r"is damaged.*Remove it to begin anew"):
            Checkpoint(folder, WHOLE).__enter__()
    for _ in range(50):
        # An altered byte is refused, or it changed nothing that is read.
        place = int(dice.integers(len(content)))
        altered = content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :]
        (folder / FILE).write_bytes(altered)
        try:
            found = module._read(folder / FILE, WHOLE)
        except InputError:
            continue
        (folder / FILE).write_bytes(content)
        whole = module._read(folder / FILE, WHOLE)
        for name, group in whole[0].groups.items():
            assert all((a == b).all() for a, b in zip(group, found[0].groups[name], strict=True))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file; name a folder"):
        Checkpoint(tmp_path / "file", WHOLE).__enter__()


@pytest.mark.skipif(os.name != "posix", reason="sets a limit to the size of files")
def test_on_a_full_disk_the_old_file_stays_and_the_fit_goes_on(folder, content):
    import resource
    import signal

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with Checkpoint(folder, WHOLE) as kept:
            standing = kept.training()[1]
            assert standing is not None
            for size in np.linspace(0, len(content) - 1, 50).astype(int):
                resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), limits[1]))
                with pytest.warns(ForecastWarning, match="The checkpoint is older than the fit: .*old file"):
                    kept.keep(0, standing)
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)
                assert (folder / FILE).read_bytes() == content
                assert not [path for path in folder.iterdir() if path.name.startswith(TEMPORARY)]
            kept.keep(0, standing)
            assert (folder / FILE).stat().st_size == len(content)
            write_atomic(folder / FILE, content)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)


def test_more_arrays_than_an_archive_has_members_are_kept(folder):
    with Checkpoint(folder, WHOLE) as kept:
        groups = {
            "model": [np.full((1, k % 3), k, np.float32) for k in range(2_000)],
            "seeds": [np.array(7, np.uint32)],
        }
        kept.keep(0, Standing({}, groups), last=True)
    (found,) = module._read(folder / FILE, WHOLE).values()
    for name, group in groups.items():
        assert all(
            (a == b).all() and a.shape == b.shape for a, b in zip(found.groups[name], group, strict=True)
        )
