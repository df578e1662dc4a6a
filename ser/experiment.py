"""From settings to a task: the corpus, its frames and the parts of the training, each bound to plain arguments."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ser import cache
from ser.build import build, locate
from ser.config import Settings, extractor
from ser.corpora import Corpus
from ser.corpora.load import load
from ser.errors import UserError

if TYPE_CHECKING:  # torch is imported late: planning and --cfg do without it
    from ser.training.task import Data, Task

RATINGS = ("valence", "activation", "dominance")


@dataclass(frozen=True)
class Subject:
    """What a configuration is trained on: a corpus, the fingerprint of its content, and the folds asked for."""

    corpus: Corpus
    fingerprint: str
    folds: tuple[int, ...]


def subject(settings: Settings) -> Subject:
    """Load the corpus (once a process) and settle the folds.

    Raises:
        UserError: there is no such corpus, its audio is missing, a fold is beyond its sessions, or it does not carry
            what the additional task wants.
    """
    corpus, fingerprint = _corpus(json.dumps(settings.corpus), settings.cache)
    sessions = len(corpus.sessions)
    if sessions < 2:
        raise UserError(f"{corpus.root} has one session only ({corpus.sessions[0]}): nothing is left to train on.")
    folds = settings.folds or tuple(range(1, sessions + 1))
    if folds[-1] > sessions:
        raise UserError(f"fold={folds[-1]}: {corpus.name} has {sessions} sessions, so folds 1 to {sessions}.")
    _check_aux_task(corpus, settings.groups["aux_task"]["name"])
    return Subject(corpus, fingerprint, folds)


def frames(settings: Settings) -> cache.Frames:
    """The corpus' features, extracted on first use (once a process).

    Raises:
        UserError: audio is broken, empty or silent.
    """
    options, feature = (json.dumps(part) for part in (settings.corpus, settings.groups["feature"]))
    return _frames(options, feature, settings.cache)


def make_task(settings: Settings, corpus: Corpus, device: str, checkpoints: Path | None) -> Task:
    """Everything a replica of these settings needs besides its seed and fold."""
    from ser.losses import Constant, Objective
    from ser.pairs import Singles
    from ser.training.task import Task

    groups = settings.groups
    baseline = groups["loss"]["name"] == "none"
    return Task(
        data=_data(settings, corpus),
        model=network_of(settings),
        segment_frames=settings.segment_frames,
        tail=groups["length"]["tail"],
        train_on=groups["length"]["train"],
        normalisation=groups["feature"]["normalisation"],
        validation=build(groups["validation"]),
        loader=Singles() if baseline else build(groups["loader"]),
        objective=Objective(
            contrast=None if baseline else build(groups["loss"]),
            position=None if baseline else build(groups["position"]),
            aux_weight=groups["aux_task"]["weight"],
        ),
        schedule=Constant(0.0) if baseline else build(groups["lambda"]),
        recipe=build(groups["trainer"]),
        device=device,
        save=settings.save,
        checkpoints=checkpoints,
    )


def network_of(settings: Settings) -> Callable[..., Any]:
    """What builds the network, from ``frames``, ``features`` and ``classes``."""
    model = settings.groups["model"]
    keys = {key: value for key, value in model.items() if key not in ("name", "_target_")}
    return partial(locate(model["_target_"]), **keys)


@lru_cache(maxsize=8)
def _corpus(options: str, cache_dir: Path) -> tuple[Corpus, str]:
    corpus = load(json.loads(options))
    return corpus, cache.fingerprint(corpus, cache_dir)


@lru_cache(maxsize=8)
def _frames(options: str, feature: str, cache_dir: Path) -> cache.Frames:
    return cache.frames(_corpus(options, cache_dir)[0], extractor(json.loads(feature)), cache_dir)


def _data(settings: Settings, corpus: Corpus) -> Data:
    from ser.training.task import Data

    packed = frames(settings)
    utterances = corpus.utterances
    aux_labels, aux_classes = _aux_labels(corpus, settings.groups["aux_task"])
    return Data(
        ids=tuple(utterance.id for utterance in utterances),
        sessions=_indices([u.session for u in utterances], corpus.sessions),
        speakers=_indices([u.speaker for u in utterances], sorted({u.speaker for u in utterances})),
        labels=_indices([u.emotion for u in utterances], corpus.classes),
        classes=corpus.classes,
        frames=packed.path.absolute(),
        offsets=packed.offsets,
        aux_labels=aux_labels,
        aux_classes=aux_classes,
    )


def _indices(values: Sequence[str], order: Sequence[str]) -> NDArray[np.int64]:
    position = {value: index for index, value in enumerate(order)}
    return np.array([position[value] for value in values], dtype=np.int64)


def _aux_labels(corpus: Corpus, option: Mapping[str, Any]) -> tuple[NDArray[np.int64] | None, int]:
    """The additional task's labels (-1 where an utterance has none) and its number of classes."""
    if option["name"] == "none":
        return None, 0
    if option["name"] == "gender":
        order = {"female": 0, "male": 1, None: -1}
        return np.array([order[u.gender] for u in corpus.utterances], dtype=np.int64), 2
    ratings = np.array([getattr(u, option["name"]) for u in corpus.utterances], dtype=float)
    return bins(ratings, *option["edges"]), 3


def bins(ratings: NDArray[np.float64], low: float, high: float) -> NDArray[np.int64]:
    """Low (0) up to and including ``low``, high (2) from ``high`` on, else medium (1); -1 for a missing rating (NaN).

    Lian et al. 2018, section 4.2: low [1, 2], medium (2, 4), high [4, 5].
    """
    labels = (ratings > low).astype(np.int64) + (ratings >= high)
    return np.where(np.isnan(ratings), -1, labels)


def _check_aux_task(corpus: Corpus, task: str) -> None:
    if task == "none" or any(getattr(utterance, task, None) is not None for utterance in corpus.utterances):
        return
    others = [name for name in (*RATINGS, "gender") if any(getattr(u, name) is not None for u in corpus.utterances)]
    advice = f"It carries {', '.join(others)}." if others else "Use aux_task=none."
    kind = "ratings of" if task in RATINGS else "the speakers'"
    raise UserError(f"aux_task={task}: the corpus {corpus.name} does not carry {kind} {task}. {advice}")
