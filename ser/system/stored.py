"""Files that this program has written, read back: a damaged one is told, put aside and made again, never used.

A file may be cut, empty, of another program, of an earlier version, a folder, or not readable. Each reader here checks
the form of what it reads and raises ``DamagedError`` for all of these. A missing file is no damage.
"""

import errno
import json
import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import chain, count
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from ser.errors import UserError, first_line

ASIDE = ".damaged"
"""What the name of a file ends with that was put aside; a number may follow."""

_OF_THE_FILE = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENODEV, errno.ELOOP)
"""The system's errors that are the file's own fault: it may not be read, is a folder (ENODEV where it is mapped into
memory), or a link without end."""

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
        OSError, MemoryError: the file may be whole, see ``of_the_machine``.
        DamagedError: it is damaged, of another kind, or may not be read.
    """
    try:
        yield
    except (FileNotFoundError, DamagedError):
        raise
    except Exception as error:
        if of_the_machine(error):
            raise
        raise DamagedError(f"{what} is damaged ({_reason(error)}). {remedy}") from error


def of_the_machine(error: Exception) -> bool:
    """Whether the machine failed, and the file that was read may be whole.

    So it is with too many open files, a file server that is away, or memory that has run out.
    """
    if isinstance(error, OSError):
        return error.errno not in (None, *_OF_THE_FILE)
    return isinstance(error, MemoryError)


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
        with suppress(FileNotFoundError):  # another process has said it
            _log.warning("%s %s", error, put_aside(path))
        return None


def put_aside(path: Path) -> str:
    """Rename a file or folder, so that it is not read again.

    Returns:
        A sentence that names the new path, or says why it has none.

    Raises:
        FileNotFoundError: there is no such file any more.
    """
    names = (path.with_name(f"{path.name}{ASIDE}{number}") for number in chain([""], count(2)))
    try:
        return f"It is now {path.rename(next(name for name in names if not name.exists()))}."
    except FileNotFoundError:
        raise
    except OSError as error:
        return f"It cannot be renamed: {error.strerror}."


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
