"""Engines: they train many replicas, one after another, in worker processes, or as one batched computation.

All engines draw the same random numbers for a replica. They differ in speed, and ``stack`` in rounding.
"""

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial

from ser.results.outcome import Finished, Outcome, Replica
from ser.system import pool
from ser.training.loop import attempt
from ser.training.stack.engine import stack
from ser.training.task import Task

Work = tuple[Task, Replica]
"""A training: what its configuration is, and its seed and fold."""

Engine = Callable[[Iterable[Work]], Generator[Finished, None, None]]
"""Trains a queue, and gives each replica with its outcome or error, as the replicas finish.

The queue is read as it is needed, in order, so that tasks may be made late."""


def work(task: Task, replicas: Iterable[Replica]) -> list[Work]:
    """A queue of replicas of one task."""
    return [(task, replica) for replica in replicas]


def choose(name: str, workers: int | None, device: str, together: int | None = None) -> Engine:
    """Return the engine of a name.

    Args:
        name: "serial", "workers", "stack"; or "auto": ``stack`` on CUDA, ``workers`` on several cores, else ``serial``.
        workers: number of worker processes; None takes the number of cores.
        device: PyTorch's device.
        together: number of replicas that ``stack`` trains together; None takes as many as fit into memory.
    """
    if name == "stack" or (name == "auto" and device != "cpu"):
        return partial(in_stacks, size=together)
    processes = workers or pool.cores()
    if name == "serial" or (name == "auto" and processes == 1):
        return serial
    return partial(on_workers, workers=processes)


def serial(queue: Iterable[Work]) -> Generator[Finished, None, None]:
    """Train one replica after another in this process; the reference for the other engines.

    Args:
        queue: the trainings.

    Yields:
        Each replica with its outcome, or with the error that ended its training.
    """
    for task, replica in queue:
        yield replica, attempt(task, replica)


def in_stacks(queue: Iterable[Work], size: int | None = None) -> Generator[Finished, None, None]:
    """Train the replicas of each task in stacks, one task after another (``ser.training.stack.engine.stack``).

    Args:
        queue: the trainings.
        size: number of replicas in a stack; None takes as many as fit into memory.

    Yields:
        Each replica with its outcome, or with the error that ended its training, as the replicas finish.
    """
    for _, same in itertools.groupby(queue, key=lambda item: id(item[0])):
        items = list(same)
        yield from stack(items[0][0], [replica for _, replica in items], size)


def on_workers(queue: Iterable[Work], workers: int) -> Generator[Finished, None, None]:
    """Train the replicas in worker processes, one replica at a time in each; equal to ``serial`` to the last bit.

    A worker process that dies (killed because memory runs out, for example) breaks the whole pool. The replicas that
    were being trained are then tried again at the end, one at a time. So only the replica that kills its worker fails.

    Args:
        queue: the trainings.
        workers: number of worker processes.

    Yields:
        Each replica with its outcome, or with the error that ended its training, as the replicas finish.
    """
    suspects: list[Work] = []
    try:
        for item, result in _run(queue, workers, at_a_time=workers + workers // 2 + 1):
            if isinstance(result, BrokenProcessPool):
                suspects.append(item)
            else:
                yield item[1], result
        for (_, replica), result in _run(suspects, workers, at_a_time=1):
            yield replica, result
    except BaseException:  # Ctrl-C, an end from outside, or an error of the queue itself
        pool.close(kill=True)
        raise


def _run(queue: Iterable[Work], workers: int, at_a_time: int) -> Iterator[tuple[Work, Outcome | Exception]]:
    """Train a queue in the pool, submitting no more than ``at_a_time`` at once.

    More than there are workers are submitted, so that these go on while the caller stores and delivers what is yielded.
    If the pool breaks, only submitted replicas are affected: those without a result give ``BrokenProcessPool``.
    """
    waiting, running, ended = iter(queue), dict[Future, Work](), list[tuple[Work, Future]]()
    while True:
        for item in itertools.islice(waiting, at_a_time - len(running)):
            running[_submit(item, workers)] = item
        for item, future in ended:
            error = future.exception()
            if error is not None and not isinstance(error, Exception):  # sys.exit() in a class of the user's own
                error = RuntimeError(f"the training ended its process with {type(error).__name__}: {error}")
            yield item, future.result() if error is None else error
        if not running:
            return
        done = wait(running, return_when=FIRST_COMPLETED).done
        if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
            done = wait(running).done
            pool.close(kill=True)
        ended = [(running.pop(future), future) for future in done]


def _submit(item: Work, workers: int) -> Future:
    """Submit a replica to the pool. If the pool is already broken (an idle worker has died), start a new pool."""
    try:
        return pool.workers(workers).submit(attempt, *item)
    except BrokenProcessPool:
        pool.close(kill=True)
        return pool.workers(workers).submit(attempt, *item)
