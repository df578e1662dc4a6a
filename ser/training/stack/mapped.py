"""A task's network and losses for R replicas at once, by ``torch.func.vmap`` over the code for one replica.

R: replicas, B: groups (pairs, or single segments) of a mini-batch, N: its rows (branches * B), T: frames of a segment,
D: features of a frame, C: classes, V: dimensions of the pos_1 vector.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from ser.aux_tasks.task import IGNORED
from ser.kernels import compiled
from ser.training.inputs import Normalisation, windows, without_hidden
from ser.training.network import Network, batch_norms, in_branches
from ser.training.stack.batches import Batch
from ser.training.stack.masking import EVERY_ROW, mask_norms
from ser.training.task import Task

Named = dict[str, Tensor]
"""Tensors by name."""


def state_of(tensors: dict[str, Named]) -> Named:
    """Return the parameters and the buffers in one dictionary."""
    return {**tensors["parameters"], **tensors["buffers"]}


class Computation:
    """A task's network and losses, mapped over the first dimension of their arguments.

    PyTorch's own operations are used, not the kernels of ``ser.kernels``. The network must not draw random numbers: a
    replica's draws would depend on the other replicas, and ``vmap`` raises an error.

    Args:
        task: the task.
        network: a replica's network and loss. Its batch normalisations are replaced by masked ones; its weights are not
            used.
        frames: the packed frames on the device, shape (frames, D).

    Attributes:
        trained: names of the parameters that are trained.
        saved: for each name of the network's ``state_dict`` the first name of its tensor, which may have two.
        batch_counts: names of the buffers in which batch normalisation counts mini-batches.
        norm_buffers: names of all buffers of batch normalisation.
    """

    def __init__(self, task: Task, network: Network, frames: Tensor) -> None:
        self.task, self.frames = task, frames
        every = [*network.named_parameters(remove_duplicate=False), *network.named_buffers(remove_duplicate=False)]
        first: dict[int, str] = {}
        names = {name: first.setdefault(id(tensor), name) for name, tensor in every}
        self.saved = {name: names[name] for name in network.state_dict()}
        self.trained = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
        self._buffers = [name for name, _ in network.named_buffers()]
        norms = batch_norms(network)
        self.batch_counts = [f"{name}.num_batches_tracked" for name in norms]
        self.norm_buffers = {f"{name}.{each}" for name, norm in norms.items() for each, _ in norm.named_buffers()}
        self._masks = mask_norms(network)
        self._every_row = EVERY_ROW.to(task.device)
        self.network = network.to(task.device)
        self._labels = torch.from_numpy(task.data.labels).to(task.device)
        aux = task.data.aux_labels
        self._aux_labels = None if aux is None else torch.from_numpy(aux).to(task.device)

    def losses(
        self, tensors: dict[str, Named], batch: Batch, weights: Tensor, branches: int
    ) -> tuple[Named, Tensor, Named]:
        """Compute every replica's losses on its mini-batch.

        Args:
            tensors: "parameters", "buffers" and "normalisation", each tensor with the first dimension R.
            batch: a mini-batch of every replica.
            weights: lambda of each replica, shape (R,).
            branches: 2, or 1 for the baseline.

        Returns:
            The total loss and its parts (see ``Objective``), each (R,); the logits (R, N, C); the buffers after the
            forward pass.
        """

        def one_replica(weight: Any, state: Named, norm: Named, rows: Named) -> tuple[Named, Tensor, Named]:
            changing = dict(state)
            vector, logits, aux_logits = self._forward(changing, norm, rows, branches)
            labels = self._labels_of(self._labels, rows, branches)
            aux_labels = None if self._aux_labels is None else self._labels_of(self._aux_labels, rows, branches)
            given = (vector, logits, labels, weight, aux_logits, aux_labels, rows.get("real"))
            losses = _call_part(self.network, "objective", changing, given)
            return losses, logits, {name: changing[name].detach() for name in self._buffers}

        with compiled.forbidden():
            return vmap(one_replica)(weights, state_of(tensors), tensors["normalisation"], batch.windows)

    def probabilities(self, tensors: dict[str, Named], batch: Batch) -> Tensor:
        """Compute the class probabilities of single segments; arguments as for ``losses``, shape (R, N, C)."""

        def one_replica(state: Named, norm: Named, rows: Named) -> Tensor:
            return self._forward(dict(state), norm, rows, branches=1)[1].softmax(dim=-1)

        with compiled.forbidden():
            return vmap(one_replica)(state_of(tensors), tensors["normalisation"], batch.windows)

    def _forward(
        self, changing: Named, norm: Named, rows: Named, branches: int
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """One replica's forward pass.

        Args:
            changing: parameters and buffers; the buffers are afterwards as the pass leaves them.
            norm: the fields of ``Normalisation``.
            rows: the mini-batch, ``Batch.windows`` without the dimension R.
            branches: 2, or 1 for single segments.

        Returns:
            pos_1 vectors (N, V), logits (N, C), the additional task's logits or None.
        """
        real = rows.get("real")

        def network(frames: Tensor, count: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
            mask = self._every_row if real is None else real.repeat(len(frames) // len(real))
            changing.update(dict.fromkeys(self._masks, mask))
            return functional_call(self.network, changing, (frames, count))

        segments = (rows["start"], rows["count"], rows["utterance"])
        frames = windows(self.frames, Normalisation(**norm), *segments, self.task.segment_frames)  # N, T, D
        if "hidden" in rows:
            frames = without_hidden(frames, rows["hidden"], self.task.layers)
        return in_branches(self.task, network, frames, rows["count"], branches)

    @staticmethod
    def _labels_of(labels: Tensor, rows: Named, branches: int) -> Tensor:
        """Return the label of each row, or IGNORED where the row is padding, shape (N,)."""
        row_labels = labels[rows["utterance"]]
        return torch.where(rows["real"].repeat(branches), row_labels, IGNORED) if "real" in rows else row_labels


def _call_part(network: nn.Module, name: str, state: Named, arguments: tuple[Any, ...]) -> Any:
    """Call a part of a network with its parameters and buffers in ``state``, which the call may replace there."""
    part = network.get_submodule(name)
    own = {key.removeprefix(f"{name}."): tensor for key, tensor in state.items() if key.startswith(f"{name}.")}
    result = functional_call(part, own, arguments)
    state.update({f"{name}.{key}": tensor for key, tensor in own.items()})
    return result
