"""The attentive CNN that the paper compares itself with: Neumann and Vu 2017, its reference [6]."""

from collections.abc import Sequence

from torch import Tensor, nn

from ser.models.cnn import ConvPool


class AttentiveCNN(nn.Module):
    """The paper's convolutions and pooling, then an attention-weighted sum over time in place of flattening.

    Each pooled frame x_t gets the weight softmax_t(w x_t); their weighted sum is the pos_1 vector (B, kernels * C).
    Arguments as for ``ser.models.cnn.CNN``.
    """

    def __init__(
        self,
        frames: int,
        features: int,
        classes: int,
        channels: int = 100,
        kernels: Sequence[int] = (13, 7),
        pool: int = 30,
        stride: int = 3,
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
