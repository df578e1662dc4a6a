"""Read an MLflow tracking store into one table with a row for each replica (configuration, seed, fold).

A database is read with a few SQL statements, without importing mlflow. A tracking server is read page by page, through
MLflow's client.
"""

import os
import re
import sqlite3
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from sqlalchemy import Engine, Select, TableClause, create_engine, inspect, make_url, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.sql import column, table

from ser.errors import UserError, first_line
from ser.results.convergence import FIGURES, convergence
from ser.results.drivers import check_driver
from ser.results.metrics import METRICS
from ser.results.sqlite import local_folder
from ser.system.environment import quiet_mlflow
from ser.system.stored import damage_told
from ser.system.text import from_spreadsheets, shown_address, without_passwords

TOLERANCE = 1e-9
"""Two runs of one replica are in conflict if they differ in a metric by more than this."""

REPLICA = ["configuration", "seed", "fold"]
"""The columns that identify a replica."""

NEEDED = ["wa", "uwa", "crop_wa", "crop_uwa", "best_val_wa"]
"""A fold without one of these metrics counts as missing. Other metrics may have been added after a run was stored."""

HISTORY = ["lr", "train_loss", "val_loss", "val_wa"]
"""What is read of each epoch."""

_FLAGS = ("diverged", "synthetic")
_TAGS = ("configuration", "kind", "device", "git_commit", "corpus_fingerprint", "numerics", "started", *_FLAGS)
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_AT_ONCE = 500  # values in one IN (...): some builds of SQLite allow no more than 999
_LONG = ["run_id", "key", "value"]
_PREDICTIONS = "predictions.csv"
_LARGEST = 1e308  # MLflow stores an infinite value as the largest float
_LIMIT = "trainer.max_epochs"
_WHERE = "Run the sweep first, or say where its runs are: tracking.uri=sqlite:////path/to/mlflow.db, for example."


def score_metrics() -> tuple[str, ...]:
    """The metrics by which configurations are compared, as they are logged.

    These are all registered metrics (``ser.results.metrics``), first in ``average`` and then in ``crop`` mode, and
    ``best_val_wa``, the validation WA of the epoch that was tested. All are fractions.
    """
    return (*METRICS, *(f"crop_{name}" for name in METRICS), "best_val_wa")


def fold_metrics() -> tuple[str, ...]:
    """Everything that is read of each fold, logged as ``fold_1/wa`` and so on."""
    return (*score_metrics(), "best_epoch")


def columns() -> dict[str, str]:
    """The columns of ``Collected.replicas``, with their dtypes."""
    return {
        "configuration": "str",
        "seed": "int64",
        "fold": "int64",
        **dict.fromkeys(score_metrics(), "float64"),
        "best_epoch": "Int64",
        **dict.fromkeys(FIGURES, "float64"),
        "stopped": "str",
        "run_id": "str",
        "device": "str",
        "git_commit": "str",
        "corpus_fingerprint": "str",
        "numerics": "str",
        "started": "float64",
        "diverged": "bool",
        "synthetic": "bool",
    }


@dataclass(frozen=True, eq=False)
class Collected:
    """What a tracking store holds of one experiment, or of all.

    Attributes:
        replicas: one row for each replica, read from the newest run that has it, with the columns ``columns()``. A
            metric that the run did not log is NaN. ``diverged`` is true for all folds of a run if one of them diverged.
            ``stopped`` and the columns ``FIGURES`` say how each training went (``ser.results.convergence``); of runs
            that did not log it, it is derived from their history if they are in a database, else it is missing.
        conflicts: all rows, the newest last, of each replica that several runs hold with different values; its columns
            are those of ``replicas``.
        uri: the tracking store.
        artifacts: where each run's files are, by run id.
        read: the predictions that were read so far, by run id: several tables are made from the same.
    """

    replicas: pd.DataFrame
    conflicts: pd.DataFrame
    uri: str = ""
    artifacts: Mapping[str, str] = field(default_factory=dict)
    read: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False, compare=False)


def collect(uri: str | None, experiment: str | None = None, configurations: Collection[str] | None = None) -> Collected:
    """Read the finished runs of an experiment.

    Args:
        uri: the tracking store, see ``ser.results.mlflow.resolve_uri``.
        experiment: the name of the MLflow experiment; None for all experiments.
        configurations: the signatures of the configurations to be read; None for all.

    Raises:
        UserError: the store or the experiment does not exist, or cannot be read.
    """
    from ser.results.mlflow import resolve_uri

    uri = resolve_uri(uri)
    wanted = None if configurations is None else sorted(set(configurations))
    with _database_errors_told_to_user(uri):
        source = _source(uri, experiment, wanted)
        tags = source.tags()
        runs = _runs(source.runs(), tags, wanted)
        rows = _rows(runs, source.metrics(), tags)
        rows = _with_convergence(rows, runs, source.history)
    replicas = rows.drop_duplicates(REPLICA, keep="last").sort_values(REPLICA, ignore_index=True)
    read = runs[runs.index.isin(replicas["run_id"])]
    return Collected(replicas, _conflicts(rows), uri, read["artifact_uri"].to_dict())


def predictions(collected: Collected, configuration: str, seed: int) -> pd.DataFrame:
    """Read the predictions of one seed. Each fold comes from the run that its row in ``replicas`` names.

    Args:
        collected: what was read from the store.
        configuration: the signature of the configuration.
        seed: the seed.

    Returns:
        A row for each test utterance: id, fold, speaker, gold (the true class), predicted, crop_predicted (the
        prediction in ``crop`` mode), and a column with the probability of each class, its name prefixed by ``p_``.

    Raises:
        UserError: no run of that seed was collected, or its file cannot be found.
    """
    replicas = collected.replicas
    rows = replicas[(replicas["configuration"] == configuration) & (replicas["seed"] == seed)]
    if rows.empty:
        raise UserError(f"{shown_address(collected.uri)} has no run of configuration {configuration} with seed {seed}.")
    parts = []
    for run_id, folds in rows.groupby("run_id")["fold"]:
        if run_id not in collected.read:
            collected.read[run_id] = _read_predictions(collected.uri, run_id, collected.artifacts[run_id])
        utterances = collected.read[run_id]
        parts.append(utterances[utterances["fold"].isin(folds)])
    return pd.concat(parts).sort_values("fold", kind="stable", ignore_index=True)


def histories(collected: Collected, configuration: str) -> pd.DataFrame:
    """Read the history of a configuration's trainings, each from the run that its row in ``replicas`` names.

    Returns:
        A row for each epoch: seed, fold, epoch (from 1) and the columns ``HISTORY``.

    Raises:
        UserError: the store cannot be read.
    """
    rows = collected.replicas[collected.replicas["configuration"] == configuration]
    run_ids = sorted(rows["run_id"].unique())
    with _database_errors_told_to_user(collected.uri):
        database = _is_database(collected.uri)
        long = _read_history(_engine(collected.uri), run_ids) if database else _fetch_history(collected.uri, rows)
    return _by_epoch(long).merge(rows[["run_id", "seed", "fold"]], on=["run_id", "fold"]).drop(columns="run_id")


class _Source(Protocol):
    """The finished runs of one experiment. A long frame has the columns ``run_id``, ``key`` and ``value``."""

    def runs(self) -> pd.DataFrame:
        """A row for each run: run_id, end_time, artifact_uri."""

    def tags(self) -> pd.DataFrame:
        """The tags of the runs, and their parameters ``seed`` and ``trainer.max_epochs``, as a long frame."""

    def metrics(self) -> pd.DataFrame:
        """The latest metrics of the runs as a long frame; it may hold more than ``fold_metrics`` and ``FIGURES``."""

    def history(self, run_ids: Sequence[str]) -> pd.DataFrame:
        """The metrics ``HISTORY`` of each epoch of these runs, as a long frame with ``step``; empty if that is slow."""


def _source(uri: str, experiment: str | None, wanted: Sequence[str] | None) -> _Source:
    return (_Database if _is_database(uri) else _Server)(uri, experiment, wanted)


def _is_database(uri: str) -> bool:
    return uri.partition(":")[0].partition("+")[0] in _DATABASES


def _runs(runs: pd.DataFrame, tags: pd.DataFrame, wanted: Sequence[str] | None) -> pd.DataFrame:
    """The runs of one seed each, the newest last, by run id: artifact_uri, seed, the limit of epochs, the tags."""
    wide = tags.pivot(index="run_id", columns="key", values="value").reindex(columns=["seed", _LIMIT, *_TAGS])
    runs = runs.sort_values(["end_time", "run_id"]).set_index("run_id").join(wide)
    runs = runs[(runs["kind"] == "run") & runs["configuration"].notna() & runs["seed"].notna()]
    return runs if wanted is None else runs[runs["configuration"].isin(wanted)]


def _rows(runs: pd.DataFrame, metrics: pd.DataFrame, tags: pd.DataFrame) -> pd.DataFrame:
    """A row for each fold of each run, in the order of the runs."""
    rows = runs.join(_by_fold(metrics, (*fold_metrics(), *FIGURES)), how="inner").rename_axis("run_id").reset_index()
    endings = _by_fold(tags, ("stopped",)).reset_index()
    rows = rows.merge(endings, on=["run_id", "fold"], how="left").assign(
        started=pd.to_numeric(rows["started"], errors="coerce"), **{flag: rows[flag] == "true" for flag in _FLAGS}
    )
    return rows[list(columns())].astype(columns())


def _with_convergence(
    rows: pd.DataFrame, runs: pd.DataFrame, read: Callable[[Sequence[str]], pd.DataFrame]
) -> pd.DataFrame:
    """Fill in how trainings went where their runs did not log it, from their history as ``read`` gives it."""
    lacking = rows[rows["epochs"].isna()]
    epochs = _by_epoch(read(sorted(lacking["run_id"].unique()))) if len(lacking) else pd.DataFrame()
    if epochs.empty:
        return rows
    limits = pd.to_numeric(runs[_LIMIT], errors="coerce")
    found = []
    for (run_id, fold), history in epochs.dropna(subset="lr").groupby(["run_id", "fold"]):
        limit = limits[run_id]
        went = convergence(history.to_dict("records"), None if pd.isna(limit) else int(limit))
        found.append({"run_id": run_id, "fold": fold, **went.figures(), "stopped": went.stopped or None})
    derived = pd.DataFrame(found, columns=["run_id", "fold", *FIGURES, "stopped"]).set_index(["run_id", "fold"])
    return rows.set_index(["run_id", "fold"]).fillna(derived).reset_index()[list(columns())].astype(columns())


def _by_epoch(long: pd.DataFrame) -> pd.DataFrame:
    """Turn a long frame of metrics with ``step`` into a row for each epoch: run_id, fold, epoch, ``HISTORY``."""
    long = _with_folds(long, HISTORY).drop_duplicates(["run_id", "fold", "step", "name"], keep="last")
    wide = long.pivot(index=["run_id", "fold", "step"], columns="name", values="value").reindex(columns=HISTORY)
    wide = wide.mask(wide.abs() > _LARGEST, float("inf")).astype("float64")
    return wide.rename_axis(["run_id", "fold", "epoch"]).rename_axis(None, axis=1).reset_index()


def _by_fold(long: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Turn a long frame into a row for each fold of each run, by run id: fold, and the values of these names."""
    wide = _with_folds(long, names).pivot(index=["run_id", "fold"], columns="name", values="value")
    return wide.reindex(columns=list(names)).reset_index("fold")


def _with_folds(long: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The rows of a long frame with these names, split: ``fold_1/wa`` is the name ``wa`` of fold 1."""
    keys = long["key"].drop_duplicates()
    pattern = rf"^fold_(?P<fold>\d+)/(?P<name>{'|'.join(map(re.escape, names))})$"
    parts = keys.str.extract(pattern).assign(key=keys).dropna()
    return long.merge(parts.astype({"fold": "int64"}), on="key")


def _conflicts(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of replicas that several runs hold with different values, apart from values that a run did not log."""
    names = list(fold_metrics())
    rows = rows[rows.duplicated(REPLICA, keep=False)].sort_values(REPLICA, kind="stable", ignore_index=True)
    versions = rows.astype({"best_epoch": "float64"}).groupby(REPLICA)[names]
    differ = (versions.transform("max") - versions.transform("min") > TOLERANCE).any(axis=1)
    return rows[differ].reset_index(drop=True)


def _table(name: str, *names: str) -> TableClause:
    return table(name, *map(column, names))


_EXPERIMENTS = _table("experiments", "experiment_id", "name", "lifecycle_stage")
_RUNS = _table("runs", "run_uuid", "experiment_id", "status", "lifecycle_stage", "end_time", "artifact_uri")
_TAG = _table("tags", "run_uuid", "key", "value")
_PARAMETER = _table("params", "run_uuid", "key", "value")
_LATEST = _table("latest_metrics", "run_uuid", "key", "value", "is_nan")
_METRIC = _table("metrics", "run_uuid", "key", "value", "step", "is_nan")


class _Database:
    """A database with MLflow's own tables, read only."""

    def __init__(self, uri: str, experiment: str | None, wanted: Sequence[str] | None) -> None:
        self._engine = _engine(uri)
        self._finished = _finished(self._experiments(uri, experiment), wanted).subquery("finished")

    def _experiments(self, uri: str, name: str | None) -> list[int]:
        """The ids of the experiments to be read."""
        if not inspect(self._engine).has_table("latest_metrics"):
            raise UserError(f"tracking.uri={shown_address(uri)} is a database without MLflow's tables. {_WHERE}")
        experiments = self._frame(select(_EXPERIMENTS)).drop_duplicates("name").set_index("name")
        if name is None:
            return experiments["experiment_id"][experiments["lifecycle_stage"] == "active"].astype(int).to_list()
        _check_experiment(uri, name, experiments["lifecycle_stage"].to_dict())
        return [int(experiments["experiment_id"][name])]

    def runs(self) -> pd.DataFrame:
        return self._of_finished(_RUNS)

    def tags(self) -> pd.DataFrame:
        parameters = self._of_finished(_PARAMETER, _PARAMETER.c.key.in_(["seed", _LIMIT]))
        wanted = or_(_TAG.c.key.in_(_TAGS), _TAG.c.key.like("fold_%/stopped"))
        return pd.concat([self._of_finished(_TAG, wanted), parameters])

    def metrics(self) -> pd.DataFrame:
        return _without_nan(self._of_finished(_LATEST, _of_folds(_LATEST, (*fold_metrics(), *FIGURES))))

    def history(self, run_ids: Sequence[str]) -> pd.DataFrame:
        return _read_history(self._engine, run_ids)

    def _of_finished(self, source: TableClause, *conditions: Any) -> pd.DataFrame:
        same_run = self._finished.c.run_uuid == source.c.run_uuid
        return self._frame(select(source).join(self._finished, same_run).where(*conditions))

    def _frame(self, statement: Select[Any]) -> pd.DataFrame:
        return _frame(self._engine, statement)


def _frame(engine: Engine, statement: Select[Any]) -> pd.DataFrame:
    with engine.connect() as connection:
        result = connection.execute(statement)
        frame = pd.DataFrame([tuple(row) for row in result], columns=list(result.keys()))
    return frame.rename(columns={"run_uuid": "run_id"})


def _of_folds(source: TableClause, names: Sequence[str]) -> Any:
    """The condition that a key is one of these names, of any fold."""
    return or_(*(source.c.key.like(f"fold_%/{name}") for name in names))


def _without_nan(frame: pd.DataFrame) -> pd.DataFrame:
    """Put NaN where MLflow stored 0 and a mark."""
    return frame.assign(value=frame["value"].mask(frame["is_nan"].astype(bool)))


def _read_history(engine: Engine, run_ids: Sequence[str]) -> pd.DataFrame:
    """Read the metrics ``HISTORY`` of each epoch of these runs from a database, as a long frame with ``step``."""
    parts = [run_ids[start : start + _AT_ONCE] for start in range(0, len(run_ids), _AT_ONCE)] or [[]]
    keys = _of_folds(_METRIC, HISTORY)
    frames = [_frame(engine, select(_METRIC).where(_METRIC.c.run_uuid.in_(part), keys)) for part in parts]
    return _without_nan(pd.concat(frames))


def _fetch_history(uri: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Fetch the same from a server, a metric of a fold at a time."""
    quiet_mlflow()
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    client, found = MlflowClient(uri), []
    try:
        for run_id, fold in rows[["run_id", "fold"]].itertuples(index=False, name=None):
            for key in (f"fold_{fold}/{name}" for name in HISTORY):
                found += [(run_id, key, m.value, m.step) for m in client.get_metric_history(run_id, key)]
    except (MlflowException, OSError) as error:
        raise _unreadable(uri, error) from error
    return pd.DataFrame(found, columns=[*_LONG, "step"])


def _finished(experiments: Sequence[int], wanted: Sequence[str] | None) -> Select[Any]:
    """Select the ids of finished runs: of the wanted configurations, or of all where these are too many for SQL."""
    statement = select(_RUNS.c.run_uuid).where(
        _RUNS.c.experiment_id.in_(experiments), _RUNS.c.status == "FINISHED", _RUNS.c.lifecycle_stage == "active"
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
        check_driver(uri)
        return create_engine(url, poolclass=NullPool)
    path = Path(url.database or "")
    if not path.is_file():
        raise UserError(f"There is no tracking store {path.absolute()} (tracking.uri={uri}). {_WHERE}")
    return create_engine("sqlite://", creator=lambda: _connect(path), poolclass=NullPool)


def _connect(path: Path) -> sqlite3.Connection:
    """Connect to a SQLite file for reading only.

    ``mode=ro`` would leave files beside a store that has a write-ahead log, hence ``mode=rw`` with ``query_only``.
    """
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=60)
    connection.execute("PRAGMA query_only=ON")
    return connection


class _Server:
    """Any other store, read through MLflow's client: all wanted runs are fetched when it is made."""

    def __init__(self, uri: str, experiment: str | None, wanted: Sequence[str] | None) -> None:
        quiet_mlflow()
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        try:
            self._runs = list(_search(MlflowClient(uri), uri, experiment, wanted))
        except (MlflowException, OSError) as error:
            raise _unreadable(uri, error) from error

    def runs(self) -> pd.DataFrame:
        rows = [(run.info.run_id, run.info.end_time, run.info.artifact_uri) for run in self._runs]
        return pd.DataFrame(rows, columns=["run_id", "end_time", "artifact_uri"])

    def tags(self) -> pd.DataFrame:
        return self._long(lambda run: {**run.data.tags, **{key: run.data.params.get(key) for key in ("seed", _LIMIT)}})

    def metrics(self) -> pd.DataFrame:
        return self._long(lambda run: run.data.metrics)

    def history(self, run_ids: Sequence[str]) -> pd.DataFrame:
        return pd.DataFrame(columns=[*_LONG, "step"])  # a request for each metric of each fold takes too long

    def _long(self, values: Callable[[Any], Mapping[str, Any]]) -> pd.DataFrame:
        rows = [(run.info.run_id, key, value) for run in self._runs for key, value in values(run).items()]
        return pd.DataFrame(rows, columns=_LONG)


def _search(client: Any, uri: str, experiment: str | None, wanted: Sequence[str] | None) -> Iterator[Any]:
    """Yield the finished runs: of the wanted configurations, or of all where these are many."""
    match = client.get_experiment_by_name(experiment) if experiment else None
    existing = [match] if match else client.search_experiments()
    if experiment is not None:
        _check_experiment(uri, experiment, {item.name: item.lifecycle_stage for item in existing})
    experiments = [item.experiment_id for item in existing]
    finished = "attributes.status = 'FINISHED' and tags.kind = 'run'"
    conditions = [finished]
    if wanted is not None and len(wanted) <= _AT_ONCE:
        conditions = [f"{finished} and tags.configuration = '{configuration}'" for configuration in wanted]
    for condition in conditions:
        token: str | None = ""
        while token is not None:
            page = client.search_runs(experiments, condition, max_results=1000, page_token=token or None)
            yield from page
            token = page.token or None


def _check_experiment(uri: str, name: str, stages: Mapping[str, str]) -> None:
    """Refuse an experiment that does not exist or was deleted.

    Args:
        uri: the tracking store.
        name: the experiment.
        stages: MLflow's lifecycle stage of every existing experiment, by its name.
    """
    if name not in stages:
        active = ", ".join(sorted(existing for existing, stage in stages.items() if stage == "active"))
        raise UserError(
            f"tracking.experiment={name} is not in {shown_address(uri)}. There are: {active or 'none'}. Run "
            "the sweep first, or give tracking.experiment= and tracking.uri= as the sweep had them."
        )
    if stages[name] != "active":
        raise UserError(f"tracking.experiment={name} is deleted in MLflow: restore it or choose another name.")


def _read_predictions(uri: str, run_id: str, artifacts: str) -> pd.DataFrame:
    folder = local_folder(artifacts)
    if folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            return _parse(_downloaded(uri, run_id, artifacts, temporary), run_id)
    places = _places(uri, folder)
    for place in places:
        if (place / _PREDICTIONS).is_file():
            return _parse(place / _PREDICTIONS, run_id)
    raise UserError(
        f"The predictions of run {run_id} are not there: {places[0] / _PREDICTIONS}. A run's files are where the sweep "
        "ran (the folder mlruns beside mlflow.db): copy that folder together with the store."
    )


def _places(uri: str, path: Path) -> list[Path]:
    """The folders in which a run's files may be.

    The store may name a path relative to its own folder or to the working directory. If the store was moved together
    with ``mlruns``, they are in ``mlruns/<experiment>/<run>/artifacts`` beside it.
    """
    if not uri.startswith("sqlite"):
        return [path]
    folder = Path(make_url(uri).database or "").absolute().parent
    return [folder / path, path.absolute(), folder / Path(*path.parts[-4:])]


def _downloaded(uri: str, run_id: str, artifacts: str, folder: str) -> Path:
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    source = f"{artifacts}/{_PREDICTIONS}"
    try:
        return Path(download_artifacts(artifact_uri=source, dst_path=folder, tracking_uri=uri))
    except (MlflowException, OSError) as error:
        reason = first_line(error).rstrip(".")
        raise UserError(f"The predictions of run {run_id} cannot be fetched: {source} ({reason}).") from error


def _parse(path: Path, run_id: str) -> pd.DataFrame:
    """Read a file of predictions. A class may be called ``null`` or ``NA``, so no word means a missing value.

    Raises:
        DamagedError: the file is damaged or of another kind.
    """
    remedy = f"Delete it in the files of run {run_id}: the sweep's command writes it again, without training."
    with damage_told(f"The file of predictions {path}", remedy):
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        words = frame.columns.difference([name for name in frame.columns if name.startswith("p_")])
        if missing := {"id", "fold", "gold", "predicted", "crop_predicted"} - set(words):
            raise ValueError(f"it lacks the columns {', '.join(sorted(missing))}")
        frame[words] = frame[words].map(from_spreadsheets)
        return frame.astype({"fold": "int64", **dict.fromkeys(frame.columns.difference(words), "float64")})


@contextmanager
def _database_errors_told_to_user(uri: str) -> Iterator[None]:
    """Turn an error of the database, or a missing driver, into a UserError that names the store."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, ModuleNotFoundError) as error:
        raise _unreadable(uri, error) from error


def _unreadable(uri: str, error: Exception) -> UserError:
    reason = without_passwords(first_line(error), uri).rstrip(".")
    return UserError(f"The tracking store {shown_address(uri)} (tracking.uri=) cannot be read: {reason}. {_WHERE}")
