"""Any corpus that is listed in a CSV file. Each row is an utterance.

Required columns:
    path: the audio file; a relative path starts at the folder of the CSV.
    emotion: any word.
    speaker: any name.
    session: any name or number. Not required if ``corpus.sessions`` makes sessions from the speakers.

Optional columns, where an empty cell means unknown:
    id: the name of the utterance; otherwise it is made from the path.
    gender: f, female, w, woman; m, male, man.
    valence, activation, dominance: mean ratings.
    start, end: seconds within the file, if the file contains several utterances.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ser.corpora.labels import class_order, label_map
from ser.corpora.roots import Source, require_audio, visible
from ser.corpora.rows import Row, read_rows
from ser.corpora.sessions import fold_speakers
from ser.corpora.table import Corpus, Utterance, make_corpus
from ser.errors import UserError

SOURCE = Source("manifest", "MANIFEST", "It reads a CSV file with the columns path, emotion, session and speaker.")

_NEEDED = ("path", "emotion", "speaker")
_FEMALE, _MALE = ("f", "female", "w", "woman"), ("m", "male", "man")
_GENDERS = dict.fromkeys(_FEMALE, "female") | dict.fromkeys(_MALE, "male")


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
            same id, or a speaker has two sessions or two genders.
    """
    if sessions is not None and (not isinstance(sessions, int) or sessions < 2):
        raise UserError(f"corpus.sessions={sessions} is not a number of sessions. Give 2 or more, or null.")
    file = _csv_file(SOURCE.path(root))
    columns, rows = read_rows(file)
    _require_columns(file, columns, _NEEDED if sessions else (*_NEEDED, "session"))
    word_counts = Counter(row.text("emotion") for row in rows)
    used = {word: word for word in sorted(word_counts)} if labels is None else label_map(labels)
    utterances = _utterances(rows, used, made_sessions=sessions is not None)
    if sessions and utterances:
        utterances = _in_sessions(utterances, sessions)
    require_audio(utterances, file)
    dropped = Counter({f"label {word}": count for word, count in word_counts.items() if word not in used})
    return make_corpus(SOURCE.name, file, utterances, dropped, classes=class_order(used), exclude=exclude)


def _csv_file(path: Path) -> Path:
    if path.is_file():
        return path
    files = visible(path.glob("*.csv"))
    if not files:
        raise SOURCE.wrong_layout(path, "one file *.csv")
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise UserError(f"corpus=manifest: {path} holds {len(files)} CSV files ({names}). Give one as corpus.root=...")
    return files[0]


def _require_columns(file: Path, columns: tuple[str, ...], needed: tuple[str, ...]) -> None:
    missing = [column for column in needed if column not in columns]
    if missing:
        hint = " Or make sessions from the speakers: corpus.sessions=5." if "session" in missing else ""
        raise UserError(
            f"{file} has no column {' and no column '.join(missing)}; its header is {', '.join(columns) or 'empty'}. "
            f"Add it to the CSV.{hint}"
        )


def _utterances(rows: list[Row], used: Mapping[str, str], made_sessions: bool) -> list[Utterance]:
    """The utterances of the rows whose emotion is used, after the checks that compare rows with one another.

    With ``made_sessions`` their session is an empty string, because it is made from the speakers later.
    """
    path_counts = Counter(row.text("path") for row in rows)
    listed = []
    for row in rows:
        if row.text("emotion") in used:
            name = row.get("id") or _default_id(row, whole_file=path_counts[row.text("path")] == 1)
            session = "" if made_sessions else row.text("session")
            listed.append((row, _utterance(row, name, used[row.text("emotion")], session)))
    _check_ids(listed)
    _check_speakers(listed, "session", "Training and test would share the speaker. Correct it or set corpus.sessions=5")
    _check_speakers(listed, "gender", "Correct one of the two")
    return [utterance for _, utterance in listed]


def _default_id(row: Row, whole_file: bool) -> str:
    """The file's name without suffix; for one of several utterances in a file, with start and end, as in a_0.5-1.25."""
    stem = Path(row.text("path")).stem
    return stem if whole_file else f"{stem}_{row.get('start') or 0}-{row.get('end') or 'end'}"


def _utterance(row: Row, name: str, emotion: str, session: str) -> Utterance:
    start, end = row.number("start"), row.number("end")
    if (start or 0) < 0 or (end is not None and end <= (start or 0)):
        part = f"from {start or 0} to {'the end' if end is None else end}"
        raise row.error("end" if end else "start", f"there is no part {part}. Give seconds with 0 <= start < end")
    return Utterance(
        id=name,
        path=row.file.parent / Path(row.text("path")).expanduser(),
        emotion=emotion,
        session=session,
        speaker=row.text("speaker"),
        gender=_gender(row),
        start=start,
        end=end,
        valence=row.number("valence"),
        activation=row.number("activation"),
        dominance=row.number("dominance"),
    )


def _gender(row: Row) -> str | None:
    word = row.get("gender")
    if word is not None and word.lower() not in _GENDERS:
        raise row.error("gender", f"{word!r} is none of {', '.join(_GENDERS)}. Write one of them, or leave it empty")
    return _GENDERS[word.lower()] if word else None


def _check_ids(listed: list[tuple[Row, Utterance]]) -> None:
    first_rows: dict[str, Row] = {}
    for row, utterance in listed:
        first_row = first_rows.setdefault(utterance.id, row)
        if first_row is not row:
            origin = "" if row.get("id") else ", made from the path,"
            problem = f"{utterance.id!r}{origin} is the id of line {first_row.line}, too. Give each row its own id"
            raise row.error("id", problem)


def _check_speakers(listed: list[tuple[Row, Utterance]], column: str, advice: str) -> None:
    """Check that all rows of a speaker have the same value in ``column``; rows where it is unknown are skipped."""
    first_values: dict[str, tuple[str, int]] = {}
    for row, utterance in listed:
        value = getattr(utterance, column)
        if value:
            expected, line = first_values.setdefault(utterance.speaker, (value, row.line))
            if value != expected:
                speaker = f"speaker {utterance.speaker!r}"
                raise row.error(column, f"{speaker} has {value!r} here, but {expected!r} in line {line}. {advice}")


def _in_sessions(utterances: list[Utterance], count: int) -> list[Utterance]:
    """The utterances with their sessions set: ``count`` groups of speakers."""
    sizes = Counter(utterance.speaker for utterance in utterances)
    genders = {utterance.speaker: utterance.gender for utterance in utterances if utterance.gender}
    sessions = fold_speakers({speaker: genders.get(speaker) for speaker in sizes}, sizes, count)
    return [replace(utterance, session=sessions[utterance.speaker]) for utterance in utterances]
