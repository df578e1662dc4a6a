"""Any corpus that is listed in a CSV file, or in JSON lines (``.jsonl``). Each row is an utterance.

Required columns:
    path: the audio file; a relative path starts at the folder of the CSV.
    emotion: any word. A row without one, or with a word for a missing value such as ``nan``, is dropped.
    speaker: any name. With an official split it may be missing, or empty in all rows: the speakers are not known.
    session: any name or number. Not required if ``corpus.sessions`` makes sessions from the speakers.
    split: train, dev or test, in place of a session, if ``corpus.sessions=split`` asks for the official split.

``corpus.columns`` says where a column has another name.

Optional columns, where an empty cell means unknown:
    id: the name of the utterance; otherwise it is made from the path.
    gender: f, female, w, woman; m, male, man.
    valence, activation, dominance: mean ratings.
    start, end: seconds within the file, if the file contains several utterances.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from ser.corpora.columns import fields_of, sources
from ser.corpora.json_lines import read_json_lines
from ser.corpora.listed import NEEDED, OPTIONAL, corpus_of, needed_columns
from ser.corpora.official import SPLIT, asked
from ser.corpora.problems import for_each
from ser.corpora.roots import Source, visible
from ser.corpora.rows import Row, read_rows
from ser.corpora.sessions import MAKE_THEM
from ser.corpora.table import Corpus
from ser.errors import UserError

SOURCE = Source("manifest", "MANIFEST", "It reads a CSV file with the columns path, emotion, session and speaker.")

_COLUMNS = (*NEEDED, "session", SPLIT, *OPTIONAL)
_OTHER_WORDS = {"arousal": "activation", "sex": "gender"}
_JSON_LINES = ".jsonl"
_ENDINGS = (".csv", ".tsv")
_LIKENESS = 0.84  # of "ends" and "end", but not of "idx" and "id"
_log = logging.getLogger(__name__)


def read(
    root: str | Path | None,
    *,
    columns: Mapping[str, str] | None = None,
    labels: Mapping[str, str | None] | None = None,
    sessions: int | str | None = None,
    splits: Mapping[str, str | None] | None = None,
    exclude: Sequence[str] = (),
) -> Corpus:
    """Read the utterances that a CSV file, or one of JSON lines, lists.

    Args:
        root: the file (CSV, TSV or JSON lines), or a folder that contains exactly one; JSON lines
            are looked for where there is no CSV or TSV.
        columns: our column -> the column of the CSV that holds it, or a template over its columns, such as
            ``{"path": "dia{Dialogue_ID}_utt{Utterance_ID}.wav"}``. Columns that are not here have our names.
        labels: maps words of the column ``emotion`` to classes. Utterances whose word is missing here or maps to None
            are dropped. If ``labels`` is None, every word is a class; if it maps words to None only, every other word.
        sessions: divide the speakers into this many sessions, or "speakers": each speaker is one. The column
            ``session`` is ignored then. "split" reads the official split from the column ``split``; so does None if
            ``columns`` names it or ``splits`` is given.
        splits: maps words of the column ``split`` to train, dev or test, or to None: its utterances are dropped.
        exclude: ids of utterances to leave out.

    Returns:
        The corpus; its ``root`` is the CSV file, and it is called by the file's name.

    Raises:
        UserError: the CSV or an audio file does not exist, a column is missing, a cell is wrong, two rows have the
            same id or share sound, a speaker has two sessions or two genders, two names are nearly equal, ``labels``
            has a word that no row has, or the official split is none.
    """
    sessions = asked(sessions, columns, splits)
    needed = needed_columns(sessions)
    file = _csv_file(SOURCE.path(root))
    rows = _rows(file, columns, needed)
    corpus = corpus_of(SOURCE.name, file, rows, labels=labels, sessions=sessions, splits=splits, exclude=exclude)
    return replace(corpus, name=file.stem)


def _csv_file(path: Path) -> Path:
    if path.is_file():
        return path
    found = [*visible(path.iterdir())]
    files = [file for file in found if file.suffix.lower() in _ENDINGS]
    files = files or [file for file in found if file.suffix.lower() == _JSON_LINES]
    if not files:
        raise SOURCE.wrong_layout(path, "one file *.csv, *.tsv or *.jsonl")
    if len(files) > 1:
        names, kind = ", ".join(file.name for file in files), "CSV" if files[0].suffix.lower() in _ENDINGS else "JSON"
        raise UserError(
            f"corpus=manifest: {path} holds {len(files)} {kind} files ({names}). Give one as corpus.root=..."
        )
    return files[0]


def _rows(file: Path, columns: Mapping[str, str] | None, needed: Sequence[str]) -> list[Row]:
    """The rows of the file, each with a cell in every needed column."""
    header, rows = read_json_lines(file) if file.suffix.lower() == _JSON_LINES else read_rows(file)
    taken = sources(columns, _COLUMNS, header, file)
    missing = [each for each in needed if each not in taken and (each not in header or each in taken.values())]
    if missing:
        hint = MAKE_THEM if "session" in missing else ""
        hint += " It looks like JSON lines: name it .jsonl." if header and header[0].startswith("{") else ""
        raise UserError(
            f"{file} has no column {' and no column '.join(missing)}; its header is {', '.join(header) or 'empty'}. "
            f"Add it to the file, or say which column it is: 'corpus.columns={{{missing[0]}: ...}}'.{hint}"
        )
    _warn_of_misspelt(file, header, taken)
    rows = [replace(row, sources=taken) for row in rows]
    has_speakers = "speaker" in taken or ("speaker" in header and "speaker" not in taken.values())
    needed = (*needed, *(["speaker"] if has_speakers and "speaker" not in needed else []))
    for_each(lambda row: row.require(needed), rows)
    return rows


def _warn_of_misspelt(file: Path, header: Sequence[str], taken: Mapping[str, str]) -> None:
    """Log a warning for each column that is not read, but most likely means one that the CSV does not have."""
    absent = [column for column in OPTIONAL if column not in (*header, *taken)]
    read_from = {column for source in taken.values() for column in fields_of(source)}
    for column in header:
        if column not in (*_COLUMNS, *read_from):
            meant = get_close_matches(_OTHER_WORDS.get(column, column), absent, n=1, cutoff=_LIKENESS)
            if meant:
                _log.warning(
                    "%s: the column %s is not read. If it is %s, give it that name, or 'corpus.columns={%s: %s}'.",
                    file, column, meant[0], meant[0], column,
                )  # fmt: skip
