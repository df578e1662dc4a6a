"""A working directory in which a small sweep was run, and how it is copied for a test that changes something."""

import os
import shutil
import sqlite3
from contextlib import closing

SMALL = ("length=1", "model.channels=4", "trainer.max_epochs=2", "trainer.lr=1e-3", "device=cpu", "corpus.size=tiny")

SERIAL = "engine=serial"
"""Where no workers are needed: they take seconds to start."""

POINTS = ("loss=cos,l2,none", "lambda=0.6,0.7")
"""The sweep of the fixture ``finished``: six points, two of them equal."""


def rows(folder, query, store="mlflow.db"):
    """What MLflow's store in a working directory answers."""
    with closing(sqlite3.connect(folder / store)) as database:
        return database.execute(query).fetchall()


def copy(source, target):
    """Copy a working directory. MLflow's store holds absolute paths of artifacts: the copy's store names the copy's."""
    for name in ("results", "cache", "mlruns"):
        shutil.copytree(source / name, target / name)
    with (
        closing(sqlite3.connect(source / "mlflow.db")) as old,
        closing(sqlite3.connect(target / "mlflow.db")) as new,
    ):
        old.backup(new)
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            new.execute(f"update {table} set {column} = replace({column}, ?, ?)", (f"{source}/", f"{target}/"))
        new.commit()


def contents(folder):
    """Size and time of every file under a folder, but for SQLite's own while it reads."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm"))]
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


_TELLING = """\
from ser.sweep.job import Job

def keep(job, replica, result, keep=Job.keep):
    with open({file!r}, "a") as told:
        told.write(replica.signature + "\\n")
    keep(job, replica, result)

Job.keep = keep
"""


def telling_what_is_trained(folder):
    """The environment of commands that write down each training that they have done, for ``trained``.

    Python imports the module ``sitecustomize`` when it starts: in the command, and in the processes of a launcher.
    """
    place = folder / "telling"
    place.mkdir()
    (place / "sitecustomize.py").write_text(_TELLING.format(file=str(place / "trained")))
    path = os.pathsep.join(filter(None, [str(place), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path}


def trained(folder):
    """The signature of each training that commands in a folder have done, as often as it was done."""
    return (folder / "telling" / "trained").read_text().splitlines()
