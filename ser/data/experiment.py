"""An experiment: a configuration on a corpus, which is everything that says what is trained."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser.aux_tasks.task import labels_of
from ser.config import signature, words
from ser.config.build import build
from ser.config.settings import Settings
from ser.corpora.duplicates import check_duplicates
from ser.corpora.load import load
from ser.corpora.table import Corpus, missing_in_folds
from ser.data import cache
from ser.data.replicas import Replica, replicas
from ser.errors import UserError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Experiment:
    """One job's configuration on its corpus.

    Attributes:
        settings: the configuration, checked and canonical.
        overrides: what the user typed for it.
        corpus: the utterances.
        fingerprint: the hash of the corpus' content.
        folds: the folds to train, from 1.
        aux_labels: each utterance's class in the additional task, or IGNORED, shape (utterances,); None without one.
        aux_classes: the number of the additional task's classes; 0 without one.
    """

    settings: Settings
    overrides: tuple[str, ...]
    corpus: Corpus
    fingerprint: str
    folds: tuple[int, ...]
    aux_labels: NDArray[np.int64] | None
    aux_classes: int

    @cached_property
    def configuration(self) -> str:
        """The signature of the configuration on this corpus."""
        return signature.configuration(self.settings.groups, self.fingerprint, self.settings.sources)

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The configuration in the words that users type."""
        return parameters_of(self.settings)

    @property
    def name(self) -> str:
        """A short name for people."""
        return words.run_name(self.parameters, self.overrides)

    def replicas(self, seed: int | None = None) -> list[Replica]:
        """Every training of this experiment; with ``seed`` that seed's only."""
        seeds = self.settings.seeds if seed is None else (seed,)
        return replicas(self.configuration, seeds, self.folds)

    def frames(self) -> cache.Frames:
        """The corpus' features, extracted on first use.

        Raises:
            UserError: audio is broken, empty or silent.
        """
        settings = self.settings
        key = signature.digest([settings.corpus, settings.feature.plain, settings.sources, str(settings.cache)])
        if key not in _frames:
            _frames[key] = cache.frames(
                self.corpus, build(settings.feature), settings.cache, settings.sources.get("feature")
            )
        return _frames[key]


def make_experiment(settings: Settings, overrides: Sequence[str] = ()) -> Experiment:
    """Load the corpus (once a process), settle the folds and label the additional task.

    Raises:
        UserError: there is no such corpus, its audio is missing, a fold is beyond its sessions, or it does not carry
            what the additional task needs.
    """
    corpus, fingerprint = _load(settings.corpus, settings.cache)
    folds = _folds(settings, corpus)
    aux_labels, aux_classes = None, 0
    if settings.aux_task.name != "none":
        task = build(settings.aux_task)
        aux_labels, aux_classes = labels_of(task, corpus, settings.aux_task.name), task.classes
    return Experiment(settings, tuple(overrides), corpus, fingerprint, folds, aux_labels, aux_classes)


def parameters_of(settings: Settings) -> dict[str, str]:
    """A configuration in the words that users type; its corpus by its own name if this process could read it."""
    known = _corpora.get(_key(settings.corpus, settings.cache))
    name = {"corpus": known[0].name} if known else {}
    return {**words.parameters(settings.corpus, settings.groups), **name}


def _folds(settings: Settings, corpus: Corpus) -> tuple[int, ...]:
    sessions = len(corpus.sessions)
    if sessions < 2:
        raise UserError(f"{corpus.root} has one session only ({corpus.sessions[0]}): nothing is left to train on.")
    folds = settings.folds or tuple(range(1, sessions + 1))
    if folds[-1] > sessions:
        raise UserError(f"fold={folds[-1]}: {corpus.name} has {sessions} sessions, so folds 1 to {sessions}.")
    lacking = [phrase for phrase in missing_in_folds(corpus) if phrase.startswith(tuple(f"fold {k}:" for k in folds))]
    if lacking:
        counts = Counter(utterance.emotion for utterance in corpus.utterances)
        raise UserError(
            f"{corpus.root}: {', '.join(lacking[:5])}{' ...' * (len(lacking) > 5)}. UWA needs every class in training "
            f"and in the test session of a fold ({', '.join(f'{n} x {name}' for name, n in counts.items())}). Merge "
            "sessions, or leave the class out (corpus.labels)."
        )
    return folds


def _key(options: dict[str, Any], cache_dir: Path) -> str:
    return signature.digest([options, str(cache_dir)])


_corpora: dict[str, tuple[Corpus, str]] = {}
_frames: dict[str, cache.Frames] = {}


def _load(options: dict[str, Any], cache_dir: Path) -> tuple[Corpus, str]:
    """A corpus and the fingerprint of its content."""
    key = _key(options, cache_dir)
    if key not in _corpora:
        corpus = load(options)
        copies = check_duplicates(corpus, cache.audio_hashes(corpus, cache_dir), corpus.keep_duplicates)
        if copies:
            _log.warning(
                "%s: %d utterances repeat the recording of another one of the same speaker.", corpus.root, copies
            )
        _corpora[key] = corpus, cache.fingerprint(corpus, cache_dir)
    return _corpora[key]
