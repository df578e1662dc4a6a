"""The weight of the contrastive loss by epoch: lambda of equation (1) in Lian et al. 2018 (config group ``lambda``)."""

from dataclasses import dataclass

from ser.config.ranges import Count, Fraction


@dataclass(frozen=True)
class Constant:
    """lambda of equation (1), the same in every epoch."""

    weight: Fraction

    def at(self, epoch: int) -> float:
        """The weight in ``epoch`` (from 1)."""
        return self.weight


@dataclass(frozen=True)
class Linear:
    """lambda of equation (1) moving from ``start`` in the first epoch to ``weight`` after ``epochs`` more."""

    weight: Fraction
    start: Fraction
    epochs: Count

    def at(self, epoch: int) -> float:
        """The weight in ``epoch`` (from 1)."""
        return self.start + (self.weight - self.start) * min(1.0, (epoch - 1) / self.epochs)
