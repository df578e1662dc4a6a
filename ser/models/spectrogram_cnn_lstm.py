"""The end-to-end network on log-spectrograms of Satt, Rozenberg and Hoory 2017 (reference [15] of Lian et al. 2018).

An approximation: the sizes of the pooling and the optimiser cannot be recovered from the publication.

B: segments, T: frames, D: frequency bins.
"""

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from ser.config.ranges import Natural

_LAYERS = ((16, (12, 16)), (24, (8, 12)), (32, (5, 7)))
"""Filter outputs and kernel size (frequency, time) of the three convolutions."""


class SpectrogramCNNLSTM(nn.Module):
    """Three 2-D convolutions with ReLU and 2 x 2 max pooling, then an LSTM, then a linear layer.

    The pos_1 vector is the LSTM's last hidden state, of both directions if ``bidirectional``.

    Args:
        frames: T, frames of a segment, at least 8.
        features: D, frequency bins of a frame, at least 8.
        classes: number of emotions.
        hidden: units of the LSTM in each direction. With 0 there is no LSTM, and pos_1 is the mean over time.
        bidirectional: whether a second LSTM reads the frames backwards.

    Raises:
        ValueError: a segment has fewer than 8 frames or 8 frequency bins.
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
                _convolution(inputs, filters, kernel)
                for inputs, (filters, kernel) in zip(channels, _LAYERS, strict=False)
            )
        )
        size = channels[-1] * (features // 8)
        self.recurrent = nn.LSTM(size, hidden, batch_first=True, bidirectional=bidirectional) if hidden else None
        self.vector_size = hidden * (1 + bidirectional) if hidden else size
        self.classifier = nn.Linear(self.vector_size, classes)

    def forward(self, frames: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D), (B,) -> pos_1 vectors (B, vector_size), logits (B, classes); see ``ser.models``."""
        image = frames.transpose(1, 2).unsqueeze(1)  # B, 1, D, T
        steps = self.convolutions(image).flatten(1, 2).transpose(1, 2)  # B, T / 8, 32 * D / 8
        if self.recurrent is None:
            vector = steps.mean(dim=1)
        else:
            last_hidden = self.recurrent(steps)[1][0]  # directions, B, hidden
            vector = torch.cat(tuple(last_hidden), dim=-1)
        return vector, self.classifier(vector)


def _convolution(inputs: int, filters: int, kernel: tuple[int, int]) -> nn.Sequential:
    """A convolution from ``inputs`` to ``filters`` channels that keeps the image size, ReLU, max pooling by 2.

    For an even kernel size, the padding has one more zero at the end than at the beginning.
    """
    height, width = kernel
    padding = nn.ZeroPad2d(((width - 1) // 2, width // 2, (height - 1) // 2, height // 2))
    return nn.Sequential(padding, nn.Conv2d(inputs, filters, kernel), nn.ReLU(), nn.MaxPool2d(2))
