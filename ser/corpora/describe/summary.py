"""Counts, durations and ratings of a corpus."""

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ser.corpora.duplicates import contents, contradictions, duplicated, problems, redundant, spread
from ser.corpora.official import shared_speakers
from ser.corpora.problems import for_each
from ser.corpora.ratings import EDGES, RATINGS, rating_class, rating_range
from ser.corpora.speakers import doubt_of_speakers
from ser.corpora.table import Corpus, Utterance
from ser.errors import UserError
from ser.system.progress import track

SHOWN_FILES = 100
"""How many files that cannot be read a message names: enough to repair or exclude them all at once."""

LEVELS = ("low", "medium", "high", "none")
"""Names of the classes that ``ser.corpora.ratings.rating_class`` returns: 0, 1, 2, and -1 (not rated) as the last."""


def summarise(corpus: Corpus) -> dict[str, Any]:
    """Summarise a corpus in values that JSON can hold.

    Returns:
        Counts of utterances by emotion, gender, session and speaker, statistics of their durations (seconds; shares
        for ``longer_than_3_s`` and ``longer_than_9_s``), what the sessions are, the one that each fold tests, why
        nothing is computed over speakers, how
        many speakers the test set of an official split shares with the other splits, counts of low, medium and high
        ratings, the lowest and the highest rating, counts of copies (of recordings in ``across`` sessions or speakers
        and with ``two_labels``) with what ``ser.run`` says of them, recordings ``reencoded`` with what it does not see
        in them, and counts of dropped turns by reason.

    Raises:
        UserError: audio files cannot be read; the message names them.
    """
    utterances = corpus.utterances
    return {
        "corpus": corpus.name,
        "root": str(corpus.root),
        "synthetic": corpus.synthetic,
        "utterances": len(utterances),
        "emotions": _emotions(corpus.classes, utterances),
        "genders": _genders(utterances),
        "sessions": _counts((utterance.session for utterance in utterances), corpus.sessions),
        "speakers": _counts((utterance.speaker for utterance in utterances), corpus.speakers),
        "sessions_by_emotion": {
            session: _emotions(corpus.classes, [u for u in utterances if u.session == session])
            for session in corpus.sessions
        },
        "durations": _statistics(durations(utterances)),
        "session_rule": corpus.session_rule,
        "folds": {str(fold): session for fold, session in enumerate(corpus.tested, 1)},
        "doubt_of_speakers": doubt_of_speakers(corpus),
        "shared_speakers": shared_speakers(corpus) if corpus.official_split else None,
        "ratings": {dimension: _levels(utterances, dimension) for dimension in RATINGS},
        "rating_ranges": {dimension: rating_range(utterances, dimension) for dimension in RATINGS},
        "copies": _copies(corpus),
        "dropped": dict(corpus.dropped),
    }


def _copies(corpus: Corpus) -> dict[str, Any]:
    from ser.corpora.describe.reencoded import same_sound

    content = contents(corpus)
    groups = duplicated(corpus, content)
    sounds = {path: str(first) for path, first in same_sound(content).items()}
    reencoded = [group for group in duplicated(corpus, sounds) if len({content[u.path] for u in group}) > 1]
    return {
        "within_speaker": redundant(groups),
        "across": len(spread(groups)),
        "two_labels": len(contradictions(groups)),
        "problems": problems(corpus, groups),
        "reencoded": len(reencoded),
        "unseen_problems": problems(corpus, reencoded),
    }


def _counts(values: Iterable[str], order: Sequence[str] | None = None) -> dict[str, int]:
    """Count each value, in the given order or else sorted; a value of ``order`` that does not occur counts 0."""
    counts = Counter(values)
    return {value: counts[value] for value in (sorted(counts) if order is None else order)}


def _emotions(classes: Sequence[str], utterances: Iterable[Utterance]) -> dict[str, int]:
    return _counts((utterance.emotion for utterance in utterances), classes)


def _genders(utterances: Sequence[Utterance]) -> dict[str, int]:
    known = ("female", "male")
    order = known if all(utterance.gender for utterance in utterances) else (*known, "unknown")
    return _counts((utterance.gender or "unknown" for utterance in utterances), order)


def _levels(utterances: Sequence[Utterance], dimension: str) -> dict[str, int]:
    return _counts((LEVELS[rating_class(getattr(u, dimension), *EDGES)] for u in utterances), LEVELS)


def durations(utterances: Sequence[Utterance]) -> list[float]:
    """The duration of each utterance in seconds, read from the header of its audio file.

    Raises:
        UserError: audio files cannot be read; the message names them.
    """
    return for_each(_seconds, track(utterances, len(utterances), "durations"), shown=SHOWN_FILES)


def _seconds(utterance: Utterance) -> float:
    """The duration of an utterance in seconds, read from the header of its audio file."""
    import soundfile

    try:
        file_end = float(soundfile.info(utterance.path).duration)
    except soundfile.LibsndfileError as error:
        raise UserError(f"{utterance.path}: cannot be read as audio: {error.error_string}") from error
    end = file_end if utterance.end is None else min(utterance.end, file_end)
    return max(0.0, end - (utterance.start or 0.0))


def _statistics(seconds: Sequence[float]) -> dict[str, float]:
    values = {
        "total_s": sum(seconds),
        "mean_s": statistics.mean(seconds),
        "median_s": statistics.median(seconds),
        "min_s": min(seconds),
        "max_s": max(seconds),
        "longer_than_3_s": sum(value > 3 for value in seconds) / len(seconds),
        "longer_than_9_s": sum(value > 9 for value in seconds) / len(seconds),
    }
    return {name: round(value, 4) for name, value in values.items()}
