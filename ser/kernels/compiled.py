"""How the kernels are compiled, and when they replace PyTorch's operations."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ser.system import compile_cache

compile_cache.settle()
import numba  # noqa: E402 (after its folder is settled)

compile_cache.pass_over_damage()

compiled = numba.njit(cache=True, nogil=True, error_model="numpy")
"""Compile a function; its arithmetic keeps the order in which it is written."""

reordering = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
"""Compile a function whose sums may be reordered, without which the compiler cannot vectorise them."""

_allowed = True


@contextmanager
def forbidden() -> Iterator[None]:
    """Use PyTorch's own operations inside the ``with`` block, for example under ``torch.func.vmap``."""
    global _allowed
    before, _allowed = _allowed, False
    try:
        yield
    finally:
        _allowed = before


def applies(tensor: Tensor) -> bool:
    """Return whether compiled kernels may process this tensor.

    They need float32 on the CPU, no autocast, and no ``forbidden`` block around the call.
    """
    return (
        _allowed
        and tensor.device.type == "cpu"
        and tensor.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
    )
