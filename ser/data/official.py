"""What the official split of a corpus decides for its experiments: it validates on ``dev``, and is told beforehand."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ser.config.groups import Validation
from ser.config.settings import Settings
from ser.config.words import key_of
from ser.corpora.table import DEV, TRAIN, Corpus
from ser.data.checks import parts_of

if TYPE_CHECKING:
    from ser.data.experiment import Experiment

_DEV = {"name": "session", "_target_": "ser.data.validation.NextSession"}
"""The session after the test session: in the order of an official split, ``dev``."""


def with_dev(settings: Settings, corpus: Corpus, overrides: Sequence[str]) -> Settings:
    """Map every validation to that on ``dev`` where the corpus has an official one, so that it has one signature.

    Args:
        settings: the configuration.
        corpus: its corpus.
        overrides: what was typed, so that a note says what has no effect.
    """
    if not corpus.official_split or DEV not in corpus.sessions:
        return settings
    plain = {**_DEV, "train_fraction": settings.validation.train_fraction}
    if settings.validation.plain == plain:
        return settings
    typed = [each for each in overrides if key_of(each).startswith("validation") and "train_fraction" not in each]
    note = f"{corpus.name} has an official split {DEV} to validate on: {' '.join(typed)} has no effect"
    return replace(settings, validation=Validation.of(plain), notes=(*settings.notes, *([note] if typed else [])))


def parts_told(experiments: Sequence["Experiment"]) -> list[str]:
    """What experiments with an official split train, validate and test on, each sentence once."""
    return list(dict.fromkeys(_told(each) for each in experiments if each.corpus.official_split))


def _told(experiment: "Experiment") -> str:
    corpus, settings = experiment.corpus, experiment.settings
    parts = parts_of(experiment, settings.seeds[0], 1)
    train = sum(utterance.session == TRAIN for utterance in corpus.utterances)
    share = f" of {train}" * (len(parts.train) < train)
    own = f"{len(parts.validation)} of dev"
    drawn = f"{len(parts.validation)} others of train (validation={settings.validation.name})"
    return (
        f"{corpus.name}, official split: trains on {len(parts.train)}{share} utterances of train, validates on "
        f"{own if DEV in corpus.sessions else drawn}, tests on {len(parts.test)} of test."
    )
