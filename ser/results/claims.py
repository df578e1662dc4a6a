"""Which trainings are being done now, so that no two processes do the same one at the same time.

    results/claims/<name>.json    a training: the process that does it (``ser.system.alive``); touched while it does

A claim ends with its training. The claim of a process that was killed lapses at once for processes of the same machine
and container, and for others ``SILENT_AFTER`` seconds after its last sign.
"""

import json
from dataclasses import asdict
from pathlib import Path

from ser.system.alive import Owner, signs, silence, this_process
from ser.system.files import lock


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
        if self.other(name):  # without the lock, since all who wait look here again and again
            return False
        path = self._path(name)
        with lock(self._lock_file):
            if self.other(name):
                return False
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(asdict(this_process())), encoding="utf-8")
        signs.give(path)
        return True

    def release(self, name: str) -> None:
        """End a claim of this process; nothing happens if it has none."""
        path = self._path(name)
        signs.end(path)
        with lock(self._lock_file):
            if Owner.of_file(path) == this_process():  # else it had lapsed, and another process has taken it
                path.unlink()

    def other(self, name: str) -> Owner | None:
        """The other process that is alive and has claimed a training; None if there is none."""
        path = self._path(name)
        owner = Owner.of_file(path)
        if owner in (None, this_process()):
            return None
        try:
            return owner if owner.is_alive(silence(path)) else None
        except FileNotFoundError:  # it has ended just now
            return None

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"
