"""How a replica is optimised: Lian et al. 2018, section 4.3 (config group ``trainer``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le
from numpy.typing import NDArray

from ser.config.ranges import Count, Natural, NonNegative, Positive

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

_BETAS, _EPS = (0.9, 0.999), 1e-8  # torch.optim.Adam's defaults


@dataclass(frozen=True)
class Recipe:
    """Adam (Kingma and Ba 2015), with the learning rate schedule and the stopping rule of the config group ``trainer``.

    For another optimiser, write a subclass with its own keys and its own ``optimiser``. The engine ``stack`` calls
    ``rates`` and ``update`` instead, to update many replicas at once. A subclass that does not override these two still
    works: the engine then trains its replicas one after another.

    Args:
        batch_size: pairs in a mini-batch; segments for the baseline.
        lr: first learning rate.
        min_lr: training stops when the learning rate falls below this.
        factor: what the learning rate is multiplied by, see ``HalvingSchedule``; 1 keeps it, until ``max_epochs``.
        patience: epochs without a decrease of the watched loss that do not yet change the learning rate.
        watch: which loss the schedule watches.
        max_epochs: training stops after this many epochs.
        batch_norm: "joint" normalises both branches as one batch, "branch" each branch by its own statistics.
        precision: of the arithmetic.
        statistics: what batch normalisation uses outside training. "epoch": the mean over the mini-batches of the last
            epoch. "running": PyTorch's running average with the model's own momentum (0.1 by default), which is still
            close to its initial values after an epoch of few mini-batches.
        below: what the watched loss must fall below to count as decreasing: its lowest value so far ("lowest"), or its
            value in the epoch before ("previous"). The paper says only that it "doesn't decrease".
        select: which accuracy of the validation part chooses the epoch that is tested, and among configurations of a
            search: "wa", or "uwa", which counts rare classes as much as frequent ones.
        class_weights: of the emotions in the cross-entropy, also in validation. "none": all segments weigh the same.
            "balanced": those of a rare class weigh more (``Sampling.class_weights``).
    """

    batch_size: Count
    lr: Positive
    min_lr: NonNegative
    factor: Annotated[float, Gt(0), Le(1)]
    patience: Natural
    watch: Literal["validation", "train"]
    max_epochs: Count
    batch_norm: Literal["joint", "branch"]
    precision: Literal["float32", "tf32", "bf16"]
    statistics: Literal["epoch", "running"] = field(default="epoch", kw_only=True)
    below: Literal["lowest", "previous"] = field(default="lowest", kw_only=True)
    select: Literal["wa", "uwa"] = field(default="wa", kw_only=True)
    class_weights: Literal["none", "balanced"] = field(default="none", kw_only=True)

    moments: ClassVar[tuple[str, ...]] = ("first", "second")
    """Names of the tensors that ``update`` keeps for each parameter; each has the parameter's shape and starts at 0."""

    def optimiser(self, parameters: Iterable[Tensor]) -> Optimizer:
        """Return PyTorch's optimiser for one replica; the loop sets its learning rate before each epoch."""
        from torch.optim import Adam

        return Adam(parameters, lr=self.lr)

    def rates(self, steps: NDArray[np.int64], lr: NDArray[np.float64]) -> Sequence[NDArray[np.float64]]:
        """Compute the scalars of ``update`` for a number of steps ahead.

        Args:
            steps: t, the number of each step of each replica, counted from 1, shape (steps, replicas).
            lr: learning rate of each replica, shape (replicas,).

        Returns:
            For Adam: the step size lr / (1 - 0.9^t) and the root of the second moment's bias correction,
            sqrt(1 - 0.999^t), each of shape (steps, replicas).
        """
        return lr / (1 - _BETAS[0] ** steps), np.sqrt(1 - _BETAS[1] ** steps)

    def update(
        self, parameter: Tensor, gradient: Tensor, moments: Mapping[str, Tensor], rates: Sequence[Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Update one parameter of many replicas by one step. The arguments are not changed.

            first <- 0.9 first + 0.1 gradient
            second <- 0.999 second + 0.001 gradient^2
            parameter <- parameter - step size * first / (sqrt(second) / root + 1e-8)

        Args:
            parameter: shape (replicas, ...).
            gradient: the parameter's gradient, of the same shape.
            moments: the tensors named by ``self.moments``, of the same shape.
            rates: the scalars of ``self.rates`` for this step, in a shape that broadcasts to the parameter's.

        Returns:
            The new parameter and its new moments.
        """
        step_size, root = rates
        first = moments["first"].lerp(gradient, 1 - _BETAS[0])
        second = (moments["second"] * _BETAS[1]).addcmul_(gradient, gradient, value=1 - _BETAS[1])
        denominator = second.sqrt().div_(root).add_(_EPS)
        return parameter - (step_size * first).div_(denominator), {"first": first, "second": second}


class HalvingSchedule:
    """Multiplies the learning rate by ``factor`` when the watched loss does not decrease, see ``Recipe.below``.

    The first ``patience`` epochs in a row without such a decrease leave the learning rate as it is.

    Attributes:
        lr: learning rate of the next epoch.

    >>> recipe = Recipe(32, lr := 1e-4, 1e-6, factor := 0.5, patience := 0, "validation", 100, "joint", "float32")
    >>> schedule = HalvingSchedule(recipe)
    >>> [(schedule.step(loss), schedule.lr) for loss in (1.0, 0.9, 0.95)]
    [(True, 0.0001), (True, 0.0001), (True, 5e-05)]
    """

    def __init__(self, recipe: Recipe) -> None:
        self.lr = recipe.lr
        self._recipe = recipe
        self._mark = math.inf
        self._epochs_without_decrease = 0

    def step(self, loss: float) -> bool:
        """Set the learning rate of the next epoch.

        Args:
            loss: the watched loss of this epoch; NaN counts as an epoch without a decrease.

        Returns:
            True if training goes on; False if the learning rate is below ``min_lr``.
        """
        if loss < self._mark:
            self._mark, self._epochs_without_decrease = loss, 0
        else:
            self._epochs_without_decrease += 1
            if self._recipe.below == "previous" and not math.isnan(loss):
                self._mark = loss
        if self._epochs_without_decrease > self._recipe.patience:
            self.lr, self._epochs_without_decrease = self.lr * self._recipe.factor, 0
        return self.lr >= self._recipe.min_lr

    def forget(self) -> None:
        """Compare the next loss with none of those before: it is of another function."""
        self._mark, self._epochs_without_decrease = math.inf, 0


class Course:
    """The progress of one training: which epochs were trained, which was the best, and whether training has ended.

    Only losses of the same lambda are compared. In the first epoch with another one the schedule starts anew, and the
    epoch counts as one with a lower validation loss than those before.

    Args:
        recipe: the schedule and the stopping rule.
        weight: lambda of equation (1) by epoch, counted from 1.

    Attributes:
        history: the figures of each epoch, see ``record``, with its learning rate "lr".
        best_epoch: the epoch with the highest validation WA, or UWA (``Recipe.select``); among equals, the one with the
            lowest validation loss; among these, the earliest. Counted from 1; 0 before the first epoch.
        over: whether training has ended.
        diverged: whether the last epoch had a loss that is NaN or infinite.
    """

    def __init__(self, recipe: Recipe, weight: Callable[[int], float]) -> None:
        self.history: list[dict[str, float]] = []
        self.best_epoch = 0
        self.over = self.diverged = False
        self._recipe, self._schedule, self._weight = recipe, HalvingSchedule(recipe), weight
        self._best = (-math.inf, -math.inf)

    @property
    def epoch(self) -> int:
        """The number of the next epoch, counted from 1."""
        return len(self.history) + 1

    @property
    def lr(self) -> float:
        """The learning rate of the next epoch."""
        return self._schedule.lr

    def replay(self, history: Sequence[Mapping[str, float]]) -> None:
        """Record the epochs of a former ``history`` of this training, which sets everything else as it was."""
        for row in history:
            self.record({name: value for name, value in row.items() if name != "lr"})

    def record(self, row: dict[str, float]) -> bool:
        """Record a finished epoch and decide whether training goes on.

        Args:
            row: the epoch's figures: "train_loss" and its parts, "val_loss", "val_wa", and "val_uwa" if it
                is the one that selects.

        Returns:
            True if the epoch is the best so far. An epoch that diverged never is, and it ends the training.
        """
        self.history.append({"lr": self.lr, **row})
        self.diverged = not math.isfinite(row["train_loss"] + row["val_loss"])
        if self.diverged:
            self.over = True
            return False
        if self._weight(len(self.history)) != self._weight(max(1, len(self.history) - 1)):
            self._schedule.forget()
            self._best = (self._best[0], -math.inf)
        goes_on = self._schedule.step(row["val_loss" if self._recipe.watch == "validation" else "train_loss"])
        self.over = not goes_on or len(self.history) == self._recipe.max_epochs
        rank = (row[f"val_{self._recipe.select}"], -row["val_loss"])
        better = rank > self._best
        if better:
            self._best, self.best_epoch = rank, len(self.history)
        return better
