"""Segments gathered from packed frames, normalised and zero-padded, in one pass over memory.

    segment[b,t] = (frames[start[b] + t] - mean) * scale    for t < count[b], else 0

Mean and scale are those of the group of the segment's utterance. The numbers are those of PyTorch's operations.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ser.kernels.compiled import compiled


def gather(
    frames: Tensor, mean: Tensor, scale: Tensor, group: Tensor, start: Tensor, count: Tensor, length: int
) -> Tensor:
    """Gather a batch of segments.

    Args:
        frames: the frames of all utterances, one after another, shape (frames, D).
        mean: mean of each group's frames, shape (G, D).
        scale: 1 / standard deviation of each group's frames, shape (G, D).
        group: group of each segment, shape (B,).
        start: first frame of each segment, shape (B,).
        count: number of real frames of each segment, shape (B,).
        length: T.

    Returns:
        Shape (B, T, D).
    """
    segments = torch.empty(len(start), length, frames.shape[1])
    _gather(*(tensor.numpy() for tensor in (frames, mean, scale, group, start, count, segments)))
    return segments


@compiled
def _gather(
    frames: NDArray[Any],
    mean: NDArray[Any],
    scale: NDArray[Any],
    group: NDArray[np.int64],
    start: NDArray[np.int64],
    count: NDArray[np.int64],
    segments: NDArray[Any],
) -> None:
    """Write the segments to ``segments`` (B, T, D)."""
    for b in range(len(start)):
        for t in range(count[b]):
            for d in range(frames.shape[1]):
                segments[b, t, d] = (frames[start[b] + t, d] - mean[group[b], d]) * scale[group[b], d]
        segments[b, count[b] :] = 0
