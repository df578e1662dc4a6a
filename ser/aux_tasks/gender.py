"""The speaker's gender as an additional task: Lian et al. 2018, section 4.2."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ser.aux_tasks.task import IGNORED
from ser.corpora.table import Utterance

_CLASSES = {"female": 0, "male": 1, None: IGNORED}


@dataclass(frozen=True)
class Gender:
    """Two classes: female (0) and male (1)."""

    classes: ClassVar[int] = 2
    names: ClassVar[tuple[str, ...]] = ("female", "male")
    needs: ClassVar[str] = "the speakers' gender"

    def __call__(self, utterances: Sequence[Utterance]) -> NDArray[np.int64]:
        """The class of each utterance, or IGNORED where the gender is unknown, int64, shape (utterances,)."""
        return np.array([_CLASSES[utterance.gender] for utterance in utterances], dtype=np.int64)
