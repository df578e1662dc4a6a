"""What one training found."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.data.replicas import Replica


@dataclass(frozen=True)
class Outcome:
    """What a replica found: probabilities of the test utterances (n, classes) in both modes, and how it got there.

    ``history`` has one dictionary an epoch: ``train_loss`` and its parts, ``val_loss``, ``val_wa``, ``lr``.
    ``left_out`` counts training segments that no pair of the last epoch held; ``diverged``: the loss ceased to be a
    number, and the best epoch before that was tested. ``seconds`` in a stack are the replica's share of its time.
    """

    seed: int
    fold: int
    ids: tuple[str, ...]
    gold: NDArray[np.int64]
    average: NDArray[np.float32]
    crop: NDArray[np.float32]
    history: list[dict[str, float]]
    best_epoch: int
    left_out: int
    diverged: bool
    seconds: float


def pooled(outcomes: Iterable[Outcome], mode: str = "average") -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Gold and predicted classes of the test utterances of all folds together."""
    outcomes = list(outcomes)
    gold = np.concatenate([outcome.gold for outcome in outcomes])
    return gold, np.concatenate([getattr(outcome, mode).argmax(axis=1) for outcome in outcomes])


Finished = tuple[Replica, Outcome | Exception]
