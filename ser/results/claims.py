"""Which trainings are being done now, so that no two processes do the same one at the same time.

    results/claims/<name>.json    a training: the machine and the process that do it; touched while they do

A claim ends with its training. The claim of a process that was killed lapses at once for processes of the same machine,
and for those of another one ``SILENT_AFTER`` seconds after its last sign.
"""

import json
import os
import socket
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from filelock import FileLock

from ser.system.alive import SILENT_AFTER, is_alive
from ser.system.files import read_mapping

_held: set[Path] = set()
"""The claims of this process."""


class Claims:
    """The claims in a folder of results.

    Args:
        directory: the folder, ``results.dir``.
    """

    def __init__(self, directory: Path) -> None:
        self._folder = directory.absolute() / "claims"
        self._lock_file = directory.absolute() / "locks" / "claims.lock"

    def take(self, name: str) -> bool:
        """Claim a training for this process.

        Returns:
            False if another process that is alive has claimed it.
        """
        path = self._path(name)
        with self._lock():
            if self._is_anothers(path):
                return False
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(_this_process()), encoding="utf-8")
        _held.add(path)
        _give_signs()
        return True

    def release(self, name: str) -> None:
        """End a claim of this process; nothing happens if it has none."""
        path = self._path(name)
        _held.discard(path)
        with self._lock():
            if read_mapping(path) == _this_process():  # else it had lapsed, and another process has taken it
                path.unlink()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _lock(self) -> FileLock:
        self._lock_file.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self._lock_file)

    def _is_anothers(self, path: Path) -> bool:
        """Whether another process that is alive holds a claim. The caller must hold the lock."""
        owner = read_mapping(path)
        if not {"host", "pid"} <= owner.keys() or owner == _this_process():
            return False
        os.utime(self._lock_file)  # both times are those of the file system's clock
        silent = self._lock_file.stat().st_mtime - path.stat().st_mtime
        return is_alive(owner["host"], owner["pid"], silent)


def _this_process() -> dict[str, str | int]:
    return {"host": socket.gethostname(), "pid": os.getpid()}


@cache
def _give_signs() -> None:
    """Begin to touch the claims of this process, for as long as it lives."""
    threading.Thread(target=_touch, daemon=True).start()


def _touch() -> None:
    while True:
        time.sleep(SILENT_AFTER / 6)
        for path in list(_held):
            with suppress(OSError):
                os.utime(path)
