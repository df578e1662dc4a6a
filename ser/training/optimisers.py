"""Optimisers other than Adam (config group ``trainer``). Each has the schedule and the stopping rule of ``Recipe``."""

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

        parameter <- (1 - lr * weight_decay) * parameter, then a step of Adam

    Args:
        weight_decay: the strength of the decay; the other arguments as for ``Recipe``.
    """

    weight_decay: NonNegative

    def optimiser(self, parameters: Iterable[Tensor]) -> Optimizer:
        """Return PyTorch's AdamW for one replica."""
        from torch import optim

        return optim.AdamW(parameters, lr=self.lr, weight_decay=self.weight_decay)

    def rates(self, steps: NDArray[np.int64], lr: NDArray[np.float64]) -> Sequence[NDArray[np.float64]]:
        """Return the scalars of Adam, then 1 - lr * weight_decay, each of shape (steps, replicas)."""
        decay = np.broadcast_to(1 - lr * self.weight_decay, steps.shape)
        return *super().rates(steps, lr), decay

    def update(
        self, parameter: Tensor, gradient: Tensor, moments: Mapping[str, Tensor], rates: Sequence[Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Update one parameter of many replicas by one step, see ``Recipe.update``."""
        *adam_rates, decay = rates
        return super().update(parameter * decay, gradient, moments, adam_rates)


@dataclass(frozen=True)
class SGD(Recipe):
    """Stochastic gradient descent with momentum (Polyak 1964; Sutskever et al. 2013).

        velocity <- momentum * velocity + gradient
        parameter <- parameter - lr * velocity

    Args:
        momentum: in [0, 1]; the other arguments as for ``Recipe``.
    """

    momentum: Fraction

    moments: ClassVar[tuple[str, ...]] = ("velocity",)

    def optimiser(self, parameters: Iterable[Tensor]) -> Optimizer:
        """Return PyTorch's SGD for one replica."""
        from torch import optim

        return optim.SGD(parameters, lr=self.lr, momentum=self.momentum)

    def rates(self, steps: NDArray[np.int64], lr: NDArray[np.float64]) -> Sequence[NDArray[np.float64]]:
        """Return the learning rate, shape (steps, replicas)."""
        return (np.broadcast_to(lr, steps.shape),)

    def update(
        self, parameter: Tensor, gradient: Tensor, moments: Mapping[str, Tensor], rates: Sequence[Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Update one parameter of many replicas by one step, see ``Recipe.update``."""
        velocity = self.momentum * moments["velocity"] + gradient
        return parameter - rates[0] * velocity, {"velocity": velocity}
