"""Files that are written whole or not at all."""

import glob
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import FileLock

from ser.errors import UserError

_TEMPORARY = re.compile(r"\..*-[a-z0-9_]{8}\.\w+")
"""The names of temporary files of ``replacing``; the eight letters are those of mkstemp."""

_DAY = 24 * 3600.0


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to, which replaces ``path`` when the block ends without an error.

    >>> import tempfile; folder = Path(tempfile.mkdtemp())
    >>> with replacing(folder / "a.txt") as temporary:
    ...     _ = temporary.write_text("whole")
    >>> [file.name for file in folder.iterdir()]
    ['a.txt']
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=_prefix(path), suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with naming(path):
            yield temporary
        temporary.chmod(0o666 & ~_umask())  # here, since safetensors makes the file anew
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def unfinished(path: Path) -> list[Path]:
    """What processes that were killed while they were ``replacing`` a path have left beside it."""
    random = 8 * "?"  # of mkstemp
    return list(path.parent.glob(glob.escape(_prefix(path)) + random + path.suffix))


def delete_leftovers(folder: Path) -> None:
    """Delete the temporary files of ``replacing`` in a folder that are older than a day: who wrote them was killed."""
    for path in folder.glob(".*"):
        with suppress(OSError):
            if _TEMPORARY.fullmatch(path.name) and time.time() - path.stat().st_mtime > _DAY:
                path.unlink()


def lock(path: Path) -> FileLock:
    """The lock of a lock file, whose folder is made. A thread that holds it may take it again.

    The operating system ends the lock if the process dies; the file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path, is_singleton=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let errors of the operating system inside the block name a path; those of writing to an open file name none."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def obstacle(folder: Path) -> str | None:
    """Why a folder can neither be written nor be made; None if it can."""
    nearest = folder.absolute()
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        return f"{nearest} is a file, no folder"
    return None if os.access(nearest, os.W_OK | os.X_OK) else f"{nearest} is read-only"


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file; an empty one if the file is missing, damaged or holds something else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def hash_file(path: Path) -> str:
    """The hash of a file's content.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from error


def expanded(path: str | Path) -> Path:
    """A path with the home folder in place of a ``~`` at its beginning, unless there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


MODEL_FILES = ("config.json", "preprocessor_config.json", "model*.safetensors")
"""The files that make a pretrained model in a folder as ``save_pretrained`` of ``transformers`` writes it."""


def model_files(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Name -> size, time of change (ns) and inode of each file that makes the model in a folder; sorted by name."""
    files = sorted(file for pattern in MODEL_FILES for file in folder.glob(pattern))
    return {file.name: (status.st_size, status.st_mtime_ns, status.st_ino) for file in files if (status := file.stat())}


def hash_model(folder: Path) -> str:
    """The hash of the names and contents of the files that make the model in a folder; its path is not part of it.

    A file is read once a process, and again if its size, time or inode changes.

    Raises:
        UserError: a file cannot be read.
    """
    return _hash_model(folder, tuple(model_files(folder).items()))


@lru_cache(maxsize=16)
def _hash_model(folder: Path, stamps: tuple[tuple[str, tuple[int, int, int]], ...]) -> str:
    lines = [f"{name} {hash_file(folder / name)}" for name, _ in stamps]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def _prefix(path: Path) -> str:
    """How the names of temporary files begin that are to replace a path; cut, so that no name is too long."""
    return f".{path.stem[:52]}-"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
