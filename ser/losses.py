"""The paper's losses, each with its equation's number (Lian et al. 2018, section 2.2 and 4.2).

All take and return tensors, hold no state, and reduce by the mean over the batch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ser.inner_products import halves, inner_products

IGNORED = -1
"""The label of a sample that lacks what an additional task wants; it does not enter that loss."""


_LEAST = 1e-12
"""What the inner product in (6) is divided by at least: a vector of zeros has the cosine 0 with any other."""


def cosine_contrastive(first: Tensor, second: Tensor, same: Tensor, margin: float) -> Tensor:
    """Contrastive loss type 1, equation (5), averaged over the pairs.

    Args:
        first, second: the two branches' vectors, shape (pairs, dimensions).
        same: whether the two are of one class (Y = 1), boolean, shape (pairs,).
        margin: m, in [-1, 1): a negative pair costs nothing while its cosine (6) is below it.
    """
    own, cross, other = inner_products(first, second)
    cosine = cross / (own * other).clamp(min=_LEAST**2).sqrt()
    return torch.where(same, 1 - cosine, (cosine - margin).clamp(min=0)).mean()


def l2_contrastive(first: Tensor, second: Tensor, same: Tensor, margin: float) -> Tensor:
    """Contrastive loss type 2, equation (7): the distance itself, not squared as in Hadsell et al. 2006.

    Args:
        first, second: the two branches' vectors, shape (pairs, dimensions).
        same: whether the two are of one class (Y = 1), boolean, shape (pairs,).
        margin: m > 0: a negative pair costs nothing once its distance is above it.
    """
    distance = torch.linalg.vector_norm(first - second, dim=-1)
    return torch.where(same, distance, (margin - distance).clamp(min=0)).mean()


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Equation (8) for one-hot targets, averaged over the samples whose label is not IGNORED (0 if there are none).

    Args:
        logits: scores before the softmax, shape (samples, classes).
        labels: class indices, shape (samples,).
    """
    total = functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
    return total / (labels != IGNORED).sum().clamp(min=1)


@dataclass(frozen=True)
class Cosine:
    """Contrastive loss type 1 with its margin; ``cross_entropy`` says how the two branches' (8) are reduced."""

    margin: float
    cross_entropy: str = "mean"

    def __call__(self, first: Tensor, second: Tensor, same: Tensor) -> Tensor:
        """Equation (5) of a batch of pairs."""
        return cosine_contrastive(first, second, same, self.margin)


@dataclass(frozen=True)
class L2:
    """Contrastive loss type 2 with its margin; with ``normalise`` the vectors are first scaled to length 1.

    Unscaled, two vectors of tens of thousands of dimensions lie much farther apart than a margin of 1, so that the
    hinge of (7) never acts on negative pairs.
    """

    margin: float
    normalise: bool = False
    cross_entropy: str = "mean"

    def __call__(self, first: Tensor, second: Tensor, same: Tensor) -> Tensor:
        """Equation (7) of a batch of pairs."""
        if self.normalise:
            first, second = functional.normalize(first, dim=-1), functional.normalize(second, dim=-1)
        return l2_contrastive(first, second, same, self.margin)


@dataclass(frozen=True)
class Constant:
    """lambda of equation (1), the same in every epoch."""

    weight: float

    def at(self, epoch: int) -> float:
        """The weight in ``epoch`` (from 1)."""
        return self.weight


@dataclass(frozen=True)
class Linear:
    """lambda of equation (1) moving from ``start`` in the first epoch to ``weight`` after ``epochs`` more."""

    weight: float
    start: float
    epochs: int

    def at(self, epoch: int) -> float:
        """The weight in ``epoch`` (from 1)."""
        return self.start + (self.weight - self.start) * min(1.0, (epoch - 1) / self.epochs)


@dataclass(frozen=True)
class Position:
    """Where the contrastive loss looks: the feature vector (pos_1) or what the classifier makes of it (pos_2)."""

    vector: str
    """features, logits or probabilities."""

    def __call__(self, features: Tensor, logits: Tensor) -> Tensor:
        """The vectors to compare, shape (samples, dimensions)."""
        if self.vector == "features":
            return features
        return logits if self.vector == "logits" else logits.softmax(dim=-1)


@dataclass(frozen=True)
class Objective:
    """The total loss, equations (1) and (9) together, so that they also combine (the paper's future work).

    (1 - aux_weight) * [lambda * L_con + (1 - lambda) * L_ce] + aux_weight * L_aux
    """

    contrast: Cosine | L2 | None
    position: Position | None
    aux_weight: float

    def __call__(
        self,
        features: Tensor,
        logits: Tensor,
        labels: Tensor,
        weight: float,
        aux_logits: Tensor | None = None,
        aux_labels: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The total and its parts for one batch: the first branch's samples, then the second's.

        Args:
            features: pos_1 vectors, shape (branches * groups, dimensions).
            logits: shape (branches * groups, classes).
            labels: class indices, shape (branches * groups,).
            weight: lambda of this epoch; not used without a contrastive loss.
            aux_logits: the additional task's scores, shape (branches * groups, its classes), if there is one.
            aux_labels: its labels or IGNORED, shape (branches * groups,).
        """
        parts = {"cross_entropy": cross_entropy(logits, labels)}
        total = parts["cross_entropy"]
        if self.contrast is not None and self.position is not None:
            if getattr(self.contrast, "cross_entropy", "mean") == "sum":  # a user's own loss need not have it
                total = 2 * total
            first, second = halves(self.position(features, logits))
            first_label, second_label = labels.chunk(2)
            parts["contrastive"] = self.contrast(first, second, first_label == second_label)
            total = weight * parts["contrastive"] + (1 - weight) * total
        if aux_logits is not None and aux_labels is not None:
            parts["aux"] = cross_entropy(aux_logits, aux_labels)
            total = (1 - self.aux_weight) * total + self.aux_weight * parts["aux"]
        return {"loss": total, **parts}
