"""The total loss of a batch: equations (1), (8) and (9) of Lian et al. 2018, sections 2.2 and 4.2."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from ser.aux_tasks.task import IGNORED
from ser.kernels.inner_products import halves
from ser.losses.position import Position


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Equation (8) for one-hot targets, averaged over the samples whose label is not IGNORED (0 if there are none).

    Args:
        logits: scores before the softmax, shape (samples, classes).
        labels: class indices, shape (samples,).
    """
    total = functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
    return total / (labels != IGNORED).sum().clamp(min=1)


Contrast = Callable[[Tensor, Tensor, Tensor], Tensor]
"""A contrastive loss: the two branches' vectors (pairs, dimensions), whether a pair is of one class -> one number."""


@dataclass(frozen=True)
class Objective:
    """The total loss, equations (1) and (9) together, so that they also combine (the paper's future work).

    (1 - aux_weight) * [lambda * L_con + (1 - lambda) * L_ce] + aux_weight * L_aux
    """

    contrast: Contrast | None
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
