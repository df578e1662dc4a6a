"""The cost of the whole paper, computed from measured rates. No one has run it: an extrapolation."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from benchmarks.measure import Section
from benchmarks.replicas import EPOCHS, LENGTH, LENGTHS

SEEDS, FOLDS = 20, 5


class Part(NamedTuple):
    """A part of the paper: how many settings, and of which features and length (None: one of each from 1 to 15 s)."""

    name: str
    settings: int
    features: int
    length: int | None


PARTS = (
    Part("15 lengths of MFCC", 15, 13, None),
    Part("15 lengths of log-mel", 15, 26, None),
    Part(f"4 additional tasks x 25 weights above 0, {LENGTH} s", 100, 13, LENGTH),
    Part(f"5 settings x 5 lambdas, {LENGTH} s", 25, 13, LENGTH),
)


def section(replicas: Section, stack: Section | None) -> Section:
    """Replicas and hours of each part of the paper, by the rates that (a) measured; the GPU's if (g) was run."""
    stacked = None if stack is None else stack.values.get("best_replicas_a_minute")
    rows = [_row(part, replicas.values) for part in PARTS]
    total = sum(SEEDS * FOLDS * part.settings for part in PARTS)
    hours = [sum(hours_of(part, replicas.values, kind) for part in PARTS) for kind in ("plain", "our")]
    rows.append(("all", str(total), *(f"{value:.0f}" for value in hours), f"{hours[0] / hours[1]:.1f}"))
    values = {"replicas": total, "plain_hours": hours[0], "our_hours": hours[1], "epochs": EPOCHS}
    columns = ("part of the paper", "replicas", "plain loop, hours", "ours, hours", "ratio")
    return Section("The whole paper: an extrapolation", columns, rows, _notes(total, stacked), values)


def hours_of(part: Part, measured: Mapping[str, Mapping[str, float]], kind: str) -> float:
    """Hours of a part; ``measured`` holds seconds a replica by length and features, ``kind`` is plain or our."""
    key = f"{kind}_seconds"
    known = [measured[f"{length}/13"][key] for length in LENGTHS]
    lengths = range(1, 16) if part.length is None else [part.length] * part.settings
    factor = measured[f"{LENGTH}/{part.features}"][key] / measured[f"{LENGTH}/13"][key]
    return SEEDS * FOLDS * factor * float(np.interp(lengths, LENGTHS, known).sum()) / 3600


def _row(part: Part, measured: Mapping[str, Mapping[str, float]]) -> tuple[str, ...]:
    plain, ours = (hours_of(part, measured, kind) for kind in ("plain", "our"))
    return part.name, str(SEEDS * FOLDS * part.settings), f"{plain:.1f}", f"{ours:.1f}", f"{plain / ours:.1f}"


def _notes(total: int, stacked: float | None) -> str:
    text = (
        f"Not measured: computed from the rates of (a) for {SEEDS} seeds x {FOLDS} folds of every setting and {EPOCHS} "
        "epochs a replica (a guess; the learning rate's schedule ends a training). Lengths between the measured ones "
        f"are interpolated, log-mel costs at every length what it does at {LENGTH} s in proportion, the head of an "
        "additional task is left out, the baseline is counted like pairs (as many segments), features and tracking "
        "are not in it."
    )
    if stacked is None:
        return f"{text} One GPU: not measured here."
    return f"{text} One GPU, all replicas at the best rate of (g): {total / stacked / 60:.1f} hours."
