"""Inner products of pairs of long vectors, from which the contrastive losses are computed.

For a pair of vectors x1 and x2:

    forward     s11 = x1 . x1     s12 = x1 . x2     s22 = x2 . x2
    backward    dL/dx1 = 2 dL/ds11 x1 + dL/ds12 x2
                dL/dx2 = dL/ds12 x1 + 2 dL/ds22 x2

A batch of pos_1 vectors is as large as the network's largest tensor, so the time depends on how often memory is read
and written. PyTorch's operations pass over it about fifteen times in a training step; these kernels pass over it three
times.
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
    """Split a batch into its two branches, like ``both.chunk(2)`` but with a backward pass that avoids a copy.

    Args:
        both: the rows of the first branch, then those of the second, shape (2 * pairs, dimensions).

    Returns:
        The rows of the first and of the second branch, each of shape (pairs, dimensions).
    """
    first, second = _Halves.apply(both) if applies(both) else both.chunk(2)
    return first, second


def inner_products(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Compute x1 . x1, x1 . x2 and x2 . x2 of each pair.

    Args:
        first: x1, shape (pairs, dimensions).
        second: x2, shape (pairs, dimensions).

    Returns:
        The three inner products, each of shape (pairs,).
    """
    if applies(first):
        products = _InnerProducts.apply(first, second)
        return products[:, 0], products[:, 1], products[:, 2]
    return torch.linalg.vecdot(first, first), torch.linalg.vecdot(first, second), torch.linalg.vecdot(second, second)


class _Halves(Function):
    """``chunk(2)``. Its backward pass returns the two gradients as one view if they are adjacent in memory."""

    @staticmethod
    def forward(ctx: Any, both: Tensor) -> tuple[Tensor, Tensor]:
        return both.chunk(2)  # type: ignore[return-value]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, first: Tensor, second: Tensor) -> Tensor:
        same_storage = first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()
        adjacent = same_storage and second.data_ptr() == first.data_ptr() + first.nbytes
        if adjacent and first.is_contiguous() and second.is_contiguous():
            return first.as_strided((2 * first.numel(),), (1,)).view(2 * len(first), *first.shape[1:])
        return torch.cat([first, second])


class _InnerProducts(Function):
    """The three inner products side by side, shape (pairs, 3)."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor) -> Tensor:
        ctx.save_for_backward(first, second)
        return torch.from_numpy(_products(first.detach().numpy(), second.detach().numpy()))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        first, second = ctx.saved_tensors
        gradients = torch.empty(2, *first.shape)  # both in one tensor, so that _Halves finds them adjacent
        _input_gradients(first.numpy(), second.numpy(), gradient.contiguous().numpy(), gradients.numpy())
        return gradients[0], gradients[1]


_BLOCK = 1024
"""Dimensions that are summed in float32; the sums of the blocks are added in float64."""


@reordering
def _products(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float32]:
    """Compute s11, s12 and s22 of each pair, shape (pairs, 3)."""
    pairs, dimensions = first.shape
    result = np.empty((pairs, 3), np.float32)
    for n in range(pairs):
        sums = np.zeros(3)
        for start in range(0, dimensions, _BLOCK):
            s11 = s12 = s22 = np.float32(0)
            block1, block2 = first[n, start : start + _BLOCK], second[n, start : start + _BLOCK]
            for i in range(len(block1)):
                x1, x2 = block1[i], block2[i]
                s11 += x1 * x1
                s12 += x1 * x2
                s22 += x2 * x2
            sums[0] += s11
            sums[1] += s12
            sums[2] += s22
        result[n] = sums
    return result


@compiled
def _input_gradients(
    first: NDArray[Any], second: NDArray[Any], gradient: NDArray[Any], gradients: NDArray[Any]
) -> None:
    """Write dL/dx1 and dL/dx2 to ``gradients`` (2, pairs, dimensions), from dL/ds in ``gradient`` (pairs, 3)."""
    for n in range(first.shape[0]):
        twice_s11, s12, twice_s22 = 2 * gradient[n, 0], gradient[n, 1], 2 * gradient[n, 2]
        for i in range(first.shape[1]):
            x1, x2 = first[n, i], second[n, i]
            gradients[0, n, i] = twice_s11 * x1 + s12 * x2
            gradients[1, n, i] = s12 * x1 + twice_s22 * x2
