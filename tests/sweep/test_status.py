"""``python -m ser.status`` and ``dry_run=true``: what is planned, running, done, failed and left."""

import json
import os
import subprocess
import time
from dataclasses import replace

import pytest
from results.outcomes import ABOUT, outcome
from support import run
from sweep.workplace import SMALL

import ser
from multirun_analysis.__main__ import main
from ser.errors import UserError
from ser.predict.find import find
from ser.results.store import ResultStore
from ser.sweep import running
from ser.sweep.commandline import rewrite, take_dry_run
from ser.sweep.hydra_internals import parse_flags
from ser.sweep.plan import make_plan
from ser.sweep.status import dry_run, status
from ser.sweep.table import table


@pytest.fixture
def sweep(tiny, tmp_path):
    """``sweep(dry=False)``: the plan of a sweep of two points with two trainings each."""
    typed = [f"corpus.root={tiny}", f"cache.dir={tiny.parent}/cache", f"results.dir={tmp_path}/r", "fold=[1,2]"]
    typed += [*SMALL, "loss=cos,l2", "sweep=mine", f"tracking.uri=sqlite:///{tmp_path}/mlflow.db"]

    def planned(dry=False, *more):
        return make_plan(parse_flags(["-m", *rewrite([*typed, *more])]), dry)[0]

    return planned


def fill(plan, done, failed):
    """Store results for so many trainings, and failures for the ones after them."""
    store, signatures = ResultStore(plan.results), list(plan.signatures())
    for signature in signatures[:done]:
        store.save(signature, outcome([0, 1], [0, 1]), ABOUT)
    for signature in signatures[done : done + failed]:
        store.fail(signature, "out of memory", {"started": "1"})


def test_a_command_without_a_plan_is_named(sweep, tmp_path):
    """As ``python -m ser.show vectors``."""
    sign = running.Sign(sweep(dry=True), str(time.time()))
    sign.give()
    assert status(tmp_path / "r", "mine").startswith("mine: running on ")
    assert status(tmp_path / "r", "mine").endswith("stored no plan (python -m ser.show stores none)")
    sign.take_back()
    with pytest.raises(UserError, match="There is no sweep mine"):
        status(tmp_path / "r", "mine")


def test_equal_points_are_one_row(sweep):
    plan = sweep(True, "loss=none", "lambda=0.6,0.7,0.8")
    assert len(plan.points) == 3
    text = dry_run(plan, True)
    assert "2 trainings: 0 done, 0 failed, 2 left" in text
    assert [line.split()[-4:] for line in text.splitlines() if line.endswith("  2")] == [["2", "0", "0", "2"]]


def test_seeds_that_are_points_of_a_sweep_are_seeds(sweep):
    """``seed=0,1`` gives each seed a point of its own, and one row over both."""
    plan = sweep(True, "loss=cos", "seed=0,1")
    store = ResultStore(plan.results)
    for replica in (replica for point in plan.points for replica in point.replicas()):
        store.save(replica.signature, outcome([0, 1], [0, 1], seed=replica.seed, fold=replica.fold), ABOUT)
    text = table(plan, store)
    assert "100.00 ± 0.00" in text
    assert "± is the standard deviation over the seeds." in text


def test_a_dry_run_says_what_would_be_trained_and_writes_nothing(sweep, tmp_path):
    plan = sweep(dry=True)
    assert not (tmp_path / "r").exists()
    text = dry_run(plan, True)
    assert "4 trainings: 0 done, 0 failed, 4 left" in text
    assert "Without it, 4 would be" in text
    fill(plan, done=2, failed=1)
    lines = dry_run(plan, True).splitlines()
    assert "4 trainings: 2 done, 1 failed, 1 left" in lines
    assert [line.split() for line in lines if line.startswith(("loss ", "cos", "l2"))] == [
        ["loss", "trainings", "done", "failed", "left"],
        ["cos", "2", "2", "0", "0"],
        ["l2", "2", "0", "1", "1"],
    ]
    assert "Without it, 2 would be" in dry_run(plan, True)
    assert "Without it, 1 would be" in dry_run(plan, "failed")
    assert "Without it, 4 would be" in dry_run(replace(plan, anew=True), False)


def test_the_status_of_a_sweep_that_runs_and_of_one_that_was_killed(sweep, tmp_path):
    plan, mark = sweep(), str(time.time() - 60)
    fill(plan, done=2, failed=1)
    assert "not running: the same command goes on from here" in status(tmp_path / "r", "mine")
    sign = running.Sign(plan, mark)
    sign.give()
    text = status(tmp_path / "r", "mine")
    assert f"running on {os.uname().nodename}, process {os.getpid()}, since " in text
    assert "4 trainings: 2 done, 1 failed, 1 left (about 30 s)" in text  # two in the last minute
    assert "failed: loss=l2 (seed 0, fold 1): out of memory" in text
    assert "mine: running on" in status(tmp_path / "r", None)
    (file,) = (tmp_path / "r" / "running").iterdir()
    os.utime(file, (time.time() - 600, time.time() - 600))
    assert "mine: running on" in status(tmp_path / "r", None), "the process is there: its machine may have slept"
    file.write_text(json.dumps({**json.loads(file.read_text()), "boot": "of another machine"}))
    os.utime(file, (time.time() - 600, time.time() - 600))
    text = status(tmp_path / "r", "mine")
    assert "gave no sign for 10 min, killed? It ran on" in text
    assert "1 left\n" in text, "no time is told for a dead command"
    other = running.Sign(plan, str(time.time()))
    other.give()
    assert not file.exists(), "the sign of the dead command of the same sweep is replaced"
    other.take_back()
    assert not list(running.running(tmp_path / "r"))
    fill(plan, done=4, failed=0)
    assert "\nfinished\n" in status(tmp_path / "r", "last")


def test_a_command_that_was_killed_on_this_machine_is_seen_at_once(sweep, tmp_path):
    plan = sweep()
    running.Sign(plan, str(time.time())).give()
    (file,) = (tmp_path / "r" / "running").iterdir()
    ended = subprocess.Popen(["true"])
    ended.wait()
    file.write_text(json.dumps({**json.loads(file.read_text()), "pid": ended.pid}))
    assert "killed? It ran on" in status(tmp_path / "r", "mine")


def test_results_of_other_commands_do_not_count_while_all_is_trained_anew(sweep, tmp_path):
    plan = sweep(False, "resume=false")
    fill(plan, done=4, failed=0)
    running.Sign(plan, str(time.time())).give()
    assert "4 trainings: 0 done, 0 failed, 4 left" in status(tmp_path / "r", "mine")


def test_what_is_no_sign_is_passed_over(tmp_path):
    folder = tmp_path / "running"
    folder.mkdir()
    (folder / "1.json").write_text("{")
    (folder / "2.json").write_text(json.dumps({"sweep": "of a later version"}))
    assert not list(running.running(tmp_path))


def test_a_sweep_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"There is no sweep mine in .*There are: none"):
        status(tmp_path, "mine")


def test_a_sweep_is_shown_as_it_was_typed(sweep, tmp_path):
    plan = sweep(False, "lambda=0.6,0.7")
    assert " lambda=0.6,0.7" in dry_run(plan, True).splitlines()[0]
    assert " lambda=0.6,0.7" in status(tmp_path / "r", "mine").splitlines()[0]
    assert " lambda=0.6,0.7\n" in main(["sweep=mine", f"results.dir={tmp_path}/r"])


def test_a_folder_without_a_plan_is_no_sweep(tmp_path):
    (tmp_path / "sweeps" / "mine").mkdir(parents=True)
    for ask in (
        lambda: status(tmp_path, "mine"),
        lambda: main(["sweep=mine", f"results.dir={tmp_path}"]),
        lambda: find("mine", None, None, tmp_path, None),
        lambda: ser.results("mine", results_dir=tmp_path),
    ):
        with pytest.raises(UserError, match=r"There is no sweep mine in .*There are: none"):
            ask()


def test_dry_run_is_true_or_false():
    with pytest.raises(UserError, match="dry_run=maybe: give true or false"):
        take_dry_run(["dry_run=maybe"])


def test_a_dry_run_and_the_status_as_commands(tiny, tmp_path):
    sweep = ("-m", *SMALL, "loss=cos,l2", f"corpus.root={tiny}", f"cache.dir={tmp_path}/c", "fold=1", "sweep=mine")
    done = run(*sweep, "dry_run=true", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 trainings: 0 done, 0 failed, 2 left" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["c"], "hashes of audio alone"
    told = run("mine", cwd=tmp_path, module="ser.status")
    assert (told.returncode, told.stderr) == (
        2,
        "There is no sweep mine in results/sweeps. There are: none. See results.dir=.\n",
    )
