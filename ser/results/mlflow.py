"""Runs in MLflow. It and ``mlflow_models`` alone import mlflow; what it logs is plain data (``ser.results.runs``)."""

import os
import re
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ser.errors import UserError, first_line
from ser.results import notes, sqlite, views
from ser.results.drivers import check_driver
from ser.results.mlflow_models import MODEL, export_model
from ser.results.runs import Run
from ser.system.environment import quiet_mlflow
from ser.system.files import naming
from ser.system.text import HIDDEN, shown_address, without_passwords

DEFAULT_URI = "sqlite:///mlflow.db"
"""The store that ``mlflow ui`` opens by default."""

OWNER = "results"
"""The tag with the id of the folder of results that a run was written from."""

_METRICS_A_CALL = 1000  # MLflow's limit of log_batch
_LONGEST_PARAMETER = 6000  # and of a parameter's text
_NOTE = "mlflow.note.content"
_PARENT = "mlflow.parentRunId"
_RANKED = 5  # runs in the table of an experiment's note


def pages(uri: str | None) -> dict[str, dict[str, str]]:
    """The tables of runs in MLflow's page: for each experiment with such views, the last one used first, their paths.

    Returns:
        The experiment's name -> what a view shows -> its path after the host.
    """
    client = _client(resolve_uri(uri))
    found = [each for each in client.search_experiments(order_by=["last_update_time DESC"]) if views.MARK in each.tags]
    for each in found:
        _set_views(client, each)
    return {
        each.name: {title: views.path(each.experiment_id, view) for view, title in views.TITLES.items()}
        for each in found
    }


def resolve_uri(uri: str | None) -> str:
    """The tracking store to use: ``tracking.uri``, else MLFLOW_TRACKING_URI, else a SQLite file in this folder.

    Raises:
        UserError: ``tracking.uri`` has ``***`` in place of its password, and MLFLOW_TRACKING_URI is another address.
    """
    known = os.environ.get("MLFLOW_TRACKING_URI")
    if uri and HIDDEN in uri:  # ser.sweep.commandline.hide_password
        if known is None or shown_address(known) != uri:
            raise UserError(
                f"tracking.uri={uri} lacks its password, which is never stored. Give the whole address, best as the "
                "environment variable MLFLOW_TRACKING_URI."
            )
        return known
    return uri or known or DEFAULT_URI


def _client(uri: str) -> Any:
    """MLflow's client of a store; a SQLite file is made first if there is none."""
    check_driver(uri)
    quiet_mlflow()
    path = sqlite.path_of(uri)
    if path is not None:
        sqlite.make(path)
    from mlflow.tracking import MlflowClient

    return MlflowClient(uri)


def _set_views(client: Any, experiment: Any) -> None:
    for key, value in views.TAGS.items():
        if experiment.tags.get(key) != value:
            client.set_experiment_tag(experiment.experiment_id, key, value)


class Experiment:
    """One MLflow experiment of one tracking store."""

    def __init__(self, uri: str, experiment: str) -> None:
        self.client = _client(uri)
        self.id = self._found_or_made(experiment)
        path = sqlite.path_of(uri)
        if path is not None:
            sqlite.keep_files_beside(path, self.id)
        _set_views(self.client, self.client.get_experiment(self.id))

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

    def describe(self, about: str) -> None:
        """Renew the experiment's note, unless the user has written an own one."""
        note = self.client.get_experiment(self.id).tags.get(_NOTE, "")
        if note and not note.rstrip().endswith(notes.KEPT):
            return
        best = self.client.search_runs([self.id], views.TOP_LEVEL, order_by=["metrics.wa DESC"], max_results=_RANKED)
        ranked = [
            notes.Ranked(
                run.info.run_name, self._page(run.info.run_id), run.data.metrics, run.data.params.get("fold", "")
            )
            for run in best
        ]
        self.client.set_experiment_tag(self.id, _NOTE, notes.experiment_note(about, ranked))

    def _page(self, run_id: str) -> str:
        return f"#/experiments/{self.id}/runs/{run_id}"

    def logged(self, configuration: str, owner: str) -> dict[str, Any]:
        """The newest finished run of each signature of a configuration.

        Unfinished runs of killed jobs are deleted, but only those of the same folder of results: another one may be
        writing its runs at this moment. The caller must hold the lock, so that no job of this one is.
        """
        found: dict[str, Any] = {}
        for run in self._search(f"tags.configuration = '{configuration}'"):
            if run.info.status == "FINISHED":
                found.setdefault(run.data.tags["signature"], run)
            elif run.data.tags.get(OWNER) == owner:
                self.client.delete_run(run.info.run_id)
        return found

    def drop_copies(self, configuration: str, logged: Mapping[str, Any]) -> None:
        """Delete copies of runs that another folder of results logged at the same moment, with the same numbers.

        Of equal runs that with the least id is kept. So all who look keep the same one, and who looks last sees all.

        Args:
            configuration: the configuration's signature.
            logged: the runs that were there before, which stay.
        """
        copies: dict[str, list[str]] = {}
        for run in self._search(f"tags.configuration = '{configuration}'"):
            if run.info.status == "FINISHED" and run.data.tags["signature"] not in logged:
                copies.setdefault(run.data.tags["signature"], []).append(run.info.run_id)
        for ids in copies.values():
            for extra in sorted(ids)[1:]:
                self.client.delete_run(extra)

    def _search(self, condition: str) -> Iterator[Any]:
        token = None
        while True:
            page = self.client.search_runs([self.id], condition, max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def log_missing(
        self, runs: Sequence[Run], parent: Run | None, logged: Mapping[str, Any], tags: Mapping[str, str]
    ) -> bool:
        """Write the runs that are not among the ``logged`` ones with these further tags, all under their parent.

        Returns:
            Whether any was missing.
        """
        under = {} if parent is None else {_PARENT: self._log_once(parent, logged, tags)}
        for run in runs:
            found, run_id = logged.get(run.signature), self._log_once(run, logged, {**tags, **under})
            if found is not None and under and found.data.tags.get(_PARENT) != under[_PARENT]:
                self.client.set_tag(run_id, _PARENT, under[_PARENT])
            self._add_model(run, run_id)
        return any(run.signature not in logged for run in (*runs, *([parent] if parent else [])))

    def _log_once(self, run: Run, logged: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """The id of a run in the store; what is not there is written first: the run with these further tags, or files.

        The files of a run may be gone while its numbers are there: they lie beside the database.
        """
        found = logged.get(run.signature)
        if found is not None and self._has_files(run, found):
            return str(found.info.run_id)
        with tempfile.TemporaryDirectory() as folder:
            with naming(Path(folder)):
                run.write_files(Path(folder))
            if found is None:
                return self._log(run, tags, folder)
            self.client.log_artifacts(found.info.run_id, folder)
            return str(found.info.run_id)

    def _has_files(self, run: Run, found: Any) -> bool:
        folder = sqlite.local_folder(found.info.artifact_uri)
        if folder is not None:
            return all((folder / name).is_file() for name in run.files)
        return set(run.files) <= {file.path for file in self.client.list_artifacts(found.info.run_id)}

    def _add_model(self, run: Run, run_id: str) -> None:
        """Log the networks of a run, if they are kept and the store lacks them."""
        if run.weights and not self.client.list_artifacts(run_id, MODEL):
            with tempfile.TemporaryDirectory() as folder:
                export_model(Path(folder) / MODEL, run.weights)
                self.client.log_artifacts(run_id, folder)

    def _log(self, run: Run, tags: Mapping[str, str], files: str) -> str:
        """Write one finished run, in as few calls as MLflow allows, and return its id."""
        from mlflow.entities import Metric, Param, RunTag

        began, ended = (int(1000 * seconds) for seconds in run.span)
        tags = {**_context_tags(), **run.tags, **tags}
        run_id = self.client.create_run(self.id, start_time=began, run_name=run.name, tags=tags).info.run_id
        points = [Metric(key, value, ended, 0) for key, value in run.metrics.items()]
        points += [Metric(key, value, ended, step) for key, value, step in run.curves]
        params = [Param(key, str(value)[:_LONGEST_PARAMETER]) for key, value in run.parameters.items()]
        note = RunTag(_NOTE, run.note(self._page(run_id)))
        self.client.log_batch(run_id, points[:_METRICS_A_CALL], params, [note])
        for start in range(_METRICS_A_CALL, len(points), _METRICS_A_CALL):
            self.client.log_batch(run_id, points[start : start + _METRICS_A_CALL])
        self.client.log_artifacts(run_id, files)
        self.client.set_terminated(run_id, "FINISHED", end_time=ended)
        return str(run_id)


@dataclass(frozen=True)
class Logged:
    """A run in the store: its id and name, and the trainings that it is made of."""

    id: str
    name: str
    configuration: str
    seeds: tuple[int, ...]
    folds: tuple[int, ...]


def find(uri: str, word: str) -> list[Logged]:
    """The finished runs of a store, in any of its experiments, that have this id or this name; the newest first.

    Raises:
        UserError: the store cannot be read.
    """
    path = sqlite.path_of(uri)
    if path is not None and not path.exists():
        return []  # MLflow would make it
    quiet_mlflow()
    from mlflow.tracking import MlflowClient

    conditions = (_is("attributes.run_id", word), _is("attributes.run_name", word))
    try:
        client = MlflowClient(uri)
        experiments = [each.experiment_id for each in client.search_experiments()]
        runs = [run for each in conditions for run in client.search_runs(experiments, each)]
    except errors() as error:
        shown = shown_address(uri)
        raise UserError(f"MLflow at {shown} cannot be read ({reason(error, uri)}). See tracking.uri=.") from error
    meant = [run for run in runs if word in (run.info.run_id, run.info.run_name)]
    return [_logged(run) for run in meant if run.info.status == "FINISHED" and "configuration" in run.data.tags]


def _is(attribute: str, word: str) -> str:
    """The condition of a search that an attribute has a value; MLflow's grammar has no escape for a quote.

    A word with both kinds of quotes is searched with any letter in place of one kind, so that others are found, too.

    >>> print(_is("attributes.run_name", "Anna's best"))
    attributes.run_name = "Anna's best"
    """
    if "'" not in word:
        return f"{attribute} = '{word}'"
    if '"' not in word:
        return f'{attribute} = "{word}"'
    return f"{attribute} LIKE '{word.replace(chr(39), '_')}'"


def _logged(run: Any) -> Logged:
    first, *_, last = re.findall(r"\d+", run.data.params["seed"]) * 2  # of a parent: "mean of 0 to 2"
    folds = sorted(int(found[1]) for key in run.data.metrics if (found := re.fullmatch(r"fold_(\d+)/wa", key)))
    seeds = tuple(range(int(first), int(last) + 1))
    return Logged(run.info.run_id, run.info.run_name, run.data.tags["configuration"], seeds, tuple(folds))


@lru_cache(maxsize=4)
def open_experiment(uri: str, name: str) -> Experiment:
    """An experiment of a store, which is made if there is none; opened once in each process.

    Raises:
        UserError: the experiment is deleted, or the store cannot be made; else one of ``errors``.
    """
    return Experiment(uri, name)


@lru_cache(maxsize=1)
def _context_tags() -> dict[str, str]:
    """The tags for user, source and commit, which MLflow's client does not set by itself."""
    from mlflow.tracking.context.registry import resolve_tags

    return resolve_tags()


def reason(error: Exception, uri: str) -> str:
    """The first line of an error of a store, without passwords."""
    return without_passwords(first_line(error), uri).strip()


def errors() -> tuple[type[Exception], ...]:
    """The exceptions by which a store cannot be reached, read or written."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return (UserError, MlflowException, SQLAlchemyError, OSError, sqlite3.Error)
