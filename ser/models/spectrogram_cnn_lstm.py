"""The end-to-end network on log-spectrograms: Satt, Rozenberg and Hoory 2017, the paper's reference [15].

Approximate: the sizes of the pooling and the optimiser are not recoverable from the publication.
"""

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from ser.config.ranges import Natural

_LAYERS = ((16, (12, 16)), (24, (8, 12)), (32, (5, 7)))
"""Filters and kernel (frequency x time) of the three convolutions."""


class SpectrogramCNNLSTM(nn.Module):
    """Three 2-D convolutions with ReLU and 2 x 2 max pooling, then a recurrent layer, then a linear layer.

    Args:
        frames: T, frames of a segment, at least 8.
        features: D, frequency bins, at least 8.
        classes: number of emotions.
        hidden: units of the LSTM in each direction; 0 leaves it out (then pos_1 is the mean over time).
        bidirectional: whether the LSTM also reads backwards.
    """

    def __init__(
        self,
        frames: Annotated[int, Ge(8)],
        features: Annotated[int, Ge(8)],
        classes: int,
        hidden: Natural = 128,
        bidirectional: bool = True,
    ) -> None:
        super().__init__()
        if frames < 8 or features < 8:
            raise ValueError(f"three poolings by 2 need 8 frames and 8 bins, got {frames} and {features}")
        channels = (1, *(filters for filters, _ in _LAYERS))
        self.convolutions = nn.Sequential(
            *(
                _convolution(before, filters, kernel)
                for before, (filters, kernel) in zip(channels, _LAYERS, strict=False)
            )
        )
        size = channels[-1] * (features // 8)
        self.recurrent = nn.LSTM(size, hidden, batch_first=True, bidirectional=bidirectional) if hidden else None
        self.vector_size = hidden * (1 + bidirectional) if hidden else size
        self.classifier = nn.Linear(self.vector_size, classes)

    def forward(self, frames: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D) -> pos_1 vector (B, vector_size), logits (B, classes)."""
        image = frames.transpose(1, 2).unsqueeze(1)  # B, 1, D, T
        steps = self.convolutions(image).flatten(1, 2).transpose(1, 2)  # B, T / 8, 32 * D / 8
        if self.recurrent is None:
            vector = steps.mean(dim=1)
        else:
            state = self.recurrent(steps)[1][0]  # directions, B, hidden
            vector = torch.cat(tuple(state), dim=-1)
        return vector, self.classifier(vector)


def _convolution(before: int, filters: int, kernel: tuple[int, int]) -> nn.Sequential:
    """A convolution that keeps the size (an even kernel's extra zero goes to the end), ReLU, pooling by 2."""
    height, width = kernel
    padding = nn.ZeroPad2d(((width - 1) // 2, width // 2, (height - 1) // 2, height // 2))
    return nn.Sequential(padding, nn.Conv2d(before, filters, kernel), nn.ReLU(), nn.MaxPool2d(2))
