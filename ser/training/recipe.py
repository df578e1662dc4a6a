"""How a replica is optimised (Lian et al. 2018, section 4.3)."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Adam's settings, the schedule and the stop; see ``conf/trainer`` for each key."""

    batch_size: int
    lr: float
    min_lr: float
    factor: float
    patience: int
    watch: str
    max_epochs: int
    batch_norm: str
    precision: str


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
