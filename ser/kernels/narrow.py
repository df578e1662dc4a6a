"""A linear layer from long vectors to few outputs.

For vectors v (B, V), weights w (K, V) and outputs y (B, K):

    forward     y = v w^T + bias
    backward    dL/dv = dL/dy w
                dL/dw = (dL/dy)^T v

A product of shapes (64, 58,200) and (58,200, 4) takes its time for memory traffic, not for arithmetic. The kernels read
the vectors from memory once in each pass; a general matrix product takes three times as long. A loss of the vectors
themselves has a gradient that must be added to dL/dv. Here it is added while dL/dv is written, which saves a pass.

B: rows of the batch, V: dimensions of a vector, K: outputs.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from ser.kernels.compiled import applies, reordering

_MOST_OUTPUTS = 16
"""With more outputs, PyTorch's matrix product is used."""

_BLOCK = 1024
"""Dimensions that are summed in float32; the sums of the blocks are added in float64."""


class NarrowLinear(nn.Linear):
    """``nn.Linear``, computed faster on the CPU if it has at most 16 outputs."""

    def forward(self, vector: Tensor) -> Tensor:
        """(B, V) -> (B, K)."""
        return self.with_vector(vector)[1]

    def with_vector(self, vector: Tensor) -> tuple[Tensor, Tensor]:
        """(B, V) -> the vectors (B, V) and the outputs (B, K).

        What else is computed from the vectors should use those returned: the backward pass is faster then.
        """
        if applies(vector) and vector.dim() == 2 and self.out_features <= _MOST_OUTPUTS:
            same_vector, product = _Product.apply(vector.contiguous(), self.weight)
            return same_vector, product if self.bias is None else product + self.bias
        return vector, super().forward(vector)


class _Product(Function):
    """(B, V), (K, V) -> the vectors (B, V), and the layer's outputs without its bias (B, K)."""

    @staticmethod
    def forward(ctx: Any, vector: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(vector, weight)
        ctx.set_materialize_grads(False)
        return vector, torch.from_numpy(_product(vector.detach().numpy(), weight.detach().numpy()))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, direct: Tensor | None, gradient: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """Return dL/dv and dL/dw, given the gradient of the returned vectors and dL/dy; None stands for zeros."""
        if gradient is None:
            return direct, None
        vector, weight = ctx.saved_tensors
        vector_gradient, weight_gradient = torch.empty_like(vector), torch.zeros_like(weight)
        added = direct.contiguous() if direct is not None else torch.empty(0, 0)
        tensors = (vector, weight, gradient.contiguous(), added, vector_gradient, weight_gradient)
        _gradients(*(tensor.detach().numpy() for tensor in tensors))
        return vector_gradient, weight_gradient


@reordering
def _product(vector: NDArray[Any], weight: NDArray[Any]) -> NDArray[np.float32]:
    """Compute v w^T, shape (B, K)."""
    rows, outputs = len(vector), len(weight)
    result = np.empty((rows, outputs), np.float32)
    for b in range(rows):
        sums = np.zeros(outputs)
        for start in range(0, vector.shape[1], _BLOCK):
            v = vector[b, start : start + _BLOCK]
            for k in range(outputs):
                w, block_sum = weight[k, start : start + _BLOCK], np.float32(0)
                for i in range(len(v)):
                    block_sum += v[i] * w[i]
                sums[k] += block_sum
        result[b] = sums
    return result


@reordering
def _gradients(
    vector: NDArray[Any],
    weight: NDArray[Any],
    gradient: NDArray[Any],
    added: NDArray[Any],
    vector_gradient: NDArray[Any],
    weight_gradient: NDArray[Any],
) -> None:
    """Write dL/dv to ``vector_gradient`` and add dL/dw to ``weight_gradient``, from dL/dy in ``gradient`` (B, K).

    Two outputs, k and ``k_next``, are done at a time, which halves the passes over a block. If K is odd, the last k has
    no partner: ``k_next`` is then k itself, with the gradient 0.

    ``added`` (B, V) is added to dL/dv; an empty array stands for zeros.
    """
    outputs, block = len(weight), np.empty(_BLOCK, np.float32)
    for b in range(len(vector)):
        for start in range(0, vector.shape[1], _BLOCK):
            v = vector[b, start : start + _BLOCK]
            for k in range(0, outputs, 2):
                k_next = min(k + 1, outputs - 1)
                g, g_next = gradient[b, k], gradient[b, k_next] if k_next > k else np.float32(0)
                w, w_next = weight[k, start : start + _BLOCK], weight[k_next, start : start + _BLOCK]
                if k == 0:
                    for i in range(len(v)):
                        block[i] = g * w[i] + g_next * w_next[i]
                else:
                    for i in range(len(v)):
                        block[i] += g * w[i] + g_next * w_next[i]
                dw = weight_gradient[k, start : start + _BLOCK]
                dw_next = weight_gradient[k_next, start : start + _BLOCK]
                for i in range(len(v)):
                    dw[i] += g * v[i]
                for i in range(len(v)):
                    dw_next[i] += g_next * v[i]
            dv = vector_gradient[b, start : start + _BLOCK]
            if added.size:
                more = added[b, start : start + _BLOCK]
                for i in range(len(v)):
                    dv[i] = more[i] + block[i]
            else:
                dv[:] = block[: len(v)]
