"""The result files: one for each finished replica, named by its signature, written whole or not at all.

Resuming a sweep, assembling runs, delivering them to a tracking server and every table read these files only.

    results/replicas/ab/<signature>.npz    a finished replica
    results/replicas/ab/<signature>.safetensors             its weights, with save=best (ser.results.weights)
    results/replicas/ab/<signature>.epoch_001.safetensors   those of an epoch, with save=all
    results/failed/<signature>.json        why a replica failed; deleted once it finishes
    results/checkpoints/<signature>.safetensors    how far a replica's training is; deleted once it has ended
    results/id                             which folder this is, see folder_id
    results/sweeps/<name>/<hash>.json      the points of a sweep, as planned (ser.sweep.plan)
"""

import hashlib
import io
import json
import logging
import re
import uuid
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from ser.errors import UserError
from ser.results.metrics import weighted_accuracy
from ser.results.outcome import Outcome
from ser.results.weights import SUFFIX, read_about
from ser.system.files import replacing, write_text

_log = logging.getLogger(__name__)
ASIDE = ".unused"
"""The ending of a checkpoint that cannot be continued, in place of its own."""

_ARRAYS = ("gold", "average", "crop")
_DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
"""What numpy and zipfile raise for a missing or damaged file."""


@dataclass(frozen=True)
class Stored:
    """What a result file holds: the outcome, and ``about``: the configuration, corpus, versions and code behind it."""

    outcome: Outcome
    about: dict[str, Any]


class ResultStore:
    """The result files in one folder.

    Args:
        directory: the folder, ``results.dir``.
        sweep: with resume=false, the mark of the sweep (``ser.sweep.handover.STARTED``): results of other sweeps count
            as missing. The mark is inside each file, so that no clock has a part in it.
        weights: with save=best or all: results without weights count as missing.
    """

    def __init__(self, directory: Path, sweep: str | None = None, weights: bool = False) -> None:
        self.directory, self.sweep, self.weights = Path(directory), sweep, weights
        self._sweeps: dict[tuple[str, int], tuple[str, ...]] = {}

    def path(self, signature: str) -> Path:
        """The file for the result of a replica, given by its signature; it need not exist yet."""
        return self.directory / "replicas" / signature[:2] / f"{signature}.npz"

    def weights_path(self, signature: str, epoch: int | None = None) -> Path:
        """The file for the weights of a replica: of the epoch that is tested, or of another one."""
        return self.path(signature).with_suffix(f".epoch_{epoch:03d}{SUFFIX}" if epoch else SUFFIX)

    def checkpoint_path(self, signature: str) -> Path:
        """The file for the state of a replica that is being trained; its digest names that of a stack of replicas."""
        return self.directory / "checkpoints" / f"{signature}{SUFFIX}"

    def has(self, signature: str) -> bool:
        """Whether a replica has a result, and weights where they are asked for."""
        if self.weights and not self.weights_path(signature).exists():
            return False
        if self.sweep is None:
            return self.path(signature).exists()
        return self.sweep in self._sweeps_of(signature)

    def is_whole(self, signature: str) -> bool:
        """Whether a replica ``has`` what is asked for and it can be read; damaged files are renamed, with a warning."""
        if not self.has(signature):
            return False
        whole = _readable(self.path(signature), lambda _: self.load(signature))
        return whole and (not self.weights or _readable(self.weights_path(signature), read_about))

    def save(self, signature: str, outcome: Outcome, about: Mapping[str, Any]) -> None:
        """Write a result, whole or not at all, and delete the note of an earlier failure.

        Args:
            signature: the replica's signature.
            outcome: what the training found.
            about: plain values that say what was trained, on what, and by which code.
        """
        plain = {key: value for key, value in vars(outcome).items() if key not in (*_ARRAYS, "ids")}
        sweeps = sorted({*self._sweeps_of(signature), *([about["started"]] if "started" in about else [])})
        text = json.dumps(
            {"signature": signature, "outcome": plain, "about": dict(about), "sweeps": sweeps, "wa": _wa(outcome)},
            sort_keys=True,
        )
        buffer = io.BytesIO()
        arrays = {name: getattr(outcome, name) for name in _ARRAYS}
        np.savez_compressed(buffer, meta=np.array(text), ids=np.array(outcome.ids), **arrays)
        with replacing(self.path(signature)) as temporary:
            temporary.write_bytes(buffer.getvalue())
        self._failure_path(signature).unlink(missing_ok=True)
        self.drop_checkpoint(signature)

    def load(self, signature: str) -> Stored:
        """Read a result.

        Raises:
            UserError: the file is damaged.
        """
        path = self.path(signature)
        try:
            with np.load(path, allow_pickle=False) as file:
                meta = _read_meta(path)
                arrays = {name: file[name] for name in _ARRAYS}
                ids = tuple(file["ids"].tolist())
        except _DAMAGED as error:
            raise UserError(f"The result {path} is damaged ({error}). The same command trains it again.") from error
        if meta["signature"] != signature:
            raise UserError(f"The result {path} is of another training. The same command trains this one again.")
        known = {field.name for field in fields(Outcome)}  # results of earlier versions have further keys
        plain = {key: value for key, value in meta["outcome"].items() if key in known}
        return Stored(Outcome(ids=ids, **plain, **arrays), meta["about"])

    def accuracy(self, signature: str) -> float | None:
        """The weighted accuracy of a result; None if it is missing or damaged. May be called from any thread."""
        try:
            return _read_meta(self.path(signature)).get("wa")
        except _DAMAGED:
            return None

    def fail(self, signature: str, message: str, about: Mapping[str, Any]) -> None:
        """Write a note that a replica failed, with the reason."""
        write_text(self._failure_path(signature), json.dumps({"message": message, "about": dict(about)}, indent=1))
        self.drop_checkpoint(signature)

    def drop_checkpoint(self, signature: str) -> None:
        """Delete the state of a replica or of a stack, and one of it that was put aside, if they can be deleted."""
        for path in (self.checkpoint_path(signature), self.checkpoint_path(signature).with_suffix(ASIDE)):
            with suppress(OSError):
                path.unlink()

    def failure(self, signature: str, sweep: str | None = None) -> str | None:
        """Why a replica failed when it was last tried; None if it did not fail.

        Args:
            signature: the replica's signature.
            sweep: only a failure in the sweep of this mark counts; None: as the store was made.
        """
        try:
            note = json.loads(self._failure_path(signature).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        wanted = sweep or self.sweep
        return str(note["message"]) if wanted is None or note["about"].get("started") == wanted else None

    def _sweeps_of(self, signature: str) -> tuple[str, ...]:
        """The marks of the sweeps that made a result; read once for each version of its file.

        Two sweeps with resume=false may train the same at once. The later result then replaces the earlier one, and is
        a result of both.
        """
        path = self.path(signature)
        try:
            key = (signature, path.stat().st_mtime_ns)
            if key not in self._sweeps:
                self._sweeps[key] = tuple(_read_meta(path).get("sweeps", ()))
            return self._sweeps[key]
        except _DAMAGED:
            return ()

    def _failure_path(self, signature: str) -> Path:
        return self.directory / "failed" / f"{signature}.json"


def folder_id(directory: Path) -> str:
    """The id of a folder of results, made when it is first asked for; a copy of the folder has another one."""
    file, lock = directory / "id", directory / "locks" / "id.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        if not file.exists():
            write_text(file, uuid.uuid4().hex)
        made = file.read_text(encoding="utf-8")
    return hashlib.sha256(f"{made} {directory.resolve()}".encode()).hexdigest()[:16]


def _readable(path: Path, read: Callable[[Path], object]) -> bool:
    """Whether ``read`` can read a file; otherwise it is renamed, and a warning says so."""
    try:
        read(path)
    except UserError as error:
        aside = path.with_suffix(".damaged")
        with suppress(FileNotFoundError):  # another process has put it aside
            path.rename(aside)
        _log.warning("%s It is now %s.", error, aside)
        return False
    return True


def _wa(outcome: Outcome) -> float:
    return weighted_accuracy(outcome.gold, outcome.average.argmax(axis=1))


def _read_meta(path: Path) -> dict[str, Any]:
    """What a result file holds besides its arrays, as it was written by ``ResultStore.save``.

    numpy reads an array's header by Python's parser, which two threads must not use at once (CPython 3.11 then raises a
    SystemError). The display of progress is a thread. So the text is read without numpy: it follows a header of a known
    form (numpy's NPY format, version 1.0), four bytes a character.

    Raises:
        OSError, KeyError, ValueError, zipfile.BadZipFile: the file is missing, damaged or of another form.
    """
    with zipfile.ZipFile(path) as file:
        data = file.read("meta.npy")
    start = 10 + int.from_bytes(data[8:10], "little")
    if data[:8] != b"\x93NUMPY\x01\x00" or not re.search(rb"'descr': '[<>]U", data[:start]):
        raise ValueError("its description is no text")
    order = "utf-32-le" if b"'<U" in data[:start] else "utf-32-be"
    meta = json.loads(data[start:].decode(order))
    if not isinstance(meta, dict):
        raise ValueError("its description is no mapping")
    return meta
