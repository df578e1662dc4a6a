"""Replicas: a replica is one training, of one configuration with one seed and one fold."""

from collections.abc import Sequence
from typing import NamedTuple

from ser.config import signature


class Replica(NamedTuple):
    """One training, and the signature that names its result."""

    seed: int
    fold: int
    signature: str


def replicas(configuration: str, seeds: Sequence[int], folds: Sequence[int]) -> list[Replica]:
    """Every training of a configuration: for each seed, one training for each fold.

    Args:
        configuration: the configuration's signature.
        seeds: the seeds.
        folds: the folds, from 1.
    """
    return [Replica(seed, fold, signature.replica(configuration, seed, fold)) for seed in seeds for fold in folds]
