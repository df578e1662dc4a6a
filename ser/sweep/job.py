"""One job of a sweep: which trainings lack a result, what is stored of them, and its runs in the tracking store."""

import errno
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ser.config import signature
from ser.data.experiment import Experiment
from ser.data.replicas import Replica
from ser.errors import UserError
from ser.results.claims import Claims
from ser.results.metrics import add_own
from ser.results.notes import corpus_note
from ser.results.outcome import Outcome
from ser.results.runs import Origin, means_of, parent_run, run_metrics, seed_run
from ser.results.selection import selecting
from ser.results.store import ResultStore, Stored
from ser.sweep.code import check_unchanged, without_weights
from ser.sweep.handover import COMMAND, PLANNED, STARTED, SWEPT
from ser.sweep.places import check_places, tracking_experiment
from ser.sweep.planned import Plan
from ser.sweep.stored_plans import store_plan
from ser.system import environment
from ser.system.alive import Owner

if TYPE_CHECKING:  # a finished sweep is shown again without torch
    from ser.training.checkpoints import Checkpoints
    from ser.training.task import Task
    from ser.training.weights import Saving

_log = logging.getLogger(__name__)

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""The codes of a full disk, and of a quota that is used up."""


class FailedTrainingsError(UserError):
    """Trainings failed; each has a note in the result store, from which the closing table tells the reason."""


class NotStoredError(UserError):
    """A result cannot be stored, since the disk is full, say: further trainings would be in vain."""


class Job:
    """An experiment's trainings: which are missing, their task, and what came of them (``ser.sweep.queue`` trains)."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment, self.settings = experiment, experiment.settings
        add_own(self.settings.metrics, len(experiment.corpus.classes))
        self.started = os.environ.get(STARTED, str(time.time()))
        anew = self.settings.resume is False
        self.store = ResultStore(self.settings.results, self.started if anew else None, self.settings.save)
        self._claims = Claims(self.settings.results)

    @property
    def engine(self) -> tuple[str, int | None, str, int | None]:
        """The arguments of ``ser.training.engines.choose``."""
        engine = self.settings.engine
        return engine.name, engine.workers, self.device, engine.stack

    @cached_property
    def device(self) -> str:
        """PyTorch's device."""
        return environment.device(self.settings.device)

    def announce(self) -> None:
        """Where the sweep has no plan for this job: store one, and log what the canonical form changed."""
        if os.environ.get(PLANNED) != self.settings.sweep:
            for note in (*self.settings.notes, *without_weights([self.experiment])):
                _log.info("%s: %s", self.experiment.name, note)
            check_places([self.settings], {})
            store_plan(Plan.of(self.experiment.overrides, [self.experiment]))

    def missing(self) -> list[Replica]:
        """The trainings without a result that counts, by ``resume``, but for those that failed in this command."""
        return [replica for replica in self.experiment.replicas() if self.is_missing(replica)]

    def is_missing(self, replica: Replica) -> bool:
        """Whether a training is one of the ``missing`` ones."""
        name = replica.signature
        if self.store.is_whole(name) or self.store.failure(name, self.started) is not None:
            return False
        return self.settings.resume != "failed" or self.store.failure(name) is not None

    def claim(self, replica: Replica) -> bool:
        """Claim a training for this process; False if another process is doing it.

        Raises:
            NotStoredError: the claim cannot be written.
        """
        with self._storing():
            return self._claims.take(self.store.training_name(replica.signature))

    def claimed_by(self, replica: Replica) -> Owner | None:
        """The other process that is doing a training; None if there is none."""
        return self._claims.other(self.store.training_name(replica.signature))

    def release(self, replica: Replica) -> None:
        """End the claim of a training."""
        self._claims.release(self.store.training_name(replica.signature))

    def task(self) -> "Task":
        """Make the task of the trainings.

        Raises:
            UserError: code was edited while the sweep ran; a class cannot be imported, or refuses an argument.
        """
        from ser.training.task import make_task

        check_unchanged(self.experiment)
        return make_task(self.experiment, self.device, self._saving(), self._checkpoints())

    def _saving(self) -> "Saving | None":
        from ser.training.weights import Saving

        if not self.settings.saves:
            return None
        said = about(self.experiment, self.device, self.started)
        return Saving(self.settings.results.absolute(), self.settings.save == "all", said)

    def _checkpoints(self) -> "Checkpoints | None":
        from ser.training.checkpoints import Checkpoints

        minutes = self.settings.trainer.checkpoint_minutes
        if minutes is None:
            return None
        made_by = {
            "source of ser": environment.source(),
            "versions": environment.versions(),
            "device": self.device.partition(":")[0],
        }
        return Checkpoints(
            results=self.settings.results.absolute(),
            seconds=60 * minutes,
            name=self.experiment.name,
            configuration=self.experiment.configuration,
            stack=signature.digest([replica.signature for replica in self.experiment.replicas()]),
            made_by=made_by,
            command=self.store.sweep,
        )

    def keep(self, replica: Replica, result: Outcome | Exception) -> None:
        """Store the outcome of a training, or a note of its failure.

        Raises:
            UserError: code was edited while the sweep ran, so that nothing is stored.
            NotStoredError: it cannot be written.
        """
        with self._storing():
            if isinstance(result, OSError) and result.errno in _NO_ROOM:  # for weights
                raise result
            if isinstance(result, Exception):
                self._failed(replica, result)
            else:
                self._save(replica, result)

    @contextmanager
    def _storing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            results = self.settings.results
            remedy = f"Make room in {results}" if error.errno in _NO_ROOM else f"See results.dir={results}"
            raise NotStoredError(
                f"No result can be stored: {error.strerror or error} ({error.filename or results}). The sweep has "
                f"stopped; what is finished is kept. {remedy}, and the same command goes on from here."
            ) from error

    def _save(self, replica: Replica, result: Outcome) -> None:
        assert (result.seed, result.fold) == (replica.seed, replica.fold)
        check_unchanged(self.experiment)
        finished = datetime.now(UTC).isoformat(timespec="milliseconds")
        said = {**about(self.experiment, self.device, self.started), "finished": finished}
        self.store.save(replica.signature, result, said)
        if result.diverged:
            _log.warning("%s: seed %d, fold %d diverged", self.experiment.name, replica.seed, replica.fold)

    def check(self) -> None:
        """Check that no training has failed in this command.

        Raises:
            FailedTrainingsError: some have; the message says how many and why the first did.
        """
        replicas = [each for each in self.experiment.replicas() if not self.store.has(each.signature)]
        failures = [(each, self.store.failure(each.signature, self.started)) for each in replicas]
        failed = [(replica, message) for replica, message in failures if message is not None]
        if failed:
            (first, message), planned = failed[0], len(self.experiment.replicas())
            raise FailedTrainingsError(
                f"{len(failed)} of {planned} trainings of {self.experiment.name} failed. Seed {first.seed}, fold "
                f"{first.fold}: {message}"
            )

    def open_tracking(self) -> None:
        """Open the tracking store, so that the first delivery need not."""
        tracking = self.settings.tracking
        if tracking.name != "none":
            from ser.results import delivery

            delivery.prepare(tracking.uri, self._tracking_experiment, self.settings.results)

    def deliver(self) -> float | None:
        """Log the finished runs to the tracking store.

        Returns:
            ``validation()``, for sweepers that optimise it.

        Raises:
            UserError: the tracking store cannot be reached.
        """
        finished = self._finished()
        if finished and self.settings.tracking.name != "none":
            self._log_runs(finished)
        return self.validation() if finished else None

    def validation(self) -> float | None:
        """The mean validation accuracy over the finished seeds (``trainer.select``); None if no seed is finished."""
        metrics = self.metrics()
        return metrics.get(selecting([metrics]))

    def metrics(self) -> dict[str, float]:
        """The means over the finished seeds of what ``run_metrics`` gives for every seed; empty if none is finished."""
        return means_of([run_metrics([one.outcome for one in stored]) for stored in self._finished().values()])

    def _finished(self) -> dict[int, list[Stored]]:
        """The results of each seed whose folds all have one."""
        seeds = {seed: self._results(seed) for seed in self.settings.seeds}
        return {seed: stored for seed, stored in seeds.items() if stored}

    def _results(self, seed: int) -> list[Stored]:
        """The results of a seed's folds; none while a fold is missing."""
        signatures = [replica.signature for replica in self.experiment.replicas(seed)]
        if not all(self.store.has(signature) for signature in signatures):
            return []
        return [self.store.load(signature) for signature in signatures]

    def _log_runs(self, finished: dict[int, list[Stored]]) -> None:
        from ser.results import delivery

        seeds, tracking = self.settings.seeds, self.settings.tracking
        swept = tuple(filter(None, os.environ.get(SWEPT, "").split(",")))
        origin = Origin(self.started, swept, os.environ.get(COMMAND, ""))
        runs = [seed_run(self.experiment, stored, origin, self._weights(seed)) for seed, stored in finished.items()]
        whole = len(seeds) > 1 and len(finished) == len(seeds)
        delivery.deliver(
            runs,
            parent_run(self.experiment, finished, origin) if whole else None,
            tracking.uri,
            self._tracking_experiment,
            results=self.settings.results,
            about=corpus_note(self.experiment.corpus),
            started=self.started if self.settings.resume is False else None,
        )

    @property
    def _tracking_experiment(self) -> str:
        return tracking_experiment(self.settings, self.experiment.corpus.name)

    def _weights(self, seed: int) -> list[Path]:
        """The weights of a seed's folds, if they are kept."""
        names = [replica.signature for replica in self.experiment.replicas(seed)]
        return [self.store.weights_path(name) for name in names] if self.settings.saves else []

    def _failed(self, replica: Replica, error: Exception) -> None:
        from ser.training.checkpoints import of_the_machine

        notes: Sequence[str] = getattr(error, "__notes__", ())
        place = f" ({notes[0]})" if notes else ""  # a worker that was killed leaves none
        message = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}{place}"
        _log.error("%s: seed %d, fold %d failed: %s", self.experiment.name, replica.seed, replica.fold, message)
        for note in notes:
            _log.debug(note)
        details = "\n".join([message, *notes])
        about = {"details": details, "seed": replica.seed, "fold": replica.fold, "started": self.started}
        self.store.fail(replica.signature, message, about)
        if not of_the_machine(error):  # else the same command goes on from the checkpoint
            self.store.drop_checkpoint(replica.signature)


def about(experiment: Experiment, device: str, started: str) -> dict[str, Any]:
    """What result files and weights say of their training: of what, in which sweep, on which device, by which code."""
    corpus = experiment.corpus
    return {
        "configuration": experiment.configuration,
        "parameters": experiment.parameters,
        "groups": experiment.settings.groups,
        "sources": experiment.settings.sources,
        "corpus": {
            "name": corpus.name,
            "fingerprint": experiment.fingerprint,
            "synthetic": corpus.synthetic,
            "classes": corpus.classes,
            "sessions": corpus.sessions,
            "utterances": len(corpus.utterances),
        },
        "sweep": experiment.settings.sweep,
        "started": started,
        "device": device,
        "engine": experiment.settings.engine.name,
        "git_commit": environment.git_commit(),
        "versions": environment.versions(),
    }
