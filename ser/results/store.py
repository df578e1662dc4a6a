"""The result files: one for each finished replica, named by its signature, written whole or not at all.

Resuming a sweep, assembling runs, delivering them to a tracking server and every table read these files only.

    results/replicas/ab/<signature>.npz    a finished replica
    results/failed/<signature>.json        why a replica failed; deleted once it finishes
    results/sweeps/<name>/<hash>.json      the points of a sweep, as planned (ser.sweep.plan)
"""

import io
import json
import logging
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ser.errors import UserError
from ser.results.outcome import Outcome
from ser.system.files import replacing, write_text

_log = logging.getLogger(__name__)
_ARRAYS = ("gold", "average", "crop")


@dataclass(frozen=True)
class Stored:
    """What a result file holds: the outcome, and ``about``: the configuration, corpus, versions and code behind it."""

    outcome: Outcome
    about: dict[str, Any]


class ResultStore:
    """The result files in one folder.

    Args:
        directory: the folder, ``results.dir``.
        since: with resume=false, when the sweep began, in seconds of the epoch: older files count as missing.
    """

    def __init__(self, directory: Path, since: float | None = None) -> None:
        self.directory, self.since = Path(directory), since

    def path(self, signature: str) -> Path:
        """The file for the result of a replica, given by its signature; it need not exist yet."""
        return self.directory / "replicas" / signature[:2] / f"{signature}.npz"

    def has(self, signature: str) -> bool:
        """Whether a replica has a result."""
        return _is_there(self.path(signature), self.since)

    def is_whole(self, signature: str) -> bool:
        """Whether a replica has a result that can be read. A damaged file is renamed, and a warning says so."""
        try:
            return self.has(signature) and self.load(signature) is not None
        except UserError as error:
            aside = self.path(signature).with_suffix(".damaged")
            self.path(signature).rename(aside)
            _log.warning("%s It is now %s.", error, aside)
            return False

    def save(self, signature: str, outcome: Outcome, about: Mapping[str, Any]) -> None:
        """Write a result, whole or not at all, and delete the note of an earlier failure.

        Args:
            signature: the replica's signature.
            outcome: what the training found.
            about: plain values that say what was trained, on what, and by which code.
        """
        plain = {key: value for key, value in vars(outcome).items() if key not in (*_ARRAYS, "ids")}
        text = json.dumps({"signature": signature, "outcome": plain, "about": dict(about)}, sort_keys=True)
        buffer = io.BytesIO()
        arrays = {name: getattr(outcome, name) for name in _ARRAYS}
        np.savez_compressed(buffer, meta=np.array(text), ids=np.array(outcome.ids), **arrays)
        with replacing(self.path(signature)) as temporary:
            temporary.write_bytes(buffer.getvalue())
        self._failure_path(signature).unlink(missing_ok=True)

    def load(self, signature: str) -> Stored:
        """Read a result.

        Raises:
            UserError: the file is damaged.
        """
        path = self.path(signature)
        try:
            with np.load(path, allow_pickle=False) as file:
                meta = json.loads(str(file["meta"]))
                arrays = {name: file[name] for name in _ARRAYS}
                ids = tuple(file["ids"].tolist())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise UserError(f"The result {path} is damaged ({error}). The same command trains it again.") from error
        known = {field.name for field in fields(Outcome)}  # results of earlier versions have further keys
        plain = {key: value for key, value in meta["outcome"].items() if key in known}
        return Stored(Outcome(ids=ids, **plain, **arrays), meta["about"])

    def fail(self, signature: str, message: str, about: Mapping[str, Any]) -> None:
        """Write a note that a replica failed, with the reason."""
        write_text(self._failure_path(signature), json.dumps({"message": message, "about": dict(about)}, indent=1))

    def failure(self, signature: str, since: float | None = None) -> str | None:
        """Why a replica failed when it was last tried; None if it did not fail.

        Args:
            signature: the replica's signature.
            since: only a failure after that time counts, in seconds of the epoch; None: as the store was made.
        """
        path = self._failure_path(signature)
        if not _is_there(path, since or self.since):
            return None
        try:
            return str(json.loads(path.read_text(encoding="utf-8"))["message"])
        except FileNotFoundError:  # another process has just finished the replica
            return None

    def _failure_path(self, signature: str) -> Path:
        return self.directory / "failed" / f"{signature}.json"


def _is_there(path: Path, since: float | None) -> bool:
    try:
        return path.stat().st_mtime >= (since or 0)
    except FileNotFoundError:
        return False
