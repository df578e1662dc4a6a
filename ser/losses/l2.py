"""Contrastive loss type 2 of Lian et al. 2018, section 2.2.1: Euclidean distance with a margin."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from ser.config.ranges import Positive


def l2_contrastive(first: Tensor, second: Tensor, same: Tensor, margin: float) -> Tensor:
    """Contrastive loss type 2, equation (7), averaged over the pairs.

        loss(x1, x2) = |x1 - x2|                    positive pair (Y = 1)
        loss(x1, x2) = max(0, m - |x1 - x2|)        negative pair (Y = 0)

    The distance is not squared, as the paper writes it; Hadsell et al. 2006 square both terms.

    Args:
        first: x1, the vectors from the first branch, shape (pairs, dimensions).
        second: x2, the vectors from the second branch, shape (pairs, dimensions).
        same: True where the two inputs have the same class (Y = 1), boolean, shape (pairs,).
        margin: m > 0. A negative pair whose distance is at least m has loss 0.

    Returns:
        The mean loss, a scalar.

    >>> first, second = torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([[4.0, 3.0], [1.0, 1.0]])
    >>> l2_contrastive(first, second, same=torch.tensor([True, False]), margin=1.5)
    tensor(0.9571)
    """
    distance = torch.linalg.vector_norm(first - second, dim=-1)
    return torch.where(same, distance, (margin - distance).clamp(min=0)).mean()


@dataclass(frozen=True)
class L2:
    """Contrastive loss type 2 as an option of the config group ``loss``.

    Without ``normalise``, two pos_1 vectors of tens of thousands of dimensions lie much farther apart than a margin of
    1. The loss of a negative pair is then always 0, and the contrastive loss only pulls positive pairs together.

    Args:
        margin: m of equation (7).
        normalise: whether the vectors are scaled to length 1 first.
        cross_entropy: whether ``Objective`` takes the mean or the sum of the two branches' cross-entropies.
    """

    margin: Positive
    normalise: bool = False
    cross_entropy: Literal["mean", "sum"] = "mean"

    def __call__(self, first: Tensor, second: Tensor, same: Tensor) -> Tensor:
        """The loss of a batch of pairs, see ``l2_contrastive``."""
        if self.normalise:
            first, second = functional.normalize(first, dim=-1), functional.normalize(second, dim=-1)
        return l2_contrastive(first, second, same, self.margin)
