"""Where the files of the runs in a SQLite store lie."""

import sqlite3
from contextlib import closing

import pytest

from ser.results.sqlite import keep_files_beside


def store(path, files, run):
    """A store with an experiment of one run, whose files lie in ``files``, as MLflow notes them."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE experiments (experiment_id, artifact_location)")
        database.execute("CREATE TABLE runs (run_uuid, experiment_id, artifact_uri)")
        database.execute("INSERT INTO experiments VALUES ('1', ?)", [str(files)])
        database.execute("INSERT INTO runs VALUES (?, '1', ?)", [run, f"{files}/{run}/artifacts"])
    return path


def noted(path):
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT artifact_location, artifact_uri FROM experiments, runs").fetchone()


@pytest.fixture
def elsewhere(tmp_path):
    """The files of run b, in a folder that can be written."""
    (tmp_path / "elsewhere" / "1" / "b" / "artifacts").mkdir(parents=True)
    return tmp_path / "elsewhere" / "1"


def test_files_that_are_there_stay_although_another_store_has_its_files_beside(tmp_path, elsewhere):
    (tmp_path / "mlruns" / "1" / "a" / "artifacts").mkdir(parents=True)
    path = store(tmp_path / "b.db", elsewhere, "b")
    before = noted(path)
    keep_files_beside(path, "1")
    assert noted(path) == before


@pytest.mark.parametrize("what", ["copied", "gone"])
def test_files_that_were_copied_with_the_store_or_are_gone_lie_beside_it(tmp_path, elsewhere, what):
    path, beside = store(tmp_path / "b.db", elsewhere, "b"), tmp_path / "mlruns" / "1"
    if what == "copied":
        (beside / "b" / "artifacts").mkdir(parents=True)
    else:
        (elsewhere / "b" / "artifacts").rmdir()
        (elsewhere / "b").rmdir()
        elsewhere.rmdir()
    keep_files_beside(path, "1")
    assert noted(path) == (str(beside), f"{beside}/b/artifacts")
