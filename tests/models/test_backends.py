"""The same tests of models and training on the other backends of Keras, where they are installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_models_and_training_on_another_backend(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "tests/models/test_layers.py",
        "tests/models/test_laws.py",
        "tests/models/test_rnn.py",
        "tests/models/test_segment.py",
        "tests/models/test_esrnn.py",
        "tests/models/test_comparison.py",
        "tests/models/test_losses.py",
        "tests/models/test_draws.py",
        "tests/models/test_seq2seq.py",
        "tests/models/test_autoregressive.py",
        "tests/models/test_autoencoder.py",
        "tests/models/test_running.py",
        "tests/models/test_state_dropout.py",
        "tests/models/test_stateful.py",
        "tests/runner",
        "tests/training",
    ]
    found = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"KERAS_BACKEND": backend}, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout[-3000:]
