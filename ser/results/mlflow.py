"""Runs in MLflow. The only module of ``ser`` that imports mlflow; what it logs is plain data (``ser.results.runs``).

A run whose signature the store already holds is not logged again. So delivery can be repeated, after a crash or into
another store.
"""

import hashlib
import json
import math
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import FileLock

from ser.errors import UserError, first_line
from ser.results.runs import Run
from ser.system.environment import quiet_mlflow

DEFAULT_URI = "sqlite:///mlflow.db"
"""The store that ``mlflow ui`` opens by default."""

_VIEW = "wa"
_COLUMNS = (
    *(f"params.`{key}`" for key in ("corpus", "loss", "lambda", "loader", "position", "feature", "length", "aux_task")),
    "params.`seed`",
    *(f"metrics.`{key}`" for key in ("wa", "uwa", "crop_wa", "crop_uwa", "wa_pooled", "uwa_pooled")),
)
_VIEW_TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    f"mlflow.sharedViewState.{_VIEW}": json.dumps(
        {"orderByKey": "metrics.`wa`", "orderByAsc": False, "selectedColumns": _COLUMNS}
    ),
}
_METRICS_A_CALL = 1000  # MLflow's limit of log_batch
_LONGEST_PARAMETER = 6000  # and of a parameter's text


def deliver(
    runs: Sequence[Run], parent: Run | None, uri: str | None, experiment: str, locks: Path, started: str | None = None
) -> None:
    """Log those runs of a configuration that the store lacks, then their parent run, and nest them under it.

    Several jobs may deliver at once. A lock lets one job at a time look up what is there and log what is missing.

    Args:
        runs: a run for each seed.
        parent: the run over all seeds; None for a single seed, or while seeds are missing.
        uri: the tracking store, see ``resolve_uri``.
        experiment: the name of the MLflow experiment.
        locks: the folder for the lock.
        started: with resume=false, when this sweep began: only runs of this very sweep count as logged.

    Raises:
        UserError: the tracking store cannot be reached. The results stay on disk, and the same command delivers them.
    """
    uri = resolve_uri(uri)
    why, since = _unreachable.get(uri, ("", -math.inf))
    if time.monotonic() - since < _TRIED_AGAIN_AFTER:
        raise _not_taken(uri, runs, locks, why)
    lock = locks / f"{hashlib.sha256(f'{uri} {experiment}'.encode()).hexdigest()[:12]}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock):
            store = _experiment(uri, experiment)
            logged = store.logged(runs[0].tags["configuration"])
            if started is not None:
                logged = {key: run for key, run in logged.items() if run.data.tags.get("started") == started}
            children = [store.log_once(run, logged) for run in runs]
            if parent is not None:
                nested = {run.info.run_id: run.data.tags.get("mlflow.parentRunId") for run in logged.values()}
                parent_id = store.log_once(parent, logged)
                store.nest([child for child in children if nested.get(child) != parent_id], parent_id)
    except _delivery_errors() as error:
        if not _experiment.cache_info().currsize:
            _unreachable[uri] = first_line(error), time.monotonic()
        raise _not_taken(uri, runs, locks, first_line(error)) from error


_unreachable: dict[str, tuple[str, float]] = {}
"""Why a store could not be opened when runs were to be delivered, and when (``time.monotonic``)."""

_TRIED_AGAIN_AFTER = 60.0
"""Seconds for which a store that could not be opened is not tried again: else each job would wait for its time-outs."""


def _not_taken(uri: str, runs: Sequence[Run], locks: Path, why: str) -> UserError:
    return UserError(
        f"MLflow at {uri} did not take the runs of {runs[0].name} ({why}). The results are kept in {locks.parent}; the "
        "same command delivers them without training again."
    )


def prepare(uri: str | None, experiment: str) -> None:
    """Import MLflow and open the store, which takes seconds, before the first runs are there to be delivered.

    Args:
        uri, experiment: as for ``deliver``.
    """
    _experiment(resolve_uri(uri), experiment)


def page(uri: str | None, experiment: str) -> str:
    """The path in MLflow's UI, after the host, of the table of runs sorted by WA."""
    return f"/#/experiments/{_experiment(resolve_uri(uri), experiment).id}/runs?viewStateShareKey={_VIEW}"


def resolve_uri(uri: str | None) -> str:
    """The tracking store to use: ``tracking.uri``, else MLFLOW_TRACKING_URI, else a SQLite file in this folder."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI


class _Experiment:
    """One MLflow experiment of one tracking store."""

    def __init__(self, uri: str, experiment: str) -> None:
        quiet_mlflow()
        path = Path(uri.removeprefix("sqlite:///"))
        if uri.startswith("sqlite:///") and not path.exists():
            _make_sqlite(path)
        from mlflow.tracking import MlflowClient

        self.client = MlflowClient(uri)
        self.id = self._found_or_made(experiment)
        self._set_view()

    def _found_or_made(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(name)
        if found is None:
            try:
                return self.client.create_experiment(name)
            except MlflowException:  # another job has just made it
                found = self.client.get_experiment_by_name(name)
        if found is None or found.lifecycle_stage == "deleted":
            raise UserError(f"tracking.experiment={name} is deleted in MLflow: restore it or choose another name.")
        return found.experiment_id

    def _set_view(self) -> None:
        """Let MLflow's page sort runs by WA and show the columns in which they usually differ."""
        tags = self.client.get_experiment(self.id).tags
        for key, value in _VIEW_TAGS.items():
            if tags.get(key) != value:
                self.client.set_experiment_tag(self.id, key, value)

    def logged(self, configuration: str) -> dict[str, Any]:
        """The newest finished run of each signature of a configuration. Unfinished runs of killed jobs are deleted.

        The caller must hold the lock, so that no other job is writing.
        """
        found: dict[str, Any] = {}
        for run in self._search(f"tags.configuration = '{configuration}'"):
            if run.info.status == "FINISHED":
                found.setdefault(run.data.tags["signature"], run)
            else:
                self.client.delete_run(run.info.run_id)
        return found

    def _search(self, condition: str) -> Iterator[Any]:
        token = None
        while True:
            page = self.client.search_runs([self.id], condition, max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def log_once(self, run: Run, logged: Mapping[str, Any]) -> str:
        """The id of a run in the store; the run is written first unless it is among the ``logged`` runs."""
        found = logged.get(run.signature)
        if found is not None:
            return str(found.info.run_id)
        if run.write_files is None:
            return self._log(run, None)
        with tempfile.TemporaryDirectory() as folder:
            run.write_files(Path(folder))
            return self._log(run, folder)

    def nest(self, children: Sequence[str], parent: str) -> None:
        """Show runs under their parent, all given by their ids."""
        for child in children:
            self.client.set_tag(child, "mlflow.parentRunId", parent)

    def _log(self, run: Run, files: str | None) -> str:
        """Write one finished run, in as few calls as MLflow allows, and return its id."""
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        began = now - int(1000 * run.metrics.get("seconds", 0))
        tags = {**_context_tags(), **run.tags}
        run_id = self.client.create_run(self.id, start_time=began, run_name=run.name, tags=tags).info.run_id
        points = [Metric(key, value, now, 0) for key, value in run.metrics.items()]
        points += [Metric(key, value, now, step) for key, value, step in run.curves]
        params = [Param(key, str(value)[:_LONGEST_PARAMETER]) for key, value in run.parameters.items()]
        self.client.log_batch(run_id, points[:_METRICS_A_CALL], params)
        for start in range(_METRICS_A_CALL, len(points), _METRICS_A_CALL):
            self.client.log_batch(run_id, points[start : start + _METRICS_A_CALL])
        if files is not None:
            self.client.log_artifacts(run_id, files)
        self.client.set_terminated(run_id, "FINISHED", end_time=now)
        return str(run_id)


@lru_cache(maxsize=4)
def _experiment(uri: str, name: str) -> _Experiment:
    return _Experiment(uri, name)


_MAKE = "import sys; from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Store; Store(*sys.argv[1:])"


def _make_sqlite(path: Path) -> None:
    """Make the database, whole or not at all.

    Two processes that make it at once, or a process that is killed while it makes it, would leave a database that
    cannot be used. So one process at a time makes it under a temporary name and renames it. A child process does so,
    because a connection to the temporary name must not stay open in this process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if path.exists():
            return
        temporary = path.with_name(f".{path.name}-being-made")
        temporary.unlink(missing_ok=True)
        command = [sys.executable, "-c", _MAKE, f"sqlite:///{temporary}", "./mlruns"]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise UserError(f"MLflow could not make {path}: {(made.stderr.strip().splitlines() or ['?'])[-1]}")
        database = sqlite3.connect(temporary)
        database.execute("PRAGMA journal_mode=WAL")
        database.close()
        os.replace(temporary, path)


@lru_cache(maxsize=1)
def _context_tags() -> dict[str, str]:
    """The tags for user, source and commit, which MLflow's client does not set by itself."""
    from mlflow.tracking.context.registry import resolve_tags

    return resolve_tags()


def _delivery_errors() -> tuple[type[Exception], ...]:
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return (UserError, MlflowException, SQLAlchemyError, OSError, sqlite3.Error)
