"""Where a corpus lies on disk, and the messages for when it does not."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ser.corpora.table import Utterance
from ser.errors import UserError

_SHOWN = 5


@dataclass(frozen=True)
class Source:
    """How a user gives a corpus: its option's ``name``, the environment ``variable``, a ``hint`` where to get it."""

    name: str
    variable: str
    hint: str

    def path(self, root: str | Path | None) -> Path:
        """The file or folder ``root``.

        Raises:
            UserError: none is given, or nothing is there.
        """
        if root is None or not str(root):
            raise UserError(
                f"corpus={self.name} needs data: neither corpus.root nor the environment variable {self.variable} "
                f"is set. {self._advice()}"
            )
        path = Path(str(root)).expanduser()
        if not path.exists():
            raise UserError(
                f"corpus={self.name}: there is no {path.absolute()} ({self._origin(root)}). {self._advice()}"
            )
        return path

    def folder(self, root: str | Path | None) -> Path:
        """The folder ``root``.

        Raises:
            UserError: none is given, nothing is there, or it is a file.
        """
        path = self.path(root)
        if not path.is_dir():
            raise UserError(
                f"corpus={self.name}: {path.absolute()} ({self._origin(root)}) is a file, not a folder. "
                f"Give the folder that the corpus was unpacked to."
            )
        return path

    def wrong_layout(self, folder: Path, looked_for: str) -> UserError:
        """The error for a ``folder`` that is there but does not hold what was ``looked_for``."""
        names = sorted(path.name for path in visible(folder.iterdir()))
        found = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        return UserError(
            f"corpus={self.name}: {folder.absolute()} does not look like this corpus. "
            f"Looked for {looked_for}; found {found or 'an empty folder'}. Check corpus.root or ${self.variable}."
        )

    def _origin(self, root: str | Path | None) -> str:
        if os.environ.get(self.variable) == str(root):
            return f"from the environment variable {self.variable}"
        return f"from corpus.root={root}"

    def _advice(self) -> str:
        return f"{self.hint} Give its place as corpus.root=..., or try corpus=synthetic, which needs no data."


def visible(paths: Iterable[Path]) -> list[Path]:
    """The ``paths`` in order, without hidden files such as the ``._name.wav`` that macOS leaves behind."""
    return sorted(path for path in paths if not path.name.startswith("."))


def require_audio(utterances: Iterable[Utterance], listed_in: Path) -> None:
    """Check that the audio of every utterance is there.

    Raises:
        UserError: some is missing; an incomplete copy must not train silently.
    """
    paths = sorted({utterance.path for utterance in utterances})
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise UserError(
            f"{len(missing)} of the {len(paths)} audio files that {listed_in} lists are missing, the first is "
            f"{missing[0]}. Complete the copy, or correct the list."
        )
