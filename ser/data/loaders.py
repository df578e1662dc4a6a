"""Loaders: they pair the training segments of an epoch (Lian et al. 2018, section 4.3), as indices only.

A loader is called with the labels of the segments and a random generator. It returns positions in ``labels``: one row
for each pair, or for each single segment.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.errors import UserError


@dataclass(frozen=True)
class Loader1:
    """The paper's loader_1: random pairs. Every segment occurs once; if their number is odd, one is left out.

    Attributes:
        redraw: True draws new pairs in every epoch, False keeps the pairs of the first epoch and shuffles them.
    """

    redraw: bool = True

    def __call__(self, labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw the pairs of an epoch.

        Args:
            labels: class of each segment, shape (segments,).
            rng: draws the pairs.

        Returns:
            Positions in ``labels``, shape (segments // 2, 2).
        """
        order = rng.permutation(len(labels))
        return order[: len(order) // 2 * 2].reshape(-1, 2)


@dataclass(frozen=True)
class Loader2:
    """The paper's loader_2: equally many segments of every class, and as many positive as negative pairs.

    Let C be the number of classes, m the number of segments of the smallest class, and q = m // 4. Every class gives
    4 q segments: 2 q to its q positive pairs (equal labels), and 2 q to the C q negative pairs (different labels). No
    segment occurs twice; the other segments are left out of the epoch.

    Attributes:
        redraw: True draws segments and pairs anew in every epoch, False keeps the pairs of the first epoch and
            shuffles them.
    """

    redraw: bool = True

    def __call__(self, labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw the pairs of an epoch.

        Args:
            labels: class of each segment, shape (segments,).
            rng: draws the segments and the pairs.

        Returns:
            Positions in ``labels``, shape (2 C q, 2).

        Raises:
            UserError: a class has fewer than four segments, or there is only one class.
        """
        classes = np.unique(labels)
        members = [rng.permutation(np.flatnonzero(labels == label)) for label in classes]  # shuffled, for each class
        q = min(len(segments) for segments in members) // 4
        if q == 0 or len(classes) < 2:
            raise UserError(
                "loader=loader_2 needs at least two classes with four training segments each, but the classes have "
                f"{[len(segments) for segments in members]} segments. Use loader=loader_1 or a larger corpus."
            )
        positive = [segments[: 2 * q].reshape(q, 2) for segments in members]
        for_negative = np.stack([segments[2 * q : 4 * q] for segments in members])
        pairs = np.concatenate([*positive, _negative_pairs(for_negative, rng)])
        return rng.permutation(pairs)


def _negative_pairs(segments: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Pair every segment, given as (classes, 2 q), with a segment of another class.

    There are q rounds. In each round the classes stand in a circle in random order, and a segment of every class is
    paired with a segment of the class before it in the circle.
    """
    rounds = []
    for first, second in segments.reshape(len(segments), -1, 2).transpose(1, 2, 0):
        circle = rng.permutation(len(segments))
        rounds.append(np.stack([first[circle], second[np.roll(circle, 1)]], axis=1))
    return np.concatenate(rounds)


@dataclass(frozen=True)
class Singles:
    """The baseline's loader: every segment once, without a partner, in random order.

    Attributes:
        redraw: True draws a new order in every epoch; False shuffles the order of the first epoch.
    """

    redraw: bool = True

    def __call__(self, labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw the order of an epoch.

        Args:
            labels: class of each segment, shape (segments,).
            rng: draws the order.

        Returns:
            Positions in ``labels``, shape (segments, 1).
        """
        return rng.permutation(len(labels)).reshape(-1, 1)


def batches(groups: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Divide the pairs of an epoch into batches; the last batch may be smaller.

    >>> [len(batch) for batch in batches(np.zeros((70, 2), dtype=np.int64), 32)]
    [32, 32, 6]

    Args:
        groups: what a loader returns, shape (pairs, 2) or (segments, 1).
        size: number of rows in a batch.
    """
    return [groups[start : start + size] for start in range(0, len(groups), size)]
