"""How a process that trains on the CPU keeps its memory."""

import ctypes
import sys
from functools import lru_cache

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # of glibc's mallopt, malloc.h
_TOP_BYTES = 64 * 2**20


@lru_cache(maxsize=1)
def keep_freed_memory() -> bool:
    """Let this process use freed memory again instead of giving it back to the system; whether that can be had.

    A training step makes and frees tensors of tens of megabytes. By default glibc asks the system for each of them and
    gives it back, so that the system clears every page of it in every step: up to a quarter of the step's time.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, _TOP_BYTES))
    return all([mallopt(key, value) == 1 for key, value in settings])
