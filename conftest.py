"""What all tests and doctests share."""

from __future__ import annotations

import gc
import sys
from importlib.util import find_spec

import pytest

# sktime holds pandas back and so has an environment of its own; the other two are backends beside TensorFlow.
NEEDS = {
    "sktime": "forecast/sktime.py",
    "jax": "forecast/models/native/on_jax.py",
    "torch": "forecast/models/native/on_torch.py",
}
collect_ignore = [path for package, path in NEEDS.items() if not find_spec(package)]


@pytest.fixture(scope="module", autouse=True)
def forgotten():
    """Free what Keras compiled for the tests of a module: hundreds of small networks would fill the memory."""
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session(free_memory=False)
        gc.collect()
        # What is left stays: looking through it again after each of hundreds of modules took minutes.
        gc.freeze()
