"""A task's network and losses for R replicas at once, mapped from what is written for one.

R: replicas, B: groups (pairs, or singles) of a batch, N: its rows (branches * B), C: classes, V: size of a vector.
"""

from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from ser.aux_tasks.task import IGNORED
from ser.kernels import compiled
from ser.training.inputs import Normalisation, windows
from ser.training.network import Network, in_branches
from ser.training.stack.batches import Batch
from ser.training.stack.masking import EVERY_ROW, mask_norms, over_real_pairs
from ser.training.task import Task

Named = dict[str, Tensor]


def state_of(tensors: dict[str, Named]) -> Named:
    """Parameters and buffers together."""
    return {**tensors["parameters"], **tensors["buffers"]}


class Computation:
    """A task's network and losses, written for one replica, mapped over the first dimension of what it is given.

    PyTorch's own operations run, whatever faster path a model has for one replica. Nothing may be random in it: a draw
    would depend on the other replicas (``vmap`` then raises).
    """

    def __init__(self, task: Task, network: Network, frames: Tensor) -> None:
        self.task, self.frames = task, frames
        self.trained = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
        self._buffers = [name for name, _ in network.named_buffers()]
        self._masks = mask_norms(network)
        self._every_row = EVERY_ROW.to(task.device)
        self.network = network.to(task.device)
        self._labels = torch.from_numpy(task.data.labels).to(task.device)
        aux = task.data.aux_labels
        self._aux_labels = None if aux is None else torch.from_numpy(aux).to(task.device)

    def losses(
        self, tensors: dict[str, Named], batch: Batch, weights: Tensor, branches: int
    ) -> tuple[Named, Tensor, Named]:
        """The total loss and its parts, each (R,); the logits (R, N, C); the buffers. ``weights``: lambda (R,)."""

        def one(weight: Any, state: Named, norm: Named, rows: Named) -> tuple[Named, Tensor, Named]:
            vector, logits, aux_logits, buffers = self._forward(state, norm, rows, branches)
            real, objective = rows.get("real"), self.task.objective
            if real is not None:
                objective = over_real_pairs(objective, real)
            labels = self._looked_up(self._labels, rows, branches)
            aux_labels = None if self._aux_labels is None else self._looked_up(self._aux_labels, rows, branches)
            return objective(vector, logits, labels, weight, aux_logits, aux_labels), logits, buffers

        with compiled.forbidden():
            return vmap(one)(weights, state_of(tensors), tensors["normalisation"], batch.windows)

    def probabilities(self, tensors: dict[str, Named], batch: Batch) -> Tensor:
        """Of single segments, shape (R, N, C)."""

        def one(state: Named, norm: Named, rows: Named) -> Tensor:
            return self._forward(state, norm, rows, branches=1)[1].softmax(dim=-1)

        with compiled.forbidden():
            return vmap(one)(state_of(tensors), tensors["normalisation"], batch.windows)

    def _forward(
        self, state: Named, norm: Named, rows: Named, branches: int
    ) -> tuple[Tensor, Tensor, Tensor | None, Named]:
        """One replica: vector (N, V), logits (N, C), the additional task's or None, and the buffers afterwards."""
        changing = dict(state)
        real = rows.get("real")

        def network(frames: Tensor, count: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
            mask = self._every_row if real is None else real.repeat(len(frames) // len(real))
            changing.update(dict.fromkeys(self._masks, mask))
            return functional_call(self.network, changing, (frames, count))

        where = (rows["start"], rows["count"], rows["utterance"])
        frames = windows(self.frames, Normalisation(**norm), *where, self.task.segment_frames)
        vector, logits, aux = in_branches(self.task, network, frames, rows["count"], branches)
        buffers = {name: changing[name].detach() for name in self._buffers}
        return vector, logits, aux, buffers

    @staticmethod
    def _looked_up(labels: Tensor, rows: Named, branches: int) -> Tensor:
        """The rows' labels (N,), IGNORED where a row is padding."""
        found = labels[rows["utterance"]]
        return torch.where(rows["real"].repeat(branches), found, IGNORED) if "real" in rows else found
