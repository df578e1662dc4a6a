"""The same recording in several places of a corpus: found by the content of the audio files, not by their names."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from ser.corpora.table import Corpus, Utterance
from ser.errors import UserError


def duplicated(corpus: Corpus, hashes: Mapping[Path, str]) -> list[tuple[Utterance, ...]]:
    """Return the groups of utterances whose audio is the same.

    Args:
        corpus: the corpus.
        hashes: the hash of the content of every audio file of the corpus.

    Returns:
        The groups of two utterances or more whose files have the same content and which are the same part (``start``,
        ``end``) of it, in the order of their first utterance.
    """
    groups: dict[tuple[str, float, float | None], list[Utterance]] = defaultdict(list)
    for utterance in corpus.utterances:
        groups[hashes[utterance.path], utterance.start or 0.0, utterance.end].append(utterance)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def check_duplicates(corpus: Corpus, hashes: Mapping[Path, str], allow: bool) -> int:
    """Check that no recording occurs in two sessions or under two speakers.

    A model would be trained on a recording and tested on it, and its accuracy would say little about new speech.

    Args:
        corpus: the corpus.
        hashes: the hash of the content of every audio file of the corpus.
        allow: whether such recordings are accepted (``corpus.duplicates=keep``).

    Returns:
        The number of redundant copies: utterances that repeat another one of the same speaker and session.

    Raises:
        UserError: a recording occurs in two sessions or under two speakers, and ``allow`` is False.
    """
    groups = duplicated(corpus, hashes)
    spread = [group for group in groups if len(_homes(group)) > 1]
    if spread and not allow:
        raise UserError(_message(corpus, spread))
    return sum(count - 1 for group in groups for count in _homes(group).values())


def _homes(group: Sequence[Utterance]) -> Counter[tuple[str, str]]:
    """Session and speaker -> number of the group's utterances."""
    return Counter((utterance.session, utterance.speaker) for utterance in group)


def _message(corpus: Corpus, spread: Sequence[Sequence[Utterance]]) -> str:
    first, *others = spread[0]
    second = next(other for other in others if (other.session, other.speaker) != (first.session, first.speaker))
    number = "one recording occurs" if len(spread) == 1 else f"{len(spread)} recordings occur"
    return (
        f"{corpus.root}: {number} in two sessions or under two speakers, and would be trained on and tested. "
        f"The first: {_described(first)} and {_described(second)} have the same audio. Leave one of them out with "
        "corpus.exclude, or accept such copies: corpus.duplicates=keep."
    )


def _described(utterance: Utterance) -> str:
    return f"{utterance.id} ({utterance.path}, session {utterance.session}, speaker {utterance.speaker})"
