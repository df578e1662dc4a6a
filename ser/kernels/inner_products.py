"""The inner products of pairs of long vectors, which the contrastive losses are made of, in one pass over memory.

A batch of pos_1 vectors is as large as the network's largest tensor, so what counts is how often it is read and
written: by PyTorch's operations some fifteen times in a step, here three times (on the CPU).
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from ser.kernels.compiled import applies, compiled, reordering


def halves(both: Tensor) -> tuple[Tensor, Tensor]:
    """The first branch's rows and the second's, of (2 * pairs, dimensions)."""
    first, second = _Halves.apply(both) if applies(both) else both.chunk(2)
    return first, second


def inner_products(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of each pair: the first with itself, with the second, and the second with itself, each of shape (pairs,)."""
    if applies(first):
        products = _InnerProducts.apply(first, second)
        return products[:, 0], products[:, 1], products[:, 2]
    return torch.linalg.vecdot(first, first), torch.linalg.vecdot(first, second), torch.linalg.vecdot(second, second)


class _Halves(Function):
    """``chunk(2)``, whose gradients are put together without a copy if they lie side by side already."""

    @staticmethod
    def forward(ctx: Any, both: Tensor) -> tuple[Tensor, Tensor]:
        return both.chunk(2)  # type: ignore[return-value]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, first: Tensor, second: Tensor) -> Tensor:
        one_storage = first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()
        beside = one_storage and second.data_ptr() == first.data_ptr() + first.nbytes
        if beside and first.is_contiguous() and second.is_contiguous():
            return first.as_strided((2 * first.numel(),), (1,)).view(2 * len(first), *first.shape[1:])
        return torch.cat([first, second])


class _InnerProducts(Function):
    """(pairs, 3): see ``inner_products``; blocks of them summed in float64."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor) -> Tensor:
        ctx.save_for_backward(first, second)
        return torch.from_numpy(_products(first.detach().numpy(), second.detach().numpy()))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        first, second = ctx.saved_tensors
        out = torch.empty(2, *first.shape)
        _combine(first.numpy(), second.numpy(), gradient.contiguous().numpy(), out.numpy())
        return out[0], out[1]


_BLOCK = 1024


@reordering
def _products(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float32]:
    pairs, dimensions = first.shape
    result = np.empty((pairs, 3), np.float32)
    for n in range(pairs):
        sums = np.zeros(3)
        for start in range(0, dimensions, _BLOCK):
            own = cross = other = np.float32(0)
            one, two = first[n, start : start + _BLOCK], second[n, start : start + _BLOCK]
            for i in range(len(one)):
                a, b = one[i], two[i]
                own += a * a
                cross += a * b
                other += b * b
            sums[0] += own
            sums[1] += cross
            sums[2] += other
        result[n] = sums
    return result


@compiled
def _combine(first: NDArray[Any], second: NDArray[Any], gradient: NDArray[Any], out: NDArray[Any]) -> None:
    for n in range(first.shape[0]):
        own, cross, other = 2 * gradient[n, 0], gradient[n, 1], 2 * gradient[n, 2]
        for i in range(first.shape[1]):
            a, b = first[n, i], second[n, i]
            out[0, n, i] = own * a + cross * b
            out[1, n, i] = cross * a + other * b
