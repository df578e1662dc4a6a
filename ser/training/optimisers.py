"""Optimisers besides Adam (config group ``trainer``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ser.config.ranges import Fraction, NonNegative
from ser.training.trainer import Recipe

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer


@dataclass(frozen=True)
class AdamW(Recipe):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019).

    Before each step of Adam, every parameter is multiplied by 1 - lr * ``weight_decay``.
    """

    weight_decay: NonNegative

    def optimiser(self, parameters: Iterable[Tensor]) -> Optimizer:
        """PyTorch's AdamW."""
        from torch import optim

        return optim.AdamW(parameters, lr=self.lr, weight_decay=self.weight_decay)

    def rates(self, steps: NDArray[np.int64], lr: NDArray[np.float64]) -> Sequence[NDArray[np.float64]]:
        """Adam's rates, then what is left of a parameter after its decay, each of shape (steps, replicas)."""
        left = np.broadcast_to(1 - lr * self.weight_decay, steps.shape)
        return *super().rates(steps, lr), left

    def update(
        self, parameter: Tensor, gradient: Tensor, moments: Mapping[str, Tensor], rates: Sequence[Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """One step, see ``Recipe.update``."""
        *adam, left = rates
        return super().update(parameter * left, gradient, moments, adam)


@dataclass(frozen=True)
class SGD(Recipe):
    """Stochastic gradient descent with momentum (Polyak 1964; Sutskever et al. 2013).

    v <- ``momentum`` * v + gradient;  parameter <- parameter - lr * v
    """

    momentum: Fraction

    moments: ClassVar[tuple[str, ...]] = ("velocity",)

    def optimiser(self, parameters: Iterable[Tensor]) -> Optimizer:
        """PyTorch's SGD."""
        from torch import optim

        return optim.SGD(parameters, lr=self.lr, momentum=self.momentum)

    def rates(self, steps: NDArray[np.int64], lr: NDArray[np.float64]) -> Sequence[NDArray[np.float64]]:
        """The learning rate, shape (steps, replicas)."""
        return (np.broadcast_to(lr, steps.shape),)

    def update(
        self, parameter: Tensor, gradient: Tensor, moments: Mapping[str, Tensor], rates: Sequence[Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """One step, see ``Recipe.update``."""
        velocity = self.momentum * moments["velocity"] + gradient
        return parameter - rates[0] * velocity, {"velocity": velocity}
