"""A replica's inputs: segments cut from the packed frames, normalised and zero-padded.

B: segments, T: frames of a segment, D: features of a frame, U: utterances, G: groups that share mean and scale.
"""

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
from ser.kernels.compiled import applies
from ser.kernels.gathering import gather
from ser.training.task import Task


class Normalisation(NamedTuple):
    """Mean and standard deviation normalisation: (frame - mean) * scale, by the group of the frame's utterance.

    Attributes:
        group: group of each utterance, shape (U,).
        mean: mean of each group's frames, shape (G, D).
        scale: 1 / standard deviation of each group's frames, shape (G, D).
    """

    group: Tensor
    mean: Tensor
    scale: Tensor


def windows(
    frames: Tensor, normalisation: Normalisation, start: Tensor, count: Tensor, utterance: Tensor, length: int
) -> Tensor:
    """Gather segments from the packed frames, normalise them, and pad them with zeros.

    Args:
        frames: the frames of all utterances, one after another, shape (frames, D).
        normalisation: of the replica.
        start: first frame of each segment, as an index into ``frames``, shape (B,).
        count: number of real frames of each segment, shape (B,).
        utterance: utterance of each segment, as an index from 0, shape (B,).
        length: T.

    Returns:
        Shape (B, T, D), zero after the real frames.
    """
    group = normalisation.group[utterance]
    if applies(frames):
        return gather(frames, normalisation.mean, normalisation.scale, group, start, count, length)
    steps = torch.arange(length, device=frames.device)
    real = steps < count[:, None]  # B, T
    rows = (start[:, None] + steps).where(real, start[:, None])
    values = (frames[rows] - normalisation.mean[group, None]) * normalisation.scale[group, None]
    return values * real[..., None]


def without_hidden(segments: Tensor, boxes: Tensor, layers: int) -> Tensor:
    """Set to 0 what an augmentation hides.

    Args:
        segments: shape (B, T, D).
        boxes: what is hidden, see ``ser.data.augment``, shape (B, boxes, 4).
        layers: layers side by side in a frame, in each of which the same values are hidden.

    Returns:
        Shape (B, T, D).
    """
    frame = torch.arange(segments.shape[1], device=segments.device)
    value = torch.arange(segments.shape[2], device=segments.device) % (segments.shape[2] // layers)
    for first, end, lowest, highest in (box.unsqueeze(-1).unbind(1) for box in boxes.unbind(1)):
        in_time = (frame >= first) & (frame < end)  # B, T
        in_values = (value >= lowest) & (value < highest)  # B, D
        segments = segments.masked_fill(in_time[:, :, None] & in_values[:, None], 0.0)
    return segments


class Inputs:
    """Makes mini-batches of segments.

    Args:
        frames: the packed frames on the device, shape (frames, D).
        normalisation: mean and scale of the frames, on the same device.
        length: T.
        layers: layers side by side in a frame.

    Attributes:
        frames, normalisation: as given.
        features: D.
    """

    def __init__(self, frames: Tensor, normalisation: Normalisation, length: int, layers: int = 1) -> None:
        self.frames, self.normalisation, self._length, self._layers = frames, normalisation, length, layers
        self.features = frames.shape[1]

    @classmethod
    def of(cls, task: Task, parts: Fold) -> "Inputs":
        """The inputs of one replica.

        Args:
            task: the task.
            parts: the replica's training, validation and test utterances.
        """
        packed = np.load(task.data.frames, mmap_mode="r")
        groups, mean, deviation = _normalisation(task, packed, parts)
        tensors = (torch.from_numpy(array).to(task.device) for array in (groups, mean, 1 / deviation))
        frames = packed_frames(task.data.frames, task.device)
        return cls(frames, Normalisation(*tensors), task.segment_frames, task.layers)

    def __call__(self, chosen: Segments) -> tuple[Tensor, Tensor]:
        """Return the segments' frames, zero where padded or hidden (B, T, D), and their numbers of real frames (B,)."""
        arrays = (chosen.start, chosen.count, chosen.utterance)
        start, count, utterance = (torch.from_numpy(array).to(self.frames.device) for array in arrays)
        values = windows(self.frames, self.normalisation, start, count, utterance, self._length)
        if chosen.hidden is not None:
            values = without_hidden(values, torch.from_numpy(chosen.hidden).to(values.device), self._layers)
        return values, count


@lru_cache(maxsize=1)
def packed_frames(path: Path, device: str) -> Tensor:
    """Load packed frames to the device, or map them into memory on the CPU; replicas of a corpus share them.

    Args:
        path: the file of packed frames (.npy).
        device: PyTorch's device.

    Returns:
        Shape (frames, D).
    """
    return torch.from_numpy(np.load(path, mmap_mode="c")).to(device)


_frame_sums: dict[Path, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
"""The result of ``segments.frame_sums`` for the file of packed frames that was used last."""


def _normalisation(task: Task, packed: NDArray, parts: Fold) -> tuple[NDArray, NDArray, NDArray]:
    """Return each utterance's group (U,), and mean and standard deviation of each group's frames (G, D).

    With ``normalisation=fold`` all utterances are one group, whose statistics come from the training part only.
    """
    data = task.data
    utterances = len(data.ids)
    if task.normalisation == "none":
        zeros = np.zeros((1, packed.shape[1]), dtype=np.float32)
        return np.zeros(utterances, dtype=np.int64), zeros, zeros + 1
    if data.frames not in _frame_sums:
        _frame_sums.clear()
        _frame_sums[data.frames] = segments.frame_sums(packed, data.offsets)
    lengths = np.diff(data.offsets)
    if task.normalisation == "fold":
        measured_group = np.full(utterances, -1)  # -1: does not enter the statistics
        measured_group[parts.train] = 0
        groups = np.zeros(utterances, dtype=np.int64)
    else:
        groups = data.speakers if task.normalisation == "speaker" else np.arange(utterances)
        measured_group = groups
    return (groups, *segments.normalisation(*_frame_sums[data.frames], lengths, measured_group))
