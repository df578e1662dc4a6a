"""All trainings of a sweep on this machine as one queue, so that no core waits for a job's slowest fold.

Trainings are done in the order of the jobs. A training is claimed before it is done (``ser.results.claims``): one that
another process is doing is passed over, and waited for when nothing else is left. A job's runs are delivered as soon as
its last training has ended, those of a long job after each seed, while other trainings go on. Order, queue and claims
change no number.
"""

import itertools
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from ser.results.outcome import Outcome, Replica
from ser.sweep.job import Job, NotStoredError
from ser.system import pool
from ser.system.alive import Owner

if TYPE_CHECKING:  # a finished sweep is shown again without torch
    from ser.training.engines import Work

_log = logging.getLogger(__name__)

_BETWEEN_LOOKS = 0.5, 4.0
"""Seconds between two looks at trainings of other processes, when nothing else is left to do: at first, and at most."""

_BETWEEN_DELIVERIES = 30.0
"""Seconds after which the finished seeds of a job are delivered, though others of its seeds are not finished."""


def train_all(jobs: Sequence[Job]) -> dict[Job, Exception | None]:
    """Do the missing trainings of jobs, each result stored as it comes, and deliver their runs.

    What fails stops nothing else. A training that fails is noted in the result store; a delivery that fails is tried
    again by the job itself, when Hydra comes to it.

    Args:
        jobs: the jobs, in this order; trainings that two of them have in common are done once.

    Returns:
        The jobs that were trained, with the reason where trainings could not begin or go on: a class that cannot be
        built, or code that was edited. Left out are jobs whose engine failed as a whole: they train for themselves.

    Raises:
        NotStoredError: a result cannot be stored; the trainings are ended.
    """
    queue, left, broken = _Queue(), list(jobs), set[Job]()
    while left:
        for _, same_engine in itertools.groupby(left, key=lambda job: job.engine):
            group = list(same_engine)
            try:
                queue.run(group)
            except NotStoredError:
                raise
            except Exception as error:
                _log.debug("one queue of %d jobs: %s", len(group), error)
                broken.update(group)
        left = queue.wait(job for job in left if job not in broken)
    return {job: queue.errors.get(job) for job in jobs if job not in broken}


def train(job: Job) -> None:
    """Do the missing trainings of one job, and deliver its runs.

    Raises:
        FailedTrainingsError: some failed, here or before in this command.
        Exception: the trainings could not begin.
    """
    queue, left = _Queue(), [job]
    while left:
        queue.run(left)
        left = queue.wait(left)
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

    def __init__(self) -> None:
        self.errors: dict[Job, Exception] = {}
        self._delivers = True
        self._delivered: dict[Job, float] = {}
        """When a job was delivered last, or began (``time.monotonic``)."""
        self._job_of: dict[str, Job] = {}
        """The job of every training, by the training's signature."""
        self._left: dict[Job, list[Replica]] = {}
        """The trainings of a job that have not ended, as far as it is known here."""
        self._claimed: set[Replica] = set()
        """The trainings that this process does."""
        self._elsewhere: set[Replica] = set()
        """The trainings that another process was doing."""
        self._said: set[Owner] = set()
        """The other processes that were named in a message."""
        self._pause = _BETWEEN_LOOKS[0]

    def run(self, jobs: Sequence[Job]) -> None:
        """Do the trainings of jobs that have the same engine, but for those that other processes are doing."""
        work = self._work(jobs)
        try:
            first = next(work, None)
            if first is None:
                return
            from ser.training.engines import choose

            queue = self._opening_tracking(itertools.chain([first], work), jobs[0])
            with closing(choose(*jobs[0].engine)(queue)) as results:  # an interrupt ends its workers at once
                for replica, result in results:
                    self._ended(self._job_of[replica.signature], replica, result)
        finally:
            for replica in list(self._claimed):
                self._release(replica)

    def wait(self, jobs: Iterable[Job]) -> list[Job]:
        """Wait a moment for the trainings that other processes are doing.

        Returns:
            The jobs that these trainings belong to. To ``run`` them again finds the results, and does the trainings
            whose process has ended without one.
        """
        waiting = [job for job in jobs if self._left.get(job) and job not in self.errors]
        if waiting:
            self._say(waiting)
            time.sleep(self._pause)
            self._pause = min(2 * self._pause, _BETWEEN_LOOKS[1])
        return waiting

    def _say(self, waiting: Iterable[Job]) -> None:
        """Name the processes that are waited for, unless they were named before."""
        found = [job.claimed_by(replica) for job in waiting for replica in self._left[job]]
        owners = {owner for owner in found if owner is not None}
        if owners - self._said:
            named = ", ".join(sorted(map(str, owners)))
            _log.info("Waiting for trainings that another process is doing: %d (%s)", len(found), named)
        self._said |= owners

    def _opening_tracking(self, work: "Iterator[Work]", job: Job) -> "Iterator[Work]":
        """Open the tracking store when the workers have enough to do, or all trainings are handed out."""
        busy = job.settings.engine.workers or pool.cores()
        yield from itertools.islice(work, busy + busy // 2)
        if self._delivers:
            try:
                job.open_tracking()
            except Exception as error:  # told by the job, which tries again when Hydra comes to it
                _log.debug("%s", error)
                self._delivers = False
        yield from work

    def _work(self, jobs: Sequence[Job]) -> "Iterator[Work]":
        """Each training that can be claimed, with its task, which is made when the job's turn comes."""
        for job in jobs:
            task = None
            for replica in self._begin(job):
                if job in self.errors:
                    break
                try:
                    if not self._claim(job, replica):
                        continue
                    task = task or job.task()
                except NotStoredError:
                    raise
                except Exception as error:
                    self.errors[job] = error
                    break
                yield task, replica

    def _begin(self, job: Job) -> list[Replica]:
        """The trainings that are left of a job, whose turn may come for the first time."""
        if job not in self._left:
            self._left[job], self._delivered[job] = [], time.monotonic()
            try:
                self._left[job] = [replica for replica in job.missing() if replica.signature not in self._job_of]
            except Exception as error:
                self.errors[job] = error
            self._job_of.update((replica.signature, job) for replica in self._left[job])
        return list(self._left[job])

    def _claim(self, job: Job, replica: Replica) -> bool:
        """Claim a training that is still missing; False if another process is doing it, or has done it."""
        if not job.claim(replica):
            self._elsewhere.add(replica)
            return False
        self._claimed.add(replica)
        if job.is_missing(replica):
            self._elsewhere.discard(replica)
            return True
        self._release(replica)
        self._done(job, replica)
        return False

    def _release(self, replica: Replica) -> None:
        self._claimed.discard(replica)
        self._job_of[replica.signature].release(replica)

    def _ended(self, job: Job, replica: Replica, result: Outcome | Exception) -> None:
        try:
            job.keep(replica, result)
        except NotStoredError:
            raise
        except Exception as error:
            self.errors[job] = error
        self._release(replica)
        self._done(job, replica)

    def _done(self, job: Job, replica: Replica) -> None:
        """Cross a training off, and those of its job that other processes have done; deliver what is finished."""
        self._pause = _BETWEEN_LOOKS[0]
        self._left[job] = [each for each in self._left[job] if each != replica and not self._done_elsewhere(job, each)]
        finished = not any(each.seed == replica.seed for each in self._left[job])
        long = time.monotonic() - self._delivered[job] >= _BETWEEN_DELIVERIES
        if not self._delivers or (self._left[job] and not (finished and long)):
            return
        try:
            job.deliver()
        except Exception as error:  # told by the job, which tries again when Hydra comes to it
            _log.debug("%s", error)
            self._delivers = False
        self._delivered[job] = time.monotonic()

    def _done_elsewhere(self, job: Job, replica: Replica) -> bool:
        return replica in self._elsewhere and not job.is_missing(replica)
