"""The same recording in several places of a corpus: found by the content of the audio files, not by their names."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ser.corpora.row_checks import ROUNDING_SECONDS
from ser.corpora.table import Corpus, Utterance
from ser.errors import UserError


def duplicated(corpus: Corpus, hashes: Mapping[Path, str]) -> list[tuple[Utterance, ...]]:
    """Return the groups of utterances that share audio.

    Args:
        corpus: the corpus.
        hashes: the hash of the content of every audio file of the corpus.

    Returns:
        The groups of two utterances or more whose files have the same content and whose parts (``start``, ``end``) are
        the same or overlap by more than rounding, in the order of their first utterance.
    """
    return [tuple(corpus.utterances[index] for index in group) for group in _groups(corpus, hashes)]


def first_copies(corpus: Corpus, hashes: Mapping[Path, str]) -> tuple[int, ...]:
    """For each utterance, the index of the first one of the same speaker that shares its audio; else its own index.

    Args:
        corpus: the corpus.
        hashes: the hash of the content of every audio file of the corpus.
    """
    first = [*range(len(corpus.utterances))]
    for group in _groups(corpus, hashes):
        of_speaker: dict[str, int] = {}
        for index in group:
            first[index] = of_speaker.setdefault(corpus.utterances[index].speaker, index)
    return tuple(first)


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


def _groups(corpus: Corpus, hashes: Mapping[Path, str]) -> list[list[int]]:
    """The indices of the utterances of each group of ``duplicated``, in order."""
    by_content: dict[str, list[int]] = defaultdict(list)
    for index, utterance in enumerate(corpus.utterances):
        by_content[hashes[utterance.path]].append(index)
    groups = [group for indices in by_content.values() if len(indices) > 1 for group in _overlapping(corpus, indices)]
    return sorted(sorted(group) for group in groups if len(group) > 1)


def _overlapping(corpus: Corpus, indices: Sequence[int]) -> Iterator[list[int]]:
    """Divide utterances of one content into groups; the parts of different groups overlap by no more than rounding."""
    group: list[int] = []
    start = end = 0.0
    for part_start, part_end, index in sorted((*_part(corpus.utterances[index]), index) for index in indices):
        if group and part_start != start and part_start >= end - ROUNDING_SECONDS:
            yield group
            group, end = [], 0.0
        if not group or part_end > end:
            start, end = part_start, part_end
        group.append(index)
    yield group


def _part(utterance: Utterance) -> tuple[float, float]:
    return utterance.start or 0.0, math.inf if utterance.end is None else utterance.end


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
