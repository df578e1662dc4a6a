"""All trainings of a sweep on this machine as one queue, so that no core waits for a job's slowest fold.

Trainings are done in the order of the jobs. A job's runs are delivered as soon as its last training has ended, while
trainings of later jobs go on. Order and queue change no number.
"""

import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from ser.results.outcome import Outcome, Replica
from ser.sweep.job import Job
from ser.system import pool

if TYPE_CHECKING:  # a finished sweep is shown again without torch
    from ser.training.engines import Work

_log = logging.getLogger(__name__)


def train_all(jobs: Sequence[Job]) -> dict[Job, Exception | None]:
    """Do the missing trainings of jobs, each result stored as it comes, and deliver their runs.

    What fails stops nothing else. A training that fails is noted in the result store; a delivery that fails is tried
    again by the job itself, when Hydra comes to it.

    Args:
        jobs: the jobs, in this order; trainings that two of them have in common are done once.

    Returns:
        The jobs that were trained, with the reason where trainings could not begin or go on: a class that cannot be
        built, or code that was edited. Left out are jobs whose engine failed as a whole: they train for themselves.
    """
    trained: dict[Job, Exception | None] = {}
    queue = _Queue(deliver=True)
    for _, same_engine in itertools.groupby(jobs, key=lambda job: job.engine):
        group = list(same_engine)
        try:
            queue.run(group)
        except Exception as error:
            _log.debug("one queue of %d jobs: %s", len(group), error)
            continue
        trained.update((job, queue.errors.get(job)) for job in group)
    return trained


def train(job: Job) -> None:
    """Do the missing trainings of one job.

    Raises:
        FailedTrainingsError: some failed, here or before in this command.
        Exception: the trainings could not begin.
    """
    queue = _Queue(deliver=False)
    queue.run([job])
    if job in queue.errors:
        raise queue.errors[job]
    job.check()


def conclude(job: Job, trained: Mapping[Any, Exception | None], key: Any) -> None:
    """Raise the reason if trainings of a job failed; a job that ``train_all`` left out is trained now.

    Args:
        job: the job.
        trained: what ``train_all`` returned, by jobs or by another key of them.
        key: the job's key in it.

    Raises:
        FailedTrainingsError: some trainings failed.
        Exception: the trainings could not begin or go on.
    """
    if key not in trained:
        train(job)
        return
    error = trained[key]
    if error is not None:
        raise error
    job.check()


class _Queue:
    """The jobs that have begun.

    Attributes:
        errors: the jobs whose trainings could not begin or go on, with the reason.
    """

    def __init__(self, deliver: bool) -> None:
        self.errors: dict[Job, Exception] = {}
        self._deliver = deliver
        self._job_of: dict[str, Job] = {}
        """The job of every training that was handed out, by the training's signature."""
        self._running: dict[Job, int] = {}
        """How many trainings of a job have been handed out and have not ended."""

    def run(self, jobs: Sequence[Job]) -> None:
        """Train jobs that have the same engine."""
        work = self._work(jobs)
        first = next(work, None)
        if first is None:
            return
        from ser.training.engines import choose

        queue = self._opening_tracking(itertools.chain([first], work), jobs[0])
        with closing(choose(*jobs[0].engine)(queue)) as results:  # an interrupt ends its workers at once
            for replica, result in results:
                self._ended(self._job_of[replica.signature], replica, result)

    def _opening_tracking(self, work: "Iterator[Work]", job: Job) -> "Iterator[Work]":
        """Open the tracking store when the workers have enough to do, or all trainings are handed out."""
        busy = job.settings.engine.workers or pool.cores()
        yield from itertools.islice(work, busy + busy // 2)
        if self._deliver:
            try:
                job.open_tracking()
            except Exception as error:  # told by the job, which tries again when Hydra comes to it
                _log.debug("%s", error)
                self._deliver = False
        yield from work

    def _work(self, jobs: Sequence[Job]) -> "Iterator[Work]":
        """Each missing training with its task, which is made when the job's turn comes."""
        for job in jobs:
            try:
                missing = [replica for replica in job.missing() if replica.signature not in self._job_of]
                if not missing:
                    continue
                task = job.task()
            except Exception as error:
                self.errors[job] = error
                continue
            self._job_of.update((replica.signature, job) for replica in missing)
            self._running[job] = len(missing)
            for replica in missing:
                if job in self.errors:
                    self._running[job] -= 1
                else:
                    yield task, replica

    def _ended(self, job: Job, replica: Replica, result: Outcome | Exception) -> None:
        self._running[job] -= 1
        try:
            job.keep(replica, result)
        except Exception as error:
            self.errors[job] = error
        if self._running[job] == 0 and self._deliver:
            try:
                job.deliver()
            except Exception as error:  # told by the job, which tries again when Hydra comes to it
                _log.debug("%s", error)
                self._deliver = False
