"""A search for the values with the best validation accuracy, a few trials at a time, each a point of one sweep.

Optuna's tree-structured Parzen estimator (Bergstra et al. 2011) proposes the trials. It is seeded and knows nothing but
the trials' mean validation accuracy. Therefore the same command proposes the same trials again and finds their
results: a search that was stopped goes on without a database.
"""

import logging
import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ser.config.settings import Settings, resolve
from ser.config.words import as_typed, key_of
from ser.corpora.table import Corpus
from ser.data.experiment import make_experiment
from ser.errors import UserError
from ser.sweep import queue
from ser.sweep.compose import Composer, composer
from ser.sweep.display import Progress
from ser.sweep.handover import PLANNED, STARTED
from ser.sweep.job import Job, NotStoredError
from ser.sweep.places import check_experiments, check_one_value
from ser.sweep.planned import Plan
from ser.sweep.search_space import Dimension, search_space
from ser.sweep.status import dry_run
from ser.sweep.stored_plans import mixed, store_plan
from ser.system.text import aligned, listing, percent

_log = logging.getLogger(__name__)


VALIDATION_IS_SHARED = (
    "A choice by validation accuracy looks at no test part, but what is a test part in one fold is a validation part "
    "in another: the accuracies are those of a configuration that was chosen on the same corpus."
)


def caution(corpus: Corpus) -> str:
    """What a reader of accuracies must know of a choice by validation accuracy; empty where no test part validates."""
    return "" if corpus.official_split else f"{VALIDATION_IS_SHARED}\n"


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


def make_search(overrides: Sequence[str], budget: Budget) -> Search:
    """Divide a command line into what is searched and what is fixed.

    Raises:
        UserError: an override cannot be read; or seeds or folds are searched, of which the easiest would be chosen.
    """
    dimensions, fixed = search_space(overrides)
    wrong = [dimension.typed for dimension in dimensions if dimension.key in ("seed", "repeats", "fold")]
    if wrong:
        raise UserError(
            f"{wrong[0]}: a search trains every trial with the same seeds and folds, and takes the mean over them. "
            "Give repeats=3 for three seeds, 'fold=[1,2]' for two folds."
        )
    return Search(dimensions, fixed, budget)


@dataclass(frozen=True)
class Trial:
    """A configuration that was tried: its overrides, its job, and its mean validation accuracy.

    The job is None if the configuration cannot run, the validation accuracy also if its training failed.
    """

    overrides: tuple[str, ...]
    job: Job | None
    value: float | None


def check(search: Search) -> list[Settings]:
    """Check that every value that may be proposed is in its key's range; nothing is trained.

    Returns:
        Settings that show it, for ``check_places``.

    Raises:
        UserError: one is not; or trials would be compared by different measures.
    """
    first = [dimension.samples()[0] for dimension in search.dimensions]
    points = [[*search.fixed, *first]]
    for index, dimension in enumerate(search.dimensions):
        points += [[*search.fixed, *first[:index], one, *first[index + 1 :]] for one in dimension.samples()[1:]]
    with composer(config_dir=search.budget.config_dir) as composing:
        settings = [resolve(composing.config(point), point) for point in points]
    check_one_value(settings)
    check_one_measure(settings)
    return settings


def check_one_measure(settings: Iterable[Settings]) -> None:
    """Check that one validation accuracy chooses among these.

    Raises:
        UserError: some have WA, some UWA.
    """
    if len({each.selected_by for each in settings}) > 1:
        raise UserError("trainer.select is the measure by which a search chooses. Give it one value: wa or uwa.")


def tune(search: Search) -> list[Trial]:
    """Try configurations, and keep their results and runs as a sweep's.

    Returns:
        Every trial, in the order of the proposals.

    Raises:
        UserError: Optuna is not installed, or none of the first trials can run.
        NotStoredError: a result cannot be stored, as on a full disk.
    """
    proposals = _Proposals(search)
    while points := proposals.next():
        new = _attempted(search, points, proposals.trials)
        ready = [job for job in new if job is not None]
        values = iter(_train_shown(search, proposals.trials, ready) if ready else [])
        proposals.tell(new, [None if job is None else next(values) for job in new])
        _log.info("%s", _progress(search, proposals.trials))
    return proposals.trials


def _train_shown(search: Search, before: Sequence[Trial], new: Sequence[Job]) -> list[float | None]:
    """Train the new trials of a search, with their progress shown; the validation accuracy of each."""
    os.environ[PLANNED] = new[0].settings.sweep
    plan = _plan(search, [*(trial.job for trial in before if trial.job is not None), *new])
    for sentence in mixed(plan):
        _log.warning(sentence)
    store_plan(plan)  # the analysis finds its points there
    progress = Progress(_plan(search, new), os.environ[STARTED])
    progress.start()
    try:
        return train(new)
    finally:
        progress.stop()


def _attempted(
    search: Search, points: Sequence[tuple[str, ...]], before: Sequence[Trial], extract: bool = True
) -> list[Job | None]:
    """The jobs of proposals; None, with a warning, for one that cannot run, so that the others do.

    Raises:
        UserError: none can run, and none could before.
    """
    made, errors = list[Job | None](), list[UserError]()
    with composer(config_dir=search.budget.config_dir) as composing:
        for point in points:
            try:
                made.append(_job(composing, [*search.fixed, *point], extract))
            except UserError as error:
                made.append(None)
                errors.append(error)
    if not any(made) and not any(trial.job for trial in before):
        raise errors[0]
    for reason in errors:
        _log.warning("This trial is left out, since it cannot run: %s", reason)
    return made


def preview(search: Search) -> str:
    """What a search would train next, and what of it is there; nothing is trained.

    Raises:
        UserError: Optuna is not installed, or none of the first trials can run.
    """
    proposals, proposed, known = _Proposals(search), 0, list[Job]()
    while points := proposals.next():
        new = _attempted(search, points, proposals.trials, extract=False)
        proposed += len(new)
        known += [job for job in new if job is not None]
        if any(job is not None and job.missing() for job in new):
            break
        proposals.tell(new, [job.validation() if job else None for job in new])
    searched = " ".join(dimension.typed for dimension in search.dimensions) or "nothing"
    said = f"{search.budget.trials} trials, {search.budget.together} at a time, searching {searched}"
    later = search.budget.trials - proposed
    text = dry_run(_plan(search, known), known[0].settings.resume, said)
    return f"{text}\n\n{later} more trials are proposed when these have results." if later else text


class _Proposals:
    """What Optuna proposes for a search, a few trials at a time.

    Attributes:
        trials: those whose results it was told.

    Raises:
        UserError: Optuna is not installed.
    """

    def __init__(self, search: Search) -> None:
        try:
            import optuna
        except ImportError as error:
            raise UserError("A search needs Optuna: pip install 'optuna>=4'.") from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=search.budget.seed, constant_liar=True)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._states = optuna.trial.TrialState
        self._search = search
        self._asked: list[tuple[Any, tuple[str, ...]]] = []
        self.trials: list[Trial] = []

    def next(self) -> list[tuple[str, ...]]:
        """The overrides of the next trials; none if there were as many as wanted."""
        budget = self._search.budget
        asked = [self._study.ask() for _ in range(min(budget.together, budget.trials - len(self.trials)))]
        self._asked = [(each, tuple(dimension.ask(each) for dimension in self._search.dimensions)) for each in asked]
        return [point for _, point in self._asked]

    def tell(self, jobs: Sequence[Job | None], values: Sequence[float | None]) -> None:
        """Tell the validation accuracy of the trials that ``next`` proposed; None where a trial failed."""
        for (proposal, point), job, value in zip(self._asked, jobs, values, strict=True):
            self._study.tell(proposal, value, self._states.COMPLETE if value is not None else self._states.FAIL)
            self.trials.append(Trial(point, job, value))


def _plan(search: Search, jobs: Sequence[Job]) -> Plan:
    overrides = (*search.fixed, *(dimension.samples()[0] for dimension in search.dimensions))
    return Plan.of(overrides, [job.experiment for job in jobs])


def jobs(points: Iterable[Sequence[str]], config_dir: str | None) -> list[Job]:
    """The jobs of points, each given by its overrides, with their features extracted."""
    with composer(config_dir=config_dir) as composing:
        return [_job(composing, overrides, extract=True) for overrides in points]


def _job(composing: Composer, overrides: Sequence[str], extract: bool) -> Job:
    experiment = make_experiment(resolve(composing.config(overrides), overrides), overrides)
    check_experiments([experiment])
    if extract:
        experiment.frames()
    return Job(experiment)


def train(jobs: Sequence[Job]) -> list[float | None]:
    """Train jobs and deliver their runs; the mean validation accuracy of each, or None if a training failed.

    Raises:
        NotStoredError: a result cannot be stored.
    """
    trained = queue.train_all(jobs)
    values: list[float | None] = []
    for job in jobs:
        try:
            queue.conclude(job, trained, job)
        except NotStoredError:
            raise
        except Exception as error:
            _log.warning("%s", error)
            values.append(None)
            continue
        try:
            job.deliver()
        except UserError as error:  # the results are there: the same command delivers them
            _log.warning("%s", error)
        values.append(job.validation())
    return values


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """The trial with the highest validation accuracy, the first of equals; None if all failed."""
    return max((trial for trial in trials if trial.value is not None), key=lambda trial: trial.value or 0, default=None)


def measure(trials: Iterable[Trial]) -> str:
    """The validation accuracy by which trials are chosen, WA or UWA (``trainer.select``)."""
    return next((trial.job.settings.selected_by for trial in trials if trial.job is not None), "wa").upper()


def tie(trials: Sequence[Trial]) -> str:
    """A sentence if different trials share the highest validation accuracy: which is taken, and why; else empty."""
    best = best_of(trials)
    equal = [] if best is None else [trial.overrides for trial in trials if trial.value == best.value]
    first, *others = dict.fromkeys(equal) or [()]
    if best is None or not others:
        return ""
    named = [" ".join(map(as_typed, overrides)) for overrides in (first, *others)]
    return (
        f"{len(named)} trials share the highest validation {measure(trials)}, {percent(best.value or 0)} %: taken is "
        f"the one that was proposed first, {named[0]}. The others are {listing(named[1:])}."
    )


def _progress(search: Search, trials: Sequence[Trial]) -> str:
    best = best_of(trials)
    said = (
        f"best validation {measure(trials)} {percent(best.value or 0)} at {' '.join(map(as_typed, best.overrides))}"
        if best
        else "none has a result"
    )
    return f"{len(trials)} of {search.budget.trials} trials: {said}"


def table(search: Search, trials: Sequence[Trial]) -> str:
    """All trials sorted by validation accuracy; test accuracies are shown for the chosen trial alone (``chosen``)."""
    ranked = sorted(trials, key=lambda trial: -(trial.value if trial.value is not None else -1))
    body = [
        [*(each.partition("=")[2] for each in trial.overrides), "X" if trial.value is None else percent(trial.value)]
        for trial in ranked
    ]
    text = aligned([[*(dimension.name for dimension in search.dimensions), f"validation {measure(trials)} %"], *body])
    return "\n\n".join(filter(None, [text, tie(trials)]))


def without_seeds(overrides: Iterable[str]) -> list[str]:
    """The overrides but for a sweep's name and its seeds."""
    return [override for override in overrides if key_of(override) not in ("sweep", "seed", "repeats")]


def chosen(search: Search, best: Trial) -> str:
    """What the search chose, its accuracies on the test utterances, and the command that trains it with more seeds."""
    assert best.job is not None  # it has a result
    figures: dict[str, Any] = best.job.metrics()
    found = [as_typed(override) for override in best.overrides]
    fixed = [as_typed(override) for override in without_seeds(search.fixed)]
    unused = 1 + max(best.job.settings.seeds)
    test = ", ".join(f"{name.upper()} {percent(figures[name])}" for name in ("wa", "uwa"))
    options = ["--config-dir", search.budget.config_dir] if search.budget.config_dir else []
    return (
        f"Chosen by validation {measure([best])}: {' '.join(found)}. On the test utterances: {test}.\n"
        f"{caution(best.job.experiment.corpus)}"
        "With seeds that chose nothing: python -m ser.run "
        f"{shlex.join([*options, *fixed, *found])} seed={unused} repeats=20"
    )
