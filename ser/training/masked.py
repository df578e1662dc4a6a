"""Rows that do not count: replicas in a stack share one batch shape, and fill it with rows of no effect.

Whatever mixes the rows of a batch has to leave these out: batch normalisation, and the mean of a loss over pairs.
B: rows (or pairs) of a batch, C: channels, V: dimensions of a vector.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.nn.modules.batchnorm import _BatchNorm

from ser.losses import Objective


class Rows:
    """Which rows of the batch under way are real, boolean (B,); None: all of them."""

    real: Tensor | None = None


def mask_norms(network: nn.Module, rows: Rows) -> None:
    """Make every batch normalisation of ``network`` take its statistics over the real ``rows`` only.

    Raises:
        ValueError: one has no running statistics, so that rows would also mix in evaluation.
    """
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            if module.running_mean is None:
                raise ValueError("a batch normalisation without running statistics")
            object.__setattr__(module, "forward", partial(_batch_norm, module, rows))


def _batch_norm(norm: Any, rows: Rows, inputs: Tensor) -> Tensor:
    """``norm``'s own forward where all rows are real or none is looked at; (B, C, ...) -> the same shape."""
    if rows.real is None or not norm.training:
        return type(norm).forward(norm, inputs)
    if len(inputs) != len(rows.real):
        raise ValueError(f"batch normalisation of {len(inputs)} rows in a batch of {len(rows.real)}")
    values = inputs.float()
    channels = (1, -1) + (1,) * (values.dim() - 2)
    mean, variance, number = _moments(values, rows.real)
    _move_running(norm, mean.detach(), (variance * number / (number - 1).clamp(min=1)).detach())
    result = (values - mean.view(channels)) * torch.rsqrt(variance + norm.eps).view(channels)
    if norm.affine:
        result = result * norm.weight.view(channels) + norm.bias.view(channels)
    return result.to(inputs.dtype)


def _moments(values: Tensor, real: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and variance (divisor n) of the real rows' channels, each (C,), and n; all 0 where no row is real."""
    shape = (1, -1) + (1,) * (values.dim() - 2)
    others = [dimension for dimension in range(values.dim()) if dimension != 1]
    weight = real.to(values.dtype).view(-1, *(1,) * (values.dim() - 1))
    number = real.sum() * (values[0].numel() // values.shape[1])
    mean = (values * weight).sum(others) / number.clamp(min=1)
    variance = ((values - mean.view(shape)).square() * weight).sum(others) / number.clamp(min=1)
    return mean, variance, number


@torch.no_grad()
def _move_running(norm: Any, mean: Tensor, variance: Tensor) -> None:
    """The running statistics, in place, as ``nn.BatchNorm1d`` moves them (``variance`` has the divisor n - 1)."""
    norm.num_batches_tracked.add_(1)
    share = 1 / norm.num_batches_tracked if norm.momentum is None else norm.momentum
    norm.running_mean.mul_(1 - share).add_(share * mean)
    norm.running_var.mul_(1 - share).add_(share * variance)


def over_real_pairs(objective: Objective, real: Tensor) -> Objective:
    """The objective with its contrastive loss averaged over the ``real`` pairs (B,) only.

    The other losses leave out rows whose label is IGNORED.
    """
    if objective.contrast is None:
        return objective
    contrast: Any = _RealPairs(objective.contrast, real, getattr(objective.contrast, "cross_entropy", "mean"))
    return replace(objective, contrast=contrast)


@dataclass(frozen=True)
class _RealPairs:
    """A contrastive loss of one pair at a time, averaged over the real ones (0 if there are none)."""

    contrast: Callable[[Tensor, Tensor, Tensor], Tensor]
    real: Tensor
    cross_entropy: str

    def __call__(self, first: Tensor, second: Tensor, same: Tensor) -> Tensor:
        """Two branches' vectors (B, V) and whether they are of one class (B,) -> one number."""
        each = vmap(lambda a, b, y: self.contrast(a[None], b[None], y[None]))(first, second, same)
        return torch.where(self.real, each, 0.0).sum() / self.real.sum().clamp(min=1)
