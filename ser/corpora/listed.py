"""From the rows of a table, one for each utterance, to a corpus: what the readers of CSV files and audformat share."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from unicodedata import normalize

from ser.corpora.labels import class_order, is_missing, label_map, only_drops
from ser.corpora.names import alike, composed
from ser.corpora.official import SPLIT, official_rule, splits_of
from ser.corpora.problems import for_each
from ser.corpora.ratings import RATINGS
from ser.corpora.roots import require_audio
from ser.corpora.row_checks import Listed, Part, check_ids, check_parts, check_speakers, check_spellings
from ser.corpora.rows import Row
from ser.corpora.sessions import check_sessions, how_made, in_sessions
from ser.corpora.table import Corpus, Utterance, make_corpus
from ser.errors import UserError
from ser.system.files import expanded
from ser.system.text import listing

NEEDED = ("path", "emotion", "speaker")
"""The columns that every row has, besides ``session`` or ``split`` where sessions are not made from the speakers.

With an official split, which is its makers', the column ``speaker`` may be missing or empty: speakers are not known."""
OPTIONAL = ("id", "gender", *RATINGS, "start", "end")
"""The columns that a table may have."""

_FEMALE, _MALE = ("f", "female", "w", "woman"), ("m", "male", "man")
_GENDERS = dict.fromkeys(_FEMALE, "female") | dict.fromkeys(_MALE, "male")
_NO_GENDER = ("unknown", "other")
_SHOWN_WORDS = 20


def needed_columns(sessions: int | str | None) -> tuple[str, ...]:
    """The columns that rows must have.

    Args:
        sessions: the key ``corpus.sessions``.

    Raises:
        UserError: it has no possible value.
    """
    check_sessions(sessions, official=True)
    if sessions == SPLIT:
        return (*(column for column in NEEDED if column != "speaker"), SPLIT)
    return NEEDED if sessions else (*NEEDED, "session")


def corpus_of(
    name: str,
    root: Path,
    rows: Sequence[Row],
    *,
    labels: Mapping[str, str | None] | None,
    sessions: int | str | None,
    splits: Mapping[str, str | None] | None = None,
    exclude: Sequence[str],
) -> Corpus:
    """Make a corpus of rows.

    Args:
        name: the option of the group ``corpus``.
        root: the file or folder that the rows come from.
        rows: a row for each utterance, with the columns ``needed_columns(sessions)`` and ``OPTIONAL`` ones.
        labels: maps words of the column ``emotion`` to classes. Utterances whose word is missing here or maps to None
            are dropped. If ``labels`` is None, every word is a class; if it maps words to None only, every other word.
        sessions: the number of sessions that are made from the speakers, "speakers" (each is one), "split" (the column
            ``split`` with the official train, dev and test), or None: the column ``session``.
        splits: maps words of the column ``split`` to train, dev or test, or to None: its utterances are dropped.
        exclude: ids of utterances to leave out.

    Raises:
        UserError: an audio file does not exist, a cell is wrong, two rows have the same id or share sound, a speaker
            has two sessions (but for official splits) or two genders, two names are nearly equal, ``labels`` has a word
            that no row has, or what ``ser.corpora.official.splits_of`` refuses.
    """
    used = None if labels is None or only_drops(labels) else label_map(labels)
    named = {composed(str(label)) for label in labels or ()}
    labelled = [row for row in rows if _is_label(row.get("emotion"), named)]
    unlabelled, left_out, split_of = len(rows) - len(labelled), Counter[str](), dict[str, str]()
    if sessions == SPLIT:
        taken = [row for row in labelled if _is_taken(row, used, named)]
        split_of = splits_of(_split_words(taken, labelled, splits), splits, root)
        left_out.update(f"split {row.text(SPLIT)}" for row in taken if row.text(SPLIT) not in split_of)
        labelled = [row for row in labelled if row.get(SPLIT) in split_of or not _is_taken(row, used, named)]
    words = Counter(row.text("emotion") for row in labelled)
    _check_words(root, labelled, words, named)
    if used is None:
        used = {word: word for word in sorted(words) if word not in named}
    needed = {*needed_columns(sessions)}
    if any(not is_missing(row.get("speaker")) for row in labelled if row.text("emotion") in used):
        needed.add("speaker")
    listed = _listed(labelled, used, needed, split_of)
    utterances = [utterance for _, utterance in listed]
    rule = "the column session"
    if sessions and sessions != SPLIT:
        utterances = in_sessions(utterances, sessions, Counter(utterance.speaker for utterance in utterances))
        rule = how_made(sessions, weighed=True)
    require_audio(utterances, root)
    dropped = Counter({f"label {word}": count for word, count in words.items() if word not in used})
    dropped["no label"] = unlabelled
    dropped.update(left_out)
    corpus = make_corpus(name, root, utterances, +dropped, classes=class_order(used), exclude=exclude)
    rule = official_rule({utterance.session for utterance in corpus.utterances}) if sessions == SPLIT else rule
    lines = {utterance.id: row.line for row, utterance in listed if not row.name}
    return replace(corpus, lines=lines, session_rule=rule, official_split=sessions == SPLIT)


def _is_label(word: str | None, named: Collection[str]) -> bool:
    """Whether a word is an emotion: it is no word for a missing value, or ``corpus.labels`` names it."""
    return word in named or not is_missing(word)


def _is_taken(row: Row, used: Mapping[str, str] | None, named: Collection[str]) -> bool:
    """Whether ``corpus.labels`` does not drop a labelled row; arguments as in ``corpus_of``."""
    word = row.text("emotion")
    return word not in named if used is None else word in used


def _split_words(taken: Sequence[Row], labelled: Sequence[Row], splits: Mapping[str, str | None] | None) -> list[str]:
    """The words of the column ``split``: of rows that are taken, and those of other rows that ``corpus.splits`` names.

    Raises:
        UserError: a row that is taken has none.
    """
    named = {str(word) for word in splits} if isinstance(splits, Mapping) else set()
    others = named & {word for row in labelled if (word := row.get(SPLIT))}
    return [*for_each(lambda row: _known(row, SPLIT), taken), *sorted(others)]


def _check_words(root: Path, labelled: Sequence[Row], words: Counter[str], named: Collection[str]) -> None:
    """Check that each emotion is written in one way, and that a row has each word that ``corpus.labels`` names."""
    unknown = sorted({*named} - words.keys())
    if unknown and words:
        numbers = [word for word in words if word.endswith(".0") and word.removesuffix(".0") in unknown]
        written = f" Numbers have to be written as they are there, such as {numbers[0]}." if numbers else ""
        raise UserError(
            f"corpus.labels names {listing([*map(repr, unknown)])}, which no row of {root} has in its column emotion. "
            f"The words there are {listing(sorted(words), _SHOWN_WORDS)}. Correct the "
            f"{'name, or take it' if len(unknown) == 1 else 'names, or take them'} out.{written}"
        )
    advice = f"They would be different classes. Correct the file, or map both: {_merged(words)}."
    check_spellings(labelled, "emotion", advice, settled=named)


def _merged(words: Counter[str]) -> str:
    """The value of ``corpus.labels`` that makes one class of words that are nearly equal: the most frequent one."""
    classes = {word: max(group, key=lambda each: words[each]) for group in alike(words) for word in group}
    pairs = [f"{word}: {classes.get(word, word)}" for word in sorted(words)]
    return (
        f"'corpus.labels={{{', '.join(pairs)}}}'" if len(pairs) <= _SHOWN_WORDS else "corpus.labels={word: class, ...}"
    )


def _listed(
    labelled: Sequence[Row], used: Mapping[str, str], needed: Collection[str], split_of: Mapping[str, str]
) -> Listed:
    """The rows whose emotion is used, each with its utterance, after the checks that compare rows with one another.

    Their session is that of the column ``session`` or ``split``, whichever is among the ``needed`` columns. If none is,
    it is an empty string: it is made later. So is the speaker, if that column is not needed: it is not known.
    """
    parts = for_each(_part, labelled)
    path_counts = Counter(row.text("path") for row in labelled)

    def utterance_of(part: Part) -> tuple[Row, Utterance]:
        row = part.row
        name = row.get("id")
        if name is None or is_missing(name):
            name = _default_id(part, whole_file=path_counts[row.text("path")] == 1)
        session = _known(row, "session") if "session" in needed else ""
        if SPLIT in needed:
            session = split_of[row.text(SPLIT)]
        speaker = _known(row, "speaker") if "speaker" in needed else ""
        return row, _utterance(part, name, used[row.text("emotion")], session, speaker)

    listed = for_each(utterance_of, [part for part in parts if part.row.text("emotion") in used])
    names = [column for column in ("speaker", "session") if column in needed]
    for column in names:
        advice = f"They would be different {column}s. Write each {column} in one way in the file."
        check_spellings([row for row, _ in listed], column, advice)
    check_parts(parts)
    check_ids(listed)
    if SPLIT not in needed:  # the makers of a corpus may have put a speaker into two splits
        shared = "Training and test would share the speaker. Correct it or set corpus.sessions=5."
        check_speakers(listed, "session", shared)
    if "speaker" in needed:
        check_speakers(listed, "gender", "Correct one of the two.")
    return listed


def _known(row: Row, column: str) -> str:
    """The text of a cell that names a speaker or session."""
    value = row.text(column)
    if is_missing(value):
        raise row.error(column, f"{value!r} stands for a missing value. Fill in a name, or delete the row")
    return value


def _part(row: Row) -> Part:
    start, end = row.number("start"), row.number("end")
    if (start or 0) < 0 or (end is not None and end <= (start or 0)):
        part = f"from {start or 0} to {'the end' if end is None else end}"
        column = "start" if end is None or (start or 0) < 0 else "end"
        raise row.error(column, f"there is no part {part}. Give seconds with 0 <= start < end")
    return Part(audio_of(row), start or 0.0, inf if end is None else end, row)


def audio_of(row: Row, column: str = "path") -> Path:
    """The audio file: as it is written, or with slashes for backslashes or letters of another form if that exists."""
    written = row.written(column) or row.text(column)
    slashes = written.replace("\\", "/")
    forms = dict.fromkeys((written, slashes, normalize("NFC", slashes), normalize("NFD", slashes)))
    paths = [row.file.parent / expanded(form) for form in forms]
    return paths[0] if len(paths) == 1 else next((path for path in paths if path.is_file()), paths[0])


def _default_id(part: Part, whole_file: bool) -> str:
    """The file's name without suffix; for one of several utterances in a file, with start and end, as in a_0.5-1.25."""
    stem, row = composed(part.path.stem), part.row
    return stem if whole_file else f"{stem}_{row.get('start') or 0}-{row.get('end') or 'end'}"


def _utterance(part: Part, name: str, emotion: str, session: str, speaker: str) -> Utterance:
    row = part.row
    return Utterance(
        id=name,
        path=part.path,
        emotion=emotion,
        session=session,
        speaker=speaker,
        gender=_gender(row),
        start=row.number("start"),
        end=row.number("end"),
        valence=row.number("valence"),
        activation=row.number("activation"),
        dominance=row.number("dominance"),
    )


def _gender(row: Row) -> str | None:
    word = row.get("gender")
    if word is None or is_missing(word) or word.casefold() in _NO_GENDER:
        return None
    if word.lower() not in _GENDERS:
        raise row.error("gender", f"{word!r} is none of {', '.join(_GENDERS)}. Write one of them, or leave it empty")
    return _GENDERS[word.lower()]
