"""What a user is told of results that do not count, since the user's own code has changed or weights are missing.

results/sources/<hash>.json    for one configuration: each version of its own code, and the signature that it had
"""

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path

from ser.config import signature
from ser.config.settings import read_sources
from ser.config.source import unseen
from ser.data.experiment import Experiment
from ser.data.replicas import replicas
from ser.errors import UserError
from ser.results.store import ResultStore
from ser.sweep.handover import SOURCES
from ser.system.files import lock, write_text
from ser.system.stored import intact, read_json

_Versions = dict[str, dict[str, dict[str, str]]]
"""By the signature with it, each version of the code: the hashes of the modules of each group."""


def modules(experiment: Experiment) -> dict[str, str]:
    """The modules of an experiment's own classes with their hashes."""
    return _flat(experiment.settings.sources)


def _flat(sources: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The hashes of the modules of all groups."""
    return {module: digest for found in sources.values() for module, digest in found.items()}


def not_followed(experiments: Iterable[Experiment]) -> list[str]:
    """A sentence for each module of users' own whose hash does not tell all (``unseen``)."""
    own = {module for experiment in experiments for module in modules(experiment)}
    found = {module: unseen(module) for module in own}
    return [
        f"{module}, line {where[0]}: what {where[1]} reads or imports is not part of the signature. If it changes, "
        "earlier results are still used: give resume=false then."
        for module, where in sorted(found.items())
        if where is not None
    ]


def check_unchanged(experiment: Experiment) -> None:
    """Check that the code is that of the plan. Python may load a module before it is edited, or after.

    Raises:
        UserError: a module was edited while the sweep ran.
    """
    planned = modules(experiment) | json.loads(os.environ.get(SOURCES, "{}"))
    present = _flat(read_sources(experiment.settings.groups))
    edited = sorted(module for module, digest in present.items() if planned.get(module, digest) != digest)
    if edited:
        raise UserError(
            f"{', '.join(edited)} {'was' if len(edited) == 1 else 'were'} edited while the sweep ran, so it is "
            "not known which version trains. No result is stored for it. Run the same command again."
        )


def without_weights(experiments: Iterable[Experiment]) -> list[str]:
    """With save=best or all, a sentence on the finished trainings that lack weights; none if all have them."""
    finished: set[str] = set()
    for experiment in experiments:
        settings = experiment.settings
        if settings.saves and settings.resume is not False:
            finished_at_all, wanted = ResultStore(settings.results), ResultStore(settings.results, save=settings.save)
            names = [replica.signature for replica in experiment.replicas()]
            finished |= {each for each in names if finished_at_all.has(each) and not wanted.has(each)}
    if not finished:
        return []
    what = "they are trained again" if settings.resume is True else "resume=failed leaves them as they are"
    lacking = "the weights of every epoch" if settings.save == "all" else "weights"
    return [f"save={settings.save}: finished trainings that lack {lacking}: {len(finished)}; {what}."]


def changes(experiments: Iterable[Experiment], remember: bool = True) -> list[str]:
    """Say which modules have changed, and how many results of their former code are therefore not used.

    Args:
        experiments: what is trained.
        remember: whether the present version of the code counts as said, so that a change is said once.

    Returns:
        A sentence for each set of changed modules for which there are results of the former code.
    """
    by_file: dict[Path, list[Experiment]] = {}
    for experiment in experiments:
        if experiment.settings.sources:
            by_file.setdefault(_file(experiment), []).append(experiment)
    counts: dict[tuple[str, ...], int] = {}
    for file, same in by_file.items():
        for edited, number in _superseded(file, same, remember):
            counts[edited] = counts.get(edited, 0) + number
    return [_sentence(edited, number) for edited, number in counts.items() if number]


def _superseded(file: Path, experiments: list[Experiment], remember: bool) -> list[tuple[tuple[str, ...], int]]:
    """For each former version of the code of experiments of one configuration: the changed modules, and its results.

    An empty list if the present version is known already; else it is remembered, if wanted.
    """
    first = experiments[0]
    with lock(file.with_name(f"{file.name}.lock")) if remember else nullcontext():
        versions = intact(file, _read) or {}
        if first.configuration in versions:
            return []
        if remember:
            write_text(file, json.dumps({**versions, first.configuration: first.settings.sources}, indent=1))
    return [
        (_changed(sources, first.settings.sources), _results(former, experiments))
        for former, sources in versions.items()
    ]


def _read(file: Path) -> _Versions:
    return read_json(file, _Versions, "The list of versions of your code", "It begins anew.")


def _sentence(edited: tuple[str, ...], number: int) -> str:
    has, are = "have" if len(edited) > 1 else "has", "results ... are" if number > 1 else "result ... is"
    noun, verb = are.split(" ... ")
    return f"{', '.join(edited)} {has} changed: {number} {noun} of the former code {verb} not used."


def _file(experiment: Experiment) -> Path:
    base = signature.configuration(experiment.settings.groups, experiment.fingerprint)
    return experiment.settings.results / "sources" / f"{base}.json"


def _changed(former: dict[str, dict[str, str]], present: dict[str, dict[str, str]]) -> tuple[str, ...]:
    """The modules that differ between two versions of the code, sorted."""
    old, new = _flat(former), _flat(present)
    edited = [module for module in old.keys() & new.keys() if old[module] != new[module]]
    return tuple(sorted(edited or old.keys() ^ new.keys()))


def _results(configuration: str, experiments: list[Experiment]) -> int:
    """How many of the experiments' trainings have a result under another signature of their configuration."""
    store = ResultStore(experiments[0].settings.results)
    planned = {each for one in experiments for each in replicas(configuration, one.settings.seeds, one.folds)}
    return sum(store.has(replica.signature) for replica in planned)
