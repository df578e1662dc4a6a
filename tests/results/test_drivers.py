"""The modules of databases, looked for before anything is trained."""

import sys
from importlib.util import find_spec

import pytest
from support import run
from sweep.workplace import SMALL

from ser.errors import UserError
from ser.results.drivers import check_driver


@pytest.mark.parametrize(
    ("uri", "module", "install"),
    [
        ("postgresql+psycopg://me:secret@host/mlflow", "psycopg", "pip install 'psycopg[binary]'"),
        ("postgresql+psycopg2://me:secret@host/mlflow", "psycopg2", "pip install psycopg2-binary"),
        ("mysql+pymysql://me:secret@host/mlflow", "pymysql", "pip install PyMySQL"),
    ],
)
def test_a_database_without_its_module_is_refused_with_what_to_install(uri, module, install, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(UserError) as refused:
        check_driver(uri)
    assert install in str(refused.value)
    assert "me:***@host" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_database_that_nobody_knows_is_refused():
    with pytest.raises(UserError, match=r"me:\*\*\*@host/mlflow is no address of a database: .*nosuch"):
        check_driver("postgresql+nosuch://me:secret@host/mlflow")


@pytest.mark.parametrize("uri", ["sqlite:///mlflow.db", "http://host:5000", "./mlruns", "file:///runs"])
def test_a_file_a_folder_and_a_server_need_no_module(uri):
    check_driver(uri)


STORE = "tracking.uri=mysql://me:secret@host/mlflow"


@pytest.mark.skipif(find_spec("MySQLdb") is not None, reason="needs an environment without mysqlclient")
@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("ser.run", (*SMALL, STORE)),
        ("ser.run", ("-m", *SMALL, "loss=cos,l2", STORE)),
        ("ser.tune", (*SMALL, "lambda=interval(0.3,0.9)", STORE)),
        ("multirun_analysis", ("table3", STORE)),
    ],
)
def test_a_command_is_refused_before_it_does_anything(module, arguments, tmp_path, tiny):
    done = run(*arguments, f"corpus.root={tiny}", cwd=tmp_path, module=module)
    assert done.returncode == 2
    assert "pip install mysqlclient" in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
