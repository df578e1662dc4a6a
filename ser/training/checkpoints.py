"""Checkpoints: the state of a long training on disk, so that one that was killed goes on to the same numbers.

A state is kept at the end of an epoch, once ``trainer.checkpoint_minutes`` have passed since the start or the last one.
It is continued only where everything behind it is as it was: ``Checkpoints.made_by``. What the state is made of says
``ser.training.loop`` for one replica, ``ser.training.stack.kept`` for a stack.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from ser.config import signature
from ser.errors import first_line
from ser.results.claims import Claims
from ser.results.store import ResultStore
from ser.system import stored, tensors
from ser.system.files import unfinished

Restored = TypeVar("Restored")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoints:
    """Where and how often the states of a task's trainings are kept.

    Attributes:
        results: the folder of the results (``results.dir``).
        seconds: how long a training goes on before its state is kept, and between two times.
        name: the experiment's name, for messages.
        configuration: the signature of the experiment's configuration.
        stack: the digest that names the state of all its replicas in a stack.
        made_by: plain values that must be the same for a state to be continued, by the name that a message calls them:
            the source of this package, the versions of libraries, the device.
        command: with resume=false the command's mark: it goes on from its own states only.
    """

    results: Path
    seconds: float
    name: str
    configuration: str
    stack: str
    made_by: Mapping[str, Any]
    command: str | None = None

    def of_replica(self, seed: int, fold: int) -> "Checkpoint":
        """The checkpoint of one replica."""
        name = signature.replica(self.configuration, seed, fold)
        return Checkpoint(self, name, f"{self.name}: seed {seed}, fold {fold}", {"engine": "serial"})

    @contextmanager
    def of_stack(self, size: int | None) -> "Iterator[Checkpoint | None]":
        """The checkpoint of the replicas that one call of ``stack`` trains; ``size`` is its argument.

        Another process may train other replicas of the same job. One of them keeps a checkpoint; the other has None.
        """
        claims, name = Claims(self.results), self.store.training_name(self.stack)
        if not claims.take(name):
            _log.info("%s: no checkpoint is kept here, since another process keeps one of this job", self.name)
            yield None
            return
        try:
            yield Checkpoint(self, self.stack, self.name, {"engine": "stack", "engine.stack": size})
        finally:
            claims.release(name)

    @property
    def store(self) -> ResultStore:
        """The result store that has the states."""
        return ResultStore(self.results, self.command)


class Checkpoint:
    """The checkpoint of one training, or of the trainings of a stack; it need not exist.

    Args:
        all_of_task: where and how often states are kept.
        name: the name of the file, in its folder and without its ending.
        who: what is trained, for messages.
        made_by: more of what must be the same for the state to be continued.
    """

    def __init__(self, all_of_task: Checkpoints, name: str, who: str, made_by: Mapping[str, Any]) -> None:
        self._store, self._name, self._who = all_of_task.store, name, who
        self._path, self._seconds = self._store.checkpoint_path(name), all_of_task.seconds
        self._made_by = {"training": name, **made_by, **all_of_task.made_by}
        self._last, self._failed = time.monotonic(), False

    def resumed(self, restore: Callable[[dict[str, Any]], Restored]) -> Restored | None:
        """Make what is trained from the state that was kept.

        A file that is damaged, or of another training, version or device, is put aside with a warning.

        Args:
            restore: makes it from the state; may raise any error for a state that does not fit.

        Returns:
            What ``restore`` made; None where nothing was kept that can be continued.

        Raises:
            Exception: the machine failed (``of_the_machine``); the file stays where it is.
        """
        self._delete_unfinished()
        if not self._path.exists():
            return None
        try:
            return restore(self._read())
        except Exception as error:  # a user's own optimiser may raise any for a state that it does not know
            if of_the_machine(error):
                raise
            reason = first_line(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            _log.warning(
                "%s: starts again from its first epoch. Its checkpoint cannot be continued (%s). %s",
                self._who,
                reason,
                stored.put_aside(self._path),
            )
            return None

    def keep(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Write the state if it is time; one that cannot be written is said once, and training goes on.

        Args:
            state: gives the state, see ``ser.system.tensors.write_state``.
        """
        if time.monotonic() - self._last < self._seconds:
            return
        from safetensors import SafetensorError

        try:
            tensors.write_state(self._path, state(), self._made_by)
        except (OSError, SafetensorError, TypeError) as error:
            if not self._failed:
                _log.warning("%s: no checkpoint can be written: %s.", self._who, first_line(error))
            self._failed = True
        self._last = time.monotonic()

    def drop(self) -> None:
        """Delete the state."""
        self._store.drop_checkpoint(self._name)

    def say(self, where: str) -> None:
        """Log where training goes on, such as "epoch 51 of 100"."""
        _log.info("%s: continued at %s", self._who, where)

    def _read(self) -> dict[str, Any]:
        try:
            state, made_by = tensors.read_state(self._path)
        except Exception as error:  # for every damage another one
            if of_the_machine(error):
                raise
            raise ValueError("it is damaged, or of another form") from error
        others = [name for name, value in self._made_by.items() if made_by.get(name) != value]
        if others:
            raise ValueError(f"it is of another {', '.join(others)}")
        return state

    def _delete_unfinished(self) -> None:
        """Delete what a command that was killed while it wrote has left."""
        for path in unfinished(self._path):
            with suppress(OSError):
                path.unlink()


def of_the_machine(error: Exception) -> bool:
    """Whether a training failed because the machine did: a file could not be read, or memory has run out."""
    return stored.of_the_machine(error) or is_out_of_memory(error)


def is_out_of_memory(error: Exception) -> bool:
    """Whether the device's memory has run out."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "out of memory" in str(error)
    )


def overwrite(present: Mapping[str, Tensor], kept: Mapping[str, Tensor]) -> None:
    """Overwrite tensors by those of a state, in place.

    Raises:
        ValueError: the names, shapes or types differ.
    """
    forms = [{name: (each.shape, each.dtype) for name, each in named.items()} for named in (present, kept)]
    if forms[0] != forms[1]:
        raise ValueError("its parameters or buffers have other names, shapes or types")
    for name, tensor in present.items():
        tensor.detach().copy_(kept[name])
