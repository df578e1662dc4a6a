"""From the probabilities of segments to those of utterances: Lian et al. 2018, section 4.1.

The paper names two modes: ``average`` takes the mean over all segments of an utterance, ``crop`` takes one segment.
"""

import numpy as np
from numpy.typing import NDArray


def average(probabilities: NDArray[np.float32], utterance: NDArray[np.int64]) -> NDArray[np.float32]:
    """Average the probabilities of all segments of each utterance.

    Args:
        probabilities: after the softmax, shape (segments, classes).
        utterance: the index of each segment's utterance, in rising order, shape (segments,).

    Returns:
        Shape (utterances, classes), in the order of the utterances' indices.
    """
    _, first, count = np.unique(utterance, return_index=True, return_counts=True)
    sums = np.add.reduceat(probabilities.astype(np.float64), first, axis=0)
    return (sums / count[:, None]).astype(np.float32)


def crop(
    probabilities: NDArray[np.float32], utterance: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Take the probabilities of one random segment of each utterance.

    Args:
        probabilities: after the softmax, shape (segments, classes).
        utterance: the index of each segment's utterance, in rising order, shape (segments,).
        rng: draws the segments.

    Returns:
        Shape (utterances, classes), in the order of the utterances' indices.
    """
    _, first, count = np.unique(utterance, return_index=True, return_counts=True)
    return probabilities[first + rng.integers(0, count)]
