"""One pool of worker processes for the whole program, shared by features, synthetic speech and trainings.

A worker computes with one thread, ignores Ctrl-C (its parent decides) and ends when its parent ends.
"""

import atexit
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import forkserver
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from ser.errors import UserError
from ser.system.progress import track

Item = TypeVar("Item")
Result = TypeVar("Result")

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
START_SECONDS = 2.0
"""About how long workers take to start."""

_IMPORTED = ("hydra", "ser.sweep.commandline", "ser.training.loop", "torch._dynamo")
"""What workers import, by name: this module is below them. PyTorch's optimisers import ``torch._dynamo``, which takes a
second. Not ``ser.run``: Python runs it again in every worker, as the main module, and would warn that it is there
already."""

_pool: ProcessPoolExecutor | None = None
_size = 0


def launched() -> bool:
    """Whether other processes of a launcher or pool share this machine, so that this one must not start a pool.

    joblib's jobs are processes of its pool. submitit's local jobs, which it starts all at once, have a variable.
    """
    return multiprocessing.current_process().name != "MainProcess" or os.environ.get("SUBMITIT_EXECUTOR") == "local"


def cores() -> int:
    """The number of processor cores that this process may use: one inside a pool.

    Elsewhere it is the least of the machine's cores, those that the process is bound to, the CPU quota of its container
    (cgroup), and what a scheduler granted its job.
    """
    if launched():
        return 1
    from joblib import cpu_count

    return max(1, min([cpu_count(), *_granted()]))


def _granted() -> list[int]:
    """The cores that schedulers granted this job; an empty list where there is none.

    SLURM does not bind a process to its cores on every cluster, and Ray on none.
    """
    slurm, ray = os.environ.get("SLURM_CPUS_PER_TASK", ""), sys.modules.get("ray")
    granted = [int(slurm)] if slurm.isdecimal() else []
    if ray is not None and ray.is_initialized():
        context = ray.get_runtime_context()
        if context.worker.mode == ray.WORKER_MODE:
            granted.append(int(context.get_assigned_resources().get("CPU", 1)))
    return granted


def workers(size: int | None = None) -> ProcessPoolExecutor:
    """The shared pool, started on first use.

    Args:
        size: worker processes; a pool of another size is replaced. Default: one for each core.

    Raises:
        UserError: this process belongs to a pool itself.
    """
    global _pool, _size
    if launched():
        raise UserError("This launcher's jobs share the cores already: use engine=auto or engine=serial in them.")
    size = size or cores()
    if _pool is None or _size != size:
        close()
        _pool, _size = ProcessPoolExecutor(size, mp_context=_context(), initializer=_start_worker), size
    return _pool


def _context() -> Any:
    """How worker processes are started.

    On Linux a server process imports what they need once, and is forked for each. Elsewhere, or where the server cannot
    start (its socket's path can be too long for the system), each worker is a new Python that imports it again.
    """
    if not sys.platform.startswith("linux"):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_IMPORTED))
    before = {variable: os.environ.get(variable) for variable in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))  # read when numpy and PyTorch are imported
    try:
        forkserver.ensure_running()
    except OSError:
        return multiprocessing.get_context("spawn")
    finally:
        for variable, value in before.items():
            if value is None:
                del os.environ[variable]
            else:
                os.environ[variable] = value
    return context


def close(kill: bool = False) -> None:
    """Shut the shared pool down.

    Args:
        kill: kill the workers instead of waiting until they have finished their work; also for a broken pool.
    """
    global _pool
    if _pool is None:
        return
    pool, _pool = _pool, None
    processes = list((pool._processes or {}).values())
    if kill:
        for process in processes:
            process.kill()
    pool.shutdown(wait=True, cancel_futures=True)


atexit.register(close)


def imap(function: Callable[[Item], Result], items: Iterable[Item], label: str) -> Iterator[Result]:
    """Apply a function to every item and yield the results in order.

    This process does the first items, for about as long as workers take to start; the pool does the others. So a few
    quick items start no workers. This process too computes with one thread meanwhile: more would round sums in another
    order.

    Args:
        function: a function that can be pickled.
        items: what it is applied to.
        label: the name of the progress display.

    Raises:
        UserError: a worker was killed.
    """
    work: list[Any] = list(items)
    yield from track(_results(function, work, label), len(work), label)


def _results(function: Callable[[Any], Result], work: Sequence[Any], label: str) -> Iterator[Result]:
    started, done = time.monotonic(), 0
    with threadpool_limits(1):
        while done < len(work) and (cores() == 1 or time.monotonic() - started < START_SECONDS):
            yield function(work[done])
            done += 1
    rest = work[done:]
    if not rest:
        return
    chunk = max(1, min(16, len(rest) // (4 * cores())))
    try:
        yield from workers().map(function, rest, chunksize=chunk)
    except KeyboardInterrupt:
        close(kill=True)
        raise
    except BrokenProcessPool as error:
        close(kill=True)
        raise UserError(f"{label}: a worker process was killed (out of memory?). The same command goes on.") from error


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _log_to_console()
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = "1"
    import numpy  # noqa: F401 (brings its BLAS, which may have been loaded before the variables were set)

    threadpool_limits(1)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent,), daemon=True).start()


def _log_to_console() -> None:
    """Write what this package logs to the command's standard error, which a worker has in common with it."""
    logger = logging.getLogger("ser")
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.StreamHandler())


def _die_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


@cache
def end_with(process: int) -> None:
    """End this process within a second when another process of this machine has ended. Windows is left out.

    Args:
        process: the other's id.
    """
    if os.name == "posix":  # on Windows, os.kill would end the other process
        threading.Thread(target=_outlive_not, args=(process,), daemon=True).start()


def _outlive_not(process: int) -> None:
    while True:
        try:
            os.kill(process, 0)
        except OSError:  # there is none, or it is another user's by now
            os._exit(1)
        time.sleep(1)
