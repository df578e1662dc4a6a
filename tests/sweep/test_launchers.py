"""Several processes in one working directory: Hydra's joblib launcher, two commands at once."""

import subprocess
import sys

import pytest
from support import run
from sweep.workplace import SMALL, rows


def test_two_sweeps_at_once_in_one_folder(tmp_path, tiny):
    command = [sys.executable, "-m", "ser.run", "-m", *SMALL, f"corpus.root={tiny}", "loss=none", "seed=0,1", "fold=1"]
    both = [subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ends = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], "\n".join(ends)
    assert rows(tmp_path, "select count(*) from runs") == [(2,)]


def test_joblib_runs_the_jobs(tmp_path, tiny):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="needs hydra-joblib-launcher")
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    done = run("-m", *SMALL, f"corpus.root={tiny}", "loss=cos,l2,none", "fold=[1,2]", *launcher, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "6 of 6 trainings done" in done.stderr
    assert rows(tmp_path, "select count(*) from runs where status = 'FINISHED'") == [(3,)]
