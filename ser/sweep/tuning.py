"""A search for the values with the best validation accuracy, a few trials at a time, each a point of one sweep.

Optuna's tree-structured Parzen estimator (Bergstra et al. 2011) proposes the trials. It is seeded and knows nothing but
the trials' mean validation WA. Therefore the same command proposes the same trials again and finds their results: a
search that was stopped goes on without a database.
"""

import logging
import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ser.config.settings import Settings, resolve
from ser.config.words import as_typed
from ser.data.experiment import make_experiment
from ser.errors import UserError
from ser.sweep import queue
from ser.sweep.compose import composer
from ser.sweep.display import Progress
from ser.sweep.handover import PLANNED, STARTED
from ser.sweep.job import Job
from ser.sweep.places import check_places
from ser.sweep.plan import Plan, mixed, store_plan
from ser.sweep.search_space import Dimension
from ser.system.text import aligned, percent

_log = logging.getLogger(__name__)


VALIDATION_IS_SHARED = (
    "A choice by validation WA looks at no test part, but what is a test part in one fold is a validation part in "
    "another: the accuracies are those of a configuration that was chosen on the same corpus."
)


@dataclass(frozen=True)
class Budget:
    """How a search is done.

    Attributes:
        trials: how many configurations are tried.
        together: how many are proposed at a time, without knowing the results of one another.
        seed: of the proposals.
        config_dir: a user's own folder of options.
    """

    trials: int
    together: int
    seed: int
    config_dir: str | None = None


@dataclass(frozen=True)
class Search:
    """What is searched, and how.

    Attributes:
        dimensions: the keys and their values.
        fixed: the other overrides.
        budget: how.
    """

    dimensions: Sequence[Dimension]
    fixed: Sequence[str]
    budget: Budget


@dataclass(frozen=True)
class Trial:
    """A configuration that was tried: its overrides, its job, and its mean validation WA; None if it failed."""

    overrides: tuple[str, ...]
    job: Job
    value: float | None


def check(searches: Iterable[Search]) -> None:
    """Check that every value that may be proposed is in its key's range; nothing is trained.

    Raises:
        UserError: one is not, or a folder or the tracking store cannot be written.
    """
    settings = list[Settings]()
    for search in searches:
        first = [dimension.samples()[0] for dimension in search.dimensions]
        with composer(config_dir=search.budget.config_dir) as composing:
            for index, dimension in enumerate(search.dimensions):
                for sample in dimension.samples():
                    point = [*search.fixed, *first[:index], sample, *first[index + 1 :]]
                    settings.append(resolve(composing.config(point), point))
            if not search.dimensions:
                settings.append(resolve(composing.config(search.fixed), search.fixed))
    check_places(settings, {})


def tune(search: Search) -> list[Trial]:
    """Try configurations, and keep their results and runs as a sweep's.

    Returns:
        Every trial, in the order of the proposals.

    Raises:
        UserError: Optuna is not installed, or no trial can run.
    """
    try:
        import optuna
    except ImportError as error:
        raise UserError("A search needs Optuna: pip install 'optuna>=4'.") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    budget = search.budget
    sampler = optuna.samplers.TPESampler(seed=budget.seed, constant_liar=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    trials: list[Trial] = []
    while len(trials) < budget.trials:
        asked = [study.ask() for _ in range(min(budget.together, budget.trials - len(trials)))]
        points = [tuple(dimension.ask(each) for dimension in search.dimensions) for each in asked]
        new = jobs([[*search.fixed, *point] for point in points], budget.config_dir)
        os.environ[PLANNED] = new[0].settings.sweep
        overrides = (*search.fixed, *(dimension.samples()[0] for dimension in search.dimensions))
        planned = [each.experiment for each in (*(trial.job for trial in trials), *new)]
        plan = Plan.of(overrides, planned)
        for sentence in mixed(plan):
            _log.warning(sentence)
        store_plan(plan)  # the analysis finds its points there
        progress = Progress(Plan.of(overrides, [job.experiment for job in new]), os.environ[STARTED])
        progress.start()
        values = train(new)
        progress.stop()
        for proposal, point, job, value in zip(asked, points, new, values, strict=True):
            state = optuna.trial.TrialState.COMPLETE if value is not None else optuna.trial.TrialState.FAIL
            study.tell(proposal, value, state)
            trials.append(Trial(point, job, value))
        _log.info("%s", _progress(search, trials))
    return trials


def jobs(points: Iterable[Sequence[str]], config_dir: str | None) -> list[Job]:
    """The jobs of points, each given by its overrides, with their features extracted."""
    made = []
    with composer(config_dir=config_dir) as composing:
        for overrides in points:
            made.append(make_experiment(resolve(composing.config(overrides), overrides), overrides))
            made[-1].frames()
    return [Job(experiment) for experiment in made]


def train(jobs: Sequence[Job]) -> list[float | None]:
    """Train jobs and deliver their runs; the mean validation WA of each, or None if a training failed."""
    trained = queue.train_all(jobs)
    values: list[float | None] = []
    for job in jobs:
        try:
            queue.conclude(job, trained, job)
        except Exception as error:
            _log.warning("%s", error)
            values.append(None)
            continue
        try:
            job.deliver()
        except UserError as error:  # the results are there: the same command delivers them
            _log.warning("%s", error)
        values.append(job.metrics().get("best_val_wa"))
    return values


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """The trial with the highest validation WA, the first of equals; None if all failed."""
    return max((trial for trial in trials if trial.value is not None), key=lambda trial: trial.value or 0, default=None)


def _progress(search: Search, trials: Sequence[Trial]) -> str:
    best = best_of(trials)
    said = (
        f"best validation WA {percent(best.value or 0)} at {' '.join(map(as_typed, best.overrides))}"
        if best
        else "none has a result"
    )
    return f"{len(trials)} of {search.budget.trials} trials: {said}"


def table(search: Search, trials: Sequence[Trial]) -> str:
    """All trials sorted by validation WA; test accuracies are shown for the chosen trial alone (``chosen``)."""
    ranked = sorted(trials, key=lambda trial: -(trial.value if trial.value is not None else -1))
    body = [
        [*(each.partition("=")[2] for each in trial.overrides), "X" if trial.value is None else percent(trial.value)]
        for trial in ranked
    ]
    return aligned([[*(dimension.name for dimension in search.dimensions), "validation WA %"], *body])


def chosen(search: Search, best: Trial) -> str:
    """What the search chose, its accuracies on the test utterances, and the command that trains it with more seeds."""
    figures: dict[str, Any] = best.job.metrics()
    found = [as_typed(override) for override in best.overrides]
    fixed = [as_typed(override) for override in search.fixed if not override.startswith("sweep=")]
    test = ", ".join(f"{name.upper()} {percent(figures[name])}" for name in ("wa", "uwa"))
    options = ["--config-dir", search.budget.config_dir] if search.budget.config_dir else []
    return (
        f"Chosen by validation WA: {' '.join(found)}. On the test utterances: {test}.\n{VALIDATION_IS_SHARED}\n"
        f"With more seeds: python -m ser.run {shlex.join([*options, *fixed, *found])} repeats=20"
    )
