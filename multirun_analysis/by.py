"""Tables of any sweep by the keys that a user names, with the same statistics as the paper's tables."""

from collections.abc import Mapping, Sequence

import numpy as np

from multirun_analysis import classes, comparisons, convergence, likeness
from multirun_analysis.comparisons import Comparison
from multirun_analysis.grids import (
    Group,
    Scores,
    Study,
    by_point,
    by_values,
    common_seeds,
    highest,
    missing_seeds,
    paired,
    share_seeds,
)
from multirun_analysis.inference import statistics
from multirun_analysis.output.tables import Cell, Percent, Table, few_seeds
from ser.config.words import GROUP_OF, differing
from ser.errors import UserError
from ser.results.metrics import METRICS

Groups = Mapping[tuple[str, ...], list[Scores]]


def tables(study: Study, name: str, by: Sequence[str]) -> list[Table]:
    """Make a table of a sweep, and one of differences from the row with the highest validation WA.

    A row stands for one combination of the keys' values. Over all other keys it is averaged within each seed. The key
    ``fold`` gives a row for each fold, and then nothing is compared: folds differ in whom they are tested on.

    Args:
        study: the points of the sweep.
        name: the name of the sweep.
        by: the keys, as typed.

    Returns:
        The table of all rows, that of differences if at least two rows can be compared, and beside these how the
        trainings went, the recall of each class and what is confused.

    Raises:
        UserError: no point of the sweep has one of the keys, or a row has no seed that all of its points have.
    """
    keys = [_parameter(key) for key in by]
    averaged = [key for key in map(_parameter, study.swept) if key not in keys]
    whole, study = study, study.by_fold() if "fold" in keys else study
    _check_keys(study, keys)
    groups = _groups(study, keys)
    rows = [(*values, *_cells(group, study)) for values, group in groups.items()]
    notes = [
        *([f"Averaged within each seed over {', '.join(averaged)}."] if averaged else []),
        *(["A row is tested on the speakers of its fold alone."] if "fold" in keys else []),
        *few_seeds(rows),
        *convergence.note(whole, whole.scores),
        *likeness.notes(whole, whole.scores),
    ]
    what = f"sweep {name} by {', '.join(keys)}"
    title, file = f"S{what[1:]} on {study.corpus}", f"sweep_{name}_by_{'-'.join(keys)}"
    complete = {values: group for values, group in groups.items() if missing_seeds(group) is None}
    return [
        Table(file, title, (*keys, *_columns(study)), rows, tuple(notes)),
        *([] if "fold" in keys else _differences(file, title, complete)),
        convergence.table(file, study, keys, groups, what),
        *classes.tables(file, study, keys, complete, what),
    ]


def _groups(study: Study, keys: Sequence[str]) -> Groups:
    """The points of each row, in the order of the rows.

    Raises:
        UserError: the points of a row are complete but have no seed in common.
    """
    groups = by_values(study.scores, keys)
    for values, group in groups.items():
        if missing_seeds(group) is None and not common_seeds(group):
            key, *_ = differing([scores.point.parameters for scores in group])
            raise UserError(
                f"by={','.join(keys)}: the {len(group)} cells of the row {' '.join(values)} have no seed in common, so "
                f"that no seed can be averaged over them. Name {key} too, in which they differ."
            )
    return groups


def _parameter(key: str) -> str:
    """The parameter that a key stands for: ``lambda`` for ``lambda.weight``."""
    return GROUP_OF.get(key, key)


def _check_keys(study: Study, keys: Sequence[str]) -> None:
    known = sorted({key for scores in study.scores for key in scores.point.parameters})
    for key in keys:
        if key not in known:
            raise UserError(f"by={key}: the sweep has no such key. It has {', '.join(known)}.")


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
    return Percent.of(statistics.summarise(values))


def _differences(name: str, title: str, groups: Groups) -> list[Table]:
    """Compare the row with the highest mean validation WA with every other row that has a seed in common with it.

    Args:
        name: the name of the table of rows.
        title: its title.
        groups: the complete rows.
    """
    if len(groups) < 2:
        return []
    validation = {values: np.mean(paired(group, group, "best_val_wa")[0]) for values, group in groups.items()}
    best = max(groups, key=lambda values: round(float(validation[values]), 12))
    others = [values for values in groups if values != best]
    against = [
        Comparison(f"{' '.join(best)} - {' '.join(values)}", groups[best], groups[values])
        for values in others
        if share_seeds(groups[best], groups[values])
    ]
    apart = [" ".join(values) for values in others if not share_seeds(groups[best], groups[values])]
    notes = [f"{' '.join(best)} has the highest mean validation WA; the differences are of test WA."]
    notes += [f"No seed in common with it: {'; '.join(apart)}."] if apart else []
    file, title = f"{name}_differences", f"{title}: differences, paired by seed"
    return [comparisons.table(file, title, against, notes)] if against else []
