"""A recurrent network."""

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn


class GRU(nn.Module):
    """A GRU over the frames; the mean of its outputs over the real frames is the pos_1 vector.

    Args:
        frames: frames of a segment (not used: it takes any number).
        features: values in a frame.
        classes: number of emotions.
        hidden: size of the GRU's state.
    """

    def __init__(self, frames: int, features: int, classes: int, hidden: Annotated[int, Ge(1)] = 32) -> None:
        super().__init__()
        self.vector_size = hidden
        self.gru = nn.GRU(features, hidden, batch_first=True)
        self.classifier = nn.Linear(hidden, classes)

    def forward(self, frames: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """Segments (batch, frames, features), zero after ``count`` real frames -> vectors (batch, hidden), logits."""
        outputs, _ = self.gru(frames)
        real = torch.arange(frames.shape[1], device=frames.device) < count[:, None]
        vector = (outputs * real[:, :, None]).sum(dim=1) / count[:, None]
        return vector, self.classifier(vector)
