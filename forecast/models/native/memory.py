"""Large arrays that are used anew: the system takes longer to give a new one than the kernel to fill it."""

from __future__ import annotations

import threading
import weakref
from collections import defaultdict

import numpy as np

ALIGNMENT = 64
# Blocks of a size that are kept for the next who asks.
_SPARE = 4
_spare: defaultdict[int, list[np.ndarray]] = defaultdict(list)
# A block may come back in the middle of a call for another one, when the collector of garbage runs.
_lock = threading.RLock()


def aligned(shape: tuple[int, ...]) -> np.ndarray:
    """Return an array of float32 with any content, its first byte at a multiple of 64.

    Its memory is given to a later array of the same size once nobody holds it or a view of it.

    Example:
        >>> array = aligned((3, 5))
        >>> array.shape, array.dtype, array.ctypes.data % 64
        ((3, 5), dtype('float32'), 0)
    """
    size = 4 * int(np.prod(shape))
    with _lock:
        spare = _spare[size]
        block = spare.pop() if spare else np.empty(size + ALIGNMENT, np.uint8)
    begin = -block.ctypes.data % ALIGNMENT
    # A memoryview is what a NumPy array keeps as its base, and can be watched.
    lent = _Lent(block, begin, size)
    return np.asarray(lent).view(np.float32).reshape(shape)


class _Lent:
    """A part of a block, which goes back when the last array on it is gone."""

    def __init__(self, block: np.ndarray, begin: int, size: int):
        self.__array_interface__ = block[begin : begin + size].__array_interface__
        weakref.finalize(self, _give_back, block, size).atexit = False


def _give_back(block: np.ndarray, size: int) -> None:
    with _lock:
        if len(_spare[size]) < _SPARE:
            _spare[size].append(block)
