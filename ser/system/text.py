"""Text for a terminal."""

import re
from collections.abc import Sequence

HIDDEN = "***"
"""What stands in place of a password."""


def _passwords(end: str, end_of_option: str) -> tuple[re.Pattern[str], ...]:
    """A password in the address of a server, of a database, and among an address' options.

    Args:
        end: the characters that no address has, as they stand in a class of a pattern.
        end_of_option: those that no option of an address has.
    """
    user = rf"(?:\$\{{[^}}]*\}}|[^/{end}:@{{])*:"
    typed = r"(?!\$\{)"  # a password that begins so is an interpolation, which is stored as it is
    patterns = (
        rf"(\bhttps?://{user})(?!\d+(?:[/?#{end}]|$)){typed}(?:[^/{end}]+|[^{end}]+)(?=@)",  # digits alone: the port
        rf"(\b(?!https?:)[a-z][\w+.-]*://{user}){typed}[^{end}@]+(?:@[^/{end}]+)*(?=@)",  # SQLAlchemy allows slashes
        rf"([?&]\w*passw(?:or)?d=)[^&{end_of_option}]+",
        rf"((?:;|%3B)PWD(?:=|%3D))(?:(?!%3B)[^;&{end_of_option}])+",  # in ODBC's odbc_connect
    )
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)


_IN_TEXT, _ALONE = _passwords(r"\s", r"\s'\""), _passwords(r"\0", r"\0")

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""With these a cell begins that spreadsheets run (OWASP, CSV injection)."""

_GAP = "  "


def aligned(rows: Sequence[Sequence[object]]) -> str:
    """Rows of equal length in columns: words begin together, counts end together; the first row is the heading.

    >>> print(aligned([["dropped", "turns"], ["label fru", 12], ["scripted turn", 3]]))
    dropped        turns
    label fru         12
    scripted turn      3
    """
    columns = [_padded(column) for column in zip(*rows, strict=True)]
    return "\n".join(_GAP.join(cells).rstrip() for cells in zip(*columns, strict=True))


def listing(names: Sequence[object], shown: int = 5, between: str = ", ") -> str:
    """Names as part of a sentence; of more than ``shown``, the first ones and the number of the others.

    >>> listing(["a.wav", "b.wav", "c.wav"], shown=2), listing(["loss=cos", "loss=l2"], shown=1, between="; ")
    ('a.wav, b.wav and 1 more', 'loss=cos; and 1 more')
    """
    rest = len(names) - shown
    more = f"{between.replace(',', '')}and {rest} more" if rest > 0 else ""
    return between.join(map(str, names[:shown])) + more


def percent(fraction: float) -> str:
    """A fraction in percent with two decimals."""
    return f"{100 * fraction:.2f}"


def without_passwords(text: str, address: str = "") -> str:
    """A text in which the passwords of addresses are replaced, as far as they have no blanks.

    Args:
        text: the text.
        address: an address that it may contain, whose password may have any characters.

    >>> without_passwords("tracking.uri=postgresql://me:secret@host/runs http://host/?password=secret")
    'tracking.uri=postgresql://me:***@host/runs http://host/?password=***'
    """
    return _replaced(_IN_TEXT, text.replace(address, shown_address(address)) if address else text)


def shown_address(address: str) -> str:
    """An address as it may be shown and stored: ``***`` in place of its password, which may have any characters.

    >>> shown_address("postgresql://me:two words@host/runs"), shown_address("sqlite:///mlflow.db")
    ('postgresql://me:***@host/runs', 'sqlite:///mlflow.db')
    """
    return _replaced(_ALONE, address)


def for_spreadsheets(cell: str) -> str:
    """A CSV cell that no spreadsheet runs as a formula: ``'`` before ``=``, ``+``, ``-``, ``@``; numbers stay.

    >>> [for_spreadsheets(cell) for cell in ("=HYPERLINK(1)", "-0.5", "-", "sad")]
    ["'=HYPERLINK(1)", '-0.5', '-', 'sad']
    """
    return f"'{cell}" if _is_formula(cell) and not _is_number(cell) else cell


def from_spreadsheets(cell: str) -> str:
    """The text from which ``for_spreadsheets`` made a cell."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell) else cell


def _replaced(passwords: Sequence[re.Pattern[str]], text: str) -> str:
    for password in passwords:
        text = password.sub(rf"\1{HIDDEN}", text)
    return text


def _padded(column: Sequence[object]) -> list[str]:
    width = max(len(str(cell)) for cell in column)
    counts = all(isinstance(cell, int) for cell in column[1:])
    return [str(cell).rjust(width) if counts else str(cell).ljust(width) for cell in column]


def _is_formula(cell: str) -> bool:
    """Whether a cell begins like a formula; also behind ``'``, so that such a cell comes back as it was."""
    text = cell.lstrip("'")
    return len(text) > 1 and text.startswith(_FORMULA)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
