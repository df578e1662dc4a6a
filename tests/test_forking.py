"""A forked command is told apart from a started one by nothing but its speed."""

import contextlib
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from forking import run_forked

MODULE = """
import atexit, os, sys
import beside

atexit.register(print, "at exit")
print(__name__, sys.argv[1:], os.getcwd(), os.environ["MINE"], "HOME" in os.environ, beside.NAME, sys.stdin.read())
print("an error", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere nothing is forked")
@pytest.mark.parametrize("status", ["0", "3"])
def test_a_forked_command_does_what_a_started_one_does(tmp_path, status):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "told.py").write_text(MODULE)
    (tmp_path / "beside.py").write_text("NAME = 'found'\n")
    (tmp_path / "work").mkdir()
    environment = {"MINE": "ä b", "PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
    options = {"cwd": tmp_path / "work", "env": environment, "timeout": 60}
    forked = run_forked("package.told", (status, "a b"), **options)
    command = [sys.executable, "-m", "package.told", status, "a b"]
    started = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", check=False, **options
    )
    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)
    assert forked.returncode == int(status)
    assert "at exit" in forked.stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere nothing is forked")
def test_a_store_that_a_forked_command_makes_is_what_mlflow_makes(tmp_path):
    """The second one is a copy."""
    from ser.results.sqlite import make

    (tmp_path / "making.py").write_text("import pathlib, ser.results.sqlite as s; s.make(pathlib.Path('mlflow.db'))")
    for name in ("first", "second", "made"):
        (tmp_path / name).mkdir()
    for name in ("first", "second"):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), *sys.path))}
        done = run_forked("making", (), tmp_path / name, environment, timeout=60)
        assert done.returncode == 0, done.stderr
    make(tmp_path / "made" / "mlflow.db")
    expected = tables(tmp_path / "made")
    assert len(expected) > 100
    assert tables(tmp_path / "first") == tables(tmp_path / "second") == expected


def tables(folder: Path) -> list[list[str]]:
    """A store as SQL statements, without its folder and the times at which it was made.

    Statements, and the words of each, are sorted: MLflow makes indexes and constraints in another order each time.
    """
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.execute("UPDATE experiments SET creation_time = 0, last_update_time = 0")
        statements = [line.replace(str(folder), "FOLDER") for line in database.iterdump()]
    return sorted(sorted(re.findall(r"[^\s,]+", statement)) for statement in statements)
