"""The tables of ``make robustness``: a row for each claim, claim by variant, values, and what each variant is."""

import math
from collections.abc import Sequence

from multirun_analysis.inference.evidence import LEAST_SEEDS
from multirun_analysis.inference.intervals import LEVEL
from multirun_analysis.output.tables import Cell, Table
from multirun_analysis.robustness.counts import VERDICTS
from multirun_analysis.robustness.judge import Found, Robustness
from multirun_analysis.robustness.readings import Reading
from multirun_analysis.robustness.variants import REFERENCE


def tables(robustness: Robustness) -> list[Table]:
    """Make all tables."""
    return [claims(robustness), _verdicts(robustness), _values(robustness), _readings(robustness)]


def claims(robustness: Robustness) -> Table:
    """Make a table with a row for each claim: its outcome as chosen, and how many variants agree."""
    counted = robustness.counted
    rows: list[tuple[Cell, ...]] = [
        (row.claim, row.reference.word, *map(row.count, VERDICTS), row.sentence(), row.seeds) for row in counted
    ]
    note = (
        "As chosen: the defaults and what was typed, on the same reduced grid as the variants, so that a verdict may "
        "differ from the report's. Counted are variants that change any of a claim's trainings and whose trainings are "
        "there. Turned over: the variant has the opposite verdict, given in brackets. Undecided may "
        "also mean that there are too few seeds: see the values. Intervals hold for all claims of one variant "
        "together, not for all variants: with many variants a verdict changes somewhere by chance."
    )
    title = f"The paper's claims over what it leaves open, on {robustness.study.corpus}"
    columns = ("claim", REFERENCE, *VERDICTS, "in words", "seeds")
    return Table("robustness", title, columns, rows, (note, *_warnings(robustness)))


def _warnings(robustness: Robustness) -> list[str]:
    warnings = []
    if robustness.seeds < LEAST_SEEDS:
        warnings.append(
            f"Everything is undecided: {robustness.seeds} of the {LEAST_SEEDS} seeds that a verdict takes at least."
        )
    if robustness.unsaid:
        text = f"{robustness.unsaid} claims of the report are about other trainings than these and are left out here."
        left_out = ", ".join(robustness.left_out)
        warnings.append(f"{text} sweeps=all adds {left_out}." if left_out else text)
    return warnings


def _verdicts(robustness: Robustness) -> Table:
    """Claim by variant."""
    reference, *variants = robustness.readings
    rows: list[tuple[Cell, ...]] = []
    for row in robustness.counted:
        outcomes = [row.variants.get(reading.label) for reading in variants]
        rows.append((row.claim, row.reference.word, *(outcome.word if outcome else None for outcome in outcomes)))
    columns = ("claim", reference.name, *(reading.name for reading in variants))
    title = f"Verdicts by variant on {robustness.study.corpus}"
    note = "A dash: the variant leaves all trainings of the claim as they are. What each variant changes: see below."
    return Table("robustness_verdicts", title, columns, rows, (note, *_warnings(robustness)[:1]))


def _values(robustness: Robustness) -> Table:
    """A row for each statement of a claim: as chosen, and the lowest and highest value over the variants."""
    rows: list[tuple[Cell, ...]] = []
    for found in robustness.found[REFERENCE]:
        others = _over_variants(found, robustness)
        by_value = sorted(others, key=lambda name: others[name].evidence.value)
        ends = [_end(found, others[name], name) for name in (by_value[:1] + by_value[-1:])] or ["–", "–"]
        signs = sum((other.evidence.value > 0) == (found.evidence.value > 0) for other in others.values())
        same = f"{signs} of {len(others)}" if others and found.evidence.unit.startswith("points") else None
        rows.append((found.words + found.detail, found.evidence.text, *ends, same))
    columns = ("statement", REFERENCE, "lowest", "highest", "same sign")
    note = (
        "Lowest and highest are of the variants that change any training of the claim. Intervals are of "
        f"{100 * LEVEL:.0f} % for each statement by itself; the verdicts use wider ones, which hold for all claims of "
        "a variant together."
    )
    title = f"What the claims are judged by, over the variants, on {robustness.study.corpus}"
    return Table("robustness_values", title, columns, rows, (note,))


def _end(found: Found, other: Found, variant: str) -> str:
    """What a variant finds, and of which cells if they are others than as chosen."""
    cells = "" if other.detail == found.detail else other.detail
    return f"{other.evidence.text}{cells} (with {variant})"


def _over_variants(found: Found, robustness: Robustness) -> dict[str, Found]:
    """What the variants find for the same statement, by their names."""
    return {
        reading.name: other
        for reading in robustness.readings[1:]
        for other in robustness.found[reading.name]
        if (other.claim, other.words) == (found.claim, found.words) and not math.isnan(other.evidence.value)
    }


def _readings(robustness: Robustness) -> Table:
    """What each reading changes and why, and what there is of its trainings."""
    rows: list[tuple[Cell, ...]] = []
    for reading in robustness.readings:
        there, planned = robustness.trainings(reading)
        rows.append((reading.name, reading.label, reading.why, _swept(reading), f"{there} of {planned}"))
    columns = ("variant", "overrides", "why", "trained anew", "trainings there")
    notes = [f"{reading.name} cannot run: {text}" for reading in robustness.readings for text in _errors(reading)]
    return Table("robustness_variants", f"The variants on {robustness.study.corpus}", columns, rows, tuple(notes))


def _swept(reading: Reading) -> str:
    if not reading.changed:
        return "nothing: it is the same as chosen"
    return ", ".join(reading.changed)


def _errors(reading: Reading) -> Sequence[str]:
    return [f"{sweep}: {reading.errors[sweep]}" for sweep in reading.changed if sweep in reading.errors]
