"""A linear layer from long vectors to a few classes, for the CPU in one pass over memory each way.

A product of (64, 58,200) with (58,200, 4) is all memory and no arithmetic; a general matrix product, made for the
opposite, takes three times as long for it.

B: rows, V: size of a vector, K: outputs.
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
_BLOCK = 1024


class NarrowLinear(nn.Linear):
    """``nn.Linear``, faster where its outputs are few."""

    def forward(self, vector: Tensor) -> Tensor:
        """(B, V) -> (B, K)."""
        if applies(vector) and vector.dim() == 2 and self.out_features <= _MOST_OUTPUTS:
            product = _Narrow.apply(vector.contiguous(), self.weight)
            return product if self.bias is None else product + self.bias
        return super().forward(vector)


class _Narrow(Function):
    """The product without the bias."""

    @staticmethod
    def forward(ctx: Any, vector: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(vector, weight)
        return torch.from_numpy(_product(vector.detach().numpy(), weight.detach().numpy()))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        vector, weight = ctx.saved_tensors
        back, own = torch.empty_like(vector), torch.zeros_like(weight)
        _gradients(*(t.detach().numpy() for t in (vector, weight, gradient.contiguous(), back, own)))
        return back, own


@reordering
def _product(vector: NDArray[Any], weight: NDArray[Any]) -> NDArray[np.float32]:
    rows, outputs = len(vector), len(weight)
    result = np.empty((rows, outputs), np.float32)
    for b in range(rows):
        sums = np.zeros(outputs)
        for start in range(0, vector.shape[1], _BLOCK):
            part = vector[b, start : start + _BLOCK]
            for k in range(outputs):
                row, total = weight[k, start : start + _BLOCK], np.float32(0)
                for i in range(len(part)):
                    total += part[i] * row[i]
                sums[k] += total
        result[b] = sums
    return result


@reordering
def _gradients(
    vector: NDArray[Any], weight: NDArray[Any], gradient: NDArray[Any], back: NDArray[Any], own: NDArray[Any]
) -> None:
    """Of the vectors (``back``) and the weight (``own``, zero so far); two outputs at a time write ``back`` less."""
    outputs = len(weight)
    for b in range(len(vector)):
        for k in range(0, outputs, 2):
            other = min(k + 1, outputs - 1)
            one, two = gradient[b, k], gradient[b, other] if other > k else np.float32(0)
            for start in range(0, vector.shape[1], _BLOCK):
                part, out = vector[b, start : start + _BLOCK], back[b, start : start + _BLOCK]
                row, next_row = weight[k, start : start + _BLOCK], weight[other, start : start + _BLOCK]
                if k == 0:
                    for i in range(len(out)):
                        out[i] = one * row[i] + two * next_row[i]
                else:
                    for i in range(len(out)):
                        out[i] += one * row[i] + two * next_row[i]
                total, next_total = own[k, start : start + _BLOCK], own[other, start : start + _BLOCK]
                for i in range(len(part)):
                    total[i] += one * part[i]
                for i in range(len(part)):
                    next_total[i] += two * part[i]
