"""What pictures have in common: colours, and PNG files without a date."""

from pathlib import Path
from typing import TYPE_CHECKING

from ser.system.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#F0E442")
"""Colours that the colour-blind can tell apart as well (Okabe and Ito 2008)."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Marks that go with the colours, so that a picture without colours can be read, too."""


def save(figure: "Figure", path: Path) -> Path:
    """Write a figure as PNG, whole or not at all; equal figures give equal bytes. Returns the path."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
    return path
