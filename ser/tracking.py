"""Runs in MLflow, assembled from result files. The only module of ``ser`` that imports mlflow.

A run is one seed of a configuration over its folds; a job of several seeds gets a parent run with means and standard
deviations, under which its seeds are nested. A run that the store already holds (by its signature) is not logged
again, so delivering is safe to repeat: after a crash, or into another store.
"""

import csv
import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from ser import signature
from ser.errors import UserError
from ser.metrics import confusion
from ser.results import Stored, pooled, run_metrics
from ser.training.outcome import Outcome

if TYPE_CHECKING:
    from ser.job import Job

DEFAULT_URI = "sqlite:///mlflow.db"
"""Where a bare ``mlflow ui`` in the working directory looks."""

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


def deliver(job: "Job", runs: Mapping[int, Sequence[Stored]]) -> None:
    """Log the finished runs of a job, given by seed as their folds' results; then their parent, if all seeds are there.

    Several jobs may deliver at once: a lock lets one of them at a time look up what there is and log what is missing.

    Raises:
        UserError: the tracking store cannot be reached; the results stay on disk, the same command delivers them.
    """
    options = job.settings.tracking
    uri = resolve_uri(options["uri"])
    name = hashlib.sha256(f"{uri} {options['experiment']}".encode()).hexdigest()[:12]
    lock = job.settings.results / "locks" / f"{name}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock):
            store = _store(uri, options["experiment"])
            known = store.known(job.configuration)
            children = [_deliver_run(store, known, job, seed, stored) for seed, stored in runs.items()]
            if len(job.settings.seeds) > 1 and len(runs) == len(job.settings.seeds):
                _deliver_parent(store, known, job, runs, children)
    except _mlflow_errors() as error:
        raise UserError(
            f"MLflow at {uri} did not take the runs of {job.name} ({_first_line(error)}). The results are kept in "
            f"{job.settings.results}; the same command delivers them without training again."
        ) from error


def page(uri: str | None, experiment: str) -> str:
    """The part of the MLflow UI's address, after the host, that shows the runs sorted by WA."""
    return f"/#/experiments/{_store(resolve_uri(uri), experiment).experiment}/runs?viewStateShareKey={_VIEW}"


def resolve_uri(uri: str | None) -> str:
    """``tracking.uri``, else MLFLOW_TRACKING_URI, else a SQLite file in the working directory."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI


class _Store:
    """One experiment of one tracking store, and the signatures of the runs that it holds."""

    def __init__(self, uri: str, experiment: str) -> None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        path = Path(uri.removeprefix("sqlite:///"))
        if uri.startswith("sqlite:///") and not path.exists():
            _make_sqlite(path)
        from mlflow.tracking import MlflowClient

        self.client = MlflowClient(uri)
        self.experiment = self._experiment(experiment)
        self._set_view()

    def _experiment(self, name: str) -> str:
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
        """Make MLflow's page show what matters here: runs sorted by WA, with the columns that distinguish them."""
        tags = self.client.get_experiment(self.experiment).tags
        for key, value in _VIEW_TAGS.items():
            if tags.get(key) != value:
                self.client.set_experiment_tag(self.experiment, key, value)

    def known(self, configuration: str) -> dict[str, Any]:
        """The finished runs of a configuration by signature, the newest of each; what a kill left half-way is deleted.

        To be called with the lock held: then no other job is writing.
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
            page = self.client.search_runs([self.experiment], condition, max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def log(
        self,
        name: str,
        tags: Mapping[str, str],
        parameters: Mapping[str, Any],
        metrics: Mapping[str, float],
        curves: Sequence[tuple[str, float, int]] = (),
        artifacts: Path | None = None,
    ) -> str:
        """Write one finished run in as few calls as MLflow allows; its id."""
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        began = now - int(1000 * metrics.get("seconds", 0))
        tags = {**_context_tags(), **tags}
        run = self.client.create_run(self.experiment, start_time=began, run_name=name, tags=tags)
        run_id = run.info.run_id
        points = [Metric(key, value, now, 0) for key, value in metrics.items()]
        points += [Metric(key, value, now, step) for key, value, step in curves]
        params = [Param(key, str(value)[:_LONGEST_PARAMETER]) for key, value in parameters.items()]
        self.client.log_batch(run_id, points[:_METRICS_A_CALL], params)
        for start in range(_METRICS_A_CALL, len(points), _METRICS_A_CALL):
            self.client.log_batch(run_id, points[start : start + _METRICS_A_CALL])
        if artifacts is not None:
            self.client.log_artifacts(run_id, str(artifacts))
        self.client.set_terminated(run_id, "FINISHED", end_time=now)
        return run_id


@lru_cache(maxsize=4)
def _store(uri: str, experiment: str) -> _Store:
    return _Store(uri, experiment)


_MAKE = "import sys; from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Store; Store(*sys.argv[1:])"


def _make_sqlite(path: Path) -> None:
    """Make the database under a lock and another name: two makers at once, or a kill half-way, would ruin it.

    A process of its own makes it, so that no connection to the file under its first name stays open in this one.
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
    """User, source and commit, which runs made by a client lack."""
    from mlflow.tracking.context.registry import resolve_tags

    return resolve_tags()


def _is_delivered(run: Any, job: "Job") -> bool:
    """Whether a run of that signature need not be logged again: with resume=false only one of this very sweep."""
    return job.settings.resume is not False or run.data.tags.get("started") == job.started


def _deliver_run(store: _Store, known: Mapping[str, Any], job: "Job", seed: int, stored: Sequence[Stored]) -> str:
    """The id of the run of one seed, logged if need be."""
    outcomes = [one.outcome for one in stored]
    tags = _tags(job, stored, signature.run(job.configuration, seed, [outcome.fold for outcome in outcomes]))
    found = known.get(tags["signature"])
    if found is not None and _is_delivered(found, job):
        return found.info.run_id
    parameters = {**job.parameters, "seed": seed, "fold": _folds(job, outcomes)}
    metrics = {
        **run_metrics(outcomes),
        "seconds": sum(outcome.seconds for outcome in outcomes),
        "left_out_segments": sum(outcome.left_out for outcome in outcomes),
        **{f"fold_{outcome.fold}/best_epoch": outcome.best_epoch for outcome in outcomes},
    }
    name = f"{job.name} seed={seed}" + ("" if parameters["fold"] == "all" else f" fold={parameters['fold']}")
    with tempfile.TemporaryDirectory() as folder:
        _write_artifacts(Path(folder), job, stored)
        return store.log(name, tags, parameters, metrics, list(_curves(stored)), Path(folder))


def _deliver_parent(
    store: _Store,
    known: Mapping[str, Any],
    job: "Job",
    runs: Mapping[int, Sequence[Stored]],
    children: Sequence[str],
) -> None:
    """Means and standard deviations (divisor n - 1) over the seeds, in a run under which theirs are nested."""
    seeds, outcomes = sorted(runs), [one.outcome for one in next(iter(runs.values()))]
    marks = [signature.run(job.configuration, seed, [outcome.fold for outcome in outcomes]) for seed in seeds]
    tags = {**_tags(job, next(iter(runs.values())), signature.digest({"parent": marks})), "kind": "parent"}
    found = known.get(tags["signature"])
    if found is not None and _is_delivered(found, job):
        return
    figures = [run_metrics([one.outcome for one in stored]) for stored in runs.values()]
    metrics = {key: float(np.mean([figure[key] for figure in figures])) for key in figures[0]}
    metrics |= {f"{key}_sd": float(np.std([f[key] for f in figures], ddof=1)) for key in figures[0]}
    text = f"{seeds[0]}-{seeds[-1]}"
    parameters = {**job.parameters, "seed": text, "fold": _folds(job, outcomes)}
    parent = store.log(f"{job.name} seeds={text}", tags, parameters, {**metrics, "seeds": len(seeds)})
    for child in children:
        store.client.set_tag(child, "mlflow.parentRunId", parent)


def _tags(job: "Job", stored: Sequence[Stored], mark: str) -> dict[str, str]:
    tags = {
        "signature": mark,
        "configuration": job.configuration,
        "sweep": job.settings.sweep,
        "corpus_fingerprint": job.subject.fingerprint,
        "numerics": str(signature.NUMERICS),
        "device": _distinct(stored, "device"),
        "kind": "run",
        "started": job.started,
    }
    if commits := _distinct(stored, "git_commit"):
        tags["git_commit"] = commits
    if job.subject.corpus.synthetic:
        tags["synthetic"] = "true"
    if any(one.outcome.diverged for one in stored):
        tags["diverged"] = "true"
    return tags


def _distinct(stored: Sequence[Stored], key: str) -> str:
    """What the folds' results say of themselves, one word if they agree."""
    return ",".join(sorted({one.about[key] for one in stored if one.about[key]}))


def _folds(job: "Job", outcomes: Sequence[Outcome]) -> str:
    whole = len(outcomes) == len(job.subject.corpus.sessions)
    return "all" if whole else ",".join(str(outcome.fold) for outcome in outcomes)


def _curves(stored: Sequence[Stored]) -> Iterator[tuple[str, float, int]]:
    """Per epoch: each fold's figures under ``fold_1/``, and their mean; a fold that has stopped keeps its last ones."""
    histories = [one.outcome.history for one in stored]
    for one, history in zip(stored, histories, strict=True):
        for epoch, row in enumerate(history, 1):
            for key, value in row.items():
                yield f"fold_{one.outcome.fold}/{key}", value, epoch
    for epoch in range(max(len(history) for history in histories)):
        rows = [history[min(epoch, len(history) - 1)] for history in histories]
        for key in rows[0]:
            yield key, float(np.mean([row[key] for row in rows])), epoch + 1


def _write_artifacts(folder: Path, job: "Job", stored: Sequence[Stored]) -> None:
    about = {**stored[0].about, "seed": stored[0].outcome.seed, "overrides": job.overrides}
    (folder / "configuration.json").write_text(json.dumps(about, indent=1, sort_keys=True), encoding="utf-8")
    speakers = {utterance.id: utterance.speaker for utterance in job.subject.corpus.utterances}
    _write_predictions(folder / "predictions.csv", stored, job.subject.corpus.classes, speakers)
    _draw_confusion(folder / "confusion.png", job, stored)


def _write_predictions(
    path: Path, stored: Sequence[Stored], classes: Sequence[str], speakers: Mapping[str, str]
) -> None:
    """Every test utterance: fold, speaker, gold, predicted and probabilities (average), predicted by crop."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = (f"p_{name}" for name in classes)
        writer.writerow(["id", "fold", "speaker", "gold", "predicted", *names, "crop_predicted"])
        for outcome in (one.outcome for one in stored):
            for row, name in enumerate(outcome.ids):
                chosen, cropped = outcome.average[row].argmax(), outcome.crop[row].argmax()
                probabilities = [f"{value:.6g}" for value in outcome.average[row]]
                words = (speakers[name], classes[outcome.gold[row]], classes[chosen])
                writer.writerow([name, outcome.fold, *words, *probabilities, classes[cropped]])


def _draw_confusion(path: Path, job: "Job", stored: Sequence[Stored]) -> None:
    """The pooled confusion of the run: counts, shaded by each gold class' recall."""
    from matplotlib.figure import Figure

    classes = job.subject.corpus.classes
    counts = confusion(*pooled(one.outcome for one in stored), len(classes))
    recall = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(4.6, 4.2), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.imshow(recall, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        shade = "white" if recall[row, column] > 0.55 else "black"
        text = f"{count}\n{100 * recall[row, column]:.0f} %"
        axes.text(column, row, text, ha="center", va="center", color=shade, fontsize=9)
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="predicted", ylabel="gold")
    axes.set_title(f"{job.name} seed={stored[0].outcome.seed}\n{_title(job, stored)}", fontsize=9)
    figure.savefig(path)


def _title(job: "Job", stored: Sequence[Stored]) -> str:
    figures = run_metrics([one.outcome for one in stored])
    corpus = job.subject.corpus
    name = f"{corpus.name} (synthetic speech)" if corpus.synthetic and corpus.name != "synthetic" else corpus.name
    return f"{name}, pooled WA {100 * figures['wa_pooled']:.2f} %, UWA {100 * figures['uwa_pooled']:.2f} %"


def _mlflow_errors() -> tuple[type[Exception], ...]:
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return (MlflowException, SQLAlchemyError, OSError, sqlite3.Error)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
