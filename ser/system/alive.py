"""Whether a process is alive that shares a folder with this one, perhaps on another machine.

A process writes its ``Owner`` record into a file, and touches the file while it lives. A process on the same machine is
looked up in /proc. Any other one is known by its file alone: it counts as dead when the file was not touched for
``SILENT_AFTER`` seconds.
"""

import os
import socket
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Gt, Lt
from pydantic import ValidationError

from ser.system.files import read_mapping
from ser.system.stored import checked

SILENT_AFTER = 120.0
"""Seconds without a sign after which a process counts as dead: killed, or its machine was switched off."""

_PROC = Path("/proc")
_ENDED = "ZX"
"""The states of a process that has ended, though its parent has not asked for its exit status yet."""


@dataclass(frozen=True)
class Owner:
    """The process that a file belongs to. The last three values are None where the system has no /proc.

    Attributes:
        host: its machine's name, for messages.
        pid: its number there.
        boot: the id of the boot of its machine: no other machine has it, nor the same one after a restart.
        namespace: the pid namespace in which its number counts; each container has its own.
        started: when it started, in clock ticks since the boot: a later process may have the same number.
    """

    host: str
    pid: Annotated[int, Gt(0), Lt(2**31)]
    boot: str | None = None
    namespace: str | None = None
    started: int | None = None

    @classmethod
    def of(cls, pid: int) -> "Owner":
        """The record of a process of this machine and this pid namespace."""
        try:
            boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
            namespace = os.readlink(_PROC / "self/ns/pid")
        except OSError:
            return cls(socket.gethostname(), pid)
        return cls(socket.gethostname(), pid, boot, namespace, _start(pid))

    @classmethod
    def of_file(cls, path: Path) -> "Owner | None":
        """The record in a JSON file, perhaps beside other keys; None if the file is missing or has no valid one."""
        try:
            return checked(read_mapping(path), cls)
        except ValidationError:
            return None

    def is_alive(self, silent: float) -> bool:
        """Whether the process is alive.

        Args:
            silent: for how many seconds it has given no sign. A process that can be looked up needs none: it may have
                been stopped, or its machine may have slept.
        """
        here = this_process()
        if self.started is None or (self.boot, self.namespace) != (here.boot, here.namespace):
            return silent < SILENT_AFTER
        return _start(self.pid) == self.started

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def this_process() -> Owner:
    """The record of this process."""
    return Owner.of(os.getpid())


def silence(path: Path) -> float:
    """For how many seconds a file was not touched, by the clock of its file system.

    The local clock may differ from a file server's; it is asked only where nothing can be written beside the file.
    """
    try:
        with tempfile.TemporaryFile(dir=path.parent) as file:
            os.utime(file.fileno())
            now = os.fstat(file.fileno()).st_mtime
    except OSError:
        now = time.time()
    return now - path.stat().st_mtime


class Signs:
    """Touches files of this process, each for as long as it holds the record of this process."""

    def __init__(self) -> None:
        self._files: set[Path] = set()
        self._process = 0

    def give(self, path: Path) -> None:
        """Touch a file from now on. Touching ends with the process, or with ``end``."""
        self._files.add(path)
        if self._process != os.getpid():  # a fork has no threads
            self._process = os.getpid()
            threading.Thread(target=self._touch, daemon=True).start()

    def end(self, path: Path) -> None:
        """Touch a file no more; nothing happens if it was not touched."""
        self._files.discard(path)

    def _touch(self) -> None:
        pause = threading.Event()
        while not pause.wait(SILENT_AFTER / 6):
            for path in list(self._files):
                if Owner.of_file(path) == this_process():  # else it had lapsed, and another process has taken it
                    with suppress(OSError):
                        os.utime(path)


signs = Signs()
"""Those of this process."""


def _start(pid: int) -> int | None:
    """When a process started, in clock ticks since the boot; None if there is no such process, or it has ended."""
    try:
        values = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()  # from the third one, its state
    except OSError:
        return None
    return None if values[0] in _ENDED else int(values[19])
