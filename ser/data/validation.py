"""The validation part of a fold, on which the best epoch is chosen (config group ``validation``).

A scheme is a frozen dataclass that is called as ``Stratified`` is. One with ``by_speaker = True`` is given the
speakers, too, as the keyword argument ``speakers``: see ``HeldOutSpeakers``.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ser.config.ranges import OpenFraction
from ser.errors import UserError


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


@dataclass(frozen=True)
class HeldOutSpeakers:
    """Validate on whole speakers of the training sessions: no speaker is in the training and in the validation part.

    Attributes:
        fraction: share of the speakers of the training sessions; one speaker is held out at least, one is left at
            least.
    """

    fraction: OpenFraction

    by_speaker: ClassVar[bool] = True

    def __call__(
        self, sessions: NDArray, labels: NDArray, test: int, rng: np.random.Generator, *, speakers: NDArray
    ) -> NDArray[np.bool_]:
        """Draw the validation part of a fold. A speaker without whom the training part lacked a class stays in it.

        Args:
            sessions, labels, test: as for ``Stratified``.
            rng: draws the speakers.
            speakers: speaker of each utterance, shape (utterances,).

        Returns:
            A mask of the utterances, shape (utterances,).

        Raises:
            UserError: the training sessions have one speaker only, or none can be held out.
        """
        outside = sessions != test
        present = np.unique(speakers[outside])
        if len(present) < 2:
            raise UserError(f"{_HELD_OUT} fold {test + 1} has one speaker outside its test session. {_ELSE}")
        wanted = min(max(1, round(self.fraction * len(present))), len(present) - 1)
        chosen = np.zeros(len(labels), dtype=bool)
        held_out = 0
        for speaker in rng.permutation(present):
            with_speaker = chosen | (outside & (speakers == speaker))
            if held_out < wanted and np.isin(labels[outside], labels[outside & ~with_speaker]).all():
                chosen, held_out = with_speaker, held_out + 1
        if not held_out:
            raise UserError(
                f"{_HELD_OUT} in fold {test + 1} no speaker can be held out, because the training part would lack a "
                f"class without any of the {len(present)}. {_ELSE}"
            )
        return chosen


_HELD_OUT = "validation=speaker holds whole speakers out of the training part for validation, but"
_ELSE = "Add speakers, or use validation=stratified."


Validation = Stratified | NextSession | HeldOutSpeakers
