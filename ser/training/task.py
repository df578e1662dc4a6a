"""The task: what the replicas of one configuration share."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ser.config.build import build, constructor
from ser.data.experiment import Experiment
from ser.data.loaders import Singles
from ser.data.validation import Validation
from ser.losses.objective import Objective, make_objective
from ser.losses.schedules import Constant
from ser.training.checkpoints import Checkpoints
from ser.training.trainer import Recipe
from ser.training.weights import Saving


@dataclass(frozen=True)
class Data:
    """A corpus as arrays.

    Attributes:
        ids: name of each utterance.
        sessions: session of each utterance, as an index from 0, shape (utterances,).
        speakers: speaker of each utterance, as an index from 0, shape (utterances,).
        labels: class of each utterance, as an index into ``classes``, shape (utterances,).
        classes: names of the classes.
        frames: the file (.npy) with the frames of all utterances, one after another, shape (frames, features).
        offsets: utterance i has the frames offsets[i] to offsets[i + 1], shape (utterances + 1,).
        aux_labels: class of each utterance in the additional task, or IGNORED where it is unknown, shape (utterances,);
            None without an additional task.
        aux_classes: number of classes of the additional task; 0 without one.
        copies: for each utterance the index of the first one of its speaker with the same audio, shape (utterances,);
            None: there are no copies.
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
    copies: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Task:
    """Everything a replica needs besides its seed and fold; small enough to send to a worker process.

    Attributes:
        data: the corpus.
        model: called with ``frames``, ``features`` and ``classes``, makes a model (see ``ser.models``).
        segment_frames: T, frames of a segment.
        tail: what happens to the last, shorter segment of an utterance, see ``ser.data.segments.cut``.
        train_on: the segments trained on: "all"; "first" of each utterance; or "crop", one at a random position in each
            utterance, drawn anew in each epoch.
        normalisation: which frames give mean and standard deviation: "fold" (those of the training part), "speaker",
            "utterance" or "none".
        validation: selects the validation part of a fold.
        loader: makes pairs of segments (``Singles`` for the baseline: single segments).
        objective: makes a replica's total loss, given the dimensions of its network's pos_1 vector.
        schedule: lambda of equation (1) by epoch.
        recipe: the optimiser, its learning rate schedule and its stopping rule.
        device: PyTorch's device.
        saving: which weights are kept, and where; None: none.
        train_fraction: share of the training part that is used, of every class.
        checkpoints: where and how often the states of trainings are kept while they last; None: never.
        layers: how many layers a frame holds, of which the network learns a mixture (``ser.models.mixture``).
        augment: called with the number of real frames of each training segment and ``rng``, a generator, draws what is
            hidden of it in an epoch (``ser.data.augment``); None: nothing.
    """

    data: Data
    model: Callable[..., nn.Module]
    segment_frames: int
    tail: str
    train_on: str
    normalisation: str
    validation: Validation
    loader: Any
    objective: Callable[[int], Objective]
    schedule: Any
    recipe: Recipe
    device: str = "cpu"
    saving: Saving | None = None
    train_fraction: float = 1.0
    checkpoints: Checkpoints | None = None
    layers: int = 1
    augment: Callable[..., NDArray[np.int64]] | None = None


def make_task(
    experiment: Experiment, device: str, saving: Saving | None = None, checkpoints: Checkpoints | None = None
) -> Task:
    """Make the task of an experiment; components are built from the options' ``_target_``.

    Args:
        experiment: the experiment.
        device: PyTorch's device, such as "cpu" or "cuda".
        saving: which weights are kept, and where; None: none.
        checkpoints: where and how often the states of trainings are kept while they last; None: never.

    Raises:
        UserError: a class that the configuration names cannot be imported, or refuses an argument.
    """
    settings, baseline, data = experiment.settings, experiment.settings.baseline, _data(experiment)
    feature = build(settings.feature)
    augment = None if settings.augment.name == "none" else build(settings.augment)
    loss, position = (None, None) if baseline else (settings.loss, build(settings.position))
    return Task(
        data=data,
        model=constructor(settings.model),
        segment_frames=settings.segment_frames,
        tail=settings.length.tail,
        train_on=settings.length.train,
        normalisation=settings.feature.normalisation,
        validation=build(settings.validation),
        loader=Singles() if baseline else build(settings.loader),
        objective=partial(make_objective, loss, position, settings.aux_task.weight, len(data.classes)),
        schedule=Constant(0.0) if baseline else build(settings.lambda_),
        recipe=build(settings.trainer),
        device=device,
        saving=saving,
        train_fraction=settings.validation.train_fraction,
        checkpoints=checkpoints,
        layers=feature.layers,
        augment=augment and partial(augment, values=feature.dimensions // feature.layers),
    )


def _data(experiment: Experiment) -> Data:
    packed, corpus, columns = experiment.frames(), experiment.corpus, experiment.columns
    return Data(
        ids=tuple(utterance.id for utterance in corpus.utterances),
        sessions=columns.sessions,
        speakers=columns.speakers,
        labels=columns.labels,
        classes=corpus.classes,
        frames=packed.path.absolute(),
        offsets=packed.offsets,
        aux_labels=experiment.aux_labels,
        aux_classes=experiment.aux_classes,
        copies=experiment.copies,
    )
