"""The mini-batches of an epoch for R replicas, as index tables on the device, all padded to one shape.

A group is a pair of segments, or a single segment for the baseline. Where a replica has fewer groups than the others,
padding fills its rows.

R: replicas, S: steps (mini-batches) of the epoch, B: groups of a mini-batch, N: rows of a mini-batch (branches * B).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ser.data.segments import Segments

Groups = tuple[Segments, NDArray[np.int64], int]
"""Of one replica: its segments; groups as positions in them, shape (groups, branches); the number of real groups.

The real groups come first. The groups after them are computed as well, but they do not enter losses and statistics.
"""


@dataclass(frozen=True)
class Batch:
    """One mini-batch of every replica.

    Attributes:
        windows: "start", "count" and "utterance" of the segment in each row (see ``Segments``), each of shape (R, N);
            "hidden", if an augmentation hides something, of shape (R, N, boxes, 4); and "real", True for the real
            groups, shape (R, B), if any replica has a group that is not real.
        number: number of real groups of each replica, shape (R,).
        active: True for each replica with a real group, shape (R,); None if all have one.
    """

    windows: dict[str, Tensor]
    number: Tensor
    active: Tensor | None


class Batches:
    """Cuts the groups of each replica into mini-batches like ``ser.data.loaders.batches``, and pads them to one shape.

    Padding repeats the replica's first segment. Iteration yields a ``Batch`` for each step.

    Args:
        groups: the groups of each replica; all with the same number of branches.
        size: B.
        device: PyTorch's device.

    Attributes:
        rows: position of each row's segment in its replica's segments, shape (S, R, N).
        totals: number of real groups of each replica, shape (R,).
    """

    def __init__(self, groups: Sequence[Groups], size: int, device: str) -> None:
        self._steps = max(1, *(-(-len(positions) // size) for _, positions, _ in groups))
        tables = [_table(positions, self._steps, size) for _, positions, _ in groups]
        self.rows = np.stack(tables, axis=1)
        self.totals = np.array([real for *_, real in groups])
        numbers = np.arange(self._steps * size).reshape(self._steps, 1, size)
        self._real = numbers < self.totals[:, None]  # S, R, B
        groups = _equally_hidden(groups)
        hidden = () if groups[0][0].hidden is None else ("hidden",)
        windows = {name: self._gather(groups, name) for name in ("start", "count", "utterance", *hidden)}
        self._windows = {name: torch.from_numpy(table).to(device) for name, table in windows.items()}
        self._mask = torch.from_numpy(self._real).to(device)
        self._number = self._mask.sum(dim=2)

    def _gather(self, groups: Sequence[Groups], name: str) -> NDArray[np.int64]:
        """The attribute ``name`` of each row's segment, shape (S, R, N, ...)."""
        return np.stack(
            [getattr(segments, name)[self.rows[:, replica]] for replica, (segments, *_) in enumerate(groups)], axis=1
        )

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[Batch]:
        for step, real in enumerate(self._real):
            windows = {name: table[step] for name, table in self._windows.items()}
            if not real.all():
                windows["real"] = self._mask[step]
            active = None if real.any(axis=1).all() else self._number[step] > 0
            yield Batch(windows, self._number[step], active)


def _equally_hidden(groups: Sequence[Groups]) -> Sequence[Groups]:
    """The groups with as many boxes for every replica; those that are added are empty and hide nothing."""
    boxes = [0 if segments.hidden is None else segments.hidden.shape[1] for segments, *_ in groups]
    if len(set(boxes)) == 1:
        return groups
    equal: list[Groups] = []
    for (segments, positions, real), own in zip(groups, boxes, strict=True):
        assert segments.hidden is not None  # one replica's augmentation is every replica's
        hidden = np.pad(segments.hidden, ((0, 0), (0, max(boxes) - own), (0, 0)))
        equal.append((replace(segments, hidden=hidden), positions, real))
    return equal


def _table(groups: NDArray[np.int64], steps: int, size: int) -> NDArray[np.int64]:
    """Arrange groups (groups, branches) as (S, N): in each mini-batch, the first branch's rows, then the second's."""
    branches = groups.shape[1]
    padded = np.zeros((steps * size, branches), dtype=np.int64)
    padded[: len(groups)] = groups
    return padded.reshape(steps, size, branches).transpose(0, 2, 1).reshape(steps, -1)
