"""A real ``mlflow server`` on a real PostgreSQL database, set up as in docs/cluster.md, and what if one is killed."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
from support import free_port, run
from sweep.workplace import SMALL

from ser.results.drivers import check_driver

ROOT = os.name == "posix" and os.geteuid() == 0
USER = "postgres" if ROOT else None
"""PostgreSQL does not run as root: Debian's package makes this user."""


def program(name):
    """A program of PostgreSQL: on the path, or where Debian puts it."""
    found = [shutil.which(name), *map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}")))]
    return next(filter(None, reversed(found)), None)


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(program("initdb") is None, reason="needs PostgreSQL: apt-get install postgresql"),
    pytest.mark.skipif(find_spec("psycopg") is None, reason="needs pip install 'psycopg[binary]'"),
]


def wait_for(port, process):
    """Wait until a process listens on a port."""
    for _ in range(480):
        assert process.poll() is None, "it did not start"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.25)
    raise TimeoutError(f"nothing listens on port {port}")


@contextmanager
def started(command, port, how=signal.SIGTERM, **more):
    """A server while the block runs; at its end it gets a signal, with all of its processes."""
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL, **more) as process:
        try:
            wait_for(port, process)
            yield
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, how)


@contextmanager
def postgresql(folder, port, how=signal.SIGINT):
    """PostgreSQL's server on the data in a folder; its end is a signal to all of its processes."""
    command = [program("postgres"), "-D", folder / "data", "-k", folder, "-p", str(port)]
    with started([*command, "-c", "listen_addresses=127.0.0.1"], port, how, **as_user(folder)):
        answers = [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        for _ in range(240):  # it listens before it answers
            if subprocess.run(answers, check=False).returncode == 0:
                break
            time.sleep(0.25)
        yield


def as_user(folder):
    return {"user": USER, "cwd": folder, "stdout": subprocess.DEVNULL}


@pytest.fixture
def cluster():
    """The folder and the port of a PostgreSQL server that does not run, and the address of an empty database of it."""
    with tempfile.TemporaryDirectory() as name:  # a short path: the server's socket lies there
        folder, port, owner = Path(name), free_port(), USER or getpass.getuser()
        if ROOT:
            shutil.chown(folder, USER)
        made = [program("initdb"), "-D", folder / "data", "-U", owner, "--auth=trust"]
        subprocess.run(made, check=True, **as_user(folder))
        with postgresql(folder, port):
            create = [program("createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", owner, "mlflow"]
            subprocess.run(create, check=True)
        yield folder, port, f"postgresql+psycopg://{owner}@127.0.0.1:{port}/mlflow"


@pytest.fixture
def database(cluster):
    """The address of an empty database of a PostgreSQL server that runs for this test."""
    folder, port, address = cluster
    with postgresql(folder, port):
        yield address


@contextmanager
def tracking_server(database, folder, port, how=signal.SIGTERM):
    """The server of docs/cluster.md, with its artifacts in a folder."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", database, "--artifacts-destination", str(folder / "artifacts")]
    quiet = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with started(command, port, how, cwd=folder, env=quiet, stdout=subprocess.DEVNULL):
        yield f"http://127.0.0.1:{port}"


def test_sweeps_into_a_server_on_postgresql_that_is_killed_between_them(database, tiny, tmp_path):
    served, work, port = tmp_path / "served", tmp_path / "work", free_port()
    served.mkdir()
    work.mkdir()
    check_driver(database)
    sweep = ("-m", *SMALL, f"corpus.root={tiny}", "loss=cos,l2", "fold=1", f"tracking.uri=http://127.0.0.1:{port}")
    with tracking_server(database, served, port, signal.SIGKILL):
        done = run(*sweep, "lambda=0.6,0.9", cwd=work)
        assert done.returncode == 0, done.stderr
        first = stored(work, port)
        assert len(first) == 4
    assert len(list(served.glob("artifacts/*/*/artifacts/predictions.csv"))) == 4
    done = run(*sweep, "lambda=0.6,0.9,0.3", cwd=work)
    assert done.returncode == 2, "the server is away"
    assert "refused" in done.stderr and "tracking=none" in done.stderr
    assert len(list(work.glob("results/replicas/*/*.npz"))) == 4, "which is found before anything is trained"
    with tracking_server(database, served, port):
        for _ in range(2):
            done = run(*sweep, "lambda=0.6,0.9,0.3", cwd=work)
            assert done.returncode == 0, done.stderr
            second = stored(work, port)
            assert len(second) == 6
            assert first.items() <= second.items()
        assert len(list(served.glob("artifacts/*/*/artifacts/predictions.csv"))) == 6
        arguments = ("sweep=last", "by=loss", f"tracking.uri=http://127.0.0.1:{port}")
        shown = run(*arguments, cwd=work, module="multirun_analysis")
        assert shown.returncode == 0, shown.stderr
        assert "cos" in shown.stdout
    assert not (work / "mlruns").exists()
    assert not (work / "mlflow.db").exists()


def test_a_sweep_whose_database_is_killed_while_it_runs(cluster, tiny, tmp_path):
    """The server of MLflow goes on; PostgreSQL is started again after two more results."""
    folder, port, database = cluster
    served, work, address = tmp_path / "served", tmp_path / "work", free_port()
    served.mkdir()
    work.mkdir()
    sweep = ("-m", *SMALL, f"corpus.root={tiny}", "engine=serial", "loss=cos,l2", "lambda=0.6,0.7,0.9", "repeats=3")
    sweep = (*sweep, "fold=1", "trainer.max_epochs=30", f"tracking.uri=http://127.0.0.1:{address}")
    results = lambda: len(list(work.glob("results/replicas/*/*.npz")))  # noqa: E731

    def wait_for_more(process, number):
        while results() < number:
            assert process.poll() is None, "it was too fast"
            time.sleep(0.1)

    with ExitStack() as running:
        with postgresql(folder, port, signal.SIGKILL):
            running.enter_context(tracking_server(database, served, address))
            command = [sys.executable, "-m", "ser.run", *sweep]
            process = running.enter_context(subprocess.Popen(command, cwd=work, stderr=subprocess.PIPE, text=True))
            wait_for_more(process, 7)
            before = len(stored(work, address, goes_on=True))
        wait_for_more(process, 9)
        with postgresql(folder, port):
            printed = process.communicate()[1]
            print(
                f"{before} runs before PostgreSQL was killed, exit status {process.returncode} after it was restarted"
            )
            assert process.returncode in (0, 1), printed
            assert results() == 18, "it costs no training"
            assert "Traceback" not in printed
            done = run(*sweep, cwd=work)
            assert done.returncode == 0, done.stderr
            found = stored(work, address)
            assert len(found) == 18 + 6, "each seed, and a parent for each point"
    assert before >= 3
    assert len(list(served.glob("artifacts/*/*/artifacts/predictions.csv"))) == 18


def stored(work, port, goes_on=False):
    """The WA of every run of the server, by the signature of its run; of finished runs while the sweep goes on."""
    code = (
        "import mlflow; client = mlflow.MlflowClient(); ids = [e.experiment_id for e in client.search_experiments()]\n"
        "for run in client.search_runs(ids):\n"
        "    print(run.data.tags['signature'], run.info.status, run.data.metrics.get('wa'))"
    )
    address = {**os.environ, "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=work, env=address, capture_output=True, text=True, timeout=120, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    lines = [line for line in lines if not (goes_on and line[1] == "RUNNING")]
    assert {status for _, status, _ in lines} == {"FINISHED"}
    assert len({signature for signature, *_ in lines}) == len(lines), "a run is there twice"
    return {signature: float(wa) for signature, _, wa in lines}
