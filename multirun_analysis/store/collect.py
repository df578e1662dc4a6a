"""Read an MLflow tracking store into one table with a row for each replica (configuration, seed, fold)."""

import re
from collections.abc import Collection, Sequence

import pandas as pd

from multirun_analysis.store.contents import HISTORY, REPLICA, TOLERANCE, Collected, columns, fold_metrics
from multirun_analysis.store.database import AT_ONCE, Database
from multirun_analysis.store.refusals import database_errors_told
from multirun_analysis.store.server import Server
from multirun_analysis.store.source import FLAGS, LIMIT, PARAMETERS, TAGS, Source
from ser.results.convergence import FIGURES, convergence
from ser.results.drivers import DATABASES, kind_of

_LARGEST = 1e308  # MLflow stores an infinite value as the largest float


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
    narrow = None if wanted is None or len(wanted) > AT_ONCE else wanted
    with database_errors_told(uri):
        source = _source(uri)
        runs, tags, metrics = source.read(experiment, narrow)
        runs = _runs(runs, tags, wanted)
        rows = _rows(runs, metrics, tags)
        if source.history_is_quick:
            rows = _with_convergence(rows, runs, source)
    replicas = rows.drop_duplicates(REPLICA, keep="last").sort_values(REPLICA, ignore_index=True)
    read = runs[runs.index.isin(replicas["run_id"])]
    return Collected(replicas, _conflicts(rows), uri, read["artifact_uri"].to_dict())


def histories(collected: Collected, configuration: str) -> pd.DataFrame:
    """Read the history of a configuration's trainings, each from the run that its row in ``replicas`` names.

    Returns:
        A row for each epoch: seed, fold, epoch (from 1) and the columns ``HISTORY``.

    Raises:
        UserError: the store cannot be read.
    """
    rows = collected.replicas[collected.replicas["configuration"] == configuration]
    with database_errors_told(collected.uri):
        long = _source(collected.uri).history(rows)
    return _by_epoch(long).merge(rows[["run_id", "seed", "fold"]], on=["run_id", "fold"]).drop(columns="run_id")


def _source(uri: str) -> Source:
    return Database(uri) if kind_of(uri) in ("sqlite", *DATABASES) else Server(uri)


def _runs(runs: pd.DataFrame, tags: pd.DataFrame, wanted: Sequence[str] | None) -> pd.DataFrame:
    """The runs of one seed each, the newest last, by run id: artifact_uri, seed, the limit of epochs, the tags."""
    wide = tags.pivot(index="run_id", columns="key", values="value").reindex(columns=[*PARAMETERS, *TAGS])
    runs = runs.sort_values(["end_time", "run_id"]).set_index("run_id").join(wide)
    runs = runs[(runs["kind"] == "run") & runs["configuration"].notna() & runs["seed"].notna()]
    return runs if wanted is None else runs[runs["configuration"].isin(wanted)]


def _rows(runs: pd.DataFrame, metrics: pd.DataFrame, tags: pd.DataFrame) -> pd.DataFrame:
    """A row for each fold of each run, in the order of the runs."""
    rows = runs.join(_by_fold(metrics, (*fold_metrics(), *FIGURES)), how="inner").rename_axis("run_id").reset_index()
    endings = _by_fold(tags, ("stopped",)).reset_index()
    rows = rows.merge(endings, on=["run_id", "fold"], how="left").assign(
        started=pd.to_numeric(rows["started"], errors="coerce"), **{flag: rows[flag] == "true" for flag in FLAGS}
    )
    return rows[list(columns())].astype(columns())


def _with_convergence(rows: pd.DataFrame, runs: pd.DataFrame, source: Source) -> pd.DataFrame:
    """Fill in how trainings went where their runs did not log it, from their history."""
    lacking = rows[rows["epochs"].isna()]
    epochs = _by_epoch(source.history(lacking)) if len(lacking) else pd.DataFrame()
    if epochs.empty:
        return rows
    limits = pd.to_numeric(runs[LIMIT], errors="coerce")
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
