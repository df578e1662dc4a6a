"""Rows that do not count: replicas in a stack share one batch shape, and fill it with rows of no effect.

Whatever mixes the rows of a batch has to leave these out: batch normalisation, and the mean of a loss over pairs.
B: rows (or pairs) of a batch, C: channels, V: dimensions of a vector.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.nn.modules.batchnorm import _BatchNorm

from ser.losses.objective import Objective

EVERY_ROW = torch.zeros(0, dtype=torch.bool)
"""The mask of a batch without padding."""

_KINDS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class MaskedBatchNorm(_BatchNorm):
    """A batch normalisation whose statistics in training are of the real rows only.

    Which rows are real is an input like any other: the buffer ``real``, boolean (B,), or EVERY_ROW. It is given with
    the parameters and the other buffers to ``torch.func.functional_call``.
    """

    real: Tensor

    def __init__(self, norm: Any) -> None:
        """Take the place of ``norm``, with its parameters and running statistics."""
        super().__init__(norm.num_features, norm.eps, norm.momentum, norm.affine)
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.num_batches_tracked = norm.num_batches_tracked
        self.register_buffer("real", EVERY_ROW, persistent=False)
        self.train(norm.training)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, C, ...) -> the same shape.

        Raises:
            ValueError: the batch has other rows than the mask.
        """
        if not self.real.numel() or not self.training:
            return super().forward(inputs)
        if len(inputs) != len(self.real):
            raise ValueError(f"batch normalisation of {len(inputs)} rows in a batch of {len(self.real)}")
        values = inputs.float()
        channels = (1, -1) + (1,) * (values.dim() - 2)
        mean, variance, number = _mean_and_variance(values, self.real)
        self._move_running(mean.detach(), (variance * number / (number - 1).clamp(min=1)).detach())
        result = (values - mean.view(channels)) * torch.rsqrt(variance + self.eps).view(channels)
        if self.affine:
            result = result * self.weight.view(channels) + self.bias.view(channels)
        return result.to(inputs.dtype)

    @torch.no_grad()
    def _move_running(self, mean: Tensor, variance: Tensor) -> None:
        """The running statistics, in place, as PyTorch moves them (``variance`` has the divisor n - 1)."""
        self.num_batches_tracked.add_(1)  # type: ignore[union-attr, operator]
        share: Any = 1 / self.num_batches_tracked if self.momentum is None else self.momentum  # type: ignore[operator]
        self.running_mean.mul_(1 - share).add_(share * mean)  # type: ignore[union-attr, operator]
        self.running_var.mul_(1 - share).add_(share * variance)  # type: ignore[union-attr, operator]

    def _check_input_dim(self, inputs: Tensor) -> None:
        """Any number of dimensions; ``norm`` would have refused others when it was trained alone."""


def mask_norms(network: nn.Module) -> list[str]:
    """Replace every batch normalisation in a network by one that can leave rows out.

    Returns:
        The full names of the buffers that say which rows are real.

    Raises:
        ValueError: one is of a kind of its own, or has no running statistics, so that rows would also mix in
            evaluation.
    """
    replaced: dict[nn.Module, MaskedBatchNorm] = {}
    for full, module in list(network.named_modules(remove_duplicate=False)):
        if isinstance(module, _BatchNorm):
            if type(module) not in _KINDS or module.running_mean is None:
                raise ValueError(f"a {type(module).__name__} that is not known, or has no running statistics")
            parent, _, name = full.rpartition(".")
            setattr(network.get_submodule(parent), name, replaced.setdefault(module, MaskedBatchNorm(module)))
    return [f"{name}.real" for name, module in network.named_modules() if isinstance(module, MaskedBatchNorm)]


def _mean_and_variance(values: Tensor, real: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and variance (divisor n) of the real rows' channels, each (C,), and n; all 0 where no row is real."""
    shape = (1, -1) + (1,) * (values.dim() - 2)
    others = [dimension for dimension in range(values.dim()) if dimension != 1]
    weight = real.to(values.dtype).view(-1, *(1,) * (values.dim() - 1))
    number = real.sum() * (values[0].numel() // values.shape[1])
    mean = (values * weight).sum(others) / number.clamp(min=1)
    variance = ((values - mean.view(shape)).square() * weight).sum(others) / number.clamp(min=1)
    return mean, variance, number


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
