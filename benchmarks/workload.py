"""What is trained in the measurements: a task with the paper's number of utterances and their durations, and noise.

The turns are those that the paper-size synthetic corpus plans (2943 usable ones, durations like IEMOCAP's), without
their sound: frames of Gaussian noise, because time does not depend on what frames hold, only on how many are real.
"""

import math
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ser.corpora.iemocap import LABELS
from ser.corpora.synthetic.script import Turn, plan
from ser.corpora.table import CLASSES
from ser.data.loaders import Loader1, batches
from ser.data.segments import Segments
from ser.data.validation import Stratified
from ser.losses.cos import Cosine
from ser.losses.objective import Objective
from ser.losses.position import Position
from ser.losses.schedules import Constant
from ser.models.cnn import CNN
from ser.training.sampling import Sampling
from ser.training.task import Data, Task
from ser.training.trainer import Recipe

FRAMES_A_SECOND = 100
PAIRS = 32
FOLDS = 5


@lru_cache(maxsize=1)
def turns() -> tuple[Turn, ...]:
    """The usable improvised turns of the paper-size synthetic corpus."""
    return tuple(turn for turn in plan("paper", 0) if "_impro" in turn.id and LABELS.get(turn.label))


def frame_counts() -> NDArray[np.int64]:
    """The number of frames of each turn."""
    return np.array([1 + round((turn.end - turn.start) * FRAMES_A_SECOND) for turn in turns()])


def task(folder: Path, seconds: float, features: int = 13) -> Task:
    """The paper's training with segments of that length, on noise; its frames are made once in ``folder``."""
    path = folder / f"noise-{features}.npy"
    if not path.exists():
        rng = np.random.default_rng(0)
        np.save(path, rng.standard_normal((int(frame_counts().sum()), features), dtype=np.float32))
    return task_on(data(path), round(seconds * FRAMES_A_SECOND))


def data(frames: Path) -> Data:
    """The turns as arrays, with their frames in that file."""
    labels = [CLASSES.index(str(LABELS[turn.label])) for turn in turns()]
    sessions = np.array([int(turn.session) - 1 for turn in turns()])
    return Data(
        ids=tuple(turn.id for turn in turns()),
        sessions=sessions,
        speakers=2 * sessions + [turn.gender == "M" for turn in turns()],
        labels=np.array(labels),
        classes=CLASSES,
        frames=frames,
        offsets=np.concatenate([[0], np.cumsum(frame_counts())]),
    )


def task_on(data: Data, segment_frames: int, device: str = "cpu", max_epochs: int = 1) -> Task:
    """The defaults of ``conf/``: the paper's network and Adam, loss=cos at pos_1, lambda 0.6, loader_1."""
    return Task(
        data=data,
        model=partial(CNN, channels=100, kernels=(13, 7), pool=30, stride=3),
        segment_frames=segment_frames,
        tail="pad",
        train_on="all",
        normalisation="fold",
        validation=Stratified(0.2),
        loader=Loader1(),
        objective=_objective,
        schedule=Constant(0.6),
        recipe=Recipe(PAIRS, 1e-4, 1e-6, 0.5, 0, "validation", max_epochs, "joint", "float32"),
        device=device,
    )


def _objective(dimensions: int) -> Objective:
    return Objective.of(Cosine(0.1), Position("features"), 0.0)


def training_batches(task: Task, fold: int = 1) -> list[NDArray[np.int64]]:
    """The pairs of training segments of a fold's first epoch (seed 0), batch by batch."""
    _, pairs = Sampling(task, 0, fold).begin(1)
    return batches(pairs, task.recipe.batch_size)


def numbers(task: Task) -> dict[str, float]:
    """Mean number of batches of a replica's training, validation and test; the share of real frames in training."""
    samplings = [Sampling(task, 0, fold) for fold in range(1, FOLDS + 1)]
    found = {"real": float(np.mean([_real(sampling.training) for sampling in samplings]))}
    for part in ("training", "validation", "test"):
        sizes = [math.ceil(len(getattr(sampling, part)) / (2 * task.recipe.batch_size)) for sampling in samplings]
        found[part] = float(np.mean(sizes))
    return found


def _real(segments: Segments) -> float:
    return segments.count.sum() / (len(segments) * segments.frames)
