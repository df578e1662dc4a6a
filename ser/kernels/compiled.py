"""Where compiled code for the CPU stands in for PyTorch's operations, and where it must not."""

from collections.abc import Iterator
from contextlib import contextmanager

import numba
import torch
from torch import Tensor

compiled = numba.njit(cache=True, nogil=True, error_model="numpy")
reordering = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
"""For sums, which are vectorised only if their order may change."""

_allowed = True


@contextmanager
def forbidden() -> Iterator[None]:
    """Let PyTorch's own operations run inside (where they are batched over replicas, say)."""
    global _allowed
    before, _allowed = _allowed, False
    try:
        yield
    finally:
        _allowed = before


def applies(tensor: Tensor) -> bool:
    """Whether compiled code can take this tensor: float32 on the CPU, in full precision."""
    return (
        _allowed
        and tensor.device.type == "cpu"
        and tensor.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
    )
