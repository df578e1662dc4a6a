"""A sweep's trainings as one queue."""

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import numpy as np
import pytest
from results.claiming import another_process, claim_for
from support import experiment, run
from sweep.workplace import SERIAL, SMALL, rows

from ser.errors import UserError
from ser.results.store import ResultStore
from ser.sweep import queue
from ser.sweep.job import Job, NotStoredError
from ser.system import pool
from ser.system.alive import Owner
from ser.training import engines

keep = Job.keep


@pytest.fixture
def jobs(tiny, tmp_path):
    """``jobs("loss=cos", "loss=l2")``: a job of folds 1 and 2 for each override, of one store."""
    common = (
        *SMALL,
        f"corpus.root={tiny}",
        f"cache.dir={tiny.parent}/cache",
        f"results.dir={tmp_path}/r",
        "fold=[1,2]",
    )

    def make(*overrides, engine="serial"):
        more = (*common, f"engine={engine}", "trainer.max_epochs=1", "tracking=none")
        return [Job(experiment(*more, override)) for override in overrides]

    return make


def signatures(job):
    return [replica.signature for replica in job.experiment.replicas()]


def test_a_job_is_delivered_when_its_last_training_has_ended(jobs, monkeypatch):
    """While the trainings of the jobs after it have not begun."""
    made, seen = jobs("loss=cos", "loss=l2", "loss=none"), []
    store = made[0].store

    def deliver(job):
        seen.append((made.index(job), [sum(map(store.has, signatures(each))) for each in made]))

    monkeypatch.setattr(Job, "deliver", deliver)
    queue.train_all(made)
    assert seen == [(0, [2, 0, 0]), (1, [2, 2, 0]), (2, [2, 2, 2])]


def test_workers_go_from_one_job_to_the_next(jobs, monkeypatch):
    """Of two workers, four trainings at most are handed out: with two jobs of two, those of both."""
    handed = []
    submit = engines._submit
    monkeypatch.setattr(engines, "_submit", lambda item, workers: handed.append(item[1]) or submit(item, workers))
    monkeypatch.setattr(pool, "cores", lambda: 2)
    made = jobs("loss=cos", "loss=l2", "loss=none", engine="workers")
    at_end = []
    monkeypatch.setattr(
        Job, "keep", lambda job, replica, result: at_end.append(len(handed)) or keep(job, replica, result)
    )
    queue.train_all(made)
    assert [replica.signature for replica in handed] == [each for job in made for each in signatures(job)]
    assert at_end[0] >= 4, "while the first job trains, the second one's trainings are handed out"


def test_trainings_that_two_jobs_have_in_common_are_done_once(jobs, monkeypatch):
    kept = []
    monkeypatch.setattr(
        Job, "keep", lambda job, replica, result: kept.append(replica.signature) or keep(job, replica, result)
    )
    first, second = jobs("lambda=0", "loss=none")
    assert signatures(first) == signatures(second)
    queue.train_all([first, second])
    assert kept == signatures(first)


def test_a_failed_training_is_told_and_not_tried_again_in_the_same_command(jobs, monkeypatch):
    """By whichever job comes to it. The next command tries it again."""
    monkeypatch.setenv("SER_SWEEP_STARTED", "first")
    first, second = jobs("loss=none", "lambda=0")
    failing = first.experiment.replicas()[1]
    keep_or_fail = lambda job, replica, result: keep(job, replica, ValueError("no") if replica == failing else result)  # noqa: E731
    monkeypatch.setattr(Job, "keep", keep_or_fail)
    queue.train_all([first, second])
    assert not first.missing()
    for job in (first, second):
        with pytest.raises(UserError, match=r"1 of 2 trainings of .* failed. Seed 0, fold 2: ValueError: no"):
            queue.train(job)
    monkeypatch.setattr(Job, "keep", keep)
    monkeypatch.setenv("SER_SWEEP_STARTED", "second")
    (again,) = jobs("loss=none")
    assert again.missing() == [failing]
    queue.train(again)
    assert not again.missing()


def test_a_job_that_cannot_begin_stops_no_other(jobs, monkeypatch):
    made = jobs("loss=cos", "loss=l2")

    def task(job):
        if job is made[0]:
            raise UserError("no such class")
        return make(job)

    make = Job.task
    monkeypatch.setattr(Job, "task", task)
    errors = queue.train_all(made)
    assert {job: str(error) for job, error in errors.items()} == {made[0]: "no such class", made[1]: "None"}
    assert [sum(map(made[0].store.has, signatures(job))) for job in made] == [0, 2]
    with pytest.raises(UserError, match="no such class"):
        queue.train(made[0])


def test_a_tracking_store_that_fails_costs_no_training(jobs, monkeypatch):
    tried = []

    def deliver(job):
        tried.append(job)
        raise UserError("no server")

    monkeypatch.setattr(Job, "deliver", deliver)
    made = jobs("loss=cos", "loss=l2")
    queue.train_all(made)
    assert tried == made[:1], "the jobs try again when Hydra comes to them"
    assert not [replica for job in made for replica in job.missing()]


@pytest.mark.parametrize(
    ("where", "number", "said"),
    [
        ("result", errno.ENOSPC, "Make room in .*/r, and"),
        ("weights", errno.ENOSPC, "Make room in .*/r, and"),
        ("weights", errno.EDQUOT, "Make room in .*/r, and"),
        ("result", errno.EIO, "See results.dir=.*/r, and"),
    ],
)
def test_a_result_that_cannot_be_stored_ends_the_sweep(jobs, monkeypatch, where, number, said):
    """Rather than that all others are trained in vain."""
    made, tried = jobs("loss=cos", "loss=l2"), []
    refused = OSError(number, os.strerror(number), "replicas/ab.npz")

    def save(*_):
        tried.append(where)
        raise refused

    if where == "weights":
        monkeypatch.setattr(engines, "attempt", lambda task, replica: tried.append(where) or refused)
    monkeypatch.setattr(ResultStore, "save", save)
    with pytest.raises(NotStoredError, match=rf"{os.strerror(number)} \(replicas/ab.npz\).*kept\. {said}"):
        queue.train_all(made)
    assert tried == [where]
    assert not list(made[0].store.directory.glob("failed/*"))
    assert not list(made[0].store.directory.glob("claims/*"))


@pytest.fixture
def claimed(tmp_path):
    """``claimed(replica)``: a claim of another process of this machine, which is returned."""
    with ExitStack() as processes:

        def claim(replica):
            process = processes.enter_context(another_process())
            claim_for(tmp_path, replica.signature, Owner.of(process.pid), "r")
            return process

        yield claim


@pytest.mark.parametrize("end", ["a result", "a kill", "a failure"])
def test_a_training_of_another_process_is_waited_for_at_the_end(jobs, claimed, monkeypatch, caplog, end):
    """Meanwhile the others are done. It is done here where that process ended without a result."""
    (done,) = jobs("loss=cos")
    queue.train(done)
    theirs, theirs_too = done.experiment.replicas()
    stored = done.store.load(theirs.signature)
    made, kept, delivered, waited = jobs("loss=cos", "loss=l2"), [], [], []
    for replica in (theirs, theirs_too):
        done.store.path(replica.signature).unlink()
    process = claimed(theirs)

    def wait(seconds):
        waited.append(list(kept))
        if end == "a result":
            done.store.save(theirs.signature, stored.outcome, stored.about)
        if end == "a failure":
            done.store.fail(theirs.signature, "no", {"started": made[0].started})
        process.kill()
        process.wait()

    caplog.set_level("INFO", logger="ser")
    monkeypatch.setenv("SER_SWEEP_STARTED", "now")
    monkeypatch.setattr(queue.time, "sleep", wait)
    monkeypatch.setattr(Job, "deliver", lambda job: delivered.append((made.index(job), len(kept))))
    monkeypatch.setattr(
        Job, "keep", lambda job, replica, result: kept.append(replica.signature) or keep(job, replica, result)
    )
    assert set(queue.train_all(made).values()) == {None}
    first = [theirs_too.signature, *signatures(made[1])]
    assert waited == [first]
    assert f"Waiting for trainings that another process is doing: 1 ({Owner.of(process.pid)})" in caplog.messages
    assert kept == first + ([theirs.signature] if end == "a kill" else [])
    assert delivered == [(1, 3), (0, len(kept))]
    assert not list(done.store.directory.glob("claims/*"))


def test_who_waits_looks_less_and_less_often(jobs, claimed, monkeypatch):
    (job,), pauses = jobs("loss=cos"), []
    processes = [claimed(replica) for replica in job.experiment.replicas()]

    def wait(seconds):
        pauses.append(seconds)
        if len(pauses) == 6:
            for process in processes:
                process.kill()
                process.wait()

    monkeypatch.setattr(queue.time, "sleep", wait)
    queue.train(job)
    assert pauses == [0.5, 1, 2, 4, 4, 4]


def test_the_last_of_two_processes_to_end_delivers(jobs, claimed, monkeypatch):
    """Without waiting for the end of the sweep: the other one's result is there already."""
    made, seen = jobs("loss=cos", "loss=l2"), []
    queue.train(made[0])
    theirs = made[0].experiment.replicas()[0]
    stored = made[0].store.load(theirs.signature)
    for name in signatures(made[0]):
        made[0].store.path(name).unlink()
    process = claimed(theirs)

    def keep_theirs_too(job, replica, result):
        made[0].store.save(theirs.signature, stored.outcome, stored.about)
        process.kill()
        keep(job, replica, result)

    monkeypatch.setattr(Job, "keep", keep_theirs_too)
    monkeypatch.setattr(
        Job, "deliver", lambda job: seen.append((made.index(job), sum(map(job.store.has, signatures(made[1])))))
    )
    queue.train_all(made)
    assert seen == [(0, 0), (1, 2)]


def test_a_seed_of_a_long_job_is_delivered_when_its_folds_are_there(jobs, monkeypatch):
    for between, seeds in ((0.0, [1, 2, 3]), (3600.0, [3])):
        monkeypatch.setattr(queue, "_BETWEEN_DELIVERIES", between)
        (job,), seen = jobs("repeats=3"), []
        for path in job.store.directory.glob("replicas/*/*"):
            path.unlink()
        monkeypatch.setattr(Job, "deliver", lambda job, seen=seen: seen.append(len(job._finished())))
        queue.train(job)
        assert seen == seeds


def killed(folder, sweep):
    """Kill a sweep with all of its processes when it has a first result."""
    command = [sys.executable, "-m", "ser.run", *sweep]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        while process.poll() is None and not list(folder.glob("results/replicas/*/*.npz")):
            time.sleep(0.05)
        assert process.poll() is None, "it was too fast to be killed"
        os.killpg(process.pid, signal.SIGKILL)


def test_a_killed_sweep_that_goes_on_has_the_same_numbers(tmp_path, tiny):
    """As one that nobody disturbed. Workers change no number, so that the commands that are not killed need none."""
    sweep = ("-m", *SMALL, f"corpus.root={tiny}", "loss=cos,l2", "lambda=0.6,0.9", "fold=[1,2]")
    tables, stores = [], []
    for name in ("queue", "killed"):
        folder = tmp_path / name
        folder.mkdir()
        if name == "killed":
            killed(folder, (*sweep, "engine=workers", "engine.workers=2"))
        done = run(*sweep, SERIAL, cwd=folder)
        assert done.returncode == 0, done.stderr
        tables.append(done.stdout.split("\n", 2)[2])
        stores.append(ResultStore(folder / "results"))
        assert rows(folder, "select count(*) from runs where status = 'FINISHED'") == [(4,)]
    assert tables[0] == tables[1]
    names = [sorted(path.stem for path in store.directory.glob("replicas/*/*.npz")) for store in stores]
    assert names[0] == names[1]
    assert len(names[0]) == 8
    for name in names[0]:
        first, second = (store.load(name).outcome for store in stores)
        assert np.array_equal(first.average, second.average)
        assert first.history == second.history


def test_an_engine_that_fails_as_a_whole_leaves_its_jobs_to_themselves(jobs, monkeypatch):
    """And those of another engine are trained."""
    first, second = jobs("loss=cos"), jobs("loss=l2", engine="workers")
    choose = engines.choose

    def chosen(name, *more):
        def broken(queue):
            yield from ()
            raise RuntimeError("no memory at all")

        return broken if name == "serial" else choose(name, *more)

    monkeypatch.setattr(engines, "choose", chosen)
    assert queue.train_all([*first, *second]) == {second[0]: None}
    monkeypatch.setattr(engines, "choose", choose)
    queue.train(first[0])
    assert not [replica for job in (*first, *second) for replica in job.missing()]
