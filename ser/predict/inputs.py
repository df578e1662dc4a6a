"""What ``python -m ser.predict`` predicts: audio files, folders, CSV files, standard input.

A CSV has a column ``path`` (or ``file``, ``filename``), and if you like those of a manifest (``ser.corpora.manifest``):
``id``, ``start``, ``end`` and ``speaker``. Its other columns stand beside the answers.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ser.corpora.audio_files import audio_below
from ser.corpora.listed import audio_of
from ser.corpora.rows import Row, read_rows
from ser.errors import UserError
from ser.predict.recording import Recording

_PATHS = ("path", "file", "filename")
"""Columns of a CSV that may hold the audio files, the first that is there."""


def recordings(inputs: Sequence[str], folder: Path) -> Iterator[Recording | UserError]:
    """The recordings that arguments name, in their order; for what cannot be read its error.

    Args:
        inputs: files, folders (with the folders below them), CSV files, and ``-`` for standard input, which holds an
            audio file, or any of these names, one a line.
        folder: an empty folder for the audio of standard input.
    """
    for given in inputs:
        try:
            yield from _standard_input(folder) if given == "-" else _named(given)
        except UserError as error:
            yield error


def _named(given: str) -> Iterator[Recording | UserError]:
    path = Path(given)
    if path.is_dir():
        found = audio_below(path)
        if not found:
            raise UserError(f"{path}: there is no audio file in this folder.")
        yield from map(Recording.of, found)
    elif path.suffix.lower() in (".csv", ".tsv"):
        yield from _listed(path)
    elif not path.exists():
        raise UserError(f"{path}: there is no such file or folder.")
    else:
        yield Recording(given, path)


def _standard_input(folder: Path) -> Iterator[Recording | UserError]:
    """The recording, or the recordings that are named. Text has no zero byte and is UTF-8; no audio format is so."""
    content = sys.stdin.buffer.read()
    try:
        text = "" if b"\0" in content else content.decode()
    except UnicodeDecodeError:
        text = ""
    if text.strip():
        yield from recordings([line for line in text.splitlines() if line.strip() not in ("", "-")], folder)
    elif content:
        path = folder / "standard input"
        path.write_bytes(content)
        yield Recording("-", path)
    else:
        raise UserError("-: standard input is empty. Give an audio file, or names of files, one a line.")


def _listed(file: Path) -> Iterator[Recording | UserError]:
    columns, rows = read_rows(file)
    source = next((column for column in _PATHS if column in columns), None)
    if source is None:
        raise UserError(
            f"{file} has no column for the audio files; its header is {', '.join(columns) or 'empty'}. Name the column "
            f"{', '.join(_PATHS[:-1])} or {_PATHS[-1]}."
        )
    name = "id" if "id" in columns else source
    others = [column for column in columns if column not in ("", name)]
    for row in rows:
        try:
            yield _recording(row, source, others)
        except UserError as error:
            yield error


def _recording(row: Row, source: str, others: Sequence[str]) -> Recording:
    """The recording of a row; a relative path starts at the folder of the CSV.

    Args:
        row: the row.
        source: the column with the audio file.
        others: the columns that are kept for the answer.
    """
    row.require([source])
    path = audio_of(row, source)
    if not path.is_file():
        raise row.error(source, f"there is no file {path}")
    given = {column: row.cells.get(column, "") for column in others}
    start, end = row.number("start"), row.number("end")
    return Recording(row.get("id") or str(path), path, start, end, row.get("speaker"), given)
