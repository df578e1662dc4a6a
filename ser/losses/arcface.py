"""ArcFace: Deng et al. 2019, "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", equation (3)."""

import math
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn
from torch.nn import functional

from ser.config.ranges import Positive
from ser.losses.objective import cross_entropy


def additive_angular_margin(cosine: Tensor, labels: Tensor, margin: float, scale: float) -> Tensor:
    """Cross-entropy of scaled cosines, in which the angle to the own class is made larger by a margin.

        loss(i) = -log( exp(s cos(a_iy + m)) / (exp(s cos(a_iy + m)) + sum_{j != y} exp(s cos(a_ij))) )

    a_ij is the angle between vector i and the direction of class j, y the class of i. Where a_iy + m is beyond 180
    degrees, cos(a_iy + m) would rise again; there cos(a_iy) - m sin(m) takes its place, as in the authors' program.

    Args:
        cosine: cos(a), shape (samples, classes).
        labels: class indices, or IGNORED for samples that are left out, shape (samples,).
        margin: m, in radians, in [0, pi).
        scale: s > 0.

    Returns:
        The mean over the samples with a label, a scalar; 0 if no sample has one.

    >>> additive_angular_margin(torch.tensor([[0.0, 0.0]]), torch.tensor([0]), margin=math.pi / 6, scale=2.0)
    tensor(1.3133)
    """
    sine = (1 - cosine.square()).clamp(min=1e-7).sqrt()
    beyond = cosine <= -math.cos(margin)
    shifted = torch.where(
        beyond, cosine - margin * math.sin(margin), cosine * math.cos(margin) - sine * math.sin(margin)
    )
    own = labels[:, None] == torch.arange(cosine.shape[1], device=cosine.device)
    return cross_entropy(scale * torch.where(own, shifted, cosine), labels)


class ArcFace(nn.Module):
    """ArcFace as an option of the config group ``loss``: each class has a direction, which is trained with the network.

    Args:
        num_classes: number of classes.
        embedding_size: dimensions of the vectors.
        margin: m of equation (3), in radians.
        scale: s of equation (3), the length that the vectors are scaled to.
        cross_entropy: whether ``Objective`` takes the mean or the sum of the two branches' cross-entropies.
    """

    def __init__(
        self,
        num_classes: int,
        embedding_size: int,
        margin: Annotated[float, Ge(0), Lt(3)],
        scale: Positive,
        cross_entropy: Literal["mean", "sum"] = "mean",
    ) -> None:
        super().__init__()
        self.margin, self.scale, self.cross_entropy = margin, scale, cross_entropy
        self.directions = nn.Parameter(torch.randn(num_classes, embedding_size))

    def forward(self, vectors: Tensor, labels: Tensor) -> Tensor:
        """The loss of a mini-batch: vectors (samples, dimensions), labels (samples,) -> scalar."""
        cosine = functional.normalize(vectors, dim=-1) @ functional.normalize(self.directions, dim=-1).T
        return additive_angular_margin(cosine, labels, self.margin, self.scale)
