"""The additional task of multi-task learning: Lian et al. 2018, section 4.2 and equation (9).

A new task is a frozen dataclass with the members of ``AuxTask``. It may have more, which messages use: ``names`` of
its classes; ``advice(utterances)``, a sentence for a user whose utterances are all of one class; and
``doubt(utterances)``, a warning before a sweep, or None.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ser.corpora.ratings import RATINGS, UNRATED
from ser.corpora.table import Corpus, Utterance
from ser.errors import UserError

IGNORED = UNRATED
"""The class of an utterance without the label of an additional task. The task's loss leaves such an utterance out."""


class AuxTask(Protocol):
    """What the rest of the code uses of an additional task.

    Attributes:
        classes: number of classes.
        needs: the label that an utterance must have, in words that complete "the corpus does not carry ...".
    """

    classes: int
    needs: str

    def __call__(self, utterances: Sequence[Utterance]) -> NDArray[np.int64]:
        """The class of each utterance, from 0, or IGNORED where it is unknown, int64, shape (utterances,)."""


def labels_of(task: AuxTask, corpus: Corpus, name: str) -> NDArray[np.int64]:
    """Label a corpus for an additional task.

    Args:
        task: the additional task.
        corpus: the corpus.
        name: the task's name in the config group ``aux_task``, for the error message.

    Returns:
        The class of each utterance, or IGNORED where it is unknown, int64, shape (utterances,).

    Raises:
        UserError: no utterance has the label that the task needs, all have one class, or the task gives classes that it
            does not have.
    """
    labels = np.asarray(task(corpus.utterances))
    if labels.shape != (len(corpus.utterances),) or not ((labels >= IGNORED) & (labels < task.classes)).all():
        raise UserError(
            f"aux_task={name} must give one class for each of the {len(corpus.utterances)} utterances, from 0 to "
            f"{task.classes - 1}, or {IGNORED} where it is unknown; got an array of shape {labels.shape} with classes "
            f"{np.unique(labels).tolist()}."
        )
    if (labels == IGNORED).all():
        attributes = (*RATINGS, "gender")
        available = [
            attribute
            for attribute in attributes
            if any(getattr(utterance, attribute) is not None for utterance in corpus.utterances)
        ]
        advice = f"It carries {', '.join(available)}." if available else "Use aux_task=none."
        raise UserError(f"aux_task={name}: the corpus {corpus.name} does not carry {task.needs}. {advice}")
    check_two_classes(task, corpus.utterances, labels, name, f"the corpus {corpus.name}")
    return labels


def check_two_classes(
    task: AuxTask, utterances: Sequence[Utterance], labels: NDArray[np.int64], name: str, where: str
) -> None:
    """Check that utterances have two classes of an additional task or more: with one, every answer is right.

    Args:
        task: the additional task.
        utterances: the utterances.
        labels: their classes in the task, or IGNORED, shape (utterances,).
        name: the task's name in the config group ``aux_task``.
        where: what the utterances are, such as "the training part of fold 2".

    Raises:
        UserError: they have one class, or none.
    """
    known = labels[labels != IGNORED]
    found = np.unique(known).tolist()
    if len(found) > 1:
        return
    names = getattr(task, "names", range(task.classes))
    what = f"one class only, {names[found[0]]} ({len(known)} utterances)" if found else f"no {task.needs}"
    advice = task.advice(utterances) if hasattr(task, "advice") else "Use aux_task=none."
    raise UserError(f"aux_task={name}: {where} has {what}, so there is nothing to tell apart. {advice}")
