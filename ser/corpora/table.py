"""The utterance table. Every corpus module returns one; the rest of the package reads it."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from ser.config.words import corpora_title
from ser.corpora.names import composed
from ser.errors import UserError
from ser.system.text import listing

_SHOWN_FOLDS = 10

CLASSES = ("angry", "happy", "sad", "neutral")
"""The four classes of the paper, in the paper's order (Lian et al. 2018, section 3)."""

TEST, DEV, TRAIN = "test", "dev", "train"
"""The sessions of a corpus with an official split, in their order: that of validation follows that of the test."""


@dataclass(frozen=True)
class Utterance:
    """A labelled utterance.

    Attributes:
        id: the name of the utterance, unique within the corpus.
        path: the audio file.
        emotion: the class.
        session: the session, or the official split; training and test never share one.
        speaker: the speaker; empty if it is not known, which is for all utterances of a corpus with an official split.
        gender: "female", "male" or None (unknown).
        start, end: seconds within the file; None stands for the file's start or end.
        valence, activation, dominance: mean ratings, or None (not rated).
    """

    id: str
    path: Path
    emotion: str
    session: str
    speaker: str
    gender: str | None = None
    start: float | None = None
    end: float | None = None
    valence: float | None = None
    activation: float | None = None
    dominance: float | None = None


@dataclass(frozen=True)
class Corpus:
    """A corpus: its usable utterances, and counts of the turns that are not used.

    Attributes:
        name: the corpus' name.
        root: the folder or file it was read from.
        utterances: the usable utterances, sorted by id.
        classes: the emotions in the order of the network's outputs.
        dropped: reason -> number of turns that are not used for this reason.
        synthetic: True for generated speech; its results are labelled as synthetic everywhere.
        keep_duplicates: True if the same recording may occur in two sessions or under two speakers.
        lines: id -> the line of the list of utterances (``root``) that it is on, where the reader knows it.
        session_rule: what the sessions are, for people, such as "as recorded"; empty where the reader does not say.
        official_split: whether the sessions are train, test and perhaps dev, as the corpus' makers decided. Then there
            is one fold.
    """

    name: str
    root: Path
    utterances: tuple[Utterance, ...]
    classes: tuple[str, ...] = CLASSES
    dropped: dict[str, int] = field(default_factory=dict)
    synthetic: bool = False
    keep_duplicates: bool = False
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)
    session_rule: str = field(default="", compare=False)
    official_split: bool = False

    @property
    def title(self) -> str:
        """The corpus' name for titles, which says SYNTHETIC wherever speech was generated."""
        return corpora_title([self.name], self.synthetic)

    @property
    def speakers(self) -> tuple[str, ...]:
        """The speakers in alphabetical order; none if they are not known."""
        return tuple(sorted({utterance.speaker for utterance in self.utterances} - {""}))

    @property
    def sessions(self) -> tuple[str, ...]:
        """The sessions in natural order ("9" before "10", "1.5" before "2"); fold k (from 1) tests on the k-th."""
        present = {utterance.session for utterance in self.utterances}
        if self.official_split:
            return tuple(split for split in (TEST, DEV, TRAIN) if split in present)
        return tuple(sorted(present, key=_natural))

    @property
    def tested(self) -> tuple[str, ...]:
        """The session that each fold tests, by fold: all sessions, or the official test set alone."""
        return (TEST,) if self.official_split else self.sessions

    @property
    def part(self) -> str:
        """What messages call a session."""
        return "split" if self.official_split else "session"

    @property
    def other_sessions(self) -> dict[int, str]:
        """Fold -> the session that it tests, for the folds whose session is not the one of the fold's number.

        A name is of number 3 if it is ``3``, ``03``, or a word and ``3``, such as ``Session3``. An official split has
        none of them: it has no numbers.
        """
        folds = {} if self.official_split else dict(enumerate(self.sessions, 1))
        return {fold: session for fold, session in folds.items() if _number(session) != fold}


def make_corpus(
    name: str,
    root: Path,
    utterances: list[Utterance],
    dropped: Counter[str] | None = None,
    *,
    classes: tuple[str, ...] = CLASSES,
    exclude: object = None,
    synthetic: bool = False,
) -> Corpus:
    """Make a corpus: sort the utterances by id, remove the excluded ones, and check ids and classes.

    Args:
        name: the corpus' name.
        root: the folder or file it was read from.
        utterances: the usable utterances in any order.
        dropped: reason -> number of turns that are not used.
        classes: the classes in order; those without an utterance are removed.
        exclude: one id or several to leave out; they are counted in ``dropped``.
        synthetic: whether the speech was generated.

    Raises:
        UserError: fewer than two classes are left, an id occurs twice, or ``exclude`` names an unknown id.
    """
    counts = Counter(dropped or {})
    unwanted = {*map(composed, ids_in(exclude))}
    _check_ids(root, utterances)
    _check_excluded(root, utterances, unwanted)
    kept = sorted((u for u in utterances if composed(u.id) not in unwanted), key=lambda utterance: utterance.id)
    if unwanted:
        counts["excluded by corpus.exclude"] += len(unwanted)
    present = {utterance.emotion for utterance in kept}
    corpus = Corpus(
        name, root, tuple(kept), tuple(c for c in classes if c in present), dict(counts.most_common()), synthetic
    )
    _check_classes(corpus)
    return corpus


def ids_in(exclude: object) -> list[str]:
    """The ids that ``corpus.exclude`` names.

    Args:
        exclude: one id, several, or None; an id that looks like a number arrives as one.

    >>> ids_in(["03a01Wa", 7]), ids_in(1.5), ids_in(None)
    (['03a01Wa', '7'], ['1.5'], [])
    """
    if exclude is None:
        return []
    several = exclude if isinstance(exclude, Sequence) and not isinstance(exclude, str) else [exclude]
    return [str(each) for each in several]


def missing_in_folds(corpus: Corpus, folds: Collection[int] | None = None) -> list[str]:
    """List the classes that a fold cannot test or cannot train, because its sessions have no utterance of them.

    Args:
        corpus: the corpus.
        folds: the folds to look at, from 1; None stands for all.

    Returns:
        Phrases for a message, such as ``["fold 3: 'fear' is not in its test session"]``, with the session's name where
        it is not the fold's number; an empty list if every class is in every test session and in another session.
    """
    sessions_of: dict[str, set[str]] = defaultdict(set)
    for utterance in corpus.utterances:
        sessions_of[utterance.emotion].add(utterance.session)
    if corpus.official_split:
        needed = [(split, emotion) for split in (TRAIN, TEST) for emotion in corpus.classes]
        return [
            f"{emotion!r} is not in the split {split}" for split, emotion in needed if split not in sessions_of[emotion]
        ]
    phrases, other_sessions = [], corpus.other_sessions
    for fold, session in enumerate(corpus.sessions, 1):
        name = f" {session}" if fold in other_sessions else ""
        for emotion in corpus.classes if folds is None or fold in folds else ():
            if session not in sessions_of[emotion]:
                phrases.append(f"fold {fold}: {emotion!r} is not in its test session{name}")
            elif sessions_of[emotion] == {session}:
                phrases.append(f"fold {fold}: {emotion!r} is in no session but its test session{name}")
    return phrases


def sessions_of_folds(corpus: Corpus) -> str:
    """Which session each fold tests, as part of a sentence; only folds whose session is not that of their number.

    Returns:
        Such as ``"fold 3 tests session 4, fold 4 tests session 5"``, at most ten folds; an empty string if every fold
        tests the session of its number.
    """
    folds = [f"fold {fold} tests session {session}" for fold, session in corpus.other_sessions.items()]
    return ", ".join(folds[:_SHOWN_FOLDS]) + ", ..." * (len(folds) > _SHOWN_FOLDS)


def dropped_text(dropped: Mapping[str, int]) -> str:
    """The counts of what is not used as part of a sentence.

    >>> dropped_text({"label fru": 3, "scripted turn": 2}), dropped_text({})
    ('3 x label fru, 2 x scripted turn', 'nothing')
    """
    return ", ".join(f"{count} x {reason}" for reason, count in dropped.items()) or "nothing"


def _check_ids(root: Path, utterances: Sequence[Utterance]) -> None:
    first: dict[str, Utterance] = {}
    for utterance in utterances:
        other = first.setdefault(utterance.id, utterance)
        if other is not utterance:
            times = sum(u.id == utterance.id for u in utterances)
            raise UserError(
                f"Utterance id {utterance.id!r} occurs {times} times in {root}, as {other.path} and {utterance.path}. "
                f"Ids must be unique: rename or delete one of the files."
            )


def _check_excluded(root: Path, utterances: Sequence[Utterance], unwanted: set[str]) -> None:
    unknown = sorted(unwanted - {composed(utterance.id) for utterance in utterances})
    if unknown:
        are, them = ("is", "it") if len(unknown) == 1 else ("are", "them")
        raise UserError(
            f"corpus.exclude names {listing([*map(repr, unknown)])}, which {are} not among the {len(utterances)} "
            f"usable utterances of {root}. Take {them} out of corpus.exclude."
        )


def _check_classes(corpus: Corpus) -> None:
    dropped = dropped_text(corpus.dropped)
    if not corpus.utterances:
        raise UserError(
            f"No usable utterance in {corpus.root} (corpus={corpus.name}). "
            f"Dropped: {dropped if corpus.dropped else 'no audio found'}."
        )
    if len(corpus.classes) < 2:
        raise UserError(
            f"Every usable utterance in {corpus.root} (corpus={corpus.name}) is of one class, "
            f"{corpus.utterances[0].emotion!r} ({len(corpus.utterances)} utterances), so there is nothing to tell "
            f"apart. Dropped: {dropped}. Give labels of two classes or more, see corpus.labels."
        )


def _natural(session: str) -> tuple[bool, Decimal, str]:
    """Sort key: numbers by value, so that session 10 comes after session 9; words after numbers."""
    if re.fullmatch(r"-?\d+([.,]\d+)?", session):
        return False, Decimal(session.replace(",", ".")), session
    return True, Decimal(0), session


def _number(session: str) -> int | None:
    """The number that a session's name has, alone or behind a word: 3 for ``3``, ``03`` and ``Session3``."""
    match = re.fullmatch(r"(?:[^\W\d_]+[\s_-]*)?(\d+)", session)
    return int(match[1]) if match else None
