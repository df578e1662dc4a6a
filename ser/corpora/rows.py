"""Rows of a CSV file with checked access to their cells: every error names the file, the line and the column."""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ser.errors import UserError

_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Row:
    """A row of a CSV file.

    Attributes:
        file: the CSV file.
        line: the number of the row's line in the file, from 1.
        cells: column -> text, without blanks at both ends.
    """

    file: Path
    line: int
    cells: Mapping[str, str]

    def get(self, column: str) -> str | None:
        """Return the text in ``column``, or None if the cell is empty or the column does not exist."""
        return self.cells.get(column) or None

    def text(self, column: str) -> str:
        """Return the text in ``column``.

        Raises:
            UserError: the cell is empty.
        """
        value = self.get(column)
        if value is None:
            raise self.error(column, "is empty. Fill it in, or delete the row")
        return value

    def number(self, column: str) -> float | None:
        """Return the number in ``column``, written with a decimal point or comma; None if the cell is empty.

        Raises:
            UserError: the cell does not hold a finite number.
        """
        value = self.get(column)
        if value is None:
            return None
        try:
            number = float(value.replace(",", "."))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self.error(column, f"{value!r} is not a number. Write a number, or leave the cell empty")
        return number

    def error(self, column: str, problem: str) -> UserError:
        """Return the error for a problem in ``column``; ``problem`` is a sentence without its full stop."""
        return UserError(f"{self.file}, line {self.line}, column {column}: {problem}.")


def read_rows(file: Path) -> tuple[tuple[str, ...], list[Row]]:
    """Read a CSV file in UTF-8, with or without a byte order mark.

    The delimiter is the comma, semicolon or tab, whichever is most frequent in the header. Empty rows are skipped.

    Returns:
        The names of the columns in lower case, and the rows.

    Raises:
        UserError: the file is not UTF-8, two columns have the same name, or a row has more cells than the header.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            header = stream.readline()
            stream.seek(0)
            reader = csv.reader(stream, delimiter=max(_DELIMITERS, key=header.count))
            columns = tuple(cell.strip().lower() for cell in next(reader, []))
            rows = [_row(file, reader.line_num, columns, cells) for cells in reader if any(map(str.strip, cells))]
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 ({error.reason} at byte {error.start}). Save it as CSV UTF-8.") from error
    except csv.Error as error:
        raise UserError(f"{file} cannot be read as CSV: {error}. Export it again.") from error
    duplicates = [column for column in columns if column and columns.count(column) > 1]
    if duplicates:
        raise UserError(f"{file} has {columns.count(duplicates[0])} columns named {duplicates[0]}. Keep one of them.")
    return columns, rows


def _row(file: Path, line: int, columns: tuple[str, ...], cells: list[str]) -> Row:
    if len(cells) > len(columns):
        raise UserError(
            f"{file}, line {line}: {len(cells)} cells, but the header has {len(columns)}. "
            f"Put quotes around a cell that holds the separator."
        )
    return Row(file, line, dict(zip(columns, map(str.strip, cells), strict=False)))
