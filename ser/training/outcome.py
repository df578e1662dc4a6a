"""What a training is asked to do, and what it gives."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Replica(NamedTuple):
    """One training to do, and the signature of its result."""

    seed: int
    fold: int
    signature: str


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
    counts: dict[str, int] = field(default_factory=dict)


Finished = tuple[Replica, Outcome | Exception]
