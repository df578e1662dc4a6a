"""Engines: they train many replicas, one after another, in worker processes, or as one batched computation.

All engines draw the same random numbers for a replica. They differ in speed, and ``stack`` in rounding.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial

from ser.results.outcome import Finished, Replica
from ser.system import pool
from ser.training.loop import attempt
from ser.training.stack.engine import stack as stacked
from ser.training.task import Task

Engine = Callable[[Task, Sequence[Replica]], Iterator[Finished]]
"""(task, replicas) -> pairs of a replica and its outcome or error, as the replicas finish."""


def choose(name: str, workers: int | None, device: str, stack: int | None = None) -> Engine:
    """Return the engine of a name.

    Args:
        name: "serial", "workers", "stack"; or "auto": ``stack`` on CUDA, ``workers`` on several cores, else ``serial``.
        workers: number of worker processes; None takes the number of cores.
        device: PyTorch's device.
        stack: number of replicas that ``stack`` trains together; None takes as many as fit into memory.
    """
    if name == "stack" or (name == "auto" and device != "cpu"):
        return partial(stacked, size=stack)
    processes = workers or pool.cores()
    if name == "serial" or (name == "auto" and processes == 1):
        return serial
    return partial(on_workers, workers=processes)


def serial(task: Task, replicas: Sequence[Replica]) -> Iterator[Finished]:
    """Train one replica after another in this process; the reference for the other engines.

    Args:
        task: the task.
        replicas: seed and fold of each replica.

    Yields:
        Each replica with its outcome, or with the error that ended its training.
    """
    for replica in replicas:
        yield replica, attempt(task, replica)


def on_workers(task: Task, replicas: Sequence[Replica], workers: int) -> Iterator[Finished]:
    """Train the replicas in worker processes, one replica at a time in each; equal to ``serial`` to the last bit.

    A worker process that dies (killed because memory runs out, for example) breaks the whole pool. The replicas that
    were being trained are then tried again at the end, one at a time. So only the replica that kills its worker fails.

    Args:
        task: the task.
        replicas: seed and fold of each replica.
        workers: number of worker processes.

    Yields:
        Each replica with its outcome, or with the error that ended its training, as the replicas finish.
    """
    suspects = []
    try:
        for replica, result in _run(task, replicas, workers, at_a_time=workers):
            if isinstance(result, BrokenProcessPool):
                suspects.append(replica)
            else:
                yield replica, result
        yield from _run(task, suspects, workers, at_a_time=1)
    except (KeyboardInterrupt, GeneratorExit):
        pool.close(kill=True)
        raise


def _run(task: Task, replicas: Sequence[Replica], workers: int, at_a_time: int) -> Iterator[Finished]:
    """Train the replicas in the pool, submitting no more than ``at_a_time`` at once.

    If the pool breaks, only submitted replicas are affected: those without a result give ``BrokenProcessPool``.
    """
    queue, running = deque(replicas), dict[Future, Replica]()
    while queue or running:
        while queue and len(running) < at_a_time:
            replica = queue.popleft()
            running[_submit(task, replica, workers)] = replica
        done = wait(running, return_when=FIRST_COMPLETED).done
        if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
            done = wait(running).done
            pool.close(kill=True)
        for future in done:
            replica, error = running.pop(future), future.exception()
            yield replica, error if isinstance(error, Exception) else future.result()


def _submit(task: Task, replica: Replica, workers: int) -> Future:
    """Submit a replica to the pool. If the pool is already broken (an idle worker has died), start a new pool."""
    try:
        return pool.workers(workers).submit(attempt, task, replica)
    except BrokenProcessPool:
        pool.close(kill=True)
        return pool.workers(workers).submit(attempt, task, replica)
