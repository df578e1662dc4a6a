"""Any corpus that is listed in a CSV file. Each row is an utterance.

Required columns:
    path: the audio file; a relative path starts at the folder of the CSV.
    emotion: any word. A row without one, or with a word for a missing value such as ``nan``, is dropped.
    speaker: any name.
    session: any name or number. Not required if ``corpus.sessions`` makes sessions from the speakers.

Optional columns, where an empty cell means unknown:
    id: the name of the utterance; otherwise it is made from the path.
    gender: f, female, w, woman; m, male, man.
    valence, activation, dominance: mean ratings.
    start, end: seconds within the file, if the file contains several utterances.
"""

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from math import inf
from pathlib import Path
from unicodedata import normalize

from ser.corpora.labels import MISSING, class_order, label_map
from ser.corpora.names import alike, composed
from ser.corpora.ratings import RATINGS
from ser.corpora.roots import Source, require_audio, visible
from ser.corpora.row_checks import Listed, Part, check_ids, check_parts, check_speakers, check_spellings
from ser.corpora.rows import Row, read_rows
from ser.corpora.sessions import fold_speakers
from ser.corpora.table import Corpus, Utterance, make_corpus
from ser.errors import UserError

SOURCE = Source("manifest", "MANIFEST", "It reads a CSV file with the columns path, emotion, session and speaker.")

_NEEDED = ("path", "emotion", "speaker")
_OPTIONAL = ("id", "gender", *RATINGS, "start", "end")
_OTHER_WORDS = {"arousal": "activation", "sex": "gender"}
_FEMALE, _MALE = ("f", "female", "w", "woman"), ("m", "male", "man")
_GENDERS = dict.fromkeys(_FEMALE, "female") | dict.fromkeys(_MALE, "male")
_SHOWN_WORDS = 20
_LIKENESS = 0.84  # of "ends" and "end", but not of "idx" and "id"
_log = logging.getLogger(__name__)


def read(
    root: str | Path | None,
    *,
    labels: Mapping[str, str | None] | None = None,
    sessions: int | None = None,
    exclude: Sequence[str] = (),
) -> Corpus:
    """Read the utterances that a CSV file lists.

    Args:
        root: the CSV file, or a folder that contains exactly one.
        labels: maps words of the column ``emotion`` to classes. Utterances whose word is missing here or maps to None
            are dropped. If ``labels`` is None, every word is a class.
        sessions: divide the speakers into this many sessions; the column ``session`` is ignored then.
        exclude: ids of utterances to leave out.

    Returns:
        The corpus; its ``root`` is the CSV file.

    Raises:
        UserError: the CSV or an audio file does not exist, a column is missing, a cell is wrong, two rows have the
            same id or share sound, a speaker has two sessions or two genders, two names are nearly equal, or ``labels``
            has a word that no row has.
    """
    if sessions is not None and (not isinstance(sessions, int) or sessions < 2):
        raise UserError(f"corpus.sessions={sessions} is not a number of sessions. Give 2 or more, or null.")
    file = _csv_file(SOURCE.path(root))
    needed = _NEEDED if sessions else (*_NEEDED, "session")
    rows = _rows(file, needed)
    used = None if labels is None else label_map(labels)
    named = {composed(str(label)) for label in labels or ()}
    labelled = [row for row in rows if _is_label(row.get("emotion"), named)]
    words = Counter(row.text("emotion") for row in labelled)
    _check_words(file, labelled, words, named)
    if used is None:
        used = {word: word for word in sorted(words)}
    listed = _listed(labelled, used, needed)
    utterances = [utterance for _, utterance in listed]
    if sessions and utterances:
        utterances = _in_sessions(utterances, sessions)
    require_audio(utterances, file)
    dropped = Counter({f"label {word}": count for word, count in words.items() if word not in used})
    dropped["no label"] = len(rows) - len(labelled)
    corpus = make_corpus(SOURCE.name, file, utterances, +dropped, classes=class_order(used), exclude=exclude)
    return replace(corpus, lines={utterance.id: row.line for row, utterance in listed})


def _csv_file(path: Path) -> Path:
    if path.is_file():
        return path
    files = [file for file in visible(path.iterdir()) if file.suffix.lower() == ".csv"]
    if not files:
        raise SOURCE.wrong_layout(path, "one file *.csv")
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise UserError(f"corpus=manifest: {path} holds {len(files)} CSV files ({names}). Give one as corpus.root=...")
    return files[0]


def _rows(file: Path, needed: Sequence[str]) -> list[Row]:
    """The rows of the CSV, each with a cell in every needed column."""
    columns, rows = read_rows(file)
    missing = [column for column in needed if column not in columns]
    if missing:
        hint = " Or make sessions from the speakers: corpus.sessions=5." if "session" in missing else ""
        raise UserError(
            f"{file} has no column {' and no column '.join(missing)}; its header is {', '.join(columns) or 'empty'}. "
            f"Add it to the CSV.{hint}"
        )
    for row in rows:
        row.require(needed)
    _warn_of_misspelt(file, columns)
    return rows


def _warn_of_misspelt(file: Path, columns: Sequence[str]) -> None:
    """Log a warning for each column that is not read, but most likely means one that the CSV does not have."""
    absent = [column for column in _OPTIONAL if column not in columns]
    for column in columns:
        if column not in (*_NEEDED, "session", *_OPTIONAL):
            meant = get_close_matches(_OTHER_WORDS.get(column, column), absent, n=1, cutoff=_LIKENESS)
            if meant:
                _log.warning("%s: the column %s is not read. If it is %s, give it that name.", file, column, meant[0])


def _is_missing(word: str | None) -> bool:
    return (word or "").casefold() in MISSING


def _is_label(word: str | None, named: Collection[str]) -> bool:
    """Whether a word is an emotion: it is no word for a missing value, or ``corpus.labels`` names it."""
    return word in named or not _is_missing(word)


def _check_words(file: Path, labelled: Sequence[Row], words: Counter[str], named: Collection[str]) -> None:
    """Check that each emotion is written in one way, and that a row has each word that ``corpus.labels`` names."""
    unknown = sorted({*named} - words.keys())
    if unknown and words:
        listed = ", ".join(sorted(words)[:_SHOWN_WORDS]) + (", ..." if len(words) > _SHOWN_WORDS else "")
        raise UserError(
            f"corpus.labels names {unknown[0]!r}, which no row of {file} has in its column emotion. The words "
            f"there are {listed}. Correct the name, or take it out."
        )
    advice = f"They would be different classes. Correct the CSV, or map both: {_merged(words)}."
    check_spellings(labelled, "emotion", advice, settled=named)


def _merged(words: Counter[str]) -> str:
    """The value of ``corpus.labels`` that makes one class of words that are nearly equal: the most frequent one."""
    classes = {word: max(group, key=lambda each: words[each]) for group in alike(words) for word in group}
    pairs = [f"{word}: {classes.get(word, word)}" for word in sorted(words)]
    return (
        f"'corpus.labels={{{', '.join(pairs)}}}'" if len(pairs) <= _SHOWN_WORDS else "corpus.labels={word: class, ...}"
    )


def _listed(labelled: Sequence[Row], used: Mapping[str, str], needed: Collection[str]) -> Listed:
    """The rows whose emotion is used, each with its utterance, after the checks that compare rows with one another.

    If ``session`` is not among the ``needed`` columns, their session is an empty string: it is made later.
    """
    parts = [_part(row) for row in labelled]
    path_counts = Counter(row.text("path") for row in labelled)
    listed = []
    for part in parts:
        row = part.row
        if row.text("emotion") in used:
            name = row.get("id") or _default_id(part, whole_file=path_counts[row.text("path")] == 1)
            session = _known(row, "session") if "session" in needed else ""
            listed.append((row, _utterance(part, name, used[row.text("emotion")], session)))
    names = [column for column in ("speaker", "session") if column in needed]
    for column in names:
        advice = f"They would be different {column}s. Write each {column} in one way in the CSV."
        check_spellings([row for row, _ in listed], column, advice)
    check_parts(parts)
    check_ids(listed)
    _check_speakers(listed)
    return listed


def _check_speakers(listed: Listed) -> None:
    shared = "Training and test would share the speaker. Correct it or set corpus.sessions=5."
    check_speakers(listed, "session", shared)
    check_speakers(listed, "gender", "Correct one of the two.")


def _known(row: Row, column: str) -> str:
    """The text of a cell that names a speaker or session."""
    value = row.text(column)
    if _is_missing(value):
        raise row.error(column, f"{value!r} stands for a missing value. Fill in a name, or delete the row")
    return value


def _part(row: Row) -> Part:
    start, end = row.number("start"), row.number("end")
    if (start or 0) < 0 or (end is not None and end <= (start or 0)):
        part = f"from {start or 0} to {'the end' if end is None else end}"
        raise row.error("end" if end else "start", f"there is no part {part}. Give seconds with 0 <= start < end")
    return Part(_audio(row), start or 0.0, inf if end is None else end, row)


def _audio(row: Row) -> Path:
    """The audio file: as it is written, or with slashes for backslashes or letters of another form if that exists."""
    written = row.written("path") or row.text("path")
    slashes = written.replace("\\", "/")
    forms = dict.fromkeys((written, slashes, normalize("NFC", slashes), normalize("NFD", slashes)))
    paths = [row.file.parent / _expanded(form) for form in forms]
    return paths[0] if len(paths) == 1 else next((path for path in paths if path.is_file()), paths[0])


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:  # there is no such user: the name of the file begins with ~
        return Path(path)


def _default_id(part: Part, whole_file: bool) -> str:
    """The file's name without suffix; for one of several utterances in a file, with start and end, as in a_0.5-1.25."""
    stem, row = composed(part.path.stem), part.row
    return stem if whole_file else f"{stem}_{row.get('start') or 0}-{row.get('end') or 'end'}"


def _utterance(part: Part, name: str, emotion: str, session: str) -> Utterance:
    row = part.row
    return Utterance(
        id=name,
        path=part.path,
        emotion=emotion,
        session=session,
        speaker=_known(row, "speaker"),
        gender=_gender(row),
        start=row.number("start"),
        end=row.number("end"),
        valence=row.number("valence"),
        activation=row.number("activation"),
        dominance=row.number("dominance"),
    )


def _gender(row: Row) -> str | None:
    word = row.get("gender")
    if word is not None and word.lower() not in _GENDERS:
        raise row.error("gender", f"{word!r} is none of {', '.join(_GENDERS)}. Write one of them, or leave it empty")
    return _GENDERS[word.lower()] if word else None


def _in_sessions(utterances: list[Utterance], count: int) -> list[Utterance]:
    """The utterances with their sessions set: ``count`` groups of speakers."""
    sizes = Counter(utterance.speaker for utterance in utterances)
    genders = {utterance.speaker: utterance.gender for utterance in utterances if utterance.gender}
    sessions = fold_speakers({speaker: genders.get(speaker) for speaker in sizes}, sizes, count)
    return [replace(utterance, session=sessions[utterance.speaker]) for utterance in utterances]
