"""Tables as data, and as Markdown, LaTeX, CSV and HTML."""

import csv
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from multirun_analysis.inference.statistics import Interval


@dataclass(frozen=True)
class Percent:
    """A fraction shown in percent with two decimals; with what is known of it: its interval, how many it is of.

    ``interval`` False: none is shown; None: one was asked for and cannot be had (one seed).
    """

    value: float
    interval: Interval | bool | None = False
    n: int | None = None

    def __str__(self) -> str:
        words = [f"{100 * self.value:.2f}"]
        if self.interval is None:
            words.append("[–]")
        elif isinstance(self.interval, Interval):
            words.append(f"[{100 * self.interval.low:.2f}, {100 * self.interval.high:.2f}]")
        return " ".join([*words, f"(n = {self.n})"] if self.n is not None else words)


@dataclass(frozen=True)
class Absent:
    """X: a cell whose trainings are not all there, with how many seeds there are; no mean of what happened to be."""

    found: int
    planned: int

    def __str__(self) -> str:
        return f"X ({self.found} of {self.planned})" if self.planned else "X"


@dataclass(frozen=True)
class Rounded:
    """A number shown with so many decimals."""

    value: float
    digits: int

    def __str__(self) -> str:
        if self.digits and 0 < self.value < 10**-self.digits / 2:
            return f"< {10**-self.digits:g}"
        return f"{self.value:.{self.digits}f}"


_WIDEST = 70  # characters to which a column is filled up: a longer text stands out at its end

Cell = Percent | Absent | Rounded | str | int | None
"""What stands in a table; None is a dash: nothing to say."""


@dataclass(frozen=True)
class Table:
    """Columns and rows, with a title and what must be known to read them."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """For the terminal and for documents: columns aligned."""
        body = [[_text(cell).replace("|", "\\|") for cell in row] for row in self.rows]
        lines = [list(self.columns), *body]
        widths = [max(len(line[index]) for line in lines) for index in range(len(self.columns))]
        widths = [min(width, _WIDEST) for width in widths]
        rule = ["-" * width for width in widths]
        table = [
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
            for line in (lines[0], rule, *body)
        ]
        return "\n\n".join([f"**{self.title}**", "\n".join(table), *self.notes]) + "\n"

    def latex(self) -> str:
        """A ``table`` with booktabs' rules; the notes as comments."""
        body = [" & ".join(_latex(_text(cell)) for cell in row) + r" \\{}" for row in self.rows]
        return "\n".join(
            [
                *(f"% {_flat(note)}" for note in self.notes),
                r"\begin{table}",
                rf"\caption{{{_latex(self.title)}}}",
                rf"\begin{{tabular}}{{{'l' * len(self.columns)}}}",
                r"\toprule",
                " & ".join(_latex(column) for column in self.columns) + r" \\",
                r"\midrule",
                *body,
                r"\bottomrule",
                r"\end{tabular}",
                r"\end{table}",
                "",
            ]
        )

    def csv(self) -> str:
        """Numbers in full, the ends of intervals and n in columns of their own; the title, with the corpus, last."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        parts = [_parts(row[index] for row in self.rows) for index in range(len(self.columns))]
        heads = [f"{name} {part}".strip() for name, some in zip(self.columns, parts, strict=True) for part in some]
        writer.writerow([*heads, "title"])
        for row in self.rows:
            values = [_value(cell, part) for cell, some in zip(row, parts, strict=True) for part in some]
            writer.writerow([*values, self.title])
        return text.getvalue()

    def html(self) -> str:
        """A figure element with the title as its caption."""
        head = "".join(f"<th>{html.escape(column)}</th>" for column in self.columns)
        body = "".join(f"<tr>{''.join(map(_html, map(_text, row)))}</tr>\n" for row in self.rows)
        notes = "".join(f"<p class='note'>{html.escape(note)}</p>" for note in self.notes)
        title = html.escape(self.title)
        return f"<figure><figcaption>{title}</figcaption><table><tr>{head}</tr>\n{body}</table>{notes}</figure>\n"


def _text(cell: Cell) -> str:
    return "–" if cell is None else _flat(str(cell))


def _flat(text: str) -> str:
    """Without line breaks."""
    return " ".join(text.split())


def _html(text: str) -> str:
    return f"<td{' class=long' if len(text) > _WIDEST // 2 else ''}>{html.escape(text)}</td>"


def _latex(text: str) -> str:
    text = text.replace("\\", r"\textbackslash ")
    for character in "&%#_${}":
        text = text.replace(character, f"\\{character}")
    text = text.replace("^", r"\^{}").replace("~", r"\~{}")
    for character, command in {"–": "--", "λ": r"$\lambda$", "±": r"$\pm$", "<": "$<$", ">": "$>$"}.items():
        text = text.replace(character, command)
    return text


def _parts(cells: Any) -> list[str]:
    """What a column of the CSV is split into: itself, and the ends of intervals or n if any cell has them."""
    cells = [cell for cell in cells if isinstance(cell, Percent)]
    intervals = any(cell.interval is not False for cell in cells)
    return ["", *(["low", "high"] if intervals else []), *(["n"] if any(cell.n is not None for cell in cells) else [])]


def _value(cell: Cell, part: str) -> object:
    if part == "":
        if isinstance(cell, Percent):
            return _in_percent(cell.value)
        return cell.value if isinstance(cell, Rounded) else "" if cell is None else str(cell)
    if not isinstance(cell, Percent):
        return ""
    if part == "n":
        return "" if cell.n is None else cell.n
    return _in_percent(getattr(cell.interval, part)) if isinstance(cell.interval, Interval) else ""


def _in_percent(fraction: float) -> float:
    """Without the rounding of the factor: 56.73 for 0.5673."""
    return float(f"{100 * fraction:.14g}")
