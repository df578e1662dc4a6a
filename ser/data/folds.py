"""Folds: each fold tests on one session; the other sessions give its training and validation parts.

Source: Lian et al. 2018, section 3 (five-fold cross-validation).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser.corpora.table import Corpus
from ser.data.randomness import generator
from ser.data.validation import Validation
from ser.errors import UserError


@dataclass(frozen=True)
class Fold:
    """The three parts of a fold, as sorted indices of utterances. The parts are disjoint."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Columns:
    """What a corpus' table says of each utterance, as indices from 0, each of shape (utterances,).

    Attributes:
        sessions: into ``Corpus.sessions``.
        speakers: into the speakers in alphabetical order; -1 where they are not known.
        labels: into ``Corpus.classes``.
    """

    sessions: NDArray[np.int64]
    speakers: NDArray[np.int64]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, corpus: Corpus) -> "Columns":
        """The columns of a corpus."""
        utterances = corpus.utterances
        return cls(
            sessions=_indices([utterance.session for utterance in utterances], corpus.sessions),
            speakers=_indices([utterance.speaker for utterance in utterances], corpus.speakers),
            labels=_indices([utterance.emotion for utterance in utterances], corpus.classes),
        )


def _indices(values: Sequence[str], order: Sequence[str]) -> NDArray[np.int64]:
    """The index of each value in ``order``; -1 if that is empty."""
    index_of = {value: index for index, value in enumerate(order)}
    return np.array([index_of[value] if order else -1 for value in values], dtype=np.int64)


def replica_parts(
    columns: Columns,
    copies: NDArray[np.int64] | None,
    validation: Validation,
    train_fraction: float,
    seed: int,
    fold: int,
) -> Fold:
    """The parts of a replica: those of its fold, the training part reduced to a share of every class.

    Args:
        columns: the corpus' table.
        copies, validation: see ``split``.
        train_fraction: the share, see ``drawn``; 1 is the whole training part.
        seed, fold: the replica's; the fold is counted from 1.

    Raises:
        UserError: the training or the validation part is empty.
    """
    parts = split(
        columns.sessions, columns.labels, fold, validation, generator(seed, fold, "validation"),
        speakers=columns.speakers, copies=copies,
    )  # fmt: skip
    if train_fraction == 1:
        return parts
    rng = generator(seed, fold, "training subset")
    return replace(parts, train=drawn(parts.train, columns.labels, train_fraction, rng))


def split(
    sessions: NDArray[np.int64],
    labels: NDArray[np.int64],
    fold: int,
    validation: Validation,
    rng: np.random.Generator,
    *,
    speakers: NDArray[np.int64] | None = None,
    copies: NDArray[np.int64] | None = None,
) -> Fold:
    """Divide the utterances into the training, validation and test parts of a fold.

    Args:
        sessions: session of each utterance, as an index from 0, shape (utterances,).
        labels: class of each utterance, shape (utterances,).
        fold: the fold, from 1; its test part is the session with the index fold - 1.
        validation: chooses the validation part from the other sessions.
        rng: random generator for ``validation``.
        speakers: speaker of each utterance, shape (utterances,); for a ``validation`` with ``by_speaker``.
        copies: a number for each utterance, the same for copies of one recording, shape (utterances,). Copies stand
            together in the training or in the validation part: where ``validation`` put the first of them. None: there
            are no copies.

    Returns:
        The parts; every utterance belongs to exactly one.

    Raises:
        UserError: the training or the validation part is empty.
    """
    in_test = sessions == fold - 1
    asked: dict[str, Any] = {}
    if getattr(validation, "by_speaker", False):
        assert speakers is not None, "a validation with by_speaker needs the speakers"
        asked["speakers"] = speakers
    in_validation = validation(sessions, labels, fold - 1, rng, **asked) & ~in_test
    if copies is not None:
        in_validation = _with_copies_together(in_validation, ~in_test, copies)
    in_training = ~in_test & ~in_validation
    parts = Fold(*(np.flatnonzero(mask) for mask in (in_training, in_validation, in_test)))
    if not len(parts.validation):
        raise UserError(
            f"Fold {fold} has no validation part. Raise validation.fraction, or add training sessions "
            "(validation=session needs three sessions or more)."
        )
    if not len(parts.train):
        raise UserError(
            f"Fold {fold} has no training part: validation takes all that its test session leaves "
            "(validation=session needs three sessions or more). Choose another validation, or add sessions."
        )
    return parts


def _with_copies_together(
    in_validation: NDArray[np.bool_], outside: NDArray[np.bool_], copies: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """The mask of the validation part, with the copies of a recording where the first one outside the test part is."""
    others = np.flatnonzero(outside)
    _, first, group = np.unique(copies[others], return_index=True, return_inverse=True)
    together = in_validation.copy()
    together[others] = in_validation[others[first]][group]
    return together


def drawn(
    members: NDArray[np.int64], labels: NDArray[np.int64], fraction: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw a share of the training part, the same of every class, for a learning curve.

    With an equal generator, what a smaller fraction draws is part of what a larger one draws.

    Args:
        members: indices of the training part's utterances.
        labels: class of each utterance of the corpus, shape (utterances,).
        fraction: share of each class' utterances; at least one is drawn.
        rng: draws them.

    Returns:
        Sorted indices.
    """
    chosen = []
    for label in np.unique(labels[members]):
        of_class = rng.permutation(members[labels[members] == label])
        chosen.append(of_class[: max(1, round(fraction * len(of_class)))])
    return np.sort(np.concatenate(chosen))


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
    for name, members in (("training", parts.train), ("test", parts.test)):
        missing_labels = sorted(set(range(len(classes))) - set(labels[members].tolist()))
        phrases += [f"{classes[label]!r} in its {name} part" for label in missing_labels]
    return phrases
