"""The official split of a corpus: its makers decided what is trained on, validated on and tested on."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from ser.corpora.table import DEV, TEST, TRAIN, Corpus
from ser.errors import UserError
from ser.system.text import listing

SPLIT = "split"
"""The value of ``corpus.sessions`` that asks for the official split, and the column that holds it."""

KNOWN = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("dev", "devel", "development", "val", "valid", "validation"), DEV),
    "test": TEST,
}
"""Words that corpora use for their splits, in small letters."""

_SHOWN_WORDS = 20

Words = Mapping[str, str | None]


def asked(sessions: int | str | None, columns: object, words: Words | None) -> int | str | None:
    """The key ``corpus.sessions``: ``split`` also where it is null, but another key says how the split is read.

    Args:
        sessions: the key ``corpus.sessions``.
        columns: the key ``corpus.columns``.
        words: the key ``corpus.splits``.

    Raises:
        UserError: words of splits are given, but sessions are made from the speakers.
    """
    if words and sessions not in (None, SPLIT):
        raise UserError(
            f"corpus.splits={words} says how the official split is read, but corpus.sessions={sessions} does not "
            "use it. Give one of the two, or corpus.sessions=split."
        )
    named = isinstance(columns, Mapping) and SPLIT in columns
    return SPLIT if sessions is None and (named or words) else sessions


def split_of(word: str, words: Words | None = None) -> str | None:
    """The split that a word stands for; None if it stands for none.

    >>> split_of("Development"), split_of("Test1"), split_of("Test1", {"Test1": "test"})
    ('dev', None, 'test')
    """
    return dict(words or {}).get(word, KNOWN.get(word.casefold()))


def splits_of(found: Iterable[str], words: Words | None, root: Path) -> dict[str, str]:
    """The split that each word of a corpus stands for; words whose utterances are left out are missing.

    Args:
        found: the words.
        words: the key ``corpus.splits``: word -> train, dev or test, or None to leave its utterances out. Words of
            ``KNOWN`` need not be among them.
        root: where the corpus was read from, for messages.

    Returns:
        Word -> split.

    Raises:
        UserError: a word is not known, no word stands for train or for test, or ``words`` is no such mapping or has a
            word that does not occur.
    """
    there = dict.fromkeys(found)
    listed = f"The words there are {listing(sorted(there), _SHOWN_WORDS) or 'none'}."
    named = _checked(words)
    for word in named:
        if word not in there:
            raise UserError(f"corpus.splits names {word!r}, which no labelled row of {root} has. {listed}")
    unknown = sorted(word for word in there if word not in named and split_of(word) is None)
    if unknown:
        raise UserError(
            f"{root}: the column {SPLIT} has {listing([*map(repr, unknown)], _SHOWN_WORDS)}, which is not train, dev "
            f"or test. {listed} Say which split it is, or null to leave its utterances out: "
            f"'corpus.splits={{{unknown[0]}: test}}'."
        )
    result = {word: split for word in there if (split := split_of(word, named))}
    missing = [split for split in (TRAIN, TEST) if split not in result.values()]
    if missing:
        raise UserError(
            f"{root}: the column {SPLIT} has no utterance of {' and none of '.join(missing)}. {listed} Correct it, or "
            f"say which word it is: 'corpus.splits={{...: {missing[0]}}}'."
        )
    return result


def _checked(words: Words | None) -> dict[str, str | None]:
    """The key ``corpus.splits``, checked."""
    given = {} if words is None else words
    if not isinstance(given, Mapping) or not all(split in (TRAIN, DEV, TEST, None) for split in given.values()):
        raise UserError(
            f"corpus.splits={given} is not understood. Write it as 'corpus.splits={{Test1: test, Test2: null}}': the "
            "corpus' word, then train, dev, test or null."
        )
    return {str(word): split for word, split in given.items()}


def check_official(corpus: Corpus) -> None:
    """Check that an official split, which may come from a user's own reader, has no other parts than train, dev, test.

    Raises:
        UserError: it has.
    """
    if not corpus.official_split:
        return
    other = next((each for each in corpus.utterances if each.session not in (TRAIN, DEV, TEST)), None)
    if other is not None:
        raise UserError(
            f"{corpus.root}: the corpus has official_split=True, but the utterance {other.id} has the session "
            f"{other.session!r}. Its reader must name the sessions {TRAIN}, {DEV} and {TEST}."
        )


def official_rule(splits: Collection[str]) -> str:
    """What an official split with these splits does, in words."""
    validation = "validates on dev" if DEV in splits else "validates on a part of train (validation=)"
    return f"official: the one fold trains on train, {validation}, tests on test"


def shared_speakers(corpus: Corpus) -> str | None:
    """Count the speakers of an official split who are in several splits, as part of a sentence; None if none is.

    Returns:
        Such as ``"in two splits or more: 1 of 5, with 2 of the 4 test utterances"``.
    """
    splits_by_speaker: dict[str, set[str]] = defaultdict(set)
    for each in corpus.utterances if corpus.speakers else ():
        splits_by_speaker[each.speaker].add(each.session)
    shared = {speaker for speaker, splits in splits_by_speaker.items() if len(splits) > 1}
    if not shared:
        return None
    tested = [each.speaker in shared for each in corpus.utterances if each.session == TEST]
    of_test = f"{sum(tested)} of the {len(tested)} test utterances"
    return f"in two splits or more: {len(shared)} of {len(splits_by_speaker)}, with {of_test}"
