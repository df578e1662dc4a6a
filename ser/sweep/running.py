"""Which commands are running a sweep now, on any machine that shares the folder of results.

results/running/<mark>.json    a command: its sweep and process (``ser.system.alive``); touched while it runs, deleted
                               at its end
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ser.sweep.planned import Plan
from ser.system.alive import Owner, signs, silence, this_process
from ser.system.files import write_text
from ser.system.stored import intact, read_json


@dataclass(frozen=True, kw_only=True)
class Running(Owner):
    """A command that runs a sweep, and its process.

    Attributes:
        sweep: the sweep's name.
        mark: its mark (``ser.sweep.handover.STARTED``), the time of its start in seconds of the epoch.
        anew, save: as for ``Plan``: which results count for it.
        silent: seconds since it gave the last sign.
    """

    sweep: str
    mark: Annotated[str, Field(pattern=r"^\d+(\.\d+)?$")]
    anew: bool
    save: Literal["none", "best", "all"]
    silent: float = 0.0

    @property
    def alive(self) -> bool:
        """Whether its process is alive."""
        return self.is_alive(self.silent)


class Sign:
    """The sign that this command gives while it runs a sweep."""

    def __init__(self, plan: Plan, mark: str) -> None:
        self._file = _folder(plan.results) / f"{mark}.json"
        self._about = {
            **asdict(this_process()),
            "sweep": plan.name,
            "mark": mark,
            "anew": plan.anew,
            "save": plan.save,
        }

    def give(self) -> None:
        """Begin to give signs, which take the place of those of dead commands that ran the same sweep.

        To call it again gives the file back that was deleted or put aside meanwhile.

        A full disk is not worth a word here: it shows where results are written.
        """
        try:
            if self._file.exists():
                return
            for other in running(self._file.parent.parent):
                if other.sweep == self._about["sweep"] and not other.alive:
                    (self._file.parent / f"{other.mark}.json").unlink(missing_ok=True)
            write_text(self._file, json.dumps(self._about, indent=1))
            signs.give(self._file)
        except OSError:
            return

    def take_back(self) -> None:
        """Say that the command has ended."""
        signs.end(self._file)
        self._file.unlink(missing_ok=True)


def running(results: Path) -> Iterator[Running]:
    """The commands in a folder of results that have not ended, the oldest first; dead ones among them."""
    found = (intact(file, _read) for file in sorted(_folder(results).glob("[!.]*.json")))
    return (each for each in found if each is not None)


def _read(file: Path) -> Running:
    found = read_json(file, Running, "The sign of a running command", "If the command runs, it gives another one.")
    return replace(found, silent=silence(file))


def _folder(results: Path) -> Path:
    return results / "running"
