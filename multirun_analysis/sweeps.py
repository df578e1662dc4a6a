"""Any sweep by its name: the list of sweeps, closing tables, tables by keys, and pictures over a number."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from multirun_analysis.writing import (
    CommandLine,
    folder_of,
    refuse_intervals,
    refuse_unless_shouting,
    with_findings,
    write_drawings,
    write_tables,
)
from ser.config.words import as_typed
from ser.errors import UserError
from ser.system.files import expanded
from ser.system.text import aligned

if TYPE_CHECKING:  # these modules import pandas, scipy and matplotlib, which a list of sweeps does without
    from multirun_analysis.grids import Shown, Study
    from ser.sweep.planned import Plan

_KEYS = (
    "sweep", "by", "against", "metric", "over", "where", "results.dir", "tracking.uri", "tracking.experiment",
)  # fmt: skip


def of_sweeps(command: CommandLine) -> str:
    """A list of all sweeps; or one sweep, from its result files or, with ``by``, from the tracking store."""
    given = dict(override.split("=", 1) for override in command.overrides)
    _refuse_without_effect(given)
    if "over" in given or "by" not in given:
        refuse_intervals(command, "these are beside the tables of by=KEYS")
    unknown = sorted(given.keys() - set(_KEYS))
    if unknown:
        raise UserError(f"{unknown[0]} is no key for a sweep: there are {', '.join(_KEYS)}, out and audit.")
    results = expanded(given.get("results.dir", "results"))
    if "sweep" in given:
        return _of_sweep(results, given, command)
    others = sorted(given.keys() - {"results.dir"})
    if others:
        raise UserError(f"{others[0]}= is for one sweep: add sweep=NAME.")
    from ser.sweep.stored_plans import sweep_names
    from ser.sweep.table import overview

    names = sweep_names(results)
    if not names:
        return f"There are no sweeps in {results}."
    return overview(results, names)


def _refuse_without_effect(given: Mapping[str, str]) -> None:
    """Refuse what belongs to tables by keys or to pictures where none is made: WA would be shown for another metric."""
    if "against" in given and ("over" in given or "by" not in given):
        raise UserError(f"against={given['against']} is for the tables of by=KEYS, without over=.")
    if "metric" in given and (given.get("over") == "epoch" or not {"by", "over"} & given.keys()):
        raise UserError(f"metric={given['metric']} is for the tables of by=KEYS and the pictures of over=KEY.")


def _of_sweep(results: Path, given: Mapping[str, str], command: CommandLine) -> str:
    """One sweep.

    Args:
        results: the folder of results.
        given: the values of ``_KEYS`` that were given.
        command: the command line.
    """
    from ser.sweep.stored_plans import find_plans

    plans = find_plans(results, given["sweep"])
    given = {**given, "sweep": plans[-1].name}
    if "by" in given or "over" in given:
        return _by(plans, given, command)
    from multirun_analysis.where import narrowed
    from ser.results.store import ResultStore
    from ser.sweep.planned import together
    from ser.sweep.table import table

    if "where" in given:
        plan = narrowed(together(plans), given["where"])
        return f"{_counted(plans) or _typed(plan)}\n{table(plan, ResultStore(plan.results))}"
    return "\n\n".join(f"{_typed(plan)}\n{table(plan, ResultStore(plan.results))}" for plan in plans)


def _by(plans: Sequence[Plan], given: Mapping[str, str], command: CommandLine) -> str:
    """A sweep with all of its command lines, by the keys that were given, from the tracking store."""
    from multirun_analysis.by import tables
    from multirun_analysis.grids import make_study
    from multirun_analysis.where import narrowed
    from ser.sweep.planned import between, together

    plan, counted, differing = narrowed(together(plans), given.get("where", "")), _counted(plans), between(plans)
    study = make_study([plan], given.get("tracking.uri"), given.get("tracking.experiment"), axes=differing)
    by = [key for name in ("by", "over") for key in given.get(name, "").split(",") if key]
    if "by" in given:
        _refuse_to_average(study, by, differing, counted)
    try:
        refuse_unless_shouting(study, command)
    except UserError as error:
        raise UserError(f"{error}\n{counted} where= takes some configurations only." if counted else error) from error
    head = f"{counted}\n" if counted else ""
    if "over" in given:
        return head + _over(study, given, command)
    compared = given.get("against", ""), given.get("metric", "wa")
    made = _marked(tables(study, given["sweep"], given["by"].split(","), *compared), given)
    written = write_tables(made, command, study.name, study.findings)
    return head + with_findings(study.findings, written)


def _refuse_to_average(study: Study, by: Sequence[str], differing: Sequence[str], counted: str) -> None:
    """Check that no row has configurations of several command lines that differ in a key which none of them swept.

    Raises:
        UserError: one has, such as the trial run of a sweep beside the sweep.
    """
    from multirun_analysis.grids import by_values
    from ser.config.words import parameter_of

    groups = by_values(study.scores, [parameter_of(key) for key in by]).values()
    mixed = [key for key in differing if any(len({scores[key] for scores in group}) > 1 for group in groups)]
    if mixed:
        raise UserError(
            f"{counted} They differ in {', '.join(mixed)}, over which rows would be averaged. Name it in by=, or take "
            f"some configurations only: where={mixed[0]}=..."
        )


def _counted(plans: Sequence[Plan]) -> str:
    """Which of a name's command lines ``together`` takes, as a sentence; empty if there is one."""
    from ser.sweep.planned import counted
    from ser.sweep.stored_plans import commands

    if len(plans) == 1:
        return ""
    if plans[-1].is_comparison:
        return f"The newest of {len(plans)} command lines of that name, a comparison: {_typed(plans[-1])}."
    return f"Of {len(counted(plans))} command lines of that name: {commands(counted(plans))}."


def _typed(plan: Plan) -> str:
    """A sweep's command line as users type it."""
    return " ".join(map(as_typed, plan.overrides))


def _marked(items: Sequence[Shown], given: Mapping[str, str]) -> list[Shown]:
    """Tables and figures that say which part of the sweep they are of, in their titles and the names of their files."""
    where = " ".join(given.get("where", "").split())
    if not where:
        return list(items)
    end = re.sub(r"[^\w.+-]+", "-", where)
    return [replace(item, name=f"{item.name}_where_{end}", title=f"{item.title}, {where} only") for item in items]


def _over(study: Study, given: Mapping[str, str], command: CommandLine) -> str:
    """A picture of a sweep over a number or over the epochs, with its table, its reading, and what to try next."""
    from multirun_analysis.over import draw, learning
    from ser.sweep.places import places_of

    name, over, by = given["sweep"], given["over"], [key for key in given.get("by", "").split(",") if key]
    if over == "epoch" and by:
        raise UserError("over=epoch draws each configuration by itself: leave by= out, or choose some with where=.")
    made = learning(study, name) if over == "epoch" else draw(study, name, over, by, given.get("metric", "wa"))
    (drawing,) = _marked([made], given)
    written = write_drawings([drawing], command, study.name, study.findings)
    keys = ",".join(study.swept_parameters) or "loss"  # of a sweep of one configuration
    where = [f"where={given['where']}"] if given.get("where", "").strip() else []
    rows = ["python", "-m", "multirun_analysis", f"sweep={name}", f"by={keys}", *where, *places_of(command.overrides)]
    following = [
        [shlex.join(rows), "# every row, with paired tests and recall"],
        ["python -m ser.ui", "# the runs in MLflow's page"],
        ["python -m ser.run --help", "# what else can be swept, and on which corpora"],
    ]
    picture = f"The picture: {folder_of(command, study.name) / drawing.name}.png"
    return with_findings(study.findings, f"{written}\n{picture}\n\nNext:\n{aligned(following)}")
