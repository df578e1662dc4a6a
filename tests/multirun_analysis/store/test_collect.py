"""``collect`` against MLflow's own client and plain loops, on a store with every kind of run that there may be."""

import shutil
import sqlite3
import subprocess
import sys
from itertools import count
from types import SimpleNamespace

import pandas as pd
import pytest
from sqlalchemy.dialects import mysql

from benchmarks import store as large
from multirun_analysis.store import collect as module
from multirun_analysis.store.collect import collect
from multirun_analysis.store.contents import REPLICA, columns, fold_metrics
from multirun_analysis.store.database import Database, _connect, _finished
from multirun_analysis.store.predictions import predictions, read_run
from multirun_analysis.store.server import Server
from ser.errors import UserError
from ser.results.convergence import FIGURES

EXPERIMENT = "ser"
A, B, C = "a" * 32, "b" * 32, "c" * 32
PARAMETERS = {
    A: {"corpus": "synthetic", "loss": "cos", "loss.margin": "0.1", "lambda": "0.6"},
    B: {"corpus": "synthetic", "loss": "l2", "loss.margin": "1", "lambda": "0.6"},
    C: {"corpus": "emodb", "loss": "none", "lambda": "0"},
}


def wa(configuration, seed, fold):
    """The WA that a replica is logged with."""
    return round(0.5 + 0.1 * "abc".index(configuration[0]) + 0.01 * seed + 0.001 * fold, 6)


def metrics(configuration, seed, folds, shift=0.0):
    result = {"wa": 0.5, "uwa": 0.5, "val_wa": 0.6}
    for fold in folds:
        value = wa(configuration, seed, fold) + shift
        # of WA, UWA and F1, the same of crops, the validation UWA and WA
        shifts = (0, 0.01, 0.04, -0.01, 0.02, 0.05, 0.06, 0.03)
        values = (*(value + shift for shift in shifts), fold)
        result |= {f"fold_{fold}/{name}": value for name, value in zip(fold_metrics(), values, strict=True)}
        result |= {f"fold_{fold}/val_wa": 0.7, f"fold_{fold}/wa/other": 0.1}
    return result


class Filler:
    """Logs runs a minute apart, as ``ser.results.mlflow`` does; gives their ids."""

    def __init__(self, client, experiment):
        self.client, self.experiment, self.minutes = client, experiment, count(1)

    def log(
        self, configuration, seed, folds=(1, 2, 3), shift=0.0, status="FINISHED", end=None, drop=(), label=None, **tags
    ):
        from mlflow.entities import Metric, Param

        end = end or 60_000 * next(self.minutes)
        fold = "all" if len(folds) == 3 else ",".join(map(str, folds))
        params = {**PARAMETERS[configuration], "seed": label or seed, "fold": fold}
        values = {k: v for k, v in metrics(configuration, seed, folds, shift).items() if k.split("/")[-1] not in drop}
        about = {
            "configuration": configuration, "kind": "run", "device": "cpu", "corpus_fingerprint": "f1", "sweep": "s",
            "started": str(end / 1000), "signature": f"{configuration}{seed}{folds}", **tags,
        }  # fmt: skip
        run_id = self.client.create_run(self.experiment, start_time=end - 1000, tags=about).info.run_id
        points = [Metric(key, value, end, 0) for key, value in values.items()]
        self.client.log_batch(run_id, points, [Param(key, str(value)) for key, value in params.items()])
        if status != "RUNNING":
            self.client.set_terminated(run_id, status, end_time=end)
        return run_id


@pytest.fixture(scope="module")
def made(tmp_path_factory, new_store):
    """A store: its uri and client, and the runs that tests ask for by name."""
    from mlflow.tracking import MlflowClient

    folder = tmp_path_factory.mktemp("store")
    uri = new_store(folder)
    client = MlflowClient(uri)
    experiment = client.create_experiment(EXPERIMENT, artifact_location=str(folder / "mlruns"))
    filler = Filler(client, experiment)
    runs = fill(filler)
    elsewhere = client.create_experiment("other", artifact_location=str(folder / "mlruns"))
    Filler(client, elsewhere).log(A, 0, shift=0.3, end=10**12)
    client.delete_experiment(client.create_experiment("gone"))
    client.create_experiment("bare")
    return SimpleNamespace(uri=uri, folder=folder, client=client, experiment=experiment, runs=runs)


def fill(filler):
    runs = {}
    runs["whole"] = filler.log(A, 0, git_commit="0123", numerics="1")
    runs["second"] = filler.log(A, 0, folds=(2,))
    runs["singles"] = [filler.log(A, 1, folds=(fold,)) for fold in (3, 1, 2)]
    runs["old"] = filler.log(B, 0, synthetic="true", drop=["best_val_wa"])
    runs["anew"] = filler.log(B, 0, synthetic="true", device="cuda:0", diverged="true")
    runs["shifted"] = filler.log(B, 0, folds=(3,), shift=0.05)
    filler.log(C, 10)
    filler.log(C, 2, folds=(1, 2))
    runs["tied"] = [filler.log(C, 3, folds=(1,), shift=shift, end=77) for shift in (0.0, 0.2)]
    filler.log(A, 0, label="0-1", kind="parent")
    filler.log(A, 5, status="RUNNING")
    filler.log(A, 6, status="FAILED")
    filler.client.delete_run(filler.log(A, 0, shift=0.4))
    filler.client.set_terminated(filler.client.create_run(filler.experiment).info.run_id)
    return runs


def plainly(made):
    """The replicas by (configuration, seed, fold) from MLflow's client, the newest run last in each list."""
    stored = made.client.search_runs([made.experiment], max_results=100)
    runs = [run for run in stored if run.info.status == "FINISHED" and run.data.tags.get("kind") == "run"]
    result = {}
    for run in sorted(runs, key=lambda run: (run.info.end_time, run.info.run_id)):
        tags, seed = run.data.tags, int(run.data.params["seed"])
        for fold in (1, 2, 3):
            if f"fold_{fold}/wa" in run.data.metrics:
                row = {name: run.data.metrics.get(f"fold_{fold}/{name}", float("nan")) for name in fold_metrics()}
                row |= {name: tags.get(name) for name in ("device", "git_commit", "corpus_fingerprint", "numerics")}
                row |= {name: tags.get(name) == "true" for name in ("diverged", "synthetic")}
                row |= {"started": float(tags["started"]), "run_id": run.info.run_id}
                result.setdefault((tags["configuration"], seed, fold), []).append(row)
    return result


def same(value, other):
    return value == other or (pd.isna(value) and pd.isna(other))


def test_replicas_are_those_of_a_plain_loop_over_mlflows_client(made):
    expected, replicas = plainly(made), collect(made.uri, EXPERIMENT).replicas
    keys = [tuple(row) for row in replicas[REPLICA].itertuples(index=False)]
    assert keys == sorted(expected)
    for key, row in zip(keys, replicas.to_dict("records"), strict=True):
        newest = expected[key][-1]
        assert all(same(row[name], newest[name]) for name in newest), (key, row, newest)
        assert set(row) == {*newest, *REPLICA, *FIGURES, "stopped"}


def test_columns_have_their_types_even_without_rows(made):
    for collected in (collect(made.uri, EXPERIMENT), collect(made.uri, EXPERIMENT, []), collect(made.uri, "bare")):
        for frame in (collected.replicas, collected.conflicts):
            assert frame.dtypes.astype(str).to_dict() == columns()
    assert collected.replicas.empty
    assert collected.artifacts == {}


def test_single_folds_and_a_whole_run_hold_the_same_replicas(made):
    replicas = collect(made.uri, EXPERIMENT, [A]).replicas.set_index(["seed", "fold"])
    assert replicas.index.tolist() == [(seed, fold) for seed in (0, 1) for fold in (1, 2, 3)]
    assert replicas["wa"].to_dict() == {(seed, fold): wa(A, seed, fold) for seed, fold in replicas.index}
    assert replicas["run_id"].tolist()[:3] == [made.runs["whole"], made.runs["second"], made.runs["whole"]]
    assert {replicas["run_id"][1, fold] for fold in (1, 2, 3)} == set(made.runs["singles"])


def test_conflicts_hold_every_version_the_newest_last(made):
    collected = collect(made.uri, EXPERIMENT)
    conflicts = collected.conflicts
    assert conflicts[REPLICA].drop_duplicates().to_numpy().tolist() == [[B, 0, 3], [C, 3, 1]]
    of_b = conflicts[conflicts["configuration"] == B]
    assert of_b["run_id"].tolist() == [made.runs[name] for name in ("old", "anew", "shifted")]
    assert of_b["wa"].tolist() == pytest.approx([wa(B, 0, 3), wa(B, 0, 3), wa(B, 0, 3) + 0.05])
    assert conflicts["run_id"].tolist()[-2:] == sorted(made.runs["tied"])
    repeated = sorted(key for key, rows in plainly(made).items() if len(rows) > 1)
    equal = [(A, 0, 2), (B, 0, 1), (B, 0, 2)]  # of B, a run lacks best_val_wa, which is no conflict
    assert repeated == sorted([*equal, (B, 0, 3), (C, 3, 1)])


@pytest.mark.parametrize("at_once", [1, 500])
@pytest.mark.parametrize("source", [Server, Database], ids=["client", "sql"])
@pytest.mark.parametrize("wanted", [None, [A], [C, A, "d" * 32]], ids=["all", "one", "some"])
def test_database_and_client_read_the_same(made, monkeypatch, wanted, source, at_once):
    expected = collect(made.uri, EXPERIMENT)
    monkeypatch.setattr(module, "_source", source)
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    monkeypatch.setattr("multirun_analysis.store.database.AT_ONCE", at_once)
    collected = collect(made.uri, EXPERIMENT, wanted)
    for name in ("replicas", "conflicts"):
        frame = getattr(expected, name)
        kept = frame[frame["configuration"].isin(wanted or [A, B, C])].reset_index(drop=True)
        pd.testing.assert_frame_equal(getattr(collected, name), kept)
    assert collected.artifacts == {run: expected.artifacts[run] for run in collected.replicas["run_id"].unique()}


def test_mlflow_is_not_imported_to_read_a_database(made):
    code = f"""if True:
        import sys
        from multirun_analysis.store.collect import collect
        assert len(collect({made.uri!r}, {EXPERIMENT!r}).replicas) == 15
        assert not {{"mlflow", "torch", "matplotlib"}} & set(sys.modules)"""
    subprocess.run([sys.executable, "-c", code], check=True)


def copied(made, folder):
    """The store alone in another folder, with nothing else open on it."""
    folder.mkdir(exist_ok=True)
    with sqlite3.connect(made.folder / "mlflow.db") as source, sqlite3.connect(folder / "mlflow.db") as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode=WAL")
    source.close()
    target.close()
    return f"sqlite:///{folder / 'mlflow.db'}"


def test_reading_leaves_nothing_behind_and_cannot_write(made, tmp_path):
    uri = copied(made, tmp_path / "copy")
    before = (tmp_path / "copy" / "mlflow.db").read_bytes()
    collect(uri, EXPERIMENT)
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["mlflow.db"]
    assert (tmp_path / "copy" / "mlflow.db").read_bytes() == before
    connection = _connect(tmp_path / "copy" / "mlflow.db")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM runs")
    connection.close()


def test_without_a_uri_the_store_is_that_of_the_tracking(made, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", made.uri)
    assert collect(None, EXPERIMENT, [A]).uri == made.uri


def test_a_metric_that_mlflow_flags_as_nan_is_nan(made, tmp_path):
    uri = copied(made, tmp_path)
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        where = "run_uuid = ? AND key = 'fold_1/best_val_wa'"
        database.execute(f"UPDATE latest_metrics SET value = 0, is_nan = 1 WHERE {where}", (made.runs["whole"],))
    database.close()
    replicas = collect(uri, EXPERIMENT, [A]).replicas
    assert replicas["best_val_wa"].isna().tolist() == [True] + [False] * 5


def test_reserved_words_are_quoted_for_other_databases():
    statement = str(_finished([1], ["x"]).compile(dialect=mysql.dialect()))
    assert "configuration.`key` = " in statement


def unknown_experiment(made, folder):
    return made.uri, "serr", r"tracking.experiment=serr is not in sqlite.*There are: Default, bare, other, ser\."


def deleted_experiment(made, folder):
    return made.uri, "gone", "tracking.experiment=gone is deleted in MLflow"


def no_file(made, folder):
    return f"sqlite:///{folder}/none.db", EXPERIMENT, rf"no tracking store {folder}/none.db .*Run the sweep first"


def not_a_database(made, folder):
    (folder / "text.db").write_text("something else entirely" * 100)
    return f"sqlite:///{folder}/text.db", EXPERIMENT, "text.db.*cannot be read: .*not a database.*tracking.uri="


def other_database(made, folder):
    sqlite3.connect(folder / "other.db").execute("CREATE TABLE t (x)").connection.close()
    return f"sqlite:///{folder}/other.db", EXPERIMENT, "other.db is a database without MLflow's tables"


def no_server(made, folder):
    return "http://127.0.0.1:9", EXPERIMENT, "http://127.0.0.1:9 .*cannot be read"


def no_url(made, folder):
    return "sqlite:mlflow.db", EXPERIMENT, "sqlite:mlflow.db .*cannot be read"


@pytest.mark.parametrize(
    "case", [unknown_experiment, deleted_experiment, no_file, not_a_database, other_database, no_server, no_url]
)
def test_a_store_or_experiment_that_cannot_be_read_is_named(made, tmp_path, monkeypatch, case):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri, experiment, message = case(made, tmp_path)
    with pytest.raises(UserError, match=message):
        collect(uri, experiment)


@pytest.mark.parametrize("name", ["serr", "gone"])
def test_a_server_names_the_same_mistakes(made, monkeypatch, name):
    monkeypatch.setattr(module, "_source", Server)
    with pytest.raises(UserError, match=f"tracking.experiment={name} is "):
        collect(made.uri, name)


def test_passwords_are_not_shown(tmp_path):
    with pytest.raises(UserError) as caught:
        collect("postgresql+psycopg://me:secret@127.0.0.1:9/mlflow", EXPERIMENT)
    assert "secret" not in str(caught.value)
    assert "postgresql+psycopg://me:***@127.0.0.1:9/mlflow" in str(caught.value)


def write_predictions(folder, run_id, folds):
    path = folder / "mlruns" / run_id / "artifacts" / "predictions.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{run_id[:4]}_{fold}{n},{fold},null,NA,0.25,nan,NA" for fold in folds for n in "xy"]
    path.write_text("\n".join(["id,fold,gold,predicted,p_null,p_NA,crop_predicted", *lines]) + "\n", encoding="utf-8")
    return path


def test_predictions_come_from_the_runs_that_count(made):
    whole, second = made.runs["whole"], made.runs["second"]
    write_predictions(made.folder, whole, (1, 2, 3))
    write_predictions(made.folder, second, (2,))
    utterances = predictions(collect(made.uri, EXPERIMENT), A, 0)
    runs = [whole, second, whole]
    assert utterances["id"].tolist() == [f"{run[:4]}_{fold}{n}" for fold, run in enumerate(runs, 1) for n in "xy"]
    assert utterances["fold"].tolist() == [1, 1, 2, 2, 3, 3]
    assert set(utterances["gold"]) == {"null"}  # a class of that name, not a missing one
    assert set(utterances["predicted"]) == set(utterances["crop_predicted"]) == {"NA"}
    assert utterances["p_null"].tolist() == [0.25] * 6
    assert utterances["p_NA"].isna().all()


def relative(made, store):
    return "mlruns/1/{run}/artifacts"


def dotted(made, store):
    return "./mlruns/1/{run}/artifacts"


def as_file_uri(made, store):
    return (store / "mlruns" / "1").as_uri() + "/{run}/artifacts"


def moved(made, store):
    return "/nowhere/any/more/mlruns/1/{run}/artifacts"


@pytest.mark.parametrize("place", [relative, dotted, as_file_uri, moved])
@pytest.mark.parametrize("here", [False, True], ids=["beside the store", "in the working directory"])
def test_predictions_are_found_where_the_store_says(made, tmp_path, monkeypatch, place, here):
    store = tmp_path / "a store"
    uri, run = copied(made, store), made.runs["whole"]
    monkeypatch.chdir(store if here else tmp_path)
    where = place(made, store).format(run=run)
    with sqlite3.connect(store / "mlflow.db") as database:
        database.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", (where, run))
        database.execute("DELETE FROM runs WHERE run_uuid = ?", (made.runs["second"],))
    database.close()
    write_predictions(made.folder, run, (1, 2, 3))
    shutil.copytree(made.folder / "mlruns" / run, store / "mlruns" / "1" / run)
    utterances = predictions(collect("sqlite:///mlflow.db" if here else uri, EXPERIMENT, [A]), A, 0)
    assert utterances["fold"].tolist() == [1, 1, 2, 2, 3, 3]


def test_predictions_of_a_server_are_downloaded(made, monkeypatch, tmp_path):
    import mlflow.artifacts

    def download(artifact_uri, dst_path, tracking_uri):
        assert (artifact_uri, tracking_uri) == ("mlflow-artifacts:/1/r/artifacts/predictions.csv", "http://host")
        return str(shutil.copy(write_predictions(tmp_path, "rrrr", (1,)), dst_path))

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", download)
    assert read_run("http://host", "r", "mlflow-artifacts:/1/r/artifacts")["fold"].tolist() == [1, 1]


def test_predictions_that_cannot_be_found_are_named(made):
    collected = collect(made.uri, EXPERIMENT)
    with pytest.raises(UserError, match=rf"{made.folder}/mlruns/\w+/artifacts/predictions.csv"):
        predictions(collected, C, 10)
    with pytest.raises(UserError, match=f"no run of configuration {C} with seed 11"):
        predictions(collected, C, 11)


def test_the_same_store_gives_the_same_tables(made):
    first, second = collect(made.uri, EXPERIMENT), collect(made.uri, EXPERIMENT)
    for name in ("replicas", "conflicts"):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize("runs", [60, pytest.param(20_000, marks=pytest.mark.slow)])
def test_a_large_store_is_read_completely(made, tmp_path, runs):
    uri = copied(made, tmp_path)
    large.fill(tmp_path / "mlflow.db", runs)
    collected = collect(uri, large.EXPERIMENT)
    assert len(collected.replicas) == 5 * runs
    assert not collected.replicas.duplicated(REPLICA).any()
    assert (len(collected.conflicts), len(collected.artifacts)) == (0, runs)
    rows = collected.replicas.set_index(["run_id", "fold"])
    for number in (0, 1, 19, 20, 59, runs // 2, runs - 1):
        for fold in range(1, large.FOLDS + 1):
            row = rows.loc[(large.run_id(number), fold)]
            expected = [large.figure(number, name, fold) for name in large.FIGURES]
            assert row[list(large.FIGURES)].tolist() == expected
            assert (row["seed"], row["configuration"]) == (number % 20, large.configuration(number // 20))


def test_a_large_store_has_mlflows_form(made, tmp_path):
    """What plain SQL filled reads the same through MLflow's client."""
    from mlflow.tracking import MlflowClient

    uri = copied(made, tmp_path)
    large.fill(tmp_path / "mlflow.db", 3)
    run = MlflowClient(uri).get_run(large.run_id(2))
    assert (len(run.data.params), len(run.data.metrics), len(run.data.tags)) == (40, 60, 10)
    assert run.data.metrics["fold_3/uwa"] == large.figure(2, "uwa", 3)


def test_the_benchmark_measures_a_small_store(made, tmp_path):
    copied(made, tmp_path / "store")
    section = large._measure(tmp_path, 20)
    assert section.values["runs"] == 20
    words = ["fill the store", "collect 20 runs", "collect one configuration of 1"]
    assert [row[0] for row in section.rows] == [*words, "the report, of 155 configurations x 20 seeds"]
