"""The attentive CNN of Neumann and Vu 2017, with which Lian et al. 2018 compare their results (their reference [6]).

B: segments, T: frames, D: features of a frame, C: channels of a convolution, P: pooled frames.
"""

from typing import Annotated

from torch import Tensor, nn

from ser.config.ranges import AtLeast, Count, OddCounts
from ser.models.cnn import ConvPool


class AttentiveCNN(nn.Module):
    """The paper's CNN with an attention-weighted sum over time in place of flattening.

        a_t = exp(w . x_t + b) / sum_s exp(w . x_s + b)
        vector = sum_t a_t x_t

    x_t is a pooled frame, with the channels of all kernel sizes, shape (kernels * C,). The weighted sum is the pos_1
    vector; a linear layer gives the logits. Arguments as for ``ser.models.cnn.CNN``.
    """

    def __init__(
        self,
        frames: Annotated[int, AtLeast("pool")],
        features: int,
        classes: int,
        channels: Count = 100,
        kernels: OddCounts = (13, 7),  # type: ignore[assignment]
        pool: Count = 30,
        stride: Count = 3,
    ) -> None:
        super().__init__()
        self.body = ConvPool(frames, features, channels, kernels, pool, stride)
        self.vector_size = len(kernels) * channels
        self.attention = nn.Linear(self.vector_size, 1)
        self.classifier = nn.Linear(self.vector_size, classes)

    def forward(self, frames: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D), (B,) -> pos_1 vectors (B, vector_size), logits (B, classes); see ``ser.models``."""
        pooled = self.body(frames, count)  # B, P, kernels * C
        weights = self.attention(pooled).softmax(dim=1)  # B, P, 1
        vector = (weights * pooled).sum(dim=1)
        return vector, self.classifier(vector)
