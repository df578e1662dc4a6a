"""The total loss of a mini-batch: equations (1), (8) and (9) of Lian et al. 2018, sections 2.2 and 4.2."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ser.aux_tasks.task import IGNORED
from ser.config.groups import Option
from ser.losses.contrast import Contrast, OverPairs, make_loss, of_batch
from ser.losses.position import Position


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy with one-hot targets, equation (8), averaged over the samples that have a label.

    Args:
        logits: scores before the softmax, shape (samples, classes).
        labels: class indices, or IGNORED where the label is unknown, shape (samples,).
        weights: how much a sample of each class counts in the mean, shape (classes,); None: all samples equally.

    Returns:
        The mean over the samples with a label, a scalar; 0 if no sample has one.
    """
    total = functional.cross_entropy(logits, labels, weight=weights, ignore_index=IGNORED, reduction="sum")
    known = labels != IGNORED
    if weights is None:
        return total / known.sum().clamp(min=1)
    return total / torch.where(known.any(), (weights[labels.clamp(min=0)] * known).sum(), 1.0)


class Objective(nn.Module):
    """The total loss of a replica, equations (1) and (9) in one formula.

        L = (1 - w) * (lambda * L_con + (1 - lambda) * L_cro) + w * L_add

    L_con is the contrastive loss, L_cro the cross-entropy of the emotions, L_add the cross-entropy of the additional
    task. The paper uses either the contrastive loss or an additional task; the formula also allows both. A contrastive
    loss may be a module with weights of its own; these are then the objective's, and are trained with the network's.

    Args:
        contrast: the contrastive loss; None leaves it out (the baseline: L_cro takes the place of the bracket).
        position: the vectors that the contrastive loss compares; None without a contrastive loss.
        aux_weight: w, lambda of equation (9).
        branches: whether L_cro is the "mean" of the two branches' cross-entropies, or their "sum".
        class_weights: the weight of each emotion in L_cro, shape (classes,); None: all the same.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        contrast: Contrast | None,
        position: Position | None,
        aux_weight: float,
        branches: str = "mean",
        class_weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.contrast, self.position, self.aux_weight, self.branches = contrast, position, aux_weight, branches

    @classmethod
    def of(cls, loss: Any, position: Position, aux_weight: float) -> "Objective":
        """Make the objective with a loss of the config group ``loss``, of pairs or of a mini-batch (``of_batch``).

        Its attribute ``cross_entropy``, if it has one, is ``branches``.
        """
        return cls(of_batch(loss), position, aux_weight, getattr(loss, "cross_entropy", "mean"))

    def forward(
        self,
        features: Tensor,
        logits: Tensor,
        labels: Tensor,
        weight: float,
        aux_logits: Tensor | None = None,
        aux_labels: Tensor | None = None,
        real: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The losses of a mini-batch.

        The samples of the first branch come first, then those of the second: samples i and i + pairs form pair i. The
        baseline has one branch.

        Args:
            features: pos_1 vectors, shape (samples, dimensions).
            logits: scores of the emotions, shape (samples, classes).
            labels: class indices of the emotions, shape (samples,).
            weight: lambda of equation (1) in this epoch; not used without a contrastive loss.
            aux_logits: scores of the additional task, shape (samples, its classes); None without one.
            aux_labels: labels of the additional task, or IGNORED where unknown, shape (samples,); None without one.
            real: False for the pairs that are padding, shape (pairs,), and all their labels are IGNORED. Every part of
                the total leaves samples out by these labels, but a loss of pairs needs ``real``. None: no padding.

        Returns:
            Scalars: "loss" (L), "cross_entropy" (L_cro, the mean over all samples), and, where they are part of L,
            "contrastive" (L_con) and "aux" (L_add).
        """
        parts = {"cross_entropy": cross_entropy(logits, labels, self.class_weights)}
        total = parts["cross_entropy"]
        if self.contrast is not None and self.position is not None:
            if self.branches == "sum":
                total = 2 * total
            mask = (real,) if isinstance(self.contrast, OverPairs) else ()
            parts["contrastive"] = self.contrast(self.position(features, logits), labels, *mask)
            total = weight * parts["contrastive"] + (1 - weight) * total
        if aux_logits is not None and aux_labels is not None:
            parts["aux"] = cross_entropy(aux_logits, aux_labels)
            total = (1 - self.aux_weight) * total + self.aux_weight * parts["aux"]
        return {"loss": total, **parts}


def make_objective(
    loss: Option | None, position: Position | None, aux_weight: float, classes: int, dimensions: int
) -> Objective:
    """Make a replica's objective. Weights of the loss are drawn from PyTorch's global generator.

    Args:
        loss: the option of the config group ``loss``; None for the baseline.
        position: the vectors that the contrastive loss compares; None for the baseline.
        aux_weight: w, lambda of equation (9).
        classes: number of classes.
        dimensions: dimensions of the network's pos_1 vector.

    Raises:
        UserError: the loss cannot be made, or is called with other things than a loss of pairs or of a mini-batch.
    """
    if loss is None or position is None:
        return Objective(None, None, aux_weight)
    compared = position(torch.zeros(1, dimensions), torch.zeros(1, classes))
    return Objective.of(make_loss(loss, classes, compared.shape[1]), position, aux_weight)
