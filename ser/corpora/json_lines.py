"""Rows of a file of JSON lines: an object a line, whose keys are the columns that a CSV file would have."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ser.corpora.names import composed
from ser.corpora.problems import for_each
from ser.corpora.roots import content
from ser.corpora.rows import Row
from ser.errors import UserError


def read_json_lines(file: Path) -> tuple[tuple[str, ...], list[Row]]:
    """Read a file with a JSON object on each line, in UTF-8. Empty lines are skipped.

    Returns:
        The keys in lower case, in the order in which they first occur, and the rows. A number is the text that it is
        written as; null, and a key that an object lacks, is an empty cell.

    Raises:
        UserError: the file is not UTF-8, a line is no object, two keys of one are the same, or a value is a list or an
            object.
    """
    try:
        lines = content(file).decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 ({error.reason} at byte {error.start}). Save it as UTF-8.") from error
    full = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    found = for_each(lambda each: (each[0], _cells(file, *each)), full)
    columns = tuple(dict.fromkeys(key for _, cells in found for key in cells))
    empty = dict.fromkeys(columns, "")
    return columns, [Row(file, number, {**empty, **cells}, len(columns)) for number, cells in found]


def _cells(file: Path, number: int, line: str) -> dict[str, str]:
    """The cells of a line by column."""
    place = f"{file}, line {number}"
    try:
        pairs = json.loads(line, object_pairs_hook=_Pairs, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place}: cannot be read as JSON: {error}. Write one object a line.") from error
    if not isinstance(pairs, _Pairs):
        raise UserError(f'{place}: is no JSON object. Write one object a line, such as {{"path": "a.wav"}}.')
    cells: dict[str, str] = {}
    for key, value in pairs:
        column = composed(key.strip().lower())
        if column in cells:
            raise UserError(f"{place}: has two keys named {column}. Keep one of them.")
        cells[column] = _text(value, f"{place}, column {column}")
    return cells


class _Pairs(list[tuple[str, Any]]):
    """The keys and values of an object, also of equal keys."""


def _text(value: Any, place: str) -> str:
    """A value as the text of a cell."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        kind = "an object" if isinstance(value, _Pairs) else "a list"
        raise UserError(f"{place}: the value is {kind}. Write a text, a number or null, or take the key out.")
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value).strip()
