"""A replica's network: a model, one more layer if there is an additional task, and the total loss.

B: segments, T: frames of a segment, D: features of a frame, V: dimensions of the pos_1 vector, C: classes.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ser.data import randomness
from ser.errors import UserError
from ser.kernels.narrow import NarrowLinear
from ser.losses.objective import Objective
from ser.models.mixture import make_model
from ser.training.task import Task


class Network(nn.Module):
    """A model, and a linear layer on its pos_1 vector for the additional task.

    Args:
        model: see ``ser.models``.
        classes: C.
        aux_classes: number of classes of the additional task; 0 adds no layer.

    Attributes:
        objective: the total loss that it is trained with, which may have weights of its own; ``make_network`` sets it.
    """

    def __init__(self, model: nn.Module, classes: int, aux_classes: int) -> None:
        super().__init__()
        self.model, self._classes = model, classes
        self.aux = NarrowLinear(int(model.vector_size), aux_classes) if aux_classes else None  # type: ignore[arg-type]
        self.objective = Objective(None, None, 0.0)

    def forward(self, frames: Tensor, count: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """(B, T, D), (B,) -> pos_1 vectors (B, V), logits (B, C), the additional task's logits or None.

        Raises:
            UserError: the model gives something else.
        """
        given = self.model(frames, count)
        expected = [(len(frames), int(self.model.vector_size)), (len(frames), self._classes)]  # type: ignore[arg-type]
        shapes = [tuple(part.shape) for part in given] if isinstance(given, tuple) else [tuple(given.shape)]
        if shapes != expected:
            raise UserError(
                f"{type(self.model).__name__}.forward must give pos_1 vectors and logits of the shapes {expected[0]} "
                f"and {expected[1]}, got {', '.join(map(str, shapes))}."
            )
        vector, logits = given
        return vector, logits, self.aux(vector) if self.aux is not None else None


def make_network(
    task: Task, features: int, seed: int, fold: int, class_weights: NDArray[np.float32] | None = None
) -> Network:
    """Make a replica's network on the CPU, with PyTorch's default initialisation.

    The weights depend on ``seed`` and ``fold`` only. PyTorch's global random generator is left as it was.

    Args:
        task: the task.
        features: D, features of a frame, of all its layers.
        seed: the replica's seed.
        fold: the replica's fold.
        class_weights: the weight of each emotion in the cross-entropy, shape (C,); None: all the same.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(randomness.torch_seed(seed, fold, "initialisation"))
        model = make_model(task.model, task.layers, task.segment_frames, features, len(task.data.classes))
        network = Network(model, len(task.data.classes), task.data.aux_classes)
        network.objective = task.objective(int(model.vector_size))  # type: ignore[arg-type]
    if class_weights is not None:
        network.objective.class_weights = torch.from_numpy(class_weights)
    if task.recipe.statistics == "epoch":
        for norm in batch_norms(network).values():
            norm.momentum = None  # PyTorch's cumulative average, over num_batches_tracked mini-batches
    return network


@contextmanager
def drawing(task: Task, seed: int, fold: int, epoch: int) -> Iterator[None]:
    """Seed PyTorch's global generators inside the block for an epoch of a replica, for models that draw (dropout).

    So these draws, too, depend on nothing else. Afterwards the generators are as before.

    Args:
        task: the task; on CUDA, its device's generator is meant as well.
        seed: the replica's seed.
        fold: the replica's fold.
        epoch: the epoch, from 1; 0 for the test.
    """
    with torch.random.fork_rng(devices=[] if task.device == "cpu" else [task.device]):
        torch.manual_seed(randomness.torch_seed(seed, fold, "network", epoch))
        yield


def tensors_of(network: nn.Module) -> dict[str, Tensor]:
    """Return a network's parameters and all of its buffers, by name; those that ``state_dict`` leaves out as well."""
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def batch_norms(network: nn.Module) -> dict[str, Any]:
    """Return a network's batch normalisations that keep statistics for evaluation, by name."""
    modules = network.named_modules()
    return {name: module for name, module in modules if isinstance(module, _BatchNorm) and module.track_running_stats}


Pass = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor | None]]
"""The signature of ``Network.forward``."""


def in_branches(
    task: Task, network: Pass, frames: Tensor, count: Tensor, branches: int
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Run the forward pass of a mini-batch of one or two branches.

    With ``trainer.batch_norm=joint`` all branches go through the network as one batch. With ``branch`` each branch is a
    batch of its own, so that batch normalisation computes its statistics separately.

    Args:
        task: the task, which sets the precision of the pass.
        network: the forward pass of a network.
        frames: the segments of the first branch, then those of the second, shape (B, T, D).
        count: number of real frames of each segment, shape (B,).
        branches: 2, or 1 for the baseline.

    Returns:
        pos_1 vectors (B, V), logits (B, C) and the additional task's logits or None, all in float32.
    """
    with precision(task.device, task.recipe.precision):
        if branches == 1 or task.recipe.batch_norm == "joint":
            vector, logits, aux = network(frames, count)
        else:
            branch_inputs = zip(frames.chunk(branches), count.chunk(branches), strict=True)
            outputs = (network(*inputs) for inputs in branch_inputs)
            branch_vectors, branch_logits, branch_aux = zip(*outputs, strict=True)
            vector, logits = torch.cat(branch_vectors), torch.cat(branch_logits)
            aux = None if branch_aux[0] is None else torch.cat(branch_aux)
    return vector.float(), logits.float(), None if aux is None else aux.float()


def precision(device: str, kind: str) -> AbstractContextManager[Any]:
    """Return the context of a forward pass: autocast for bf16. TF32 is a global switch, see ``loop.prepare``.

    Args:
        device: PyTorch's device.
        kind: ``trainer.precision``.
    """
    if kind == "bf16":
        return torch.autocast(device.partition(":")[0], torch.bfloat16)
    return nullcontext()
