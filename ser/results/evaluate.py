"""From segments' probabilities to an utterance's: average and crop (Lian et al. 2018, section 4.1)."""

import numpy as np
from numpy.typing import NDArray


def average(probabilities: NDArray[np.float32], utterance: NDArray[np.int64]) -> NDArray[np.float32]:
    """The mean of the probabilities of all segments of each utterance.

    Args:
        probabilities: after the softmax, shape (segments, classes).
        utterance: each segment's utterance, rising, shape (segments,).

    Returns:
        Shape (utterances, classes), in the order of the utterances' indices.
    """
    _, first, count = np.unique(utterance, return_index=True, return_counts=True)
    sums = np.add.reduceat(probabilities.astype(np.float64), first, axis=0)
    return (sums / count[:, None]).astype(np.float32)


def crop(
    probabilities: NDArray[np.float32], utterance: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float32]:
    """The probabilities of one segment of each utterance, drawn by ``rng``; arguments and shape as for ``average``."""
    _, first, count = np.unique(utterance, return_index=True, return_counts=True)
    return probabilities[first + rng.integers(0, count)]
