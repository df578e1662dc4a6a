"""Text for a terminal."""

import re
from collections.abc import Sequence

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

    >>> without_passwords("tracking.uri=postgresql://me:secret@host/runs")
    'tracking.uri=postgresql://me:***@host/runs'
    """
    return re.sub(r"(://[^/\s:@]*):[^/\s@]+@", r"\1:***@", text)


def _padded(column: Sequence[object]) -> list[str]:
    width = max(len(str(cell)) for cell in column)
    counts = all(isinstance(cell, int) for cell in column[1:])
    return [str(cell).rjust(width) if counts else str(cell).ljust(width) for cell in column]
