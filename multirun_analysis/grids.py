"""Which cells a table or figure is made of, and what the store has of each: figures by seed, folds averaged within."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from multirun_analysis.audit import Finding, audit, merged
from multirun_analysis.inference.statistics import Floats
from multirun_analysis.output.tables import Absent, Percent
from multirun_analysis.store.collect import Collected, collect
from ser.config.words import differing
from ser.errors import UserError
from ser.sweep.commandline import rewrite
from ser.sweep.plan import Plan, Point, compose_plan, compose_settings

METRICS = ("wa", "uwa", "crop_wa", "crop_uwa", "best_val_wa")


@dataclass(frozen=True)
class Scores:
    """A cell and what its complete seeds reached: ``values`` has a row a seed, a column for each of ``METRICS``."""

    point: Point
    values: pd.DataFrame

    @property
    def complete(self) -> bool:
        """Whether every planned seed has all of its folds."""
        return bool(self.point.seeds) and len(self.values) == len(self.point.seeds)

    def __getitem__(self, parameter: str) -> str:
        """A parameter, in users' words."""
        return self.point.parameters.get(parameter, "")

    def number(self, parameter: str) -> float:
        """A parameter that is a number."""
        return float(self[parameter])

    def of(self, metric: str) -> Floats:
        """A metric of every seed, in the order of seeds, shape (seeds,)."""
        return self.values[metric].to_numpy(dtype=np.float64)


@dataclass(frozen=True)
class Study:
    """Cells to be compared, with their scores; the keys in which they are meant to differ; what collecting found.

    Each configuration is one cell, with all the seeds and folds that any point of the grid plans for it.
    """

    scores: tuple[Scores, ...]
    swept: tuple[str, ...]
    collected: Collected

    @cached_property
    def findings(self) -> list[Finding]:
        """What must be known before comparing."""
        return audit([each.point for each in self.scores], self.collected, self.swept)

    def where(self, **parameters: str) -> list[Scores]:
        """The cells with these parameters."""
        return [each for each in self.scores if all(each[key] == value for key, value in parameters.items())]

    @property
    def name(self) -> str:
        """A folder's name for what is made of it."""
        return "-".join(sorted({each["corpus"] for each in self.scores}))

    @property
    def synthetic(self) -> bool:
        """Whether any of it was trained on generated speech."""
        return bool(self.replicas["synthetic"].any()) or any(s["corpus"] == "synthetic" for s in self.scores)

    @property
    def corpus(self) -> str:
        """What was trained on, as it must be called wherever its numbers stand."""
        names = sorted({each["corpus"] for each in self.scores})
        said = " and ".join(names) or "no corpus"
        if self.synthetic:
            return "SYNTHETIC speech" if names == ["synthetic"] else f"{said} (with SYNTHETIC speech)"
        return said

    @property
    def replicas(self) -> pd.DataFrame:
        """The rows of all trainings of these cells."""
        names = {each.point.configuration for each in self.scores}
        return self.collected.replicas[self.collected.replicas["configuration"].isin(names)]

    def seeds(self) -> int:
        """The number of seeds planned for a cell: the largest, should they differ."""
        return max((len(each.point.seeds) for each in self.scores), default=0)


def paper(experiments: Mapping[str, Sequence[str]], axes: Sequence[str]) -> Study:
    """The grids of ``conf/experiment``, composed with what a user adds to them, and what the store has of them.

    Args:
        experiments: options of the group ``experiment``, each with further overrides, the same as are given to
            ``python -m ser.run -m experiment=...``.
        axes: the parameters that say where a cell stands in the table or figure.

    Raises:
        UserError: an override is wrong, two cells would stand in one place, or the tracking store cannot be read.
    """
    first, overrides = next(iter(experiments.items()))
    tracking = compose_settings(_overrides(first, overrides)).tracking
    store = tracking.uri, tracking.experiment or "ser"
    collect(*store, ())  # before a corpus is read: without a store there is nothing to read it for
    plans = [_plan(name, overrides) for name, overrides in experiments.items()]
    found = study(plans, *store, axes)
    places: dict[tuple[str, ...], Scores] = {}
    for each in found.scores:
        other = places.setdefault(tuple(each[axis] for axis in axes), each)
        if other is not each and each.point.configuration is not None:
            key, *_ = differing([each.point.parameters, other.point.parameters])
            raise UserError(
                f"The grid has {key}={other[key]} and {key}={each[key]}, but the table has one place for both: give "
                f"{key} one value, or use sweep=NAME by={key}."
            )
    return found


def study(plans: Sequence[Plan], uri: str | None, experiment: str, axes: Sequence[str] = ()) -> Study:
    """What the tracking store has of the plans' points; each seed's folds are averaged.

    ``axes`` may differ between cells even where no plan sweeps them.
    """
    cells = merged(point for plan in plans for point in plan.points)
    swept = tuple(dict.fromkeys([*(key for plan in plans for key in _swept(plan)), *axes]))
    collected = collect(uri, experiment, {cell.configuration for cell in cells if cell.configuration is not None})
    rows = {str(name): frame for name, frame in collected.replicas.groupby("configuration")}
    return Study(tuple(Scores(cell, _by_seed(cell, rows)) for cell in cells), swept, collected)


def _plan(experiment: str, arguments: Sequence[str]) -> Plan:
    plan = compose_plan(_overrides(experiment, arguments))
    if plan is None:
        raise UserError("The tables need a grid: Hydra's basic sweeper, not another one (hydra/sweeper=).")
    return plan


def _overrides(experiment: str, arguments: Sequence[str]) -> list[str]:
    return rewrite([f"experiment={experiment}", *arguments])


def _swept(plan: Plan) -> Iterable[str]:
    """The keys that have more than one value among the points' overrides."""
    values: dict[str, set[str]] = {}
    for point in plan.points:
        for override in point.overrides:
            key, _, value = override.lstrip("+").partition("=")
            values.setdefault(key, set()).add(value)
    return [key for key, some in values.items() if len(some) > 1 and key not in ("seed", "fold")]


def _by_seed(point: Point, rows: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The means over the planned folds of the seeds that have all of them."""
    empty = pd.DataFrame(columns=list(METRICS), index=pd.Index([], name="seed"), dtype=float)
    mine = rows.get(point.configuration or "")
    if mine is None:
        return empty
    mine = mine[mine["seed"].isin(point.seeds) & mine["fold"].isin(point.folds)].dropna(subset=list(METRICS))
    whole = mine.groupby("seed")["fold"].transform("nunique") == len(point.folds)
    return mine[whole].groupby("seed")[list(METRICS)].mean() if whole.any() else empty


def paired(first: Sequence[Scores], second: Sequence[Scores], metric: str) -> tuple[Floats, Floats]:
    """Both sides' values by seed, each the mean over its cells, for the seeds that all of these cells have."""
    common = sorted(set.intersection(*(set(each.values.index) for each in (*first, *second))))
    one, other = (
        np.mean([each.values.loc[common, metric].to_numpy(dtype=np.float64) for each in side], axis=0)
        for side in (first, second)
    )
    return one, other


def chosen(cells: Sequence[Scores]) -> Scores:
    """The cell with the highest mean validation WA; of equals, the first. No test figure has a part in it."""
    return max(cells, key=lambda each: round(float(each.of("best_val_wa").mean()), 12))


def highest(cells: Sequence[Scores], metric: str) -> Percent:
    """The highest figure of all cells and seeds, and of how many it is that."""
    values = np.concatenate([each.of(metric) for each in cells])
    return Percent(float(values.max()), n=len(values))


def absent(cells: Sequence[Scores]) -> Absent | None:
    """X with the number of complete seeds, if any of the cells lacks one, or there is no cell; else None."""
    if cells and all(each.complete for each in cells):
        return None
    return Absent(sum(len(each.values) for each in cells), sum(len(each.point.seeds) for each in cells))


def refuse(findings: Sequence[Finding]) -> None:
    """Stop where a comparison would mislead.

    Raises:
        UserError: a finding says so.
    """
    refusals = [finding.text for finding in findings if finding.severity == "refuse"]
    if refusals:
        raise UserError(
            "These runs cannot be compared:\n"
            + "\n".join(f"- {text}" for text in refusals)
            + "\nWith audit=shout the tables are made all the same, and say so."
        )
