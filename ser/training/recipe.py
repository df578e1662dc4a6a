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
