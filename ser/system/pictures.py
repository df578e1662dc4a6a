"""What pictures have in common: colours, plain text, and PNG files without a date."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ser.system.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#F0E442")
"""Colours that the colour-blind can tell apart as well (Okabe and Ito 2008)."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Marks that go with the colours, so that a picture without colours can be read, too."""


@contextmanager
def plain_text() -> Iterator[None]:
    """A context or decorator for what draws: texts made in it are shown as they are, so that ``$`` begins no formula.

    Names of classes, utterances, corpora and runs are the users' own.
    """
    from matplotlib import rc_context

    with rc_context({"text.parse_math": False}):
        yield


def save(figure: "Figure", path: Path) -> Path:
    """Write a figure as PNG, whole or not at all; equal figures give equal bytes. Returns the path."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
    return path
