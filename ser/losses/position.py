"""Where the contrastive loss acts: Lian et al. 2018, section 4.3 (config group ``position``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Position:
    """Where the contrastive loss looks: the feature vector (pos_1) or what the classifier makes of it (pos_2)."""

    vector: Literal["features", "logits", "probabilities"]

    def __call__(self, features: Tensor, logits: Tensor) -> Tensor:
        """The vectors to compare, shape (samples, dimensions)."""
        if self.vector == "features":
            return features
        return logits if self.vector == "logits" else logits.softmax(dim=-1)
