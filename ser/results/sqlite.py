"""MLflow's store in a SQLite file: its path, how it is made, and where the files of its runs lie.

    mlflow.db                          the database
    mlflow.db.lock                     held while the database is made, and while runs are looked up and written
    mlruns/<experiment>/<run>/artifacts    the files of a run, beside the database

Nothing here imports mlflow.
"""

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ser.errors import UserError
from ser.system.files import lock

_ADDRESS = re.compile(r"sqlite(?:\+\w+)?:///(?P<path>[^?]+)(?:\?.*)?")
_MAKE = """\
import sys
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import Engine, event

event.listen(Engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
SqlAlchemyStore(*sys.argv[1:])
"""
"""MLflow makes its tables in some 70 steps. The disk need not have each: the file has its name only afterwards."""


def path_of(uri: str) -> Path | None:
    """The file of a store; None for any other store.

    >>> path_of("sqlite:////data/mlflow.db?timeout=60"), path_of("http://host")
    (PosixPath('/data/mlflow.db'), None)
    """
    address = _ADDRESS.fullmatch(uri)
    return Path(address["path"]) if address else None


def lock_file(path: Path) -> Path:
    """The lock file of a store, for all processes and folders of results."""
    return Path(f"{path}.lock")


def make(path: Path) -> None:
    """Make a store if there is none, whole or not at all.

    Two processes that make it at once, or a process that is killed while it makes it, would leave a database that
    cannot be used. So one process at a time makes it under a temporary name and renames it. A child process does so,
    because a connection to the temporary name must not stay open in this process.

    Raises:
        UserError: MLflow could not make it.
    """
    if path.exists():
        return
    with lock(lock_file(path)):
        if path.exists():
            return
        temporary = path.with_name(f".{path.name}-being-made")
        temporary.unlink(missing_ok=True)
        failure = create(temporary, _files(path))
        if failure:
            temporary.unlink(missing_ok=True)
            raise UserError(f"MLflow could not make {path}: {failure}")
        with closing(sqlite3.connect(temporary)) as database:
            database.execute("PRAGMA journal_mode=WAL")
        _to_disk(temporary)
        os.replace(temporary, path)


def create(path: Path, files: Path) -> str:
    """Have MLflow make its tables in a new file; a process of its own does so.

    Args:
        path: the file.
        files: the folder of the files of all runs.

    Returns:
        Why MLflow could not; empty when it could.
    """
    made = subprocess.run(
        [sys.executable, "-c", _MAKE, f"sqlite:///{path}", str(files)], capture_output=True, text=True, check=False
    )
    return _reason(made.stderr) if made.returncode else ""


def _to_disk(path: Path) -> None:
    """Have the disk take a file's content now, so that a power cut leaves no name without it."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _reason(printed: str) -> str:
    """What a traceback ends with, without SQLAlchemy's address for more."""
    lines = [line for line in printed.strip().splitlines() if not line.startswith("(Background on this error")]
    return (lines or ["?"])[-1]


def keep_files_beside(path: Path, experiment: str) -> None:
    """Let the files of an experiment's runs lie beside the store.

    MLflow itself notes the working folder of the process that makes an experiment, as an absolute path. That path is
    replaced for an experiment without runs; where the store was moved or copied together with the files, which shows
    in the folder of one of its runs; and where the former folder is gone or cannot be written. Files that lie elsewhere
    stay there while they can be used. Several stores in one folder share ``mlruns``: runs' ids are unique.

    Args:
        path: the store.
        experiment: the experiment's id.
    """
    beside = _files(path) / experiment
    with closing(sqlite3.connect(path, timeout=60)) as database, database:
        select = "SELECT artifact_location FROM experiments WHERE experiment_id = ?"
        (noted,) = database.execute(select, [experiment]).fetchone()
        runs = [run for (run,) in database.execute("SELECT run_uuid FROM runs WHERE experiment_id = ?", [experiment])]
        former, moved = local_folder(noted), any((beside / run).is_dir() for run in runs)
        if former in (None, beside) or (runs and not moved and _can_be_written(former)):
            return
        database.execute(
            "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", [str(beside), experiment]
        )
        database.execute(
            "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) WHERE experiment_id = ?"
            " AND substr(artifact_uri, 1, ?) = ?",
            [str(beside), len(noted) + 1, experiment, len(noted), noted],
        )


def local_folder(uri: str) -> Path | None:
    """The folder that an address of files names; None where another machine keeps them."""
    scheme = urlsplit(uri).scheme
    if scheme == "file":
        return Path(unquote(urlsplit(uri).path))
    return None if scheme else Path(uri)


def _can_be_written(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK)


def _files(path: Path) -> Path:
    """The folder of the files of all runs."""
    return path.absolute().parent / "mlruns"
