"""What is checked of an experiment's folds before a sweep starts, so that a fold that cannot be trained is refused."""

from collections import Counter
from typing import TYPE_CHECKING

from ser.aux_tasks.task import check_two_classes
from ser.config.build import build
from ser.config.settings import Settings
from ser.config.signature import digest
from ser.corpora.table import Corpus, missing_in_folds
from ser.data.folds import Columns, Fold, missing_classes, split
from ser.data.randomness import generator
from ser.errors import UserError

if TYPE_CHECKING:
    from ser.data.experiment import Experiment

_passed: set[tuple[str, int, int]] = set()
"""What was checked in this process: a digest of all that decides the parts, seed and fold. Points share most of it."""


def folds_of(settings: Settings, corpus: Corpus) -> tuple[int, ...]:
    """The folds to train, from 1.

    Raises:
        UserError: a fold is beyond the corpus' sessions, or a fold's sessions lack a class.
    """
    sessions = len(corpus.sessions)
    if sessions < 2:
        raise UserError(f"{corpus.root} has one session only ({corpus.sessions[0]}): nothing is left to train on.")
    folds = settings.folds or tuple(range(1, sessions + 1))
    if folds[-1] > sessions:
        names = f" They test the sessions {', '.join(corpus.sessions)}." if corpus.other_sessions else ""
        raise UserError(f"fold={folds[-1]}: {corpus.name} has {sessions} sessions, so folds 1 to {sessions}.{names}")
    lacking = missing_in_folds(corpus, folds)
    if lacking:
        counts = Counter(utterance.emotion for utterance in corpus.utterances)
        raise UserError(
            f"{corpus.root}: {', '.join(lacking[:5])}{' ...' * (len(lacking) > 5)}. UWA needs every class in training "
            f"and in the test session of a fold ({', '.join(f'{n} x {name}' for name, n in counts.items())}). Merge "
            "sessions, or leave the class out (corpus.labels)."
        )
    return folds


def check_parts(experiment: "Experiment") -> None:
    """Divide the utterances of every training as it will be done, and check what its training part has.

    Raises:
        UserError: a fold has no training or no validation part, or its training part lacks a class or has fewer than
            two classes of the additional task.
    """
    settings = experiment.settings
    options = [settings.validation.plain, settings.aux_task.plain, settings.sources]
    key = digest([experiment.fingerprint, *options])
    new = [(seed, fold) for seed, fold, _ in experiment.replicas() if (key, seed, fold) not in _passed]
    if new:
        columns = Columns.of(experiment.corpus)
        scheme = build(settings.validation)
        for seed, fold in new:
            rng = generator(seed, fold, "validation")
            parts = split(
                columns.sessions, columns.labels, fold, scheme, rng,
                speakers=columns.speakers, copies=experiment.copies,
            )  # fmt: skip
            _check_training_part(experiment, parts, columns, seed, fold)
            _passed.add((key, seed, fold))


def _check_training_part(experiment: "Experiment", parts: Fold, columns: Columns, seed: int, fold: int) -> None:
    settings, corpus = experiment.settings, experiment.corpus
    missing = missing_classes(parts, columns.labels, corpus.classes)
    if missing:
        raise UserError(
            f"validation={settings.validation.name}: fold {fold} (seed {seed}) lacks {' and '.join(missing)}, because "
            "of what the validation part takes. Choose another validation, or a smaller validation.fraction."
        )
    if experiment.aux_labels is not None:
        where = f"the training part of fold {fold} (seed {seed})"
        used = [corpus.utterances[index] for index in parts.train]
        task = build(settings.aux_task)
        check_two_classes(task, used, experiment.aux_labels[parts.train], settings.aux_task.name, where)
