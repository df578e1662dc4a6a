"""How a replica is optimised: Lian et al. 2018, section 4.3 (config group ``trainer``)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ser.config.ranges import Count, Natural, NonNegative, OpenFraction, Positive

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

_BETAS, _EPS = (0.9, 0.999), 1e-8  # torch.optim.Adam's defaults


@dataclass(frozen=True)
class Recipe:
    """Adam (Kingma and Ba 2015), the schedule and the stop; see ``conf/trainer`` for each key.

    Another optimiser is a subclass with its own keys and its own ``optimiser``. The engine ``stack`` does not use
    PyTorch's optimiser but ``rates`` and ``update``, for many replicas at once. A subclass that leaves these two as
    they are trains its replicas one after another there.
    """

    batch_size: Count
    lr: Positive
    min_lr: NonNegative
    factor: OpenFraction
    patience: Natural
    watch: Literal["validation", "train"]
    max_epochs: Count
    batch_norm: Literal["joint", "branch"]
    precision: Literal["float32", "tf32", "bf16"]

    moments: ClassVar[tuple[str, ...]] = ("first", "second")
    """What ``update`` keeps of each parameter between steps, in tensors of the parameter's shape, zero at first."""

    def optimiser(self, parameters: Iterable[Tensor]) -> Optimizer:
        """PyTorch's optimiser of one replica; the loop sets its learning rate before each epoch."""
        from torch.optim import Adam

        return Adam(parameters, lr=self.lr)

    def rates(self, steps: NDArray[np.int64], lr: NDArray[np.float64]) -> Sequence[NDArray[np.float64]]:
        """The numbers that a step of ``update`` depends on besides the tensors.

        Args:
            steps: the number of each step of each replica, from 1, shape (steps, replicas).
            lr: each replica's learning rate, shape (replicas,).

        Returns:
            Adam's step size and the root of its second bias correction, each of shape (steps, replicas).
        """
        return lr / (1 - _BETAS[0] ** steps), np.sqrt(1 - _BETAS[1] ** steps)

    def update(
        self, parameter: Tensor, gradient: Tensor, moments: Mapping[str, Tensor], rates: Sequence[Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """A parameter of many replicas after one step, and its moments; nothing is changed in place.

        Args:
            parameter, gradient: shape (replicas, ...).
            moments: the tensors named by ``self.moments``, of the same shape.
            rates: the numbers of ``self.rates`` for this step, of a shape that goes with the parameter's.
        """
        size, root = rates
        first = moments["first"].lerp(gradient, 1 - _BETAS[0])
        second = (moments["second"] * _BETAS[1]).addcmul_(gradient, gradient, value=1 - _BETAS[1])
        scale = second.sqrt().div_(root).add_(_EPS)
        return parameter - (size * first).div_(scale), {"first": first, "second": second}


class HalvingSchedule:
    """The learning rate of each epoch: multiplied by ``factor`` when the watched loss did not fall below its best.

    ``patience`` epochs without a decrease are let pass first; a loss that is not a number is no decrease.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.lr = recipe.lr
        self._recipe = recipe
        self._best = math.inf
        self._waited = 0

    def step(self, loss: float) -> bool:
        """Take an epoch's watched loss; False once the learning rate is below ``min_lr``: stop."""
        if loss < self._best:
            self._best, self._waited = loss, 0
        else:
            self._waited += 1
        if self._waited > self._recipe.patience:
            self.lr, self._waited = self.lr * self._recipe.factor, 0
        return self.lr >= self._recipe.min_lr


class Course:
    """How one training goes: its history, the rate of the next epoch, the best epoch so far, and when it is over.

    The best epoch has the highest validation WA, among equals the lowest validation loss; 0 if there is none yet.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.history: list[dict[str, float]] = []
        self.best_epoch = 0
        self.over = self.diverged = False
        self._recipe, self._schedule = recipe, HalvingSchedule(recipe)
        self._best = (-math.inf, -math.inf)

    @property
    def epoch(self) -> int:
        """The number of the next epoch, from 1."""
        return len(self.history) + 1

    @property
    def lr(self) -> float:
        """The learning rate of the next epoch."""
        return self._schedule.lr

    def record(self, row: dict[str, float]) -> bool:
        """Take an epoch's ``train_loss`` (and its parts), ``val_loss``, ``val_wa``; whether it is the best so far."""
        self.history.append({"lr": self.lr, **row})
        self.diverged = not math.isfinite(row["train_loss"] + row["val_loss"])
        if self.diverged:
            self.over = True
            return False
        goes_on = self._schedule.step(row["val_loss" if self._recipe.watch == "validation" else "train_loss"])
        self.over = not goes_on or len(self.history) == self._recipe.max_epochs
        better = (row["val_wa"], -row["val_loss"]) > self._best
        if better:
            self._best, self.best_epoch = (row["val_wa"], -row["val_loss"]), len(self.history)
        return better
