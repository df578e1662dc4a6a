"""What is planned, there, failed and left of a sweep: for ``python -m ser.status`` and ``dry_run=true``."""

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from ser.config.words import differing
from ser.results.store import ResultStore
from ser.sweep.display import duration
from ser.sweep.planned import Plan, together
from ser.sweep.running import Running, running
from ser.sweep.stored_plans import commands as told
from ser.sweep.stored_plans import find_plans, mixed, plan_time, sweep_names
from ser.sweep.table import Row, configurations, failures, overview
from ser.system.text import aligned


def status(results: Path, name: str | None) -> str:
    """Where a sweep stands, with all command lines of its name; the list of all sweeps without a name.

    While a command runs for which results of others do not count (``resume=false``, or those without weights), it is
    that command's own state.

    Args:
        results: the folder of results.
        name: the sweep's name; ``last`` is the sweep that was started last.

    Raises:
        UserError: there is no such sweep.
    """
    commands = list(running(results))
    if name is None:
        names, said = sweep_names(results), [f"{each.sweep}: {_said(each)}" for each in commands]
        known = overview(results, names) if names else f"There are no sweeps in {results}."
        return "\n".join([known, *([""] if said else []), *said])
    unplanned = [each for each in commands if each.sweep == name and name not in sweep_names(results)]
    if unplanned:
        return f"{name}: {_said(unplanned[-1])}, and stored no plan (python -m ser.show stores none)"
    plans = find_plans(results, name)
    here = [each for each in commands if each.sweep == plans[-1].name]
    latest = here[-1] if here else None
    plans = plans[-1:] if latest and (latest.anew or latest.save != "none") else plans
    plan, newest = together(plans), plans[-1]
    store = ResultStore(results, latest.mark if latest and latest.anew else None, latest.save if latest else "none")
    planned = f"{datetime.fromtimestamp(plan_time(results, plan.name)):%Y-%m-%d %H:%M}"
    said = [_said(each) for each in here] or [_ended(plans, plan, store)]
    typed = newest.typed if plan is newest else f"{len(plans)} command lines, {told(plans)}"
    return "\n".join(
        [
            f"sweep {plan.name}, planned {planned}: {typed}",
            *said,
            _counts(plan, store) + _time_left(newest, store, latest, alone=plan is newest),
            "",
            table(plan, store),
            *failures(plan, store),
        ]
    )


def dry_run(plan: Plan, resume: bool | str, said: str = "") -> str:
    """What a command would train, and what of it is there.

    Args:
        plan: the sweep; it need not be stored.
        resume: the key ``resume``.
        said: what the sweep is, in place of its command line.
    """
    store = ResultStore(plan.results, "none" if plan.anew else None, plan.save)
    missing = [signature for signature in plan.signatures() if not store.has(signature)]
    if resume == "failed":
        missing = [signature for signature in missing if store.failure(signature) is not None]
    return "\n".join(
        [
            f"sweep {plan.name}: {said or plan.typed}",
            _counts(plan, store),
            f"dry_run=true: nothing was trained. Without it, {len(missing)} would be, into {plan.results}.",
            *mixed(plan),
            "",
            table(plan, store),
            *failures(plan, store),
        ]
    )


def table(plan: Plan, store: ResultStore) -> str:
    """For each configuration how many trainings are planned, done, failed and left."""
    rows = configurations(plan)
    columns = differing([row.parameters for row in rows])
    body = [[*(row.parameters.get(column, "-") for column in columns), *_numbers(row, store)] for row in rows]
    return aligned([[*columns, "trainings", "done", "failed", "left"], *body])


def _numbers(row: Row, store: ResultStore) -> Sequence[object]:
    if not row.replicas:  # it cannot run
        return ["-", "-", "X", "-"]
    return _count([replica.signature for replica in row.replicas], store)


def _count(signatures: Sequence[str], store: ResultStore) -> tuple[int, int, int, int]:
    """How many trainings there are, and are done, failed and left."""
    missing = [signature for signature in signatures if not store.has(signature)]
    failed = sum(store.failure(signature) is not None for signature in missing)
    return len(signatures), len(signatures) - len(missing), failed, len(missing) - failed


def _counts(plan: Plan, store: ResultStore) -> str:
    planned, done, failed, left = _count(list(plan.signatures()), store)
    return f"{planned} trainings: {done} done, {failed} failed, {left} left"


def _ended(plans: Sequence[Plan], plan: Plan, store: ResultStore) -> str:
    """What a sweep needs that no command runs; ``plan`` is of all of its command lines."""
    _, _, failed, left = _count(list(plan.signatures()), store)
    if left and len(plans) > 1:
        unfinished = [each for each in plans if _count(list(each.signatures()), store)[3]]
        return f"not running: the command lines that are not finished go on from here: {told(unfinished)}"
    if left:
        return "not running: the same command goes on from here"
    return "not running: the same command tries those again that failed" if failed else "finished"


def _said(command: Running) -> str:
    """Where a command runs, and since when."""
    place = (
        f"on {command.host}, process {command.pid}, since {datetime.fromtimestamp(float(command.mark)):%Y-%m-%d %H:%M}"
    )
    if command.alive:
        return f"running {place}"
    return f"gave no sign for {duration(command.silent)}, killed? It ran {place}"


def _time_left(plan: Plan, store: ResultStore, command: Running | None, alone: bool) -> str:
    """The time that the running command's trainings will take at its pace; empty where that is not known.

    Args:
        plan: the running command's.
        store: the results that count for it.
        command: the running command, if there is one.
        alone: whether its trainings are all that are counted before.
    """
    if command is None or not command.alive:
        return ""
    began = float(command.mark)
    paths = [store.path(signature) for signature in plan.signatures() if store.has(signature)]
    new = sum(path.stat().st_mtime >= began for path in paths)
    left = _count(list(plan.signatures()), store)[3]
    if not new or not left:
        return ""
    whose = "" if alone else f" for the {left} of the running command"
    return f" (about {duration((time.time() - began) / new * left)}{whose})"
