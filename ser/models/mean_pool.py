"""A layer on each frame and their mean over time: what frozen features of pretrained models are usually judged by.

B: segments, T: frames, D: features of a frame, H: hidden values.
"""

import torch
from torch import Tensor, nn

from ser.config.ranges import Count


class MeanPool(nn.Module):
    """A linear layer with ReLU on each frame, the mean over the real frames (pos_1), then one linear layer (pos_2).

    Without the ReLU it is the classifier of the emotion task of SUPERB (Yang et al. 2021, section 3.2). It has no sizes
    in frames, so that it fits every feature and length.

    Args:
        frames: T, not used.
        features: D.
        classes: number of emotions.
        hidden: H.
    """

    def __init__(self, frames: int, features: int, classes: int, hidden: Count = 256) -> None:
        super().__init__()
        self.vector_size = hidden
        self.projection = nn.Linear(features, hidden)
        self.classifier = nn.Linear(hidden, classes)

    def forward(self, frames: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D), zero-padded after ``count`` (B,) real frames -> pos_1 vectors (B, H), logits (B, classes)."""
        real = torch.arange(frames.shape[1], device=frames.device) < count[:, None]  # B, T
        hidden = torch.relu(self.projection(frames)) * real[..., None]
        vector = hidden.sum(dim=1) / count[:, None]
        return vector, self.classifier(vector)
