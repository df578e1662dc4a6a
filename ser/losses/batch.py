"""What losses of a mini-batch share. N: samples of the mini-batch."""

import torch
from torch import Tensor

from ser.aux_tasks.task import IGNORED


def other_samples(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Say which samples each sample is compared with.

    Args:
        labels: class indices, or IGNORED for samples that are left out, shape (N,).

    Returns:
        For sample i and sample j, whether they are two different samples, neither of them left out, shape (N, N); and
        whether they also have the same class, shape (N, N).
    """
    real = labels != IGNORED
    different = ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    others = real[:, None] & real & different
    return others, others & (labels[:, None] == labels)
