"""Any corpus, listed in a CSV file: one row an utterance.

Columns: path, emotion, speaker, session (not needed where sessions are made from the speakers), and if there: id,
gender (f, female, w, woman; m, male, man), valence, activation, dominance, and start and end in seconds, for files
that hold several utterances. Relative paths start at the CSV's folder. An empty cell is an unknown value.
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
    """The utterances that a CSV lists.

    Args:
        root: the CSV, or a folder that holds exactly one.
        labels: word of the column emotion -> class; what is missing or None is dropped. None: the words themselves.
        sessions: make that many sessions from the speakers instead of reading the column session.
        exclude: ids of utterances to leave out.

    Raises:
        UserError: the CSV or an audio file is not there, a column is missing, a cell is wrong, an id occurs twice, or
            a speaker is in two sessions or has two genders.
    """
    if sessions is not None and (not isinstance(sessions, int) or sessions < 2):
        raise UserError(f"corpus.sessions={sessions} is not a number of sessions. Give 2 or more, or null.")
    file = _csv_file(SOURCE.path(root))
    columns, rows = read_rows(file)
    _require_columns(file, columns, _NEEDED if sessions else (*_NEEDED, "session"))
    words = Counter(row.text("emotion") for row in rows)
    used = {word: word for word in sorted(words)} if labels is None else label_map(labels)
    utterances = _utterances(rows, used, made_sessions=sessions is not None)
    if sessions and utterances:
        utterances = _in_sessions(utterances, sessions)
    require_audio(utterances, file)
    dropped = Counter({f"label {word}": n for word, n in words.items() if word not in used})
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
    """The usable rows as utterances, after the checks between rows; sessions that are made later are empty."""
    uses = Counter(row.text("path") for row in rows)
    listed = []
    for row in rows:
        if row.text("emotion") in used:
            name = row.get("id") or _default_id(row, whole_file=uses[row.text("path")] == 1)
            session = "" if made_sessions else row.text("session")
            listed.append((row, _utterance(row, name, used[row.text("emotion")], session)))
    _check_ids(listed)
    _check_speakers(listed, "session", "Training and test would share them. Correct it, or set corpus.sessions=5")
    _check_speakers(listed, "gender", "Correct one of them")
    return [utterance for _, utterance in listed]


def _default_id(row: Row, whole_file: bool) -> str:
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
    first: dict[str, Row] = {}
    for row, utterance in listed:
        earlier = first.setdefault(utterance.id, row)
        if earlier is not row:
            origin = "" if row.get("id") else ", made from the path,"
            what = f"{utterance.id!r}{origin} is the id of line {earlier.line}, too. Give each row its own id"
            raise row.error("id", what)


def _check_speakers(listed: list[tuple[Row, Utterance]], column: str, advice: str) -> None:
    """Check that a speaker has the same value in ``column`` wherever it is known."""
    first: dict[str, tuple[str, int]] = {}
    for row, utterance in listed:
        value = getattr(utterance, column)
        if value:
            expected, line = first.setdefault(utterance.speaker, (value, row.line))
            if value != expected:
                speaker = f"speaker {utterance.speaker!r}"
                raise row.error(column, f"{speaker} has {value!r} here, but {expected!r} in line {line}. {advice}")


def _in_sessions(utterances: list[Utterance], count: int) -> list[Utterance]:
    sizes = Counter(utterance.speaker for utterance in utterances)
    known = {utterance.speaker: utterance.gender for utterance in utterances if utterance.gender}
    sessions = fold_speakers({speaker: known.get(speaker) for speaker in sizes}, sizes, count)
    return [replace(utterance, session=sessions[utterance.speaker]) for utterance in utterances]
