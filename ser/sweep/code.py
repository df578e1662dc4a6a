"""What a user is told when the code of a class of the user's own has changed since results were made with it.

results/sources/<hash>.json    for one configuration: each version of its own code, and the signature that it had
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ser.config import signature
from ser.data.experiment import Experiment
from ser.data.replicas import replicas
from ser.results.store import ResultStore
from ser.system.files import write_text


def changes(experiments: Iterable[Experiment]) -> list[str]:
    """Say which modules have changed, and how many results of their former code are therefore not used.

    Each version of the code is remembered, so that a change is said once.

    Returns:
        A sentence for each set of changed modules for which there are results of the former code.
    """
    counts: dict[tuple[str, ...], int] = {}
    for experiment in experiments:
        if experiment.settings.sources:
            for modules, number in _superseded(experiment):
                counts[modules] = counts.get(modules, 0) + number
    return [_sentence(modules, number) for modules, number in counts.items() if number]


def _superseded(experiment: Experiment) -> list[tuple[tuple[str, ...], int]]:
    """For each former version of an experiment's code: the changed modules, and its number of results.

    An empty list if the present version is known already; else the version is remembered.
    """
    file, sources = _file(experiment), experiment.settings.sources
    versions = _versions(file)
    if experiment.configuration in versions:
        return []
    write_text(file, json.dumps({**versions, experiment.configuration: sources}, indent=1))
    return [(_changed(old, sources), _results(experiment, former)) for former, old in versions.items()]


def _sentence(modules: tuple[str, ...], number: int) -> str:
    has, are = "have" if len(modules) > 1 else "has", "results ... are" if number > 1 else "result ... is"
    noun, verb = are.split(" ... ")
    return f"{', '.join(modules)} {has} changed: {number} {noun} of the former code {verb} not used."


def _file(experiment: Experiment) -> Path:
    base = signature.configuration(experiment.settings.groups, experiment.fingerprint)
    return experiment.settings.results / "sources" / f"{base}.json"


def _versions(file: Path) -> dict[str, Any]:
    """The sources of each version of the code, by the signature of the configuration with it."""
    try:
        versions = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return versions if isinstance(versions, dict) else {}


def _changed(former: dict[str, dict[str, str]], present: dict[str, dict[str, str]]) -> tuple[str, ...]:
    """The modules that differ between two versions of the code, sorted."""
    old = {module: text for modules in former.values() for module, text in modules.items()}
    new = {module: text for modules in present.values() for module, text in modules.items()}
    edited = [module for module in old.keys() & new.keys() if old[module] != new[module]]
    return tuple(sorted(edited or old.keys() ^ new.keys()))


def _results(experiment: Experiment, configuration: str) -> int:
    """How many of an experiment's trainings have a result under another signature of its configuration."""
    store = ResultStore(experiment.settings.results)
    planned = replicas(configuration, experiment.settings.seeds, experiment.folds)
    return sum(store.has(replica.signature) for replica in planned)
