"""The plans of sweeps on disk, ``results/sweeps/<name>/<hash>.json``: one file for each different command line."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from ser.config.former import former_words
from ser.errors import UserError
from ser.results.metrics import add_own
from ser.sweep.naming import decisive, short_hash
from ser.sweep.planned import Plan, Point
from ser.system.files import write_text
from ser.system.stored import intact, read_json
from ser.system.text import listing

_log = logging.getLogger(__name__)


def store_plan(plan: Plan) -> None:
    """Write a plan down, in place of an earlier one of the same command line."""
    plain = {"sweep": plan.name, "overrides": plan.overrides, "points": [vars(point) for point in plan.points]}
    metrics = {"metrics": dict(plan.metrics)} if plan.metrics else {}
    write_text(plan_file(plan), json.dumps({**plain, **metrics}, indent=1))


def plan_file(plan: Plan) -> Path:
    """Where a plan is stored: one file for each command line, whatever it says about how and where it runs."""
    return plan.results / "sweeps" / plan.name / f"{short_hash(decisive(plan.overrides), 12)}.json"


def load_plans(results: Path, name: str) -> list[Plan]:
    """Read all stored plans of a sweep's name, the oldest first; an empty list if there are none."""
    files = sorted(_files(results, name), key=lambda path: path.stat().st_mtime)
    found = (intact(path, partial(_read, results=results)) for path in files)
    return [plan for plan in found if plan is not None]


def find_plans(results: Path, name: str) -> list[Plan]:
    """Read all stored plans of a sweep that a user names, the oldest first, and make their own metrics known.

    Args:
        results: the folder of results.
        name: the sweep's name; ``last`` is the sweep that was started last.

    Raises:
        UserError: there is no sweep of this name.
    """
    names = sweep_names(results)
    if name == "last" and names and "last" not in names:
        name = max(names, key=lambda each: plan_time(results, each))
    plans = load_plans(results, name)
    if not plans:
        near = get_close_matches(name, names, n=3)
        meant = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(names) or 'none'}."
        raise UserError(f"There is no sweep {name} in {results / 'sweeps'}. {meant} See results.dir=.")
    _add_metrics(plans)
    return plans


def _add_metrics(plans: Sequence[Plan]) -> None:
    """Make a sweep's own metrics known, the newest plan's last; those that cannot be imported here are left out."""
    for name, target in {name: target for plan in plans for name, target in plan.metrics.items()}.items():
        try:
            add_own({name: target})
        except UserError as error:
            _log.warning("The sweep %s is read without this metric: %s", plans[0].name, error)


def sweep_names(results: Path) -> list[str]:
    """The names of the sweeps in a folder of results, in alphabetical order."""
    return sorted(folder.name for folder in (results / "sweeps").glob("*") if _files(results, folder.name))


def plan_time(results: Path, name: str) -> float:
    """When a sweep's newest plan was stored, in seconds of the epoch; 0 if it has none."""
    return max((path.stat().st_mtime for path in _files(results, name)), default=0.0)


def _files(results: Path, name: str) -> list[Path]:
    return [file for file in (results / "sweeps" / name).glob("[!.]*.json") if file.exists()]


@dataclass(frozen=True)
class _Stored:
    """A plan as ``store_plan`` writes it."""

    sweep: str
    overrides: tuple[str, ...]
    points: tuple[Point, ...]
    metrics: dict[str, str] = field(default_factory=dict)


def _read(path: Path, results: Path) -> Plan:
    plan = read_json(path, _Stored, "The plan", "The command of its sweep writes it again.")
    points = tuple(replace(point, parameters=former_words(point.parameters)) for point in plan.points)
    return Plan(plan.sweep, plan.overrides, points, results, metrics=plan.metrics)


def mixed(plan: Plan) -> list[str]:
    """A sentence if a plan adds configurations to those that another command line trained under the sweep's name.

    There is none where the command line is known to the sweep, where the plan has all that the sweep holds (a grid that
    has grown, more seeds), and where it has nothing else.
    """
    if plan_file(plan).exists():
        return []
    try:
        held = load_plans(plan.results, plan.name)
    except (UserError, ValueError, KeyError, TypeError):  # a damaged plan is told where the sweep is read
        return []
    mine, theirs = _configurations(plan), set().union(*map(_configurations, held))
    others = [one for one in held if not _configurations(one) <= mine]
    if not others or mine <= theirs:
        return []
    return [
        f"The sweep {plan.name} holds other configurations already ({len(theirs - mine)}, of {commands(others)}): the "
        "name will stand for both, in tables and for ser.predict. For a sweep of its own, give this command another "
        "name: sweep=NAME."
    ]


def commands(plans: Sequence[Plan]) -> str:
    """The command lines of plans as part of a sentence."""
    return listing([repr(one.typed) if one.typed else "a command without overrides" for one in plans])


def _configurations(plan: Plan) -> set[str]:
    """The configurations in users' words, which stay the same when own code or a corpus' files change."""
    return {str(sorted(point.parameters.items())) for point in plan.points}
