"""A sweep that is killed again and again ends like one that nobody disturbed. Minutes: ``make test-faults``."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from sweep.workplace import SMALL, rows

KILLS = 20
KILLED_WORKERS = 10
POINTS = ("loss=cos,l2", "lambda=0.6,0.7,0.8", "repeats=5", "fold=1")
RUNS = 30
WORKERS = ("engine=workers", "engine.workers=2")
JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
LONG = [each for each in SMALL if "max_epochs" not in each] + ["trainer.max_epochs=200", "trainer.patience=1000"]
"""Trainings of seconds, so that the sweep is not over after a few commands."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def start(folder, tiny, *more):
    """The command, as the leader of a process group of its own, which its workers belong to."""
    command = [sys.executable, "-m", "ser.run", "-m", *LONG, f"corpus.root={tiny}", *(more or WORKERS), *POINTS]
    with (folder / "stdout").open("w") as out, (folder / "stderr").open("w") as err:
        return subprocess.Popen(command, cwd=folder, stdout=out, stderr=err, start_new_session=True)


def table(folder):
    """The closing table of the command that ended last."""
    return (folder / "stdout").read_text().partition("\nsweep ")[2]


def metrics(folder):
    """Every metric of every run that is not deleted but for its durations, by the run's signature and by its name."""
    query = (
        "select tags.value, runs.name, latest_metrics.key, latest_metrics.value from latest_metrics "
        "join runs using (run_uuid) join tags using (run_uuid) where tags.key = 'signature' "
        "and lifecycle_stage = 'active' and status = 'FINISHED' and latest_metrics.key not like '%seconds%'"
    )
    return sorted(rows(folder, query))


def working_in(folder):
    """The processes whose working directory is the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(process / "cwd")) == folder:
                found.append(process.name)
        except OSError:
            continue
    return found


def parents():
    """The parent of each process of this machine."""
    found = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            found[int(file.parent.name)] = int(file.read_text().rpartition(")")[2].split()[1])
    return found


def workers(process):
    """The workers of a command's pool, which a child of the command forks."""
    parent = parents()
    return [each for each in parent if parent.get(parent[each]) == process.pid]


def claiming(folder):
    """A process that does a training now; None if there is none."""
    for claim in folder.glob("results/claims/*"):
        with suppress(OSError, ValueError):  # it has just ended, or begins
            return json.loads(claim.read_text())["pid"]
    return None


@pytest.fixture(scope="module")
def undisturbed(tiny, tmp_path_factory):
    """The folder of a sweep that nobody disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert start(folder, tiny).wait() == 0, (folder / "stderr").read_text()
    return folder


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_a_sweep_that_is_killed_at_random_moments_ends_like_an_undisturbed_one(undisturbed, tiny, tmp_path, how):
    moments, killed = random.Random(0), 0
    for _ in range(KILLS):
        process = start(tmp_path, tiny)
        try:
            status = process.wait(timeout=moments.uniform(1, 9))
        except subprocess.TimeoutExpired:
            killed += 1
            (os.killpg if how == signal.SIGKILL else os.kill)(process.pid, how)
            status = process.wait(timeout=60)
            assert status in ({-9} if how == signal.SIGKILL else {143, 0}), (tmp_path / "stderr").read_text()
        else:
            assert status == 0, (tmp_path / "stderr").read_text()
        end = time.monotonic() + 20
        while working_in(tmp_path) and time.monotonic() < end:
            time.sleep(0.1)
        assert not working_in(tmp_path)
    assert start(tmp_path, tiny).wait() == 0, (tmp_path / "stderr").read_text()
    print(f"{killed} of {KILLS} commands were ended by {how.name}, the others had ended before")
    assert killed >= 15
    assert table(tmp_path) == table(undisturbed) != ""
    logged = metrics(tmp_path)
    assert logged == metrics(undisturbed)
    assert len({signature for signature, *_ in logged}) == RUNS + 6  # and a parent for each point
    temporary = [path for part in ("results", "cache", "mlruns") for path in (tmp_path / part).rglob(".*")]
    assert not temporary


def wait_for_end(folder, process):
    """Wait for the end of a command whose processes were killed: all is there, or some trainings are not."""
    status, printed = process.wait(timeout=600), (folder / "stderr").read_text()
    assert status in (0, 1), printed
    assert "Traceback" not in printed
    return status


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc")
def test_a_sweep_whose_workers_are_killed_ends_like_an_undisturbed_one(undisturbed, tiny, tmp_path):
    """A training whose worker is killed is tried again, and by the next command if that one is killed, too."""
    moments, commands, process = random.Random(0), 1, start(tmp_path, tiny)
    for _ in range(KILLED_WORKERS):
        end = time.monotonic() + moments.uniform(1, 6)
        while time.monotonic() < end or not workers(process):
            if process.poll() is not None:
                wait_for_end(tmp_path, process)
                commands, process = commands + 1, start(tmp_path, tiny)
            time.sleep(0.1)
        os.kill(moments.choice(workers(process)), signal.SIGKILL)
    while wait_for_end(tmp_path, process):
        commands, process = commands + 1, start(tmp_path, tiny)
    print(f"{KILLED_WORKERS} workers were killed, and the sweep took {commands} commands")
    assert table(tmp_path) == table(undisturbed) != ""
    assert metrics(tmp_path) == metrics(undisturbed)
    assert not list(tmp_path.glob("results/claims/*"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc")
def test_a_sweep_whose_joblib_process_is_killed_goes_on_with_the_same_command(undisturbed, tiny, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="needs hydra-joblib-launcher")
    process = start(tmp_path, tiny, *JOBLIB)
    while len(list(tmp_path.glob("results/replicas/*/*.npz"))) < 3 or (owner := claiming(tmp_path)) is None:
        assert process.poll() is None, (tmp_path / "stderr").read_text()
        time.sleep(0.1)
    os.kill(owner, signal.SIGKILL)
    assert wait_for_end(tmp_path, process) == 1
    assert "A process of the launcher was killed" in (tmp_path / "stderr").read_text()
    assert "X (" in table(tmp_path)
    assert wait_for_end(tmp_path, start(tmp_path, tiny, *JOBLIB)) == 0
    assert table(tmp_path) == table(undisturbed) != ""
    assert metrics(tmp_path) == metrics(undisturbed)
