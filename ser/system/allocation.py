"""Memory of a process that trains on the CPU."""

import ctypes
import sys
from functools import lru_cache

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # of glibc's mallopt, malloc.h
_TOP_BYTES = 64 * 2**20


@lru_cache(maxsize=1)
def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, instead of returning it to the operating system.

    A training step allocates and frees tensors of tens of megabytes. By default, glibc requests and returns that memory
    each time, so that the operating system clears every page again in every step. This took up to a quarter of a step.

    Returns:
        Whether the C library allows it: only glibc on Linux does.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, _TOP_BYTES))
    return all([mallopt(key, value) == 1 for key, value in settings])
