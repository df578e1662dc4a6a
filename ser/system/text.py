"""Text for a terminal."""

import re
from collections.abc import Sequence

HIDDEN = "***"
"""What stands in place of a password."""

_PASSWORDS = (
    re.compile(r"(\bhttps?://[^/\s:@]*:)[^/\s]+(?=@)"),
    re.compile(r"(\b(?!https?:)[a-z][\w+.-]*://[^/\s:@]*:)[^\s@]+(?:@[^/\s]+)*(?=@)"),  # SQLAlchemy allows slashes
    re.compile(r"([?&]\w*password=)[^&\s'\"]+"),
)
"""A password in the address of a server, of a database, and among an address' options."""

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


def without_passwords(text: str) -> str:
    """A text in which the passwords of addresses are replaced.

    >>> without_passwords("tracking.uri=postgresql://me:secret@host/runs http://host/?password=secret")
    'tracking.uri=postgresql://me:***@host/runs http://host/?password=***'
    """
    for pattern in _PASSWORDS:
        text = pattern.sub(rf"\1{HIDDEN}", text)
    return text


def for_spreadsheets(cell: str) -> str:
    """A CSV cell that no spreadsheet runs as a formula: ``'`` before ``=``, ``+``, ``-``, ``@``; numbers stay.

    >>> [for_spreadsheets(cell) for cell in ("=HYPERLINK(1)", "-0.5", "-", "sad")]
    ["'=HYPERLINK(1)", '-0.5', '-', 'sad']
    """
    return f"'{cell}" if _is_formula(cell) and not _is_number(cell) else cell


def from_spreadsheets(cell: str) -> str:
    """The text from which ``for_spreadsheets`` made a cell."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell) else cell


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
