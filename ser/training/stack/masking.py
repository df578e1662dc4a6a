"""Leaves padding out of batch normalisation.

The replicas of a stack share one batch shape, so some rows of a replica may be padding. Padding must have no effect on
the real rows. Only two operations combine the rows of a batch: batch normalisation, whose statistics are over rows, and
the loss, which leaves out what is padding (``ser.losses.objective``).

B: rows of a batch, C: channels.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from ser.aux_tasks.task import IGNORED
from ser.kernels import compiled
from ser.losses.objective import Objective

EVERY_ROW = torch.zeros(0, dtype=torch.bool)
"""The mask of a batch without padding."""

_KINDS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class MaskedBatchNorm(_BatchNorm):
    """Batch normalisation that computes its training statistics from the real rows only.

    The mask is the buffer ``real``, True for real rows, shape (B,), or ``EVERY_ROW``. Pass it to
    ``torch.func.functional_call`` together with the parameters and the other buffers.

    Args:
        norm: the batch normalisation to replace; its parameters and running statistics are shared, not copied.
    """

    real: Tensor

    def __init__(self, norm: Any) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum, norm.affine)
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.num_batches_tracked = norm.num_batches_tracked
        self.register_buffer("real", EVERY_ROW, persistent=False)
        self.train(norm.training)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, C, ...) -> (B, C, ...).

        Raises:
            ValueError: the numbers of rows of the batch and of the mask differ.
        """
        if not self.training:
            return super().forward(inputs)
        if not self.real.numel():
            return self._with_cumulative_average(inputs) if self.momentum is None else super().forward(inputs)
        if len(inputs) != len(self.real):
            raise ValueError(f"batch normalisation of {len(inputs)} rows in a batch of {len(self.real)}")
        values = inputs.float()
        channel_shape = (1, -1) + (1,) * (values.dim() - 2)
        mean, variance, number = _mean_and_variance(values, self.real)
        self._update_running(mean.detach(), (variance * number / (number - 1).clamp(min=1)).detach())
        result = (values - mean.view(channel_shape)) * torch.rsqrt(variance + self.eps).view(channel_shape)
        if self.affine:
            result = result * self.weight.view(channel_shape) + self.bias.view(channel_shape)
        return result.to(inputs.dtype)

    def _with_cumulative_average(self, inputs: Tensor) -> Tensor:
        """PyTorch's forward pass in training for ``momentum=None``, whose own one ``vmap`` cannot batch."""
        mean, variance = torch.zeros_like(self.running_mean), torch.zeros_like(self.running_var)  # type: ignore[arg-type]
        # With a momentum of 1 these become the statistics of the batch alone.
        result = functional.batch_norm(inputs, mean, variance, self.weight, self.bias, True, 1.0, self.eps)
        self._update_running(mean, variance)
        return result

    @torch.no_grad()
    def _update_running(self, mean: Tensor, variance: Tensor) -> None:
        """Update the running statistics in place, as PyTorch does; ``variance`` has the divisor n - 1."""
        self.num_batches_tracked.add_(1)  # type: ignore[union-attr, operator]
        share: Any = 1 / self.num_batches_tracked if self.momentum is None else self.momentum  # type: ignore[operator]
        self.running_mean.mul_(1 - share).add_(share * mean)  # type: ignore[union-attr, operator]
        self.running_var.mul_(1 - share).add_(share * variance)  # type: ignore[union-attr, operator]

    def _check_input_dim(self, inputs: Tensor) -> None:
        """Accept any number of dimensions; the replaced module has its own check."""


def mask_norms(network: nn.Module) -> list[str]:
    """Replace every batch normalisation of a network by a ``MaskedBatchNorm``, in place.

    Args:
        network: the network. The names of its parameters and buffers stay the same.

    Returns:
        The full names of the mask buffers ("<module>.real"), one for each replaced module.

    Raises:
        ValueError: a batch normalisation is of an unknown subclass; or it has no running statistics, so that it would
            combine the rows of a batch in evaluation too.
    """
    replacements: dict[nn.Module, MaskedBatchNorm] = {}
    for full_name, module in list(network.named_modules(remove_duplicate=False)):
        if isinstance(module, _BatchNorm):
            if type(module) not in _KINDS or module.running_mean is None:
                raise ValueError(f"a {type(module).__name__} that is not known, or has no running statistics")
            parent, _, name = full_name.rpartition(".")
            setattr(network.get_submodule(parent), name, replacements.setdefault(module, MaskedBatchNorm(module)))
    return [f"{name}.real" for name, module in network.named_modules() if isinstance(module, MaskedBatchNorm)]


def _mean_and_variance(values: Tensor, real: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean and variance (divisor n) of each channel over the real rows, each (C,), and n.

    n is the number of values of a channel in the real rows. Without a real row all three are 0.
    """
    channel_shape = (1, -1) + (1,) * (values.dim() - 2)
    other_dimensions = [dimension for dimension in range(values.dim()) if dimension != 1]
    weight = real.to(values.dtype).view(-1, *(1,) * (values.dim() - 1))
    number = real.sum() * (values[0].numel() // values.shape[1])
    mean = (values * weight).sum(other_dimensions) / number.clamp(min=1)
    squares = ((values - mean.view(channel_shape)).square() * weight).sum(other_dimensions)
    variance = squares / number.clamp(min=1)
    return mean, variance, number


def leaves_out_padding(make_objective: Callable[[int], Objective], classes: int) -> bool:
    """Return whether padding changes no loss, by a trial: eight pairs, of which two are padding.

    Args:
        make_objective: makes a total loss for vectors of a number of dimensions.
        classes: number of classes.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        objective = make_objective(5).eval()
        vectors, logits = torch.randn(16, 5), torch.randn(16, classes)
    labels, real = torch.arange(16) % classes, torch.arange(8) < 6
    rows = real.repeat(2)
    with compiled.forbidden():
        without = objective(vectors[rows], logits[rows], labels[rows], 0.5)
        try:
            padded = objective(vectors, logits, labels.where(rows, IGNORED), 0.5, real=real)
        except Exception:  # a library's loss that knows no such label
            return False
    return all(torch.allclose(padded[part], without[part], rtol=1e-4, equal_nan=True) for part in without)
