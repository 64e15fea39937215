"""Say nothing of what is as it should be."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_tracing() -> Iterator[None]:
    """Keep TensorFlow from warning, meanwhile, that functions are traced again: every new model is traced once.

    Example:
        >>> with quiet_tracing():
        ...     logging.getLogger("tensorflow").isEnabledFor(logging.WARNING)
        False
    """
    logger = logging.getLogger("tensorflow")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
