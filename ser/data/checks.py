"""What is checked of an experiment's folds before a sweep starts, so that a fold that cannot be trained is refused."""

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from ser.aux_tasks.task import check_two_classes
from ser.config.build import build
from ser.config.settings import Settings
from ser.config.signature import digest
from ser.corpora.speakers import needs_speakers
from ser.corpora.table import Corpus, missing_in_folds
from ser.data.folds import Fold, missing_classes, replica_parts
from ser.errors import UserError

if TYPE_CHECKING:
    from ser.data.experiment import Experiment

_FEWEST = 2  # utterances of a class, of which a pair is made

_passed: set[tuple[str, int, int]] = set()
"""What was checked in this process: a digest of all that decides the parts, seed and fold. Points share most of it."""


def folds_of(settings: Settings, corpus: Corpus) -> tuple[int, ...]:
    """The folds to train, from 1.

    Raises:
        UserError: a fold is beyond the corpus' sessions, or a fold's sessions lack a class.
    """
    sessions = len(corpus.sessions)
    if sessions < 2:
        raise UserError(
            f"{corpus.root} has one {corpus.part} only ({corpus.sessions[0]}): nothing is left to train on."
        )
    folds = settings.folds or tuple(range(1, len(corpus.tested) + 1))
    if folds[-1] > len(corpus.tested):
        names = f" They test the sessions {', '.join(corpus.sessions)}." if corpus.other_sessions else ""
        there = f"{sessions} sessions, so folds 1 to {sessions}.{names}"
        there = "an official split, so fold 1 alone, which tests on test." if corpus.official_split else there
        raise UserError(f"fold={folds[-1]}: {corpus.name} has {there}")
    lacking = missing_in_folds(corpus, folds)
    if lacking:
        counts = Counter(utterance.emotion for utterance in corpus.utterances)
        advice = "Leave" if corpus.official_split else "Merge sessions, or leave"
        raise UserError(
            f"{corpus.root}: {', '.join(lacking[:5])}{' ...' * (len(lacking) > 5)}. UWA needs every class in training "
            f"and in the test {corpus.part} of a fold ({', '.join(f'{n} x {name}' for name, n in counts.items())}). "
            f"{advice} the class out (corpus.labels)."
        )
    return folds


def check_needed_speakers(settings: Settings, corpus: Corpus) -> None:
    """Check that the speakers are known where the configuration needs them.

    Raises:
        UserError: they are not.
    """
    if settings.feature.normalisation == "speaker":
        what = "feature.normalisation=speaker takes mean and deviation over a speaker's recordings"
        needs_speakers(corpus, what, "another normalisation, such as fold")
    if getattr(build(settings.validation), "by_speaker", False):
        what = f"validation={settings.validation.name} holds whole speakers out of the training part"
        needs_speakers(corpus, what, "another validation, such as stratified")


def parts_of(experiment: "Experiment", seed: int, fold: int) -> Fold:
    """The parts of a replica, as it will train them.

    Raises:
        UserError: a fold has no training or no validation part, or its training part lacks a class, or has fewer than
            two utterances of a class because of ``validation.train_fraction``.
    """
    validation = experiment.settings.validation
    parts = replica_parts(
        experiment.columns, experiment.copies, build(validation), validation.train_fraction, seed, fold
    )
    _check_classes(experiment, parts, seed, fold)
    if validation.train_fraction < 1:
        _check_share(experiment, parts, fold)
    return parts


def check_parts(experiment: "Experiment") -> None:
    """Divide the utterances of every training as it will be done, and check what its training part has.

    Raises:
        UserError: ``parts_of`` refuses it, or a training part has fewer than two classes of the additional task.
    """
    settings = experiment.settings
    options = [settings.validation.plain, settings.aux_task.plain, settings.sources]
    key = digest([experiment.fingerprint, *options])
    for seed, fold, _ in experiment.replicas():
        if (key, seed, fold) not in _passed:
            _check_aux_task(experiment, parts_of(experiment, seed, fold), seed, fold)
            _passed.add((key, seed, fold))


def _check_classes(experiment: "Experiment", parts: Fold, seed: int, fold: int) -> None:
    settings = experiment.settings
    missing = missing_classes(parts, experiment.columns.labels, experiment.corpus.classes)
    if missing:
        raise UserError(
            f"validation={settings.validation.name}: fold {fold} (seed {seed}) lacks {' and '.join(missing)}, because "
            "of what the validation part takes. Choose another validation, or a smaller validation.fraction."
        )


def _check_share(experiment: "Experiment", parts: Fold, fold: int) -> None:
    """Check how many utterances of each class are left of the training part when a share of it was drawn."""
    labels = experiment.columns.labels
    before = np.delete(labels, np.concatenate([parts.validation, parts.test]))
    for label, name in enumerate(experiment.corpus.classes):
        left = int((labels[parts.train] == label).sum())
        if left < _FEWEST:
            count = int((before == label).sum())
            enough = min(1.0, math.ceil(100 * (_FEWEST - 0.5) / count) / 100)
            raise UserError(
                f"validation.train_fraction={experiment.settings.validation.train_fraction:g} leaves {left} of the "
                f"{count} training utterances of {name!r} in fold {fold}, but a class needs {_FEWEST} to make a pair. "
                f"Raise it to {enough:g} or more."
            )


def _check_aux_task(experiment: "Experiment", parts: Fold, seed: int, fold: int) -> None:
    settings, corpus = experiment.settings, experiment.corpus
    if experiment.aux_labels is not None:
        where = f"the training part of fold {fold} (seed {seed})"
        used = [corpus.utterances[index] for index in parts.train]
        task = build(settings.aux_task)
        check_two_classes(task, used, experiment.aux_labels[parts.train], settings.aux_task.name, where)
