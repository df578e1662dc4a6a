"""Centre loss: Wen et al. 2016, "A Discriminative Feature Learning Approach ...", equation (2)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from ser.aux_tasks.task import IGNORED


def center_loss(vectors: Tensor, labels: Tensor) -> Tensor:
    """Half the squared distance of a vector from its class' centre, averaged over the samples.

        loss(i) = |x_i - c_i|^2 / 2

    c_i is the mean of the mini-batch's vectors of the class of i. Wen et al. keep a centre for each class and move it
    towards this mean in every step; here nothing is kept between steps.

    Args:
        vectors: x, shape (samples, dimensions).
        labels: class indices, or IGNORED for samples that are left out, shape (samples,).

    Returns:
        The mean loss, a scalar.

    >>> vectors, labels = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 9.0]]), torch.tensor([0, 0, 1])
    >>> center_loss(vectors, labels)  # (1 / 2 + 1 / 2 + 0) / 3
    tensor(0.3333)
    """
    real = labels != IGNORED
    same = (real[:, None] & (labels[:, None] == labels)).to(vectors.dtype)
    centers = same @ vectors / same.sum(dim=1, keepdim=True).clamp(min=1)
    squares = (vectors - centers).square().sum(dim=1)
    return torch.where(real, squares, 0).sum() / real.sum().clamp(min=1) / 2


@dataclass(frozen=True)
class Center:
    """The centre loss as an option of the config group ``loss``.

    It has no term that keeps classes apart; the cross-entropy does that. Vectors of tens of thousands of dimensions
    have squared distances of thousands, beside which a cross-entropy is nothing.

    Args:
        normalise: whether the vectors are scaled to length 1 first; Wen et al. leave them as they are.
        cross_entropy: whether ``Objective`` takes the mean or the sum of the two branches' cross-entropies.
    """

    normalise: bool = True
    cross_entropy: Literal["mean", "sum"] = "mean"

    def __call__(self, vectors: Tensor, labels: Tensor) -> Tensor:
        """The loss of a mini-batch, see ``center_loss``."""
        return center_loss(functional.normalize(vectors, dim=-1) if self.normalise else vectors, labels)
