"""Triplet loss with semi-hard negatives: Schroff et al. 2015, "FaceNet", equations (2) and (3) and section 3.2."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from ser.config.ranges import Positive
from ser.losses.batch import other_samples


def semi_hard_triplet(vectors: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Triplet loss of every pair of one class with the nearest negative that is farther away than the positive.

        loss(a, p) = max(0, d(a, p) - d(a, n) + m)      d(a, n) = min of d(a, k) over k of other classes
                                                                  with d(a, k) > d(a, p)

    d is the squared Euclidean distance of vectors scaled to length 1. Nearer negatives are not used: from them, the
    authors report, training collapses early.

    Args:
        vectors: shape (samples, dimensions).
        labels: class indices, or IGNORED for samples that are left out, shape (samples,).
        margin: m > 0; distances are at most 4.

    Returns:
        The mean over all ordered pairs (a, p) of one class for which there is such a negative, a scalar; 0 if there is
        none.

    >>> vectors, labels = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8]]), torch.tensor([0, 0, 1])
    >>> semi_hard_triplet(vectors, labels, margin=0.5)  # d = 0.4; from the first, the negative is at 0.8
    tensor(0.1000)
    """
    unit = functional.normalize(vectors, dim=-1)
    distance = 2 - 2 * (unit @ unit.T)
    others, positive = other_samples(labels)
    farther = (others & ~positive)[:, None, :] & (distance[:, None, :] > distance[:, :, None])  # anchor, positive, n
    nearest = distance[:, None, :].masked_fill(~farther, torch.inf).amin(dim=2)
    chosen = positive & nearest.isfinite()
    losses = (distance - nearest + margin).clamp(min=0)
    return torch.where(chosen, losses, 0).sum() / chosen.sum().clamp(min=1)


@dataclass(frozen=True)
class Triplet:
    """The triplet loss as an option of the config group ``loss``.

    Args:
        margin: m of equation (3).
        cross_entropy: whether ``Objective`` takes the mean or the sum of the two branches' cross-entropies.
    """

    margin: Positive
    cross_entropy: Literal["mean", "sum"] = "mean"

    def __call__(self, vectors: Tensor, labels: Tensor) -> Tensor:
        """The loss of a mini-batch, see ``semi_hard_triplet``."""
        return semi_hard_triplet(vectors, labels, self.margin)
