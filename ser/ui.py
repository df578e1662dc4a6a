"""``python -m ser.ui``: start MLflow's UI on this folder's runs, and print the addresses of their tables."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import NoReturn

from ser.config.words import assignments
from ser.errors import UserError
from ser.system.command import run_command
from ser.system.text import aligned, shown_address

_HELP = """MLflow's UI. It prints the addresses of each experiment's tables, the last used experiment first.

  python -m ser.ui                                  the store that a sweep here would use
  python -m ser.ui port=5001 uri=sqlite:////path/to/mlflow.db    (tracking.uri= is the same)
  python -m ser.ui uri=http://server:5000           only the addresses: a server shows its pages itself"""


def cli() -> NoReturn:
    """Serve what the command line names, and exit (``run_command``)."""
    run_command(lambda: main(sys.argv[1:]))


def main(arguments: list[str]) -> int:
    """Start the server and wait until it ends; of a tracking server, which has its own, print the addresses only.

    Args:
        arguments: ``port=``, and ``uri=`` or ``tracking.uri=``; or ``--help``.

    Returns:
        The exit status.

    Raises:
        UserError: an argument is not understood, the port is taken, or the store cannot be opened.
    """
    if {"-h", "--help"} & set(arguments):
        print(_HELP)
        return 0
    given = assignments(arguments, {"port": "5000", "uri": "", "tracking.uri": ""})
    from ser.results.drivers import kind_of
    from ser.results.mlflow import pages, resolve_uri
    from ser.results.opening import check_store

    uri = resolve_uri(given["uri"] or given["tracking.uri"])
    if kind_of(uri) in ("http", "https"):
        check_store(uri)
        print(_addresses(shown_address(uri).rstrip("/"), pages(uri)))
        return 0
    _check_port(given["port"])
    check_store(uri)  # MLflow would make its tables in the database of another program
    known = {"MLFLOW_BACKEND_STORE_URI": uri}  # not on the command line, which other users see
    print(_addresses(f"http://127.0.0.1:{given['port']}", pages(uri)), flush=True)
    command = [sys.executable, "-m", "mlflow", "ui", "--workers", "1", "--port", given["port"]]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    server = subprocess.Popen(command, env={**os.environ, **quiet, **known}, start_new_session=True)
    try:
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        _end(server)


def _check_port(port: str) -> None:
    """Check that a server can listen on a port of this machine.

    Raises:
        UserError: it is no port, or another program has it.
    """
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise UserError(f"port={port} is no port. Give a number from 1 to 65535, such as port=5001.")
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", int(port)))
        except OSError as error:
            raise UserError(f"port={port}: {error.strerror}. Give another one, such as port=5001.") from error


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server with the processes that it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        with suppress(subprocess.TimeoutExpired):
            server.wait(timeout=5)


def _addresses(host: str, pages: Mapping[str, Mapping[str, str]]) -> str:
    """The address of each table of each experiment; that of MLflow's own first page where there is none."""
    tables = [
        f"{name}\n{aligned([[host + path, what] for what, path in each.items()])}" for name, each in pages.items()
    ]
    return "\n".join(tables) or f"{host} (no runs of ser.run yet)"


if __name__ == "__main__":
    cli()
