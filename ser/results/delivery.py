"""The delivery of runs to MLflow: one job at a time, and what is said where a store does not take them.

A run whose signature the store already holds is not logged again. So delivery can be repeated, after a crash or into
another store.
"""

import hashlib
import math
import time
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from ser.errors import UserError
from ser.results import mlflow, sqlite
from ser.results.runs import Run
from ser.results.store import folder_id
from ser.system.files import lock
from ser.system.text import shown_address


def deliver(
    runs: Sequence[Run],
    parent: Run | None,
    uri: str | None,
    experiment: str,
    results: Path,
    about: str,
    started: str | None = None,
) -> None:
    """Log those runs of a configuration that the store lacks, under their parent run, and renew the experiment's note.

    Several jobs may deliver at once. A lock lets one job at a time look up what is there and log what is missing. Jobs
    of another folder of results have another lock, where the store is no SQLite file: of runs that both log at the same
    moment one is kept.

    Args:
        runs: a run for each seed.
        parent: the run over all seeds; None for a single seed, or while seeds are missing.
        uri: the tracking store, see ``resolve_uri``.
        experiment: the name of the MLflow experiment.
        results: the folder of the results. Its id is a tag of every run that is written from it.
        about: what the experiment's note begins with, in Markdown.
        started: with resume=false, when this sweep began: only runs of this very sweep count as logged.

    Raises:
        UserError: the tracking store cannot be reached. The results stay on disk, and the same command delivers them.
    """
    uri = mlflow.resolve_uri(uri)
    why, since = _unreachable.get(uri, ("", -math.inf))
    if time.monotonic() - since < _TRIED_AGAIN_AFTER:
        raise _not_taken(uri, runs, results, why)
    try:
        with _lock(uri, experiment, results):
            store, owner = mlflow.open_experiment(uri, experiment), folder_id(results)
            configuration = runs[0].tags["configuration"]
            logged = store.logged(configuration, owner)
            if started is not None:
                logged = {key: run for key, run in logged.items() if run.data.tags.get("started") == started}
            if store.log_missing(runs, parent, logged, {mlflow.OWNER: owner}):
                if started is None and not _has_one_lock(uri):
                    store.drop_copies(configuration, logged)
                    store.log_missing(runs, parent, store.logged(configuration, owner), {mlflow.OWNER: owner})
                store.describe(about)
    except mlflow.errors() as error:
        if not mlflow.open_experiment.cache_info().currsize:
            _unreachable[uri] = mlflow.reason(error, uri), time.monotonic()
        raise _not_taken(uri, runs, results, mlflow.reason(error, uri)) from error


def _has_one_lock(uri: str) -> bool:
    """Whether all who write to a store have the same lock, those of other folders of results too."""
    return sqlite.path_of(uri) is not None


def _lock(uri: str, experiment: str, results: Path) -> FileLock:
    """The lock of a SQLite file for all who write to it; of another store, for the jobs of this folder of results."""
    path = sqlite.path_of(uri)
    if path is not None:
        return lock(sqlite.lock_file(path))
    return lock(results / "locks" / f"{hashlib.sha256(f'{uri} {experiment}'.encode()).hexdigest()[:12]}.lock")


_unreachable: dict[str, tuple[str, float]] = {}
"""Why a store could not be opened when runs were to be delivered, and when (``time.monotonic``)."""

_TRIED_AGAIN_AFTER = 60.0
"""Seconds for which a store that could not be opened is not tried again: else each job would wait for its time-outs."""


def _not_taken(uri: str, runs: Sequence[Run], results: Path, why: str) -> UserError:
    return UserError(
        f"MLflow at {shown_address(uri)} did not take the runs of {runs[0].name} ({why}). The results are kept in "
        f"{results}; the same command delivers them without training again."
    )


def prepare(uri: str | None, experiment: str, results: Path) -> None:
    """Import MLflow and open the store, which takes seconds, before the first runs are there to be delivered.

    Args:
        uri, experiment, results: as for ``deliver``.
    """
    uri = mlflow.resolve_uri(uri)
    with _lock(uri, experiment, results):  # two jobs that set the same tag for the first time would clash
        mlflow.open_experiment(uri, experiment)
