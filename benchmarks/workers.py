"""Our replicas side by side in worker processes, as ``engine=workers`` runs them."""

import time

from benchmarks import step, workload
from ser.system import pool
from ser.training.task import Task

_NOTICE = 0.25  # seconds from the order to the common beginning: every worker has its order by then


def side_by_side(task: Task, batches: step.Pairs, workers: int, training: bool = True) -> float:
    """Batches a second, summed over that many workers, each stepping a replica of its own over the batches."""
    begin = time.time() + _NOTICE
    running = pool.workers()
    futures = [running.submit(step.rate_in_worker, task, batches, begin, training) for _ in range(workers)]
    return sum(future.result() for future in futures)


def window(task: Task, number: int, size: int) -> step.Pairs:
    """The batches of a repetition: the next ``size`` whole ones of the epoch, from its beginning again at its end."""
    whole = [pairs for pairs in workload.training_batches(task) if len(pairs) == task.recipe.batch_size]
    return [whole[index % len(whole)] for index in range(number * size, (number + 1) * size)]
