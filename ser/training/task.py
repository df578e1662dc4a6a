"""What the replicas of one configuration share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ser import randomness, segments
from ser.folds import Fold, Validation
from ser.losses import Objective
from ser.segments import Segments
from ser.training.recipe import Recipe


@dataclass(frozen=True)
class Data:
    """A corpus as arrays: packed frames on disk and what is known of each utterance.

    ``sessions``, ``speakers`` and ``labels`` are indices from 0, shape (utterances,); ``aux_labels`` likewise, or
    IGNORED where the utterance lacks it; ``frames`` is the file of packed frames and ``offsets`` its borders.
    """

    ids: tuple[str, ...]
    sessions: NDArray[np.int64]
    speakers: NDArray[np.int64]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    frames: Path
    offsets: NDArray[np.int64]
    aux_labels: NDArray[np.int64] | None = None
    aux_classes: int = 0


@dataclass(frozen=True)
class Task:
    """Everything a replica needs besides its seed and fold; small enough to be sent to a worker.

    ``model`` builds the network from ``frames``, ``features`` and ``classes``; ``loader`` groups segments into pairs
    (or singles); ``schedule`` gives lambda by epoch; ``train_on`` and ``tail`` are the length group's choices;
    ``checkpoints`` is the folder for weights, if they are to be kept.
    """

    data: Data
    model: Callable[..., nn.Module]
    segment_frames: int
    tail: str
    train_on: str
    normalisation: str
    validation: Validation
    loader: Any
    objective: Objective
    schedule: Any
    recipe: Recipe
    device: str = "cpu"
    save: str = "none"
    checkpoints: Path | None = None


class Network(nn.Module):
    """A model with, where there is an additional task, one more linear layer on its pos_1 vector."""

    def __init__(self, model: nn.Module, aux_classes: int) -> None:
        super().__init__()
        self.model = model
        self.aux = nn.Linear(int(model.vector_size), aux_classes) if aux_classes else None  # type: ignore[arg-type]

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


class Inputs:
    """Segments as padded, normalised batches: the packed frames, on the device, with a replica's normalisation."""

    def __init__(self, task: Task, parts: Fold) -> None:
        data = task.data
        packed = np.load(data.frames, mmap_mode="c")
        groups, mean, deviation = _normalisation(task, packed, parts)
        self.features = packed.shape[1]
        self._frames = torch.from_numpy(packed).to(task.device)
        self._groups = torch.from_numpy(groups).to(task.device)
        self._mean = torch.from_numpy(mean).to(task.device)
        self._scale = torch.from_numpy(1 / deviation).to(task.device)
        self._steps = torch.arange(task.segment_frames, device=task.device)

    def __call__(self, chosen: Segments) -> tuple[Tensor, Tensor]:
        """The segments' frames (B, T, D), zeros after the end, and their numbers of real frames (B,)."""
        device = self._frames.device
        start, count = torch.from_numpy(chosen.start).to(device), torch.from_numpy(chosen.count).to(device)
        group = self._groups[torch.from_numpy(chosen.utterance).to(device)]
        real = self._steps < count[:, None]  # B, T
        rows = (start[:, None] + self._steps).where(real, start[:, None])
        frames = (self._frames[rows] - self._mean[group, None]) * self._scale[group, None]
        return frames * real[..., None], count


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
        _moments[data.frames] = segments.moments(packed, data.offsets)
    lengths = np.diff(data.offsets)
    if task.normalisation == "fold":
        counted = np.full(utterances, -1)
        counted[parts.train] = 0
        groups = np.zeros(utterances, dtype=np.int64)
    else:
        groups = data.speakers if task.normalisation == "speaker" else np.arange(utterances)
        counted = groups
    return (groups, *segments.normalisation(*_moments[data.frames], lengths, counted))
