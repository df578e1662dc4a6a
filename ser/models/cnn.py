"""The paper's network: Lian et al. 2018, section 2.1 and Table 1.

B: segments, T: frames, D: features of a frame, C: channels of a convolution, P: pooled frames.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ser.config.ranges import AtLeast, Count, OddCounts
from ser.kernels import packed
from ser.kernels.narrow import NarrowLinear


class ConvPool(nn.Module):
    """Convolution over time, batch normalisation, ReLU and max pooling, in parallel for each kernel size.

    On the CPU in float32, ``ser.kernels.packed`` computes the same function without the arithmetic on padding.
    Elsewhere ``plain`` runs.

    A convolution's bias gets no gradient. Batch normalisation subtracts the mean and with it the bias, so the exact
    gradient is zero. The computed gradient is rounding noise, which Adam would scale up to steps of full size.

    Args:
        frames: T, at least ``pool``.
        features: D.
        channels: C, filter outputs of each convolution.
        kernels: filter sizes, odd, so that half padding keeps the length T.
        pool: kernel size of the max pooling, in frames.
        stride: stride of the max pooling, in frames.

    Raises:
        ValueError: a segment is shorter than the pooling kernel.
    """

    def __init__(
        self, frames: int, features: int, channels: int, kernels: Sequence[int], pool: int, stride: int
    ) -> None:
        super().__init__()
        if frames < pool:
            raise ValueError(f"a segment of {frames} frames is shorter than the pooling kernel of {pool}")
        self.pooled = (frames - pool) // stride + 1
        self.convolutions: Any = nn.ModuleList(nn.Conv1d(features, channels, k, padding=k // 2) for k in kernels)
        self.norms: Any = nn.ModuleList(nn.BatchNorm1d(channels) for _ in kernels)
        self.pool: Any = nn.MaxPool1d(pool, stride)

    def forward(self, frames: Tensor, count: Tensor) -> Tensor:
        """(B, T, D), zero-padded after ``count`` (B,) real frames -> (B, P, kernels * C)."""
        if packed.applies(frames, self.pool.kernel_size, self.pool.stride):
            return packed.forward(frames, count, self.convolutions, self.norms, self.pool, self.training)
        return self.plain(frames)

    def plain(self, frames: Tensor) -> Tensor:
        """The reference: the same function by PyTorch's operations, with the arithmetic on padding."""
        frames = frames.transpose(1, 2)  # B, D, T
        branches = []
        for conv, norm in zip(self.convolutions, self.norms, strict=True):
            response = functional.conv1d(frames, conv.weight, conv.bias.detach(), padding=conv.padding)  # B, C, T
            branches.append(self.pool(torch.relu(norm(response))))  # B, C, P
        return torch.cat(branches, dim=1).transpose(1, 2)


class CNN(nn.Module):
    """The network of Table 1: ``ConvPool``, flattened into one vector (pos_1), then one linear layer (pos_2).

    Args:
        frames: T, frames of a segment, at least ``pool``.
        features: D, features of a frame.
        classes: number of emotions.
        channels: C, filter outputs of each convolution.
        kernels: filter sizes, odd, so that half padding keeps the length T.
        pool: kernel size of the max pooling, in frames.
        stride: stride of the max pooling, in frames.

    Raises:
        ValueError: a segment is shorter than the pooling kernel.

    >>> CNN(frames=900, features=13, classes=4).vector_size  # 2 kernel sizes * 100 channels * 291 pooled frames
    58200
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
        self.vector_size = len(kernels) * channels * self.body.pooled
        self.classifier = NarrowLinear(self.vector_size, classes)

    def forward(self, frames: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D), (B,) -> pos_1 vectors (B, vector_size), logits (B, classes); see ``ser.models``."""
        return self.classifier.with_vector(self.body(frames, count).flatten(1))
