"""The additional task of multi-task learning: Lian et al. 2018, section 4.2 and equation (9).

A task is a frozen dataclass with

- ``classes``: how many classes it has;
- ``needs``: what an utterance must carry, in words that complete "the corpus does not carry ...";
- ``__call__(utterances)``: the class of each utterance from 0, or IGNORED where it is unknown, int64 (utterances,).
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ser.corpora.ratings import RATINGS, UNRATED
from ser.corpora.table import Corpus, Utterance
from ser.errors import UserError

IGNORED = UNRATED
"""The class of an utterance that lacks what an additional task needs; it does not enter that task's loss."""


class AuxTask(Protocol):
    """What every additional task offers."""

    classes: int
    needs: str

    def __call__(self, utterances: Sequence[Utterance]) -> NDArray[np.int64]:
        """The class of each utterance, or IGNORED, shape (utterances,)."""


def labels_of(task: AuxTask, corpus: Corpus, name: str) -> NDArray[np.int64]:
    """The task's class of every utterance of a corpus, or IGNORED, shape (utterances,).

    Raises:
        UserError: no utterance carries what the task needs.
    """
    labels = task(corpus.utterances)
    if (labels == IGNORED).all():
        known = (*RATINGS, "gender")
        others = [each for each in known if any(getattr(u, each) is not None for u in corpus.utterances)]
        advice = f"It carries {', '.join(others)}." if others else "Use aux_task=none."
        raise UserError(f"aux_task={name}: the corpus {corpus.name} does not carry {task.needs}. {advice}")
    return labels
