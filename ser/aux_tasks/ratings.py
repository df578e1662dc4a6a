"""Valence, activation and dominance as additional tasks with three classes: Lian et al. 2018, section 4.2."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ser.config.ranges import RisingPair
from ser.corpora.ratings import rating_class
from ser.corpora.table import Utterance


@dataclass(frozen=True)
class Rating:
    """Three classes of a rating: low (0), medium (1) and high (2).

    Args:
        edges: (a, b). A rating r is low if r <= a, high if r >= b, else medium. The paper has (2, 4).

    >>> from pathlib import Path
    >>> ratings = [1.5, 2.5, 4.0, None]
    >>> Valence([2.0, 4.0])([Utterance("a", Path("a.wav"), "sad", "1", "s", valence=rating) for rating in ratings])
    array([ 0,  1,  2, -1])
    """

    edges: RisingPair

    classes: ClassVar[int] = 3
    dimension: ClassVar[str]

    @property
    def needs(self) -> str:
        """The label that an utterance must have, in words."""
        return f"ratings of {self.dimension}"

    def __call__(self, utterances: Sequence[Utterance]) -> NDArray[np.int64]:
        """The class of each utterance, or IGNORED where it has no rating, int64, shape (utterances,)."""
        classes = [rating_class(getattr(utterance, self.dimension), *self.edges) for utterance in utterances]
        return np.array(classes, dtype=np.int64)


class Valence(Rating):
    """How pleasant the emotion is, from negative to positive."""

    dimension = "valence"


class Activation(Rating):
    """How aroused the speaker is, from calm to excited."""

    dimension = "activation"


class Dominance(Rating):
    """How much in control the speaker is, from weak to strong."""

    dimension = "dominance"
