"""The kinds of tracking store, and whether the Python module that a database needs is installed."""

from ser.errors import UserError, first_line
from ser.system.text import shown_address, without_passwords

DATABASES = ("postgresql", "mysql", "mssql")
_PACKAGES = {
    "psycopg": "'psycopg[binary]'",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
    "pymysql": "PyMySQL",
}
"""What to install for a module, where that has another name."""


def kind_of(uri: str) -> str:
    """The kind of a tracking store: ``postgresql`` for ``postgresql+psycopg://server/runs``; "" for a folder's path."""
    return uri.partition(":")[0].partition("+")[0] if ":" in uri else ""


def check_driver(uri: str) -> None:
    """Check that the module of a tracking store's database is installed, before hours of training.

    Args:
        uri: the tracking store, see ``ser.results.mlflow.resolve_uri``. A SQLite file, a folder and a tracking server
            need no module.

    Raises:
        UserError: it is not, or SQLAlchemy knows no such database.
    """
    if kind_of(uri) not in DATABASES:
        return
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    store = f"tracking.uri={shown_address(uri)}"
    try:
        make_url(uri).get_dialect().import_dbapi()
    except ModuleNotFoundError as error:
        raise UserError(
            f"{store}: this database needs the Python module {error.name}, which is not installed. Install it: "
            f"pip install {_PACKAGES.get(error.name or '', error.name)}"
        ) from error
    except ArgumentError as error:
        raise UserError(f"{store} is no address of a database: {without_passwords(first_line(error), uri)}.") from error
