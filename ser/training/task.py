"""What the replicas of one configuration share."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ser import randomness, segments
from ser.files import replacing
from ser.folds import Fold, Validation
from ser.losses import Objective
from ser.models.narrow import NarrowLinear
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


def keep(task: Task, seed: int, fold: int, name: str, state: dict[str, Tensor]) -> None:
    """Write weights if the task's ``save`` asks for them: with "best" those of that name, with "all" every epoch's."""
    if task.checkpoints is None or task.save == "none" or (task.save == "best" and name != "best"):
        return
    with replacing(task.checkpoints / f"seed_{seed}_fold_{fold}" / f"{name}.pt") as path:
        torch.save(state, path)


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
