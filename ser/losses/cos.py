"""Contrastive loss type 1 of Lian et al. 2018, section 2.2.1: cosine similarity with a margin."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Lt
from torch import Tensor

from ser.kernels.inner_products import inner_products

_SMALLEST_DENOMINATOR = 1e-12
"""Lower bound of |x1| |x2| in equation (6), so that the cosine with a zero vector is 0 instead of NaN."""


def cosine_contrastive(first: Tensor, second: Tensor, same: Tensor, margin: float) -> Tensor:
    """Contrastive loss type 1, equations (5) and (6), averaged over the pairs.

        loss(x1, x2) = 1 - cos(x1, x2)              positive pair (Y = 1)
        loss(x1, x2) = max(0, cos(x1, x2) - m)      negative pair (Y = 0)
        cos(x1, x2) = x1 . x2 / (|x1| |x2|)

    Args:
        first: x1, the vectors from the first branch, shape (pairs, dimensions).
        second: x2, the vectors from the second branch, shape (pairs, dimensions).
        same: True where the two inputs have the same class (Y = 1), boolean, shape (pairs,).
        margin: m, in [-1, 1). A negative pair whose cosine is at most m has loss 0.

    Returns:
        The mean loss, a scalar.

    >>> first, second = torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([[4.0, 3.0], [1.0, 1.0]])
    >>> cosine_contrastive(first, second, same=torch.tensor([True, False]), margin=0.1)
    tensor(0.3236)
    """
    first_squared, dot, second_squared = inner_products(first, second)
    cosine = dot / (first_squared * second_squared).clamp(min=_SMALLEST_DENOMINATOR**2).sqrt()
    return torch.where(same, 1 - cosine, (cosine - margin).clamp(min=0)).mean()


@dataclass(frozen=True)
class Cosine:
    """Contrastive loss type 1 as an option of the config group ``loss``.

    Args:
        margin: m of equation (5).
        cross_entropy: whether ``Objective`` takes the mean or the sum of the two branches' cross-entropies.
    """

    margin: Annotated[float, Ge(-1), Lt(1)]
    cross_entropy: Literal["mean", "sum"] = "mean"

    def __call__(self, first: Tensor, second: Tensor, same: Tensor) -> Tensor:
        """The loss of a batch of pairs, see ``cosine_contrastive``."""
        return cosine_contrastive(first, second, same, self.margin)
