"""Ratings of valence, activation and dominance in three classes: Lian et al. 2018, section 4.2."""

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
    """A mean rating as low (0), medium (1) or high (2).

    Args:
        edges: a rating up to and including the first is low, one from the second on is high.
    """

    edges: RisingPair

    classes: ClassVar[int] = 3
    dimension: ClassVar[str]

    @property
    def needs(self) -> str:
        """What an utterance must carry."""
        return f"ratings of {self.dimension}"

    def __call__(self, utterances: Sequence[Utterance]) -> NDArray[np.int64]:
        """Each utterance's class, or IGNORED where it is not rated, shape (utterances,)."""
        classes = [rating_class(getattr(utterance, self.dimension), *self.edges) for utterance in utterances]
        return np.array(classes, dtype=np.int64)


class Valence(Rating):
    """How pleasant the speaker sounds."""

    dimension = "valence"


class Activation(Rating):
    """How aroused the speaker sounds."""

    dimension = "activation"


class Dominance(Rating):
    """How much in control the speaker sounds."""

    dimension = "dominance"
