"""A learned mixture of layers before any network: Yang et al. 2021, "SUPERB", section 3.1.

B: segments, T: frames, L: layers, D: values of a frame in one layer, V: dimensions of the pos_1 vector, C: classes.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class LayerMixture(nn.Module):
    """A model that sees, in place of a frame's L layers, their weighted sum, whose weights are learned with it.

        x_t = sum_l softmax(w)_l h_tl

    The weights w begin at 0, so that the mixture begins as the mean of the layers. They are shared by all frames.

    Args:
        model: a model for D values a frame, see ``ser.models``.
        layers: L.
    """

    def __init__(self, model: nn.Module, layers: int) -> None:
        super().__init__()
        self.model = model
        self.weights = nn.Parameter(torch.zeros(layers))
        self.vector_size = int(model.vector_size)  # type: ignore[arg-type]

    def forward(self, frames: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, L * D), the layers side by side, (B,) -> pos_1 vectors (B, V), logits (B, C); see ``ser.models``."""
        by_layer = frames.unflatten(2, (self.weights.shape[0], -1))  # B, T, L, D
        given: tuple[Tensor, Tensor] = self.model(self.weights.softmax(dim=0) @ by_layer, count)
        return given


def make_model(
    constructor: Callable[..., nn.Module], layers: int, frames: int, features: int, classes: int
) -> nn.Module:
    """Make a model, with a mixture before it if a frame holds several layers.

    Args:
        constructor: called with ``frames``, ``features`` and ``classes``, makes a model (see ``ser.models``).
        layers: L, 1 for features that have no layers.
        frames: T.
        features: L * D, all values of a frame.
        classes: C.
    """
    model: Any = constructor(frames=frames, features=features // layers, classes=classes)
    return model if layers == 1 else LayerMixture(model, layers)
