"""Leave-one-session-out folds and the validation part inside the training sessions (Lian et al. 2018, section 3)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.data.validation import Validation
from ser.errors import UserError


@dataclass(frozen=True)
class Fold:
    """Indices of the utterances of the three parts, each sorted; no utterance is in two of them."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def split(
    sessions: NDArray[np.int64],
    labels: NDArray[np.int64],
    fold: int,
    validation: Validation,
    rng: np.random.Generator,
) -> Fold:
    """Part the utterances of fold ``fold`` (from 1), which tests on the ``fold``-th session.

    Args:
        sessions: each utterance's session, as an index from 0, shape (utterances,).
        labels: each utterance's class, shape (utterances,).
        fold: which session is tested, from 1.
        validation: how the validation part is drawn from the other sessions.
        rng: what the draw uses.

    Raises:
        UserError: the fold has no validation part.
    """
    tested = sessions == fold - 1
    validated = validation(sessions, labels, fold - 1, rng) & ~tested
    parts = Fold(*(np.flatnonzero(mask) for mask in (~tested & ~validated, validated, tested)))
    if not len(parts.validation):
        raise UserError(
            f"Fold {fold} has no validation part. Raise validation.fraction, or add training sessions "
            "(validation=session needs three sessions or more)."
        )
    return parts


def missing_classes(parts: Fold, labels: NDArray[np.int64], classes: tuple[str, ...]) -> list[str]:
    """Say which classes the training or the test part of a fold lacks, as phrases for a message."""
    phrases = []
    for name, indices in (("training", parts.train), ("test", parts.test)):
        absent = sorted(set(range(len(classes))) - set(labels[indices].tolist()))
        phrases += [f"{classes[label]!r} in its {name} part" for label in absent]
    return phrases
