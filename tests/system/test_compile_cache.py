"""Compiled code where neither the installation nor the home can be written, as in a container."""

import os
import subprocess
import sys

import pytest

from ser.system import compile_cache

OWN = """
from numba import njit

@njit(cache=True)
def twice(x):
    return 2 * x
"""
MAIN = """
import os, sys
from ser.system import compile_cache

compile_cache._COMPILED = ("own",)
if sys.argv[1] == "settled":
    compile_cache.settle()
from own.code import twice

assert twice(2) == 4
folder = os.environ.get("NUMBA_CACHE_DIR", "")
print(folder, sum(len(files) for _, _, files in os.walk(folder)))
"""


@pytest.fixture
def run(tmp_path):
    """``run("settled")``: a process that compiles, with a file wherever numba would write."""
    package = tmp_path / "own"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "code.py").write_text(OWN)
    (package / "__pycache__").write_text("no folder")
    (tmp_path / "home").write_text("no folder")

    def process(how, **variables):
        environment = {**os.environ, "HOME": str(tmp_path / "home"), **variables}
        for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
            if name not in variables:
                environment.pop(name, None)
        environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        command = [sys.executable, "-B", "-c", MAIN, how]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return process


def test_code_is_compiled_into_a_temporary_folder_where_numba_could_write_nowhere(run):
    assert "cannot cache function" in run("as it is").stderr
    done = run("settled")
    assert done.returncode == 0, done.stderr
    folder, files = done.stdout.split()
    assert "ser-compiled-" in folder
    assert int(files) > 0
    assert not os.path.exists(folder)


def test_a_folder_that_can_be_written_stays(run, tmp_path):
    done = run("settled", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert (done.returncode, done.stdout.split()) == (0, ["0"]), done.stderr
    done = run("settled", NUMBA_CACHE_DIR=str(tmp_path / "mine"))
    assert done.stdout.split()[0] == str(tmp_path / "mine")


def test_the_installation_is_enough(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    compile_cache.settle.__wrapped__()
    assert "NUMBA_CACHE_DIR" not in os.environ


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
def test_compiled_code_that_cannot_be_read_is_compiled_again(ending, tmp_path, monkeypatch, caplog):
    import numba

    compile_cache.pass_over_damage()
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "compiled"))
    (tmp_path / "own_code.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)

    def compiled():
        sys.modules.pop("own_code", None)
        from own_code import twice

        assert twice(2) == 4
        return len(twice.stats.cache_hits), len(twice.stats.cache_misses)

    assert compiled() == (0, 1)
    assert compiled() == (1, 0)
    (file,) = (tmp_path / "compiled").rglob(f"*.{ending}")
    for damage in (file.read_bytes()[:50], b"", b"no pickle"):
        file.write_bytes(damage)
        assert compiled() == (0, 1)
        assert f"Numba's compiled code {file} is damaged" in caplog.text
        assert compiled() == (1, 0)
    assert len(caplog.records) == 3
