"""What pictures have in common: colours, plain text in any script, and PNG files without a date.

Matplotlib draws a box for a letter that its font lacks, such as a Chinese one. Pictures take such letters from another
font of this system. Where no font has them, a class is shown by its number, which the text beside the picture explains
(``legend``), and a letter in a title as a question mark.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ser.system.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#F0E442")
"""Colours that the colour-blind can tell apart as well (Okabe and Ito 2008)."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Marks that go with the colours, so that a picture without colours can be read, too."""

_FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans SC", "Noto Sans JP", "Noto Sans KR",
    "Source Han Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "IPAexGothic",
    "IPAGothic", "TakaoPGothic", "NanumGothic", "UnDotum", "Baekmuk Gulim", "PingFang SC", "Hiragino Sans",
    "Apple SD Gothic Neo", "Microsoft YaHei", "SimHei", "Yu Gothic", "MS Gothic", "Malgun Gothic", "Noto Sans Arabic",
    "Noto Sans Devanagari", "Noto Sans Thai", "Noto Sans Tamil", "Noto Sans Bengali", "Arial Unicode MS",
)  # fmt: skip
"""Fonts that have letters which matplotlib's own font lacks, as systems have them."""


@contextmanager
def plain_text() -> Iterator[None]:
    """A context or decorator for what draws: texts made in it are shown as they are, so that ``$`` begins no formula.

    Names of classes, utterances, corpora and runs are the users' own.
    """
    from matplotlib import rc_context, rcParams

    with rc_context({"text.parse_math": False, "font.family": [*rcParams["font.family"], *_further_fonts()]}):
        yield


def legible(names: Sequence[str]) -> list[str]:
    """Names as pictures show them: as they are, or by their number from 1 where no font has their letters.

    >>> legible(["angry", "sad"])
    ['angry', 'sad']
    """
    return [str(number) if _missing(name) else name for number, name in enumerate(names, 1)]


def legend(names: Sequence[str]) -> str:
    """A sentence that says which names pictures show by numbers; empty if there are none."""
    numbers = [f"{shown} is {name}" for shown, name in zip(legible(names), names, strict=True) if shown != name]
    return f"In pictures {', '.join(numbers)}: no font of this system has their letters." if numbers else ""


def legible_text(text: str) -> str:
    """A title or label as pictures show it: letters that no font has are question marks."""
    missing = _missing(text)
    return "".join("?" if letter in missing else letter for letter in text)


def _missing(text: str) -> set[str]:
    """The letters of a text that no font has."""
    if text.isascii():
        return set()
    return {letter for letter in text if not letter.isspace() and ord(letter) not in _letters()}


@lru_cache(maxsize=1)
def _further_fonts() -> tuple[str, ...]:
    from matplotlib.font_manager import fontManager

    there = set(fontManager.get_font_names())
    return tuple(name for name in _FONTS if name in there)


@lru_cache(maxsize=1)
def _letters() -> frozenset[int]:
    """The letters that the fonts of pictures have, as numbers."""
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties, findfont, get_font

    families = [*rcParams["font.family"], *_further_fonts()]
    files = [findfont(FontProperties(family=[family])) for family in families]
    return frozenset(letter for file in files for letter in get_font(file).get_charmap())


def save(figure: "Figure", path: Path) -> Path:
    """Write a figure as PNG, whole or not at all; equal figures give equal bytes. Returns the path."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
    return path
