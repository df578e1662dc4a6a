"""The location of a corpus on disk, and the errors for a wrong location."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ser.corpora.table import Utterance
from ser.errors import UserError
from ser.system.files import expanded
from ser.system.text import listing


@dataclass(frozen=True)
class Source:
    """How a user provides a corpus.

    Attributes:
        name: the name of its option in the config group ``corpus``.
        variable: the environment variable that holds the default of ``corpus.root``.
        hint: a sentence that tells where to get the data.
    """

    name: str
    variable: str
    hint: str

    def path(self, root: str | Path | None) -> Path:
        """Return ``root`` as a path to an existing file or folder; ``~`` is expanded.

        Raises:
            UserError: ``root`` is None or empty, or the path does not exist.
        """
        if root is None or not str(root):
            raise UserError(
                f"corpus={self.name} needs data: neither corpus.root nor the environment variable {self.variable} "
                f"is set. {self._advice()}"
            )
        path = expanded(str(root))
        if not path.exists():
            raise UserError(
                f"corpus={self.name}: there is no {path.absolute()} ({self._origin(root)}). {self._advice()}"
            )
        return path

    def folder(self, root: str | Path | None) -> Path:
        """Return ``root`` as a path to an existing folder; ``~`` is expanded.

        Raises:
            UserError: ``root`` is None or empty, or the path does not exist or is a file.
        """
        path = self.path(root)
        if not path.is_dir():
            raise UserError(
                f"corpus={self.name}: {path.absolute()} ({self._origin(root)}) is a file, not a folder. "
                f"Give the folder that the corpus was unpacked to."
            )
        return path

    def wrong_layout(self, folder: Path, looked_for: str) -> UserError:
        """Return the error for a folder that exists but does not have the corpus' layout.

        Args:
            folder: the folder.
            looked_for: what the folder should contain, such as ``"audio wav/*.wav"``.
        """
        names = sorted(path.name for path in visible(folder.iterdir()))
        return UserError(
            f"corpus={self.name}: {folder.absolute()} does not look like this corpus. "
            f"Looked for {looked_for}; found {listing(names) or 'an empty folder'}. "
            f"Check corpus.root or ${self.variable}."
        )

    def _origin(self, root: str | Path | None) -> str:
        if os.environ.get(self.variable) == str(root):
            return f"from the environment variable {self.variable}"
        return f"from corpus.root={root}"

    def _advice(self) -> str:
        return f"{self.hint} Give its path as corpus.root=..., or try corpus=synthetic, which needs no data."


def visible(paths: Iterable[Path]) -> list[Path]:
    """Return the paths in alphabetical order, without hidden files such as the ``._name.wav`` that macOS creates.

    Raises:
        UserError: ``paths`` lists a folder that cannot be listed.
    """
    try:
        return sorted(path for path in paths if not path.name.startswith("."))
    except OSError as error:
        raise UserError(f"{error.filename} cannot be listed ({error.strerror}). Make it readable.") from error


def content(file: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}). Make it a readable file.") from error


def require_audio(utterances: Iterable[Utterance], listed_in: Path) -> None:
    """Check that every utterance's audio file exists, so that no model is trained on an incomplete copy by accident.

    Args:
        utterances: the utterances.
        listed_in: the file or folder that lists them, for the error message.

    Raises:
        UserError: an audio file does not exist.
    """
    paths = sorted({utterance.path for utterance in utterances})
    missing = [path for path in paths if not path.is_file()]
    if missing:
        advice = "Complete the copy, or correct the list"
        if any("\\" in part for part in missing[0].parts[1:]):
            advice = "Its path has backslashes, which separate folders on Windows only: write / instead"
        raise UserError(
            f"{len(missing)} of the {len(paths)} audio files that {listed_in} lists are missing: {listing(missing)}. "
            f"{advice}."
        )
