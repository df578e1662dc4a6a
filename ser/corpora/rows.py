"""A CSV as rows whose cells are checked one by one, so that a mistake is named by line and column."""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ser.errors import UserError

_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Row:
    """One row: its ``line`` in the ``file`` (from 1) and its cells by column, stripped of blanks."""

    file: Path
    line: int
    cells: Mapping[str, str]

    def get(self, column: str) -> str | None:
        """The cell of ``column``; None where it is empty or there is no such column."""
        return self.cells.get(column) or None

    def text(self, column: str) -> str:
        """The cell of ``column``.

        Raises:
            UserError: it is empty.
        """
        value = self.get(column)
        if value is None:
            raise self.error(column, "is empty. Fill it in, or take the row out")
        return value

    def number(self, column: str) -> float | None:
        """The cell of ``column`` as a number, with a decimal point or comma; None where it is empty.

        Raises:
            UserError: it is not a finite number.
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

    def error(self, column: str, what: str) -> UserError:
        """The error for ``what`` is wrong in ``column`` of this row."""
        return UserError(f"{self.file}, line {self.line}, column {column}: {what}.")


def read_rows(file: Path) -> tuple[tuple[str, ...], list[Row]]:
    """The columns (in lower case) and the rows of a CSV.

    UTF-8 with or without a byte order mark; cells separated by commas, semicolons or tabs, as the header shows. Empty
    rows are passed over.

    Raises:
        UserError: the file is not UTF-8, a column's name occurs twice, or a row has more cells than the header.
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
        raise UserError(f"{file} cannot be read as CSV: {error}. Export it anew.") from error
    doubled = [column for column in columns if column and columns.count(column) > 1]
    if doubled:
        raise UserError(f"{file} has {columns.count(doubled[0])} columns named {doubled[0]}. Keep one of them.")
    return columns, rows


def _row(file: Path, line: int, columns: tuple[str, ...], cells: list[str]) -> Row:
    if len(cells) > len(columns):
        raise UserError(
            f"{file}, line {line}: {len(cells)} cells, but the header has {len(columns)}. "
            f"Put quotes around a cell that holds the separator."
        )
    return Row(file, line, dict(zip(columns, map(str.strip, cells), strict=False)))
