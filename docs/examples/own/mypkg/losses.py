"""A loss that sees the whole mini-batch."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor
from torch.nn import functional

from ser.aux_tasks.task import IGNORED


@dataclass(frozen=True)
class Pull:
    """One minus the mean cosine of all pairs of one class, plus ``push`` times that of all other pairs.

    Args:
        push: weight of the pairs of different classes.
    """

    push: Annotated[float, Ge(0), Le(1)] = 0.5

    def __call__(self, vectors: Tensor, labels: Tensor) -> Tensor:
        """Vectors (samples, dimensions) and classes (samples,) -> scalar. Samples labelled IGNORED are padding."""
        unit = functional.normalize(vectors, dim=-1)
        cosine = unit @ unit.T
        real = labels != IGNORED
        pairs = real[:, None] & real & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        same = labels[:, None] == labels
        return 1 - _mean(cosine, pairs & same) + self.push * _mean(cosine, pairs & ~same)


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    return torch.where(chosen, values, 0).sum() / chosen.sum().clamp(min=1)
