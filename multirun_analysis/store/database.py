"""A database with MLflow's own tables, read with a few SQL statements and without importing mlflow."""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Engine, Select, TableClause, create_engine, inspect, make_url, or_, select
from sqlalchemy.pool import NullPool
from sqlalchemy.sql import column, table

from multirun_analysis.store.contents import HISTORY, fold_metrics
from multirun_analysis.store.refusals import WHERE, check_experiment
from multirun_analysis.store.source import PARAMETERS, TAGS, Runs
from ser.errors import UserError
from ser.results.convergence import FIGURES
from ser.results.drivers import check_driver
from ser.system.text import shown_address

AT_ONCE = 500
"""The most values in one ``IN (...)``: some builds of SQLite allow no more than 999."""


def _table(name: str, *names: str) -> TableClause:
    return table(name, *map(column, names))


_EXPERIMENTS = _table("experiments", "experiment_id", "name", "lifecycle_stage")
_RUNS = _table("runs", "run_uuid", "experiment_id", "status", "lifecycle_stage", "end_time", "artifact_uri")
_TAG = _table("tags", "run_uuid", "key", "value")
_PARAMETER = _table("params", "run_uuid", "key", "value")
_LATEST = _table("latest_metrics", "run_uuid", "key", "value", "is_nan")
_METRIC = _table("metrics", "run_uuid", "key", "value", "step", "is_nan")


class Database:
    """A database as a ``Source``."""

    history_is_quick = True

    def __init__(self, uri: str) -> None:
        self._uri, self._engine = uri, _engine(uri)

    def read(self, experiment: str | None, wanted: Sequence[str] | None) -> Runs:
        """Read each table with one statement."""
        finished = _finished(self._experiments(experiment), wanted).subquery("finished")

        def of_finished(source: TableClause, *conditions: Any) -> pd.DataFrame:
            same_run = finished.c.run_uuid == source.c.run_uuid
            return self._frame(select(source).join(finished, same_run).where(*conditions))

        parameters = of_finished(_PARAMETER, _PARAMETER.c.key.in_(PARAMETERS))
        tags = of_finished(_TAG, or_(_TAG.c.key.in_(TAGS), _TAG.c.key.like("fold_%/stopped")))
        runs = of_finished(_RUNS)  # after their tags: a run that ends meanwhile has none, and is left out
        metrics = of_finished(_LATEST, _of_folds(_LATEST, (*fold_metrics(), *FIGURES)))
        return Runs(runs, pd.concat([tags, parameters]), _without_nan(metrics))

    def history(self, trainings: pd.DataFrame) -> pd.DataFrame:
        """Read all folds of these runs, as many runs at once as a statement may name."""
        run_ids = sorted(trainings["run_id"].unique())
        parts = [run_ids[start : start + AT_ONCE] for start in range(0, len(run_ids), AT_ONCE)] or [[]]
        keys = _of_folds(_METRIC, HISTORY)
        frames = [self._frame(select(_METRIC).where(_METRIC.c.run_uuid.in_(part), keys)) for part in parts]
        return _without_nan(pd.concat(frames))

    def _experiments(self, name: str | None) -> list[int]:
        """The ids of the experiments to be read."""
        if not inspect(self._engine).has_table("latest_metrics"):
            raise UserError(f"tracking.uri={shown_address(self._uri)} is a database without MLflow's tables. {WHERE}")
        experiments = self._frame(select(_EXPERIMENTS)).drop_duplicates("name").set_index("name")
        if name is None:
            return experiments["experiment_id"][experiments["lifecycle_stage"] == "active"].astype(int).to_list()
        check_experiment(self._uri, name, experiments["lifecycle_stage"].to_dict())
        return [int(experiments["experiment_id"][name])]

    def _frame(self, statement: Select[Any]) -> pd.DataFrame:
        with self._engine.connect() as connection:
            result = connection.execute(statement)
            frame = pd.DataFrame([tuple(row) for row in result], columns=list(result.keys()))
        return frame.rename(columns={"run_uuid": "run_id"})


def _finished(experiments: Sequence[int], wanted: Sequence[str] | None) -> Select[Any]:
    """Select the ids of finished runs: of the wanted configurations, or of all."""
    statement = select(_RUNS.c.run_uuid).where(
        _RUNS.c.experiment_id.in_(experiments), _RUNS.c.status == "FINISHED", _RUNS.c.lifecycle_stage == "active"
    )
    if wanted is None:
        return statement
    tag = _TAG.alias("configuration")
    return statement.join(tag, (tag.c.run_uuid == _RUNS.c.run_uuid) & (tag.c.key == "configuration")).where(
        tag.c.value.in_(wanted)
    )


def _of_folds(source: TableClause, names: Iterable[str]) -> Any:
    """The condition that a key is one of these names, of any fold."""
    return or_(*(source.c.key.like(f"fold_%/{name}") for name in names))


def _without_nan(frame: pd.DataFrame) -> pd.DataFrame:
    """Put NaN where MLflow stored 0 and a mark."""
    return frame.assign(value=frame["value"].mask(frame["is_nan"].astype(bool)))


def _engine(uri: str) -> Engine:
    url = make_url(uri)
    if url.get_backend_name() != "sqlite":
        check_driver(uri)
        return create_engine(url, poolclass=NullPool)
    path = Path(url.database or "")
    if not path.is_file():
        raise UserError(f"There is no tracking store {path.absolute()} (tracking.uri={uri}). {WHERE}")
    return create_engine("sqlite://", creator=lambda: _connect(path), poolclass=NullPool)


def _connect(path: Path) -> sqlite3.Connection:
    """Connect to a SQLite file for reading only.

    ``mode=ro`` would leave files beside a store that has a write-ahead log, hence ``mode=rw`` with ``query_only``.
    """
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=60)
    connection.execute("PRAGMA query_only=ON")
    return connection
