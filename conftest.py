"""What all tests and doctests share."""

from __future__ import annotations

import gc
import sys
from importlib.util import find_spec

import pytest

# It needs sktime, which holds pandas back and so has an environment of its own.
collect_ignore = [] if find_spec("sktime") else ["forecast/sktime.py"]


@pytest.fixture(scope="module", autouse=True)
def forgotten():
    """Free what Keras compiled for the tests of a module: hundreds of small networks would fill the memory."""
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session(free_memory=False)
        gc.collect()
        # What is left stays: looking through it again after each of hundreds of modules took minutes.
        gc.freeze()
