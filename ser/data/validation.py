"""The validation part of a fold, on which the best epoch is chosen (config group ``validation``)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.config.ranges import OpenFraction


@dataclass(frozen=True)
class Stratified:
    """Validate on random utterances of the training sessions: the same fraction of every class.

    Attributes:
        fraction: share of the utterances of each class, between 0 and 1.
    """

    fraction: OpenFraction

    def __call__(self, sessions: NDArray, labels: NDArray, test: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Draw the validation part of a fold.

        Args:
            sessions: session of each utterance, as an index from 0, shape (utterances,).
            labels: class of each utterance, shape (utterances,).
            test: index of the test session, from 0.
            rng: draws the utterances.

        Returns:
            A mask of the utterances, shape (utterances,).
        """
        chosen = np.zeros(len(labels), dtype=bool)
        for label in np.unique(labels):
            members = np.flatnonzero((labels == label) & (sessions != test))
            chosen[rng.permutation(members)[: round(self.fraction * len(members))]] = True
        return chosen


@dataclass(frozen=True)
class NextSession:
    """Validate on the session after the test session; after the last session comes the first.

    If no speaker is in two sessions, then no speaker is in two parts of a fold.
    """

    def __call__(self, sessions: NDArray, labels: NDArray, test: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Return the validation part of a fold.

        Args:
            sessions: session of each utterance, as an index from 0, shape (utterances,).
            labels: class of each utterance, shape (utterances,).
            test: index of the test session, from 0.
            rng: not used.

        Returns:
            A mask of the utterances, shape (utterances,).
        """
        return sessions == (test + 1) % (sessions.max() + 1)


Validation = Stratified | NextSession
