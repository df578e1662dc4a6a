"""Which segments go together in training: loader_1 and loader_2 (Lian et al. 2018, section 4.3), as indices only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.errors import UserError


@dataclass(frozen=True)
class Loader1:
    """Random pairs; each sample appears once, an odd one is left out of the epoch.

    With ``redraw`` the pairs are drawn anew each epoch; otherwise those of the first epoch are kept, in new order.
    """

    redraw: bool = True

    def __call__(self, labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw the pairs of an epoch: positions in ``labels`` (samples,), shape (samples // 2, 2)."""
        order = rng.permutation(len(labels))
        return order[: len(order) // 2 * 2].reshape(-1, 2)


@dataclass(frozen=True)
class Loader2:
    """Every class cut to the size of the smallest, then as many positive as negative pairs; no sample twice.

    With m samples left in each of C classes and q = m // 4, each class gives q positive pairs and 2 q samples to
    the C q negative pairs; so the pairs are balanced in classes and in sign.
    """

    redraw: bool = True

    def __call__(self, labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw the pairs of an epoch: positions in ``labels`` (samples,), shape (2 C q, 2).

        Raises:
            UserError: a class has fewer than four samples, or there is one class only.
        """
        classes = np.unique(labels)
        members = [rng.permutation(np.flatnonzero(labels == label)) for label in classes]
        q = min(len(samples) for samples in members) // 4
        if q == 0 or len(classes) < 2:
            raise UserError(
                "loader=loader_2 needs at least two classes with four training segments each, "
                f"got {[len(samples) for samples in members]}. Use loader=loader_1 or a larger corpus."
            )
        positive = [samples[: 2 * q].reshape(q, 2) for samples in members]
        rest = np.stack([samples[2 * q : 4 * q] for samples in members])
        pairs = np.concatenate([*positive, _negative_pairs(rest, rng)])
        return rng.permutation(pairs)


def _negative_pairs(samples: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Pair each of ``samples`` (classes, 2 q) with one of another class: q rounds round a circle of the classes."""
    rounds = []
    for first, second in samples.reshape(len(samples), -1, 2).transpose(1, 2, 0):
        circle = rng.permutation(len(samples))
        rounds.append(np.stack([first[circle], second[np.roll(circle, 1)]], axis=1))
    return np.concatenate(rounds)


@dataclass(frozen=True)
class Singles:
    """The baseline's loader: every sample once, alone, in random order."""

    redraw: bool = True

    def __call__(self, labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw the order of an epoch: positions in ``labels`` (samples,), shape (samples, 1)."""
        return rng.permutation(len(labels)).reshape(-1, 1)


def batches(groups: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Cut pairs (or singles) of shape (n, branches) into batches of ``size``; the last, smaller one is kept."""
    return [groups[start : start + size] for start in range(0, len(groups), size)]
