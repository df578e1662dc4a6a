"""The position of the contrastive loss: Lian et al. 2018, Figure 1 and section 4.3 (config group ``position``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Position:
    """Selects the vectors that the contrastive loss compares.

    Args:
        vector: "features", the vector before the linear layer (pos_1); or the classifier's output (pos_2), as "logits"
            or as "probabilities" after the softmax.
    """

    vector: Literal["features", "logits", "probabilities"]

    def __call__(self, features: Tensor, logits: Tensor) -> Tensor:
        """Select the vectors of a mini-batch.

        Args:
            features: pos_1 vectors, shape (samples, dimensions).
            logits: scores before the softmax, shape (samples, classes).

        Returns:
            Shape (samples, dimensions) for "features", else (samples, classes).
        """
        if self.vector == "features":
            return features
        return logits if self.vector == "logits" else logits.softmax(dim=-1)
