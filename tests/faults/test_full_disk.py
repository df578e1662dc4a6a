"""A disk that fills in the middle of a sweep: one message, nothing half-written, and the same command goes on.

A minute or two for each place: ``make test-faults``.
"""

import os
import subprocess
import sys

import pytest
from support import run
from sweep.workplace import SERIAL, SMALL, rows

SWEEP = ("-m", *SMALL, SERIAL, "loss=cos,l2", "lambda=0.6,0.9", "fold=1")
SIZE = 4 * 2**20  # bytes

DEVICE_FULL = "No space left on device"
NOT_STORED = f"No result can be stored: {DEVICE_FULL} ({{disk}}/r/replicas/"
PLACES = {
    # what lies on the disk, the room that is left there (KiB), the exit status, and what is said
    "results": ("results.dir={disk}/r", 36, 1, NOT_STORED),
    "weights": ("results.dir={disk}/r save=best", 48, 1, NOT_STORED),
    "results from the start": ("results.dir={disk}/r", 0, 2, f"{DEVICE_FULL} ({{disk}}/r/sweeps/"),
    "cache": ("cache.dir={disk}/c", 100, 2, f"{DEVICE_FULL} ({{disk}}/c/entries/"),
    "tracking store": ("tracking.uri=sqlite:///{disk}/mlflow.db", 300, 1, "MLflow could not make {disk}/mlflow.db"),
    "artifacts": ("tracking.uri=sqlite:///{disk}/mlflow.db", 1240, 1, "did not take the runs of"),
    "temporary files": ("engine.workers=1", 20, 1, f"{DEVICE_FULL}: '{{disk}}/"),
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0, reason="mounts a small tmpfs: needs root on Linux"
    ),
]


@pytest.fixture
def disk(tmp_path):
    """A small disk; the test skips where a container forbids to mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    if subprocess.run(mount, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("mount -t tmpfs is forbidden here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def undisturbed(tiny, tmp_path_factory):
    """The folder of the sweep with room enough, and its closing table."""
    folder = tmp_path_factory.mktemp("undisturbed")
    done = run(*SWEEP, f"corpus.root={tiny}", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, table(done)


def table(done):
    return done.stdout.partition("\nsweep ")[2]


@pytest.mark.parametrize("place", PLACES)
def test_a_sweep_goes_on_when_there_is_room_again(place, undisturbed, tiny, disk, tmp_path):
    key, room, status, said = PLACES[place]
    folder, expected = undisturbed
    work = tmp_path / "work"
    work.mkdir()
    keys = [
        f"corpus.root={tiny}",
        *([] if place == "cache" else [f"cache.dir={folder}/cache"]),
        *key.format(disk=disk).split(),
    ]
    env = {"TMPDIR": str(disk)} if place == "temporary files" else {}
    filler = disk / "filler"
    filler.write_bytes(bytes(SIZE - room * 1024))
    full = run(*SWEEP, *keys, cwd=work, env=env)
    print(f"{place}: exit status {full.returncode}: {full.stderr.splitlines()[-1]}")
    assert full.returncode == status, full.stderr
    assert said.format(disk=disk) in full.stderr
    assert "Traceback" not in full.stderr
    assert not list(disk.rglob(".*")), "half-written files"
    assert not list(disk.rglob("failed/*")), "a full disk is no fault of a training"
    filler.unlink()
    done = run(*SWEEP, *keys, cwd=work, env=env)
    assert done.returncode == 0, done.stderr
    assert table(done) == expected
    store = disk if place in ("tracking store", "artifacts") else work
    assert rows(store, "select count(*) from runs where status = 'FINISHED' and lifecycle_stage = 'active'") == [(4,)]
