"""How finished runs get into MLflow's store: another store, one out of reach, a run that was left half-way."""

import sqlite3
from contextlib import closing

from sweep.workplace import POINTS, rows


def test_a_lost_store_is_filled_again_from_the_results(folder, command):
    done = command(*POINTS, f"tracking.uri=sqlite:///{folder}/other/second.db")
    assert done.returncode == 0, done.stderr
    assert "(25 found finished)" in done.stderr
    query = "select r.name, m.value from runs r join latest_metrics m using (run_uuid) where m.key = 'uwa'"
    with closing(sqlite3.connect(folder / "other" / "second.db")) as second:
        assert set(second.execute(query).fetchall()) <= set(rows(folder, query))
        assert second.execute("select count(*) from runs").fetchone() == (5,)


def test_the_environment_names_the_store(command, tmp_path):
    store = f"sqlite:///{tmp_path}/env.db"
    done = command("loss=none", sweep=False, env={"MLFLOW_TRACKING_URI": store})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "env.db").exists()


def test_a_store_out_of_reach_keeps_the_results(folder, command):
    done = command("loss=none", "seed=7", "tracking.uri=http://127.0.0.1:9", sweep=False)
    assert done.returncode == 1
    assert "did not take the runs" in done.stderr
    assert "the same command delivers them" in done.stderr
    assert "Traceback" not in done.stderr
    done = command("loss=none", "seed=7", sweep=False)
    assert "(5 found finished)" in done.stderr
    assert rows(folder, "select count(*) from runs where name like 'baseline%seed 7%'") == [(1,)]


def test_a_run_left_half_way_is_logged_again(folder, command):
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.execute("update runs set status = 'RUNNING' where name like 'l2 λ=0.6%'")
        database.commit()
    done = command("loss=l2", "lambda=0.6", sweep=False)
    assert done.returncode == 0, done.stderr
    query = "select status, lifecycle_stage from runs where name like 'l2 λ=0.6%' order by start_time"
    assert sorted(rows(folder, query)) == [("FINISHED", "active"), ("RUNNING", "deleted")]
