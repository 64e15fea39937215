"""What all tests share."""

from __future__ import annotations

import os

# Native logs of TensorFlow would drown the report of the tests.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
