"""The weight of the contrastive loss by epoch: lambda of equation (1) in Lian et al. 2018 (config group ``lambda``)."""

from dataclasses import dataclass

from ser.config.ranges import Count, Fraction


@dataclass(frozen=True)
class Constant:
    """The same lambda in every epoch, as in the paper.

    Args:
        weight: lambda.
    """

    weight: Fraction

    def at(self, epoch: int) -> float:
        """Lambda in ``epoch``, counted from 1."""
        return self.weight


@dataclass(frozen=True)
class Linear:
    """Lambda changes linearly from ``start`` to ``weight``, then stays there.

        lambda(epoch) = start + (weight - start) * min(1, (epoch - 1) / epochs)

    Args:
        weight: lambda from epoch ``epochs`` + 1 on.
        start: lambda in the first epoch.
        epochs: number of epochs that the change takes.

    >>> [Linear(weight=1.0, start=0.0, epochs=4).at(epoch) for epoch in (1, 2, 5, 9)]
    [0.0, 0.25, 1.0, 1.0]
    """

    weight: Fraction
    start: Fraction
    epochs: Count

    def at(self, epoch: int) -> float:
        """Lambda in ``epoch``, counted from 1."""
        return self.start + (self.weight - self.start) * min(1.0, (epoch - 1) / self.epochs)


@dataclass(frozen=True)
class Warmup:
    """Lambda is 0 for some epochs, so that the classifier is trained alone, then ``weight``.

    Args:
        weight: lambda after the warm-up.
        epochs: number of epochs without the contrastive loss.

    >>> [Warmup(weight=0.6, epochs=2).at(epoch) for epoch in (1, 2, 3)]
    [0.0, 0.0, 0.6]
    """

    weight: Fraction
    epochs: Count

    def at(self, epoch: int) -> float:
        """Lambda in ``epoch``, counted from 1."""
        return self.weight if epoch > self.epochs else 0.0
