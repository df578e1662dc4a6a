"""What the store lacks of the plan."""

from collections.abc import Iterator, Mapping

from multirun_analysis.audit.compared import Compared
from multirun_analysis.audit.findings import Finding
from multirun_analysis.audit.wording import few, grouped, numbers
from multirun_analysis.store.contents import NEEDED
from ser.sweep.planned import Point
from ser.system.text import listing


def missing(compared: Compared) -> Iterator[Finding]:
    """Trainings that are not in the store."""
    lacking = sum(len(folds) for seeds in compared.missing.values() for folds in seeds.values())
    planned = sum(len(point.seeds) * len(point.folds) for point in compared.planned.values())
    if lacking:
        places = [
            f"{compared.name(name)}: {_lacking(compared.planned[name], seeds)}"
            for name, seeds in compared.missing.items()
        ]
        yield Finding(
            "warn",
            f"{lacking} of {planned} trainings are missing in the store: {few(places)}. The sweep's command "
            "trains them, or writes their results to the store if they are trained already.",
        )


def _lacking(point: Point, folds_of: Mapping[int, list[int]]) -> str:
    """Say which seeds lack which folds, seeds with the same folds together; ``all`` if nothing is there."""
    if len(folds_of) == len(point.seeds) and all(len(folds) == len(point.folds) for folds in folds_of.values()):
        return "all"
    seeds_by_folds = grouped(folds_of, lambda seed: tuple(folds_of[seed]))
    parts = [
        numbers("seed", seeds) + ("" if len(folds) == len(point.folds) else f" {numbers('fold', folds)}")
        for folds, seeds in seeds_by_folds.items()
    ]
    return listing(parts)


def without_metrics(compared: Compared) -> Iterator[Finding]:
    """Replicas that are stored without a metric that the tables need; they count as missing."""
    rows = compared.replicas[compared.replicas[NEEDED].isna().any(axis="columns")]
    if len(rows):
        metrics = [name for name in NEEDED if rows[name].isna().any()]
        cells = compared.count(list(rows["configuration"].unique()))
        yield Finding(
            "warn",
            f"{len(rows)} of the missing trainings are stored without {', '.join(metrics)}, in {cells}: they were "
            "logged before there was such a metric, or only in part. Delete their runs in MLflow, and the sweep's "
            "command logs them anew.",
        )


def partial_seeds(compared: Compared) -> Iterator[Finding]:
    """Seeds of which some folds are stored and others are not."""
    places = []
    for name, folds_of in sorted(compared.missing.items()):
        seeds = [seed for seed, folds in folds_of.items() if len(folds) < len(compared.planned[name].folds)]
        if seeds:
            places.append(f"{compared.name(name)}: {numbers('seed', seeds)}")
    if places:
        yield Finding(
            "warn", f"Some seeds have only a part of their folds and are left out until they have all: {few(places)}."
        )


def unequal_seeds(compared: Compared) -> Iterator[Finding]:
    """Points of which unequal numbers of seeds have all of their folds."""
    complete = {
        name: len(point.seeds) - len(compared.missing.get(name, ())) for name, point in compared.planned.items()
    }
    groups = grouped(complete, lambda name: complete[name])
    if len(groups) > 1:
        places = [f"{number} in {compared.count(groups[number])}" for number in sorted(groups, reverse=True)]
        yield Finding(
            "warn",
            f"The cells have unequal numbers of complete seeds: {few(places)}. The highest of more seeds is "
            "higher by chance alone.",
        )
