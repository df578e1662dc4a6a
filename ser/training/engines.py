"""How many replicas are run: one after another, or on a pool of processes. Each trains with ``loop.train``."""

import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import NamedTuple

import torch

from ser import pool
from ser.errors import UserError
from ser.training.loop import train
from ser.training.outcome import Outcome
from ser.training.task import Task


class Replica(NamedTuple):
    """One training to do, and the signature of its result."""

    seed: int
    fold: int
    signature: str


Finished = tuple[Replica, Outcome | Exception]
Engine = Callable[[Task, Sequence[Replica]], Iterator[Finished]]


def choose(name: str, workers: int | None, device: str) -> Engine:
    """The engine of that name; ``auto`` is ``workers`` on a CPU of several cores and ``serial`` otherwise."""
    number = workers or pool.cores()
    if name == "serial" or (name == "auto" and (device != "cpu" or number == 1)):
        return serial
    return partial(on_workers, workers=number)


def serial(task: Task, replicas: Sequence[Replica]) -> Iterator[Finished]:
    """One replica after another in this process, with one thread on the CPU: the reference for every engine."""
    for replica in replicas:
        yield replica, _attempt(task, replica)


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
            running[pool.workers(workers).submit(_attempt, task, replica)] = replica
        done = wait(running, return_when=FIRST_COMPLETED).done
        if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
            done = wait(running).done
            pool.close(kill=True)
        for future in done:
            replica, error = running.pop(future), future.exception()
            yield replica, error if isinstance(error, Exception) else future.result()


def _attempt(task: Task, replica: Replica) -> Outcome | Exception:
    """Train; an error is a result like any other, so that one bad replica stops no other."""
    if task.device == "cpu":
        torch.set_num_threads(1)
    else:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = task.recipe.precision == "tf32"
    try:
        return train(task, replica.seed, replica.fold)
    except UserError as error:
        return error
    except Exception as error:
        error.add_note(traceback.format_exc())
        return error
