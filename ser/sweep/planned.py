"""A sweep as planned, as plain data: its points, with the signature, the seeds and the folds of each.

Progress, closing table, exit status and analysis select results by these signatures, so that they work the same under
every launcher.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ser.config.words import as_typed, by_key, key_of
from ser.data.replicas import Replica, replicas

if TYPE_CHECKING:
    from ser.data.experiment import Experiment


@dataclass(frozen=True)
class Point:
    """One planned job.

    Attributes:
        overrides: what was typed for it.
        parameters: its configuration in the words that users type.
        seeds, folds: what it trains.
        configuration: the signature of its configuration; None where it cannot run.
        error: why it cannot run, else None.
        sessions: how many folds its corpus has, 1 with an official split; None where that is not known.
        classes: how many classes it has; None where that is not known.
    """

    overrides: tuple[str, ...]
    parameters: dict[str, str]
    seeds: tuple[int, ...]
    folds: tuple[int, ...]
    configuration: str | None
    error: str | None = None
    sessions: int | None = None
    classes: int | None = None

    @classmethod
    def of(cls, experiment: "Experiment") -> "Point":
        """The point of an experiment, which can run."""
        settings, corpus = experiment.settings, experiment.corpus
        planned = (experiment.overrides, experiment.parameters, settings.seeds, experiment.folds)
        return cls(*planned, experiment.configuration, sessions=len(corpus.tested), classes=len(corpus.classes))

    @property
    def part(self) -> str | None:
        """Which folds are planned, such as ``folds 1, 2 of 5``; None if all are, or their number is not known."""
        if self.sessions is None or len(self.folds) == self.sessions:
            return None
        return f"fold{'s' * (len(self.folds) > 1)} {', '.join(map(str, self.folds))} of {self.sessions}"

    @property
    def known_by(self) -> Any:
        """What points are merged by: the configuration's signature, or the parameters where the point cannot run."""
        return self.configuration or tuple(sorted(self.parameters.items()))

    def replicas(self) -> list[Replica]:
        """Every training of this point; an empty list where it cannot run."""
        return [] if self.configuration is None else replicas(self.configuration, self.seeds, self.folds)


def merged(points: Iterable[Point]) -> list[Point]:
    """Merge points of the same configuration (``known_by``) into one that has the seeds and folds of all of them."""
    result: dict[Any, Point] = {}
    for point in points:
        first = result.get(point.known_by, point)
        seeds, folds = {*first.seeds, *point.seeds}, {*first.folds, *point.folds}
        result[point.known_by] = replace(first, seeds=tuple(sorted(seeds)), folds=tuple(sorted(folds)))
    return list(result.values())


ALTERNATIVE = "alternative"
"""The parameter that names the alternative of a point of a comparison (``ser.sweep.comparison``)."""


@dataclass(frozen=True)
class Plan:
    """A named sweep.

    Attributes:
        name: the sweep's name.
        overrides: the command line.
        points: its jobs.
        results: the folder of its results.
        anew: whether earlier results do not count (resume=false).
        save: the key ``save``: with best or all, results without weights do not count.
        launcher: Hydra's configuration of its launcher; None where no launcher runs the jobs.
        metrics: users' own metrics, see ``ser.results.metrics.add_own``.
    """

    name: str
    overrides: tuple[str, ...]
    points: tuple[Point, ...]
    results: Path
    anew: bool = False
    save: str = "none"
    launcher: Any = field(default=None, compare=False)
    metrics: Mapping[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, overrides: Sequence[str], experiments: "Sequence[Experiment]") -> "Plan":
        """The plan of experiments that can run; ``overrides`` tell it from other plans of the same name."""
        settings, points = experiments[0].settings, tuple(map(Point.of, experiments))
        how = settings.resume is False, settings.save
        return cls(settings.sweep, tuple(overrides), points, settings.results, *how, metrics=settings.metrics)

    @property
    def typed(self) -> str:
        """The command line as users type it, without the sweep's name."""
        return " ".join(as_typed(override) for override in self.overrides if key_of(override) != "sweep")

    @cached_property
    def swept(self) -> tuple[str, ...]:
        """The keys that are not the same in the overrides of all points, but for seed and fold."""
        typed = [by_key(point.overrides) for point in self.points]
        keys = dict.fromkeys(key for each in typed for key in each)
        return tuple(key for key in keys if len({each.get(key) for each in typed}) > 1 and key not in ("seed", "fold"))

    @property
    def is_comparison(self) -> bool:
        """Whether its points are the alternatives that a comparison has chosen."""
        return any(ALTERNATIVE in point.parameters for point in self.points)

    def signatures(self) -> dict[str, Point]:
        """The point of every training of the sweep, by the training's signature; equal points count once."""
        return {replica.signature: point for point in self.points for replica in point.replicas()}


def together(plans: Sequence[Plan]) -> Plan:
    """The plan that a sweep's name stands for: the configurations of all of its command lines, each once.

    A configuration has the seeds and folds of all command lines, if together these are every seed with every fold; else
    those of the newest command line that has it, since nobody asked for the rest. So it has where the newest asks for a
    part of what an older one asked for, which may never have been finished. Where own code or a corpus' files have
    changed, only the newest configuration of equal parameters counts. Of comparisons (``python -m ser.tune compare=``)
    the newest counts: the budgets of its searches are equal within one command only.

    Args:
        plans: at least one, the oldest first.

    Returns:
        A plan that has the overrides of the newest.
    """
    newest, plans = plans[-1], counted(plans)
    if len(plans) == 1:
        return plans[0]
    points = [point for plan in plans for point in merged(plan.points)]
    current = {_words(point): point.known_by for point in points}
    found: dict[Any, list[Point]] = {}
    for point in points:
        if current[_words(point)] == point.known_by:
            found.setdefault(point.known_by, []).append(point)
    metrics = {name: target for plan in plans for name, target in plan.metrics.items()}
    return replace(newest, points=tuple(map(_added_up, found.values())), metrics=metrics)


def counted(plans: Sequence[Plan]) -> Sequence[Plan]:
    """The plans of a name that count: the newest, if that is a comparison; else all others, and the last comparison."""
    if plans[-1].is_comparison:
        return plans[-1:]
    last = max((number for number, plan in enumerate(plans) if plan.is_comparison), default=None)
    return [plan for number, plan in enumerate(plans) if number == last or not plan.is_comparison]


def between(plans: Sequence[Plan]) -> list[str]:
    """The parameters in which the command lines of a name differ, and none of them within itself."""
    within = {key for plan in plans for key in _various(plan.points)}
    return [key for key in _various(together(plans).points) if key not in within]


def _various(points: Sequence[Point]) -> list[str]:
    keys = dict.fromkeys(key for point in points for key in point.parameters)
    return [key for key in keys if len({point.parameters.get(key) for point in points}) > 1]


def _words(point: Point) -> Any:
    return tuple(sorted(point.parameters.items()))


def _added_up(points: Sequence[Point]) -> Point:
    """One configuration as several command lines plan it, the oldest first, with the words of the newest."""
    (whole,) = merged(reversed(points))
    *older, newest = [{(seed, fold) for seed in point.seeds for fold in point.folds} for point in points]
    is_grid = len(newest.union(*older)) == len(whole.seeds) * len(whole.folds)
    return whole if is_grid and not any(newest < each for each in older) else points[-1]
