"""What a user is told of a tracking store that cannot be read."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from ser.errors import UserError, first_line
from ser.system.text import shown_address, without_passwords

WHERE = "Run the sweep first, or say where its runs are: tracking.uri=sqlite:////path/to/mlflow.db, for example."


@contextmanager
def database_errors_told(uri: str) -> Iterator[None]:
    """Turn an error of the database, or a missing driver, into a UserError that names the store."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, ModuleNotFoundError) as error:
        raise unreadable(uri, error) from error


def unreadable(uri: str, error: Exception) -> UserError:
    """The refusal of a store, with the first line of the reason."""
    reason = without_passwords(first_line(error), uri).rstrip(".")
    return UserError(f"The tracking store {shown_address(uri)} (tracking.uri=) cannot be read: {reason}. {WHERE}")


def check_experiment(uri: str, name: str, stages: Mapping[str, str]) -> None:
    """Refuse an experiment that does not exist or was deleted.

    Args:
        uri: the tracking store.
        name: the experiment.
        stages: MLflow's lifecycle stage of every existing experiment, by its name.
    """
    if name not in stages:
        active = ", ".join(sorted(existing for existing, stage in stages.items() if stage == "active"))
        raise UserError(
            f"tracking.experiment={name} is not in {shown_address(uri)}. There are: {active or 'none'}. Run "
            "the sweep first, or give tracking.experiment= and tracking.uri= as the sweep had them."
        )
    if stages[name] != "active":
        raise UserError(f"tracking.experiment={name} is deleted in MLflow: restore it or choose another name.")
