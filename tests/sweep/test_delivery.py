"""How finished runs get into MLflow's store: another store, one out of reach, a run that was left half-way."""

import http.server
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sweep.workplace import POINTS, rows

from ser.results.store import folder_id

FILES = {"configuration.json", "predictions.csv", "confusion.png", "curves.png"}


def places(folder, store="mlflow.db"):
    """The folder of each finished run's files, with the names of those that are there."""
    query = "select artifact_uri from runs where status = 'FINISHED' and lifecycle_stage = 'active'"
    found = rows(folder, query, store)
    return {Path(uri): {path.name for path in Path(uri).glob("*")} for (uri,) in found}


def test_a_lost_store_is_filled_again_from_the_results(folder, command):
    done = command(*POINTS, f"tracking.uri=sqlite:///{folder}/other/second.db")
    assert done.returncode == 0, done.stderr
    assert "(25 found finished)" in done.stderr
    query = "select r.name, m.value from runs r join latest_metrics m using (run_uuid) where m.key = 'uwa'"
    with closing(sqlite3.connect(folder / "other" / "second.db")) as second:
        assert set(second.execute(query).fetchall()) <= set(rows(folder, query))
        assert second.execute("select count(*) from runs").fetchone() == (5,)
    found = places(folder / "other", "second.db")
    assert len(found) == 5, "beside the store, not in the working folder"
    for place, names in found.items():
        assert place.is_relative_to(folder / "other" / "mlruns")
        assert names == FILES


@pytest.mark.parametrize("what", ["folder moved", "made elsewhere"])
def test_files_of_runs_lie_beside_the_store_and_come_back(folder, command, tmp_path, what):
    """The same command repairs what is missing, and logs no run twice."""
    store = folder
    if what == "folder moved":
        store = shutil.move(folder, tmp_path / "new place")
    if what == "made elsewhere":  # as a former version did, whose folder is gone
        with closing(sqlite3.connect(folder / "mlflow.db")) as database:
            database.execute("update experiments set artifact_location = '/gone/' || experiment_id")
            database.execute(
                "update runs set artifact_uri = '/gone/' || experiment_id || '/' || run_uuid || '/artifacts'"
            )
            database.commit()
        shutil.rmtree(folder / "mlruns")
    before = rows(store, "select count(*) from runs")
    done = command("loss=cos,none", "lambda=0.6", cwd=store)
    assert done.returncode == 0, done.stderr
    assert "(10 found finished)" in done.stderr
    assert rows(store, "select count(*) from runs") == before
    found = places(store)
    assert sorted(len(names) for names in found.values())[-2:] == [4, 4]
    assert {names == FILES for place, names in found.items() if names} == {True}
    assert all(place.is_relative_to(Path(store) / "mlruns") for place in found)
    if what == "folder moved":
        assert not folder.exists()


def test_a_store_whose_files_lie_elsewhere_and_are_there_is_left_as_it_is(folder, command, tmp_path):
    shutil.move(folder / "mlruns", tmp_path / "elsewhere")
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            database.execute(
                f"update {table} set {column} = replace({column}, ?, ?)", (f"{folder}/mlruns", f"{tmp_path}/elsewhere")
            )
        database.commit()
    assert command("loss=none", "seed=3", "fold=1", sweep=False).returncode == 0
    found = places(folder)
    assert len(found) == 6
    assert all(place.is_relative_to(tmp_path / "elsewhere") and names == FILES for place, names in found.items())


def test_the_environment_names_the_store(command, tmp_path):
    named = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/env.db?timeout=60", "MLFLOW_EXPERIMENT_NAME": "mine"}
    done = command("loss=none", sweep=False, env=named)
    assert done.returncode == 0, done.stderr
    query = "select e.name from runs join experiments e using (experiment_id)"
    assert rows(tmp_path, query, "env.db") == [("mine",)]


def test_a_store_out_of_reach_keeps_the_results(folder, command):
    class Dying(http.server.BaseHTTPRequestHandler):
        """Answers when it is looked for, and never again."""

        def do_GET(self):
            self.send_response(400 if "get-by-name" in self.path else 200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Dying) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        store = f"tracking.uri=http://127.0.0.1:{server.server_port}"
        done = command("loss=none", "seed=7", store, sweep=False)
        server.shutdown()
    assert done.returncode == 1, done.stderr
    assert "did not take the runs" in done.stderr
    assert "the same command delivers them" in done.stderr
    assert "Traceback" not in done.stderr
    done = command("loss=none", "seed=7", sweep=False)
    assert "(5 found finished)" in done.stderr
    assert rows(folder, "select count(*) from runs where name like 'baseline%seed 7%'") == [(1,)]


def test_a_run_left_half_way_is_logged_again(folder, command):
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.execute("update runs set status = 'RUNNING' where name like 'l2 λ=0.6%'")
        # the folder is a copy, and so another one than that which began the run
        database.execute("update tags set value = ? where key = 'results'", [folder_id(folder / "results")])
        database.commit()
    done = command("loss=l2", "lambda=0.6", sweep=False)
    assert done.returncode == 0, done.stderr
    query = "select status, lifecycle_stage from runs where name like 'l2 λ=0.6%' order by start_time"
    assert sorted(rows(folder, query)) == [("FINISHED", "active"), ("RUNNING", "deleted")]
