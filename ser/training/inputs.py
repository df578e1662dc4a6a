"""A replica's inputs: segments of the packed frames as padded batches, normalised by its own fold."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ser.data import segments
from ser.data.folds import Fold
from ser.data.segments import Segments
from ser.training.task import Task


class Normalisation(NamedTuple):
    """What brings frames to the network's scale: each utterance's group (U,), and the groups' mean and scale (G, D)."""

    group: Tensor
    mean: Tensor
    scale: Tensor


def windows(
    frames: Tensor, normalisation: Normalisation, start: Tensor, count: Tensor, utterance: Tensor, length: int
) -> Tensor:
    """Windows of the packed frames as a padded, normalised batch (B, T, D), zeros after each one's end.

    Args:
        frames: packed frames of all utterances, shape (frames, D).
        normalisation: the replica's.
        start, count, utterance: of each window, as in ``Segments``, shape (B,).
        length: T.
    """
    group = normalisation.group[utterance]
    steps = torch.arange(length, device=frames.device)
    real = steps < count[:, None]  # B, T
    rows = (start[:, None] + steps).where(real, start[:, None])
    values = (frames[rows] - normalisation.mean[group, None]) * normalisation.scale[group, None]
    return values * real[..., None]


class Inputs:
    """Segments as padded, normalised batches: the packed frames, on the device, with a replica's normalisation."""

    def __init__(self, task: Task, parts: Fold) -> None:
        self.frames = packed_frames(task.data.frames, task.device)
        self.features = self.frames.shape[1]
        packed = np.load(task.data.frames, mmap_mode="r")
        groups, mean, deviation = _normalisation(task, packed, parts)
        tensors = (torch.from_numpy(array).to(task.device) for array in (groups, mean, 1 / deviation))
        self.normalisation = Normalisation(*tensors)
        self._length = task.segment_frames

    def __call__(self, chosen: Segments) -> tuple[Tensor, Tensor]:
        """The segments' frames (B, T, D), zeros after the end, and their numbers of real frames (B,)."""
        arrays = (chosen.start, chosen.count, chosen.utterance)
        start, count, utterance = (torch.from_numpy(array).to(self.frames.device) for array in arrays)
        return windows(self.frames, self.normalisation, start, count, utterance, self._length), count


@lru_cache(maxsize=1)
def packed_frames(path: Path, device: str) -> Tensor:
    """A corpus' frames on the device, once for all replicas (on the CPU memory-mapped)."""
    return torch.from_numpy(np.load(path, mmap_mode="c")).to(device)


_moments: dict[Path, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}


def _normalisation(task: Task, packed: NDArray, parts: Fold) -> tuple[NDArray, NDArray, NDArray]:
    """Each utterance's group (U,) and the groups' mean and deviation (G, D), by the ``normalisation`` asked for."""
    data = task.data
    utterances = len(data.ids)
    if task.normalisation == "none":
        zeros = np.zeros((1, packed.shape[1]), dtype=np.float32)
        return np.zeros(utterances, dtype=np.int64), zeros, zeros + 1
    if data.frames not in _moments:
        _moments.clear()
        _moments[data.frames] = segments.frame_sums(packed, data.offsets)
    lengths = np.diff(data.offsets)
    if task.normalisation == "fold":
        counted = np.full(utterances, -1)
        counted[parts.train] = 0
        groups = np.zeros(utterances, dtype=np.int64)
    else:
        groups = data.speakers if task.normalisation == "speaker" else np.arange(utterances)
        counted = groups
    return (groups, *segments.normalisation(*_moments[data.frames], lengths, counted))
