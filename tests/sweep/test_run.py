"""The command line as a user runs it: processes, real files, real MLflow."""

import json
import shutil
import sqlite3
import subprocess
import sys

import pytest
from support import run

from ser.results.store import ResultStore

SMALL = ("length=1", "model.channels=4", "trainer.max_epochs=2", "trainer.lr=1e-3", "device=cpu", "corpus.size=tiny")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny):
    """A working directory after a sweep of six points, two of them equal."""
    folder = tmp_path_factory.mktemp("work")
    done = run("-m", *SMALL, f"corpus.root={tiny}", "loss=cos,l2,none", "lambda=0.6,0.7", cwd=folder)
    (folder / "stdout").write_text(done.stdout)
    (folder / "stderr").write_text(done.stderr)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def again(folder, tiny):
    def command(*arguments, sweep=True, **more):
        return run(*(["-m"] if sweep else []), *SMALL, f"corpus.root={tiny}", *arguments, cwd=folder, **more)

    return command


def rows(folder, query):
    with sqlite3.connect(folder / "mlflow.db") as database:
        return database.execute(query).fetchall()


def test_every_configuration_is_in_mlflow_with_wa_and_uwa(folder):
    found = rows(
        folder,
        "select l.value, m.value, p.value from params l join params p using (run_uuid) join latest_metrics m"
        " using (run_uuid) where l.key = 'loss' and p.key = 'lambda' and m.key in ('wa', 'uwa')",
    )
    kinds = {(loss, weight) for loss, _, weight in found}
    assert kinds == {("cos", "0.6"), ("cos", "0.7"), ("l2", "0.6"), ("l2", "0.7"), ("none", "0")}
    assert len(found) == 10
    assert all(0 <= value <= 1 for _, value, _ in found)


def test_equal_points_train_once_and_the_log_says_so(folder):
    assert "loss=none lambda.weight=0.7 is the same as" in (folder / "stderr").read_text()
    assert len(list(folder.glob("results/replicas/*/*.npz"))) == 25


def test_the_closing_table_is_sorted_by_wa(folder):
    table = (folder / "stdout").read_text().splitlines()
    header = next(i for i, line in enumerate(table) if line.endswith("UWA %"))
    values = [float(line.split()[-2]) for line in table[header + 1 :] if line]
    assert len(values) == 5
    assert values == sorted(values, reverse=True)


def test_a_run_holds_what_the_docs_promise(folder):
    run_id, experiment = rows(folder, "select run_uuid, experiment_id from runs where name like 'cos 0.6%'")[0]
    metrics = {key for (key,) in rows(folder, f"select key from latest_metrics where run_uuid = '{run_id}'")}
    assert {"wa", "uwa", "wa_pooled", "uwa_pooled", "crop_wa", "crop_uwa"} <= metrics
    assert {f"fold_{k}/{m}" for k in range(1, 6) for m in ("wa", "uwa", "train_loss", "val_wa")} <= metrics
    assert {"train_loss", "train_contrastive", "train_cross_entropy", "val_loss", "val_wa", "lr"} <= metrics
    parameters = dict(rows(folder, f"select key, value from params where run_uuid = '{run_id}'"))
    expected = {"loss": "cos", "lambda": "0.6", "position": "pos_1", "loader": "loader_1", "feature": "mfcc",
                "length": "1", "aux_task": "none", "corpus": "synthetic", "model": "cnn", "seed": "0"}  # fmt: skip
    assert expected.items() <= parameters.items()
    tags = dict(rows(folder, f"select key, value from tags where run_uuid = '{run_id}'"))
    assert {"signature", "sweep", "corpus_fingerprint", "mlflow.user"} <= tags.keys()
    assert tags["synthetic"] == "true"
    artifacts = folder / "mlruns" / str(experiment) / run_id / "artifacts"
    assert {path.name for path in artifacts.iterdir()} == {"configuration.json", "predictions.csv", "confusion.png"}


def test_the_predictions_give_the_metrics(folder):
    import pandas
    from sklearn.metrics import accuracy_score, balanced_accuracy_score

    for run_id, experiment in rows(folder, "select run_uuid, experiment_id from runs"):
        table = pandas.read_csv(folder / "mlruns" / str(experiment) / run_id / "artifacts" / "predictions.csv")
        logged = dict(rows(folder, f"select key, value from latest_metrics where run_uuid = '{run_id}'"))
        folds = [part for _, part in table.groupby("fold")]
        assert len(folds) == 5
        assert table["id"].is_unique
        for mode, name in (("predicted", ""), ("crop_predicted", "crop_")):
            accuracy = [accuracy_score(part["gold"], part[mode]) for part in folds]
            recall = [balanced_accuracy_score(part["gold"], part[mode]) for part in folds]
            assert logged[f"{name}wa"] == pytest.approx(sum(accuracy) / 5)
            assert logged[f"{name}uwa"] == pytest.approx(sum(recall) / 5)
            assert logged[f"{name}wa_pooled"] == pytest.approx(accuracy_score(table["gold"], table[mode]))
        probabilities = table[[column for column in table if column.startswith("p_")]]
        assert probabilities.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-4)
        assert (probabilities.idxmax(axis=1).str.removeprefix("p_") == table["predicted"]).all()


def test_runs_of_one_process_have_disjoint_metrics(folder):
    """Each run's curve has as many points as its trainings had epochs: nothing of another run."""
    counts = rows(folder, "select run_uuid, count(*) from metrics where key = 'fold_1/val_loss' group by run_uuid")
    assert [count for _, count in counts] == [2] * 5


def test_the_same_command_again_trains_and_logs_nothing(folder, again):
    before = {path: path.stat().st_mtime_ns for path in folder.glob("results/replicas/*/*.npz")}
    done = again("loss=cos,l2,none", "lambda=0.6,0.7")
    assert done.returncode == 0
    assert "(25 found finished)" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in folder.glob("results/replicas/*/*.npz")} == before
    assert rows(folder, "select count(*) from runs") == [(5,)]


def test_resume_false_gives_the_same_numbers(folder, again):
    before = rows(folder, "select key, value from latest_metrics join runs using (run_uuid) where name like 'l2 0.7%'")
    done = again("resume=false", "loss=l2", "lambda=0.7", "engine=serial", sweep=False)
    assert done.returncode == 0
    assert "found finished" not in done.stderr
    after = rows(
        folder,
        "select key, value from latest_metrics where run_uuid = (select run_uuid from runs where name like 'l2 0.7%'"
        " order by start_time desc limit 1)",
    )
    assert rows(folder, "select count(*) from runs where name like 'l2 0.7%'") == [(2,)]
    numbers = {key: value for key, value in after if key != "seconds"}
    assert numbers == {key: value for key, value in before if key != "seconds"}


def test_repeats_seeds_and_single_folds_are_the_same_trainings(folder, again):
    done = again("loss=cos", "lambda=0.6", "repeats=2", sweep=False)
    assert done.returncode == 0, done.stderr
    assert "10 of 10 trainings done (5 found finished)" in done.stderr
    parents = rows(folder, "select name, run_uuid from runs where name like '%seeds=0-1'")
    assert len(parents) == 1
    nested = rows(folder, f"select count(*) from tags where key = 'mlflow.parentRunId' and value = '{parents[0][1]}'")
    assert nested == [(2,)]
    for name, command in (("seeds", ("seed=0,1",)), ("folds", ("seed=range(2)", "fold=1,2,3,4,5"))):
        done = again("loss=cos", "lambda=0.6", *command)
        assert done.returncode == 0, done.stderr
        assert "10 of 10 trainings done (10 found finished)" in done.stderr
        done = again("loss=cos", "lambda=0.6", *command, f"results.dir={name}", "tracking=none")
        assert done.returncode == 0, done.stderr
        mine, other = ResultStore(folder / "results"), ResultStore(folder / name)
        found = [path.stem for path in other.directory.glob("replicas/*/*.npz")]
        assert len(found) == 10
        for mark in found:
            one, two = mine.load(mark).outcome, other.load(mark).outcome
            assert one.history == two.history
            assert (one.average == two.average).all()
            assert (one.crop == two.crop).all()
    seeds = dict(
        rows(folder, "select p.value, m.value from params p join latest_metrics m using (run_uuid) join runs using"
             " (run_uuid) where p.key = 'seed' and m.key = 'wa' and name like 'cos 0.6%seed=_'")
    )  # fmt: skip
    mean = rows(folder, f"select value from latest_metrics where key = 'wa' and run_uuid = '{parents[0][1]}'")[0][0]
    assert mean == pytest.approx((seeds["0"] + seeds["1"]) / 2)


def test_a_lost_store_is_filled_again_from_the_results(folder, again):
    moved = f"tracking.uri=sqlite:///{folder}/other/second.db"
    done = again("loss=cos,l2,none", "lambda=0.6,0.7", moved)
    assert done.returncode == 0, done.stderr
    assert "(25 found finished)" in done.stderr
    query = "select r.name, m.value from runs r join latest_metrics m using (run_uuid) where m.key = 'uwa'"
    with sqlite3.connect(folder / "other" / "second.db") as second:
        assert set(second.execute(query).fetchall()) <= set(rows(folder, query))
        assert second.execute("select count(*) from runs").fetchone() == (5,)


def test_the_environment_names_the_store(folder, again, tmp_path):
    store = f"sqlite:///{tmp_path}/env.db"
    done = again("loss=none", sweep=False, env={"MLFLOW_TRACKING_URI": store})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "env.db").exists()


def test_a_store_out_of_reach_keeps_the_results(folder, again):
    done = again("loss=none", "seed=7", "tracking.uri=http://127.0.0.1:9", sweep=False)
    assert done.returncode == 1
    assert "did not take the runs" in done.stderr
    assert "the same command delivers them" in done.stderr
    assert "Traceback" not in done.stderr
    done = again("loss=none", "seed=7", sweep=False)
    assert "(5 found finished)" in done.stderr
    assert rows(folder, "select count(*) from runs where name like 'baseline%seed=7'") == [(1,)]


def test_a_key_outside_the_familiar_ones_is_swept_like_any_other(folder, again):
    """Another product names runs by ten fixed fields, and skips two of these three jobs."""
    done = again("loss=none", "model.channels=2,3,4", "fold=1")
    assert done.returncode == 0, done.stderr
    names = {name for (name,) in rows(folder, "select name from runs where name like 'baseline%fold=1'")}
    assert {"model.channels=2" in name for name in names} == {True, False}
    assert len(names) == 3


def test_run_level_curves_keep_a_stopped_folds_last_value(folder):
    run_id = rows(folder, "select run_uuid from runs where name like 'cos 0.6%seed=0'")[0][0]
    last = dict(rows(folder, f"select key, value from latest_metrics where run_uuid = '{run_id}'"))
    folds = [last[f"fold_{fold}/val_loss"] for fold in range(1, 6)]
    assert last["val_loss"] == pytest.approx(sum(folds) / 5)
    assert all(1 <= last[f"fold_{fold}/best_epoch"] <= 2 for fold in range(1, 6))


REFUSED = {
    "a grid without -m": (["experiment=fig4"], ["is a sweep over loss, lambda.weight", "add -m"]),
    "unknown option": (["loss=coss"], ["loss=coss", "cos, l2, none"]),
    "unknown key": (["trainer.learning_rate=1"], ["trainer.learning_rate", "trainer.lr"]),
    "unknown group": (["lamda=0.6"], ["lamda", "lambda"]),
    "out of range": (["lambda=0.6,1.5"], ["lambda.weight", "[0, 1]", "1.5"]),
    "too short": (["length=0.2,1"], ["model=cnn needs", "0.3 s"]),
    "no number": (["lambda=0.6,linear"], ["mixes numbers and words"]),
    "no such session": (["fold=9"], ["fold=9", "5 sessions"]),
    "no corpus": (["corpus=iemocap", "corpus.root=nowhere"], ["iemocap", "nowhere", "corpus=synthetic"]),
    "not a sweep": (["loss=cos,l2"], ["add -m"]),
    "cuda": (["device=cuda:7"], ["device=cuda:7", "device=cpu"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_users_mistake_is_one_message_before_anything_runs(case, tmp_path, tiny):
    arguments, words = REFUSED[case]
    sweep = [] if case in ("not a sweep", "a grid without -m") else ["-m"]
    corpus = [] if case == "no corpus" else ["corpus.size=tiny", f"corpus.root={tiny}"]
    done = run(*sweep, *corpus, "trainer.max_epochs=1", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2, done.stderr
    assert not list(tmp_path.glob("results/replicas/*")), "nothing was trained"


def test_a_bad_point_fails_alone_and_is_named(tmp_path, tiny):
    broken = tmp_path / "broken"
    shutil.copytree(tiny, broken)
    mark = json.loads((broken / "SYNTHETIC.json").read_text())
    assert mark["size"] == "tiny"
    wav = sorted(broken.rglob("*.wav"))[0]
    next(path for path in sorted(broken.rglob("*.wav")) if "impro" in path.name).write_bytes(b"no audio")
    assert wav.exists()
    points = f"corpus.root={broken},{tiny}"
    done = run("-m", *SMALL, points, "loss=none", "fold=1", cwd=tmp_path)
    assert done.returncode == 1
    assert "1 of 1 trainings done" in done.stderr
    assert f"failed: corpus.root={broken}" in done.stdout
    assert "cannot be read as audio" in done.stdout
    assert "Traceback" not in done.stderr
    assert len(list(tmp_path.glob("results/replicas/*/*.npz"))) == 1


def test_resume_false_shows_no_old_number_where_training_fails(folder, again):
    done = again("loss=none", "lambda=0.6", "resume=false", "trainer.lr=1e30", "seed=3", sweep=False)
    assert done.returncode == 1
    assert "diverged in its first epoch" in done.stderr
    assert "X (0 of 5)" in done.stdout
    assert "Traceback" not in done.stderr


def test_equal_points_with_resume_false_are_logged_once(folder, again):
    count = "select count(*) from runs where name like 'baseline%' and name not like '%fold=%'"
    before = rows(folder, count)[0][0]
    done = again("loss=none", "lambda=0.6,0.7", "resume=false")
    assert done.returncode == 0, done.stderr
    assert rows(folder, count)[0][0] == before + 1


def test_a_run_left_half_way_is_logged_again(folder, again):
    with sqlite3.connect(folder / "mlflow.db") as database:
        database.execute("update runs set status = 'RUNNING' where name like 'l2 0.6%'")
    done = again("loss=l2", "lambda=0.6", sweep=False)
    assert done.returncode == 0, done.stderr
    query = "select status, lifecycle_stage from runs where name like 'l2 0.6%' order by start_time"
    assert sorted(rows(folder, query)) == [("FINISHED", "active"), ("RUNNING", "deleted")]


def test_a_damaged_result_is_trained_again(folder, again):
    store = ResultStore(folder / "results")
    stems = [path.stem for path in sorted(folder.glob("results/replicas/*/*.npz"))]
    mark = next(stem for stem in stems if store.load(stem).about["parameters"]["loss"] == "cos")
    path = store.path(mark)
    path.write_bytes(path.read_bytes()[:-100])
    done = again("loss=cos", "lambda=0.6,0.7", "seed=0,1")
    assert done.returncode == 0, done.stderr
    assert f"{mark}.damaged" in done.stderr
    assert store.load(mark).outcome.ids


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


def test_options_of_ones_own(tmp_path, tiny):
    """A model in a module of the user's, chosen from a folder of the user's: another signature than cnn's."""
    (tmp_path / "mine.py").write_text("from ser.models.cnn import CNN\n\nclass Mine(CNN):\n    pass\n")
    (tmp_path / "my, conf" / "model").mkdir(parents=True)
    option = "# Mine.\nname: cnn\n_target_: mine.Mine\nchannels: 4\nkernels: [13, 7]\npool: 30\nstride: 3\n"
    (tmp_path / "my, conf" / "model" / "mine.yaml").write_text(option)
    common = (*SMALL, f"corpus.root={tiny}", "loss=none", "fold=1")
    env = {"PYTHONPATH": str(tmp_path)}
    for model, found in (("cnn", 1), ("mine", 2)):
        done = run("--config-dir", "my, conf", *common, f"model={model}", cwd=tmp_path, env=env)
        assert done.returncode == 0, done.stderr
        assert len(list(tmp_path.glob("results/replicas/*/*.npz"))) == found
    done = run(*common, "model._target_=nowhere.X", cwd=tmp_path)
    assert done.returncode == 1
    assert "nowhere.X cannot be imported" in done.stderr


def test_a_folder_that_cannot_be_written_is_named(tmp_path, tiny):
    (tmp_path / "file").write_text("")
    done = run(*SMALL, f"corpus.root={tiny}", "results.dir=file", cwd=tmp_path)
    assert done.returncode == 2
    assert "results.dir" in done.stderr
    assert "Traceback" not in done.stderr
