"""How many replicas are run: one after another, on a pool of processes, or as one batched computation."""

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


def choose(name: str, workers: int | None, device: str, stack: int | None = None) -> Engine:
    """The engine of that name; ``auto``: ``stack`` on CUDA, ``workers`` on several cores, else ``serial``."""
    if name == "stack" or (name == "auto" and device != "cpu"):
        return partial(stacked, size=stack)
    number = workers or pool.cores()
    if name == "serial" or (name == "auto" and number == 1):
        return serial
    return partial(on_workers, workers=number)


def serial(task: Task, replicas: Sequence[Replica]) -> Iterator[Finished]:
    """One replica after another in this process, with one thread on the CPU: the reference for every engine."""
    for replica in replicas:
        yield replica, attempt(task, replica)


def on_workers(task: Task, replicas: Sequence[Replica], workers: int) -> Iterator[Finished]:
    """One replica a worker process, yielded as they finish.

    A worker that dies (killed for memory, say) takes the pool with it. What was under way then is suspect: it is
    tried once more at the end, alone, so that only the replica that kills its worker fails.
    """
    suspects = []
    try:
        for replica, result in _windowed(task, replicas, workers, window=workers):
            if isinstance(result, BrokenProcessPool):
                suspects.append(replica)
            else:
                yield replica, result
        yield from _windowed(task, suspects, workers, window=1)
    except (KeyboardInterrupt, GeneratorExit):
        pool.close(kill=True)
        raise


def _windowed(task: Task, replicas: Sequence[Replica], workers: int, window: int) -> Iterator[Finished]:
    """Keep ``window`` replicas under way, so that a broken pool throws suspicion on no more than these."""
    queue, running = deque(replicas), dict[Future, Replica]()
    while queue or running:
        while queue and len(running) < window:
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
    """Hand a replica to the pool; to a new one, if a worker of the old one died while it had nothing to do."""
    try:
        return pool.workers(workers).submit(attempt, task, replica)
    except BrokenProcessPool:
        pool.close(kill=True)
        return pool.workers(workers).submit(attempt, task, replica)
