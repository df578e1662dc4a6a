"""Two things measured in turns, and tables of what came out."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple


class Spread(NamedTuple):
    """The median of repeated figures, the lowest and the highest."""

    median: float
    low: float
    high: float

    def text(self, form: str = ".2f") -> str:
        """``1.50 (1.20 to 1.90)``."""
        return f"{self.median:{form}} ({self.low:{form}} to {self.high:{form}})"


def spread(figures: Sequence[float]) -> Spread:
    """The median, the lowest and the highest of the figures."""
    return Spread(statistics.median(figures), min(figures), max(figures))


@dataclass(frozen=True)
class Paired:
    """Figures of two things measured one after the other, A B A B ..., so that a slow moment meets both."""

    first: tuple[float, ...]
    second: tuple[float, ...]

    @property
    def medians(self) -> tuple[float, float]:
        """Each one's own median."""
        return statistics.median(self.first), statistics.median(self.second)

    @property
    def ratio(self) -> Spread:
        """Second over first, pair by pair: the median ratio, which need not be the ratio of the medians."""
        return spread([b / a for a, b in zip(self.first, self.second, strict=True)])


def paired(first: Callable[[int], float], second: Callable[[int], float], repetitions: int) -> Paired:
    """Measure A B A B ...; each is called with the repetition's number and gives its figure.

    Repetition 0 warms both up and does not count.
    """
    figures = [(first(number), second(number)) for number in range(repetitions + 1)][1:]
    return Paired(*zip(*figures, strict=True))


def seconds(action: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


@dataclass(frozen=True)
class Section:
    """One table: its title, what was measured, the columns, the rows; ``values`` are the same figures as numbers."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    notes: str = ""
    values: dict[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """The section in Markdown."""
        table = [self.columns, ("---",) + ("---:",) * (len(self.columns) - 1), *self.rows] if self.rows else []
        lines = "\n".join(f"| {' | '.join(row)} |" for row in table)
        return "\n\n".join(filter(None, (f"## {self.title}", self.notes, lines))) + "\n"


@dataclass(frozen=True)
class Options:
    """What every measurement is told: whether to be quick, and a folder that is removed afterwards."""

    quick: bool
    folder: Path

    def repetitions(self, full: int, quick: int = 2) -> int:
        """How often to repeat."""
        return quick if self.quick else full
