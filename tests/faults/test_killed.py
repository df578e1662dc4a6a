"""A sweep that is killed again and again ends like one that nobody disturbed. Minutes: ``make test-faults``."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sweep.workplace import SMALL, rows

KILLS = 20
POINTS = ("loss=cos,l2", "lambda=0.6,0.7,0.8", "repeats=5", "fold=1")
RUNS = 30
LONG = [each for each in SMALL if "max_epochs" not in each] + ["trainer.max_epochs=200", "trainer.patience=1000"]
"""Trainings of seconds, so that the sweep is not over after a few commands."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def start(folder, tiny):
    """The command, as the leader of a process group of its own, which its workers belong to."""
    command = [sys.executable, "-m", "ser.run", "-m", *LONG, f"corpus.root={tiny}", "engine=workers", *POINTS]
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
