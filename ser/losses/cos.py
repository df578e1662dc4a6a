"""The contrastive loss type 1 of Lian et al. 2018, section 2.2: a cosine with a margin."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Lt
from torch import Tensor

from ser.kernels.inner_products import inner_products

_SMALLEST_NORM = 1e-12
"""The norms' product in equation (6) is at least the square of this: a vector of zeros has the cosine 0."""


def cosine_contrastive(first: Tensor, second: Tensor, same: Tensor, margin: float) -> Tensor:
    """Contrastive loss type 1, equation (5), averaged over the pairs.

    Args:
        first, second: the two branches' vectors, shape (pairs, dimensions).
        same: whether the two are of one class (Y = 1), boolean, shape (pairs,).
        margin: m, in [-1, 1): a negative pair costs nothing while its cosine (6) is below it.
    """
    own, cross, other = inner_products(first, second)
    cosine = cross / (own * other).clamp(min=_SMALLEST_NORM**2).sqrt()
    return torch.where(same, 1 - cosine, (cosine - margin).clamp(min=0)).mean()


@dataclass(frozen=True)
class Cosine:
    """Contrastive loss type 1 with its margin; ``cross_entropy`` says how the two branches' (8) are reduced."""

    margin: Annotated[float, Ge(-1), Lt(1)]
    cross_entropy: Literal["mean", "sum"] = "mean"

    def __call__(self, first: Tensor, second: Tensor, same: Tensor) -> Tensor:
        """Equation (5) of a batch of pairs."""
        return cosine_contrastive(first, second, same, self.margin)
