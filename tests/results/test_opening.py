"""Tracking stores that will not take runs are refused in seconds, before anything is trained, and left as they are."""

import functools
import hashlib
import http.server
import os
import socket
import sqlite3
import threading
from contextlib import closing, contextmanager

import pytest

from ser.errors import UserError
from ser.results import opening, sqlite
from ser.results.opening import check_experiment, check_store


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An empty store, as MLflow makes it."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    sqlite.make(path)
    return path


def refused(uri):
    with pytest.raises(UserError) as caught:
        check_store(uri)
    assert "secret" not in str(caught.value)
    return str(caught.value)


def hashes(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("options", ["", "?timeout=60"])
def test_a_store_and_one_that_can_be_made_are_left_as_they_are(made, options, tmp_path):
    before = hashes(made.parent)
    check_store(f"sqlite:///{made}{options}")
    assert hashes(made.parent) == before
    check_store(f"sqlite:///{tmp_path}/new/mlflow.db{options}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:", "sqlite:///", "sqlite:///file::memory:?uri=true"])
def test_a_database_in_memory_is_refused(uri):
    assert "is a database in memory: its runs are lost" in refused(uri)


def test_files_that_are_no_store_are_refused_with_the_reason(tmp_path):
    (tmp_path / "folder.db").mkdir()
    assert "folder.db is a folder: give the file" in refused(f"sqlite:///{tmp_path}/folder.db")
    (tmp_path / "garbage.db").write_text("not a database, whatever its name says" * 100)
    assert "file is not a database" in refused(f"sqlite:///{tmp_path}/garbage.db")
    with closing(sqlite3.connect(tmp_path / "mail.db")) as other:
        other.execute("CREATE TABLE letters (x)")
    before = hashes(tmp_path)
    assert "another program, with the tables letters" in refused(f"sqlite:///{tmp_path}/mail.db")
    assert hashes(tmp_path) == before
    (tmp_path / "empty.db").write_text("")
    check_store(f"sqlite:///{tmp_path}/empty.db")


def changed(made, folder, statement):
    """A copy of the store after an SQL statement."""
    path = folder / "copy.db"
    path.write_bytes(made.read_bytes())
    with closing(sqlite3.connect(path)) as database:
        database.execute(statement)
        database.commit()
    return path


def test_a_store_of_another_version_of_mlflow_is_refused(made, tmp_path):
    path = changed(made, tmp_path, "UPDATE alembic_version SET version_num = 'cafe'")
    message = refused(f"sqlite:///{path}")
    assert "another version of MLflow (schema cafe; the installed one has" in message
    assert "mlflow db upgrade" in message


def test_the_schema_is_the_one_that_mlflow_looks_for():
    from mlflow.store.db.utils import _get_latest_schema_revision

    assert opening._latest_schema() == _get_latest_schema_revision()


def test_a_servers_database_may_have_tables_of_other_programs():
    """MLflow adds its own to them; it cannot where another program's have the same names."""
    check = functools.partial(opening._check_schema, "postgresql://h/d", shared=True)
    check({"spatial_ref_sys"}, ())
    check({"spatial_ref_sys", "alembic_version", "experiments", "runs"}, {opening._latest_schema()})
    for tables, versions in (({"alembic_version", "letters"}, {"cafe"}), ({"runs", "letters"}, ())):
        with pytest.raises(UserError, match="another program, with the tables"):
            check(tables, versions)
    with pytest.raises(UserError, match="another version of MLflow"):
        check({"spatial_ref_sys", "alembic_version", "experiments", "runs"}, {"cafe"})


def test_a_store_that_another_program_has_locked_is_refused(made, tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "_SECONDS", 0.1)
    path = changed(made, tmp_path, "PRAGMA user_version = 1")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "database is locked" in refused(f"sqlite:///{path}")
    check_store(f"sqlite:///{path}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_store_that_cannot_be_written_is_refused(made, tmp_path):
    path = changed(made, tmp_path, "PRAGMA user_version = 1")
    path.chmod(0o444)
    assert "readonly" in refused(f"sqlite:///{path}")


@contextmanager
def answering(status):
    """The address of a server that answers every request with a status."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://me:secret@127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("status", [200, 401])
def test_a_server_that_answers_is_taken(status):
    """Whether it accepts the password is MLflow's matter, which may know another one."""
    with answering(status) as uri:
        check_store(uri)


@pytest.mark.parametrize("status", [404, 503])
def test_a_server_of_something_else_is_refused(status):
    with answering(status) as uri:
        assert f"not as an MLflow server ({status})" in refused(uri)


def test_a_dead_and_a_hanging_server_are_refused(monkeypatch):
    assert "Connection refused" in refused("http://me:secret@127.0.0.1:9")
    monkeypatch.setattr(opening, "_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert "does not answer within 0.2 s" in refused(f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_the_cause_of_a_failed_request_may_be_no_exception():
    try:
        raise ValueError("no address") from UnicodeError("label too long")
    except ValueError as error:
        error.reason = "label too long"
        assert opening._cause(error) == "no address"


def test_a_host_that_has_no_name_is_refused():
    assert "cannot take runs" in refused(f"http://me:secret@{'a' * 70}.example")


def test_a_dead_database_is_refused():
    pytest.importorskip("psycopg", reason="needs psycopg")
    message = refused("postgresql+psycopg://me:secret@127.0.0.1:9/mlflow")
    assert "cannot take runs" in message


def test_a_store_that_nobody_knows_is_refused():
    assert "MLflow knows no store foo:" in refused("foo://me:secret@host")
    check_store("./mlruns")
    check_store("databricks://profile")


def test_a_folder_whose_name_mlflow_would_read_as_an_escape_is_refused(tmp_path):
    assert "reads a % in the path" in refused(f"sqlite:///{tmp_path}/a%20b/mlflow.db")
    check_store(f"sqlite:///{tmp_path}/100% sure/mlflow.db")


def test_an_experiment_of_a_server_is_refused_in_its_database(made, tmp_path):
    """Its files can be sent to the server only."""
    from ser.results.mlflow import Experiment

    path = tmp_path / "mlflow.db"
    path.write_bytes(made.read_bytes())
    opened = Experiment(f"sqlite:///{path}", "mine")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "UPDATE experiments SET artifact_location = 'mlflow-artifacts:/9' WHERE experiment_id = ?", [opened.id]
        )
    with pytest.raises(UserError, match=r"experiment=mine was made by an MLflow server.*tracking\.uri=http://"):
        check_experiment(f"sqlite:///{path}", "mine")
    check_experiment(f"sqlite:///{path}", "another")
    check_experiment(f"sqlite:///{tmp_path}/none.db", "mine")


@pytest.mark.parametrize("name", ["plain", "Anna's best", 'say "hi"', """both ' and ".""", "b\\s", "a%b_c"])
def test_runs_are_found_by_any_name(made, tmp_path, name):
    from ser.results import mlflow

    path = tmp_path / "mlflow.db"
    path.write_bytes(made.read_bytes())
    client = mlflow.Experiment(f"sqlite:///{path}", "mine").client
    (experiment,) = [each.experiment_id for each in client.search_experiments() if each.name == "mine"]
    for each in (name, name.replace("'", "x"), "other"):
        run = client.create_run(experiment, run_name=each, tags={"configuration": "c"})
        client.log_param(run.info.run_id, "seed", "0")
        client.set_terminated(run.info.run_id)
    found = mlflow.find(f"sqlite:///{path}", name)
    assert {each.name for each in found} == {name}
    assert len(found) == (1 if "'" in name else 2)
