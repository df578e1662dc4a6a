"""The table at the end of a sweep: its configurations sorted by WA, read from the result store only."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from ser.config.words import differing
from ser.data.replicas import Replica
from ser.errors import UserError
from ser.results import likeness
from ser.results.convergence import convergence, max_epochs, said
from ser.results.metrics import METRICS
from ser.results.notes import SPREAD, mean_and_deviation
from ser.results.runs import run_metrics
from ser.results.store import ResultStore, Stored
from ser.sweep.planned import Plan, Point, merged, together
from ser.sweep.stored_plans import load_plans, plan_time
from ser.system.text import aligned, percent

_MAX_SHOWN_FAILURES = 10
_READ_QUICKLY = 2000  # results of the newest sweeps; each takes a millisecond


def table(plan: Plan, store: ResultStore) -> str:
    """The sweep's configurations sorted by WA, in percent, as means over seeds; what is missing is named.

    An incomplete configuration shows an X and how many of its trainings are there, never a partial mean. Notes below
    say how the trainings ended, and which configurations predict the same.
    """
    rows = configurations(plan)
    columns = differing([row.parameters for row in rows])
    figures = sorted((row.figures(store) for row in rows), key=lambda figure: -figure.wa)
    header = [*columns, "seeds", *(f"{name.upper()} %" for name in METRICS)]
    body = [[*(each.parameters.get(column, "-") for column in columns), *each.cells] for each in figures]
    parts = sorted({point.part for point in merged(plan.points) if point.part})
    notes = [f"Only {' and '.join(parts)}: these are not the figures of the whole corpus."] if parts else []
    notes += [SPREAD] if any(len({replica.seed for replica in row.replicas}) > 1 for row in rows) else []
    notes += [*_endings(figures), *_alike(figures)]
    below = ["", *notes] if notes else []
    return "\n".join([aligned([header, *body]), *below, *failures(plan, store)])


def _endings(figures: Iterable["_Figures"]) -> list[str]:
    """A note on how all trainings that have a result ended; none if there are none."""
    stopped = [ending for each in figures for ending in each.stopped]
    return [said(stopped, sum(each.best_first for each in figures))] if stopped else []


def _alike(figures: Sequence["_Figures"]) -> list[str]:
    """A note for each set of complete configurations that predict the same."""
    alike: dict[str, list[dict[str, str]]] = {}
    for each in figures:
        if each.predicted:
            alike.setdefault(each.predicted, []).append(each.parameters)
    among = [each.parameters for each in figures]
    return [likeness.note(rows, among) for rows in alike.values() if len(rows) > 1]


def overview(results: Path, names: Sequence[str]) -> str:
    """The sweeps in a folder of results, the one that was started last first; all command lines of a name count.

    Args:
        results: the folder.
        names: the sweeps' names.

    Returns:
        For each sweep when it was started last, its corpora, its number of points, how many of its trainings have a
        result, and the best WA of a complete configuration in percent ("-" where there is none, and for older sweeps
        once many results were read).
    """
    started = {name: plan_time(results, name) for name in names}
    rows, read = [], 0
    for name in sorted(names, key=lambda name: started[name], reverse=True):
        if plans := load_plans(results, name):
            plan = together(plans)
            read += len(plan.signatures())
            rows.append(_summary(name, started[name], plan, with_best=read <= _READ_QUICKLY))
    return aligned([["sweep", "started", "corpus", "points", "done", "best WA %"], *rows])


def _summary(name: str, started: float, plan: Plan, with_best: bool) -> list[object]:
    store, signatures = ResultStore(plan.results), plan.signatures()
    done = sum(store.has(signature) for signature in signatures)
    corpora = sorted({point.parameters.get("corpus", "-") for point in plan.points})
    best = max((_wa(row, store) for row in configurations(plan)), default=-1.0) if with_best else -1.0
    date = datetime.fromtimestamp(started).strftime("%Y-%m-%d %H:%M")
    cells = [name, date, ", ".join(corpora), str(len(plan.points)), f"{done} of {len(signatures)}"]
    return [*cells, percent(best) if best >= 0 else "-"]


def _wa(row: "Row", store: ResultStore) -> float:
    """A configuration's mean WA; -1 if trainings are missing or a result is damaged."""
    try:
        return row.figures(store).wa
    except UserError:
        return -1.0


def incomplete(plan: Plan, store: ResultStore) -> bool:
    """Whether any training of the plan has no result."""
    return any(p.error for p in plan.points) or not all(store.has(signature) for signature in plan.signatures())


def configurations(plan: Plan) -> list["Row"]:
    """Each configuration of a plan once, with all of its trainings; a point that cannot run is one by itself."""
    rows: dict[str, Row] = {}
    for index, point in enumerate(plan.points):
        row = rows.setdefault(point.configuration or f"unknown {index}", Row(point.parameters))
        row.replicas |= set(point.replicas())
    return list(rows.values())


@dataclass
class Row:
    """A configuration and all of its trainings that the plan holds."""

    parameters: dict[str, str]
    replicas: set[Replica] = field(default_factory=set)

    def figures(self, store: ResultStore) -> "_Figures":
        """What the store has of the row."""
        present = [replica for replica in sorted(self.replicas) if store.has(replica.signature)]
        return _Figures.of(self, [store.load(replica.signature) for replica in present])


@dataclass(frozen=True)
class _Figures:
    """A row as the table shows it. The results themselves are not kept: of a large sweep they are many.

    Attributes:
        parameters: the configuration.
        cells: the number of seeds, then each metric.
        stopped: how each finished training ended.
        best_first: how many of these had their best epoch first.
        wa: the mean WA; -1 where trainings are missing.
        predicted: a hash of all predictions; empty where trainings are missing.
    """

    parameters: dict[str, str]
    cells: list[str]
    stopped: list[str]
    best_first: int
    wa: float = -1.0
    predicted: str = ""

    @classmethod
    def of(cls, row: Row, stored: Sequence[Stored]) -> "_Figures":
        """The figures of a row.

        Args:
            row: the configuration.
            stored: those of its trainings that have a result.
        """
        outcomes = [one.outcome for one in stored]
        seeds = sorted({replica.seed for replica in row.replicas})
        stopped = [convergence(one.outcome.history, max_epochs(one.about)).stopped for one in stored]
        best_first = sum(outcome.best_epoch == 1 for outcome in outcomes)
        if not outcomes or len(outcomes) < len(row.replicas):
            missing = f"X ({len(outcomes)} of {len(row.replicas)})" if row.replicas else "X"
            return cls(row.parameters, [str(len(seeds)), *[missing] * len(METRICS)], stopped, best_first)
        runs = [run_metrics([outcome for outcome in outcomes if outcome.seed == seed]) for seed in seeds]
        cells = [str(len(seeds)), *(_mean_over(runs, name) for name in METRICS)]
        wa = float(np.mean([run["wa"] for run in runs]))
        return cls(row.parameters, cells, stopped, best_first, wa, likeness.digest(outcomes))


def _mean_over(runs: Sequence[Mapping[str, float]], name: str) -> str:
    """A metric's mean over seeds; a dash if a seed has no value."""
    return mean_and_deviation([run[name] for run in runs]) if all(name in run for run in runs) else "-"


def failures(plan: Plan, store: ResultStore) -> list[str]:
    """Why points cannot run and trainings failed, a line each; many are counted."""
    lines = [f"failed: {_said(plan, point)}: {point.error}" for point in plan.points if point.error]
    points = plan.signatures()
    for replica in sorted({replica for point in plan.points for replica in point.replicas()}):
        reason = None if store.has(replica.signature) else store.failure(replica.signature)
        if reason is not None:
            said = _said(plan, points[replica.signature])
            lines.append(f"failed: {said} (seed {replica.seed}, fold {replica.fold}): {reason}")
    more = len(lines) - _MAX_SHOWN_FAILURES
    return ["", *lines[:_MAX_SHOWN_FAILURES], *([f"... and {more} more"] if more > 0 else [])] if lines else []


def _said(plan: Plan, point: Point) -> str:
    """What was typed for a point, without what is common to all points."""
    common = set.intersection(*(set(each.overrides) for each in plan.points)) if len(plan.points) > 1 else set()
    return " ".join(override for override in point.overrides if override not in common)
