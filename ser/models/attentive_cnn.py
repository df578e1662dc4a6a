"""The attentive CNN that the paper compares itself with: Neumann and Vu 2017, its reference [6]."""

from typing import Annotated

from torch import Tensor, nn

from ser.config.ranges import AtLeast, Count, OddCounts
from ser.models.cnn import ConvPool


class AttentiveCNN(nn.Module):
    """The paper's convolutions and pooling, then an attention-weighted sum over time in place of flattening.

    Each pooled frame x_t gets the weight softmax_t(w x_t); their weighted sum is the pos_1 vector (B, kernels * C).
    Arguments as for ``ser.models.cnn.CNN``.
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
        """(B, T, D) -> pos_1 vector (B, vector_size), logits (B, classes)."""
        pooled = self.body(frames, count)  # B, P, kernels * C
        weights = self.attention(pooled).softmax(dim=1)  # B, P, 1
        vector = (weights * pooled).sum(dim=1)
        return vector, self.classifier(vector)
