"""The paper's two measures, as pure functions on arrays (Lian et al. 2018, section 4)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def confusion(gold: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Count utterances by gold class (rows) and predicted class (columns), shape (classes, classes).

    >>> confusion([0, 0, 1], [0, 1, 1], 2).tolist()
    [[1, 1], [0, 1]]
    """
    gold, predicted = _checked(gold, predicted)
    if min(gold.min(), predicted.min()) < 0 or max(gold.max(), predicted.max()) >= classes:
        raise ValueError(f"a class index lies outside 0..{classes - 1}")
    return np.bincount(gold * classes + predicted, minlength=classes**2).reshape(classes, classes)


def weighted_accuracy(gold: ArrayLike, predicted: ArrayLike) -> float:
    """WA: the fraction of utterances that are right (accuracy), in [0, 1].

    >>> weighted_accuracy([0, 0, 0, 1], [0, 0, 1, 1])
    0.75
    """
    gold, predicted = _checked(gold, predicted)
    return float(np.mean(gold == predicted))


def unweighted_accuracy(gold: ArrayLike, predicted: ArrayLike) -> float:
    """UWA: the mean over the classes in ``gold`` of each class' recall, in [0, 1].

    >>> round(unweighted_accuracy([0, 0, 0, 1], [0, 0, 1, 1]), 4)
    0.8333
    """
    gold, predicted = _checked(gold, predicted)
    return float(np.mean([np.mean(predicted[gold == label] == label) for label in np.unique(gold)]))


def _checked(gold: ArrayLike, predicted: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    first, second = np.asarray(gold, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    if first.ndim != 1 or first.shape != second.shape or first.size == 0:
        raise ValueError(f"gold and predicted must be equally long lists of classes, got {first.shape}, {second.shape}")
    return first, second
