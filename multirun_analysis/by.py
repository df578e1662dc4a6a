"""Tables of any sweep by the keys that a user names, with the same statistics as the paper's tables."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from multirun_analysis import classes, comparisons, convergence, likeness, speakers
from multirun_analysis.comparisons import Comparison
from multirun_analysis.grids import (
    Group,
    Study,
    by_point,
    by_values,
    common_seeds,
    highest,
    missing_seeds,
    paired,
    selected_by,
    share_seeds,
)
from multirun_analysis.inference import statistics
from multirun_analysis.inference.intervals import SHARES, Interval
from multirun_analysis.output.tables import Cell, Percent, Table, few_seeds
from ser.config.groups import unknown_key
from ser.config.words import COMMA, differing, parameter_of
from ser.errors import UserError
from ser.results.metrics import METRICS, is_share
from ser.results.selection import measure

Groups = Mapping[tuple[str, ...], Group]


def tables(study: Study, name: str, by: Sequence[str], against: str = "", metric: str = "wa") -> list[Table]:
    """Make a table of a sweep, and one of differences from one of its rows.

    A row stands for one combination of the keys' values. Over all other keys it is averaged within each seed. The key
    ``fold`` gives a row for each fold, and then nothing is compared: folds differ in whom they are tested on.

    Args:
        study: the points of the sweep.
        name: the name of the sweep.
        by: the keys, as typed.
        against: the values of the row that the others are compared with, separated by commas; empty for the row with
            the highest mean validation accuracy. Rows of several corpora are compared within each corpus: with its
            row of the highest mean validation accuracy, or with that of these values, those of the corpus' keys left
            aside.
        metric: the metric that is compared.

    Returns:
        The table of all rows, that of differences if at least two rows can be compared, and beside these how the
        trainings went, the recall of each class, what is confused and intervals over speakers.

    Raises:
        UserError: no point of the sweep has one of the keys, a row has no seed that all of its points have, or there is
            no complete row or no metric of the name given.
    """
    keys = [parameter_of(key) for key in by]
    whole, study = study, study.by_fold() if "fold" in keys else study
    check_keys(study, keys)
    groups = _groups(study, keys)
    averaged = averaged_over(study, groups.values(), keys)
    rows = [(*values, *_cells(group, study)) for values, group in groups.items()]
    notes = [
        *averaged,
        *_what_rows_are(study, groups, keys),
        *(["A row is tested on the speakers of its fold alone."] if "fold" in keys else []),
        *few_seeds(rows),
        *convergence.note(whole, whole.scores),
        *likeness.notes(whole, whole.scores),
    ]
    what = f"sweep {name} by {', '.join(keys)}"
    title, file = f"S{what[1:]} on {study.corpus}", f"sweep_{name}_by_{'-'.join(keys)}"
    complete = {values: group for values, group in groups.items() if missing_seeds(group) is None}
    differences = [] if "fold" in keys else _differences(file, title, study, keys, complete, against, metric)
    if not differences and "fold" not in keys and len(study.by_corpus(complete)) > 1:
        notes.append(_ACROSS_CORPORA)
    return [
        Table(file, title, (*keys, *_columns(study)), rows, tuple(notes)),
        *differences,
        convergence.table(file, study, keys, groups, what),
        *classes.tables(file, study, keys, complete, what),
        *speakers.tables(file, study, keys, complete, what),
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


def averaged_over(study: Study, groups: Iterable[Group], keys: Sequence[str]) -> list[str]:
    """A note that names the swept keys in which points of one group differ, but for ``keys``; none if none differ."""
    groups, others = list(groups), [key for key in study.swept_parameters if key not in keys]
    found = [key for key in others if any(len({scores[key] for scores in group}) > 1 for group in groups)]
    return [f"Averaged within each seed over {', '.join(found)}."] if found else []


def _what_rows_are(study: Study, groups: Groups, keys: Sequence[str]) -> list[str]:
    """Where each row is one configuration, a note with what else it was swept over: what a search has chosen, say."""
    others = [key for key in study.swept_parameters if key not in keys]
    if not others or any(len(group) > 1 for group in groups.values()):
        return []
    rows = {
        " ".join(values): " ".join(f"{key}={group[0][key]}" for key in others if group[0][key])
        for values, group in groups.items()
    }
    told = "; ".join(f"{row}: {said}" for row, said in rows.items() if said)
    return [f"Each row is one configuration. {told}."] if told else []


def check_keys(study: Study, keys: Sequence[str], word: str = "by") -> None:
    """Check that a point of the sweep has each of these keys, which were given as ``word=``.

    Raises:
        UserError: none has.
    """
    known = sorted({key for scores in study.scores for key in scores.point.parameters})
    for key in keys:
        if key not in known:
            raise UserError(f"{word}={key}: the sweep has no such key.{unknown_key(key, known)}")


def _columns(study: Study) -> tuple[str, ...]:
    """The headings of ``_cells``."""
    means = (f"{metric.upper()} % [95 %]" for metric in METRICS)
    return (*means, "highest WA %", f"expected best of {study.fewest_seeds()}, WA %", "IQM WA %", "cells", "seeds")


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
        Percent(statistics.expected_highest(all_scores, study.fewest_seeds())),
        Percent(statistics.interquartile_mean(wa)),
        len(group),
        len(seeds),
    )


def _mean(group: Group, metric: str, seeds: Sequence[int]) -> Percent | None:
    """The mean over seeds and its interval; None if a run was stored before the metric was added."""
    values = by_point(group, metric, seeds).mean(axis=0)
    return None if np.isnan(values).any() else Percent.of(statistics.summarise(values, bounds=bounds_of(metric)))


def bounds_of(metric: str) -> Interval:
    """The range of a metric's values: its interval is cut off there."""
    return SHARES if is_share(metric) else Interval(-np.inf, np.inf)


def check_metric(metric: str) -> None:
    """Check that there is a metric of this name.

    Raises:
        UserError: there is none.
    """
    if metric not in METRICS:
        raise UserError(f"metric={metric} is none of {', '.join(METRICS)}.")


_ACROSS_CORPORA = "Rows are not compared where the corpora differ in content (utterances, labels or sessions)."


def _differences(
    name: str, title: str, study: Study, keys: Sequence[str], groups: Groups, against: str, metric: str
) -> list[Table]:
    """Compare a row with every other row that has a seed in common with it: over seeds and, in WA, over speakers.

    Where rows are of several corpora (``Study.by_corpus``), one row of each is compared with the others of the corpus.
    The differences of all corpora are one table, hence one family of tests.

    Args:
        name: the name of the table of rows.
        title: its title.
        study: where the predictions are, and which rows are of one corpus.
        keys: the keys of a row.
        groups: the complete rows.
        against, metric: as for ``tables``.
    """
    check_metric(metric)
    corpora = study.by_corpus(groups)
    references = _named(corpora, keys, against) if against else [_best(rows) for rows in corpora]
    by_corpus = list(zip(references, corpora, strict=True))
    pairs = [(first, values) for first, rows in by_corpus if first is not None for values in rows if values != first]
    if not pairs:
        return []
    labels = {values: " ".join(f"{key}={value}" for key, value in zip(keys, values, strict=True)) for values in groups}
    on_its_corpus = " on its corpus" if len(corpora) > 1 else ""
    notes = []
    for first, rows in by_corpus:
        if first is None or len(rows) == 1:
            continue
        accuracy = measure(selected_by(chain(*rows.values())))
        chosen = "is the row that was asked for" if against else f"has the highest mean validation {accuracy}"
        if lacks(groups[first], metric):
            raise stored_before(metric, f"runs of {labels[first]}, which the others are compared with,")
        notes.append(f"{labels[first]} {chosen}{on_its_corpus}; the differences are of test {metric.upper()}.")
    lacking = [values for values in groups if lacks(groups[values], metric)]
    apart = [values for first, values in pairs if not share_seeds(groups[first], groups[values])]
    compared = [
        Comparison(f"{labels[first]} - {labels[values]}", groups[first], groups[values], metric)
        for first, values in pairs
        if values not in (*apart, *lacking)
    ]
    left_out = {
        "No seed in common with it": apart,
        f"Stored without {metric.upper()}": lacking,
        "On a corpus without such a row": [values for first, rows in by_corpus if first is None for values in rows],
    }
    notes += [f"{why}: {'; '.join(labels[values] for values in rows)}." for why, rows in left_out.items() if rows]
    notes += [_ACROSS_CORPORA] if len(corpora) > 1 else []
    if not compared:
        return []
    over_seeds = comparisons.table(f"{name}_differences", f"{title}: differences, paired by seed", compared, notes)
    if metric != "wa":
        return [over_seeds]
    what = f"{title}: differences in pooled WA, resampling speakers"
    over_speakers = comparisons.table_over_speakers(f"{name}_speakers", what, study.collected, compared, notes)
    return [over_seeds, replace(over_speakers, aside=True)]


def stored_before(metric: str, which: str) -> UserError:
    """The error where runs that are needed lack a metric; ``which`` says which runs these are."""
    return UserError(
        f"metric={metric}: {which} were stored before it was a metric. The command that trained them stores them again "
        "with resume=false."
    )


def lacks(group: Group, metric: str) -> bool:
    """Whether a run of a group was stored before a metric was added."""
    return any(bool(np.isnan(scores.of(metric)).any()) for scores in group)


def _best(groups: Groups) -> tuple[str, ...] | None:
    """The row with the highest mean validation accuracy, the first of equals; None if there is no row."""
    selected = selected_by(chain(*groups.values()))
    validation = {values: np.mean(paired(group, group, selected)[0]) for values, group in groups.items()}
    return max(groups, key=lambda values: round(float(validation[values]), 12), default=None)


def _named(corpora: Sequence[Groups], keys: Sequence[str], against: str) -> list[tuple[str, ...] | None]:
    """The row of each corpus that has these values; None for a corpus without one.

    The values are those of one row. On another corpus the row is meant that has the same values but for the corpus'
    keys. These may be left out.

    Raises:
        UserError: there is none that is complete.
    """
    wanted = _plain(re.split(COMMA, against))
    own = [place for place, key in enumerate(keys) if key.partition(".")[0] != "corpus"]
    rows = [row for groups in corpora for row in groups]
    whole = next((row for row in rows if _plain(row) == wanted), None)
    wanted = wanted if whole is None else [wanted[place] for place in own]
    if whole is None and not (len(own) == len(wanted) and any(_has(row, own, wanted) for row in rows)):
        known = "; ".join(",".join(row) for row in rows)
        raise UserError(f"against={against} is no complete row of {','.join(keys)}. There are: {known}.")
    return [
        whole if whole in groups else next((row for row in groups if _has(row, own, wanted)), None)
        for groups in corpora
    ]


def _has(row: Sequence[str], places: Sequence[int], wanted: Sequence[str]) -> bool:
    return _plain([row[place] for place in places]) == wanted


def _plain(values: Iterable[str]) -> list[str]:
    return [re.sub(r"\s", "", value) for value in values]
