"""Files that this program has written, read back: a damaged one is told, put aside and made again, never used.

A file may be cut, empty, of another program, of an earlier version, a folder, or not readable. Each reader here checks
the form of what it reads and raises ``DamagedError`` for all of these. A missing file is no damage.
"""

import errno
import json
import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain, count
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from ser.errors import UserError, first_line

_OF_THE_FILE = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.ELOOP)
"""The system's errors that are the file's own fault: it may not be read, is a folder, or a link without end."""

_log = logging.getLogger(__name__)
T = TypeVar("T")


class DamagedError(UserError):
    """A file does not hold what it should; the message names it and says what makes it again."""


@contextmanager
def damage_told(what: str, remedy: str) -> Iterator[None]:
    """Turn everything that a reader raises for a damaged file into a DamagedError.

    Readers of arrays and archives raise exceptions of many classes, so that no class is named here.

    Args:
        what: the file, as ``The plan results/sweeps/a/1.json``.
        remedy: a sentence on how it is made again.

    Raises:
        FileNotFoundError: the file is missing.
        OSError: the system failed, as with too many open files or a file server that is away: the file may be whole.
        DamagedError: it is damaged, of another kind, or may not be read.
    """
    try:
        yield
    except (FileNotFoundError, DamagedError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in (None, *_OF_THE_FILE):
            raise
        raise DamagedError(f"{what} is damaged ({_reason(error)}). {remedy}") from error


def read_json(path: Path, kind: type[T], what: str, remedy: str) -> T:
    """Read a value from a JSON file.

    Args:
        path: the file.
        kind: the value's type: a dataclass, or a type such as ``dict[str, str]``. Keys that a dataclass lacks are
            passed over, so that files of later versions can be read.
        what: what the file is, as ``The plan``.
        remedy: as for ``damage_told``; errors, too.
    """
    with damage_told(f"{what} {path}", remedy):
        return checked(json.loads(path.read_text(encoding="utf-8")), kind)


def read_arrays(path: Path, names: Collection[str], what: str, remedy: str) -> dict[str, NDArray[Any]]:
    """Read the arrays of these names from a .npz file; arguments and errors as for ``read_json``."""
    with damage_told(f"{what} {path}", remedy), path.open("rb") as file:
        found = np.load(file, allow_pickle=False)
        if not isinstance(found, NpzFile):
            raise ValueError("it holds a single array")
        with found:
            return {name: found[name] for name in names}


def checked(value: Any, kind: type[T]) -> T:
    """A value of plain lists and dictionaries as a dataclass or another type.

    Raises:
        ValidationError: it has another form.
    """
    return _adapter(kind).validate_python(value)  # type: ignore[arg-type, no-any-return]  # types are hashable


def intact(path: Path, read: Callable[[Path], T]) -> T | None:
    """What ``read`` finds in a file; None if it is missing or damaged. A damaged file is put aside, with a warning.

    Processes and threads may do so at once: the first one renames the file.
    """
    try:
        return read(path)
    except FileNotFoundError:
        return None
    except DamagedError as error:
        try:
            _log.warning("%s It is now %s.", error, _put_aside(path))
        except FileNotFoundError:
            pass  # another process has said it
        except OSError as refused:
            _log.warning("%s It cannot be renamed: %s.", error, refused.strerror)
        return None


def _put_aside(path: Path) -> Path:
    """Rename a file or folder, so that it is not read again."""
    names = (path.with_name(f"{path.name}.damaged{number}") for number in chain([""], count(2)))
    return path.rename(next(name for name in names if not name.exists()))


@lru_cache(maxsize=32)
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        return f"{place}: {first['msg']}" if place else str(first["msg"])
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return first_line(error).rstrip(".")
