"""Intervals over speakers: how WA and UWA of a row would vary if other speakers had been recorded."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

import numpy as np
import pandas as pd

from multirun_analysis.grids import (
    Group,
    Study,
    common_seeds,
    doubt_of_speakers,
    left_out,
    of_seeds,
    predicted,
    recorded,
)
from multirun_analysis.inference.clusters import OverClusters, accuracies
from multirun_analysis.inference.scores import Floats
from multirun_analysis.inference.statistics import summarise
from multirun_analysis.output.tables import Cell, Missing, Percent, Table, few_seeds
from ser.errors import UserError

_READING = (
    "WA and UWA of the test utterances of all folds together, as means over seeds. For other speakers: 95 % intervals "
    "by Student's t with the error of the jackknife that leaves out one speaker at a time; for other seeds: those of "
    "the same figures over seeds. Lowest and highest: the WA of single speakers. An interval over speakers takes the "
    "seeds and the trained networks as given: that other speakers would be trained on, too, is not in it. It is about "
    "speakers recorded in the same way. Whether two rows differ is told by the table of their differences, over the "
    "same speakers, and not by two intervals that overlap."
)
_COLUMNS = (
    "WA %, other speakers [95 %]", "WA %, other seeds [95 %]", "UWA %, other speakers [95 %]",
    "UWA %, other seeds [95 %]", "lowest speaker, WA %", "highest speaker, WA %", "speakers", "seeds",
)  # fmt: skip
_X: tuple[Cell, ...] = (*[Missing(0, 0)] * 6, None, None)
_ONE_SPEAKER = (
    "UWA without an interval [–]: one speaker has all utterances of a class, which has no recall without that speaker."
)


def tables(
    name: str, study: Study, keys: Sequence[str], groups: Mapping[tuple[str, ...], Group], what: str
) -> list[Table]:
    """Make the table of intervals over speakers, with a row for each group; none if there are no groups.

    A group whose speakers are not known, or of whom each has one test utterance, has a note in place of its row.

    Args:
        name: the name of the table that it stands beside.
        study: where the predictions are.
        keys: the headings of the groups' names.
        groups: groups of complete points that have a seed in common, by their names. A group is averaged within a seed.
        what: what the groups are, for the title.
    """
    if not groups:
        return []
    doubts = {values: doubt for values, group in groups.items() if (doubt := _doubt(study, group))}
    groups = {values: group for values, group in groups.items() if values not in doubts}
    read, errors = of_seeds(groups, partial(_counted, study))
    rows = [(*values, *(_cells(read[values]) if values in read else _X)) for values in groups]
    lacking = left_out({" ".join(filter(None, values)): doubt for values, doubt in doubts.items()})
    alone = any(isinstance(row[-6], Percent) and row[-6].interval is None for row in rows if row[-2] != 1)
    reading = [_READING] if rows else []
    notes = (*reading, *([_ONE_SPEAKER] if alone else []), *few_seeds(rows), *errors, *lacking)
    title = f"Over speakers: {what} on {study.corpus}"
    return [Table(f"{name}_intervals", title, (*keys, *_COLUMNS), rows, notes, aside=True)]


def _doubt(study: Study, group: Group) -> str:
    """Why a group has no row; empty if it has one, be it an X because its predictions cannot be read."""
    with suppress(UserError):
        return doubt_of_speakers(predicted(study.collected, scores, common_seeds(group)[0]) for scores in group)
    return ""


def _counted(study: Study, group: Group, seed: int) -> pd.DataFrame:
    """How many utterances a seed classified correctly, and how many there are, by speaker and class.

    Returns:
        A row for each speaker of a corpus and each true class that occur together: the columns ``correct`` and
        ``count``, summed over the points of the group.
    """
    frames = [predicted(study.collected, scores, seed).assign(corpus=recorded(scores)) for scores in group]
    frame = pd.concat(frames)
    correct = (frame["gold"] == frame["predicted"]).groupby([frame["corpus"], frame["speaker"], frame["gold"]])
    return correct.agg(["sum", "count"]).set_axis(["correct", "count"], axis=1)


def _cells(seeds: Sequence[pd.DataFrame]) -> tuple[Cell, ...]:
    """A row: the accuracies with their intervals, the extreme speakers, the numbers of speakers and seeds."""
    right = np.stack([_by_speaker(seed["correct"]) for seed in seeds])  # seeds, speakers, classes
    counts = _by_speaker(seeds[0]["count"])
    over_speakers = accuracies(right.mean(axis=0), counts)
    over_seeds = np.array([[estimate.value for estimate in accuracies(of_seed, counts)] for of_seed in right])
    speakers = right.mean(axis=0).sum(axis=1) / counts.sum(axis=1)
    return (
        *(cell for pair in zip(over_speakers, over_seeds.T, strict=True) for cell in _pair(*pair)),
        Percent(float(speakers.min())),
        Percent(float(speakers.max())),
        len(speakers),
        len(seeds),
    )


def _pair(over_speakers: OverClusters, over_seeds: Floats) -> tuple[Percent, Percent]:
    """One accuracy with its interval over speakers, and the same with that over seeds."""
    return Percent(over_speakers.value, over_speakers.interval), Percent.of(summarise(over_seeds))


def _by_speaker(values: pd.Series) -> Floats:
    """Values by speaker and class as an array, shape (speakers, classes); 0 where a speaker lacks a class."""
    return values.unstack(fill_value=0).to_numpy(dtype=np.float64)
