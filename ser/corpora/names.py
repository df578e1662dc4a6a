"""Names that people write in several ways: the same letters as other code points, capitals, blanks, leading zeros."""

import re
import unicodedata
from collections.abc import Iterable

_WHOLE_NUMBER = re.compile(r"(-?\d+)[.,]0*")
_LEADING_ZEROS = re.compile(r"(?<![\d.,])0+(?=\d)")


def composed(text: str) -> str:
    """Return the text in Unicode's composed form (NFC), in which an accented letter is one code point."""
    return unicodedata.normalize("NFC", text)


def likeness(name: str) -> str:
    """Return a form that is equal for names which most likely mean the same.

    Capitals, blanks, invisible characters, zeros before a number and ``.0`` behind it do not count.

    >>> likeness("Anna") == likeness("anna ")
    True
    >>> [likeness(name) for name in ("8", "08", "8.0", "s08", "1.10", "1.1")]
    ['8', '8', '8', 's8', '1.10', '1.1']
    """
    shown = "".join(letter for letter in unicodedata.normalize("NFKC", name) if unicodedata.category(letter) != "Cf")
    text = " ".join(unicodedata.normalize("NFKC", shown.casefold()).split())
    whole = _WHOLE_NUMBER.fullmatch(text)
    return _LEADING_ZEROS.sub("", whole[1] if whole else text)


def alike(names: Iterable[str]) -> list[list[str]]:
    """Return the groups of two or more names that most likely mean the same, in the order of ``names``.

    >>> alike(["sad", "Neutral", "neutral", "sad"])
    [['Neutral', 'neutral']]
    """
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(likeness(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]
