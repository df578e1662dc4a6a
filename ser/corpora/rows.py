"""Rows of a CSV file with checked access to their cells: every error names the file, the line and the column."""

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from ser.corpora.columns import fields_of, filled, is_template
from ser.corpora.labels import is_missing
from ser.corpora.names import composed
from ser.corpora.problems import for_each
from ser.corpora.roots import content
from ser.errors import UserError

_DELIMITERS = ",;\t"
_EXCEL_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")


@dataclass(frozen=True)
class Row:
    """A row of a CSV file, or of a table that is treated like one.

    Attributes:
        file: the CSV file.
        line: the number of the row's first line in the file, from 1.
        cells: column -> text as it is written, without blanks at both ends; columns behind the row's end are missing.
        columns: the number of columns of the header.
        sources: column -> the column of the file that holds it, or a template; see ``ser.corpora.columns``. A column
            that is missing here has the same name in the file, unless the file's column of that name holds another one.
        name: what messages call the row; default: its line.
    """

    file: Path
    line: int
    cells: Mapping[str, str]
    columns: int
    sources: Mapping[str, str] = field(default_factory=dict)
    name: str = ""

    @property
    def place(self) -> str:
        """Where the row is, for messages."""
        return self.name or f"line {self.line}"

    def written(self, column: str) -> str:
        """Return the text in ``column`` as it is written, or an empty string.

        Raises:
            UserError: the text is made from a template, and a cell that it needs is empty.
        """
        if column not in self.sources and column in self.sources.values():
            return ""
        source = self.sources.get(column, column)
        return filled(source, self._needed) if is_template(source) else self.cells.get(source, "")

    def _needed(self, cell: str) -> str:
        text = self.cells.get(cell, "")
        if not text:
            raise self.error(cell, "is empty. Fill it in, or delete the row")
        return text

    def get(self, column: str) -> str | None:
        """Return the text in ``column`` in Unicode's composed form, or None if the cell is empty or does not exist."""
        return composed(self.written(column)) or None

    def text(self, column: str) -> str:
        """Return the text in ``column`` in Unicode's composed form.

        Raises:
            UserError: the cell is empty.
        """
        value = self.get(column)
        if value is None:
            raise self.error(column, "is empty. Fill it in, or delete the row")
        return value

    def number(self, column: str) -> float | None:
        """Return the number in ``column``, written with a decimal point or comma; None if the cell has no value.

        Raises:
            UserError: the cell does not hold a finite number, or one such as ``1,000``, which may be 1 or 1000.
        """
        value = self.get(column)
        if value is None or is_missing(value):
            return None
        if _THOUSANDS.fullmatch(value):
            both = f"{value.replace(',', '.')} or {value.replace(',', '')}"
            raise self.error(column, f"{value!r} may be {both}. Write the one that is meant")
        number = float(value.replace(",", ".")) if _NUMBER.fullmatch(value) else math.nan
        if not math.isfinite(number):
            raise self.error(column, f"{value!r} is not a number. Write a number, or leave the cell empty")
        return number

    def require(self, columns: Sequence[str]) -> None:
        """Check that the row does not end before one of the ``columns``.

        Raises:
            UserError: it does.
        """
        for column in columns:
            if not {*fields_of(self.sources.get(column, column))} <= self.cells.keys():
                end = f"the row ends after {len(self.cells)} of {self.columns} cells"
                raise self.error(column, f"is empty: {end}. Fill it in, or delete the row")

    def at(self, column: str, problem: str) -> str:
        """Return a message about ``column``; ``problem`` is a sentence without its full stop."""
        return f"{self.file}, {self.place}, column {self.sources.get(column, column)}: {problem}."

    def error(self, column: str, problem: str) -> UserError:
        """Return the error for a problem in ``column``; ``problem`` is a sentence without its full stop."""
        return UserError(self.at(column, problem))


def read_rows(file: Path) -> tuple[tuple[str, ...], list[Row]]:
    """Read a CSV file in UTF-8, with or without a byte order mark.

    The delimiter is the one that a first line such as ``sep=;`` names, or else the comma, semicolon or tab, whichever
    is most frequent in the header. Empty rows are skipped.

    Returns:
        The names of the columns in lower case, and the rows.

    Raises:
        UserError: the file is not UTF-8, two columns have the same name, a row has more cells than the header, or a
            quote is not closed.
    """
    lines = _lines(file)
    named = _EXCEL_LINE.fullmatch(lines[0].strip("\r\n")) if lines else None
    skipped = 1 if named else 0
    header = lines[skipped] if len(lines) > skipped else ""
    delimiter = named[1] if named else max(_DELIMITERS, key=header.count)
    records = _records(file, lines, skipped, delimiter)
    columns = tuple(composed(cell.strip().lower()) for _, cells in islice(records, 1) for cell in cells)
    full = [record for record in records if any(map(str.strip, record[1]))]
    rows = for_each(lambda record: _row(file, *record, columns), full)
    duplicates = [column for column in columns if column and columns.count(column) > 1]
    if duplicates:
        raise UserError(f"{file} has {columns.count(duplicates[0])} columns named {duplicates[0]}. Keep one of them.")
    return columns, rows


def _lines(file: Path) -> list[str]:
    try:
        return [*io.StringIO(content(file).decode("utf-8-sig"), newline="")]
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 ({error.reason} at byte {error.start}). Save it as CSV UTF-8.") from error


def _records(file: Path, lines: list[str], skipped: int, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line's number and the cells of every record after the ``skipped`` lines, the header first."""
    first = last = skipped + 1
    reader = csv.reader(lines[skipped:], delimiter=delimiter)
    try:
        for cells in reader:
            if _swallows(cells, delimiter, lines[skipped]):
                raise _open_quote(file, first)
            yield first, cells
            first, last = skipped + reader.line_num + 1, first
    except csv.Error as error:
        if "field larger" in str(error):
            raise _open_quote(file, first) from error
        raise UserError(f"{file}, line {first}: cannot be read as CSV: {error}. Export it again.") from error
    if _ends_in_quotes(lines[last - 1 :], delimiter):
        raise _open_quote(file, last)


def _swallows(cells: Sequence[str], delimiter: str, header: str) -> bool:
    """Whether a cell with line breaks holds what looks like whole rows."""
    further = [line for cell in cells if "\n" in cell or "\r" in cell for line in cell.splitlines()[1:]]
    return any(line.count(delimiter) >= header.count(delimiter) > 0 for line in further)


def _ends_in_quotes(lines: Sequence[str], delimiter: str) -> bool:
    """Whether the last quote is not closed. Other flaws that a strict reader objects to are accepted."""
    try:
        list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


def _open_quote(file: Path, line: int) -> UserError:
    return UserError(
        f'{file}, line {line}: a quote (") is opened in this row, but not closed in it, so the rows below it would be '
        "lost. Close it, or delete it."
    )


def _row(file: Path, line: int, cells: list[str], columns: tuple[str, ...]) -> Row:
    if len(cells) > len(columns):
        raise UserError(
            f"{file}, line {line}: {len(cells)} cells, but the header has {len(columns)}. "
            f"Put quotes around a cell that holds the separator."
        )
    return Row(file, line, dict(zip(columns, map(str.strip, cells), strict=False)), len(columns))
