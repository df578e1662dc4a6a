"""The pool of worker processes."""

import os
import signal
import subprocess
import sys
import time
from multiprocessing import forkserver
from types import SimpleNamespace

import joblib
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from ser.errors import UserError
from ser.system import pool

SLEEPING = """
import os, sys, time
from ser.system import pool

def busy(_):
    time.sleep(600)

if __name__ == "__main__":
    executor = pool.workers(2)
    [executor.submit(os.getpid).result(), *(executor.submit(time.sleep, 600) for _ in range(2))]
    time.sleep(1)
    print(*executor._processes, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def closed():
    """Without a pool before and after."""
    pool.close()
    yield
    pool.close(kill=True)


def threads():
    """What a worker says of its threads."""
    import numpy  # noqa: F401
    import threadpoolctl
    import torch

    assert os.environ["OMP_NUM_THREADS"] == "1"
    return {info["num_threads"] for info in threadpoolctl.threadpool_info()} | {torch.get_num_threads()}


def test_a_worker_has_one_thread_and_the_parent_keeps_its_own(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    assert pool.workers(1).submit(threads).result() == {1}
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "NUMBA_NUM_THREADS" not in os.environ


def test_where_the_fork_server_cannot_start_workers_are_spawned(monkeypatch):
    """As in a temporary folder with a path too long for a socket."""

    def fail():
        raise OSError("AF_UNIX path too long")

    monkeypatch.setattr(forkserver, "ensure_running", fail)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert pool.workers(1)._mp_context.get_start_method() == "spawn"
    assert pool.workers(1).submit(threads).result() == {1}


def numbered_process(number):
    return number, os.getpid()


def test_quick_items_start_no_workers():
    assert list(pool.imap(numbered_process, range(40), "")) == [(number, os.getpid()) for number in range(40)]
    assert pool._pool is None


@pytest.mark.skipif(pool.cores() == 1, reason="needs two cores")
def test_what_takes_longer_than_workers_to_start_is_done_by_them(monkeypatch):
    monkeypatch.setattr(pool, "START_SECONDS", 0.5)
    results = pool.imap(numbered_process, range(40), "")
    first = [next(results)]
    time.sleep(0.6)
    numbers, processes = zip(*first, *results, strict=True)
    assert numbers == tuple(range(40))
    assert processes[0] == os.getpid()
    assert os.getpid() not in processes[1:]


def ended(process):
    """Whether a process is gone, or dead and not yet collected by its parent."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="needs /proc")
def test_workers_and_their_server_end_when_their_parent_is_killed(tmp_path):
    """With SIGKILL, which it cannot see coming, while they are busy."""
    (tmp_path / "sleeping.py").write_text(SLEEPING)
    command = [sys.executable, str(tmp_path / "sleeping.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        workers = [int(word) for word in parent.stdout.readline().split()]
        session = subprocess.run(
            ["ps", "-o", "pid=", "-s", str(parent.pid)], capture_output=True, text=True, check=True
        )
        family = {int(word) for word in session.stdout.split()} - {parent.pid}
        assert len(workers) == 2
        assert {*workers} <= family
        assert not any(map(ended, workers))
        os.kill(parent.pid, signal.SIGKILL)
    until = time.monotonic() + 30
    while not all(map(ended, family)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not [process for process in family if not ended(process)]


@pytest.fixture
def unlaunched(monkeypatch):
    """As outside of any scheduler, on a machine of eight cores."""
    for name in ("SLURM_CPUS_PER_TASK", "SUBMITIT_EXECUTOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    monkeypatch.setitem(sys.modules, "ray", None)


def test_the_cores_of_a_bound_process():
    bound = f"import os; os.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}}); from ser.system import pool; "
    command = [sys.executable, "-c", f"{bound}print(pool.cores())"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "1\n"


def test_few_items_are_computed_with_one_thread_as_in_a_worker():
    """Else features would differ in their last bits between a job of one core and a machine of many."""

    def most(_):
        return max(each["num_threads"] for each in threadpool_info())

    with threadpool_limits(2):
        assert most(None) == 2
        assert list(pool.imap(most, range(3), "items")) == [1, 1, 1]


def test_slurm_grants_cores(unlaunched, monkeypatch):
    assert pool.cores() == 8
    for said, cores in {"3": 3, "64": 8, "": 8}.items():
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", said)
        assert pool.cores() == cores


@pytest.mark.parametrize(("assigned", "cores"), [({"CPU": 3.0}, 3), ({"CPU": 0.5}, 1), ({"GPU": 1.0}, 1)])
def test_ray_grants_cores_to_its_jobs(unlaunched, monkeypatch, assigned, cores):
    """And none to the process that submits them."""
    worker = SimpleNamespace(mode=1)
    context = SimpleNamespace(worker=worker, get_assigned_resources=lambda: assigned)
    ray = SimpleNamespace(is_initialized=lambda: True, WORKER_MODE=1, get_runtime_context=lambda: context)
    monkeypatch.setitem(sys.modules, "ray", ray)
    assert pool.cores() == cores
    worker.mode = 0
    assert pool.cores() == 8


def test_submitits_local_jobs_share_the_machine(unlaunched, monkeypatch):
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    assert pool.cores() == 8
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "local")
    assert pool.cores() == 1
    with pytest.raises(UserError, match="share the cores"):
        pool.workers()


def test_a_job_ends_with_its_command():
    sleep = "import time; time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", sleep]) as command:
        code = f"from ser.system import pool; pool.end_with({command.pid}); print(flush=True); {sleep}"
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as job:
            job.stdout.readline()
            assert job.poll() is None
            command.kill()
            command.wait()
            assert job.wait(20) == 1
