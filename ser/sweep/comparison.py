"""Alternatives compared under equal tuning budgets, such as losses.

A tuned method beats one with default values, whichever they are (Musgrave et al. 2020, A Metric Learning Reality
Check). So each alternative is searched with the same number of trials, on validation accuracy. What was chosen is then
trained with seeds that no search has used, as one sweep, which ``python -m multirun_analysis`` reads like any other.
"""

import logging
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from annotated_types import MinLen
from pydantic import BaseModel, ValidationError

from ser.config.paths import conf_dir
from ser.config.settings import Settings
from ser.config.words import as_typed, key_of
from ser.config.yaml_file import read_yaml
from ser.errors import UserError
from ser.sweep import tuning
from ser.sweep.commandline import rewrite
from ser.sweep.display import watch
from ser.sweep.handover import PLANNED, SWEPT
from ser.sweep.places import check_places, places_of
from ser.sweep.planned import ALTERNATIVE, Plan, Point
from ser.sweep.stored_plans import store_plan
from ser.sweep.tuning import Budget, Search, Trial
from ser.system.text import aligned, percent

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Comparison:
    """What is compared.

    Attributes:
        name: the name of the sweep of the chosen configurations.
        searches: the search of each alternative, by the alternative's name.
        seeds: with how many new seeds the chosen configurations are trained.
    """

    name: str
    searches: Mapping[str, Search]
    seeds: int


def make_comparison(source: str, typed: Sequence[str], budget: Budget, seeds: int, name: str) -> Comparison:
    """Read the alternatives, and check every value that their searches may propose.

    Args:
        source: a YAML file, or the name of one in the folder ``comparison`` of the user's or the project's options.
        typed: overrides of the command line, rewritten; one replaces an override of the file that has the same key.
        budget: of each search; where nothing is searched, one trial is enough.
        seeds, name: see ``Comparison``.

    Raises:
        UserError: there is no such file, it cannot be read, or a value is out of range.
    """
    file = _read(_path(source, budget.config_dir))
    slugs = [_slug(alternative) for alternative in file.alternatives]
    wrong = [each for each in slugs if not re.fullmatch(r"[\w.+-]+", each) or slugs.count(each) > 1]
    if wrong:
        raise UserError(
            f"compare={source}: {wrong[0]} cannot name an alternative, or names two. Use letters, digits, blanks and "
            ". + - _: the name ends that of the search's sweep."
        )
    searches, settings = dict[str, Search](), list[Settings]()
    for alternative, own in file.alternatives.items():
        by_key = {key_of(override): override for override in (*rewrite([*file.common, *own]), *typed)}
        try:
            search = tuning.make_search([*by_key.values(), f"sweep={name}-{_slug(alternative)}"], budget)
            settings += tuning.check(search)
        except UserError as error:
            raise UserError(f"The alternative {alternative} of compare={source}: {error}") from error
        searches[alternative] = search if search.dimensions else replace(search, budget=replace(budget, trials=1))
    check_places(settings, {})
    tuning.check_one_measure(settings)
    return Comparison(name, searches, seeds)


def preview(comparison: Comparison) -> str:
    """What a comparison would train next, and what of it is there; nothing is trained."""
    said = f"What is chosen of each is then trained with {comparison.seeds} seeds, as the sweep {comparison.name}."
    return "\n\n".join([*map(tuning.preview, comparison.searches.values()), said])


def _slug(alternative: str) -> str:
    return "-".join(alternative.split())


def compare(comparison: Comparison) -> int:
    """Search every alternative, train what was chosen, and print both tables.

    Returns:
        The exit status: 0 if every alternative has all its results.
    """
    chosen, ties = dict[str, Trial](), list[str]()
    for number, (alternative, search) in enumerate(comparison.searches.items(), 1):
        _log.info("%s (%d of %d)", alternative, number, len(comparison.searches))
        trials = tuning.tune(search)
        best, tie = tuning.best_of(trials), tuning.tie(trials)
        ties += [f"{alternative}: {tie}"] if tie else []
        if best is None:
            _log.warning("%s is left out: no trial has a result.", alternative)
        else:
            chosen[alternative] = best
    if not chosen:
        return 1
    plan, jobs = _final(comparison, chosen)
    ties += _equal(plan)
    status = watch(plan, lambda: tuning.train(jobs))
    keys = [f"sweep={comparison.name}", f"by={ALTERNATIVE}", f"against={next(iter(chosen))}"]
    analysis = ["python", "-m", "multirun_analysis", *keys, *places_of(plan.points[0].overrides)]
    print(
        "\n".join(["", _table(comparison, chosen), *ties]) + f"\n\n{tuning.caution(jobs[0].experiment.corpus)}"
        f"With intervals and differences: {shlex.join(analysis)}",
        flush=True,
    )
    return status or int(len(chosen) < len(comparison.searches))


def _equal(plan: Plan) -> list[str]:
    """Which alternatives chose the same configuration: the tables have it once."""
    names: dict[str | None, list[str]] = {}
    for point in plan.points:
        names.setdefault(point.configuration, []).append(point.parameters[ALTERNATIVE])
    return [
        f"{', '.join(each)} chose the same configuration: the tables have it once, as {each[0]}."
        for each in names.values()
        if len(each) > 1
    ]


def _final(comparison: Comparison, chosen: Mapping[str, Trial]) -> tuple[Plan, list[tuning.Job]]:
    """The sweep of the chosen configurations, with seeds that no trial has used."""
    unused = 1 + max(seed for trial in chosen.values() if trial.job for seed in trial.job.settings.seeds)
    mine = (f"sweep={comparison.name}", f"seed={unused}", f"repeats={comparison.seeds}")
    points = [
        [*tuning.without_seeds(comparison.searches[alternative].fixed), *trial.overrides, *mine]
        for alternative, trial in chosen.items()
    ]
    jobs = tuning.jobs(points, next(iter(comparison.searches.values())).budget.config_dir)
    typed = [f"sweep={comparison.name}", "alternatives=" + ",".join(chosen)]
    plan = Plan.of(typed, [job.experiment for job in jobs])
    plan = replace(plan, points=tuple(map(_named, plan.points, chosen)))
    store_plan(plan)
    os.environ[PLANNED], os.environ[SWEPT] = plan.name, ",".join(plan.swept)
    return plan, jobs


def _named(point: Point, alternative: str) -> Point:
    """A point that has its alternative's name among its parameters, for tables and for ``by=alternative``."""
    overrides = (*point.overrides, f"{ALTERNATIVE}={alternative}")
    return replace(point, overrides=overrides, parameters={**point.parameters, ALTERNATIVE: alternative})


def _table(comparison: Comparison, chosen: Mapping[str, Trial]) -> str:
    """What was chosen for each alternative, and its validation accuracy."""
    rows = []
    for name, trial in chosen.items():
        trials, values = comparison.searches[name].budget.trials, " ".join(map(as_typed, trial.overrides))
        rows.append([name, percent(trial.value or 0), str(trials), values])
    return aligned([[ALTERNATIVE, f"validation {tuning.measure(chosen.values())} %", "trials", "chosen"], *rows])


def _path(source: str, config_dir: str | None) -> Path:
    if source.endswith((".yaml", ".yml")):
        return Path(source)
    folders = [Path(folder) / "comparison" for folder in (config_dir, conf_dir()) if folder]
    found = [folder / f"{source}.yaml" for folder in folders if (folder / f"{source}.yaml").is_file()]
    if not found:
        there = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
        raise UserError(
            f"compare={source}: there is no such comparison. There are: {', '.join(there)}; or give a file."
        )
    return found[0]


class _File(BaseModel, extra="forbid", strict=True):
    """A file of alternatives: the overrides of all of them, and those of each by its name."""

    common: list[str] = []
    alternatives: Annotated[dict[str, list[str]], MinLen(2)]


def _read(path: Path) -> _File:
    try:
        return _File.model_validate(read_yaml(path))
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(
            f"{path} is no comparison: {'.'.join(map(str, first['loc']))}: {first['msg']}. It needs `alternatives`, "
            "two or more, each a name with a list of overrides, and may have `common`, a list of overrides."
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"compare={path} cannot be read: {error}") from error
