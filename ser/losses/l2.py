"""The contrastive loss type 2 of Lian et al. 2018, section 2.2: a distance with a margin."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from ser.config.ranges import Positive


def l2_contrastive(first: Tensor, second: Tensor, same: Tensor, margin: float) -> Tensor:
    """Contrastive loss type 2, equation (7): the distance itself, not squared as in Hadsell et al. 2006.

    Args:
        first, second: the two branches' vectors, shape (pairs, dimensions).
        same: whether the two are of one class (Y = 1), boolean, shape (pairs,).
        margin: m > 0: a negative pair costs nothing once its distance is above it.
    """
    distance = torch.linalg.vector_norm(first - second, dim=-1)
    return torch.where(same, distance, (margin - distance).clamp(min=0)).mean()


@dataclass(frozen=True)
class L2:
    """Contrastive loss type 2 with its margin; with ``normalise`` the vectors are first scaled to length 1.

    Unscaled, two vectors of tens of thousands of dimensions lie much farther apart than a margin of 1, so that the
    hinge of (7) never acts on negative pairs.
    """

    margin: Positive
    normalise: bool = False
    cross_entropy: Literal["mean", "sum"] = "mean"

    def __call__(self, first: Tensor, second: Tensor, same: Tensor) -> Tensor:
        """Equation (7) of a batch of pairs."""
        if self.normalise:
            first, second = functional.normalize(first, dim=-1), functional.normalize(second, dim=-1)
        return l2_contrastive(first, second, same, self.margin)
