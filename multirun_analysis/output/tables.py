"""Tables as data, and their text in Markdown, LaTeX, CSV and HTML."""

import csv
import html
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from multirun_analysis.inference.differences import Difference
from multirun_analysis.inference.intervals import Interval
from multirun_analysis.inference.statistics import Summary
from ser.system.text import for_spreadsheets

FEWEST_SEEDS = 5
"""Below so many seeds, a cell shows the seeds' scores in place of an interval, which would say little."""


@dataclass(frozen=True)
class Percent:
    """A fraction, shown in percent with two decimals, its interval and the number of values behind it.

    Attributes:
        value: the fraction.
        interval: its confidence interval, also a fraction; None, shown as ``[–]``, if there is none because there is
            only one seed; False if none is to be shown.
        n: how many values it was taken from; None if that is not to be shown.
        values: the values it was taken from, shown in parentheses; empty if they are not to be shown.
    """

    value: float
    interval: Interval | bool | None = False
    n: int | None = None
    values: tuple[float, ...] = ()

    @classmethod
    def of(cls, summary: Summary | Difference) -> "Percent":
        """A mean over seeds with its interval; with few seeds, with the seeds' own values in place of an interval."""
        if 1 < summary.n < FEWEST_SEEDS:
            return cls(summary.mean, None, values=summary.values)
        return cls(summary.mean, summary.interval)

    def __str__(self) -> str:
        words = [_two(self.value)]
        if self.values:
            words.append(f"({', '.join(map(_two, self.values))})")
        elif self.interval is None:
            words.append("[–]")
        elif isinstance(self.interval, Interval):
            words.append(f"[{_two(self.interval.low)}, {_two(self.interval.high)}]")
        return " ".join([*words, f"(n = {self.n})"] if self.n is not None else words)


def _two(fraction: float) -> str:
    """A fraction in percent with two decimals; zero has no sign.

    >>> [_two(value) for value in (0.12345, -0.00001)]
    ['12.35', '0.00']
    """
    return f"{100 * fraction:z.2f}"


@dataclass(frozen=True)
class Missing:
    """An X in place of a number, because trainings are missing. No mean is taken over the seeds that are complete.

    Attributes:
        complete: the number of seeds that have all of their folds.
        planned: the number of seeds that were planned; 0 if the reason is another one, and then no number is shown.
    """

    complete: int
    planned: int

    def __str__(self) -> str:
        return f"X ({self.complete} of {self.planned})" if self.planned else "X"


@dataclass(frozen=True)
class Rounded:
    """A number, shown with ``digits`` decimals."""

    value: float
    digits: int

    def __str__(self) -> str:
        if self.digits and 0 < self.value < 10**-self.digits / 2:
            return f"< {10**-self.digits:g}"
        return f"{self.value:.{self.digits}f}"


@dataclass(frozen=True)
class Spread:
    """The median of numbers, and the lowest and highest of them, shown without decimals as ``20 (8 to 31)``."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        middle = f"{self.median:.1f}".removesuffix(".0")
        return middle if self.low == self.high else f"{middle} ({self.low:.0f} to {self.high:.0f})"


_WIDEST = 70  # columns are padded to at most this many characters; a longer text goes beyond its column

Cell = Percent | Missing | Rounded | Spread | str | int | None
"""The content of a table's cell. None is shown as a dash and means that there is nothing to say."""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: the name of its files.
        title: the title, which names the corpus.
        columns: the headings.
        rows: the cells of each row, as many as there are columns.
        notes: what a reader must know, shown below.
        aside: whether it stands beside another table, and is written to files without being shown in the terminal.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    notes: tuple[str, ...] = ()
    aside: bool = False

    def markdown(self) -> str:
        """The table in Markdown, with aligned columns, for the terminal and for documents."""
        body = [[_markdown(_text(cell)) for cell in row] for row in self.rows]
        lines = [[_markdown(column) for column in self.columns], *body]
        widths = [max(len(line[index]) for line in lines) for index in range(len(self.columns))]
        widths = [min(width, _WIDEST) for width in widths]
        rule = ["-" * width for width in widths]
        table = [
            "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |"
            for line in (lines[0], rule, *body)
        ]
        notes = [_markdown(note) for note in self.notes]
        return "\n\n".join([f"**{_markdown(self.title)}**", "\n".join(table), *notes]) + "\n"

    def latex(self) -> str:
        """The table as a LaTeX ``table`` with the rules of booktabs, a label, and the notes below.

        A table that is wider than the text is scaled down to its width (adjustbox). Letters that pdfLaTeX does not
        know, of Greek or Chinese for example, need LuaLaTeX or XeLaTeX with a font that has them.
        """
        body = [_latex_row([_text(cell) for cell in row]) for row in self.rows]
        notes = [rf"\par\smallskip\parbox{{\linewidth}}{{\footnotesize {_latex(_flat(note))}}}" for note in self.notes]
        return "\n".join(
            [
                r"\begin{table}",
                r"\centering",
                rf"\caption{{{_latex(_without_number(self.title))}}}",
                rf"\label{{tab:{self.name}}}",
                r"\begin{adjustbox}{max width=\linewidth}",
                rf"\begin{{tabular}}{{{'l' * len(self.columns)}}}",
                r"\toprule",
                _latex_row(self.columns),
                r"\midrule",
                *body,
                r"\bottomrule",
                r"\end{tabular}",
                r"\end{adjustbox}",
                *notes,
                r"\end{table}",
                "",
            ]
        )

    def csv(self) -> str:
        """The table as CSV, its numbers with all digits.

        The ends of intervals, n and the seeds' values are columns of their own. The last column is the title, which
        names the corpus.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        parts = [_parts(row[index] for row in self.rows) for index in range(len(self.columns))]
        heads = [f"{name} {part}".strip() for name, names in zip(self.columns, parts, strict=True) for part in names]
        writer.writerow([*map(for_spreadsheets, heads), "title"])
        for row in self.rows:
            values = [_value(cell, part) for cell, names in zip(row, parts, strict=True) for part in names]
            writer.writerow([*values, for_spreadsheets(self.title)])
        return text.getvalue()

    def html(self) -> str:
        """The table in an HTML ``figure``, the title as its caption."""
        head = "".join(f"<th>{html.escape(column)}</th>" for column in self.columns)
        body = "".join(f"<tr>{''.join(map(_html, map(_text, row)))}</tr>\n" for row in self.rows)
        notes = "".join(f"<p class='note'>{html.escape(note)}</p>" for note in self.notes)
        title = html.escape(self.title)
        return f"<figure><figcaption>{title}</figcaption><table><tr>{head}</tr>\n{body}</table>{notes}</figure>\n"


def few_seeds(rows: Iterable[Sequence[Cell]]) -> list[str]:
    """A note if a cell shows the values of its seeds in place of an interval."""
    if not any(isinstance(cell, Percent) and cell.values for row in rows for cell in row):
        return []
    return [f"Below {FEWEST_SEEDS} seeds the seeds' own values stand in parentheses, in place of an interval."]


def _text(cell: Cell) -> str:
    return "–" if cell is None else _flat(str(cell))


def _without_number(title: str) -> str:
    """A title without ``Table 3: `` or ``Fig. 3: ``: LaTeX numbers its tables itself."""
    text = re.sub(r"^(Table|Fig\.) \d+: ", "", title)
    return text[:1].upper() + text[1:]


def _flat(text: str) -> str:
    """The text on one line."""
    return " ".join(text.split())


def _html(text: str) -> str:
    text = re.sub(r"[\[(][-\d., n=]+[\])]", lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    return f"<td{' class=long' if len(text) > _WIDEST // 2 else ''}>{html.escape(text)}</td>"


def _markdown(text: str) -> str:
    """A text in which users' words end no cell and begin no HTML, link or picture; it stays readable in a terminal."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text).replace("|", "\\|").replace("](", "]\\(")


def _latex_row(cells: Sequence[str]) -> str:
    r"""A row; behind a rule or ``\\`` of the row before, ``[`` and ``*`` would be read as their arguments."""
    row = " & ".join(map(_latex, cells))
    return f"{'{}' * row.startswith(('[', '*'))}{row} \\\\"


_IN_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%#_${}"},
        "\\": r"\textbackslash{}",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
        "–": "--",
        "λ": r"$\lambda$",
        **{"±": r"$\pm$", "<": "$<$", ">": "$>$", "≤": r"$\leq$", "≥": r"$\geq$", "→": r"$\to$"},
    }
)


def _latex(text: str) -> str:
    return text.translate(_IN_LATEX)


def _parts(column: Iterable[Cell]) -> list[str]:
    """The CSV columns for a column of the table: its value (""), and what else a cell has: ends, n, values."""
    cells = list(column)
    percents = [cell for cell in cells if isinstance(cell, Percent)]
    ends = any(cell.interval is not False for cell in percents) or any(isinstance(cell, Spread) for cell in cells)
    parts = {"low": ends, "high": ends}
    parts["n"] = any(cell.n is not None for cell in percents)
    parts["values"] = any(cell.values for cell in percents)
    return ["", *(part for part, there in parts.items() if there)]


def _value(cell: Cell, part: str) -> object:
    """What the CSV holds of a cell in the column of that part; an empty text where the cell does not have it."""
    if isinstance(cell, Percent):
        return _of_percent(cell, part)
    if isinstance(cell, Spread):
        return getattr(cell, part or "median", "")
    if part:
        return ""
    return cell.value if isinstance(cell, Rounded) else "" if cell is None else for_spreadsheets(str(cell))


def _of_percent(cell: Percent, part: str) -> object:
    if part == "":
        return _in_percent(cell.value)
    if part == "n":
        return "" if cell.n is None else cell.n
    if part == "values":
        return " ".join(str(_in_percent(value)) for value in cell.values)
    return _in_percent(getattr(cell.interval, part)) if isinstance(cell.interval, Interval) else ""


def _in_percent(fraction: float) -> float:
    """Multiply by 100 without the rounding error of it: 0.5673 gives 56.73, not 56.72999999999999."""
    return float(f"{100 * fraction:.14g}")
