"""``python -m MODULE ...`` as a process that is forked from one in which the large libraries are imported already.

Python takes four processor seconds to start and to import PyTorch and MLflow, and most commands of the tests less than
one for the rest. So a server process imports them once for each process of pytest, and forks for every command; it does
nothing else. What it forks has its own arguments, working directory, environment and standard streams, runs the module
as ``__main__`` and ends like any other process. Tests of what a command imports, and of commands that are killed or run
at once, start Python itself.

A new MLflow store takes four seconds as well, always for the same tables: the first one is kept beside the server's
socket, and later commands copy it.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from functools import lru_cache
from pathlib import Path

IMPORTED = ("ser.sweep.queue", "ser.sweep.display", "ser.sweep.table", "ser.corpora.synthetic.reader",
            "ser.training.engines", "torch._dynamo", "ser.results.mlflow", "ser.results.artifacts",
            "mlflow.tracking", "mlflow.store.tracking.sqlalchemy_store", "librosa.feature.spectral",
            "matplotlib.backends.backend_agg", "matplotlib.figure")  # fmt: skip


def run_forked(module: str, arguments: tuple[str, ...], cwd: Path, env: dict[str, str], timeout: float):
    """Run ``python -m module arguments``; returns what ``subprocess.run`` with captured text does."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as client:
        streams = [os.devnull, os.path.join(folder, "stdout"), os.path.join(folder, "stderr")]
        command = {"module": module, "arguments": arguments, "cwd": str(cwd), "env": env, "streams": streams}
        client.settimeout(timeout)
        with _starting:
            client.connect(_server()[0])
        client.sendall(json.dumps(command).encode() + b"\n")
        status = int(client.makefile().readline())
        stdout, stderr = (Path(path).read_text(encoding="utf-8") for path in streams[1:])
    return subprocess.CompletedProcess(arguments, status, stdout, stderr)


_starting = threading.Lock()


@lru_cache(maxsize=1)
def _server() -> tuple[str, object, object]:
    """Start the server, which ends with this process.

    Returns:
        Its socket, and what must not be collected: the socket's folder, and the process with its standard input.
    """
    folder = tempfile.TemporaryDirectory()
    path = os.path.join(folder.name, "socket")
    server = subprocess.Popen([sys.executable, __file__, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdout.readline() == b"ready\n"
    return path, folder, server


def serve(path: str) -> dict:
    """Fork for every command that comes in; returns, in the process that was forked for it, the command."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)
        while True:
            if sys.stdin in select.select([sys.stdin, listener], [], [])[0]:
                os._exit(0)  # the parent has ended
            client, _ = listener.accept()
            if os.fork() == 0:
                break
            client.close()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
    command = json.loads(client.makefile().readline())
    child = os.fork()
    if child:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        client.sendall(f"{status}\n".encode())
        os._exit(0)
    client.close()
    return command


def copy_new_stores(template: Path) -> None:
    """Let new MLflow stores be copies of one, which is made when it is first needed."""
    from ser.results import sqlite
    from ser.system.files import lock

    create = sqlite.create

    def copy(path: Path, files: Path) -> str:
        with lock(template.with_suffix(".lock")):
            failure = "" if template.exists() else create(template, files)
        if failure:
            template.unlink(missing_ok=True)
            return failure
        shutil.copyfile(template, path)
        with contextlib.closing(sqlite3.connect(path)) as database, database:  # else it is the first store's folder
            database.execute("UPDATE experiments SET artifact_location = ?", [str(files / "0")])
        return ""

    sqlite.create = copy


def become(module: str, arguments: list[str], cwd: str, env: dict[str, str], streams: list[str]) -> None:
    """Run a command in this process, as ``python -m`` does."""
    for number, path in enumerate(streams):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[:1] = [cwd, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    from ser.system.environment import quiet_mlflow

    quiet_mlflow()
    for name in IMPORTED:
        importlib.import_module(name)
    copy_new_stores(Path(sys.argv[1]).with_name("mlflow.db"))
    gc.freeze()  # else every command looks for garbage in what was imported
    become(**serve(sys.argv[1]))
