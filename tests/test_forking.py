"""A forked command is told apart from a started one by nothing but its speed."""

import os
import subprocess
import sys

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
