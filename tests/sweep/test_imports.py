"""What is quick stays quick: composing, checking and showing load no library that takes seconds to import."""

import subprocess
import sys

import pytest
from support import experiment
from sweep.workplace import POINTS, SMALL

HEAVY = {"torch", "mlflow", "librosa"}

NAMED_AT_EXIT = """
import atexit, sys
atexit.register(lambda: print("", *sorted({name.partition(".")[0] for name in sys.modules}), sep="\\n"))
"""
RUN = "import runpy; runpy.run_module('ser.run', run_name='__main__', alter_sys=True)"
COMPOSE = """
from ser.sweep.commandline import rewrite
from ser.sweep.plan import compose_plan
plan = compose_plan(rewrite(sys.argv[1:]))
assert len({point.configuration for point in plan.points if point.error is None}) == 3
"""


def loaded(code, *arguments, cwd):
    """The packages that a process has imported when it ends."""
    command = [sys.executable, "-c", NAMED_AT_EXIT + code, *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines())


@pytest.mark.parametrize("module", ["ser.sweep.display", "ser.sweep.table", "ser.sweep.help"])
def test_a_module_that_shows_something_is_light(module, tmp_path):
    found = loaded(f"import {module}", cwd=tmp_path)
    assert "ser" in found
    assert not found & HEAVY


def test_the_package_itself_is_light(tmp_path):
    found = loaded("import ser; ser.sweep, ser.results, dir(ser)", cwd=tmp_path)
    assert "ser" in found
    assert not found & {*HEAVY, "hydra", "numpy", "pandas", "matplotlib"}


def test_showing_the_configuration_is_light(tmp_path):
    found = loaded(RUN, "model.channels=8", "--cfg", "job", cwd=tmp_path)
    assert {"ser", "hydra"} <= found
    assert not found & HEAVY


def test_composing_a_plan_is_light(tiny, tmp_path):
    common = ("corpus.size=tiny", f"corpus.root={tiny}", f"cache.dir={tmp_path}/cache")
    experiment(*common)  # hashes the audio files
    found = loaded(COMPOSE, *common, "model.channels=8", "loss=cos,l2,none", cwd=tmp_path)
    assert {"ser", "hydra"} <= found
    assert not found & HEAVY


@pytest.mark.parametrize("tracking", ["mlflow", "none"])
def test_a_finished_sweep_is_shown_again_without_torch(folder, tiny, tracking):
    """With MLflow's store the runs that it has are looked up, so mlflow is imported and nothing else."""
    arguments = ("-m", *SMALL, f"corpus.root={tiny}", *POINTS, f"tracking={tracking}")
    found = loaded(RUN, *arguments, cwd=folder)
    assert {"ser", "hydra"} <= found
    assert not found & (HEAVY - {tracking})
