"""What is trained again and what is not: the same command, the same trainings otherwise cut, resume=false, damage."""

from dataclasses import replace

import pytest
from sweep.workplace import POINTS, SMALL, rows

from ser.results.store import ResultStore
from ser.sweep.commandline import rewrite
from ser.sweep.plan import compose_plan
from ser.sweep.table import table


def test_the_same_command_again_trains_and_logs_nothing(folder, command):
    before = {path: path.stat().st_mtime_ns for path in folder.glob("results/replicas/*/*.npz")}
    done = command(*POINTS)
    assert done.returncode == 0
    assert "(25 found finished)" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in folder.glob("results/replicas/*/*.npz")} == before
    assert rows(folder, "select count(*) from runs") == [(5,)]


def test_repeats_seeds_and_single_folds_are_the_same_trainings(folder, command):
    done = command("loss=cos", "lambda=0.6", "repeats=2", sweep=False)
    assert done.returncode == 0, done.stderr
    assert "10 of 10 trainings done (5 found finished)" in done.stderr
    parents = rows(folder, "select name, run_uuid from runs where name like '%· 2 seeds ·%'")
    assert len(parents) == 1
    nested = rows(folder, f"select count(*) from tags where key = 'mlflow.parentRunId' and value = '{parents[0][1]}'")
    assert nested == [(2,)]
    for name, cut in (("seeds", ("seed=0,1",)), ("folds", ("seed=range(2)", "fold=1,2,3,4,5"))):
        done = command("loss=cos", "lambda=0.6", *cut)
        assert done.returncode == 0, done.stderr
        assert "10 of 10 trainings done (10 found finished)" in done.stderr
        done = command("loss=cos", "lambda=0.6", *cut, f"results.dir={name}", "tracking=none")
        assert done.returncode == 0, done.stderr
        mine, other = ResultStore(folder / "results"), ResultStore(folder / name)
        found = [path.stem for path in other.directory.glob("replicas/*/*.npz")]
        assert len(found) == 10
        for signature in found:
            one, two = mine.load(signature).outcome, other.load(signature).outcome
            assert one.history == two.history
            assert (one.average == two.average).all()
            assert (one.crop == two.crop).all()
    seeds = dict(
        rows(folder, "select p.value, m.value from params p join latest_metrics m using (run_uuid) join runs using"
             " (run_uuid) where p.key = 'seed' and m.key = 'wa' and name like 'cos λ=0.6%seed _ %'")
    )  # fmt: skip
    of_both = dict(rows(folder, f"select key, value from latest_metrics where run_uuid = '{parents[0][1]}'"))
    assert of_both["wa"] == pytest.approx((seeds["0"] + seeds["1"]) / 2)
    assert of_both["wa_sd"] == pytest.approx(abs(seeds["0"] - seeds["1"]) / 2**0.5), "the divisor is seeds - 1"


def test_resume_false_gives_the_same_numbers(folder, command):
    """Here without workers, before with them."""
    before = rows(
        folder, "select key, value from latest_metrics join runs using (run_uuid) where name like 'l2 λ=0.7%'"
    )
    done = command("resume=false", "loss=l2", "lambda=0.7", sweep=False)
    assert done.returncode == 0
    assert "found finished" not in done.stderr
    after = rows(
        folder,
        "select key, value from latest_metrics where run_uuid = (select run_uuid from runs where name like 'l2 λ=0.7%'"
        " order by start_time desc limit 1)",
    )
    assert rows(folder, "select count(*) from runs where name like 'l2 λ=0.7%'") == [(2,)]
    numbers = {key: value for key, value in after if key != "seconds"}
    assert numbers == {key: value for key, value in before if key != "seconds"}


def test_equal_points_with_resume_false_are_logged_once(folder, command):
    count = "select count(*) from runs where name like 'baseline%' and name not like '%fold %'"
    before = rows(folder, count)[0][0]
    done = command("loss=none", "lambda=0.6,0.7", "resume=false")
    assert done.returncode == 0, done.stderr
    assert rows(folder, count)[0][0] == before + 1


def test_resume_false_shows_no_old_number_where_training_fails(folder, command, tiny):
    diverging = ("loss=none", "lambda=0.6", "trainer.lr=1e30", "seed=3")
    common = (*SMALL, f"corpus.root={tiny}", f"cache.dir={folder}/cache")
    plan, store = compose_plan(rewrite([*common, *diverging])), ResultStore(folder / "results")
    old = store.load(next(folder.glob("results/replicas/*/*.npz")).stem)
    for seed, fold, signature in plan.points[0].replicas():
        store.save(signature, replace(old.outcome, seed=seed, fold=fold), old.about)
    assert "X" not in table(plan, store)
    done = command(*diverging, "resume=false", sweep=False)
    assert done.returncode == 1
    assert "diverged in its first epoch" in done.stderr
    assert "X (0 of 5)" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_damaged_result_is_trained_again(folder, command):
    store = ResultStore(folder / "results")
    stems = [path.stem for path in sorted(folder.glob("results/replicas/*/*.npz"))]
    signature = next(stem for stem in stems if store.load(stem).about["parameters"]["loss"] == "cos")
    path = store.path(signature)
    path.write_bytes(path.read_bytes()[:-100])
    done = command("loss=cos", "lambda=0.6,0.7")
    assert done.returncode == 0, done.stderr
    assert f"{signature}.npz.damaged" in done.stderr
    assert store.load(signature).outcome.ids


def test_weights_of_a_finished_configuration_are_trained_for_and_this_is_said(folder, command):
    """Numbers stay; the run that is there gets its model."""
    count = "select count(*) from runs"
    before, results = rows(folder, count), set(folder.glob("results/replicas/*/*.npz"))
    done = command("loss=l2", "lambda=0.6", "save=best")
    assert done.returncode == 0, done.stderr
    assert "save=best: finished trainings that lack weights: 5; they are trained again." in done.stderr
    assert "found finished" not in done.stderr
    assert len(list(folder.glob("results/replicas/*/*.safetensors"))) == 5
    assert rows(folder, count) == before
    assert len(list(folder.glob("mlruns/*/*/artifacts/model/MLmodel"))) == 1
    assert results == set(folder.glob("results/replicas/*/*.npz"))
    again = command("loss=l2", "lambda=0.6", "save=best")
    assert "5 of 5 trainings done (5 found finished)" in again.stderr
    assert "lack" not in again.stderr


def test_save_all_after_save_best_trains_again_for_the_weights_of_every_epoch(folder, command):
    def trained(save):
        done = command("loss=l2", "lambda=0.6", "fold=1", f"save={save}")
        assert done.returncode == 0, done.stderr
        return done.stderr, {path.name.partition(".")[2] for path in folder.glob("results/replicas/*/*.safetensors")}

    assert trained("best")[1] == {"safetensors"}
    said, kept = trained("all")
    assert "save=all: finished trainings that lack the weights of every epoch: 1; they are trained again." in said
    assert kept == {"safetensors", "epoch_001.safetensors", "epoch_002.safetensors"}
    assert "1 found finished" in trained("all")[0]
    (last,) = folder.glob("results/replicas/*/*.epoch_002.safetensors")
    last.unlink()  # as if it had been stopped after the first epoch, with the result of save=best still there
    assert "they are trained again" in trained("all")[0]
    assert last.exists()
