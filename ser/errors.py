"""The exception for a user's mistake, and what errors tell."""

import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.errors import CompactHydraException


class UserError(CompactHydraException):
    """A mistake that the user can correct: what is wrong, which value, where it came from, what to do.

    Hydra prints its message without a traceback (unless HYDRA_FULL_ERROR=1), exits with 1, and lets the other
    points of a multirun go on.
    """


@contextmanager
def told_to_user() -> Iterator[None]:
    """Turn an error of the operating system, such as a full disk, into a UserError that names the file.

    A closed pipe stays what it is: the reader of the output has gone.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is None and error.strerror is None:
            raise
        where = f" ({error.filename})" if error.filename is not None else ""
        raise UserError(
            f"{error.strerror or error}{where}. Results, cache and tracking need a folder that can be written and has "
            "room: see results.dir, cache.dir and tracking.uri."
        ) from error


def first_line(error: Exception) -> str:
    """An error's first line of text, or its type if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def telling_frame(error: Exception) -> traceback.FrameSummary:
    """The deepest frame of a traceback in a user's own code, else in this package, else at all."""
    frames = list(reversed(traceback.extract_tb(error.__traceback__)))
    installed = tuple(str(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib"))
    package = str(Path(__file__).parent)
    ours = [frame for frame in frames if not frame.filename.startswith(installed)]
    return next((frame for frame in ours if not frame.filename.startswith(package)), [*ours, frames[0]][0])
