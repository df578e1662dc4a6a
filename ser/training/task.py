"""What the replicas of one configuration share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ser.config.build import build, constructor
from ser.data.experiment import Experiment
from ser.data.loaders import Singles
from ser.data.validation import Validation
from ser.losses.objective import Objective
from ser.losses.schedules import Constant
from ser.training.trainer import Recipe


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


def make_task(experiment: Experiment, device: str, checkpoints: Path | None) -> Task:
    """Everything that a replica of an experiment needs besides its seed and fold.

    Raises:
        UserError: a class that the configuration names cannot be imported, or refuses an argument.
    """
    settings, baseline = experiment.settings, experiment.settings.baseline
    return Task(
        data=_data(experiment),
        model=constructor(settings.model),
        segment_frames=settings.segment_frames,
        tail=settings.length.tail,
        train_on=settings.length.train,
        normalisation=settings.feature.normalisation,
        validation=build(settings.validation),
        loader=Singles() if baseline else build(settings.loader),
        objective=Objective(
            contrast=None if baseline else build(settings.loss),
            position=None if baseline else build(settings.position),
            aux_weight=settings.aux_task.weight,
        ),
        schedule=Constant(0.0) if baseline else build(settings.lambda_),
        recipe=build(settings.trainer),
        device=device,
        save=settings.save,
        checkpoints=checkpoints,
    )


def _data(experiment: Experiment) -> Data:
    packed, corpus = experiment.frames(), experiment.corpus
    utterances = corpus.utterances
    return Data(
        ids=tuple(utterance.id for utterance in utterances),
        sessions=_indices([u.session for u in utterances], corpus.sessions),
        speakers=_indices([u.speaker for u in utterances], sorted({u.speaker for u in utterances})),
        labels=_indices([u.emotion for u in utterances], corpus.classes),
        classes=corpus.classes,
        frames=packed.path.absolute(),
        offsets=packed.offsets,
        aux_labels=experiment.aux_labels,
        aux_classes=experiment.aux_classes,
    )


def _indices(values: Sequence[str], order: Sequence[str]) -> NDArray[np.int64]:
    position = {value: index for index, value in enumerate(order)}
    return np.array([position[value] for value in values], dtype=np.int64)
