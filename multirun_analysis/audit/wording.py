"""Words for many things: counts, ranges of numbers, lists that end after a few items."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ser.system.text import listing


def grouped(items: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    """Items by their key, in their order."""
    result: dict[Any, list[Any]] = {}
    for item in items:
        result.setdefault(key(item), []).append(item)
    return result


def numbers(word: str, values: Iterable[int]) -> str:
    """Numbers in words, consecutive ones as a range.

    >>> numbers("seed", [3, 0, 1, 2, 7])
    'seeds 0 to 3, 7'
    """
    ordered = sorted(values)
    ranges = grouped(range(len(ordered)), lambda index: ordered[index] - index).values()
    ends = [(ordered[indices[0]], ordered[indices[-1]]) for indices in ranges]
    parts = [f"{first}" if first == last else f"{first} to {last}" for first, last in ends]
    return f"{word}{'s' * (len(ordered) > 1)} {listing(parts)}"


def few(items: Sequence[str]) -> str:
    """Items that may have commas, as part of a sentence; of many, the first ones and the number of the others."""
    return listing(items, between="; ")


def count(items: Sequence[object], word: str) -> str:
    """How many there are.

    >>> count([4, 5], "cell")
    '2 cells'
    """
    return f"{len(items)} {word}{'s' * (len(items) != 1)}"


def are(items: Sequence[object]) -> str:
    """The verb that follows a count."""
    return "is" if len(items) == 1 else "are"
