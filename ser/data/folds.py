"""Folds: each fold tests on one session; the other sessions give its training and validation parts.

Source: Lian et al. 2018, section 3 (five-fold cross-validation).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.data.validation import Validation
from ser.errors import UserError


@dataclass(frozen=True)
class Fold:
    """The three parts of a fold, as sorted indices of utterances. The parts are disjoint."""

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
    """Divide the utterances into the training, validation and test parts of a fold.

    Args:
        sessions: session of each utterance, as an index from 0, shape (utterances,).
        labels: class of each utterance, shape (utterances,).
        fold: the fold, from 1; its test part is the session with the index fold - 1.
        validation: chooses the validation part from the other sessions.
        rng: random generator for ``validation``.

    Returns:
        The parts; every utterance belongs to exactly one.

    Raises:
        UserError: the validation part is empty.
    """
    in_test = sessions == fold - 1
    in_validation = validation(sessions, labels, fold - 1, rng) & ~in_test
    in_training = ~in_test & ~in_validation
    parts = Fold(*(np.flatnonzero(mask) for mask in (in_training, in_validation, in_test)))
    if not len(parts.validation):
        raise UserError(
            f"Fold {fold} has no validation part. Raise validation.fraction, or add training sessions "
            "(validation=session needs three sessions or more)."
        )
    return parts


def missing_classes(parts: Fold, labels: NDArray[np.int64], classes: tuple[str, ...]) -> list[str]:
    """List the classes that have no utterance in the training or test part of a fold.

    Args:
        parts: the fold.
        labels: class of each utterance, as an index into ``classes``, shape (utterances,).
        classes: the names of the classes.

    Returns:
        Phrases for a message, such as ``["'angry' in its training part"]``; an empty list if no class is missing.
    """
    phrases = []
    for name, indices in (("training", parts.train), ("test", parts.test)):
        missing_labels = sorted(set(range(len(classes))) - set(labels[indices].tolist()))
        phrases += [f"{classes[label]!r} in its {name} part" for label in missing_labels]
    return phrases
