"""The result files: one for each finished replica, named by its signature, written whole or not at all.

Resuming a sweep, assembling runs, delivering them to a tracking server and every table read these files only.

    results/replicas/ab/<signature>.npz    a finished replica
    results/replicas/ab/<signature>.safetensors             its weights, with save=best (ser.results.weights)
    results/replicas/ab/<signature>.epoch_001.safetensors   those of an epoch, with save=all
    results/failed/<signature>.json        why a replica failed; deleted once it finishes
    results/checkpoints/<name>.safetensors how far a replica's training is; deleted once it has ended. For the name see
                                           ResultStore.training_name
    results/id                             which folder this is, see folder_id
    results/sweeps/<name>/<hash>.json      the points of a sweep, as planned (ser.sweep.stored_plans)

A damaged file is put aside as <name>.damaged (ser.system.stored).
"""

import hashlib
import io
import json
import re
import uuid
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import create_model

from ser.results.metrics import weighted_accuracy
from ser.results.outcome import Outcome
from ser.results.weights import SUFFIX, read_about
from ser.system.files import delete_leftovers, lock, replacing, write_text
from ser.system.stored import ASIDE, DamagedError, checked, damage_told, intact, read_arrays, read_json

_ARRAYS = ("gold", "average", "crop")
_EACH_EPOCH = {"lr", "train_loss", "val_loss", "val_wa"}
_AGAIN = "The same command trains it again."


@dataclass(frozen=True)
class Stored:
    """What a result file holds: the outcome, and ``about``: the configuration, corpus, versions and code behind it."""

    outcome: Outcome
    about: dict[str, Any]


@dataclass(frozen=True)
class _Corpus:
    classes: list[str]
    synthetic: bool


@dataclass(frozen=True)
class _About:
    """What every delivery needs of ``Stored.about``."""

    corpus: _Corpus
    device: str
    finished: datetime
    git_commit: str | None


@dataclass(frozen=True)
class _Meta:
    """What a result file holds besides its arrays, as ``ResultStore.save`` writes it."""

    signature: str
    outcome: dict[str, Any]
    about: dict[str, Any]
    sweeps: tuple[str, ...] = ()
    wa: float | None = None


@dataclass(frozen=True)
class _Part:
    """What tells whether a stored result counts.

    Attributes:
        sweeps: the marks of the sweeps that made it. Two sweeps with resume=false may train the same at once; the later
            result then replaces the earlier one, and is a result of both.
        epochs: how many epochs have weights with save=all; one that diverged has none.
    """

    sweeps: tuple[str, ...] = ()
    epochs: int = 0


_PLAIN: dict[str, Any] = {each.name: (each.type, ...) for each in fields(Outcome) if each.name not in (*_ARRAYS, "ids")}
_Plain = create_model("_Plain", **_PLAIN)
"""The values of an outcome besides its arrays and ids."""


@dataclass(frozen=True)
class _Failure:
    """Why a replica failed, and details, with the mark of its sweep among them."""

    message: str
    about: dict[str, Any] = field(default_factory=dict)


class ResultStore:
    """The result files in one folder.

    Args:
        directory: the folder, ``results.dir``.
        sweep: with resume=false, the mark of the sweep (``ser.sweep.handover.STARTED``): results of other sweeps count
            as missing. The mark is inside each file, so that no clock has a part in it.
        save: the key ``save``; with best or all, results without the weights that it asks for count as missing.
    """

    def __init__(self, directory: Path, sweep: str | None = None, save: str = "none") -> None:
        self.directory, self.sweep, self._kept = Path(directory), sweep, save
        self._parts: dict[tuple[str, int], _Part] = {}

    def path(self, signature: str) -> Path:
        """The file for the result of a replica, given by its signature; it need not exist yet."""
        return self.directory / "replicas" / signature[:2] / f"{signature}.npz"

    def weights_path(self, signature: str, epoch: int | None = None) -> Path:
        """The file for the weights of a replica: of the epoch that is tested, or of another one."""
        return self.path(signature).with_suffix(f".epoch_{epoch:03d}{SUFFIX}" if epoch else SUFFIX)

    def wanted_weights(self, signature: str) -> list[Path]:
        """The files which show that a finished replica has the weights that ``save`` asks for.

        Those of all epochs are written in the order of the epochs, so that the last epoch's stands for them.
        """
        if self._kept == "none":
            return []
        epochs = [None, max(self._stored_part(signature).epochs, 1)] if self._kept == "all" else [None]
        return [self.weights_path(signature, epoch) for epoch in epochs]

    def training_name(self, signature: str) -> str:
        """The name of a training in progress, for its claim and its checkpoint.

        With resume=false it has the sweep's mark, since two such commands each train for themselves.
        """
        return "-".join(filter(None, (signature, self.sweep)))

    def checkpoint_path(self, signature: str) -> Path:
        """The file for the state of a replica that is being trained; its digest names that of a stack of replicas."""
        return self.directory / "checkpoints" / f"{self.training_name(signature)}{SUFFIX}"

    def has(self, signature: str) -> bool:
        """Whether a replica has a result, and the weights that are asked for."""
        if not all(path.exists() for path in self.wanted_weights(signature)):
            return False
        if self.sweep is None:
            return self.path(signature).exists()
        return self.sweep in self._stored_part(signature).sweeps

    def is_whole(self, signature: str) -> bool:
        """Whether a replica ``has`` what is asked for and it can be read; damaged files are renamed, with a warning."""
        if not self.has(signature) or intact(self.path(signature), lambda _: self.load(signature)) is None:
            return False
        reading = partial(read_about, signature=signature)
        return all(intact(path, reading) is not None for path in self.wanted_weights(signature))

    def save(self, signature: str, outcome: Outcome, about: Mapping[str, Any]) -> None:
        """Write a result, whole or not at all, and delete the note of an earlier failure.

        Args:
            signature: the replica's signature.
            outcome: what the training found.
            about: plain values that say what was trained, on what, and by which code.
        """
        plain = {key: value for key, value in vars(outcome).items() if key in _PLAIN}
        sweeps = sorted({*self._stored_part(signature).sweeps, *([about["started"]] if "started" in about else [])})
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
            DamagedError: there is none; or it is damaged, of another training, or of a form that is not read any more.
        """
        path = self.path(signature)
        if not path.exists():
            raise DamagedError(f"There is no result {path}. {_AGAIN}")
        with damage_told(f"The result {path}", _AGAIN):
            meta = _read_meta(path)
            arrays = read_arrays(path, (*_ARRAYS, "ids"), "The result", _AGAIN)
            if meta.signature != signature:
                raise DamagedError(f"The result {path} is of another training. The same command trains this one again.")
            _check(arrays, checked(meta.about, _About))
            parts: dict[str, Any] = {
                **vars(checked(meta.outcome, _Plain)),
                **arrays,
                "ids": tuple(arrays["ids"].tolist()),
            }
            outcome = Outcome(**parts)
            _check_history(outcome)
        return Stored(outcome, meta.about)

    def accuracy(self, signature: str) -> float | None:
        """The weighted accuracy of a result; None if it is missing or damaged. May be called from any thread."""
        try:
            return _read_meta(self.path(signature)).wa
        except (OSError, DamagedError):
            return None

    def fail(self, signature: str, message: str, about: Mapping[str, Any]) -> None:
        """Write a note that a replica failed, with the reason."""
        write_text(self._failure_path(signature), json.dumps({"message": message, "about": dict(about)}, indent=1))

    def drop_checkpoint(self, signature: str) -> None:
        """Delete the state of a replica or of a stack, and those of it that were put aside, if they can be deleted."""
        state = self.checkpoint_path(signature)
        for path in (state, *state.parent.glob(f"{state.name}{ASIDE}*")):
            with suppress(OSError):
                path.unlink()

    def delete_leftovers(self) -> None:
        """Delete files that commands have written in part which were killed a day ago or earlier."""
        for folder in (*self.directory.glob("replicas/*"), self.directory / "checkpoints", self.directory / "failed"):
            delete_leftovers(folder)

    def failure(self, signature: str, sweep: str | None = None) -> str | None:
        """Why a replica failed when it was last tried; None if it did not fail.

        Args:
            signature: the replica's signature.
            sweep: only a failure in the sweep of this mark counts; None: as the store was made.
        """
        note = intact(self._failure_path(signature), _read_failure)
        wanted = sweep or self.sweep
        return note.message if note and wanted in (None, note.about.get("started")) else None

    def _stored_part(self, signature: str) -> _Part:
        """What tells whether a result counts, read once for each version of its file; nothing if it is missing."""
        path = self.path(signature)
        try:
            key = (signature, path.stat().st_mtime_ns)
            if key not in self._parts:
                meta = _read_meta(path)
                epochs = len(meta.outcome["history"]) - bool(meta.outcome["diverged"])
                self._parts[key] = _Part(meta.sweeps, epochs)
            return self._parts[key]
        except (OSError, KeyError, TypeError, DamagedError):
            return _Part()

    def _failure_path(self, signature: str) -> Path:
        return self.directory / "failed" / f"{signature}.json"


def folder_id(directory: Path) -> str:
    """The id of a folder of results, made when it is first asked for; a copy of the folder has another one."""
    file = directory / "id"
    with lock(directory / "locks" / "id.lock"):
        made = intact(file, _read_id)
        if made is None:
            made = uuid.uuid4().hex
            write_text(file, made)
    return hashlib.sha256(f"{made} {directory.resolve()}".encode()).hexdigest()[:16]


def _read_id(path: Path) -> str:
    with damage_told(f"The id {path}", "The folder gets another id."):
        return uuid.UUID(path.read_text(encoding="utf-8")).hex


def _read_failure(path: Path) -> _Failure:
    return read_json(path, _Failure, "The note of a failed training", "The same command tries the training again.")


def _wa(outcome: Outcome) -> float:
    return weighted_accuracy(outcome.gold, outcome.average.argmax(axis=1))


def _check(arrays: Mapping[str, NDArray[Any]], about: _About) -> None:
    """Check that the arrays of a result fit together.

    Raises:
        ValueError: they do not.
    """
    utterances, classes = len(arrays["ids"]), len(about.corpus.classes)
    both = (utterances, classes)
    expected = {"ids": ("U", both[:1]), "gold": ("i", both[:1]), "average": ("f", both), "crop": ("f", both)}
    found = {name: (array.dtype.kind, array.shape) for name, array in arrays.items()}
    wrong = [name for name in expected if found[name] != expected[name]]
    if wrong:
        raise ValueError(f"{wrong[0]} has the type and shape {found[wrong[0]]}, not {expected[wrong[0]]}")
    if not set(arrays["gold"].tolist()) <= set(range(classes)):
        raise ValueError("gold has a class that the corpus lacks")


def _check_history(outcome: Outcome) -> None:
    if not 1 <= outcome.best_epoch <= len(outcome.history):
        raise ValueError(f"the best epoch is {outcome.best_epoch} of {len(outcome.history)}")
    if not all(epoch.keys() >= _EACH_EPOCH for epoch in outcome.history):
        raise ValueError(f"an epoch lacks one of {', '.join(sorted(_EACH_EPOCH))}")


def _read_meta(path: Path) -> _Meta:
    """What a result file holds besides its arrays, as it was written by ``ResultStore.save``.

    numpy reads an array's header by Python's parser, which two threads must not use at once (CPython 3.11 then raises a
    SystemError). The display of progress is a thread. So the text is read without numpy: it follows a header of a known
    form (numpy's NPY format, version 1.0), four bytes a character.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedError: it is damaged or of another form.
    """
    with damage_told(f"The result {path}", _AGAIN):
        with zipfile.ZipFile(path) as file:
            data = file.read("meta.npy")
        start = 10 + int.from_bytes(data[8:10], "little")
        if data[:8] != b"\x93NUMPY\x01\x00" or not re.search(rb"'descr': '[<>]U", data[:start]):
            raise ValueError("its description is no text")
        order = "utf-32-le" if b"'<U" in data[:start] else "utf-32-be"
        return checked(json.loads(data[start:].decode(order)), _Meta)
