"""A replica: one training, of one configuration, seed and fold."""

from collections.abc import Sequence
from typing import NamedTuple

from ser.config import signature


class Replica(NamedTuple):
    """One training, and the signature that names its result."""

    seed: int
    fold: int
    signature: str


def replicas(configuration: str, seeds: Sequence[int], folds: Sequence[int]) -> list[Replica]:
    """Every training of a configuration (given by its signature): for each seed, each fold."""
    return [Replica(seed, fold, signature.replica(configuration, seed, fold)) for seed in seeds for fold in folds]
