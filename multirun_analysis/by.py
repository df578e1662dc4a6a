"""Tables of any sweep by the keys that a user names, with the same statistics as the paper's tables."""

from collections.abc import Mapping, Sequence

import numpy as np

from multirun_analysis import comparisons
from multirun_analysis.comparisons import Comparison
from multirun_analysis.grids import Group, Scores, Study, by_point, common_seeds, highest, missing_seeds, paired
from multirun_analysis.inference import statistics
from multirun_analysis.output.tables import Cell, Percent, Table
from ser.config.words import GROUP_OF
from ser.errors import UserError
from ser.results.metrics import METRICS

Groups = Mapping[tuple[str, ...], list[Scores]]


def tables(study: Study, name: str, by: Sequence[str]) -> list[Table]:
    """Make a table of a sweep, and one of differences from the row with the highest validation WA.

    A row stands for one combination of the keys' values. Over all other keys it is averaged within each seed.

    Args:
        study: the points of the sweep.
        name: the name of the sweep.
        by: the keys, as typed.

    Returns:
        The table of all rows, then that of differences if at least two rows are complete.

    Raises:
        UserError: no point of the sweep has one of the keys.
    """
    keys = [_parameter(key) for key in by]
    _check_keys(study, keys)
    groups: dict[tuple[str, ...], list[Scores]] = {}
    for scores in study.scores:
        groups.setdefault(tuple(scores[key] for key in keys), []).append(scores)
    rows = [(*values, *_cells(group, study)) for values, group in sorted(groups.items(), key=_order)]
    averaged = [key for key in map(_parameter, study.swept) if key not in keys]
    notes = [f"Averaged within each seed over {', '.join(averaged)}."] if averaged else []
    title, file = f"Sweep {name} on {study.corpus}", f"sweep_{name}"
    return [Table(file, title, (*keys, *_columns(study)), rows, tuple(notes)), *_differences(file, title, groups)]


def _parameter(key: str) -> str:
    """The parameter that a key stands for: ``lambda`` for ``lambda.weight``."""
    return GROUP_OF.get(key, key)


def _check_keys(study: Study, keys: Sequence[str]) -> None:
    known = sorted({key for scores in study.scores for key in scores.point.parameters})
    for key in keys:
        if key not in known:
            raise UserError(f"by={key}: the sweep has no such key. It has {', '.join(known)}.")


def _order(item: tuple[tuple[str, ...], list[Scores]]) -> list[tuple[bool, float, str]]:
    """Sort rows by their values, the first key first."""
    return [_sortable(value) for value in item[0]]


def _sortable(value: str) -> tuple[bool, float, str]:
    """Sort numbers by size, then words by letter."""
    try:
        return False, float(value), ""
    except ValueError:
        return True, 0.0, value


def _columns(study: Study) -> tuple[str, ...]:
    """The headings of ``_cells``."""
    means = (f"{metric.upper()} % [95 %]" for metric in METRICS)
    return (*means, "highest WA %", f"expected best of {study.seeds()}, WA %", "IQM WA %", "cells", "seeds")


def _cells(group: Group, study: Study) -> tuple[Cell, ...]:
    """The row of a group: the mean of every metric, then what is told of WA alone."""
    missing = missing_seeds(group)
    if missing is not None:
        return (*[missing] * (len(METRICS) + 3), len(group), None)
    seeds = common_seeds(group)
    wa = by_point(group, "wa", seeds).mean(axis=0)
    all_scores = np.concatenate([scores.of("wa") for scores in group])
    return (
        *(_mean(group, metric, seeds) for metric in METRICS),
        highest(group, "wa"),
        Percent(statistics.expected_highest(all_scores, study.seeds())),
        Percent(statistics.interquartile_mean(wa)),
        len(group),
        len(seeds),
    )


def _mean(group: Group, metric: str, seeds: Sequence[int]) -> Percent | None:
    """The mean over seeds and its interval; None if a run was stored before the metric was added."""
    values = by_point(group, metric, seeds).mean(axis=0)
    if np.isnan(values).any():
        return None
    summary = statistics.summarise(values)
    return Percent(summary.mean, summary.interval)


def _differences(name: str, title: str, groups: Groups) -> list[Table]:
    """Compare the complete row with the highest mean validation WA with every other complete row."""
    complete = {values: group for values, group in groups.items() if missing_seeds(group) is None}
    if len(complete) < 2:
        return []
    validation = {values: np.mean(paired(group, group, "best_val_wa")[0]) for values, group in complete.items()}
    best = max(complete, key=lambda values: round(float(validation[values]), 12))
    against = [
        Comparison(f"{' '.join(best)} - {' '.join(values)}", complete[best], group)
        for values, group in sorted(complete.items(), key=_order)
        if values != best
    ]
    note = f"{' '.join(best)} has the highest mean validation WA; the differences are of test WA."
    return [comparisons.table(f"{name}_differences", f"{title}: differences, paired by seed", against, [note])]
