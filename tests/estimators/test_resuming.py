"""A forecaster's fit that is stopped or killed and called again ends as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from forecast import Forecaster
from forecast.errors import InputError, ParameterError
from forecast.training.checkpoint import FILE
from tests.tables import shops

SETTINGS = {"horizon": 3, "context": 8, "units": 4, "model": "rnn", "dropout": 0.2, "epochs": 3}


class Stop:
    """Asks to stop from a batch on, counted from 1 over all trainings of a fit."""

    def __init__(self, batch: float):
        self.batch, self.seen = batch, 0

    def __call__(self) -> bool:
        self.seen += 1
        return self.seen >= self.batch


@pytest.fixture(scope="module")
def whole():
    """A fit that nobody stopped; its scalings are tried, and what was held out is learned from at the end."""
    count = Stop(np.inf)
    return Forecaster(**SETTINGS).fit(shops(), interrupted=count), count.seen


@pytest.mark.parametrize("share", [0.1, 0.6, 0.97], ids=["early", "in the middle", "late"])
def test_a_stopped_fit_goes_on(tmp_path, whole, share):
    fitted, batches = whole
    folder = tmp_path / "kept"
    first = Forecaster(**SETTINGS).fit(shops(), checkpoint=folder, interrupted=Stop(int(share * batches)))
    assert first.fitted_.network.record.stopped == "interrupted"
    assert (folder / FILE).is_file()
    told = []
    again = Forecaster(**SETTINGS, verbose=0).fit(shops(), checkpoint=folder, announce=told.extend)
    assert "checkpoint" in {choice.what for choice in told}
    for a, b in zip(fitted.model_.get_weights(), again.model_.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert fitted.predict().equals(again.predict())
    columns = ["epoch", "loss", "learning_rate"]
    assert fitted.history_[columns].equals(again.history_[columns])
    assert not folder.exists()


def test_other_data_and_other_settings_are_refused_by_name(tmp_path):
    Forecaster(**SETTINGS).fit(shops(), checkpoint=tmp_path / "kept", interrupted=Stop(3))
    with pytest.raises(InputError, match="of another fit: units was 4, is 5"):
        Forecaster(**SETTINGS | {"units": 5}).fit(shops(), checkpoint=tmp_path / "kept")
    changed = shops()
    changed.loc[3, "sold"] += 1
    with pytest.raises(InputError, match="of another fit: column 'sold' was digest"):
        Forecaster(**SETTINGS).fit(changed, checkpoint=tmp_path / "kept")
    with pytest.raises(ParameterError, match="checkpoint must be the path of a folder; got 3"):
        Forecaster(**SETTINGS).fit(shops(), checkpoint=3)


LIFE = """
import functools, os, sys
import numpy as np
from forecast import Forecaster
from forecast.training import checkpoint
from tests.estimators.test_resuming import SETTINGS
from tests.tables import shops

settings = SETTINGS | {"epochs": 20, "patience": 20}
checkpoint.EVERY = 0.2
begun = functools.cache(lambda: print("begun", flush=True))
fitted = Forecaster(**settings).fit(shops(), checkpoint=sys.argv[1], progress=lambda now: begun())
np.savez("half.npz", *fitted.model_.get_weights())
os.replace("half.npz", sys.argv[2])
"""


def start(folder: Path) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).parents[2])
    env = os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    words = [sys.executable, "-c", LIFE, str(folder / "kept"), str(folder / "weights.npz")]
    return subprocess.Popen(words, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_killed_at_random_moments_it_ends_bit_equal(tmp_path):
    """FORECAST_KILLS lives end by SIGKILL, 8 without it; between them fits are resumed, and some come to their end."""
    (tmp_path / "whole").mkdir()
    with start(tmp_path / "whole") as whole:
        assert whole.stdout is not None and whole.stdout.readline() == b"begun\n"
        began = time.monotonic()
    span = time.monotonic() - began
    expected = np.load(tmp_path / "whole" / "weights.npz")
    dice, kills, ends = random.Random(3), int(os.environ.get("FORECAST_KILLS", "8")), 0
    killed, number = 0, 0
    folder = tmp_path / "0"
    folder.mkdir()
    while killed < kills or not (folder / "weights.npz").exists():
        if (folder / "weights.npz").exists():
            number += 1
            folder = tmp_path / str(number)
            folder.mkdir()
        with start(folder) as life:
            assert life.stdout is not None
            life.stdout.readline()
            if killed < kills:
                # Now and then a life comes to its end before.
                time.sleep(dice.uniform(0, span / 2))
                life.send_signal(signal.SIGKILL)
        assert life.returncode in (0, -signal.SIGKILL)
        killed += life.returncode == -signal.SIGKILL
        if (folder / "weights.npz").exists():
            ends += 1
            found = np.load(folder / "weights.npz")
            assert all((found[name] == expected[name]).all() for name in expected.files)
    assert ends == number + 1 and not (folder / "kept").exists()
