"""Commands and jobs that share a folder of results at the same time. Minutes: ``make test-faults``."""

import os
import signal
import subprocess
import sys
import time

import pytest
from sweep.workplace import SMALL, rows, telling_what_is_trained, trained

from ser.system.alive import Owner

SWEEPS = (
    ("loss=cos,l2", "lambda=0.6,0.7", "repeats=2"),
    ("loss=l2,cos", "lambda=0.7,0.9", "repeats=2"),
    ("loss=cos", "lambda=0.6,0.7,0.9", "repeats=3"),
    ("loss=l2", "lambda=0.6,0.9", "repeats=2"),
)
"""Overlapping sweeps of fold 1."""

SEEDS = 3 * 3 + 3 * 2  # cos and l2 of three λ each
PARENTS = 3 * 2 + 3
"""The runs over two seeds of each configuration, and those over three seeds of cos."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def start(folder, env, *sweep):
    command = [sys.executable, "-m", "ser.run", "-m", *SMALL, "corpus.root=corpus", "fold=1", *sweep]
    return subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True)


def metrics(folder):
    """The number of metrics of each finished run, by the run's signature and kind."""
    query = (
        "select signatures.value, kinds.value, count(*) from runs join latest_metrics using (run_uuid) "
        "join tags as signatures using (run_uuid) join tags as kinds using (run_uuid) where status = 'FINISHED' "
        "and lifecycle_stage = 'active' and signatures.key = 'signature' and kinds.key = 'kind' group by run_uuid"
    )
    return rows(folder, query)


def test_eight_commands_on_a_fresh_corpus_cache_and_store_do_each_training_once(tmp_path):
    told = telling_what_is_trained(tmp_path)
    commands = [start(tmp_path, told, "engine=serial", *sweep) for sweep in (*SWEEPS, *reversed(SWEEPS))]
    errors = [command.communicate(timeout=1500)[1] for command in commands]
    assert [command.returncode for command in commands] == 8 * [0], "\n".join(errors)
    assert not [line for text in errors for line in text.splitlines() if "rror" in line or "arning" in line]
    done = trained(tmp_path)
    print(f"8 commands: {len(done)} trainings done, {len(set(done))} different ones, {len(metrics(tmp_path))} runs")
    assert len(done) == len(set(done)) == SEEDS
    found = metrics(tmp_path)
    assert len({signature for signature, *_ in found}) == len(found) == SEEDS + PARENTS
    assert rows(tmp_path, "select count(*) from runs") == [(SEEDS + PARENTS,)], "none was given up"
    for kind in ("run", "parent"):
        assert len({number for _, which, number in found if which == kind}) == 1, "a run lacks metrics"
    assert not list(tmp_path.glob("results/claims/*"))


def test_a_training_of_a_killed_command_is_taken_over(tmp_path):
    """By another command that waits for it."""
    told = telling_what_is_trained(tmp_path)
    endless = ("trainer.max_epochs=100000", "trainer.patience=9999", "trainer.min_lr=1e-30", "tracking=none")
    first = ("engine=serial", "loss=none", *endless)
    owner = start(tmp_path, told, *first)
    while not list(tmp_path.glob("results/claims/*")):
        assert owner.poll() is None
        time.sleep(0.1)
    waiting = start(tmp_path, told, *first)
    for line in waiting.stderr:
        if "Waiting for trainings that another process is doing: 1" in line:
            break
    (claim,) = tmp_path.glob("results/claims/*")
    assert f"process {owner.pid} on " in line
    assert Owner.of_file(claim) == Owner.of(owner.pid)
    os.killpg(owner.pid, signal.SIGKILL)
    owner.communicate()
    end = time.monotonic() + 10
    while Owner.of_file(claim) != Owner.of(waiting.pid):
        assert time.monotonic() < end
        time.sleep(0.1)
    waiting.send_signal(signal.SIGTERM)
    waiting.communicate()
    assert waiting.returncode == 143
    assert not claim.exists()


def test_equal_points_are_trained_once_under_joblib(tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="needs hydra-joblib-launcher")
    told = telling_what_is_trained(tmp_path)
    sweep = ("loss=none", "lambda=0.6,0.7", "fold=[1,2]", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    command = start(tmp_path, told, *sweep)
    error = command.communicate(timeout=600)[1]
    assert command.returncode == 0, error
    assert len(trained(tmp_path)) == len(set(trained(tmp_path))) == 2
    assert rows(tmp_path, "select count(*) from runs") == [(1,)]
