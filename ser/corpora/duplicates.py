"""The same recording in several places of a corpus: found by the content of the audio files, not by their names."""

import logging
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ser.corpora.row_checks import ROUNDING_SECONDS
from ser.corpora.table import Corpus, Utterance
from ser.errors import UserError
from ser.system.files import hash_file
from ser.system.pool import cores
from ser.system.progress import track
from ser.system.text import listing

_FACTS = ("emotion", "gender", "valence", "activation", "dominance")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Contradiction:
    """Two utterances with the same audio of which the corpus says different things.

    Attributes:
        first, second: the utterances.
        fact: the attribute of an utterance that differs: its emotion, gender or a rating.
    """

    first: Utterance
    second: Utterance
    fact: str

    def __str__(self) -> str:
        values = [getattr(utterance, self.fact) for utterance in (self.first, self.second)]
        return f"{self.fact} {' and '.join(f'{v:g}' if isinstance(v, float) else str(v) for v in values)}"


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

    In an official split, where every utterance stays in its split, of the same speaker and split.

    Args:
        corpus: the corpus.
        hashes: the hash of the content of every audio file of the corpus.
    """
    first = [*range(len(corpus.utterances))]
    for group in _groups(corpus, hashes):
        of_home: dict[tuple[str, str], int] = {}
        for index in group:
            utterance = corpus.utterances[index]
            home = utterance.speaker, utterance.session if corpus.official_split else ""
            first[index] = of_home.setdefault(home, index)
    return tuple(first)


def contents(corpus: Corpus) -> dict[Path, str]:
    """A text for each audio file that is the same for files of the same content; no cache is read or written.

    Only files that share their size with another one are read.
    """
    sizes = {path: path.stat().st_size for path in dict.fromkeys(utterance.path for utterance in corpus.utterances)}
    counts = Counter(sizes.values())
    compared = [path for path, size in sizes.items() if counts[size] > 1]
    with ThreadPoolExecutor(cores()) as threads:
        hashes = [*track(threads.map(hash_file, compared), len(compared), "looking for copies")]
    return {path: str(size) for path, size in sizes.items()} | dict(zip(compared, hashes, strict=True))


def check_duplicates(corpus: Corpus, hashes: Mapping[Path, str], allow: bool) -> int:
    """Check that no recording occurs in two sessions or under two speakers, or with two labels.

    A model would be trained on a recording and tested on it, and its accuracy would say little about new speech; and
    no answer is right for a recording of two classes. Allowed ones are warned of.

    Args:
        corpus: the corpus.
        hashes: the hash of the content of every audio file of the corpus.
        allow: whether such recordings are accepted (``corpus.duplicates=keep``).

    Returns:
        The number of redundant copies: utterances that repeat another one of the same speaker and session.

    Raises:
        UserError: a recording occurs in two sessions or under two speakers, or has two emotions, genders or ratings,
            and ``allow`` is False.
    """
    groups = duplicated(corpus, hashes)
    for problem in problems(corpus, groups):
        if not allow:
            raise UserError(f"{problem}, or accept such copies: corpus.duplicates=keep.")
        _log.warning("%s. Accepted: corpus.duplicates=keep.", problem)
    return redundant(groups)


def redundant(groups: Sequence[Sequence[Utterance]]) -> int:
    """The number of utterances that repeat another one of the same speaker and session, of groups of ``duplicated``."""
    return sum(count - 1 for group in groups for count in _homes(group).values())


def problems(corpus: Corpus, groups: Sequence[Sequence[Utterance]]) -> list[str]:
    """Say what is wrong with groups of ``duplicated``: sentences without their full stop, at most two."""
    across, found = spread(groups), contradictions(groups)
    return ([_spread_text(corpus, across)] if across else []) + ([_contradiction_text(corpus, found)] if found else [])


def spread(groups: Sequence[Sequence[Utterance]]) -> list[Sequence[Utterance]]:
    """The groups of ``duplicated`` whose recording occurs in two sessions or under two speakers."""
    return [group for group in groups if len(_homes(group)) > 1]


def contradictions(groups: Sequence[Sequence[Utterance]]) -> list[Contradiction]:
    """The first contradiction of each group of ``duplicated`` that has one."""
    return [contradiction for group in groups if (contradiction := _contradiction(group))]


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


def _contradiction(group: Sequence[Utterance]) -> Contradiction | None:
    """The first two utterances of a group of which one lies within the other's part, but has another label."""
    by_start = sorted(group, key=lambda utterance: (_part(utterance)[0], -_part(utterance)[1]))
    for fact in _FACTS:
        if len({getattr(utterance, fact) for utterance in group} - {None}) < 2:
            continue
        for place, long in enumerate(by_start):
            for short in by_start[place + 1 :]:
                if _part(short)[0] >= _part(long)[1]:
                    break
                values = {getattr(long, fact), getattr(short, fact)} - {None}
                if len(values) > 1 and (_lies_within(short, long) or _lies_within(long, short)):
                    first, second = sorted((long, short), key=group.index)
                    return Contradiction(first, second, fact)
    return None


def _lies_within(short: Utterance, long: Utterance) -> bool:
    (start, end), (long_start, long_end) = _part(short), _part(long)
    return start >= long_start - ROUNDING_SECONDS and end <= long_end + ROUNDING_SECONDS


def _spread_text(corpus: Corpus, groups: Sequence[Sequence[Utterance]]) -> str:
    first, *others = groups[0]
    second = next(other for other in others if (other.session, other.speaker) != (first.session, first.speaker))
    number = "one recording occurs" if len(groups) == 1 else f"{len(groups)} recordings occur"
    speakers = " or under two speakers" * bool(corpus.speakers)
    return (
        f"{corpus.root}: {number} in two {corpus.part}s{speakers}, and would be trained on and tested. "
        f"The first: {_described(corpus, first)} and {_described(corpus, second)} have the same audio"
        f"{_others(groups[1:])}. Leave one of them out with corpus.exclude"
    )


def _contradiction_text(corpus: Corpus, found: Sequence[Contradiction]) -> str:
    first = found[0]
    number = "one recording has two labels" if len(found) == 1 else f"{len(found)} recordings have two labels each"
    return (
        f"{corpus.root}: {number}, and no answer is right for it. The first: {_described(corpus, first.first)} and "
        f"{_described(corpus, first.second)} have the same audio, but {first}"
        f"{_others([(each.first, each.second) for each in found[1:]])}. Correct one of the two, leave one out with "
        "corpus.exclude"
    )


def _others(groups: Sequence[Sequence[Utterance]]) -> str:
    """The ids of further groups, at the end of a sentence."""
    ids = [" = ".join(utterance.id for utterance in group) for group in groups]
    return f"; the others: {listing(ids)}" if ids else ""


def _described(corpus: Corpus, utterance: Utterance) -> str:
    line = f"line {corpus.lines[utterance.id]}, " if utterance.id in corpus.lines else ""
    speaker = f", speaker {utterance.speaker}" if utterance.speaker else ""
    return f"{utterance.id} ({line}{utterance.path}, {corpus.part} {utterance.session}{speaker})"
