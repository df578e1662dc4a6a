"""What one training found."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.data.replicas import Replica


@dataclass(frozen=True)
class Outcome:
    """The result of one training.

    Attributes:
        seed, fold: which replica it is.
        ids: the test utterances.
        gold: their true classes, shape (utterances,).
        average, crop: their predicted probabilities in the two modes of ``ser.results.evaluate``, shape
            (utterances, classes).
        history: one dictionary for each epoch, with ``train_loss`` and its parts, ``val_loss``, ``val_wa``, perhaps
            ``val_uwa``, and ``lr``. Losses are means of the mini-batches' losses, each weighted by its number of pairs.
        best_epoch: the epoch whose weights made the predictions, from 1: the one with the best validation
            accuracy (``trainer.select``).
        left_out: how many training segments were in no pair of the last epoch.
        diverged: whether the loss became infinite or NaN; the best epoch before that was tested.
        seconds: how long the training took; in a stack, the replica's share of the stack's time.
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
    """The true and the predicted classes of the test utterances of all folds together, each of shape (utterances,).

    Args:
        outcomes: one for each fold.
        mode: ``average`` or ``crop``.
    """
    outcomes = list(outcomes)
    gold = np.concatenate([outcome.gold for outcome in outcomes])
    return gold, np.concatenate([getattr(outcome, mode).argmax(axis=1) for outcome in outcomes])


Finished = tuple[Replica, Outcome | Exception]
