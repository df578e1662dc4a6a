"""A search on validation accuracy: what it may choose from, and that it can be stopped and gone on with."""

import errno
import json

import pytest
from support import run
from sweep.workplace import SERIAL, SMALL

from ser import tune
from ser.errors import UserError
from ser.results.store import ResultStore
from ser.sweep import tuning
from ser.sweep.commandline import rewrite
from ser.sweep.handover import COMMAND, PLANNED, STARTED
from ser.sweep.search_space import Dimension, search_space


def searched(*overrides, **more):
    dimensions, fixed = search_space(rewrite(list(overrides)))
    return tuning.Search(dimensions, fixed, tuning.Budget(**{"trials": 5, "together": 2, "seed": 0, **more}))


@pytest.fixture
def small(tiny, tmp_path, monkeypatch):
    """Overrides of a small search in a folder of its own, which trains in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SER_SWEEP_STARTED", "1")
    return [*SMALL, f"corpus.root={tiny}", f"cache.dir={tmp_path}/cache", "sweep=search", "fold=1", SERIAL,
            "tracking=none"]  # fmt: skip


def test_what_is_searched_and_what_is_fixed():
    dimensions, fixed = search_space(
        rewrite(["lambda=interval(0.3,1)", "trainer.lr=tag(log,interval(1e-5,1e-2))", "loss=cos,l2", "seed=range(1,4)",
                 "length=3"])
    )  # fmt: skip
    assert dimensions == [
        Dimension("lambda.weight", None, 0.3, 1.0),
        Dimension("trainer.lr", None, 1e-5, 1e-2, log=True),
        Dimension("loss", ("cos", "l2")),
        Dimension("seed", ("1", "2", "3")),
    ]
    assert fixed == ["length.seconds=3"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["lambda=interval(0.9,0.3)"], "two numbers with low < high"),
        (["trainer.lr=tag(log,interval(0,1))"], "0 < low < high"),
        (["lambda=interval(0.1,0.2)", "lambda=0.3"], "lambda is given twice"),
        (["lambda=interval(0.3,1.4)"], "lambda.weight .*got 1.4"),
        (["model.channels=interval(4,9)"], "model.channels must be a whole number"),
        (["model.channels=interval(50,200)"], "model.channels must be a whole number"),
        (["trainer.batch_size=tag(log,interval(64,4096))"], "trainer.batch_size must be a whole number"),
        (["trainer.lr=1e-3,1e-4", "save=none,best"], "save has the values none, best in one sweep"),
        (["loss=cos,l3"], "loss=l3: there is no such option"),
    ],
)  # fmt: skip
def test_a_search_that_cannot_be_meant_is_refused_before_anything_is_trained(overrides, message):
    with pytest.raises(UserError, match=message):
        tuning.check(searched(*overrides))


@pytest.mark.parametrize("typed", ["seed=range(0,3)", "fold=1,2", "repeats=1,2"])
def test_seeds_and_folds_are_not_searched(typed):
    """The luckiest seed and the easiest fold would be chosen."""
    with pytest.raises(UserError, match=rf"{typed.partition('=')[0]}=.*: a search trains every trial with the same"):
        tuning.make_search(["trainer.lr=1e-3,1e-4", typed], tuning.Budget(5, 2, 0))


def test_a_trial_that_cannot_run_is_left_out_and_the_others_are_trained(small, caplog):
    search = searched(*small, "model.pool=30,4000", trials=4, together=4)
    trials = tuning.tune(search)
    assert {trial.overrides[0]: trial.job is None for trial in trials} == {
        "model.pool=30": False,
        "model.pool=4000": True,
    }
    assert "This trial is left out, since it cannot run: " in caplog.text
    assert tuning.best_of(trials).overrides == ("model.pool=30",)
    assert " X" in tuning.table(search, trials).splitlines()[-1]
    with pytest.raises(UserError, match="segments of 100 frames, but model=cnn needs at least"):
        tuning.tune(searched(*small, "model.pool=4000,5000", trials=4, together=2))


def test_a_search_of_nothing_is_refused():
    with pytest.raises(UserError, match="Nothing is searched"):
        tune._tune(["loss=cos"])


def test_the_best_trial_is_that_of_the_best_validation_accuracy_and_the_same_search_finds_its_results(
    small, tmp_path, monkeypatch, capsys
):
    search = searched(*small, "lambda=interval(0.1,0.9)", "loss=cos,l2")
    trials = tuning.tune(search)
    stored = {}
    for trial in trials:
        (outcome,) = [trial.job.store.load(each.signature).outcome for each in trial.job.experiment.replicas()]
        stored[trial.overrides] = outcome.history[outcome.best_epoch - 1]["val_wa"]
        assert trial.value == stored[trial.overrides]
        assert "lambda.weight=0." in trial.overrides[0] and trial.overrides[1] in ("loss=cos", "loss=l2")
    assert len(stored) == 5
    best = tuning.best_of(trials)
    assert best.value == max(stored.values())
    lines = tuning.table(search, trials).splitlines()
    assert lines[0].split() == ["lambda", "loss", "validation", "WA", "%"]
    assert lines[1].split()[-1] == f"{100 * best.value:.2f}"
    text = tuning.chosen(search, best)
    assert f"WA {100 * best.job.metrics()['wa']:.2f}, UWA" in text
    assert "sweep=" not in text and "lambda.weight" not in text and text.endswith(" seed=1 repeats=20")
    (plan,) = (tmp_path / "results" / "sweeps" / "search").glob("*.json")
    assert len(json.loads(plan.read_text())["points"]) == 5

    files = sorted((tmp_path / "results").rglob("*.npz"))
    again = tuning.tune(search)
    assert [(each.overrides, each.value) for each in again] == [(each.overrides, each.value) for each in trials]
    assert sorted((tmp_path / "results").rglob("*.npz")) == files
    assert "5 trainings: 5 done, 0 failed, 0 left" in tuning.preview(search)
    text = tuning.preview(searched(*small, "lambda=interval(0.1,0.9)", "loss=cos,l2", trials=12))
    assert text.startswith("sweep search: 12 trials, 2 at a time, searching lambda=interval(0.1,0.9) loss=cos,l2\n")
    assert "left\ndry_run=true: nothing was trained." in text
    assert text.endswith(" more trials are proposed when these have results.")
    assert sorted((tmp_path / "results").rglob("*.npz")) == files
    other = tuning.tune(searched(*small, "lambda=interval(0.1,0.9)", "loss=cos,l2", seed=1, trials=1))
    assert other[0].overrides not in stored


def test_trials_that_share_the_highest_accuracy_are_told():
    def tie(*values):
        overrides = [f"lambda.weight=0.{index}" for index in range(len(values) - 1)]
        proposed = [*overrides, overrides[0]]  # the last one is proposed twice
        return tuning.tie([tuning.Trial((one,), None, value) for one, value in zip(proposed, values, strict=True)])

    assert tie(0.5, 0.6, None, 0.6, 0.6, 0.5) == (
        "3 trials share the highest validation WA, 60.00 %: taken is the one that was proposed first, lambda=0.1. The "
        "others are lambda=0.3, lambda=0.4."
    )
    assert tie(0.6, 0.5, 0.6) == "", "one configuration, proposed twice"
    assert tie(None, None) == ""


def test_a_trial_that_fails_has_no_number_and_ends_nothing(small, monkeypatch, caplog):
    def fails(task, replica):
        return RuntimeError("broken") if task.schedule.at(1) == 0.3 else attempt(task, replica)

    from ser.training import engines

    attempt = engines.attempt
    monkeypatch.setattr(engines, "attempt", fails)
    search = searched(*small, "lambda=0.3,0.4", trials=4, together=4)
    trials = tuning.tune(search)
    assert {trial.overrides[0]: trial.value is None for trial in trials} == {
        "lambda.weight=0.3": True,
        "lambda.weight=0.4": False,
    }
    assert "broken" in caplog.text
    assert " X" in tuning.table(search, trials).splitlines()[-1]
    assert tuning.best_of(trials).overrides == ("lambda.weight=0.4",)


def test_a_full_disk_ends_a_search_with_its_progress_and_exit_status_1(small, tmp_path, monkeypatch, capsys):
    """As it ends a sweep of ``ser.run``; the sign that the command runs is taken back."""
    for name in (COMMAND, PLANNED, STARTED):
        monkeypatch.setenv(name, "1")  # the command sets others, which are gone after the test
    tried = []

    def full(*_):
        tried.append(len(list(tmp_path.glob("results/running/*.json"))))
        raise OSError(errno.ENOSPC, "No space left on device", "a.npz")

    monkeypatch.setattr(ResultStore, "save", full)
    assert tune._tune([*small, "lambda=interval(0.1,0.9)", "trials=2"]) == 1
    progress, said = capsys.readouterr().err.splitlines()[-2:]
    assert progress == "0 of 2 trainings done, 0 failed, 2 left"
    assert said.startswith("No result can be stored: No space left on device (a.npz).")
    assert tried == [1]
    assert not list(tmp_path.glob("results/running/*"))


def test_the_command(tiny, tmp_path):
    common = [*SMALL, SERIAL, f"corpus.root={tiny}", "fold=1", "tracking=none", "lambda=0.6,0.7"]
    done = run(*common, "trials=two", cwd=tmp_path, module="ser.tune")
    assert done.returncode == 2
    assert done.stderr == "trials=two is not valid. Give a whole number of at least 1, such as trials=20.\n"
    done = run(*common, "trials=2", "dry_run=true", cwd=tmp_path, module="ser.tune")
    assert "2 left\ndry_run=true: nothing was trained. Without it, 2 would be" in done.stdout, done.stderr
    assert not (tmp_path / "results").exists()
    done = run(*common, "trials=2", cwd=tmp_path, module="ser.tune")
    assert done.returncode == 0, done.stderr
    assert "2 of 2 trials: best validation WA" in done.stderr
    assert "Chosen by validation WA: lambda=0." in done.stdout
