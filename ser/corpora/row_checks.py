"""Checks that compare the rows of a CSV file with one another. A message shows at most five problems of a kind."""

import math
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ser.corpora.labels import is_missing
from ser.corpora.names import alike
from ser.corpora.problems import refuse
from ser.corpora.rows import Row
from ser.corpora.table import Utterance

Listed = Sequence[tuple[Row, Utterance]]
"""Rows with the utterances that were made from them."""

ROUNDING_SECONDS = 0.1
"""Parts may overlap so far, because lists of turns give rounded times."""


class Part(NamedTuple):
    """What a row says about its audio: the file and, in seconds, start and end; the end may be infinite."""

    path: Path
    start: float
    end: float
    row: Row

    def __str__(self) -> str:
        whole = not self.start and self.end == math.inf
        return (
            "the whole file" if whole else f"{self.start:g} to {'the end' if self.end == math.inf else f'{self.end:g}'}"
        )


def check_spellings(rows: Iterable[Row], column: str, advice: str, settled: Collection[str] = ()) -> None:
    """Check that no two texts in ``column`` most likely mean the same, such as ``anna`` and ``Anna``, ``8`` and ``08``.

    Args:
        rows: the rows; cells that are empty are skipped.
        column: the column.
        advice: a sentence that tells what to do.
        settled: texts that may be nearly equal to one another, because the user has said what they mean.

    Raises:
        UserError: there are such texts.
    """
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row.get(column) or "", row)
    problems = []
    for kept, *others in alike(first):
        for other in others:
            if not {kept, other} <= {*settled}:
                where = f"{kept!r} in {first[kept].place}"
                problems.append(first[other].at(column, f"{other!r} is nearly equal to {where}"))
    refuse(problems, advice)


def check_parts(parts: Iterable[Part]) -> None:
    """Check that no two rows share sound: the same part of a file, or parts that overlap by more than rounding.

    Raises:
        UserError: two rows do.
    """
    by_file: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        by_file[os.path.normpath(part.path)].append(part)
    problems = []
    for path, file_parts in by_file.items():
        ordered = sorted(file_parts, key=lambda part: (part.start, part.end, part.row.line))
        longest = ordered[0]
        for part in ordered[1:]:
            if part.start == longest.start or part.start < longest.end - ROUNDING_SECONDS:
                problems.append(_shared(path, *sorted((part, longest), key=lambda each: each.row.line)))
            longest = max(longest, part, key=lambda each: each.end)
    refuse(problems, "Otherwise a model could be trained and tested on it. Delete a row, or correct start and end.")


def _shared(path: str, first: Part, second: Part) -> str:
    return second.row.at("path", f"{path} ({second}) is the same sound as in {first.row.place} ({first})")


def check_ids(listed: Listed) -> None:
    """Check that every utterance has its own id.

    Raises:
        UserError: two rows have the same.
    """
    first_rows: dict[str, Row] = {}
    problems = []
    for row, utterance in listed:
        first_row = first_rows.setdefault(utterance.id, row)
        if first_row is not row:
            origin = ", made from the path," if is_missing(row.get("id")) else ""
            problems.append(row.at("id", f"{utterance.id!r}{origin} is the id of {first_row.place}, too"))
    refuse(problems, "Give each row its own id.")


def check_speakers(listed: Listed, column: str, advice: str) -> None:
    """Check that all rows of a speaker have the same value in ``column``; rows where it is unknown are skipped.

    Raises:
        UserError: a speaker has two values.
    """
    first_values: dict[str, tuple[str, str]] = {}
    conflicts: dict[str, str] = {}
    for row, utterance in listed:
        value = getattr(utterance, column)
        if value:
            expected, place = first_values.setdefault(utterance.speaker, (value, row.place))
            if value != expected:
                problem = f"speaker {utterance.speaker!r} has {value!r} here, but {expected!r} in {place}"
                conflicts.setdefault(utterance.speaker, row.at(column, problem))
    refuse([*conflicts.values()], advice)
