"""An epoch's batches of R replicas as tables on the device, padded to one shape.

R: replicas, S: steps (batches) of the epoch, B: groups (pairs, or singles) of a batch, N: its rows (branches * B).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ser.data.segments import Segments

Groups = tuple[Segments, NDArray[np.int64], int]
"""A replica's segments, groups of them (n, branches), and how many of these, from the first on, are real."""


@dataclass(frozen=True)
class Batch:
    """One step of R replicas.

    ``windows``: start, count and utterance of every row, each (R, N), and, if some group is no real one, ``real``
    (R, B). ``number``: real groups of each replica (R,). ``active``: which have any (R,); None: all of them.
    """

    windows: dict[str, Tensor]
    number: Tensor
    active: Tensor | None


class Batches:
    """The batches of ``size`` groups of each replica, as ``ser.data.loaders.batches`` cuts them. Padding is row 0.

    ``rows``: each row's position in its replica's segments (S, R, N). ``totals``: real groups of each replica (R,).
    """

    def __init__(self, groups: Sequence[Groups], size: int, device: str) -> None:
        self._steps = max(1, *(-(-len(each) // size) for _, each, _ in groups))
        tables = [_table(each, self._steps, size) for _, each, _ in groups]
        self.rows = np.stack(tables, axis=1)
        self.totals = np.array([real for *_, real in groups])
        places = np.arange(self._steps * size).reshape(self._steps, 1, size)
        self._real = places < self.totals[:, None]  # S, R, B
        windows = {name: self._looked_up(groups, name) for name in ("start", "count", "utterance")}
        self._windows = {name: torch.from_numpy(table).to(device) for name, table in windows.items()}
        self._mask = torch.from_numpy(self._real).to(device)
        self._number = self._mask.sum(dim=2)

    def _looked_up(self, groups: Sequence[Groups], name: str) -> NDArray[np.int64]:
        return np.stack(
            [getattr(segments, name)[self.rows[:, index]] for index, (segments, *_) in enumerate(groups)], axis=1
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


def _table(groups: NDArray[np.int64], steps: int, size: int) -> NDArray[np.int64]:
    """Groups (n, branches) -> (S, N): of each batch the first branch's rows, then the second's."""
    branches = groups.shape[1]
    filled = np.zeros((steps * size, branches), dtype=np.int64)
    filled[: len(groups)] = groups
    return filled.reshape(steps, size, branches).transpose(0, 2, 1).reshape(steps, -1)
