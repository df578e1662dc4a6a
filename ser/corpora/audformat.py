"""Databases in audEERING's format audformat, which nkululeko and autrainer read: a header ``db.yaml``, tables, audio.

A table has a row for each file, or for each segment of a file; a scheme says what a column means. Each row with an
emotion is an utterance. Its speaker, gender and so on are those of the same segment in any table of the database, or
else those of the whole file; values that the database keeps for each speaker are found, too.

Source: https://audeering.github.io/audformat. The package of that name reads header and tables.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ser.corpora.columns import check_columns
from ser.corpora.listed import corpus_of, needed_columns
from ser.corpora.official import SPLIT, Words, asked, split_of
from ser.corpora.ratings import RATINGS
from ser.corpora.roots import Source
from ser.corpora.rows import Row
from ser.corpora.sessions import MAKE_THEM
from ser.corpora.table import Corpus
from ser.errors import UserError

SOURCE = Source(
    "audformat", "AUDFORMAT", "It reads a database in a local folder: its header db.yaml, tables and audio."
)

_HEADER = "db.yaml"
_COLUMNS = ("emotion", "speaker", "session", SPLIT, "gender", *RATINGS)
_OTHER_GENDERS = ("other", "child")

Segment = tuple[str, float, float | None]
"""A file, and start and end of a part of it in seconds; the end is None for the end of the file."""


def read(
    root: str | Path | None,
    *,
    tables: Sequence[str] | None = None,
    columns: Mapping[str, str] | None = None,
    labels: Mapping[str, str | None] | None = None,
    sessions: int | str | None = None,
    splits: Words | None = None,
    exclude: Sequence[str] = (),
) -> Corpus:
    """Read a database in a local folder; nothing is downloaded.

    Args:
        root: the folder with ``db.yaml``.
        tables: the tables whose emotions are used; None stands for all.
        columns: our column -> the scheme or column of the database that holds it, such as ``{"activation":
            "arousal"}``. Emotion, speaker, session, gender, valence, activation and dominance that are not here have
            our names.
        labels: maps the database's emotions to classes. Utterances whose emotion is missing here or maps to None are
            dropped. If ``labels`` maps emotions to None only, every other one is a class; if it is None, every one.
        sessions: divide the speakers into this many sessions, or "speakers": each speaker is one. None stands for the
            scheme ``session``. "split" reads the official split, from the scheme or column ``split``, or else from the
            tables: a table has the split that it says, or that a part of its name says, as in ``emotion.test``. So does
            None if ``columns`` names it or ``splits`` is given.
        splits: maps the database's words of splits to train, dev or test, or to None: its utterances are dropped.
        exclude: ids of utterances to leave out. An id is the path of a file without its ending; for a segment, start
            and end follow, as in ``wav/a_0.5-1.25``.

    Returns:
        The corpus, called by the database's name. Genders but female and male are unknown.

    Raises:
        UserError: the package is not installed, the folder holds no database, it lacks a table, scheme or audio file,
            two tables contradict one another, or what ``ser.corpora.listed.corpus_of`` refuses.
    """
    sessions = asked(sessions, columns, splits)
    needed = needed_columns(sessions)
    folder = SOURCE.folder(root)
    database = _database(folder)
    _check_tables(database, tables, folder)
    sources = _sources(columns)
    emotions = _values(database, sources["emotion"], folder, tables)
    unread = ("emotion",) if sessions == SPLIT else ("emotion", SPLIT)
    others = {ours: _values(database, sources[ours], folder) for ours in sources if ours not in unread}
    if sessions == SPLIT and not others[SPLIT] and sources[SPLIT] == SPLIT:
        others[SPLIT] = _splits_of_tables(database, sources["emotion"], folder, tables or [*database.tables], splits)
        _check_all_split(emotions, others[SPLIT], database, folder)
    _check_found({"emotion": emotions, **others}, ("emotion", *needed), sources, database, folder)
    rows = [
        _row(folder / _HEADER, line, segment, {"emotion": emotion, **_of_segment(others, segment)})
        for line, (segment, emotion) in enumerate(emotions.items(), 1)
    ]
    corpus = corpus_of(SOURCE.name, folder, rows, labels=labels, sessions=sessions, splits=splits, exclude=exclude)
    return replace(corpus, name=database.name)


def _database(folder: Path) -> Any:
    """The database, of which only the header is read yet."""
    try:
        import audformat
    except ImportError as error:
        raise UserError("corpus=audformat needs the package audformat: pip install audformat.") from error
    if not (folder / _HEADER).is_file():
        raise SOURCE.wrong_layout(folder, f"the header {_HEADER}")
    try:
        return audformat.Database.load(str(folder))
    except Exception as error:  # audformat passes on what YAML, its schemes and their constructors raise
        raise UserError(f"{folder / _HEADER} cannot be read by audformat ({type(error).__name__}: {error}).") from error


def _check_tables(database: Any, tables: Sequence[str] | None, folder: Path) -> None:
    if isinstance(tables, str) or (not tables and tables is not None):
        raise UserError(f"corpus.tables={tables} is no list. Write corpus.tables=[name,name], or null for all tables.")
    for table in tables or ():
        if table not in database.tables:
            raise UserError(
                f"corpus.tables names {table!r}, but the tables of {folder} are {', '.join(database.tables)}. "
                "Correct the name."
            )


def _sources(columns: Mapping[str, str] | None) -> dict[str, str]:
    """Our column -> scheme or column of the database."""
    check_columns(columns, _COLUMNS)
    return {ours: ours for ours in _COLUMNS} | dict(columns or {})


def _values(database: Any, source: str, folder: Path, tables: Iterable[str] | None = None) -> dict[Segment, str]:
    """The values of a scheme or column by segment; an empty text where a row has none."""
    import audformat

    try:
        frame = database.get(source, tables=None if tables is None else [*tables])
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{folder}: the tables or columns with {source!r} contradict one another. {error}\nChoose tables with "
            "corpus.tables=[...], or one column with corpus.columns."
        ) from error
    except OSError as error:
        raise UserError(f"{folder}: a table cannot be read ({error}). Complete the copy of the database.") from error
    values = audformat.utils.to_segmented_index(frame)[source]
    missing = values.isna()
    return {
        _segment(*index): "" if empty else str(value)
        for index, value, empty in zip(values.index, values, missing, strict=True)
    }


def _splits_of_tables(
    database: Any, emotion: str, folder: Path, tables: Sequence[str], words: Words | None
) -> dict[Segment, str]:
    """The word for the split of each segment with an emotion, from the tables that have a split.

    Raises:
        UserError: a segment is in two tables of different splits.
    """
    found: dict[Segment, tuple[str, str]] = {}
    for table in tables:
        word = _split_of_table(database, table, words)
        for segment in _values(database, emotion, folder, [table]) if word else ():
            first, other = found.setdefault(segment, (table, word))
            if other != word:
                raise UserError(
                    f"{folder}: {segment[0]} is in the split {other} (table {first}) and in {word} (table {table}). "
                    "Choose tables with corpus.tables=[...]."
                )
    return {segment: word for segment, (_, word) in found.items()}


def _check_all_split(
    emotions: Mapping[Segment, str], splits: Mapping[Segment, str], database: Any, folder: Path
) -> None:
    """Refuse an utterance without a split where others have one."""
    lost = [segment for segment, emotion in emotions.items() if emotion and segment not in splits]
    if splits and lost:
        raise UserError(
            f"{folder}: {lost[0][0]} is in no table with a split; the tables are {', '.join(database.tables)}. Say "
            "which split a table is, by a part of its name: 'corpus.splits={test-1: test}'. Or leave tables out: "
            "corpus.tables=[...]."
        )


def _split_of_table(database: Any, table: str, words: Words | None) -> str:
    """The word for the split of a table; empty if it has none.

    It is the table's name or a part of it that ``corpus.splits`` names, or else the type of the table's split, or else
    a part of its name that is known.
    """
    parts, split = table.split("."), database.tables[table].split_id
    named = [part for part in (table, *parts) if part in (words or {})]
    of_type = [str(database.splits[split].type)] if split in database.splits else []
    return next(iter([*named, *of_type, *filter(split_of, parts)]), "")


def _segment(file: str, start: Any, end: Any) -> Segment:
    """A row's index in seconds; an end that is not known is NaT, which is unequal to itself."""
    return file, start.total_seconds(), end.total_seconds() if end == end else None


def _of_segment(others: Mapping[str, Mapping[Segment, str]], segment: Segment) -> dict[str, str]:
    """The values of a segment, or else of its whole file."""
    whole = (segment[0], 0.0, None)
    return {ours: values.get(segment) or values.get(whole, "") for ours, values in others.items()}


def _check_found(
    values: Mapping[str, Mapping[Segment, str]],
    needed: Iterable[str],
    sources: Mapping[str, str],
    database: Any,
    folder: Path,
) -> None:
    """Refuse a database without a needed column, or without one that the user named."""
    for ours, found in values.items():
        if not found and (ours in needed or sources[ours] != ours):
            hint = MAKE_THEM if ours == "session" else ""
            raise UserError(
                f"{folder} has no values of {sources[ours]!r}, a scheme or column; its schemes are "
                f"{', '.join(database.schemes)}. Name the one that holds the {ours}: "
                f"'corpus.columns={{{ours}: ...}}'.{hint}"
            )


def _row(file: Path, line: int, segment: Segment, values: Mapping[str, str]) -> Row:
    """The row of an utterance, as it would be in a manifest."""
    path, start, end = segment
    part = "" if not start and end is None else f"_{start:g}-{'end' if end is None else f'{end:g}'}"
    cells = {"path": path, "id": str(Path(path).with_suffix("")) + part, **values}
    if part:
        cells |= {"start": repr(start), "end": "" if end is None else repr(end)}
    if cells["gender"] in _OTHER_GENDERS:
        cells["gender"] = ""
    return Row(file, line, cells, len(cells), name=path + part)
