"""An experiment: a configuration on a corpus, which is everything that says what is trained."""

import logging
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
from ser.corpora.duplicates import check_duplicates, first_copies
from ser.corpora.load import load
from ser.corpora.official import shared_speakers
from ser.corpora.speakers import doubt_of_speakers
from ser.corpora.table import Corpus, sessions_of_folds
from ser.data import cache, hashes
from ser.data.checks import check_needed_speakers, check_parts, folds_of
from ser.data.folds import Columns
from ser.data.official import with_dev
from ser.data.replicas import Replica, replicas
from ser.data.segments import slivers
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
        copies: for each utterance the index of the first one of its speaker with the same audio, else its own, shape
            (utterances,); copies stand together in the training or in the validation part.
        folds: the folds to train, from 1.
        aux_labels: each utterance's class in the additional task, or IGNORED, shape (utterances,); None without one.
        aux_classes: the number of the additional task's classes; 0 without one.
    """

    settings: Settings
    overrides: tuple[str, ...]
    corpus: Corpus
    fingerprint: str
    copies: NDArray[np.int64]
    folds: tuple[int, ...]
    aux_labels: NDArray[np.int64] | None
    aux_classes: int

    @cached_property
    def configuration(self) -> str:
        """The signature of the configuration on this corpus."""
        return signature.configuration(self.settings.groups, self.fingerprint, self.settings.sources)

    @cached_property
    def columns(self) -> Columns:
        """The corpus' table as indices."""
        return Columns.of(self.corpus)

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
            UserError: audio is broken, empty or silent, or was changed since the experiment was made.
        """
        settings = self.settings
        key = repr([settings.corpus, settings.feature.plain, settings.sources, str(settings.cache)])
        if key not in _frames:
            if hashes.fingerprint(self.corpus, settings.cache) != self.fingerprint:
                raise UserError(f"{self.corpus.root}: audio was changed since this command began. Repeat the command.")
            _frames[key] = cache.frames(
                self.corpus, build(settings.feature), settings.cache, settings.sources.get("feature")
            )
        length = settings.length
        told = slivers(_frames[key].offsets, settings.segment_frames, length.tail)
        _warn_once(f"{self.corpus.name}, length={length.seconds:g}: ", told)
        return _frames[key]


def make_experiment(settings: Settings, overrides: Sequence[str] = ()) -> Experiment:
    """Load the corpus (once a process), settle the folds and label the additional task.

    Raises:
        UserError: there is no such corpus, its audio is missing, a fold is beyond its sessions, it does not carry what
            the additional task, the normalisation or the validation needs, or a fold's training part lacks a class.
    """
    corpus, fingerprint, copies = _load(settings.corpus, settings.cache)
    settings = with_dev(settings, corpus, overrides)
    check_needed_speakers(settings, corpus)
    folds = folds_of(settings, corpus)
    aux_labels, aux_classes = None, 0
    if settings.aux_task.name != "none":
        task = build(settings.aux_task)
        aux_labels, aux_classes = labels_of(task, corpus, settings.aux_task.name), task.classes
        _warn_once(f"aux_task={settings.aux_task.name}: ", getattr(task, "doubt", lambda _: None)(corpus.utterances))
    experiment = Experiment(settings, tuple(overrides), corpus, fingerprint, copies, folds, aux_labels, aux_classes)
    check_parts(experiment)
    return experiment


def parameters_of(settings: Settings) -> dict[str, str]:
    """A configuration in the words that users type; its corpus by its own name if this process could read it."""
    known = _corpora.get(_key(settings.corpus, settings.cache))
    name = {"corpus": known[0].name} if known else {}
    return {**words.parameters(settings.corpus_stored, settings.groups), **name}


def _key(options: dict[str, Any], cache_dir: Path) -> str:
    return repr([options, str(cache_dir)])


_corpora: dict[str, tuple[Corpus, str, NDArray[np.int64]]] = {}
_frames: dict[str, cache.Frames] = {}
_warned: set[str] = set()


def _load(options: dict[str, Any], cache_dir: Path) -> tuple[Corpus, str, NDArray[np.int64]]:
    """A corpus, the fingerprint of its content, and which of its utterances are copies (``Experiment.copies``)."""
    key = _key(options, cache_dir)
    if key not in _corpora:
        corpus = load(options)
        audio = hashes.audio_hashes(corpus, cache_dir)
        count = check_duplicates(corpus, audio, corpus.keep_duplicates)
        if count:
            _log.warning(
                "%s: utterances that repeat the recording of another one of the same speaker: %d. Copies are kept "
                "together, in training or in validation.",
                corpus.root,
                count,
            )
        if corpus.other_sessions:
            _log.warning("%s: %s. Fold k tests the k-th session.", corpus.root, sessions_of_folds(corpus))
        doubt = doubt_of_speakers(corpus)
        if doubt:
            _log.warning("%s: speakers: %s.", corpus.root, doubt)
        shared = shared_speakers(corpus) if corpus.official_split else None
        if shared:
            _log.warning("%s: speakers %s. The split stays as its makers decided.", corpus.root, shared)
        copies = np.array(first_copies(corpus, audio), dtype=np.int64)
        _corpora[key] = corpus, hashes.fingerprint(corpus, cache_dir), copies
    return _corpora[key]


def _warn_once(subject: str, sentence: str | None) -> None:
    """Log a warning, once in each process."""
    if sentence and subject + sentence not in _warned:
        _warned.add(subject + sentence)
        _log.warning("%s%s", subject, sentence)
