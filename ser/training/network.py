"""A replica's network: a model, and the layer of the additional task."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from ser.data import randomness
from ser.kernels.narrow import NarrowLinear
from ser.training.task import Task


class Network(nn.Module):
    """A model with, where there is an additional task, one more linear layer on its pos_1 vector."""

    def __init__(self, model: nn.Module, aux_classes: int) -> None:
        super().__init__()
        self.model = model
        self.aux = NarrowLinear(int(model.vector_size), aux_classes) if aux_classes else None  # type: ignore[arg-type]

    def forward(self, frames: Tensor, count: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """(B, T, D) -> vector (B, V), logits (B, classes), the additional task's logits or None."""
        vector, logits = self.model(frames, count)
        return vector, logits, self.aux(vector) if self.aux is not None else None


def make_network(task: Task, features: int, seed: int, fold: int) -> Network:
    """The replica's network with its own initial weights (PyTorch's defaults), on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(randomness.torch_seed(seed, fold, "initialisation"))
        model = task.model(frames=task.segment_frames, features=features, classes=len(task.data.classes))
        return Network(model, task.data.aux_classes)


Pass = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor | None]]


def in_branches(
    task: Task, network: Pass, frames: Tensor, count: Tensor, branches: int
) -> tuple[Tensor, Tensor, Tensor | None]:
    """One pass for all branches, or one for each where batch normalisation is to see them apart; float32 results."""
    with precision(task):
        if branches == 1 or task.recipe.batch_norm == "joint":
            vector, logits, aux = network(frames, count)
        else:
            halves = zip(frames.chunk(branches), count.chunk(branches), strict=True)
            vectors, scores, auxes = zip(*(network(*half) for half in halves), strict=True)
            vector, logits = torch.cat(vectors), torch.cat(scores)
            aux = None if auxes[0] is None else torch.cat(auxes)
    return vector.float(), logits.float(), None if aux is None else aux.float()


def precision(task: Task) -> AbstractContextManager[Any]:
    """bf16 through autocast; tf32 is a switch of the device (``loop.prepare``)."""
    kind = task.device.partition(":")[0]
    if task.recipe.precision == "bf16":
        return torch.autocast(kind, torch.bfloat16)
    return nullcontext()
