"""Any sweep by the keys that a user names, with the same statistics as the paper's tables."""

from collections.abc import Mapping, Sequence

import numpy as np

from multirun_analysis import comparisons
from multirun_analysis.comparisons import Comparison
from multirun_analysis.grids import Scores, Study, absent, highest, paired
from multirun_analysis.inference import statistics
from multirun_analysis.output.tables import Cell, Percent, Table
from ser.config.words import GROUP_OF
from ser.errors import UserError


def tables(study: Study, name: str, by: Sequence[str]) -> list[Table]:
    """A row for each combination of the keys' values, and the differences from the one that validation chooses.

    What a row holds besides is averaged within each seed.

    Raises:
        UserError: no cell has one of the keys.
    """
    keys = [GROUP_OF.get(key, key) for key in by]
    known = sorted({key for each in study.scores for key in each.point.parameters})
    for key in keys:
        if key not in known:
            raise UserError(f"by={key}: the sweep has no such key. It has {', '.join(known)}.")
    groups: dict[tuple[str, ...], list[Scores]] = {}
    for each in study.scores:
        groups.setdefault(tuple(each[key] for key in keys), []).append(each)
    rows = [(*values, *_found(cells, study)) for values, cells in sorted(groups.items(), key=_order)]
    averaged = [key for key in (GROUP_OF.get(key, key) for key in study.swept) if key not in keys]
    notes = [f"Averaged within each seed over {', '.join(averaged)}."] if averaged else []
    columns = (
        *keys, "WA % [95 %]", "UWA % [95 %]", "highest WA %", f"expected best of {study.seeds()}, WA %",
        "IQM WA %", "cells", "seeds",
    )  # fmt: skip
    title = f"Sweep {name} on {study.corpus}"
    file = f"sweep_{name}"
    return [Table(file, title, columns, rows, tuple(notes)), *_differences(file, title, groups)]


def _order(item: tuple[tuple[str, ...], list[Scores]]) -> list[tuple[bool, float, str]]:
    """Numbers by size, words by letter."""
    return [_sortable(value) for value in item[0]]


def _sortable(value: str) -> tuple[bool, float, str]:
    try:
        return False, float(value), ""
    except ValueError:
        return True, 0.0, value


def _found(cells: Sequence[Scores], study: Study) -> tuple[Cell, ...]:
    missing = absent(cells)
    if missing is not None:
        return (*[missing] * 5, len(cells), None)
    wa, uwa = (statistics.summarise(paired(cells, cells, metric)[0]) for metric in ("wa", "uwa"))
    everything = np.concatenate([each.of("wa") for each in cells])
    return (
        Percent(wa.mean, wa.interval),
        Percent(uwa.mean, uwa.interval),
        highest(cells, "wa"),
        Percent(statistics.expected_highest(everything, study.seeds())),
        Percent(wa.interquartile_mean),
        len(cells),
        wa.n,
    )


def _differences(name: str, title: str, groups: Mapping[tuple[str, ...], list[Scores]]) -> list[Table]:
    """The row with the highest mean validation WA against each other one."""
    whole = {values: cells for values, cells in groups.items() if absent(cells) is None}
    if len(whole) < 2:
        return []
    validation = {values: np.mean(paired(cells, cells, "best_val_wa")[0]) for values, cells in whole.items()}
    best = max(whole, key=lambda values: round(float(validation[values]), 12))
    against = [
        Comparison(f"{' '.join(best)} - {' '.join(values)}", whole[best], cells)
        for values, cells in sorted(whole.items(), key=_order)
        if values != best
    ]
    note = f"{' '.join(best)} has the highest mean validation WA; the differences are of test WA."
    return [comparisons.table(f"{name}_differences", f"{title}: differences, paired by seed", against, [note])]
