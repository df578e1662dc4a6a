"""Whether a sweep can write where it will write: found out before anything is trained, and without writing."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ser.config.settings import Settings
from ser.config.words import key_of
from ser.errors import UserError
from ser.results import sqlite
from ser.results.drivers import DATABASES, kind_of
from ser.results.mlflow import resolve_uri
from ser.results.opening import check_experiment, check_store
from ser.system.files import obstacle
from ser.system.text import shown_address

if TYPE_CHECKING:
    from ser.data.experiment import Experiment

PLACES = ("results.dir", "tracking.uri", "tracking.experiment")
"""The keys that say where a sweep is found: a command about it must have them, too."""


def places_of(overrides: Sequence[str]) -> list[str]:
    """The overrides that say where a sweep is found, as the analysis reads them: without Hydra's ``+`` and ``++``.

    >>> places_of(["loss=cos,l2", "results.dir=mine", "++tracking.uri=sqlite:///m.db"])
    ['results.dir=mine', 'tracking.uri=sqlite:///m.db']
    """
    return [override.lstrip("+") for override in overrides if key_of(override) in PLACES]


def check_one_value(settings: Sequence[Settings]) -> None:
    """Check that all points have the same sweep, results.dir, save and resume, since they share one plan and one store.

    Raises:
        UserError: they do not.
    """
    for key, attribute in (("sweep", "sweep"), ("results.dir", "results"), ("save", "save"), ("resume", "resume")):
        values = list(dict.fromkeys(getattr(one, attribute) for one in settings))
        if len(values) > 1:
            raise UserError(
                f"{key} has the values {', '.join(map(str, values))} in one sweep, which can have one. Give a command "
                "for each."
            )


def check_places(settings: Sequence[Settings], hydra: Mapping[str, str]) -> None:
    """Check the folders of results, cache, tracking and Hydra, and the tracking stores.

    Args:
        settings: those of a sweep's points.
        hydra: Hydra's own folder, by its key.

    Raises:
        UserError: a folder cannot be written, with every key to change; or a store cannot take runs.
    """
    places = [(key, Path(folder)) for key, folder in hydra.items()]
    for one in settings:
        places += [("results.dir", one.results), ("cache.dir", one.cache)]
    places += [("tracking.uri", path.parent) for uri in stores(settings) if (path := sqlite.path_of(uri)) is not None]
    _check_folders(dict.fromkeys(places))
    for uri in stores(settings):
        check_store(uri)


def tracking_experiment(settings: Settings, corpus: str) -> str:
    """The name of the MLflow experiment for a corpus.

    It is ``tracking.experiment``, else MLflow's own environment variable, else one for each corpus.
    """
    return settings.tracking.experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or f"ser-{corpus}"


def check_experiments(experiments: Sequence["Experiment"]) -> None:
    """Check that the MLflow experiments of these jobs can take runs (``check_experiment``).

    Raises:
        UserError: one cannot.
    """
    delivered = [(one.settings, one.corpus.name) for one in experiments if one.settings.tracking.name != "none"]
    named = {(resolve_uri(one.tracking.uri), tracking_experiment(one, corpus)) for one, corpus in delivered}
    for uri, name in sorted(named):
        check_experiment(uri, name)


def stores(settings: Sequence[Settings]) -> list[str]:
    """The tracking stores that a sweep delivers to, each once."""
    return list(dict.fromkeys(resolve_uri(one.tracking.uri) for one in settings if one.tracking.name != "none"))


def files_here(settings: Sequence[Settings]) -> list[str]:
    """A sentence for each tracking store that is a database without a server: MLflow keeps its files in this folder."""
    return [
        f"tracking.uri={shown_address(uri)} is a database, which keeps no files: predictions, pictures and networks go "
        f"to {Path('mlruns').absolute()}. To have them in one place for all machines, start an MLflow server on the "
        "database (docs/cluster.md) and give its address."
        for uri in stores(settings)
        if kind_of(uri) in DATABASES
    ]


def _check_folders(places: Iterable[tuple[str, Path]]) -> None:
    wrong = [f"{key} ({reason})" for key, folder in places if (reason := obstacle(folder)) is not None]
    if wrong:
        raise UserError(
            f"Nothing can be written to {', '.join(dict.fromkeys(wrong))}. Give each of these keys a folder that can "
            "be written."
        )
