"""Supervised contrastive loss: Khosla et al. 2020, "Supervised Contrastive Learning", equation (2)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from ser.config.ranges import Positive
from ser.losses.batch import other_samples


def supervised_contrastive(vectors: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss, averaged over the samples that share their class with another one.

        loss(i) = -1 / |P(i)| sum_{p in P(i)} log( exp(z_i . z_p / t) / sum_{a != i} exp(z_i . z_a / t) )

    z is a vector scaled to length 1, P(i) the other samples of the class of i.

    Args:
        vectors: shape (samples, dimensions).
        labels: class indices, or IGNORED for samples that are left out, shape (samples,).
        temperature: t > 0.

    Returns:
        The mean loss, a scalar; 0 if no two samples share a class.

    >>> vectors, labels = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0, 1])
    >>> supervised_contrastive(vectors, labels, temperature=1.0)  # log(1 + 1 / e)
    tensor(0.3133)
    """
    unit = functional.normalize(vectors, dim=-1)
    similarity = unit @ unit.T / temperature
    others, positive = other_samples(labels)
    lowest = torch.finfo(similarity.dtype).min
    log_share = similarity - similarity.masked_fill(~others, lowest).logsumexp(dim=1, keepdim=True)
    number = positive.sum(dim=1)
    losses = -torch.where(positive, log_share, 0).sum(dim=1) / number.clamp(min=1)
    return losses.sum() / (number > 0).sum().clamp(min=1)


@dataclass(frozen=True)
class SupCon:
    """The supervised contrastive loss as an option of the config group ``loss``.

    Args:
        temperature: t of equation (2).
        cross_entropy: whether ``Objective`` takes the mean or the sum of the two branches' cross-entropies.
    """

    temperature: Positive
    cross_entropy: Literal["mean", "sum"] = "mean"

    def __call__(self, vectors: Tensor, labels: Tensor) -> Tensor:
        """The loss of a mini-batch, see ``supervised_contrastive``."""
        return supervised_contrastive(vectors, labels, self.temperature)
