"""Which commands are running a sweep now, on any machine that shares the folder of results.

results/running/<mark>.json    a command: its sweep, machine and process; touched while it runs, deleted at its end
"""

import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ser.sweep.plan import Plan
from ser.system.alive import is_alive
from ser.system.files import write_text
from ser.system.stored import intact, read_json


@dataclass(frozen=True)
class Running:
    """A command that runs a sweep.

    Attributes:
        sweep: the sweep's name.
        host, pid: the machine and the number of its process there.
        mark: its mark (``ser.sweep.handover.STARTED``), the time of its start in seconds of the epoch.
        anew, weights: as for ``Plan``: which results count for it.
        seen: when it gave the last sign, in seconds of the epoch.
    """

    sweep: str
    host: str
    pid: int
    mark: Annotated[str, Field(pattern=r"^\d+(\.\d+)?$")]
    anew: bool
    weights: bool
    seen: float = 0.0

    @property
    def alive(self) -> bool:
        """Whether it has given a sign lately, and its process is there if that is on this machine."""
        return is_alive(self.host, self.pid, time.time() - self.seen)


class Sign:
    """The sign that this command gives while it runs a sweep."""

    def __init__(self, plan: Plan, mark: str) -> None:
        self._file = _folder(plan.results) / f"{mark}.json"
        self._about = {
            "sweep": plan.name,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "mark": mark,
            "anew": plan.anew,
            "weights": plan.weights,
        }

    def give(self) -> None:
        """Give a sign; the first one takes the place of those of dead commands that ran the same sweep.

        A full disk is not worth a word here: it shows where results are written.
        """
        try:
            if self._file.exists():
                os.utime(self._file)
                return
            for other in running(self._file.parent.parent):
                if other.sweep == self._about["sweep"] and not other.alive:
                    (self._file.parent / f"{other.mark}.json").unlink(missing_ok=True)
            write_text(self._file, json.dumps(self._about, indent=1))
        except OSError:
            return

    def take_back(self) -> None:
        """Say that the command has ended."""
        self._file.unlink(missing_ok=True)


def running(results: Path) -> Iterator[Running]:
    """The commands in a folder of results that have not ended, the oldest first; dead ones among them."""
    found = (intact(file, _read) for file in sorted(_folder(results).glob("[!.]*.json")))
    return (each for each in found if each is not None)


def _read(file: Path) -> Running:
    found = read_json(file, Running, "The sign of a running command", "If the command runs, it gives another one.")
    return replace(found, seen=file.stat().st_mtime)


def _folder(results: Path) -> Path:
    return results / "running"
