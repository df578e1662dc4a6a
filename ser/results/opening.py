"""Whether a tracking store will take runs: found out in seconds, before anything is trained, and without mlflow."""

import re
import sqlite3
from collections.abc import Collection
from contextlib import closing
from functools import lru_cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ser.errors import UserError, first_line
from ser.results import sqlite
from ser.results.drivers import DATABASES, check_driver, kind_of
from ser.system.text import shown_address, without_passwords

_SECONDS = 5
"""For so long a server may take to answer, and a database may be locked."""

_OTHER_STORES = ("", "file", "databricks", "databricks-uc", "uc")
"""Kinds of stores that MLflow knows and that are not looked at here."""

_VERSIONED = "alembic_version"
_VERSIONS = f"SELECT version_num FROM {_VERSIONED}"

_ADVICE = "Give another address, or tracking=none and deliver the runs later: the same command does, without training."


def check_store(uri: str) -> None:
    """Check that a tracking store can be opened and written, and is MLflow's; one that does not exist can be made.

    Args:
        uri: the tracking store, see ``ser.results.mlflow.resolve_uri``.

    Raises:
        UserError: it cannot, with the reason.
    """
    check_driver(uri)
    kind = kind_of(uri)
    if kind == "sqlite":
        _check_file(uri)
    elif kind in DATABASES:
        _check_database(uri)
    elif kind in ("http", "https"):
        _check_server(uri)
    elif kind not in _OTHER_STORES and kind not in {each.name for each in entry_points(group="mlflow.tracking_store")}:
        raise _cannot(uri, f"MLflow knows no store {kind}:, only sqlite:, http:, https:, {', '.join(DATABASES)}")


def check_experiment(uri: str, name: str) -> None:
    """Check that an experiment in a SQLite file, if it is there, takes the files of runs without a server.

    Raises:
        UserError: an MLflow server made it.
    """
    path = sqlite.path_of(uri)
    if path is None or not path.exists():
        return
    try:
        with closing(_connect(path)) as database:
            select = "SELECT artifact_location FROM experiments WHERE name = ?"
            found = database.execute(select, [name]).fetchone()
    except sqlite3.Error:  # ``check_store`` says why
        return
    if found and str(found[0]).startswith("mlflow-artifacts:"):
        raise UserError(
            f"tracking.experiment={name} was made by an MLflow server, which alone takes its files. Give the server as "
            "tracking.uri=http://..., or another tracking.experiment."
        )


def _check_file(uri: str) -> None:
    path = sqlite.path_of(uri)
    if path is None or str(path).startswith((":memory:", "file:")):
        raise UserError(
            f"tracking.uri={uri} is a database in memory: its runs are lost at the end. Give a file, such as "
            "sqlite:///mlflow.db, or tracking=none."
        )
    if unquote(str(path.absolute())) != str(path.absolute()):
        raise _cannot(uri, f"MLflow reads a % in the path {path.absolute()} as an escape: choose a folder without it")
    if path.is_dir():
        raise _cannot(uri, f"{path} is a folder: give the file of a database in it, such as {uri}/mlflow.db")
    if not path.exists():
        return
    try:
        with closing(_connect(path)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            versions = database.execute(_VERSIONS) if _VERSIONED in tables else ()
            _check_schema(uri, tables, {version for (version,) in versions})
            database.execute("BEGIN IMMEDIATE")  # takes the lock for writing
            database.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise _cannot(uri, first_line(error)) from error


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_SECONDS, isolation_level=None)


def _check_database(uri: str) -> None:
    from sqlalchemy import create_engine, inspect, make_url, text
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    waits = {"connect_timeout": _SECONDS} if make_url(uri).get_backend_name() != "mssql" else {"timeout": _SECONDS}
    try:
        with create_engine(uri, poolclass=NullPool, connect_args=waits).connect() as connection:
            tables = set(inspect(connection).get_table_names())
            versions = connection.execute(text(_VERSIONS)) if _VERSIONED in tables else ()
            _check_schema(uri, tables, {version for (version,) in versions}, shared=True)
    except SQLAlchemyError as error:
        raise _cannot(uri, first_line(error)) from error


def _check_schema(uri: str, tables: Collection[str], versions: Collection[str], shared: bool = False) -> None:
    """Check that a database has none of MLflow's tables yet, or those of the installed version.

    Args:
        uri: its address.
        tables: the names of its tables.
        versions: the versions of its tables that it states.
        shared: whether it may have other tables, as a server's often has (PostGIS' ``spatial_ref_sys``).
    """
    needed = {_VERSIONED, "experiments", "runs"}
    found = set(tables) & needed if shared else set(tables)
    if not found:
        return
    if not needed <= found:
        names = ", ".join(sorted(tables)[:3])
        raise _cannot(uri, f"it is the database of another program, with the tables {names}")
    latest = _latest_schema()
    if latest is not None and latest not in versions:
        raise _cannot(
            uri,
            f"its tables are those of another version of MLflow (schema {', '.join(versions)}; the installed one has "
            f"{latest}): make a copy of it, then run mlflow db upgrade with this address",
        )


@lru_cache(maxsize=1)
def _latest_schema() -> str | None:
    """The version of the tables that the installed MLflow makes, from its migrations; None if they have another form.

    It is the only revision that no other one follows.
    """
    found = find_spec("mlflow")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "store" / "db_migrations" / "versions"
    text = "\n".join(file.read_text(encoding="utf-8") for file in folder.glob("*.py"))
    revisions, followed = (
        set(re.findall(rf'^{name} = "(\w+)"', text, flags=re.MULTILINE)) for name in ("revision", "down_revision")
    )
    last = revisions - followed
    return last.pop() if len(last) == 1 else None


def _check_server(uri: str) -> None:
    """Check that an MLflow server answers. Whether it takes the user's password shows when runs are delivered."""
    import requests

    address = f"{uri.rstrip('/')}/api/2.0/mlflow/experiments/search"
    try:
        answer = requests.get(address, params={"max_results": 1}, timeout=_SECONDS)
    except requests.exceptions.SSLError:
        return  # MLflow has its own settings for certificates
    except requests.exceptions.Timeout as error:
        raise _cannot(uri, f"the server does not answer within {_SECONDS} s") from error
    except (requests.RequestException, ValueError) as error:
        raise _cannot(uri, _cause(error)) from error
    if answer.status_code == 404 or answer.status_code >= 500:
        raise _cannot(uri, f"{urlsplit(uri).hostname} answers, but not as an MLflow server ({answer.status_code})")


def _cause(error: BaseException) -> str:
    """The reason behind a failed request: that of the system, such as "Connection refused", if there is one."""
    reason: BaseException | None = error
    while reason is not None:
        if isinstance(reason, OSError) and reason.strerror:
            return reason.strerror
        named = getattr(reason, "reason", None)  # a text in a UnicodeError
        reason = named if isinstance(named, BaseException) else reason.__cause__ or reason.__context__
    return first_line(error) if isinstance(error, Exception) else str(error)


def _cannot(uri: str, why: str) -> UserError:
    why = without_passwords(why, uri).rstrip(".")
    return UserError(f"tracking.uri={shown_address(uri)} cannot take runs: {why}. {_ADVICE}")
