"""Which part of the training sessions chooses the epoch (config group ``validation``)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.config.ranges import OpenFraction


@dataclass(frozen=True)
class Stratified:
    """Validate on a ``fraction`` of every emotion of the training sessions, drawn by utterance."""

    fraction: OpenFraction

    def __call__(self, sessions: NDArray, labels: NDArray, test: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """The mask of the validation part of the fold that tests on session ``test``, shape (utterances,)."""
        chosen = np.zeros(len(labels), dtype=bool)
        for label in np.unique(labels):
            members = np.flatnonzero((labels == label) & (sessions != test))
            chosen[rng.permutation(members)[: round(self.fraction * len(members))]] = True
        return chosen


@dataclass(frozen=True)
class NextSession:
    """Validate on the session after the test session, cyclically: strict, no speaker in two parts."""

    def __call__(self, sessions: NDArray, labels: NDArray, test: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """The mask of the validation part of the fold that tests on session ``test``, shape (utterances,)."""
        return sessions == (test + 1) % (sessions.max() + 1)


Validation = Stratified | NextSession
