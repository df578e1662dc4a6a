"""A tracking store's runs as two tables: one row a replica, one row a configuration.

A database is read by a handful of SQL statements, without importing mlflow; a tracking server is asked page by page.
"""

import os
import sqlite3
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import pandas as pd
from sqlalchemy import Engine, Select, TableClause, create_engine, inspect, make_url, or_, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.sql import column, table

from ser.errors import UserError

FIGURES = ("wa", "uwa", "crop_wa", "crop_uwa", "best_val_wa", "best_epoch")
"""What is read of each fold: ``fold_1/wa`` and so on."""

TOLERANCE = 1e-9
"""Two runs of one replica are in conflict if a figure differs by more."""

COLUMNS = {
    "configuration": "str",
    "seed": "int64",
    "fold": "int64",
    **dict.fromkeys(FIGURES[:-1], "float64"),
    "best_epoch": "Int64",
    "run_id": "str",
    "device": "str",
    "git_commit": "str",
    "corpus_fingerprint": "str",
    "numerics": "str",
    "started": "float64",
    "diverged": "bool",
    "synthetic": "bool",
}
"""The columns of ``Collected.replicas`` and their dtypes."""

REPLICA = ["configuration", "seed", "fold"]
"""What names a replica."""

_FLAGS = ("diverged", "synthetic")
_TAGS = ("configuration", "kind", "device", "git_commit", "corpus_fingerprint", "numerics", "started", *_FLAGS)
_METRIC = rf"^fold_(?P<fold>\d+)/(?P<name>{'|'.join(FIGURES)})$"
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_AT_ONCE = 500  # values in one IN (...): a SQLite may allow no more than 999
_LONG = ["run_id", "key", "value"]
_PREDICTIONS = "predictions.csv"
_WHERE = "Run the sweep first, or say where its runs are: tracking.uri=sqlite:////path/to/mlflow.db, for example."


@dataclass(frozen=True, eq=False)
class Collected:
    """What a store holds of an experiment.

    Attributes:
        replicas: one row for each (configuration, seed, fold), of the newest run that has it; see ``COLUMNS``.
            ``diverged`` is its run's: true for all folds if one of them diverged.
        configurations: a row each, by hash: the parameters of its newest run, as logged; None where it has none.
        conflicts: the replicas that the store holds with different figures, like ``replicas`` but all rows of each,
            the newest last.
        repeated: how many replicas the store holds more than once with equal figures.
        uri: the store.
        artifacts: where each run of ``replicas`` keeps its files.
    """

    replicas: pd.DataFrame
    configurations: pd.DataFrame
    conflicts: pd.DataFrame
    repeated: int = 0
    uri: str = ""
    artifacts: Mapping[str, str] = field(default_factory=dict)


def collect(uri: str | None, experiment: str, configurations: Collection[str] | None = None) -> Collected:
    """Read the finished runs of an experiment; with ``configurations`` only theirs.

    Args:
        uri: as ``tracking.uri``: None for MLFLOW_TRACKING_URI or the file here.

    Raises:
        UserError: there is no such store or experiment, or it cannot be read.
    """
    from ser.results.mlflow import resolve_uri

    uri = resolve_uri(uri)
    wanted = None if configurations is None else sorted(set(configurations))
    with _told(uri):
        source = _source(uri, experiment, wanted)
        runs = _runs(source, wanted)
        rows = _rows(runs, source.figures())
        replicas = rows.drop_duplicates(REPLICA, keep="last").sort_values(REPLICA, ignore_index=True)
        counted = runs[runs.index.isin(replicas["run_id"])]
        newest = counted["configuration"].drop_duplicates(keep="last").sort_values()
        parameters = _configurations(newest, source.parameters(newest.index.tolist()))
    conflicts, repeated = _repeated(rows)
    return Collected(replicas, parameters, conflicts, repeated, uri, counted["artifact_uri"].to_dict())


def predictions(collected: Collected, configuration: str, seed: int) -> pd.DataFrame:
    """The test utterances of one seed: id, fold, gold, predicted, a ``p_`` for each class, crop_predicted.

    Each fold is taken from the run that its row in ``replicas`` points to.

    Raises:
        UserError: no run of that seed was collected, or its file is not there.
    """
    replicas = collected.replicas
    rows = replicas[(replicas["configuration"] == configuration) & (replicas["seed"] == seed)]
    if rows.empty:
        raise UserError(f"{_shown(collected.uri)} has no run of configuration {configuration} with seed {seed}.")
    parts = []
    for run_id, folds in rows.groupby("run_id")["fold"]:
        everything = _read_predictions(collected.uri, str(run_id), collected.artifacts[str(run_id)])
        parts.append(everything[everything["fold"].isin(folds)])
    return pd.concat(parts).sort_values("fold", kind="stable", ignore_index=True)


class _Source(Protocol):
    """One experiment of a store; long frames have a row each for ``run_id``, ``key`` and ``value``."""

    def runs(self) -> pd.DataFrame:
        """The finished runs: run_id, end_time, artifact_uri."""

    def tags(self) -> pd.DataFrame:
        """Their tags, and the parameter ``seed``, long."""

    def figures(self) -> pd.DataFrame:
        """Their metrics, long; there may be others than ``FIGURES`` among them."""

    def parameters(self, run_ids: Sequence[str]) -> pd.DataFrame:
        """The parameters of some of them, long."""


def _source(uri: str, experiment: str, wanted: Sequence[str] | None) -> _Source:
    if uri.partition(":")[0].partition("+")[0] in _DATABASES:
        return _Database(uri, experiment, wanted)
    return _Server(uri, experiment, wanted)


def _runs(source: _Source, wanted: Sequence[str] | None) -> pd.DataFrame:
    """The runs that hold replicas, the newest last, by run id: artifact_uri, seed, tags."""
    runs, tags = source.runs(), source.tags()
    wide = tags.pivot(index="run_id", columns="key", values="value").reindex(columns=["seed", *_TAGS])
    runs = runs.sort_values(["end_time", "run_id"]).set_index("run_id").join(wide)
    runs = runs[(runs["kind"] == "run") & runs["configuration"].notna() & runs["seed"].notna()]
    return runs if wanted is None else runs[runs["configuration"].isin(wanted)]


def _rows(runs: pd.DataFrame, metrics: pd.DataFrame) -> pd.DataFrame:
    """A row for each fold of each run, in the runs' order."""
    rows = runs.join(_figures(metrics), how="inner").rename_axis("run_id").reset_index()
    rows = rows.assign(
        started=pd.to_numeric(rows["started"], errors="coerce"), **{flag: rows[flag] == "true" for flag in _FLAGS}
    )
    return rows[list(COLUMNS)].astype(COLUMNS)


def _figures(metrics: pd.DataFrame) -> pd.DataFrame:
    """Long metrics as a row for each fold of each run, by run id: fold, ``FIGURES``."""
    keys = metrics["key"].drop_duplicates()
    parts = keys.str.extract(_METRIC).assign(key=keys).dropna()
    long = metrics.merge(parts.astype({"fold": "int64"}), on="key")
    wide = long.pivot(index=["run_id", "fold"], columns="name", values="value")
    return wide.reindex(columns=list(FIGURES)).reset_index("fold")


def _repeated(rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Replicas that come more than once: the rows of those in conflict, and the number of the others."""
    rows = rows[rows.duplicated(REPLICA, keep=False)].sort_values(REPLICA, kind="stable", ignore_index=True)
    groups = rows.astype({"best_epoch": "float64"}).groupby(REPLICA)[list(FIGURES)]
    differs = (groups.transform("max") - groups.transform("min") > TOLERANCE).any(axis=1)
    return rows[differs].reset_index(drop=True), len(rows.loc[~differs, REPLICA].drop_duplicates())


def _configurations(owners: pd.Series, parameters: pd.DataFrame) -> pd.DataFrame:
    """Long parameters of one run of each configuration as a row each, by configuration; ``owners`` by run id."""
    wide = parameters.pivot(index="run_id", columns="key", values="value").reindex(owners.index)
    wide = wide.reindex(columns=wide.columns.union(["corpus"], sort=True).difference(["seed", "fold"]))
    wide = wide.astype(object).where(wide.notna(), None)
    return wide.set_axis(pd.Index(owners, dtype="str", name="configuration")).rename_axis(columns=None)


def _table(name: str, *columns: str) -> TableClause:
    return table(name, *(column(each) for each in columns))


_EXPERIMENTS = _table("experiments", "experiment_id", "name", "lifecycle_stage")
_RUNS = _table("runs", "run_uuid", "experiment_id", "status", "lifecycle_stage", "end_time", "artifact_uri")
_TAG = _table("tags", "run_uuid", "key", "value")
_PARAMETER = _table("params", "run_uuid", "key", "value")
_LATEST = _table("latest_metrics", "run_uuid", "key", "value", "is_nan")


class _Database:
    """MLflow's own tables; nothing is written."""

    def __init__(self, uri: str, experiment: str, wanted: Sequence[str] | None) -> None:
        self._engine = _engine(uri)
        self._finished = _finished(self._experiment(uri, experiment), wanted).subquery("finished")

    def _experiment(self, uri: str, name: str) -> int:
        if not inspect(self._engine).has_table("latest_metrics"):
            raise UserError(f"tracking.uri={_shown(uri)} is a database without MLflow's tables. {_WHERE}")
        found = self._frame(select(_EXPERIMENTS)).drop_duplicates("name").set_index("name")
        _check_experiment(uri, name, found["lifecycle_stage"].to_dict())
        return int(found["experiment_id"][name])

    def runs(self) -> pd.DataFrame:
        return self._of_finished(_RUNS)

    def tags(self) -> pd.DataFrame:
        seeds = self._of_finished(_PARAMETER, _PARAMETER.c.key == "seed")
        return pd.concat([self._of_finished(_TAG, _TAG.c.key.in_(_TAGS)), seeds])

    def figures(self) -> pd.DataFrame:
        names = or_(*(_LATEST.c.key.like(f"fold_%/{name}") for name in FIGURES))
        frame = self._of_finished(_LATEST, names)
        return frame.assign(value=frame["value"].mask(frame["is_nan"].astype(bool)))

    def parameters(self, run_ids: Sequence[str]) -> pd.DataFrame:
        starts = range(0, max(len(run_ids), 1), _AT_ONCE)
        chosen = (_PARAMETER.c.run_uuid.in_(run_ids[start : start + _AT_ONCE]) for start in starts)
        return pd.concat([self._frame(select(_PARAMETER).where(condition)) for condition in chosen])

    def _of_finished(self, source: TableClause, *conditions: Any) -> pd.DataFrame:
        ours = self._finished.c.run_uuid == source.c.run_uuid
        return self._frame(select(source).join(self._finished, ours).where(*conditions))

    def _frame(self, statement: Select[Any]) -> pd.DataFrame:
        with self._engine.connect() as connection:
            result = connection.execute(statement)
            frame = pd.DataFrame([tuple(row) for row in result], columns=list(result.keys()))
        return frame.rename(columns={"run_uuid": "run_id"})


def _finished(experiment: int, wanted: Sequence[str] | None) -> Select[Any]:
    """The ids of finished runs; of all configurations where ``wanted`` names too many for one statement."""
    statement = select(_RUNS.c.run_uuid).where(
        _RUNS.c.experiment_id == experiment, _RUNS.c.status == "FINISHED", _RUNS.c.lifecycle_stage == "active"
    )
    if wanted is None or len(wanted) > _AT_ONCE:
        return statement
    tag = _TAG.alias("configuration")
    return statement.join(tag, (tag.c.run_uuid == _RUNS.c.run_uuid) & (tag.c.key == "configuration")).where(
        tag.c.value.in_(wanted)
    )


def _engine(uri: str) -> Engine:
    url = make_url(uri)
    if url.get_backend_name() != "sqlite":
        return create_engine(url, poolclass=NullPool)
    path = Path(url.database or "")
    if not path.is_file():
        raise UserError(f"There is no tracking store {path.absolute()} (tracking.uri={uri}). {_WHERE}")
    return create_engine("sqlite://", creator=lambda: _connect(path), poolclass=NullPool)


def _connect(path: Path) -> sqlite3.Connection:
    """A connection that only reads; with ``mode=ro`` SQLite would leave files beside a store that uses a WAL."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=60)
    connection.execute("PRAGMA query_only=ON")
    return connection


class _Server:
    """Any other store, through MLflow's client: all its runs are fetched at once."""

    def __init__(self, uri: str, experiment: str, wanted: Sequence[str] | None) -> None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        try:
            self._found = list(_search(MlflowClient(uri), uri, experiment, wanted))
        except (MlflowException, OSError) as error:
            raise _unreadable(uri, error) from error

    def runs(self) -> pd.DataFrame:
        rows = [(run.info.run_id, run.info.end_time, run.info.artifact_uri) for run in self._found]
        return pd.DataFrame(rows, columns=["run_id", "end_time", "artifact_uri"])

    def tags(self) -> pd.DataFrame:
        return self._long(lambda run: {**run.data.tags, "seed": run.data.params.get("seed")})

    def figures(self) -> pd.DataFrame:
        return self._long(lambda run: run.data.metrics)

    def parameters(self, run_ids: Sequence[str]) -> pd.DataFrame:
        wanted = set(run_ids)
        return self._long(lambda run: run.data.params if run.info.run_id in wanted else {})

    def _long(self, what: Any) -> pd.DataFrame:
        rows = [(run.info.run_id, key, value) for run in self._found for key, value in what(run).items()]
        return pd.DataFrame(rows, columns=_LONG)


def _search(client: Any, uri: str, experiment: str, wanted: Sequence[str] | None) -> Iterator[Any]:
    """Finished runs, page by page; of all configurations where ``wanted`` names many."""
    found = client.get_experiment_by_name(experiment)
    there = [found] if found else client.search_experiments()
    _check_experiment(uri, experiment, {each.name: each.lifecycle_stage for each in there})
    finished = "attributes.status = 'FINISHED' and tags.kind = 'run'"
    conditions = [finished]
    if wanted is not None and len(wanted) <= _AT_ONCE:
        conditions = [f"{finished} and tags.configuration = '{configuration}'" for configuration in wanted]
    for condition in conditions:
        token: str | None = ""
        while token is not None:
            page = client.search_runs([found.experiment_id], condition, max_results=1000, page_token=token or None)
            yield from page
            token = page.token or None


def _check_experiment(uri: str, name: str, stages: Mapping[str, str]) -> None:
    """Refuse an experiment that is not there; ``stages`` are those that are, with their stage of life."""
    if name not in stages:
        there = ", ".join(sorted(each for each, stage in stages.items() if stage == "active"))
        raise UserError(
            f"tracking.experiment={name} is not in {_shown(uri)}. There are: {there or 'none'}. Run the sweep first, "
            "or give tracking.experiment= and tracking.uri= as the sweep had them."
        )
    if stages[name] != "active":
        raise UserError(f"tracking.experiment={name} is deleted in MLflow: restore it or choose another name.")


def _read_predictions(uri: str, run_id: str, artifacts: str) -> pd.DataFrame:
    if urlsplit(artifacts).scheme not in ("", "file"):
        with tempfile.TemporaryDirectory() as folder:
            return _parse(_downloaded(uri, run_id, artifacts, folder))
    places = _places(uri, artifacts)
    for place in places:
        if (place / _PREDICTIONS).is_file():
            return _parse(place / _PREDICTIONS)
    raise UserError(
        f"The predictions of run {run_id} are not there: {places[0] / _PREDICTIONS}. Artifacts lie where the sweep ran "
        "(mlruns beside mlflow.db): bring that folder along with the store."
    )


def _places(uri: str, artifacts: str) -> list[Path]:
    """Where a run's files may be: where the store says, from its own folder or here; beside a store that was moved."""
    path = Path(unquote(urlsplit(artifacts).path)) if artifacts.startswith("file:") else Path(artifacts)
    if not uri.startswith("sqlite"):
        return [path]
    folder = Path(make_url(uri).database or "").absolute().parent
    return [folder / path, path.absolute(), folder / Path(*path.parts[-4:])]  # mlruns/<experiment>/<run>/artifacts


def _downloaded(uri: str, run_id: str, artifacts: str, folder: str) -> Path:
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    source = f"{artifacts}/{_PREDICTIONS}"
    try:
        return Path(download_artifacts(artifact_uri=source, dst_path=folder, tracking_uri=uri))
    except (MlflowException, OSError) as error:
        raise UserError(
            f"The predictions of run {run_id} cannot be fetched: {source} ({_first_line(error)})."
        ) from error


def _parse(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    numbers = {name: "float64" for name in frame.columns if name.startswith("p_")}
    return frame.astype({"fold": "int64", **numbers})


@contextmanager
def _told(uri: str) -> Iterator[None]:
    """Turn what a database refuses into a UserError that names it."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, ModuleNotFoundError) as error:
        raise _unreadable(uri, error) from error


def _unreadable(uri: str, error: Exception) -> UserError:
    return UserError(f"The tracking store {_shown(uri)} (tracking.uri=) cannot be read: {_first_line(error)}. {_WHERE}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _shown(uri: str) -> str:
    """A URI without its password."""
    try:
        return make_url(uri).render_as_string(hide_password=True)
    except ArgumentError:
        return uri
