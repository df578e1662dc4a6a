"""One job of a sweep: its replicas trained where they have no result yet, its runs delivered to the tracking store."""

import logging
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ser import environment, naming, signature
from ser.config import Settings
from ser.errors import UserError
from ser.experiment import Subject, make_task, subject
from ser.results import Store, run_metrics
from ser.sweeps import store_point
from ser.training.engines import Replica, choose

STARTED = "SER_SWEEP_STARTED"
"""Environment variable: when the sweep began, in seconds; with resume=false older results do not count."""

PLANNED = "SER_SWEEP_PLANNED"
"""Environment variable: the sweep whose plan was stored before its jobs began."""

_log = logging.getLogger(__name__)


class Job:
    """A configuration's replicas: which are to train, training them, and what came of them."""

    def __init__(self, settings: Settings, overrides: Sequence[str]) -> None:
        self.settings, self.overrides = settings, tuple(overrides)
        self.started = os.environ.get(STARTED, str(time.time()))
        self.store = Store(settings.results, float(self.started) if settings.resume is False else None)
        self.subject: Subject = subject(settings)
        self.configuration = signature.configuration(settings.groups, self.subject.fingerprint)
        self.parameters = naming.parameters(settings.corpus, settings.groups)
        self.name = naming.run_name(self.parameters, overrides)

    def announce(self) -> None:
        """Say in the log what canonicalisation changed; leave a plan where the sweep has none for this job."""
        for note in self.settings.notes:
            _log.info("%s: %s", self.name, note)
        if os.environ.get(PLANNED) != self.settings.sweep:
            store_point(self.settings, self.overrides)

    def replicas(self) -> list[Replica]:
        """All trainings of this job."""
        return [
            Replica(seed, fold, signature.replica(self.configuration, seed, fold))
            for seed in self.settings.seeds
            for fold in self.subject.folds
        ]

    def to_train(self) -> list[Replica]:
        """Those without a result that counts, by ``resume``."""
        missing = [replica for replica in self.replicas() if not self.store.is_whole(replica.signature)]
        if self.settings.resume == "failed":
            return [replica for replica in missing if self.store.failure(replica.signature) is not None]
        return missing

    def train(self) -> None:
        """Train what is missing, each result stored as it comes; one that fails stops no other.

        Raises:
            UserError: some failed; the message says how many and why the first did.
        """
        missing = self.to_train()
        if not missing:
            return
        settings = self.settings
        device = environment.device(settings.device)
        checkpoints = settings.results / "checkpoints" / self.configuration
        task = make_task(settings, self.subject.corpus, device, checkpoints)
        engine = choose(settings.engine["name"], settings.engine["workers"], device, settings.engine["stack"])
        failures = []
        for replica, result in engine(task, missing):
            if isinstance(result, Exception):
                failures.append(self._failed(replica, result))
            else:
                assert (result.seed, result.fold) == (replica.seed, replica.fold)
                self.store.save(replica.signature, result, self.about(device))
                if result.diverged:
                    _log.warning("%s: seed %d, fold %d diverged", self.name, replica.seed, replica.fold)
        if failures:
            raise UserError(f"{len(failures)} of {len(missing)} trainings of {self.name} failed. {failures[0]}")

    def about(self, device: str) -> dict[str, Any]:
        """What a result file says besides the outcome."""
        corpus = self.subject.corpus
        return {
            "configuration": self.configuration,
            "parameters": self.parameters,
            "groups": self.settings.groups,
            "corpus": {
                "name": corpus.name,
                "fingerprint": self.subject.fingerprint,
                "synthetic": corpus.synthetic,
                "classes": corpus.classes,
                "sessions": corpus.sessions,
                "utterances": len(corpus.utterances),
            },
            "sweep": self.settings.sweep,
            "device": device,
            "engine": self.settings.engine["name"],
            "git_commit": environment.git_commit(),
            "versions": environment.versions(),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def deliver(self) -> float | None:
        """Log the finished runs to the tracking store; the mean WA over them, for sweepers that optimise it."""
        runs = {}
        for seed in self.settings.seeds:
            signatures = [r.signature for r in self.replicas() if r.seed == seed and self.store.has(r.signature)]
            if len(signatures) == len(self.subject.folds):
                runs[seed] = [self.store.load(s) for s in signatures]
        if not runs:
            return None
        if self.settings.tracking["name"] != "none":
            from ser import tracking

            tracking.deliver(self, runs)
        return float(np.mean([run_metrics([stored.outcome for stored in run])["wa"] for run in runs.values()]))

    def _failed(self, replica: Replica, error: Exception) -> str:
        message = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        _log.error("%s: seed %d, fold %d failed: %s", self.name, replica.seed, replica.fold, message)
        for note in getattr(error, "__notes__", ()):
            _log.debug(note)
        details = "\n".join([message, *getattr(error, "__notes__", ())])
        self.store.fail(replica.signature, message, {"details": details, "seed": replica.seed, "fold": replica.fold})
        return f"Seed {replica.seed}, fold {replica.fold}: {message}"
