"""Valence, activation and dominance as additional tasks with three classes: Lian et al. 2018, section 4.2."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ser.config.ranges import RisingPair
from ser.corpora.ratings import EDGES, SCALE, rating_class, rating_range
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
    names: ClassVar[tuple[str, ...]] = ("low", "medium", "high")
    dimension: ClassVar[str]

    @property
    def needs(self) -> str:
        """The label that an utterance must have, in words."""
        return f"ratings of {self.dimension}"

    def __call__(self, utterances: Sequence[Utterance]) -> NDArray[np.int64]:
        """The class of each utterance, or IGNORED where it has no rating, int64, shape (utterances,)."""
        classes = [rating_class(getattr(utterance, self.dimension), *self.edges) for utterance in utterances]
        return np.array(classes, dtype=np.int64)

    def advice(self, utterances: Sequence[Utterance]) -> str:
        """What to do where all utterances are of one class."""
        seen = rating_range(utterances, self.dimension)
        if seen is None:
            return "Use aux_task=none."
        if seen[0] == seen[1]:
            return f"All ratings of {self.dimension} there are {seen[0]:g}. Use aux_task=none."
        return f"{self._seen(*seen)} Choose edges within that range, or use aux_task=none."

    def doubt(self, utterances: Sequence[Utterance]) -> str | None:
        """A warning where ratings are on another scale than the one that the default edges are made for."""
        seen = rating_range(utterances, self.dimension)
        if seen is None or tuple(self.edges) != EDGES or SCALE[0] <= seen[0] <= seen[1] <= SCALE[1]:
            return None
        return f"{self._seen(*seen)} These edges are made for ratings from 1 to 5: choose others for another scale."

    def _seen(self, lowest: float, highest: float) -> str:
        edges = ",".join(f"{edge:g}" for edge in self.edges)
        return f"The ratings of {self.dimension} go from {lowest:g} to {highest:g}, with aux_task.edges=[{edges}]."


class Valence(Rating):
    """How pleasant the emotion is, from negative to positive."""

    dimension = "valence"


class Activation(Rating):
    """How aroused the speaker is, from calm to excited."""

    dimension = "activation"


class Dominance(Rating):
    """How much in control the speaker is, from weak to strong."""

    dimension = "dominance"
